"""What an operator asks about model servers: rows of the dashboard, one for each kind of server."""

from __future__ import annotations

from logmetrics.authoring.observation.agent_panels import latency_panels
from logmetrics.authoring.observation.dashboard import Panel, Query, Row
from logmetrics.authoring.observation.selection import RANGE, Selection
from logmetrics.authoring.observation.server_rules import ANSWERS

_FAILED = 'status=~"5.."'


def server_rows(of: Selection) -> list[Row]:
    """All of them, also what is not in use."""
    return [_ollama(of), _ollama_models(of), _llama_server(of), _vllm(of), _tgi(of)]


def _requests(of: Selection, prefix: str) -> tuple[Panel, ...]:
    """Of a server whose access lines are counted."""
    requests = f"{prefix}_requests_total"
    return (
        Panel(
            "Requests by route",
            "In a minute.",
            (Query(of.per_minute(requests, by="method, route"), "{{method}} {{route}}"),),
            "opm",
            width=6,
            stacked=True,
        ),
        Panel(
            "Requests by status",
            "In a minute; a streamed answer that breaks off later still has the status of its beginning.",
            (Query(of.per_minute(requests, by="status"), "{{status}}"),),
            "opm",
            width=6,
            stacked=True,
        ),
        Panel(
            "Failed requests",
            "Which share of a route's requests the server itself fails to answer (5xx).",
            (Query(of.share(requests, _FAILED, by="route"), "{{route}}"),),
            "percentunit",
            width=6,
            most=1,
        ),
    )


def _tokens(of: Selection, prefix: str) -> tuple[Panel, ...]:
    """Of a server that tells for each completion how many tokens took how long."""
    tokens, seconds, cached = (
        f"{prefix}_{name}" for name in ("tokens_total", "eval_seconds_total", "prompt_tokens_cached_total")
    )
    evaluated = of.rate(tokens, 'token_type="prompt"')
    return (
        Panel(
            "Tokens",
            "In a second, without prompt tokens that come from the cache.",
            (Query(of.rate(tokens, by="token_type"), "{{token_type}}"),),
            "short",
            width=6,
            stacked=True,
        ),
        Panel(
            "Speed",
            "Tokens in a second of work on them: how fast a prompt is read, and an answer written.",
            (
                Query(
                    f"{of.rate(tokens, by='token_type')} / ({of.rate(seconds, by='token_type')} > 0)", "{{token_type}}"
                ),
            ),
            "short",
            width=6,
        ),
        Panel(
            "Cached share of prompts",
            "Which share of the prompt tokens came from the cache and needed no work.",
            (Query(f"{of.rate(cached)} / ({of.rate(cached)} + {evaluated} > 0)", "cached"),),
            "percentunit",
            width=6,
            most=1,
        ),
    )


def _events(of: Selection, title: str, description: str, metrics: dict[str, str]) -> Panel:
    """How often things happened that are rare: what each metric is called, with its label in braces if it has one."""
    queries = tuple(Query(_increase(of, metric, name), name) for metric, name in metrics.items())
    return Panel(title, description, queries, "short", width=6, bars=True)


def _increase(of: Selection, metric: str, name: str) -> str:
    by = name[name.find("{{") + 2 : name.find("}}")] if "{{" in name else ""
    grown = f"increase({of(metric)}[{RANGE}])"
    return f"sum by ({by}) ({grown})" if by else f"sum({grown})"


