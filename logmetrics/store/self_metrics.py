"""What logmetrics tells about itself: one table, and the families behind it.

Labels here are bounded by the configuration (sources, rules, metrics), never by what a log holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.family import Family
from logmetrics.store.guard import ProcessBudget
from logmetrics.store.series import CounterSeries, GaugeSeries


@dataclass(frozen=True, slots=True)
class SelfMetric:
    """A self-metric. ``runtime`` ones tell about the running process, and `--once` leaves them out."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str
    runtime: bool = False


OVERFLOWS = "logmetrics_overflow_measurements_total"
SELF_METRICS: tuple[SelfMetric, ...] = (
    SelfMetric("logmetrics_build_info", "gauge", ("version",), "Always 1; the version that runs", runtime=True),
    SelfMetric("logmetrics_source_lines_total", "counter", ("source",), "Lines read"),
    SelfMetric("logmetrics_source_bytes_total", "counter", ("source",), "Bytes of whole lines read"),
    SelfMetric(
        "logmetrics_source_last_record_timestamp_seconds",
        "gauge",
        ("source",),
        "Unix time at which lines were read last, or of the start",
        runtime=True,
    ),
    SelfMetric("logmetrics_source_unmatched_lines_total", "counter", ("source",), "Lines that no rule matched"),
    SelfMetric(
        "logmetrics_source_unparsable_lines_total", "counter", ("source",), "Lines that are no record of their format"
    ),
    SelfMetric(
        "logmetrics_source_continuation_lines_total",
        "counter",
        ("source",),
        "Lines that only go on with another one",
    ),
    SelfMetric(
        "logmetrics_source_excluded_lines_total", "counter", ("source",), "Lines that exclude_lines passes over"
    ),
    SelfMetric(
        "logmetrics_source_oversize_lines_total", "counter", ("source",), "Lines skipped, longer than max_line_bytes"
    ),
    SelfMetric("logmetrics_source_files", "gauge", ("source",), "Files being read"),
    SelfMetric("logmetrics_source_unreadable_files", "gauge", ("source",), "Paths that are missing or cannot be read"),
    SelfMetric("logmetrics_source_lag_bytes", "gauge", ("source",), "Bytes written but not yet read", runtime=True),
    SelfMetric("logmetrics_source_rotations_total", "counter", ("source",), "Files replaced under their name"),
    SelfMetric("logmetrics_source_truncations_total", "counter", ("source",), "Files rewritten in place, read anew"),
    SelfMetric(
        "logmetrics_source_decisions_total", "counter", ("source", "reason"), "What files were found to be, by reason"
    ),
    SelfMetric("logmetrics_source_nul_bytes_total", "counter", ("source",), "NULs skipped at the start of lines"),
    SelfMetric("logmetrics_lost_bytes_total", "counter", ("reason",), "Bytes known to have gone unread"),
    SelfMetric(
        "logmetrics_journal_gap_seconds_total",
        "counter",
        ("source",),
        "Seconds of a journal gone before it was read",
    ),
    SelfMetric("logmetrics_open_files", "gauge", (), "Log files that are open", runtime=True),
    SelfMetric("logmetrics_rule_matches_total", "counter", ("rule",), "Records that a rule counted"),
    SelfMetric(
        "logmetrics_rule_skipped_updates_total", "counter", ("rule", "reason"), "Updates whose value cannot be used"
    ),
    SelfMetric("logmetrics_rule_open_pairs", "gauge", ("rule",), "Starts that wait for their end"),
    SelfMetric(
        "logmetrics_rule_broken_pairs_total", "counter", ("rule", "reason"), "Starts and ends that found no partner"
    ),
    SelfMetric("logmetrics_rule_remembered_keys", "gauge", ("rule",), "Keys that once, rise and delta know"),
    SelfMetric(
        "logmetrics_rule_forgotten_keys_total", "counter", ("rule",), "Keys that were given up for want of room"
    ),
    SelfMetric("logmetrics_series", "gauge", ("metric",), "Series of a metric, overflow series not counted"),
    SelfMetric("logmetrics_series_limit", "gauge", ("metric",), "Series that a metric may have"),
    SelfMetric(
        OVERFLOWS,
        "counter",
        ("metric", "label", "level"),
        "Measurements sent to an overflow series, by the label that broke its budget and the level of the budget",
    ),
    SelfMetric("logmetrics_parked_series", "gauge", ("metric",), "Series out of memory and sight, their values kept"),
    SelfMetric("logmetrics_admitted_series_total", "counter", ("metric",), "Series that took a lighter one's place"),
    SelfMetric("logmetrics_displaced_series_total", "counter", ("metric",), "Series that gave way to a heavier one"),
    SelfMetric("logmetrics_idle_series_total", "counter", ("metric",), "Series that left because nothing came"),
    SelfMetric("logmetrics_resumed_series_total", "counter", ("metric",), "Parked series that came back"),
    SelfMetric("logmetrics_config_reloads_total", "counter", ("result",), "Reloads of the config", runtime=True),
    SelfMetric(
        "logmetrics_config_last_reload_successful",
        "gauge",
        (),
        "0 while the config file is not what is in force, because the last reload failed",
        runtime=True,
    ),
    SelfMetric(
        "logmetrics_config_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "Unix time at which the config in force was loaded",
        runtime=True,
    ),
    SelfMetric("logmetrics_commits_total", "counter", (), "Commits that were saved and shown", runtime=True),
    SelfMetric("logmetrics_commit_failures_total", "counter", (), "Commits that could not be saved", runtime=True),
    SelfMetric("logmetrics_commit_ok", "gauge", (), "0 while commits cannot be saved", runtime=True),
    SelfMetric("logmetrics_commit_duration_seconds", "gauge", (), "How long the last commit took", runtime=True),
    SelfMetric("logmetrics_last_commit_timestamp_seconds", "gauge", (), "Unix time of the last commit", runtime=True),
)
_UNLIMITED = LimitsSpec(
    series=10**9,
    series_per_metric=10**9,
    values_per_label=10**9,
    label_value_bytes=4096,
    idle_s=float("inf"),
    admission="first",
)


