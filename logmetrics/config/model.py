"""The shape of a config file, as strict typed models; `logmetrics schema` prints it as JSON Schema.

These models check shape only. ``loading`` turns them into ``specs``, where expressions and names are checked too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from logmetrics.config.outputs import check_advertise, check_instance, check_sd_file, check_textfile
from logmetrics.config.specs import BUCKET_PRESETS
from logmetrics.config.units import parse_duration, parse_size

# Intervals below this would only keep a processor busy.
DURATION_S_MIN = 0.01
METRIC_NAME = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
LABEL_NAME = r"^_?[a-zA-Z][a-zA-Z0-9_]*$"  # a name that begins with __ is Prometheus' own


def _expression_text(value: object) -> object:
    """YAML gives ``1`` and ``true`` as themselves; an expression is text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, (int, float)) else value


def _not_zero(seconds: float) -> float:
    if seconds < DURATION_S_MIN:
        raise ValueError(f"the least that makes sense here is {DURATION_S_MIN * 1000:.0f}ms")
    return seconds


def _some_scrapes(seconds: float) -> float:
    if seconds < 300:
        raise ValueError("the least that makes sense here is 5m: Prometheus looks only now and then")
    return seconds


def _if_given(check: Callable[[str], str]) -> Callable[[str | None], str | None]:
    return lambda value: None if value is None else check(value)


def _or_never(value: object) -> float:
    return float("inf") if value == "never" else parse_duration(value)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _source_format(value: object) -> tuple[str, str]:
    """The name of a format, and its pattern."""
    if isinstance(value, str) and value in _SOURCE_FORMATS:
        return value, ""
    if isinstance(value, dict) and list(value) == ["regex"] and isinstance(value["regex"], str):
        return "regex", value["regex"]
    names = ", ".join(f"'{name}'" for name in _SOURCE_FORMATS)
    raise ValueError(f"expected {names} or {{regex: PATTERN}}")


