"""A traced program counts and remembers what the ordinary one does, and notes each value as it comes up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logmetrics.config.expression import parse_expression
from logmetrics.config.loading import merge, parse_config
from logmetrics.config.specs import Config, LimitsSpec, RuleSet, RuleSpec, SourceSpec
from logmetrics.config.tree import Field, Literal
from logmetrics.formats.framing import FIRST_BYTES, framing_of
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.rules.trace import Counted, Traced, traced
from logmetrics.store.store import Store
from tests.test_rules_agree import LIMITS, METRICS, RULES, literal, records

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(
    path
    for path in DATA.glob("*/*")
    if path.suffix in (".jsonl", ".log", ".json", ".txt") and path.name != "expected.json"
)
PACKED = Config(
    (SourceSpec("test", ("/logs",)),),
    merge([pack.rule_set for pack in builtin_packs().values()]),
    tuple(builtin_packs()),
)


def outcome(program: Program, store: Store) -> dict[str, Any]:
    """All that came of a run: series, tallies, and what is remembered."""
    store.commit(0.0)
    batch: dict[str, list[tuple[Any, ...]]] = {}
    program.collect("test", batch)
    return {
        "series": {
            spec.name: {series.labels: frozen for series, frozen in rows} for spec, rows in store.view().families
        },
        "lines": (program.unmatched, program.unparsable, program.continued, program.excluded),
        "rules": [(rule.name, rule.matches, rule.skipped) for rule in program.rules],
        "remembered": batch,
    }


def test_same_as_ordinary_on_samples() -> None:
    """After each sample all series, counts and memories are the same, read by blocks and record by record."""
    [source] = PACKED.sources
    stores = [Store(PACKED.rule_set.metrics, PACKED.limits) for _ in range(2)]
    plain, noting = compiled(PACKED, source, stores[0]), traced(PACKED, source, stores[1])
    for number, sample in enumerate(SAMPLES):
        data = sample.read_bytes().removesuffix(b"\n") + b"\n"
        lines = framing_of(data[:FIRST_BYTES]).take(data, b"").records[:400]
        size = 1 if number % 2 else 100
        log, traced_log = (Log(f"/logs/{number}/{sample.name}", "test") for _ in range(2))
        for start in range(0, len(lines), size):
            plain.apply(lines[start : start + size], log, 0.0)
            noting.program.apply(lines[start : start + size], traced_log, 0.0)
            noting.trace.take()
        assert outcome(noting.program, stores[1]) == outcome(plain, stores[0]), sample


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_list=RULES, batch=st.lists(records, max_size=12))
def test_same_as_ordinary_on_any_rules(rule_list: tuple[RuleSpec, ...], batch: list[dict[str, Any]]) -> None:
    """So they are for random rules and records."""
    rules = RuleSet(METRICS, tuple(replace(rule, name=f"{rule.name} {n}") for n, rule in enumerate(rule_list)))
    config = Config((SourceSpec("test", ("/logs",), format="json"),), rules, (), limits=LIMITS)
    [source] = config.sources
    stores = [Store(config.rule_set.metrics, config.limits) for _ in range(2)]
    programs = compiled(config, source, stores[0]), traced(config, source, stores[1]).program
    for program in programs:
        program.apply([literal(record).encode() for record in batch], Log("/logs/a", "test"), 0.0)
    plain, noted = map(outcome, programs, stores)
    assert noted == plain


RULES_OF_TEST = """
packs: []
sources: [{name: test, paths: [/logs]}]
metrics:
  calls_total: {type: counter, help: h, labels: [agent, tool]}
  took_seconds: {type: histogram, help: h, labels: [agent], buckets: tool_latency}
rules:
  - name: call
    when: event == "call" and n > 3
    labels: {agent: agent or "nobody", tool: tool}
    update: {calls_total: 1, took_seconds: ms(took)}
  - name: block
    each: block in blocks
    when: event == "turn" and block.type == "use"
    labels: {agent: agent, tool: block.name}
    update: {calls_total: 1}
  - name: task
    pair: {start: event == "start", end: event == "end", key: id, timeout: 1h, keep: {kind: kind}}
    labels: {agent: kind}
    update: {took_seconds: elapsed}
    on_timeout: {took_seconds: 1}
