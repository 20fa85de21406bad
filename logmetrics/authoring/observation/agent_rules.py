"""Rules about agents: their errors, how slow they are, what they use, whether they move."""

from __future__ import annotations

from collections.abc import Iterator

from logmetrics.authoring.observation.in_use import InUse
from logmetrics.authoring.observation.rule_file import Alert, Recording, Rule, duration
from logmetrics.config.specs import AlertsSpec

_AGENT = "job, agent"
_CALLS = {"agent_tool_call": "agent_tool_calls_total", "agent_llm_call": "agent_llm_calls_total"}
# Multi-window burn rates: how many times as fast as the budget allows, over a long window, and over a short one that
# tells whether it still does. At 14.4 a budget of 30 days is used up in two days, at 6 in five.
BURN_FAST, BURN_SLOW = (14.4, "1h", "5m"), (6, "6h", "30m")
# A share of fewer tasks says little.
TASKS_MIN = 5
# A hundredth of the budget: a rise of next to nothing is no news.
RISE_SHARE = 0.01


def agent_recordings() -> Iterator[Recording]:
    """What the alerts below go by, by agent."""
    for name, metric in _CALLS.items():
        windows = ("5m", "30m", "1h", "6h") if name == "agent_llm_call" else ("5m",)
        for window in windows:
            calls = f"agent:{name}s:rate{window}"
            errors = f'sum by ({_AGENT}) (rate({metric}{{status="error"}}[{window}])) or 0 * {calls}'
            yield Recording(calls, f"sum by ({_AGENT}) (rate({metric}[{window}]))")
            yield Recording(f"agent:{name}_errors:ratio_rate{window}", f"({errors}) / ({calls} > 0)")
    yield Recording("agent:agent_llm_latency_seconds:p95_rate15m", _p95("agent_llm_latency_seconds", _AGENT))
    yield Recording(
        "agent_tool:agent_tool_duration_seconds:p95_rate15m",
        _p95("agent_tool_duration_seconds", f"{_AGENT}, tool_name"),
    )
    yield Recording("agent:agent_tasks:increase1h", f"sum by ({_AGENT}) (increase(agent_tasks_total[1h]))")
    failed = f'sum by ({_AGENT}) (increase(agent_tasks_total{{status=~"failure|timeout"}}[1h]))'
    yield Recording(
        "agent:agent_task_failures:ratio_increase1h",
        f"({failed} or 0 * agent:agent_tasks:increase1h) / (agent:agent_tasks:increase1h > 0)",
    )
    for window in ("1h", "1d"):
        yield Recording(
            f"agent:agent_token_usage:increase{window}",
            f"sum by ({_AGENT}) (increase(agent_token_usage_total[{window}]))",
        )


def _p95(metric: str, by: str) -> str:
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({metric}_bucket[15m])))"


def agent_alerts(settings: AlertsSpec, in_use: InUse) -> Iterator[Rule]:
    """All of them, also those for what is not in use."""
    yield from _error_alerts(settings)
    yield from _budget_alerts(settings)
    yield from _slow_alerts(settings)
    yield from _token_alerts(settings)
    yield from _progress_alerts(settings, in_use)


def _error_alerts(settings: AlertsSpec) -> Iterator[Alert]:
    def errors(call: str) -> str:
        ratio, rate = f"agent:{call}_errors:ratio_rate5m", f"agent:{call}s:rate5m"
        return f"{ratio} > {settings.error_ratio} and {rate} > {settings.min_rate}"

    yield Alert(
        "AgentToolErrors",
        errors("agent_tool_call"),
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the tool calls of {{ $labels.agent }} fail",
        "Errors by tool on the dashboard tell whether it is one tool, which its log explains, or all of them.",
    )
    yield Alert(
        "AgentLlmErrors",
        errors("agent_llm_call"),
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the LLM calls of {{ $labels.agent }} fail",
        "LLM errors by model tell whether it is one model. Look whether its server runs, or refuses: limits, keys, "
        "context length.",
    )
    yield Alert(
        "AgentTaskFailures",
        f"agent:agent_task_failures:ratio_increase1h > {settings.task_failure_ratio}"
        f" and agent:agent_tasks:increase1h >= {TASKS_MIN}",
        "5m",
        "warning",
        "{{ $value | humanizePercentage }} of the tasks of {{ $labels.agent }} failed or timed out in the last hour",
        "Errors of tools and of LLM calls at the same time tell the cause; else read the log of a task that failed.",
    )


def _budget_alerts(settings: AlertsSpec) -> Iterator[Alert]:
    for name, (factor, long, short), for_, lasts in (
        ("AgentLlmErrorBudgetFast", BURN_FAST, "2m", "two days"),
        ("AgentLlmErrorBudgetSlow", BURN_SLOW, "15m", "five days"),
    ):
        at_most = f"{factor * (1 - settings.slo):.6g}"
        ratio = "agent:agent_llm_call_errors:ratio_rate"
        yield Alert(
            name,
            f"{ratio}{long} > {at_most} and {ratio}{short} > {at_most}"
            f" and agent:agent_llm_calls:rate{long} > {settings.min_rate}",
            for_,
            "critical" if factor == BURN_FAST[0] else "warning",
            f"LLM calls of {{{{ $labels.agent }}}} fail {factor:g} times as often as the error budget allows",
            f"Over {long} {{{{ $value | humanizePercentage }}}} failed, and it goes on. The budget of a month "
            f"({(1 - settings.slo) * 100:.3g} % of the calls) would be used up in {lasts}: look at models and "
            "their servers now.",
        )


