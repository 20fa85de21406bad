"""What a config can say about alerts, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from logmetrics.config.document import Document
from logmetrics.config.expression import did_you_mean
from logmetrics.config.specs import AlertsSpec, MetricSpec
from logmetrics.errors import Problem

if TYPE_CHECKING:
    from logmetrics.config.model import AlertsModel

# All that `logmetrics alerts` can write; docs/alerts.md has a section for each.
ALERT_NAMES = (
    *("AgentToolErrors", "AgentLlmErrors", "AgentLlmErrorBudgetFast", "AgentLlmErrorBudgetSlow", "AgentLlmSlow"),
    *("AgentToolSlow", "AgentTaskFailures", "AgentTokenBudget", "AgentTokenRise", "AgentStuck", "AgentSilent"),
    *("OllamaErrors", "OllamaSlow", "OllamaCrashes", "OllamaLoadFailures"),
    *("LlamaServerErrors", "LlamaServerSlow", "VllmErrors", "VllmQueue", "VllmCacheFull", "TgiErrors", "TgiSlow"),
    *("LogmetricsDown", "LogmetricsAbsent", "LogmetricsTextfileOld", "LogmetricsStuck", "LogmetricsCommitsFail"),
    *("LogmetricsNoInput", "LogmetricsUnreadable", "LogmetricsLag", "LogmetricsLoss", "LogmetricsJournalGap"),
    *("LogmetricsUnparsable", "LogmetricsUnmatched", "LogmetricsSeriesNearLimit", "LogmetricsOverflow"),
    "LogmetricsReloadFailed",
)
# Thresholds of quantiles, and the histograms that they are held against.
QUANTILES: Mapping[str, tuple[str, ...]] = {
    "llm_latency_p95": ("agent_llm_latency_seconds",),
    "tool_duration_p95": ("agent_tool_duration_seconds",),
    "server_duration_p95": (
        "ollama_request_duration_seconds",
        "llama_server_completion_duration_seconds",
        "tgi_request_duration_seconds",
    ),
}


def is_measurable(threshold: float, spec: MetricSpec) -> bool:
    """Whether a quantile of a histogram can be below *threshold*, and above it: it is never above the last bound."""
    return spec.type == "histogram" and spec.buckets[0] <= threshold < spec.buckets[-1]


def alerts_spec(
    model: AlertsModel, metrics: Mapping[str, MetricSpec], document: Document, problems: list[Problem]
) -> AlertsSpec:
    """What *model* means; what cannot be is added to *problems*."""
    problems.extend(_problems(model, metrics, document))
    return AlertsSpec(
        job=model.job,
        runbooks=model.runbooks,
        labels=tuple(model.labels.items()),
        severity=dict(model.severity),
        disable=frozenset(model.disable),
        min_rate=model.min_rate,
        error_ratio=model.error_ratio,
        slo=model.slo,
        llm_latency_p95_s=model.llm_latency_p95,
        tool_duration_p95_s=model.tool_duration_p95,
        task_failure_ratio=model.task_failure_ratio,
        token_budget_per_day=model.token_budget_per_day,
        token_rise=model.token_rise,
        stuck_after_s=model.stuck_after,
        silent_after_s=model.silent_after,
        server_error_ratio=model.server_error_ratio,
        server_duration_p95_s=model.server_duration_p95,
        requests_waiting=model.requests_waiting,
        lag_bytes=model.lag,
        unparsable_ratio=model.unparsable_ratio,
        unmatched_ratio=model.unmatched_ratio,
        series_ratio=model.series_ratio,
    )


def _problems(model: AlertsModel, metrics: Mapping[str, MetricSpec], document: Document) -> Iterator[Problem]:
    for index, name in enumerate(model.disable):
        if name not in ALERT_NAMES:
            yield document.problem(("alerts", "disable", index), _no_alert(name))
    for name in model.severity:
        if name not in ALERT_NAMES:
            yield document.problem(("alerts", "severity", name), _no_alert(name), of_key=True)
    for name in ("severity", "alertname"):
        if name in model.labels:
            what = "is what each alert has itself; alerts.severity changes it by the alert's name"
            yield document.problem(("alerts", "labels", name), what, of_key=True)
    for name, text in model.labels.items():
        if "{{" in text:
            yield document.problem(("alerts", "labels", name), "is taken as it stands: a template is not filled in")
    yield from _out_of_reach(model, metrics, document)


def _out_of_reach(model: AlertsModel, metrics: Mapping[str, MetricSpec], document: Document) -> Iterator[Problem]:
    """Thresholds that the config names, and that no quantile of their histogram can pass."""
    given: Any = document.values.get("alerts") or ()
    for key, histograms in QUANTILES.items():
        for metric in histograms if key in given else ():
            spec = metrics.get(metric)
            if spec is not None and spec.type == "histogram" and not is_measurable(getattr(model, key), spec):
                bounds = f"{spec.buckets[0]:g}s to {spec.buckets[-1]:g}s"
                what = f"{metric} has buckets from {bounds}, so its quantiles cannot be told to be above this"
                yield document.problem(("alerts", key), f"{what}: give a time in between")


def _no_alert(name: str) -> str:
    return f"no alert is called {name!r}{did_you_mean(name, ALERT_NAMES) or '; docs/alerts.md has them all'}"
