"""Rules about model servers: requests that fail or take long, crashes, queues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logmetrics.authoring.observation.rule_file import Alert, Recording
from logmetrics.config.specs import AlertsSpec

CACHE_FULL = 0.95
_FAILED = 'status=~"5.."'
# Whoever pulls a model, or asks which there are, does not wait for an answer of it.
ANSWERS = 'route=~"/api/(generate|chat|embed|embeddings)|/v1/.+"'


@dataclass(frozen=True, slots=True)
class Server:
    """What a pack counts of a kind of model server: requests, and how long they take if its log tells."""

    # What its alerts' names begin with, and its metrics' names.
    alerts: str
    prefix: str
    title: str
    # The label that requests are told apart by, and which of them failed.
    by: str
    failed: str
    duration: str = ""
    # The same for durations; and which of them are of answers.
    duration_by: str = ""
    answers: str = ""


SERVERS = (
    Server("Ollama", "ollama", "Ollama", "route", _FAILED, "ollama_request_duration_seconds", "route", ANSWERS),
    Server(
        "LlamaServer",
        "llama_server",
        "llama-server",
        "route",
        _FAILED,
        "llama_server_completion_duration_seconds",
    ),
    Server("Vllm", "vllm", "vLLM", "route", _FAILED),
    Server("Tgi", "tgi", "TGI", "endpoint", 'status!="success"', "tgi_request_duration_seconds", "endpoint"),
)


def _labels(by: str) -> str:
    return f"job, instance, {by}" if by else "job, instance"


def server_recordings() -> Iterator[Recording]:
    """What the alerts below go by."""
    for server in SERVERS:
        by, requests = _labels(server.by), f"{server.prefix}_requests_total"
        rate, errors = _records(server)
        failed = f"sum by ({by}) (rate({requests}{{{server.failed}}}[5m])) or 0 * {rate}"
        yield Recording(rate, f"sum by ({by}) (rate({requests}[5m]))")
        yield Recording(errors, f"({failed}) / ({rate} > 0)")
        if server.duration:
            chosen = f"{{{server.answers}}}" if server.answers else ""
            buckets = f"rate({server.duration}_bucket{chosen}[15m])"
            p95 = f"histogram_quantile(0.95, sum by ({_labels(server.duration_by)}, le) ({buckets}))"
            yield Recording(_p95_record(server), p95)


def _records(server: Server) -> tuple[str, str]:
    """What its requests, and the share of them that fails, are recorded as."""
    requests = f"{server.by}:{server.prefix}_request"
    return f"{requests}s:rate5m", f"{requests}_errors:ratio_rate5m"


def _p95_record(server: Server) -> str:
    return f"{server.duration_by or 'instance'}:{server.duration}:p95_rate15m"


def server_alerts(settings: AlertsSpec) -> Iterator[Alert]:
    """All of them, also those for what is not in use."""
    for server in SERVERS:
        yield _errors(server, settings)
        if server.duration:
            yield _slow(server, settings)
    yield from _ollama()
    yield from _vllm(settings)


def _errors(server: Server, settings: AlertsSpec) -> Alert:
    rate, errors = _records(server)
    return Alert(
        f"{server.alerts}Errors",
        f"{errors} > {settings.server_error_ratio} and {rate} > {settings.min_rate}",
        "10m",
        "warning",
        f"{server.title} on {{{{ $labels.instance }}}} fails {{{{ $value | humanizePercentage }}}} of the requests to "
        f"{{{{ $labels.{server.by} }}}}",
        "Its log tells why; look for memory that ran out, crashes, and requests beyond what it takes at once.",
    )


def _slow(server: Server, settings: AlertsSpec) -> Alert:
    often = f"sum by ({_labels(server.duration_by)}) (rate({server.duration}_count[15m])) > {settings.min_rate}"
    what = f" to {{{{ $labels.{server.duration_by} }}}}" if server.duration_by else ""
    who = f"{server.title} on {{{{ $labels.instance }}}}"
    return Alert(
        f"{server.alerts}Slow",
        f"{_p95_record(server)} > {settings.server_duration_p95_s:g} and {often}",
        "10m",
        "warning",
        f"Requests{what} of {who} take {{{{ $value | humanizeDuration }}}} (P95)",
        "Requests may wait for others or for a model that is loaded, or layers of the model are not on a GPU; its row "
        "of the dashboard shows which.",
    )


def _ollama() -> Iterator[Alert]:
    yield Alert(
        "OllamaCrashes",
        "sum by (job, instance, reason) (increase(ollama_runner_crashes_total[15m])) > 0",
        "0m",
        "critical",
        "A runner of Ollama on {{ $labels.instance }} crashed: {{ $labels.reason }}",
        "The requests that it worked on failed. Out of memory wants a smaller context or model, or fewer at once "
        "(OLLAMA_NUM_PARALLEL); else the lines before the crash in Ollama's log tell.",
    )
    yield Alert(
        "OllamaLoadFailures",
        'sum by (job, instance, reason) (increase(ollama_model_load_failures_total{reason!="canceled"}[15m])) > 0',
        "0m",
        "warning",
        "Ollama on {{ $labels.instance }} cannot load a model: {{ $labels.reason }}",
        "Requests for it fail. Its log names the model; mostly it is too large for the memory, or newer than Ollama.",
    )


def _vllm(settings: AlertsSpec) -> Iterator[Alert]:
    yield Alert(
        "VllmQueue",
        f"sum by (job, instance, engine) (vllm_requests_waiting) > {settings.requests_waiting}",
        "5m",
        "warning",
        "{{ $value }} requests wait in vLLM on {{ $labels.instance }}",
        "More come than it can answer: another replica, or fewer clients; when its KV cache is full, shorter contexts.",
    )
    yield Alert(
        "VllmCacheFull",
        f"max by (job, instance, engine) (vllm_kv_cache_usage_ratio) > {CACHE_FULL}",
        "10m",
        "warning",
        "The KV cache of vLLM on {{ $labels.instance }} is full: {{ $value | humanizePercentage }}",
        "Requests wait, or are computed again. Shorter contexts, fewer requests at once, or more memory for the cache "
        "(--gpu-memory-utilization).",
    )
