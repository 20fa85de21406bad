"""What is wrong with a config that can be loaded: it works, and will be regretted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from logmetrics.config.document import Document, parse_document
from logmetrics.config.loading import load_config
from logmetrics.config.specs import Config, PackSpec, SourceSpec
from logmetrics.config.tree import Literal
from logmetrics.errors import Problem
from logmetrics.rules.compile import compiled
from logmetrics.store.store import Store

# Names of labels that are new in each event, or nearly so. Whoever means it says allow_unbounded.
_UNBOUNDED = """
    session_id sessionid trace_id traceid span_id spanid request_id requestid correlation_id transaction_id
    conversation_id thread_id message_id event_id run_id task_id job_id call_id tool_call_id invocation_id
    execution_id user_id userid email ip client_ip remote_addr uuid guid id
    prompt completion message msg text content body query question
    error_message exception traceback stack stacktrace stack_trace
    url uri timestamp ts
"""
UNBOUNDED_LABELS = frozenset(_UNBOUNDED.split())


def lint(path: str, packs: Mapping[str, PackSpec]) -> tuple[Config, list[Problem]]:
    """The config in the file *path* and what is to be said about it, in file order. Raises ConfigError."""
    config = load_config(path, packs)
    store = Store(config.rule_set.metrics, config.limits)
    for source in config.sources or (SourceSpec("none", ()),):
        compiled(config, source, store)
    document = parse_document(Path(path).read_text("utf-8-sig"), path)
    return config, sorted(_unbounded_labels(config, document))


def _unbounded_labels(config: Config, document: Document) -> Iterator[Problem]:
    own = document.values.get("metrics") if isinstance(document.values, dict) else None
    for name in own or ():
        spec = config.rule_set.metrics[name]
        for index, label in enumerate(spec.labels):
            suspicious = label.lower() in UNBOUNDED_LABELS and not spec.allow_unbounded and spec.type != "info"
            if suspicious and not _is_bounded(config, name, label):
                what = f"{label} is new in each event or nearly so, and each value is a series: leave it out"
                remedy = "or say allow_unbounded: true for this metric, and let the guard hold it"
                yield document.problem(("metrics", name, "labels", index), f"{what}, {remedy}")


def _is_bounded(config: Config, metric: str, label: str) -> bool:
    """Whether all that rules put into *label* stands in the config."""
    given = [
        None if label in dict(update.constants) else rule.labels.get(label)
        for rule in config.rule_set.rules
        for update in rule.updates
        if update.metric == metric
    ]
    return bool(given) and all(tree is None or isinstance(tree, Literal) for tree in given)
