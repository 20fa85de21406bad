"""What an operator asks about agents: the first rows of the dashboard."""

from __future__ import annotations

from logmetrics.authoring.observation.dashboard import Panel, Query, Row, Thresholds, stat
from logmetrics.authoring.observation.selection import Selection

_FAILED: Thresholds = ((None, "green"), (0.05, "orange"), (0.2, "red"))
_BUSIEST = 10
_ERRORS = 'status="error"'
_FAILURES = 'status=~"failure|timeout"'


def agent_rows(of: Selection) -> list[Row]:
    """All of them, also what is not in use."""
    return [_overview(of), _tools(of), _latency(of), _tokens(of), _tasks(of), _records(of)]


def _now(of: Selection) -> tuple[Panel, ...]:
    """How it is at a glance."""
    tasks = "agent_tasks_total"
    failed = f"(({of.total(tasks, _FAILURES)}) or 0 * {of.total(tasks)}) / ({of.total(tasks)} > 0)"
    return (
        stat(
            "Active agents",
            "Agents that logged something within the last minutes.",
            f"sum({of('agent_active_count')})",
            "none",
        ),
        stat("LLM calls", "Now, in a minute.", of.per_minute("agent_llm_calls_total"), "opm"),
        stat(
            "LLM errors",
            "Which share of the LLM calls fails now.",
            of.share("agent_llm_calls_total", _ERRORS),
            "percentunit",
            _FAILED,
        ),
        stat("Tool calls", "Now, in a minute.", of.per_minute("agent_tool_calls_total"), "opm"),
        stat(
            "Tool errors",
            "Which share of the tool calls fails now.",
            of.share("agent_tool_calls_total", _ERRORS),
            "percentunit",
            _FAILED,
        ),
        stat("Tokens", "Prompt and completion, now, in a second.", of.rate("agent_token_usage_total"), "short"),
        stat("Tasks", "That ended in the time shown.", of.total(tasks), "short"),
        stat(
            "Failed tasks",
            "Which share of the tasks in the time shown failed or timed out.",
            failed,
            "percentunit",
            _FAILED,
        ),
    )


def _overview(of: Selection) -> Row:
    return Row(
        "Agents",
        (
            *_now(of),
            Panel(
                "Active agents by type",
                "Agents that logged something within the last minutes, by what they say they are.",
                (Query(f"sum by (agent_type) ({of('agent_active_count')})", "{{agent_type}}"),),
                "none",
                stacked=True,
            ),
            Panel(
                "LLM calls by agent",
                "Who asks models how often.",
                (Query(of.per_minute("agent_llm_calls_total", by="agent"), "{{agent}}"),),
                "opm",
                stacked=True,
            ),
            Panel(
                "LLM errors by agent",
                "Which share of an agent's LLM calls fails; it is empty while it makes none.",
                (Query(of.share("agent_llm_calls_total", _ERRORS, by="agent"), "{{agent}}"),),
                "percentunit",
                most=1,
            ),
            Panel(
                "LLM calls by model",
                "Which model is asked how often.",
                (Query(of.per_minute("agent_llm_calls_total", by="model"), "{{model}}"),),
                "opm",
                stacked=True,
            ),
            Panel(
                "LLM errors by model",
                "Which share of the calls of a model fails: whether it is the model, or one agent.",
                (Query(of.share("agent_llm_calls_total", _ERRORS, by="model"), "{{model}}"),),
                "percentunit",
                most=1,
            ),
            Panel(
                "Tool calls by agent",
                "Who uses tools how often.",
                (Query(of.per_minute("agent_tool_calls_total", by="agent"), "{{agent}}"),),
                "opm",
                stacked=True,
            ),
        ),
    )


def _tools(of: Selection) -> Row:
    calls, duration = "agent_tool_calls_total", "agent_tool_duration_seconds"
    return Row(
        "Tools",
        (
            Panel(
                "Calls by tool",
                f"The {_BUSIEST} tools that are called most.",
                (Query(f"topk({_BUSIEST}, {of.per_minute(calls, by='tool_name')})", "{{tool_name}}"),),
                "opm",
                stacked=True,
            ),
            Panel(
                "Errors by tool",
                f"The {_BUSIEST} tools that fail most, in a minute.",
                (Query(f"topk({_BUSIEST}, {of.per_minute(calls, _ERRORS, by='tool_name')})", "{{tool_name}}"),),
                "opm",
                stacked=True,
            ),
            Panel(
                "Duration by tool, P95",
                f"Of the {_BUSIEST} slowest tools: 95 of 100 calls are done within this time.",
                (Query(f"topk({_BUSIEST}, {of.quantile(0.95, duration, by='tool_name')})", "{{tool_name}}"),),
                "s",
            ),
        ),
    )


