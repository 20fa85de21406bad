"""How logmetrics itself is doing, as a dashboard: examples/grafana/logmetrics.json."""

from __future__ import annotations

from collections.abc import Callable

from logmetrics.authoring.observation.dashboard import Dashboard, Panel, Query, Row, Thresholds, Variable, stat

_CHOSEN = 'job=~"$job",instance=~"$instance",logmetrics_instance=~"$name"'
_WHO = "{{instance}} {{logmetrics_instance}}"
_SOURCE = f"{_WHO} {{{{source}}}}"
# What becomes of a line that no rule counts.
_OTHERS = ("unmatched", "unparsable", "continuation", "excluded", "oversize")
_ONE_IS_GOOD: Thresholds = ((None, "red"), (1, "green"))
_NONE_IS_GOOD: Thresholds = ((None, "green"), (1, "red"))


def _of(metric: str) -> str:
    return f"{metric}{{{_CHOSEN}}}"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({_of(metric)}[$__rate_interval]))"


def _total(what: str) -> str:
    return f"sum(rate({_of(f'logmetrics_source_{what}_total')}[$__rate_interval]))"


_VARIABLES = (
    Variable("job", "Job", "label_values(logmetrics_build_info, job)"),
    Variable("instance", "Target", 'label_values(logmetrics_build_info{job=~"$job"}, instance)'),
    Variable(
        "name",
        "Instance",
        'label_values(logmetrics_build_info{job=~"$job",instance=~"$instance"}, logmetrics_instance)',
    ),
)
_READING = Row(
    "Reading",
    (
        Panel(
            "Lines",
            "Lines read, by source.",
            (Query(_rate("logmetrics_source_lines_total", "instance, logmetrics_instance, source"), _SOURCE),),
            "cps",
        ),
        Panel(
            "Bytes",
            "Bytes of whole lines read, by source.",
            (Query(_rate("logmetrics_source_bytes_total", "instance, logmetrics_instance, source"), _SOURCE),),
            "Bps",
        ),
        Panel(
            "Behind",
            "Bytes written and not yet read, by source. It should be near zero but for moments.",
            (Query(_of("logmetrics_source_lag_bytes"), _SOURCE),),
            "bytes",
        ),
        Panel(
            "Silence",
            "Time since lines of a source were read last.",
            (Query(f"time() - {_of('logmetrics_source_last_record_timestamp_seconds')}", _SOURCE),),
            "s",
        ),
        Panel(
            "What became of lines",
            "Each line read is one of these. Unmatched lines are those that no rule counts.",
            (
                Query(" - ".join([_total("lines"), *(_total(f"{other}_lines") for other in _OTHERS)]), "counted"),
                *(Query(_total(f"{other}_lines"), other) for other in _OTHERS),
            ),
            "cps",
            stacked=True,
        ),
        Panel(
            "Rules",
            "The ten rules that match most records.",
            (Query(f"topk(10, {_rate('logmetrics_rule_matches_total', 'rule')})", "{{rule}}"),),
            "cps",
        ),
    ),
)
_FILES = Row(
    "Files",
    (
        Panel(
            "Files",
            "Files that are followed, by source.",
            (Query(_of("logmetrics_source_files"), _SOURCE),),
            "none",
        ),
        Panel(
            "Replaced and rewritten",
            "Files replaced under their name (rotations), and files rewritten in place (truncations).",
            (
                Query(f"sum(increase({_of('logmetrics_source_rotations_total')}[$__rate_interval]))", "rotations"),
                Query(f"sum(increase({_of('logmetrics_source_truncations_total')}[$__rate_interval]))", "truncations"),
            ),
            "none",
        ),
        Panel(
            "Decisions",
            "What files were found to be when they came, moved or shrank.",
            (
                Query(
                    f"sum by (reason) (increase({_of('logmetrics_source_decisions_total')}[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            "none",
        ),
    ),
)
_SERIES = Row(
    "Series",
    (
        Panel(
            "Fullest metrics",
            "The ten metrics that are nearest to their limits.",
            (
                Query(
                    f"topk(10, max by (metric) ({_of('logmetrics_series')} / {_of('logmetrics_series_limit')}))",
                    "{{metric}}",
                ),
            ),
            "percentunit",
            "bargauge",
            thresholds=((None, "green"), (0.8, "orange"), (1, "red")),
            most=1,
        ),
        Panel(
            "Overflow",
            "Measurements whose label reads __overflow__, by metric and the label that broke its budget. None is lost.",
            (Query(_rate("logmetrics_overflow_measurements_total", "metric, label"), "{{metric}} {{label}}"),),
            "cps",
        ),
        Panel(
            "Coming and going",
            "Series that took a lighter one's place, gave way, left because nothing came, and came back.",
            tuple(
                Query(f"sum(rate({_of(f'logmetrics_{move}_series_total')}[$__rate_interval])) or vector(0)", move)
                for move in ("admitted", "displaced", "idle", "resumed")
            ),
            "cps",
        ),
    ),
)
_PROCESS = Row(
    "Process",
    (
        Panel(
            "CPU",
            "Processors in use. A textfile does not tell this.",
            (Query(f"rate({_of('process_cpu_seconds_total')}[$__rate_interval])", _WHO),),
            "percentunit",
        ),
        Panel(
            "Memory",
            "Resident memory. A textfile does not tell this.",
            (Query(_of("process_resident_memory_bytes"), _WHO),),
            "bytes",
        ),
        Panel(
            "Durations",
            "How long the last commit and the last scrape took.",
            (
                Query(_of("logmetrics_commit_duration_seconds"), f"commit {_WHO}"),
                Query(_of("scrape_duration_seconds"), f"scrape {_WHO}"),
            ),
            "s",
        ),
    ),
)


def health_row(of: Callable[[str], str]) -> Row:
    """At a glance whether it reads, saves and stays within its limits; *of* selects the series of a metric."""
    return Row("Health of logmetrics", (*_state(of), *_limits(of)))


def _state(of: Callable[[str], str]) -> tuple[Panel, ...]:
    return (
        stat(
            "Running",
            "Processes of logmetrics that Prometheus sees, directly or through a textfile.",
            f"count({of('logmetrics_build_info')})",
            "none",
            _ONE_IS_GOOD,
        ),
        stat(
            "Commits",
            "Whether what is counted can be saved. While it cannot, scrapes see the last commit that was.",
            f"min({of('logmetrics_commit_ok')})",
            "none",
            _ONE_IS_GOOD,
            words=(("0", "fail"), ("1", "good")),
        ),
        stat(
            "Config",
            "Whether the config file is what is in force, or the last reload failed.",
            f"min({of('logmetrics_config_last_reload_successful')})",
            "none",
            _ONE_IS_GOOD,
            words=(("0", "old"), ("1", "in force")),
        ),
    )


def _limits(of: Callable[[str], str]) -> tuple[Panel, ...]:
    lost, series = of("logmetrics_lost_bytes_total"), of("logmetrics_series")
    return (
        stat(
            "Lost",
            "Bytes of logs that are known to have gone unread, in the time shown.",
            f"sum(increase({lost}[$__range])) or vector(0)",
            "bytes",
            _NONE_IS_GOOD,
        ),
        stat(
            "Behind",
            "Bytes that are written and not yet read.",
            f"sum({of('logmetrics_source_lag_bytes')})",
            "bytes",
            ((None, "green"), (1_048_576, "orange"), (16_777_216, "red")),
        ),
        stat(
            "Unreadable",
            "Paths that are missing or cannot be read; the log of logmetrics names them.",
            f"sum({of('logmetrics_source_unreadable_files')})",
            "none",
            _NONE_IS_GOOD,
        ),
        stat(
            "Fullest metric",
            "Series of the metric that is nearest to its limit, where new label values become __overflow__.",
            f"max({series} / {of('logmetrics_series_limit')})",
            "percentunit",
            ((None, "green"), (0.8, "orange"), (1, "red")),
        ),
        Panel(
            "Versions",
            "How many processes run which version.",
            (Query(f"count by (version) ({of('logmetrics_build_info')})", "{{version}}"),),
            "none",
            "bargauge",
            width=3,
            height=4,
        ),
    )


def own_dashboard() -> Dashboard:
    """Of all processes of logmetrics that Prometheus sees."""
    return Dashboard(
        "logmetrics-self",
        "logmetrics: itself",
        "Whether it reads, keeps up, saves and stays within its limits. Written by logmetrics dashboard --self.",
        _VARIABLES,
        (health_row(_of), _READING, _FILES, _SERIES, _PROCESS),
    )