def _slow_alerts(settings: AlertsSpec) -> Iterator[Alert]:
    def slow(level: str, metric: str, by: str, threshold_s: float) -> str:
        often = f"sum by ({by}) (rate({metric}_count[15m])) > {settings.min_rate}"
        return f"{level}:{metric}:p95_rate15m > {threshold_s:g} and {often}"

    yield Alert(
        "AgentLlmSlow",
        slow("agent", "agent_llm_latency_seconds", _AGENT, settings.llm_latency_p95_s),
        "10m",
        "warning",
        "LLM calls of {{ $labels.agent }} take {{ $value | humanizeDuration }} (P95)",
        "Look at the server: requests that wait, models that are loaded again and again, layers that are not on GPUs; "
        "or prompts became longer.",
    )
    yield Alert(
        "AgentToolSlow",
        slow("agent_tool", "agent_tool_duration_seconds", f"{_AGENT}, tool_name", settings.tool_duration_p95_s),
        "10m",
        "warning",
        "{{ $labels.tool_name }} of {{ $labels.agent }} takes {{ $value | humanizeDuration }} (P95)",
        "Whatever it calls is slow, or waits for something; a tool that may take long wants a threshold of its own.",
    )


def _token_alerts(settings: AlertsSpec) -> Iterator[Alert]:
    day, hour = "agent:agent_token_usage:increase1d", "agent:agent_token_usage:increase1h"
    at_least = settings.token_budget_per_day * RISE_SHARE
    yield Alert(
        "AgentTokenBudget",
        f"{day} > {settings.token_budget_per_day}",
        "0m",
        "warning",
        "{{ $labels.agent }} used {{ $value | humanize }} tokens in 24 hours",
        f"The budget is {settings.token_budget_per_day:,}. Tokens by type tell whether prompts grow; a loop shows as "
        "many calls and no tasks that end.",
    )
    yield Alert(
        "AgentTokenRise",
        f"{hour} > {settings.token_rise:g} * {day} offset 1h / 24 and {hour} > {at_least:g}"
        # Of an agent that is new the day before is no measure.
        f" and sum by ({_AGENT}) (agent_token_usage_total offset 1d)",
        "10m",
        "warning",
        "{{ $labels.agent }} used {{ $value | humanize }} tokens in the last hour, far more than usual",
        f"That is more than {settings.token_rise:g} times its mean of the day before. More work, longer prompts, or a "
        "loop: compare with its calls and tasks.",
    )


def steps_and_signs(in_use: InUse) -> tuple[list[str], list[str]]:
    """The metrics in use that tell that an agent gets on with its work, and those that it is there."""
    steps = [name for name in (*_CALLS.values(), "agent_tasks_total") if name in in_use.known]
    signs = [name for name in ("agent_log_records_total", "agent_token_usage_total") if name in in_use.known]
    return steps, signs or steps


def _progress_alerts(settings: AlertsSpec, in_use: InUse) -> Iterator[Alert]:
    steps, signs = steps_and_signs(in_use)
    if steps:
        yield _stuck(settings.stuck_after_s, steps, in_use)
    if signs:
        after = duration(settings.silent_after_s)
        yield Alert(
            "AgentSilent",
            f"{_grew(signs, _before(settings.silent_after_s))} unless {_grew(signs, after)}",
            "5m",
            "info",
            f"{{{{ $labels.agent }}}} has said nothing for {after}, and did before",
            "It ended, crashed, or logs elsewhere. Where agents come and go by themselves, this alert is for "
            "alerts.disable.",
        )


def _stuck(after_s: float, steps: list[str], in_use: InUse) -> Alert:
    after = duration(after_s)
    what = f"logs, but has called neither tool nor model and ended no task for {after}"
    to_do = "Mostly it waits: for an answer, a lock, a person. Its last records tell."
    if "agent_log_records_total" in in_use.known:
        logs, worked = _grew(["agent_log_records_total"], after), _grew(steps, _before(after_s))
        expr = f"{logs} and {worked} unless {_grew(steps, after)}"
        return Alert("AgentStuck", expr, "5m", "warning", f"{{{{ $labels.agent }}}} {what}", to_do)
    # Which agents are active is not told by name.
    active = f"min_over_time(sum by (job, instance) (agent_active_count)[{after}:1m]) > 0"
    expr = f"{active} unless {_grew(steps, after, by='job, instance')}"
    return Alert("AgentStuck", expr, "5m", "warning", f"An agent of {{{{ $labels.instance }}}} {what}", to_do)


def _before(after_s: float) -> str:
    """How far back is looked for what an agent did before it stopped."""
    return duration(max(86_400, 2 * after_s))


def _grew(metrics: list[str], window: str, by: str = _AGENT) -> str:
    """Whether any of *metrics* grew."""
    return "(" + " or ".join(f"sum by ({by}) (increase({metric}[{window}])) > 0" for metric in metrics) + ")"
