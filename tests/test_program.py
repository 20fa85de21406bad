"""The generated function as text and as code."""

from __future__ import annotations

import linecache
import traceback

import pytest

from logmetrics.config.expression import FUNCTIONS, parse_expression
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import LimitsSpec, MetricSpec, RuleSet, RuleSpec, UpdateSpec
from logmetrics.config.tree import STATEFUL
from logmetrics.formats.framing import stamped
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.functions import IMPLEMENTATIONS
from logmetrics.rules.log import Log
from logmetrics.rules.memory import Memory
from logmetrics.rules.pairs import OpenPairs
from logmetrics.rules.program import Program
from logmetrics.store.store import Store

LOG = Log("/var/log/agents/planner.2026.log", "agents")


def compiled(rule_set: RuleSet, source: str = "agents", source_format: str = "json") -> tuple[Program, Store]:
    store = Store(rule_set.metrics, LimitsSpec())
    return compile_rules(rule_set, source, source_format, store), store


def shown(store: Store, metric: str) -> dict[tuple[str, ...], object]:
    store.commit(0)
    return {series.labels: frozen for spec, rows in store.view()[1] for series, frozen in rows if spec.name == metric}


def from_yaml(text: str) -> RuleSet:
    return parse_config(f"packs: []\n{text}", "config.yaml", {}).rule_set


@pytest.mark.parametrize("name", builtin_packs())
def test_text_is_what_tracebacks_show(name: str) -> None:
    """The function's lines are in linecache under the name that a traceback gives."""
    program, _ = compiled(builtin_packs()[name].rule_set, source=f"trace-{name}", source_format="json")

    with pytest.raises(TypeError) as caught:
        program.functions.of_pack(program.others.pack)(None, LOG, 0.0)
    frames = [frame for frame in traceback.extract_tb(caught.value.__traceback__) if "<rules of" in frame.filename]
    [(filename, text)] = program.functions.texts.items()
    assert frames[0].filename == filename
    assert frames[0].line in text
    assert "".join(linecache.getlines(filename)) == text


def test_many_values_become_a_look_up() -> None:
    """500 rules on one field are told apart by a dictionary and halving, and each counts its own."""
    rules = tuple(
        RuleSpec(
            f"rule {number}",
            None,
            parse_expression(f'event in ["e{number}", "also{number}"]'),
            {"n": parse_expression(f'"{number}"')},
            (UpdateSpec("x_total", (), parse_expression("1")),),
        )
        for number in range(500)
    )
    program, store = compiled(
        RuleSet({"x_total": MetricSpec("x_total", "counter", "h", ("n",), values_max={"n": 500})}, rules)
    )
    program.apply([b'{"event": "e%d"}' % number for number in range(0, 600, 3)] + [b'{"event": ["e1"]}'], LOG, 0.0)

    assert shown(store, "x_total") == {(str(number),): 1 for number in range(0, 500, 3)}
    assert program.unmatched == 34
    assert "".join(program.functions.texts.values()).count("==") < 520


def test_odd_names_and_texts_do_not_break_out() -> None:
    """Whatever stands in a config, only its meaning gets into the code."""
    rule_set = from_yaml(
        """
metrics: {x_total: {type: counter, help: h, labels: [a]}}
rules:
  - name: "evil\\nimport os  # \\" ''' \\\\"
    when: 'event == "quote \\" backslash \\\\ newline \\n )"'
    labels: {a: 'root["class"] or root["a b"] or o["x\\"]; import os"] or "}{"'}
    update: {x_total: 1}
"""
    )
    program, store = compiled(rule_set, source='it\'s "odd"\n')
    program.apply([b'{"event": "quote \\" backslash \\\\ newline \\n )", "class": "k"}'], LOG, 0.0)

    assert shown(store, "x_total") == {("k",): 1}


