"""Trials of the alerts about agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from logmetrics.authoring.observation.agent_rules import BURN_FAST, BURN_SLOW, RISE_SHARE, TASKS_MIN, steps_and_signs
from logmetrics.authoring.observation.in_use import InUse
from logmetrics.authoring.observation.trial import (
    CALLS,
    Series,
    Trial,
    growing,
    interval_min,
    observed,
    rare,
    ratio,
    selector,
    still,
    whole,
)
from logmetrics.config.specs import AlertsSpec


def agent_trials(settings: AlertsSpec, in_use: InUse) -> Iterator[tuple[str, Trial]]:
    """By the names of alerts, also of those that are not in use."""
    ill, well, few = ({"job": settings.job, "agent": name} for name in ("ill", "well", "few"))
    for name, metric in (("AgentToolErrors", "agent_tool_calls_total"), ("AgentLlmErrors", "agent_llm_calls_total")):
        often = ratio(metric, well, "error", "success", settings.error_ratio, above=False)
        harmless = often + rare(metric, few, settings.min_rate, status="error")
        yield name, Trial(ill, ratio(metric, ill, "error", "success", settings.error_ratio, above=True), harmless)
    for name, (factor, _, _), minutes in (
        ("AgentLlmErrorBudgetFast", BURN_FAST, 90),
        ("AgentLlmErrorBudgetSlow", BURN_SLOW, 405),
    ):
        yield name, _burn(ill, well, factor * (1 - settings.slo), minutes)
    for name, metric, more in (
        ("AgentLlmSlow", "agent_llm_latency_seconds", {}),
        ("AgentToolSlow", "agent_tool_duration_seconds", {"tool_name": "browser"}),
    ):
        if (spec := in_use.shapes[metric]).buckets:
            slow, quick, once = ({**agent, **more} for agent in (ill, well, few))
            harmless = observed(spec, quick, CALLS, beyond=False)
            if settings.min_rate:
                harmless += observed(spec, once, settings.min_rate * 60 / 2, beyond=True)
            yield name, Trial(slow, observed(spec, slow, CALLS, beyond=True), harmless)
    yield "AgentTaskFailures", _tasks(settings, ill, well, few)
    yield "AgentTokenBudget", _budget(settings, ill, well)
    yield "AgentTokenRise", _rise(settings, ill, well, few)
    yield from _progress(settings, in_use, ill, well, few)


def _burn(ill: Mapping[str, str], well: Mapping[str, str], at_most: float, minutes: int) -> Trial:
    calls = "agent_llm_calls_total"
    failed = CALLS * (1 + at_most) / 2
    # It failed as much, but the last half hour or more is good: the short window tells.
    recovered = (
        (selector(calls, well, status="error"), growing((failed, minutes - 45), (0, 45))),
        (selector(calls, well, status="success"), growing((CALLS - failed, minutes - 45), (CALLS, 45))),
    )
    return Trial(ill, ratio(calls, ill, "error", "success", at_most, above=True, minutes=minutes), recovered, minutes)


def _tasks(settings: AlertsSpec, ill: Mapping[str, str], well: Mapping[str, str], few: Mapping[str, str]) -> Trial:
    tasks, limit = "agent_tasks_total", settings.task_failure_ratio
    harmless = ratio(tasks, well, "timeout", "success", limit, above=False, minutes=90)
    harmless += ((selector(tasks, few, status="failure"), f"0x30 {TASKS_MIN - 2}x90"),)
    return Trial(ill, ratio(tasks, ill, "failure", "success", limit, above=True, minutes=90), harmless, 90)


def _prompt_tokens(agent: Mapping[str, str]) -> str:
    return selector("agent_token_usage_total", {**agent, "token_type": "prompt"})


def _budget(settings: AlertsSpec, ill: Mapping[str, str], well: Mapping[str, str]) -> Trial:
    def used(agent: Mapping[str, str], share: float) -> Series:
        """That share of a day's budget in an hour."""
        return ((_prompt_tokens(agent), growing((settings.token_budget_per_day * share / 60, 60))),)

    return Trial(ill, used(ill, 1.5), used(well, 0.5), 60)


def _rise(settings: AlertsSpec, ill: Mapping[str, str], well: Mapping[str, str], new: Mapping[str, str]) -> Trial:
    hour = settings.token_budget_per_day * RISE_SHARE * 4

    def used(agent: Mapping[str, str], times: float) -> tuple[str, str]:
        """An hour that follows a day in each hour of which it used as many times less."""
        values = growing((hour / 12 / times, 25 * 12), (hour / 12, 24))
        return _prompt_tokens(agent), values

    began = (_prompt_tokens(new), f"_x{24 * 12} {growing((hour / 12, 48))}")
    return Trial(ill, (used(ill, settings.token_rise * 2),), (used(well, (1 + settings.token_rise) / 2), began), 1560)


def _progress(
    settings: AlertsSpec, in_use: InUse, ill: Mapping[str, str], well: Mapping[str, str], service: Mapping[str, str]
) -> Iterator[tuple[str, Trial]]:
    steps, signs = steps_and_signs(in_use)
    target = {"job": settings.job, "instance": "host:8001"}
    another = {"job": settings.job, "instance": "other:8001"}

    if steps:
        minutes = _after(settings.stuck_after_s)
        step, goes_on, stopped = steps[0], _going_on(minutes), _stopping(minutes)
        logs, active = "agent_log_records_total", "agent_active_count"
        found: Mapping[str, str] = ill
        provoking: Series = ((selector(logs, ill), goes_on), (selector(step, ill), stopped))
        harmless: Series = tuple((selector(metric, well), goes_on) for metric in (logs, step))
        harmless += ((selector(logs, service), goes_on),)
        if logs not in in_use.known:
            found, there = target, still(1, minutes)
            provoking = ((selector(active, target), there), (selector(step, {**target, "agent": "ill"}), stopped))
            harmless = ((selector(active, another), there), (selector(step, {**another, "agent": "well"}), goes_on))
        yield "AgentStuck", Trial(found, provoking, harmless, minutes)
    if signs:
        minutes, sign = _after(settings.silent_after_s), signs[0]
        ended = selector(sign, ill), _stopping(minutes)
        yield "AgentSilent", Trial(ill, (ended,), ((selector(sign, well), _going_on(minutes)),), minutes)


def _after(stopped_s: float) -> int:
    """When to look for what has stopped for so long."""
    return whole(stopped_s / 60 + 60)


def _going_on(minutes: int) -> str:
    return growing((1, minutes // interval_min(minutes)))


def _stopping(minutes: int) -> str:
    """After the first half hour."""
    interval = interval_min(minutes)
    return growing((1, 30 // interval), (0, (minutes - 30) // interval))
