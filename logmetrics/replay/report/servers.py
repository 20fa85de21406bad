"""The sections of model servers: requests by route, durations, tokens, and whatever else their packs count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from logmetrics.present import amounts
from logmetrics.present.blocks import Block, Cell, Column, Section, Tone, table
from logmetrics.replay.report.figures import Figures, Row, label_text
from logmetrics.store.store import FamilyView

# How the metrics of a server begin, and what it is called.
SERVERS = {
    "ollama_": "Ollama",
    "llama_server_": "llama-server",
    "vllm_": "vLLM",
    "tgi_": "TGI",
}
ABBREVIATIONS = ("gpu", "kv")
STATUS_TONES: Mapping[str, Tone] = {"2": "good", "3": "", "4": "warn", "5": "bad"}
LEVEL_TONES: Mapping[str, Tone] = {"ERROR": "bad", "WARN": "warn", "INFO": "", "DEBUG": "mute", "TRACE": "mute"}


def server_sections(figures: Figures) -> Iterable[Section]:
    """One section for each server of which something was counted."""
    for prefix, name in SERVERS.items():
        if any(metric.startswith(prefix) for metric in figures.views):
            yield Section(prefix.rstrip("_").replace("_", "-"), name, tuple(_server(figures, prefix)))


def _server(figures: Figures, prefix: str) -> Iterable[Block]:
    views = {name: view for name, view in figures.views.items() if name.startswith(prefix)}
    told = set()
    requests, durations = f"{prefix}requests_total", f"{prefix}request_duration_seconds"
    if requests in views:
        labels = tuple(label for label in views[requests][0].labels if label != "status")
        statuses = figures.tallies(requests, "status")
        tones = {key[0]: STATUS_TONES.get(key[0][:1], "") for key in sorted(statuses)}
        yield from figures.ranking(
            "requests", labels, figures.tallies(requests, *labels), figures.histograms(durations, *labels), "Requests"
        )
        yield from figures.shares("Requests by status", statuses, tones, requests)
        told |= {requests, durations}
    for name, (spec, _) in views.items():
        if spec.type == "histogram" and name not in told:
            told.add(name)
            yield from figures.latencies(_plain(name, prefix), name, spec.labels)
    tokens = f"{prefix}tokens_total"
    if tokens in views:
        yield from figures.shares("Tokens", figures.tallies(tokens, "token_type"), {}, tokens)
        told.add(tokens)
    messages = f"{prefix}log_messages_total"
    if messages in views:
        yield from figures.shares("Log messages", figures.tallies(messages, "level"), LEVEL_TONES, messages)
        told.add(messages)
    rest = [view for name, view in views.items() if name not in told]
    yield from _values("What else happened", [view for view in rest if view[0].type == "counter"], prefix)
    yield from _values("As of the end of the logs", [view for view in rest if view[0].type != "counter"], prefix)


def _values(title: str, views: Iterable[FamilyView], prefix: str) -> Iterable[Block]:
    """Counters, gauges and infos of a server, one line for each series."""
    rows: list[Row] = []
    for spec, series in views:
        for one, value in sorted(series, key=lambda pair: pair[0].labels):
            if isinstance(value, tuple) or not value:
                continue
            labels = label_text(zip(spec.labels, one.labels, strict=True))
            text = "" if spec.type == "info" else amounts.amount_of(spec.name, value)
            exact = amounts.count(value)
            rows.append((Cell(_plain(spec.name, prefix)), Cell(labels), Cell(text, exact if exact != text else "")))
    if rows:
        yield table(title, (Column("what", "text"), Column("of", "text"), Column("value")), rows)


def _plain(metric: str, prefix: str) -> str:
    """What a metric counts, as its name tells."""
    stem = metric.removeprefix(prefix)
    for end in ("_total", "_seconds", "_bytes", "_info"):
        stem = stem.removesuffix(end)
    words = [word.upper() if word in ABBREVIATIONS else word for word in stem.split("_")]
    words[0] = words[0][:1].upper() + words[0][1:]
    return " ".join(words)