def _ollama(of: Selection) -> Row:
    duration, loads = "ollama_request_duration_seconds", "ollama_model_load_duration_seconds"
    return Row(
        "Ollama",
        (
            *_requests(of, "ollama"),
            _events(
                of,
                "Aborted requests",
                "Whose client closed the connection before the answer was complete.",
                {"ollama_requests_aborted_total": "{{kind}}"},
            ),
            *latency_panels(of, duration, "Answers", ANSWERS),
            Panel(
                "Requests by route, P95",
                "95 of 100 requests take no longer, waiting and loading of the model included.",
                (Query(of.quantile(0.95, duration, by="route"), "{{route}}"),),
                "s",
            ),
            *_tokens(of, "ollama"),
            Panel(
                "Completions",
                "In a minute, that told their timings; without any the tokens beside are not all, or none.",
                (Query(of.per_minute("ollama_completions_total"), "completions"),),
                "opm",
                width=6,
            ),
            _events(
                of,
                "Crashes and failed loads",
                "Runner processes that ended unexpectedly, models that could not be loaded, and why.",
                {
                    "ollama_runner_crashes_total": "crash: {{reason}}",
                    "ollama_model_load_failures_total": "load: {{reason}}",
                },
            ),
            Panel(
                "Model loads, P95",
                "95 of 100 models are ready within this time; each load makes a request wait.",
                (Query(of.quantile(0.5, loads), "P50"), Query(of.quantile(0.95, loads), "P95")),
                "s",
                width=6,
            ),
            _events(
                of,
                "Prompts that were too long",
                "Truncated to the context's length, or grown beyond it together with their answer.",
                {"ollama_prompts_truncated_total": "truncated", "ollama_contexts_exceeded_total": "exceeded"},
            ),
            Panel(
                "Log messages",
                "By level, in a minute.",
                (Query(of.per_minute("ollama_log_messages_total", by="level"), "{{level}}"),),
                "opm",
                width=6,
                stacked=True,
            ),
        ),
    )


def _ollama_models(of: Selection) -> Row:
    return Row(
        "Ollama: models and GPUs",
        (
            _events(
                of,
                "Model loads",
                "Models loaded and ready. Many in a row: models displace each other.",
                {"ollama_model_loads_total": "loads", "ollama_model_loads_by_name_total": "{{model}}"},
            ),
            Panel(
                "Loaded models",
                "In memory after the last load.",
                (Query(f"sum by (instance) ({of('ollama_loaded_models')})", "{{instance}}"),),
                "none",
                width=6,
            ),
            Panel(
                "Layers on GPUs",
                "Of the model that was loaded last: when fewer than all are there, it is slow.",
                (
                    Query(f"sum by (instance) ({of('ollama_model_layers')})", "{{instance}} all"),
                    Query(f"sum by (instance) ({of('ollama_offloaded_layers')})", "{{instance}} on GPUs"),
                ),
                "none",
                width=6,
            ),
            Panel(
                "Memory of the model",
                "Of the one that was loaded last, by part and device; the device all is the plan before a load.",
                (Query(f"sum by (part, device) ({of('ollama_model_memory_bytes')})", "{{part}} {{device}}"),),
                "bytes",
                width=6,
            ),
            Panel(
                "Memory of GPUs",
                "All of it, and what was free at the start or before the last load.",
                (
                    Query(f"sum by (gpu) ({of('ollama_gpu_memory_total_bytes')})", "{{gpu}} all"),
                    Query(f"sum by (gpu) ({of('ollama_gpu_memory_available_bytes')})", "{{gpu}} free"),
                ),
                "bytes",
                width=6,
            ),
            _events(
                of,
                "Downloads",
                "Parts of models whose download began, and pieces that were tried again.",
                {"ollama_downloads_total": "downloads", "ollama_download_retries_total": "again: {{reason}}"},
            ),
            _events(of, "Starts", "Of the server; also those after a crash.", {"ollama_starts_total": "starts"}),
            _versions(of, "ollama_build_info"),
        ),
    )


def _versions(of: Selection, metric: str) -> Panel:
    return Panel(
        "Versions",
        "Which version started last, on how many servers.",
        (Query(f"count by (version) ({of(metric)})", "{{version}}"),),
        "none",
        "bargauge",
        width=6,
    )


def _llama_server(of: Selection) -> Row:
    duration = "llama_server_completion_duration_seconds"
    drafts = "llama_server_draft_tokens_total"
    drafted = of.rate(drafts, 'status="generated"')
    return Row(
        "llama-server",
        (
            *_requests(of, "llama_server"),
            *latency_panels(of, duration, "Completions", width=6),
            *_tokens(of, "llama_server"),
            Panel(
                "Accepted drafts",
                "Which share of the tokens of speculative decoding was of use.",
                (Query(_ratio(of.rate(drafts, 'status="accepted"'), drafted), "accepted"),),
                "percentunit",
                width=6,
                most=1,
            ),
            _events(
                of,
                "Prompts that were too long",
                "Prompt and answer together outgrew the context.",
                {"llama_server_contexts_exceeded_total": "exceeded"},
            ),
            Panel(
                "Layers on GPUs",
                "Of the model that was loaded last: when fewer than all are there, it is slow.",
                (
                    Query(f"sum by (instance) ({of('llama_server_model_layers')})", "{{instance}} all"),
                    Query(f"sum by (instance) ({of('llama_server_offloaded_layers')})", "{{instance}} on GPUs"),
                ),
                "none",
                width=6,
            ),
            _events(of, "Starts", "Of the server; also those after a crash.", {"llama_server_starts_total": "starts"}),
            _versions(of, "llama_server_build_info"),
        ),
    )