class SelfMetrics:
    """Values of the table above; the engine sets them before each commit.

    ``kept`` are the counts that go on where the last run left them; ``live`` tell about the running process.
    """

    def __init__(self, *, runtime: bool) -> None:
        budget = ProcessBudget(_UNLIMITED)
        self._families: dict[str, Family] = {}
        # What the counters of this process are added to: (name, labels) -> the count of the runs before.
        self._before: dict[tuple[str, tuple[str, ...]], int] = {}
        self._counts_anew = False
        for metric in SELF_METRICS:
            if runtime or not metric.runtime:
                spec = MetricSpec(metric.name, metric.type, metric.help, metric.labels, raw=frozenset(metric.labels))
                self._families[metric.name] = Family(spec, _UNLIMITED, budget)
        runtimes = {metric.name for metric in SELF_METRICS if metric.runtime}
        self.families = tuple(self._families.values())
        self.kept = tuple(f for f in self.families if f.spec.type == "counter" and f.spec.name not in runtimes)
        self.live = tuple(family for family in self.families if family not in self.kept)

    def family(self, name: str) -> Family:
        """The family behind one self-metric."""
        return self._families[name]

    def restored(self) -> None:
        """The families ``kept`` hold the counts of the runs before; this one's are added to them."""
        for family in self.kept:
            for labels, series in family.series.items():
                assert isinstance(series, CounterSeries)
                self._before[family.spec.name, labels] = series.count

    def count_anew(self, tell: Callable[[], None]) -> None:
        """Other objects count from now on; *tell* sets what these have counted so far. The totals stay what they are.

        Gauges about what is no more go.
        """
        self.restored()
        for family in self.live:
            for series in list(family.series.values()) if family.spec.labels else ():
                family.remove(series)
        self._counts_anew = True
        tell()
        self._counts_anew = False

    def set(self, name: str, value: int | float, *labels: str) -> None:
        """Set one self-metric, a counter to its count in this process; runtime ones are ignored when they are off."""
        family = self._families.get(name)
        if family is None:
            return
        series = family.series.get(labels) or family.get(labels)
        if isinstance(series, CounterSeries) and self._counts_anew and family in self.kept:
            self._before[name, series.labels] = series.count - int(value)
        elif isinstance(series, CounterSeries):
            count = int(value) + self._before.get((name, series.labels), 0)
            if series.count != count:
                series.count = count
                family.get(labels)  # it is dirty
        elif isinstance(series, GaugeSeries) and series.value != value:
            series.set(value)
            family.get(labels)


class CommitTally:
    """How commits went, told as self-metrics. ``problem`` is why the last one failed; None when it did not."""

    def __init__(self, metrics: SelfMetrics) -> None:
        self._metrics = metrics
        self.problem: str | None = None
        self._succeeded = self._failed = 0
        self._last_s = 0.0

    def succeeded(self, now_s: float, duration_s: float) -> None:
        """One was made durable at *now_s*, Unix time."""
        self.problem = None
        self._succeeded += 1
        self._last_s = now_s
        self._tell(duration_s)

    def failed(self, problem: str, duration_s: float) -> None:
        """One was not."""
        self.problem = problem
        self._failed += 1
        self._tell(duration_s)

    def _tell(self, duration_s: float) -> None:
        put = self._metrics.set
        put("logmetrics_commits_total", self._succeeded)
        put("logmetrics_commit_failures_total", self._failed)
        put("logmetrics_commit_ok", int(self.problem is None))
        put("logmetrics_last_commit_timestamp_seconds", self._last_s)
        put("logmetrics_commit_duration_seconds", duration_s)