def latency_panels(of: Selection, metric: str, what: str, *conditions: str, width: int = 8) -> tuple[Panel, Panel]:
    """How long something takes: every bucket of a histogram over time, and the usual quantiles."""
    quantiles = tuple(
        Query(of.quantile(share, metric, *conditions), f"P{share * 100:.0f}") for share in (0.5, 0.95, 0.99)
    )
    return (
        Panel(
            f"{what} by duration",
            "How many took how long: the darker, the more.",
            (Query(of.buckets(metric, *conditions), "{{le}}"),),
            "s",
            "heatmap",
            width=width,
        ),
        Panel(
            f"{what}, P50 to P99",
            "Half of them, 95 and 99 of 100 are done within these times.",
            quantiles,
            "s",
            width=width,
        ),
    )


def _latency(of: Selection) -> Row:
    latency = "agent_llm_latency_seconds"
    return Row(
        "LLM latency",
        (
            *latency_panels(of, latency, "LLM calls"),
            Panel(
                "LLM calls by agent, P95",
                "95 of 100 calls of an agent are answered within this time.",
                (Query(of.quantile(0.95, latency, by="agent"), "{{agent}}"),),
                "s",
            ),
        ),
    )


def _tokens(of: Selection) -> Row:
    usage, detail = "agent_token_usage_total", "agent_token_detail_total"
    prompt = of.rate(usage, 'token_type="prompt"', by="agent")
    cached = of.rate(detail, 'token_type="prompt_cached"', by="agent")
    return Row(
        "Tokens",
        (
            Panel(
                "Tokens by type",
                "In a second; prompt tokens with those that were taken from a cache.",
                (Query(of.rate(usage, by="token_type"), "{{token_type}}"),),
                "short",
                width=6,
                stacked=True,
            ),
            Panel(
                "Tokens by agent",
                "In a second, prompt and completion together.",
                (Query(of.rate(usage, by="agent"), "{{agent}}"),),
                "short",
                width=6,
                stacked=True,
            ),
            Panel(
                "Tokens in the time shown",
                f"Of the {_BUSIEST} agents that used most.",
                (Query(f"topk({_BUSIEST}, {of.total(usage, by='agent')})", "{{agent}}"),),
                "short",
                "bargauge",
                width=6,
            ),
            Panel(
                "Cached share of prompts",
                "Which share of an agent's prompt tokens was taken from a cache, where its log tells.",
                (Query(f"{cached} / ({prompt} > 0)", "{{agent}}"),),
                "percentunit",
                width=6,
                most=1,
            ),
        ),
    )


def _tasks(of: Selection) -> Row:
    tasks, duration = "agent_tasks_total", "agent_task_duration_seconds"
    return Row(
        "Tasks",
        (
            Panel(
                "Tasks by status",
                "That end in a minute.",
                (Query(of.per_minute(tasks, by="status"), "{{status}}"),),
                "opm",
                stacked=True,
            ),
            Panel(
                "Failed tasks by agent",
                "That fail or time out in a minute.",
                (Query(of.per_minute(tasks, _FAILURES, by="agent"), "{{agent}}"),),
                "opm",
            ),
            Panel(
                "Tasks by agent, P95",
                "95 of 100 tasks of an agent are done within this time.",
                (Query(of.quantile(0.95, duration, by="agent"), "{{agent}}"),),
                "s",
            ),
        ),
    )


def _records(of: Selection) -> Row:
    requests = "agent_http_requests_total"
    return Row(
        "What agents log",
        (
            Panel(
                "Records by level",
                "In a minute.",
                (Query(of.per_minute("agent_log_records_total", by="level"), "{{level}}"),),
                "opm",
                width=6,
                stacked=True,
            ),
            Panel(
                "Errors by type",
                f"The {_BUSIEST} errors that are logged most, by their class.",
                (
                    Query(
                        f"topk({_BUSIEST}, {of.per_minute('agent_log_errors_total', by='agent, error_type')})",
                        "{{agent}} {{error_type}}",
                    ),
                ),
                "opm",
                width=6,
            ),
            Panel(
                "HTTP requests by status",
                "Requests that agents log, in a minute.",
                (Query(of.per_minute(requests, by="method, status"), "{{method}} {{status}}"),),
                "opm",
                width=6,
                stacked=True,
            ),
            Panel(
                "HTTP requests, P95",
                "95 of 100 requests that an agent logs take no longer.",
                (Query(of.quantile(0.95, "agent_http_request_duration_seconds", by="agent"), "{{agent}}"),),
                "s",
                width=6,
            ),
        ),
    )
