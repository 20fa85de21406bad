"""From the figures to the sections of a report: what is told, in which order, in which words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from logmetrics.present import amounts
from logmetrics.present.blocks import Bar, Block, Cell, Chart, Column, Fact, Facts, Note, Section, Tone, table
from logmetrics.replay.report.accounts import reading_section
from logmetrics.replay.report.data import Key, Report, Tally, in_all, in_sum
from logmetrics.replay.report.figures import Figures, Row, name_cell, quantile_text, ratio_cell
from logmetrics.replay.report.servers import SERVERS, server_sections
from logmetrics.store.guard import OVERFLOW

# What is drawn over time first, and how it is called; then the user's own metrics, up to so many charts.
OVER_TIME = {
    "agent_llm_calls_total": "LLM calls",
    "agent_tool_calls_total": "Tool calls",
    "agent_tasks_total": "Tasks ended",
    "agent_token_usage_total": "Tokens",
    "agent_log_errors_total": "Errors told of",
    "agent_http_requests_total": "HTTP requests",
    **{f"{prefix}requests_total": f"Requests to {name}" for prefix, name in SERVERS.items()},
    **{f"{prefix}tokens_total": f"Tokens of {name}" for prefix, name in SERVERS.items()},
    "ollama_model_loads_total": "Models loaded",
    "agent_log_records_total": "Log records",
}
CHARTS_MAX = 16
# The histograms of agents; those of tools stand with the tools.
LATENCIES = {
    "agent_llm_latency_seconds": "LLM calls",
    "agent_task_duration_seconds": "Tasks",
    "agent_http_request_duration_seconds": "HTTP requests",
}
TASK_TONES: Mapping[str, Tone] = {"success": "good", "failure": "bad", "timeout": "warn", "unknown": "mute"}
LEVEL_TONES: Mapping[str, Tone] = {
    "critical": "bad",
    "error": "bad",
    "warning": "warn",
    "info": "",
    "debug": "mute",
    "trace": "mute",
    "unknown": "mute",
}


def sections_of(report: Report, most: int) -> list[Section]:
    """The report without its tables of all metrics. Rankings have at most *most* rows."""
    figures = Figures(report, most)
    reading = reading_section(report.sources)
    if not any(_is_measured(figures, name) for name in figures.views):
        made = [_nothing(report), reading]
    else:
        made = [
            Section("overview", "Overview", tuple(_overview(figures))),
            Section("time", "Over time", tuple(_charts(report, figures))),
            Section("agents", "Agents", tuple(_agents(figures))),
            Section("tools", "Tools", tuple(_tools(figures))),
            Section("models", "Models", tuple(_models(figures))),
            Section("latency", "Latency", tuple(_latencies(figures))),
            Section("tokens", "Tokens", tuple(_tokens(figures))),
            Section("tasks", "Tasks", tuple(_tasks(figures))),
            Section("errors", "Errors", tuple(_errors(figures))),
            Section("http", "HTTP requests", tuple(_http(figures))),
            Section("records", "Log records", tuple(_levels(figures))),
            *server_sections(figures),
            reading,
        ]
    return [section for section in made if section.blocks]


def _is_measured(figures: Figures, name: str) -> bool:
    return not name.startswith("logmetrics_") and any(value != 0 for _, value in figures.views[name][1])


def _nothing(report: Report) -> Section:
    lines = in_sum(report.sources).lines
    found = f"No rule counted any of the {amounts.count(lines)} lines." if lines else "There was not a line to read."
    where = ", and below stands what the lines look like" if lines else ""
    return Section(
        "nothing",
        "Nothing was counted",
        (
            Note(found),
            Note("`logmetrics packs` lists the logs that are understood without a config."),
            Note(f"Any other log needs rules of its own: `docs/rules.md` tells how to write them{where}."),
        ),
    )


def _overview(figures: Figures) -> Iterable[Block]:
    facts = (*_counted(figures), *_timed(figures), *_token_facts(figures), *_others(figures))
    if facts:
        yield Facts(facts)
    if any(OVERFLOW in series.labels for _, rows in figures.views.values() for series, _ in rows):
        yield Note(f"`{OVERFLOW}` stands for what is past a limit; `docs/configuration.md` tells how to raise it.")


def _counted(figures: Figures) -> Iterable[Fact]:
    for metric, name in (
        ("agent_llm_calls_total", "LLM calls"),
        ("agent_tool_calls_total", "tool calls"),
        ("agent_tasks_total", "tasks ended"),
        *((f"{prefix}requests_total", f"requests to {server}") for prefix, server in SERVERS.items()),
    ):
        tally = figures.total(metric)
        if tally.count:
            failed = ratio_cell(tally)
            yield Fact(amounts.count(tally.count), name, failed.text and f"{failed.text} failed", failed.tone)


def _timed(figures: Figures) -> Iterable[Fact]:
    for metric, name in (
        ("agent_llm_latency_seconds", "LLM latency, P95"),
        ("ollama_request_duration_seconds", "Ollama's requests, P95"),
    ):
        for histogram in figures.histograms(metric).values():
            median = quantile_text(metric, histogram, 0.5)
            yield Fact(quantile_text(metric, histogram, 0.95), name, f"median {median}")


def _token_facts(figures: Figures) -> Iterable[Fact]:
    for metric, name in (
        ("agent_token_usage_total", "tokens"),
        *((f"{prefix}tokens_total", f"tokens of {server}") for prefix, server in SERVERS.items()),
    ):
        types = figures.tallies(metric, "token_type")
        if types:
            parts = [f"{amounts.short(tally.count)} {key[0]}" for key, tally in list(types.items())[:2]]
            yield Fact(amounts.short(in_all(types.values()).count), name, ", ".join(parts))


def _others(figures: Figures) -> Iterable[Fact]:
    errors = figures.total("agent_log_errors_total").count
    if errors:
        yield Fact(amounts.count(errors), "errors told of")
    agents = len(_by_agent(figures))
    if agents:
        yield Fact(amounts.count(agents), "agents" if agents > 1 else "agent")


def _charts(report: Report, figures: Figures) -> Iterable[Block]:
    timeline = report.timeline
    if timeline is None:
        return
    own = [name for name, (spec, _) in figures.views.items() if not spec.pack and not name.startswith("logmetrics_")]
    drawn = 0
    for metric in [*OVER_TIME, *(name for name in own if name not in OVER_TIME)]:
        counts = tuple(timeline.counts.get(metric, ()))
        if not any(counts) or drawn == CHARTS_MAX:
            continue
        drawn += 1
        errors = tuple(timeline.errors.get(metric, ()))
        title = OVER_TIME.get(metric, metric)
        is_counter = metric in figures.views and figures.views[metric][0].type == "counter"
        yield Chart(
            title,
            metric if is_counter else "",
            timeline.start_s,
            timeline.bucket_s,
            counts,
            errors if any(errors) else (),
        )


def _by_agent(figures: Figures) -> dict[str, dict[str, Tally]]:
    """Agent -> metric -> tally; those with the most calls first."""
    found: dict[str, dict[str, Tally]] = defaultdict(dict)
    for metric in (
        "agent_llm_calls_total",
        "agent_tool_calls_total",
        "agent_tasks_total",
        "agent_token_usage_total",
        "agent_log_records_total",
    ):
        for (agent,), tally in figures.tallies(metric, "agent").items():
            found[agent][metric] = tally
    return dict(sorted(found.items(), key=lambda pair: _place(*pair)))


def _calls(told: Mapping[str, Tally]) -> Tally:
    return told.get("agent_llm_calls_total", Tally()) + told.get("agent_tool_calls_total", Tally())


def _weight(told: Mapping[str, Tally]) -> float:
    return in_all(told.values()).count


def _place(agent: str, told: Mapping[str, Tally]) -> tuple[bool, float, float, str]:
    return agent == OVERFLOW, -_calls(told).count, -_weight(told), agent


def _agents(figures: Figures) -> Iterable[Block]:
    agents = _by_agent(figures)
    whole = in_all(map(_calls, agents.values())).count
    longest = max((_calls(told).count for told in agents.values()), default=0)
    rows: list[Row] = []
    for agent, told in list(agents.items())[: figures.most]:
        calls = _calls(told)
        tokens = told.get("agent_token_usage_total", Tally()).count
        part = calls.count / longest if longest else 0
        rows.append(
            (
                name_cell(agent),
                *(_number(told, f"agent_{what}_total") for what in ("llm_calls", "tool_calls", "tasks")),
                _tokens_cell(tokens) if tokens else Cell(""),
                _number(told, "agent_log_records_total"),
                Cell(amounts.percent(calls.count / whole) if whole else ""),
                Bar(part, part * (calls.error_ratio or 0)),
                ratio_cell(calls),
            )
        )
    columns = (
        Column("agent", "text"),
        *map(Column, ("LLM calls", "tool calls", "tasks", "tokens")),
        Column("records", wide=True),
        Column("share"),
        Column("", "picture"),
        Column("failed"),
    )
    if rows:
        left = len(agents) - len(rows)
        note = "Share and failures are of LLM calls and tool calls together." if whole else ""
        yield table("", columns, rows, note, f"and {left:,} more" if left else "")


def _number(told: Mapping[str, Tally], metric: str) -> Cell:
    tally = told.get(metric)
    return Cell(amounts.count(tally.count) if tally and tally.count else "")


def _tools(figures: Figures) -> Iterable[Block]:
    calls = figures.tallies("agent_tool_calls_total", "tool_name")
    yield from figures.ranking(
        "calls", ("tool",), calls, figures.histograms("agent_tool_duration_seconds", "tool_name")
    )


def _models(figures: Figures) -> Iterable[Block]:
    yield from figures.ranking("calls", ("model",), figures.tallies("agent_llm_calls_total", "model"))


def _latencies(figures: Figures) -> Iterable[Block]:
    for metric, title in LATENCIES.items():
        yield from figures.latencies(title, metric, ("agent",))
    for name, (spec, _) in figures.views.items():
        if spec.type == "histogram" and not spec.pack and name not in LATENCIES:
            yield from figures.latencies(name, name, spec.labels)


def _tokens(figures: Figures) -> Iterable[Block]:
    metric = "agent_token_usage_total"
    types = figures.tallies(metric, "token_type")
    yield from figures.shares("By type", types, {}, metric)
    details = figures.tallies("agent_token_detail_total", "token_type")
    if details:
        rows = [(Cell(kind), _tokens_cell(tally.count)) for (kind,), tally in details.items()]
        yield table("Of these", (Column("type", "text"), Column("tokens")), rows)
    agents = figures.tallies(metric, "agent")
    if len(agents) > 1:
        yield _tokens_by_agent(figures, agents, list(types))


def _tokens_by_agent(figures: Figures, agents: Mapping[Key, Tally], types: list[Key]) -> Block:
    both = figures.tallies("agent_token_usage_total", "agent", "token_type")
    whole, longest = in_all(agents.values()).count, max(tally.count for tally in agents.values())
    rows: list[Row] = []
    for (agent,), tally in figures.first(agents):
        by_type = [both.get((agent, *kind), Tally()).count for kind in types]
        rows.append(
            (
                name_cell(agent),
                *(_tokens_cell(value) for value in (*by_type, tally.count)),
                Cell(amounts.percent(tally.count / whole)),
                Bar(tally.count / longest),
            )
        )
    columns = [Column("agent", "text"), *(Column(kind[0]) for kind in types), Column("together"), Column("share")]
    return table("By agent", [*columns, Column("", "picture")], rows, rest=figures.rest(agents))


def _tokens_cell(tokens: float) -> Cell:
    return Cell(amounts.short(tokens), amounts.count(tokens))


def _tasks(figures: Figures) -> Iterable[Block]:
    metric = "agent_tasks_total"
    yield from figures.shares("By status", figures.tallies(metric, "status"), TASK_TONES, metric)
    agents = figures.tallies(metric, "agent")
    if len(agents) > 1:
        yield from figures.ranking("tasks", ("agent",), agents, title="By agent")


def _errors(figures: Figures) -> Iterable[Block]:
    found = figures.tallies("agent_log_errors_total", "error_type", "agent")
    yield from figures.ranking("errors", ("type", "agent"), found)


def _http(figures: Figures) -> Iterable[Block]:
    metric = "agent_http_requests_total"
    tones: Mapping[str, Tone] = {"2xx": "good", "3xx": "", "4xx": "warn", "5xx": "bad"}
    yield from figures.shares("By status", figures.tallies(metric, "status"), tones, metric)
    yield from figures.ranking("requests", ("agent", "method"), figures.tallies(metric, "agent", "method"))


def _levels(figures: Figures) -> Iterable[Block]:
    metric = "agent_log_records_total"
    yield from figures.shares("By level", figures.tallies(metric, "level"), LEVEL_TONES, metric)
