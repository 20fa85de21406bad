"""Trials of the alerts about logmetrics itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from logmetrics.authoring.observation.trial import Trial, growing, interval_min, selector, still, whole
from logmetrics.config.specs import AlertsSpec

# Gauges: the metric, labels beside the target's, a value that is wrong, and one that is not.
_LEVELS: tuple[tuple[str, str, Mapping[str, str], float, float], ...] = (
    ("LogmetricsCommitsFail", "logmetrics_commit_ok", {}, 0, 1),
    ("LogmetricsUnreadable", "logmetrics_source_unreadable_files", {"source": "agents"}, 2, 0),
    ("LogmetricsReloadFailed", "logmetrics_config_last_reload_successful", {}, 0, 1),
)
# Counters that should not grow.
_LOSSES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("LogmetricsLoss", "logmetrics_lost_bytes_total", {"reason": "deleted"}),
    ("LogmetricsJournalGap", "logmetrics_journal_gap_seconds_total", {"source": "ollama"}),
    (
        "LogmetricsOverflow",
        "logmetrics_overflow_measurements_total",
        {"metric": "agent_tool_calls_total", "label": "agent"},
    ),
)


def own_trials(settings: AlertsSpec) -> Iterator[tuple[str, Trial]]:
    """By the names of alerts."""
    ill, well = ({"job": settings.job, "instance": f"{name}:8001"} for name in ("ill", "well"))
    other = {**well, "job": f"not {settings.job}"}
    down, up = (selector("up", ill), still(0)), (selector("up", well), still(1))
    yield "LogmetricsDown", Trial(ill, (down,), (up, (selector("up", other), still(0))))
    yield "LogmetricsAbsent", Trial({"job": settings.job}, ((selector("up", other), still(1)),), (down,), apart=True)
    for name, metric, more, wrong, right in _LEVELS:
        yield name, _level(metric, {**ill, **more}, {**well, **more}, wrong, right)
    source = {"source": "agents"}
    yield (
        "LogmetricsLag",
        _level(
            "logmetrics_source_lag_bytes",
            {**ill, **source},
            {**well, **source},
            settings.lag_bytes + 1,
            settings.lag_bytes,
        ),
    )
    for name, metric, more in _LOSSES:
        lost = (selector(metric, {**ill, **more}), "0x30 4096x30")
        yield name, Trial({**ill, **more}, (lost,), ((selector(metric, {**well, **more}), still(4096)),))
    yield from _times(settings, ill, well)
    yield from _shares(settings, {**ill, **source}, {**well, **source})
    yield "LogmetricsSeriesNearLimit", _fullness(settings, ill, well)


def _level(metric: str, ill: Mapping[str, str], well: Mapping[str, str], wrong: float, right: float) -> Trial:
    return Trial(ill, ((selector(metric, ill), still(wrong)),), ((selector(metric, well), still(right)),))


def _times(settings: AlertsSpec, ill: Mapping[str, str], well: Mapping[str, str]) -> Iterator[tuple[str, Trial]]:
    """Moments that should go on with the clock."""
    file, source = {"file": "/var/lib/node/logmetrics.prom"}, {"source": "agents"}
    silent_min = whole(settings.silent_after_s / 60 + 20)
    for name, metric, more, minutes in (
        ("LogmetricsTextfileOld", "node_textfile_mtime_seconds", file, 30),
        ("LogmetricsStuck", "logmetrics_last_commit_timestamp_seconds", {}, 30),
        ("LogmetricsNoInput", "logmetrics_source_last_record_timestamp_seconds", source, silent_min),
    ):
        interval = interval_min(minutes)
        stands = selector(metric, {**ill, **more}), still(0, minutes // interval)
        moves = selector(metric, {**well, **more}), growing((60 * interval, minutes // interval))
        yield name, Trial({**ill, **more}, (stands,), (moves,), minutes)


def _shares(settings: AlertsSpec, ill: Mapping[str, str], well: Mapping[str, str]) -> Iterator[tuple[str, Trial]]:
    """Lines of which too many are of a kind."""
    for name, part, limit, minutes in (
        ("LogmetricsUnparsable", "unparsable", settings.unparsable_ratio, 45),
        ("LogmetricsUnmatched", "unmatched", settings.unmatched_ratio, 150),
    ):
        metric = f"logmetrics_source_{part}_lines_total"

        def lines(
            labels: Mapping[str, str], share: float, metric: str = metric, minutes: int = minutes
        ) -> tuple[tuple[str, str], ...]:
            read = (selector("logmetrics_source_lines_total", labels), growing((1000, minutes)))
            return (read, (selector(metric, labels), growing((1000 * share, minutes))))

        yield name, Trial(ill, lines(ill, (1 + limit) / 2), lines(well, limit / 2), minutes)


def _fullness(settings: AlertsSpec, ill: Mapping[str, str], well: Mapping[str, str]) -> Trial:
    def series(labels: Mapping[str, str], share: float) -> tuple[tuple[str, str], ...]:
        metric = {"metric": "agent_tool_calls_total"}
        return (
            (selector("logmetrics_series", labels, **metric), still(2000 * share)),
            (selector("logmetrics_series_limit", labels, **metric), still(2000)),
        )

    limit = settings.series_ratio
    found = {**ill, "metric": "agent_tool_calls_total"}
    return Trial(found, series(ill, (1 + limit) / 2), series(well, limit / 2))
