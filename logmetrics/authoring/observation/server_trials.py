"""Trials of the alerts about model servers."""

from __future__ import annotations

from collections.abc import Iterator

from logmetrics.authoring.observation.in_use import InUse
from logmetrics.authoring.observation.server_rules import CACHE_FULL, SERVERS, Server
from logmetrics.authoring.observation.trial import (
    CALLS,
    MINUTES,
    Trial,
    growing,
    observed,
    rare,
    ratio,
    selector,
    still,
)
from logmetrics.config.specs import AlertsSpec

_ROUTE = "/v1/chat/completions"


def server_trials(settings: AlertsSpec, in_use: InUse) -> Iterator[tuple[str, Trial]]:
    """By the names of alerts, also of those that are not in use."""
    for server in SERVERS:
        yield f"{server.alerts}Errors", _errors(server, settings)
        if server.duration:
            yield f"{server.alerts}Slow", _slow(server, settings, in_use)
    ill, well = ({"job": settings.job, "instance": f"{name}:8001"} for name in ("ill", "well"))
    crashes, failures = "ollama_runner_crashes_total", "ollama_model_load_failures_total"
    killed, canceled = {"reason": "killed"}, {"reason": "canceled"}
    yield (
        "OllamaCrashes",
        Trial(
            {**ill, **killed},
            ((selector(crashes, ill, **killed), "0x30 1x30"),),
            ((selector(crashes, well, **killed), still(1)),),
        ),
    )
    yield (
        "OllamaLoadFailures",
        Trial(
            {**ill, **killed},
            ((selector(failures, ill, **killed), "0x30 1x30"),),
            ((selector(failures, well, **canceled), growing((1, MINUTES))),),
        ),
    )
    engine = {"engine": "000"}
    for name, metric, too_much, enough in (
        ("VllmQueue", "vllm_requests_waiting", settings.requests_waiting + 1, settings.requests_waiting),
        ("VllmCacheFull", "vllm_kv_cache_usage_ratio", 1, CACHE_FULL),
    ):
        yield (
            name,
            Trial(
                {**ill, **engine},
                ((selector(metric, ill, **engine), still(too_much)),),
                ((selector(metric, well, **engine), still(enough)),),
            ),
        )


def _errors(server: Server, settings: AlertsSpec) -> Trial:
    requests, limit = f"{server.prefix}_requests_total", settings.server_error_ratio
    ill, well, few = (
        {"job": settings.job, "instance": f"{name}:8001", server.by: _ROUTE} for name in ("ill", "well", "few")
    )
    bad, good = ("overloaded", "success") if server.by == "endpoint" else ("500", "200")
    harmless = ratio(requests, well, bad, good, limit, above=False)
    harmless += rare(requests, few, settings.min_rate, status=bad)
    return Trial(ill, ratio(requests, ill, bad, good, limit, above=True), harmless)


def _slow(server: Server, settings: AlertsSpec, in_use: InUse) -> Trial:
    spec = in_use.shapes[server.duration]
    by = {server.duration_by: _ROUTE} if server.duration_by else {}
    slow, quick, once = ({"job": settings.job, "instance": f"{name}:8001", **by} for name in ("ill", "well", "few"))
    harmless = observed(spec, quick, CALLS, beyond=False)
    if settings.min_rate:
        harmless += observed(spec, once, settings.min_rate * 60 / 2, beyond=True)
    if server.answers:
        # It does not answer anybody, so it may take long.
        harmless += observed(spec, {**quick, **dict.fromkeys(by, "/api/pull")}, CALLS, beyond=True)
    return Trial(slow, observed(spec, slow, CALLS, beyond=True), harmless)