"""


def noting() -> Traced:
    config = parse_config(RULES_OF_TEST, "config.yaml", {})
    return traced(config, config.sources[0], Store(config.rule_set.metrics, LimitsSpec()))


def notes_of(rules: Traced, *lines: bytes) -> list[tuple[int, str, Any]]:
    """Rule, role and value of each note; of expressions, only those that stand in no other."""
    log = Log("/logs/a.log", "test")
    for line in lines:
        rules.trace.take()
        rules.program.apply([line], log, 0.0)
    nodes = rules.trace.nodes
    return [
        (nodes[number].rule, nodes[number].role, value)
        for number, value in rules.trace.take()
        if nodes[number].parent < 0
    ]


NOTHING_OF_CALL = [(0, "rule", None), (0, "when", False)]
NOTHING_OF_BLOCK = [(1, "rule", None), (1, "when", False)]
NOTHING_OF_TASK = [(2, "rule", None), (2, "end", False), (2, "start", False)]
RECORD = [(-1, "record", None)]


def test_what_is_noted_of_a_match() -> None:
    """How far each rule gets, labels, value, and where the measurement went."""
    rules = noting()
    found = notes_of(rules, b'{"event": "call", "n": 4, "tool": "%s", "took": 1500}' % (b"0123456789abcdef" * 2))
    metrics = {node.update.metric for node in rules.trace.nodes if node.update is not None and node.rule == 0}
    counted = [value for _, role, value in found if role == "counted"]
    assert [(rule, role, value) for rule, role, value in found if role != "counted"] == [
        *RECORD,
        (0, "rule", None),
        (0, "when", True),
        (0, "matched", None),
        (0, "update", None),
        (0, "label", "nobody"),
        (0, "label", "0123456789abcdef" * 2),
        (0, "update", None),
        (0, "value", 1.5),
        *NOTHING_OF_BLOCK,
        *NOTHING_OF_TASK,
    ]
    assert metrics == {"calls_total", "took_seconds"}
    assert [(one.metric.name, one.given, one.labels, one.refusal, one.is_new, one.amount) for one in counted] == [
        ("calls_total", ("nobody", "0123456789abcdef" * 2), ("nobody", "{hex}"), [], True, 1),
        ("took_seconds", ("nobody",), ("nobody",), [], True, None),
    ]


TOLD = {
    "condition_failed": (
        (b'{"event": "call", "n": 3}',),
        [*RECORD, *NOTHING_OF_CALL, *NOTHING_OF_BLOCK, *NOTHING_OF_TASK],
    ),
    "no_list": (
        (b'{"event": "turn", "blocks": 5}',),
        [*RECORD, *NOTHING_OF_CALL, (1, "rule", None), (1, "when", True), (1, "each", 5), *NOTHING_OF_TASK],
    ),
    "elements": (
        (b'{"event": "turn", "blocks": [{"type": "text"}, 7]}',),
        [
            *RECORD,
            *NOTHING_OF_CALL,
            (1, "rule", None),
            (1, "when", True),
            (1, "each", [{"type": "text"}, 7]),
            (1, "element", {"type": "text"}),
            (1, "when", False),
            (1, "element", 7),
            (1, "when", False),
            *NOTHING_OF_TASK,
        ],
    ),
    "start": (
        (b'{"event": "start", "id": 1, "kind": "k", "time": 5}',),
        [
            *RECORD,
            *NOTHING_OF_CALL,
            *NOTHING_OF_BLOCK,
            (2, "rule", None),
            (2, "end", False),
            (2, "start", True),
            (2, "key", 1),
            (2, "keep", "k"),
            (2, "keep", 5.0),
            (2, "keep", 5.0),
        ],
    ),
    "end_without_start": (
        (b'{"event": "end", "id": 1, "time": 5}',),
        [
            *RECORD,
            *NOTHING_OF_CALL,
            *NOTHING_OF_BLOCK,
            (2, "rule", None),
            (2, "end", True),
            (2, "key", 1),
            (2, "keep", 5.0),
        ],
    ),
    "given_up": (
        (
            b'{"event": "start", "id": 1, "kind": "k", "time": 5}',
            b'{"event": "end", "id": 2, "time": 5000}',
        ),
        [
            *RECORD,
            *NOTHING_OF_CALL,
            *NOTHING_OF_BLOCK,
            (2, "rule", None),
            (2, "end", True),
            (2, "key", 2),
            (2, "keep", 5000.0),
            (2, "timeout", None),
            (2, "update", None),
            (2, "label", "k"),
            (2, "value", 1),
        ],
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_noted(name: str) -> None:
    """How far each rule gets, and what it saw there."""
    lines, expected = TOLD[name]
    found = notes_of(noting(), *lines)
    assert [note for note in found if note[1] != "counted"] == expected


def test_a_value_that_cannot_be_used() -> None:
    """The reason is noted in place of a measurement."""
    found = notes_of(noting(), b'{"event": "call", "n": 4, "took": -1}')
    assert (0, "value", -0.001) in found
    assert (0, "skipped", "negative") in found


def test_the_guard_refuses() -> None:
    """What the guard refused, with the level of its budget, and that nothing new was born."""
    config = parse_config(RULES_OF_TEST + "limits: {values_per_label: 1}\n", "config.yaml", {})
    rules = traced(config, config.sources[0], Store(config.rule_set.metrics, config.limits))
    line = b'{"event": "call", "n": 4, "agent": "a", "tool": "%s"}'
    notes = notes_of(rules, line % b"one", line % b"two")
    [counted] = [value for _, _, value in notes if isinstance(value, Counted)]
    assert (counted.labels, counted.refusal, counted.is_new) == (("a", "__overflow__"), [(1, "values", "two")], False)


def test_all_nodes_are_known_before_any_record() -> None:
    """Whoever asks which parts of rules were never tried needs to know what parts there are."""
    rules = noting()
    rules.prepare_all()
    known = list(rules.trace.nodes)
    notes_of(rules, *(line for lines, _ in TOLD.values() for line in lines), b"level=info event=x", b"text")
    assert rules.trace.nodes == known
    when = next(node for node in known if node.role == "when" and node.rule == 0 and node.parent < 0)
    operands = [node for node in known if node.parent == when.number]
    assert [node.expr for node in operands] == [parse_expression('event == "call"'), parse_expression("n > 3")]
    assert all(node.is_test for node in operands)
    assert [(node.expr, node.is_test) for node in known if node.parent == operands[1].number] == [
        (Literal(3), False),
        (Field(("n",)), False),
    ]


def test_packs_tell_what_recognised_a_record() -> None:
    """The conditions of packs are asked in their order, until one holds."""
    store = Store(PACKED.rule_set.metrics, PACKED.limits)
    rules = traced(PACKED, PACKED.sources[0], store)
    log = Log("/logs/a.jsonl", "test")
    rules.program.apply([(DATA / "codex" / "token_count_minimal.jsonl").read_bytes().splitlines()[0]], log, 0.0)
    nodes = rules.trace.nodes
    asked = [
        (nodes[number].pack, value)
        for number, value in rules.trace.take()
        if nodes[number].role == "recognise" and nodes[number].parent < 0
    ]
    assert asked[-1] == ("codex", True)
    assert not any(value for _, value in asked[:-1])
