"""What a config means, frozen: the values that every other part of the program reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from logmetrics.config.outputs import real_path, temporary_path
from logmetrics.config.tree import Call, Expr, Item, Let, parts_of

# Bounds in seconds unless the name says otherwise; docs/configuration.md lists them with their reasons.
BUCKET_PRESETS: Mapping[str, tuple[float, ...]] = {
    "llm_latency": (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
    "tool_latency": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    "task_duration": (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200),
    "request_duration": (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600),
    "tokens": (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
}
# Those that a source of format auto tells apart.
FORMATS = ("json", "ollama", "logfmt")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric family. ``labels`` is in exposition order; ``buckets`` are upper bounds without +Inf."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    window_s: float = 300.0
    init: tuple[tuple[str, ...], ...] = ()
    # Budgets in place of those in LimitsSpec, and labels whose values are taken as they are.
    series_max: int | None = None
    values_max: Mapping[str, int] = field(default_factory=dict)
    bytes_max: Mapping[str, int] = field(default_factory=dict)
    idle_s: float | None = None
    admission: str | None = None
    raw: frozenset[str] = frozenset()
    # Labels such as session_id are meant.
    allow_unbounded: bool = False
    # The pack that it is of; empty for one of the user's own.
    pack: str = ""


@dataclass(frozen=True, slots=True)
class UpdateSpec:
    """One line of ``update``: which family, the label values that the template fixes, and the value."""

    metric: str
    constants: tuple[tuple[str, str], ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class PairSpec:
    """A rule that counts when an ``end`` follows a ``start`` of the same key; ``keep`` is carried over."""

    start: Expr
    end: Expr
    key: Expr
    keep: tuple[tuple[str, Expr], ...] = ()
    # A start without an end for so long is given up; the last thing kept is then its time.
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule. ``format`` limits it to records of one format; None means any, "json" all that have named fields."""

    name: str
    format: str | None
    when: Expr | None
    labels: Mapping[str, Expr]
    updates: tuple[UpdateSpec, ...]
    pair: PairSpec | None = None
    # What is updated for a start that is given up.
    on_timeout: tuple[UpdateSpec, ...] = ()
    # Loops around the rule, the outermost first; values that are computed once; what is remembered of the log.
    each: tuple[Item, ...] = ()
    let: tuple[Let, ...] = ()
    remember: tuple[Call, ...] = ()
    # The pack that it is of, and what tells that pack's records; a pack without that gets what no other recognises.
    pack: str = ""
    recognise: Expr | None = None

    def is_for(self, format_name: str) -> bool:
        """Whether records of the format are looked at."""
        return self.format in (None, format_name) or (self.format == "json" and format_name in ("logfmt", "regex"))

    def parts(self) -> Iterator[Expr]:
        """Every node of every expression in it."""
        pair = self.pair
        expressions = (
            self.when,
            *self.labels.values(),
            *(update.value for update in (*self.updates, *self.on_timeout)),
            *((pair.start, pair.end, pair.key, *(value for _, value in pair.keep)) if pair else ()),
            *self.each,
            *self.let,
            *self.remember,
        )
        for expression in expressions:
            if expression is not None:
                yield from parts_of(expression)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Metrics and the rules that feed them: a pack, a user's config, or several of them together."""

    metrics: Mapping[str, MetricSpec]
    rules: tuple[RuleSpec, ...]


@dataclass(frozen=True, slots=True)
class PackSpec:
    """A built-in rule set. ``text`` is its YAML, for `logmetrics packs NAME`."""

    name: str
    description: str
    rule_set: RuleSet
    text: str