def test_context() -> None:
    """What a rule knows of the file."""
    rule_set = from_yaml(
        """
metrics: {x_total: {type: counter, help: h, labels: [a, b, c, d, e]}}
rules:
  - {name: r, labels: {a: path, b: path.name, c: path.stem, d: path.parent, e: source}, update: {x_total: 1}}
"""
    )
    program, store = compiled(rule_set)
    program.apply([b"{}"], LOG, 0.0)

    expected = ("/var/log/agents/planner.2026.log", "planner.2026.log", "planner", "agents", "agents")
    assert shown(store, "x_total") == {expected: 1}


def test_skipped_updates_are_counted_by_reason() -> None:
    """A value that cannot be used is not lost silently."""
    rule_set = from_yaml(
        """
metrics: {x_total: {type: counter, help: h}}
rules: [{name: r, update: {x_total: n}}]
"""
    )
    program, store = compiled(rule_set)
    values = [b"1", b"2.5", b"null", b'"5"', b"true", b"-1", b"-0.5", b"1e300", b"[1]"]
    program.apply([b'{"n": %s}' % value for value in values] + [b"{}"], LOG, 0.0)

    assert shown(store, "x_total") == {(): 3.5}
    assert program.rules[0].skipped == {"missing": 2, "not_a_number": 3, "negative": 2, "not_finite": 1}


def test_pair_carries_values_to_its_end() -> None:
    """An end counts with what its start kept; an end alone counts nothing."""
    rule_set = from_yaml(
        """
metrics: {x_total: {type: counter, help: h, labels: [tool, ok]}}
rules:
  - name: call
    pair: {start: event == "start", end: event == "end", key: id, keep: {tool: name}}
    labels: {tool: tool, ok: ok}
    update: {x_total: 1}
"""
    )
    program, store = compiled(rule_set)
    lines = [
        b'{"event": "end", "id": 1, "ok": true}',
        b'{"event": "start", "id": 1, "name": "search"}',
        b'{"event": "start", "id": 2, "name": "python"}',
        b'{"event": "end", "id": 2, "ok": false}',
        b'{"event": "end", "id": 1, "ok": true}',
        b'{"event": "end", "id": 1, "ok": true}',
    ]
    for line in lines:
        program.apply([line], LOG, 0.0)

    assert shown(store, "x_total") == {("python", "false"): 1, ("search", "true"): 1}
    open_pairs = program.rules[0].open_pairs
    assert open_pairs is not None
    assert (len(open_pairs), open_pairs.broken["end_without_start"]) == (0, 2)


def test_every_function_has_an_implementation() -> None:
    """What the parser takes can run; `has` needs no call, and stateful ones have a memory."""
    assert set(IMPLEMENTATIONS) == set(FUNCTIONS) - {"has", *STATEFUL}
    assert all(hasattr(Memory, name) for name in STATEFUL)


def test_open_pairs_are_bounded() -> None:
    """A flood of starts gives up the oldest, and a start that is open already is replaced."""
    pairs = OpenPairs(("word",))
    for number in range(OpenPairs.OPEN_MAX + 5):
        pairs.start(str(number), (number,))
    pairs.start("7", ("again",))

    assert len(pairs) == OpenPairs.OPEN_MAX
    assert pairs.broken == {"replaced": 1, "given_up": 5, "end_without_start": 0, "no_key": 0, "timeout": 0}
    assert (pairs.end("0"), pairs.end("7")) == (None, ("again",))


def test_wrapped_json_is_learned_from() -> None:
    """What Docker or journald wrapped is JSON like any other: a function is made for the fields that it has."""
    plain = [b'{"event": "tool_call", "x": %d}' % number for number in range(100)]
    wrapped: list[bytes] = [stamped(line, 1) for line in plain]
    logs = []
    for lines in (plain, wrapped):
        program, _ = compiled(builtin_packs()["agent"].rule_set)
        log = Log("/a", "s")
        program.apply(lines, log, 0.0)
        logs.append(log)
    assert list(logs[0].kinds or ()) == ["event", "x"]
    assert logs[1].kinds == logs[0].kinds