def _vllm(of: Selection) -> Row:
    drafts = "vllm_draft_tokens_total"

    def by_engine(metric: str, how: str = "sum") -> str:
        return f"{how} by (instance, engine) ({of(metric)})"

    who = "{{instance}} {{engine}}"
    return Row(
        "vLLM",
        (
            *_requests(of, "vllm"),
            Panel(
                "Running and waiting",
                "Requests that are worked on, wait, or were swapped out. Those that wait for long want another engine.",
                (
                    Query(by_engine("vllm_requests_running"), f"{who} running"),
                    Query(by_engine("vllm_requests_waiting"), f"{who} waiting"),
                    Query(by_engine("vllm_requests_swapped"), f"{who} swapped"),
                ),
                "none",
                width=6,
            ),
            Panel(
                "Tokens",
                "In a second, as the engines tell it.",
                (
                    Query(by_engine("vllm_prompt_tokens_per_second"), f"{who} prompt"),
                    Query(by_engine("vllm_generation_tokens_per_second"), f"{who} generation"),
                ),
                "short",
                width=6,
            ),
            Panel(
                "KV cache in use",
                "When it is full, requests wait.",
                (Query(by_engine("vllm_kv_cache_usage_ratio", "max"), who),),
                "percentunit",
                width=6,
                most=1,
            ),
            Panel(
                "Prefix cache",
                "Which share of the prompt tokens of recent requests it had.",
                (Query(by_engine("vllm_prefix_cache_hit_ratio", "max"), who),),
                "percentunit",
                width=6,
                most=1,
            ),
            Panel(
                "Accepted drafts",
                "Which share of the tokens of speculative decoding was of use.",
                (Query(_ratio(of.rate(drafts, 'status="accepted"'), of.rate(drafts, 'status="drafted"')), "accepted"),),
                "percentunit",
                width=6,
                most=1,
            ),
            _events(of, "Starts", "Of the server; also those after a crash.", {"vllm_starts_total": "starts"}),
            _versions(of, "vllm_build_info"),
        ),
    )


def _tgi(of: Selection) -> Row:
    requests, duration = "tgi_requests_total", "tgi_request_duration_seconds"
    phases = {f"tgi_request_{phase}_duration_seconds": phase for phase in ("validation", "queue", "inference")}
    return Row(
        "Text Generation Inference",
        (
            Panel(
                "Generations by outcome",
                "In a minute: success, or why not.",
                (Query(of.per_minute(requests, by="endpoint, status"), "{{endpoint}} {{status}}"),),
                "opm",
                width=6,
                stacked=True,
            ),
            Panel(
                "Failed generations",
                "Which share of an endpoint's generations ends otherwise than with success.",
                (Query(of.share(requests, 'status!="success"', by="endpoint"), "{{endpoint}}"),),
                "percentunit",
                width=6,
                most=1,
            ),
            *latency_panels(of, duration, "Generations", width=6),
            Panel(
                "Time by phase, P95",
                "Where the time of 95 of 100 generations goes: a long queue wants another replica.",
                tuple(Query(of.quantile(0.95, metric), phase) for metric, phase in phases.items()),
                "s",
                width=6,
            ),
            Panel(
                "Time per token",
                "Of half of the generations, and of 95 of 100.",
                tuple(
                    Query(of.quantile(share, "tgi_time_per_token_seconds"), f"P{share * 100:.0f}")
                    for share in (0.5, 0.95)
                ),
                "s",
                width=6,
            ),
            Panel(
                "Tokens",
                "Generated in a second.",
                (Query(of.rate("tgi_tokens_total", by="token_type"), "{{token_type}}"),),
                "short",
                width=6,
            ),
        ),
    )


def _ratio(part: str, whole: str) -> str:
    return f"{part} / ({whole} > 0)"