@dataclass(frozen=True, slots=True)
class JournalLogSpec:
    """Entries of a journal that are one log: those that have all of ``matches``, each FIELD=value.

    ``directory`` is where the journal is; None: it is this machine's. ``path`` is what rules know the log by.
    """

    name: str
    path: str
    matches: tuple[str, ...]
    directory: str | None = None

    @property
    def key(self) -> str:
        """What tells it from all others."""
        where = "" if self.directory is None else f" in {self.directory}"
        return " ".join(sorted(self.matches)) + where


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Logs that are read the same way: files, journals or what comes on standard input, never two of these.

    ``paths`` are files, directories or globs.
    """

    name: str
    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    format: str = "auto"
    # Of format regex.
    pattern: str = ""
    # Records with any of these texts in them are passed over.
    exclude_lines: tuple[str, ...] = ()
    # False: each line is a record as it stands.
    unwraps: bool = True
    # Of times that tell none.
    timezone: str = "UTC"
    max_line_bytes: int = 1024 * 1024
    start_at_end: bool = False
    # The name of agents whose logs do not tell it.
    agent: Expr | None = None
    journals: tuple[JournalLogSpec, ...] = ()
    is_stdin: bool = False

    def frames_like(self, other: SourceSpec) -> bool:
        """Whether *other* tells the records of a log in the same way."""
        return (self.unwraps, self.max_line_bytes) == (other.unwraps, other.max_line_bytes)

    @property
    def places(self) -> tuple[str, ...]:
        """Where it is read from, in words."""
        stdin = ("standard input",) if self.is_stdin else ()
        return (*self.paths, *(f"journal of {journal.name}" for journal in self.journals), *stdin)


@dataclass(frozen=True, slots=True)
class LimitsSpec:
    """The cardinality guard's budgets."""

    series: int = 20_000
    series_per_metric: int = 2_000
    values_per_label: int = 200
    label_value_bytes: int = 128
    # A series that was not measured for so long leaves memory and exposition.
    idle_s: float = 86_400.0
    # "heavy": a heavier newcomer takes the place of the lightest; "first": who has a place keeps it.
    admission: str = "heavy"
    # Parked series of the whole process.
    parked: int = 50_000


@dataclass(frozen=True, slots=True)
class AlertsSpec:
    """What `logmetrics alerts` holds metrics against; ratios are 0 to 1, rates are by the second.

    ``runbooks`` is what the name of an alert's section is put behind; ``severity`` is by the alert's name.
    """

    job: str = "logmetrics"
    runbooks: str = "docs/alerts.md"
    labels: tuple[tuple[str, str], ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict)
    disable: frozenset[str] = frozenset()
    # Below this many calls a second a ratio or quantile means nothing.
    min_rate: float = 0.01
    error_ratio: float = 0.2
    slo: float = 0.99
    llm_latency_p95_s: float = 30.0
    tool_duration_p95_s: float = 30.0
    task_failure_ratio: float = 0.25
    token_budget_per_day: int = 10_000_000
    token_rise: float = 5.0
    stuck_after_s: float = 1800.0
    silent_after_s: float = 3600.0
    server_error_ratio: float = 0.05
    server_duration_p95_s: float = 60.0
    requests_waiting: int = 10
    lag_bytes: int = 16 * 1024 * 1024
    unparsable_ratio: float = 0.05
    unmatched_ratio: float = 0.5
    series_ratio: float = 0.8


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that one run of the program needs to know, packs included in ``rule_set``."""

    sources: tuple[SourceSpec, ...]
    rule_set: RuleSet
    packs: tuple[str, ...]
    listen: tuple[str, ...] = ("127.0.0.1:8001",)
    limits: LimitsSpec = LimitsSpec()
    commit_interval_s: float = 2.0
    poll_interval_s: float = 1.0
    watchdog: bool = True
    open_files_max: int = 4096
    state_dir: str | None = None
    # The file with TLS and passwords of what is served.
    web_config: str | None = None
    # Show a new series as 0 once; add _created to OpenMetrics.
    first_zero: bool = True
    created_samples: bool = False
    # Names this run among others of the host; None until the command line has found a name for it.
    instance: str | None = None
    # HOST or HOST:PORT by which others reach this process.
    advertise: str | None = None
    # Where Prometheus' file_sd finds it, and where node_exporter finds its metrics.
    sd_file: str | None = None
    textfile: str | None = None
    textfile_interval_s: float = 15.0
    # For `logmetrics alerts`; a daemon does not look at them.
    alerts: AlertsSpec = AlertsSpec()

    def owns(self, path: str) -> bool:
        """Whether the file at *path* is written by us: a log is something else."""
        written = [real_path(each) for each in (self.sd_file, self.textfile) if each is not None]
        return bool(written) and os.path.abspath(path) in (*written, *map(temporary_path, written))