_SOURCE_FORMATS = ("auto", "json", "logfmt", "ollama")
_FORMAT_SCHEMA = {
    "anyOf": [
        {"enum": list(_SOURCE_FORMATS)},
        {
            "type": "object",
            "properties": {"regex": {"type": "string", "description": "RE2, with named groups: (?P<level>[A-Z]+)"}},
            "required": ["regex"],
            "additionalProperties": False,
        },
    ]
}
_DURATION_SCHEMA = {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|[smhdw]))+$", "examples": ["30s", "5m", "1h30m"]}
_IDLE_SCHEMA = {"anyOf": [_DURATION_SCHEMA, {"const": "never"}]}
_SIZE_SCHEMA = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[kKMG]?i?B$", "examples": ["64KiB", "1MiB"]}
_EXPRESSION_SCHEMA = {"type": ["string", "number", "boolean"], "description": "an expression of the rule language"}
_TEXTS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Duration = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_not_zero), WithJsonSchema(_DURATION_SCHEMA)
]
SomeScrapes = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_some_scrapes), WithJsonSchema(_DURATION_SCHEMA)
]
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_SIZE_SCHEMA)]
Expression = Annotated[str, BeforeValidator(_expression_text), WithJsonSchema(_EXPRESSION_SCHEMA)]
Texts = Annotated[list[str], BeforeValidator(_one_or_many), WithJsonSchema(_TEXTS_SCHEMA)]
# The system ends a name at the first NUL, and Python refuses it.
FileName = Annotated[str, Field(pattern=r"^[^\x00]+$")]
FileNames = Annotated[list[FileName], BeforeValidator(_one_or_many), WithJsonSchema(_TEXTS_SCHEMA)]
Idle = Annotated[float, BeforeValidator(_or_never), AfterValidator(_not_zero), WithJsonSchema(_IDLE_SCHEMA)]
Format = Annotated[tuple[str, str], PlainValidator(_source_format), WithJsonSchema(_FORMAT_SCHEMA)]
Admission = Literal["heavy", "first"]
LabelName = Annotated[str, Field(pattern=LABEL_NAME)]
Count = Annotated[int, Field(ge=1)]
Ratio = Annotated[float, Field(gt=0, lt=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


class JournalModel(_Model):
    """Whose entries of the journal are read; those of each unit are a log of their own."""

    unit: Annotated[Texts, Field(description="units of the system, such as ollama.service")] = []
    user_unit: Annotated[Texts, Field(description="units of users")] = []
    match: Annotated[Texts, Field(description="FIELD=value; only entries that have them all")] = []
    directory: Annotated[FileName | None, Field(description="where the journal is, if not this machine's own")] = None


class SourceModel(_Model):
    """Logs that are read the same way: files, or journals of units."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["paths"]}, {"required": ["journald"]}]})

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", description="used in self-metrics and messages")]
    paths: Annotated[
        FileNames | None,
        Field(min_length=1, description="files, directories (every regular file under them) or globs with **"),
    ] = None
    journald: Annotated[JournalModel | None, Field(description="in place of paths: systemd's journal")] = None
    exclude: Annotated[Texts, Field(description="globs of names or paths that are not read")] = []
    format: Annotated[
        Format, Field(description="auto decides for each line, cheaply; {regex: PATTERN} makes fields of named groups")
    ] = ("auto", "")
    exclude_lines: Annotated[
        Texts, Field(description="lines with any of these texts in them are not looked at: noise, told at little cost")
    ] = []
    framing: Annotated[
        Literal["auto", "lines"],
        Field(
            description="auto: take off what collectors wrap around lines, and put cut and indented records together"
        ),
    ] = "auto"
    agent: Annotated[
        Expression | None, Field(description="name of agents whose logs do not tell it, such as path.stem")
    ] = None
    timezone: Annotated[str, Field(description="zone of times that tell none, for replay: Europe/Berlin")] = "UTC"
    max_line_bytes: Annotated[Size, Field(ge=1024, description="longer lines are skipped and counted")] = 1024 * 1024
    from_: Annotated[
        Literal["start", "end"],
        Field(alias="from", description="where files that are there at the first start are read from"),
    ] = "start"


class MetricLimitsModel(_Model):
    """Budgets of one metric, in place of the general ones."""

    series: Annotated[Count | None, Field(description="series of this metric")] = None
    values: Annotated[dict[str, Count], Field(description="different values of a label")] = {}
    bytes: Annotated[dict[str, Count], Field(description="bytes of one value of a label")] = {}
    idle: Idle | None = None
    admission: Admission | None = None


class LimitsModel(_Model):
    """The cardinality guard; every refusal is counted and explained."""

    series: Annotated[Count, Field(description="series of the whole process")] = 20_000
    series_per_metric: Annotated[Count, Field(description="series of one metric")] = 2_000
    values_per_label: Annotated[Count, Field(description="different values of one label")] = 200
    label_value_bytes: Annotated[Count, Field(description="bytes of one label value")] = 128
    idle: Annotated[
        Idle, Field(description="a series that is not measured for so long leaves; its value is kept and resumes")
    ] = 86_400.0
    admission: Annotated[
        Admission, Field(description="heavy: frequent newcomers displace cold series; first: first come, first served")
    ] = "heavy"
    parked: Annotated[Count, Field(description="series whose values are kept out of memory")] = 50_000
    metrics: Annotated[
        dict[str, MetricLimitsModel], Field(description="limits of single metrics, those of packs too")
    ] = {}


class AlertsModel(_Model):
    """What `logmetrics alerts` writes rules for; a daemon does not look at it."""

    job: Annotated[str, Field(min_length=1, description="the job under which Prometheus scrapes logmetrics")] = (
        "logmetrics"
    )
    runbooks: Annotated[
        str, Field(description="where docs/alerts.md can be read; an alert's runbook_url is this with #name behind it")
    ] = "docs/alerts.md"
    labels: Annotated[dict[LabelName, str], Field(description="labels of all alerts, such as team")] = {}
    severity: Annotated[
        dict[str, Literal["critical", "warning", "info"]], Field(description="of single alerts, by their names")
    ] = {}
    disable: Annotated[list[str], Field(description="names of alerts that are left out")] = []
    min_rate: Annotated[
        float, Field(ge=0, description="calls or requests a second below which ratios and quantiles are not judged")
    ] = 0.01
    error_ratio: Annotated[Ratio, Field(description="share of an agent's tool calls, or LLM calls, that fails")] = 0.2
    slo: Annotated[
        float,
        Field(
            ge=0.95, le=0.99999, description="share of an agent's LLM calls that is to succeed, for the error budget"
        ),
    ] = 0.99
    llm_latency_p95: Annotated[Duration, Field(description="95 of 100 LLM calls of an agent take no longer")] = 30.0
    tool_duration_p95: Annotated[Duration, Field(description="95 of 100 calls of a tool take no longer")] = 30.0
    task_failure_ratio: Annotated[Ratio, Field(description="share of an agent's tasks that fails or times out")] = 0.25
    token_budget_per_day: Annotated[Count, Field(description="tokens of one agent in 24 hours")] = 10_000_000
    token_rise: Annotated[
        float, Field(gt=1, description="how many times as many tokens an agent uses in an hour as in the day before")
    ] = 5.0
    stuck_after: Annotated[SomeScrapes, Field(description="an agent logs, but gets nowhere for so long")] = 1800.0
    silent_after: Annotated[SomeScrapes, Field(description="an agent, or a source, logs nothing for so long")] = 3600.0
    server_error_ratio: Annotated[Ratio, Field(description="share of a model server's requests that it fails")] = 0.05
    server_duration_p95: Annotated[
        Duration, Field(description="95 of 100 requests to a model server take no longer")
    ] = 60.0
    requests_waiting: Annotated[Count, Field(description="requests that wait in a model server, as it tells")] = 10
    lag: Annotated[Size, Field(ge=1, description="bytes that are written and not yet read")] = 16 * 1024 * 1024
    unparsable_ratio: Annotated[Ratio, Field(description="share of a source's lines that cannot be parsed")] = 0.05
    unmatched_ratio: Annotated[Ratio, Field(description="share of a source's lines that no rule matches")] = 0.5
    series_ratio: Annotated[Ratio, Field(description="share of the series that a metric may have")] = 0.8


class MetricModel(_Model):
    """A metric family."""

    type: Literal["counter", "gauge", "histogram", "active", "info"]
    help: Annotated[str, Field(min_length=1)]
    labels: list[LabelName] = []
    buckets: Annotated[
        str | list[int | float] | None,
        Field(description=f"upper bounds in rising order, or a preset: {', '.join(BUCKET_PRESETS)}"),
    ] = None
    window: Annotated[Duration | None, Field(description="for type active: how long a key counts as active")] = None
    init: Annotated[list[dict[str, str]], Field(description="label sets that exist at 0 from the start")] = []
    limits: MetricLimitsModel = MetricLimitsModel()
    raw: Annotated[
        list[str], Field(description="labels whose values are taken as they are, also when they look like ids")
    ] = []
    allow_unbounded: Annotated[
        bool, Field(description="labels such as session_id or prompt are meant, and the guard is to deal with them")
    ] = False


class PairModel(_Model):
    """Counts when an end follows a start of the same key."""

    start: Expression
    end: Expression
    key: Expression
    keep: Annotated[dict[LabelName, Expression], Field(description="values carried from the start to the end")] = {}
    timeout: Annotated[Duration | None, Field(description="a start without an end for so long is given up")] = None


class RuleModel(_Model):
    """What to do with the records that meet a condition."""

    name: Annotated[str, Field(min_length=1)]
    format: Annotated[
        Literal["json", "ollama", "logfmt", "regex"] | None,
        Field(description="only for records of this format; json: all with named fields; default: any"),
    ] = None
    each: Annotated[
        Texts, Field(description="NAME in EXPRESSION: the rule is applied to each element of a list; several nest")
    ] = []
    let: Annotated[dict[LabelName, Expression], Field(description="values that are computed once, by name")] = {}
    when: Expression | None = None
    labels: dict[LabelName, Expression] = {}
    pair: PairModel | None = None
    remember: Annotated[
        dict[LabelName, Expression], Field(description="values that remember() gives in later lines of the log")
    ] = {}
    update: Annotated[
        dict[str, Expression],
        Field(description='series template -> value: metric{label="x"}: expression'),
    ] = {}
    on_timeout: Annotated[
        dict[str, Expression],
        Field(description="the same for a start that was given up; of the record only keep is known"),
    ] = {}


class RuleSetModel(_Model):
    """What packs and configs have in common."""

    define: Annotated[dict[LabelName, Expression], Field(description="names for expressions that rules share")] = {}
    metrics: dict[Annotated[str, Field(pattern=METRIC_NAME)], MetricModel] = {}
    rules: list[RuleModel] = []


class PackModel(RuleSetModel):
    """A built-in pack's file."""

    description: str
    recognise: Annotated[
        Expression | None,
        Field(description="records that are this pack's; without it: those that no other pack recognises"),
    ] = None


class ConfigModel(RuleSetModel):
    """The whole config file."""

    listen: Annotated[Texts, Field(description="host:port, or unix:/path; [] for no port")] = ["127.0.0.1:8001"]
    instance: Annotated[
        str | None, AfterValidator(_if_given(check_instance)), Field(description="name among several on one host")
    ] = None
    advertise: Annotated[
        str | None,
        AfterValidator(_if_given(check_advertise)),
        Field(description="HOST or HOST:PORT by which Prometheus reaches this process"),
    ] = None
    sd_file: Annotated[
        FileName | None,
        AfterValidator(_if_given(check_sd_file)),
        Field(description="file_sd target file that is kept for Prometheus while this runs: *.json"),
    ] = None
    textfile: Annotated[
        FileName | None,
        AfterValidator(_if_given(check_textfile)),
        Field(description="file for node_exporter's textfile collector: *.prom"),
    ] = None
    textfile_interval: Annotated[Duration, Field(description="how often the textfile is written")] = 15.0
    packs: Annotated[
        list[str] | None, Field(description="built-in packs beside your own rules; default: all; [] = none")
    ] = None
    commit_interval: Annotated[Duration, Field(description="longest time that counted lines stay unpublished")] = 2.0
    poll_interval: Annotated[Duration, Field(description="how often files are looked at when no hint comes")] = 1.0
    watchdog: Annotated[bool, Field(description="false: no file notification, polling only")] = True
    open_files_max: Annotated[
        int, Field(ge=16, description="files that are open at once; at most half of what the system allows")
    ] = 4096
    state_dir: Annotated[FileName | None, Field(description="where positions and values are kept over a restart")] = (
        None
    )
    web_config: Annotated[
        FileName | None, Field(description="file with TLS and passwords of what is served, beside this one")
    ] = None
    first_zero: Annotated[
        bool, Field(description="show a new series to Prometheus as 0 once, so that increase() sees its first events")
    ] = True
    created_samples: Annotated[bool, Field(description="add _created to OpenMetrics: when a series began at 0")] = False
    sources: list[SourceModel] = []
    limits: LimitsModel = LimitsModel()
    alerts: AlertsModel = AlertsModel()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, for editors and CI."""
    schema = ConfigModel.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "logmetrics config"
    return schema
