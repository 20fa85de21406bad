"""What is told of lines that almost match: each names the true reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from logmetrics.authoring.explain.explainer import Explainer
from logmetrics.authoring.explain.facts import Explanation, Place
from logmetrics.authoring.explain.text import show
from logmetrics.cli.options import config_of
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.rules.log import Log

RULES = r"""
packs: []
sources: [{name: agents, paths: [/logs]}]
define:
  who: agent.name or agent or "nobody"
  status: 'map(outcome or result, {"ok": "success", "done": "success", "failed": "error"}, "")'
metrics:
  calls_total: {type: counter, help: h, labels: [agent, tool]}
  took_seconds: {type: histogram, help: h, labels: [agent], buckets: tool_latency}
  tokens_total: {type: counter, help: h, labels: [agent, model]}
  temperature: {type: gauge, help: h, labels: [agent]}
  few_total: {type: counter, help: h, labels: [kind], limits: {values: {kind: 1}}}
rules:
  - name: tool call
    when: event == "tool_call" and attempt > 1
    labels: {agent: who, tool: tool.name}
    update: {calls_total: 1}
  - name: latency
    when: event == "latency"
    labels: {agent: who}
    update: {took_seconds: ms(took_ms)}
  - name: tokens
    when: event in ["llm_call", "llm"] and has(usage.prompt_tokens)
    labels: {agent: who, model: model}
    update: {tokens_total: usage.prompt_tokens}
  - name: used tool
    each: block in message.content
    when: type == "assistant" and block.type == "tool_use"
    labels: {agent: '"claude"', tool: block.name}
    update: {calls_total: 1}
  - name: task
    pair: {start: event == "task_start", end: event == "task_end", key: task_id}
    labels: {agent: who}
    update: {took_seconds: elapsed}
  - name: first of a request
    when: event == "request" and once(id)
    labels: {agent: who, tool: '"request"'}
    update: {calls_total: 1}
  - name: model of a turn
    when: event == "turn"
    remember: {model: model}
  - name: answer
    when: event == "answer" and has(remember("model"))
    labels: {agent: who, model: remember("model")}
    update: {tokens_total: tokens}
  - name: end of a run
    when: type == "run" and status == "error"
    labels: {agent: who, tool: '"run"'}
    update: {calls_total: 1}
  - name: warning
    when: starts(logger, "agent.") and matches(text, "took [0-9]+ms") and level != "DEBUG"
    labels: {agent: logger, tool: '"log"'}
    update: {calls_total: 1}
  - name: slow reading
    when: event == "reading" and not has(error) and "slow" in note
    labels: {agent: who}
    update: {temperature: value}
  - name: few
    when: event == "few"
    labels: {kind: kind}
    update: {few_total: 1}
  - name: fetch
    let: {ok: status_code < 400, route: 'capture(url, "^(/[a-z]+)")'}
    when: event == "fetch" and ok and route != "/health"
    labels: {agent: who, tool: route}
    update: {calls_total: 1}
  - name: job
    when: >-
      (event == "batch" or event == "job" and size > 3) and not (level in ["DEBUG", "TRACE"]) and count(items) >= 2
    labels: {agent: who, tool: '"job"'}
    update: {calls_total: a + b}
  - name: only text
    format: ollama
    when: kind == "slog" and level == "WARN"
    labels: {agent: '"ollama"', tool: msg}
    update: {calls_total: 1}
"""


def explained(config: Config, *lines: str | bytes, text: str = "", **source: Any) -> list[Explanation]:
    """What is told of the last of *lines*, when the others came before it."""
    spec = replace(config.sources[0], **source)
    key = (id(config), repr(source))
    if key not in _EXPLAINERS:  # making one takes longer than all that it is asked
        _EXPLAINERS[key] = Explainer(config, spec, config_text=text, now_s=0.0)
    explainer = _EXPLAINERS[key]
    explainer.rules.program.begin_anew()
    *before, last = [line.encode() if isinstance(line, str) else line for line in lines]
    log = Log("/logs/a.log", spec.name)
    if before:
        explainer.read(before, log)
    return explainer.explain(last, log, Place("a.log", len(lines), len(lines)))


_EXPLAINERS: dict[tuple[int, str], Explainer] = {}
CONFIG = parse_config(RULES, "config.yaml", {})


class Case(NamedTuple):
    """Lines, what the last of them is nearest to or matched by, and why it is not counted as was meant."""

    lines: tuple[str, ...]
    rule: str
    why: str
    source: Mapping[str, Any] = MappingProxyType({})


CALL = '"attempt": 2, "agent": "a", "tool": {"name": "x"}'
BLOCK = '{"type": "assistant", "message": {"content": %s}}'
CASES = {
    # -- a condition sees another value
    "other_value": Case(
        (f'{{"event": "tool_calls", {CALL}}}',), "tool call", 'event is "tool_calls", the rule asks for "tool_call"'
    ),
    "wrong_case": Case(
        (f'{{"event": "Tool_Call", {CALL}}}',),
        "tool call",
        'event is "Tool_Call", the rule asks for "tool_call": only case differs',
    ),
    "blanks": Case(
        (f'{{"event": "tool_call ", {CALL}}}',),
        "tool call",
        'event is "tool_call ", the rule asks for "tool_call": only blanks differ',
    ),
    "key_misspelt": Case(
        (f'{{"evnt": "tool_call", {CALL}}}',), "tool call", 'no field event; there is evnt, "tool_call"'
    ),
    "key_in_other_case": Case(
        (f'{{"Event": "tool_call", {CALL}}}',),
        "tool call",
        'no field event; there is Event, "tool_call": written otherwise',
    ),
    "nested_elsewhere": Case(
        ('{"data": {"event": "tool_call"}, "attempt": 2}',),
        "tool call",
        'no field event; there is data.event, "tool_call": elsewhere in the record',
    ),
    "null": Case(('{"event": "tool_call", "attempt": null}',), "tool call", "attempt is null"),
    "missing": Case(('{"event": "tool_call"}',), "tool call", "no field attempt"),
    "number_as_text": Case(
        ('{"event": "tool_call", "attempt": "2"}',),
        "tool call",
        'attempt is "2", a number in quotes, which is a text and no number; the rule asks for more than 1',
    ),
    "boolean_for_number": Case(
        ('{"event": "tool_call", "attempt": true}',),
        "tool call",
        "attempt is true, a boolean and no number; the rule asks for more than 1",
    ),
    "word_for_number": Case(
        ('{"event": "tool_call", "attempt": "two"}',),
        "tool call",
        'attempt is "two", a text and no number; the rule asks for more than 1',
    ),
    "threshold": Case(
        ('{"event": "tool_call", "attempt": 1}',), "tool call", "attempt is 1, the rule asks for more than 1"
    ),
    "two_things": Case(
        ('{"event": "toolcall", "attempt": 0}',),
        "tool call",
        'event is "toolcall", the rule asks for "tool_call" (and 1 more change)',
    ),
    "none_of_a_list": Case(
        ('{"event": "llm_calls", "usage": {"prompt_tokens": 5}}',),
        "tokens",
        'event is "llm_calls", the rule asks for one of "llm_call", "llm"',
    ),
    "camel_case": Case(
        ('{"event": "llm", "usage": {"promptTokens": 5}}',),
        "tokens",
        "no field usage.prompt_tokens; there is usage.promptTokens, 5: written otherwise",
    ),
    "dotted_key": Case(
        ('{"event": "llm", "usage.prompt_tokens": 5}',),
        "tokens",
        'no field usage.prompt_tokens; there is root["usage.prompt_tokens"], 5',
    ),
    "no_object_on_the_way": Case(
        ('{"event": "llm", "usage": "none"}',), "tokens", 'no field usage.prompt_tokens: usage is a text, "none"'
    ),
    "through_a_table": Case(
        ('{"type": "run", "outcome": "faild"}',),
        "end of a run",
        'outcome is "faild", the rule asks for "failed"',
    ),
    "other_entry_of_a_table": Case(
        ('{"type": "run", "outcome": "ok"}',), "end of a run", 'outcome is "ok", the rule asks for one of "failed"'
    ),
    "text_does_not_begin_so": Case(
        ('{"logger": "tool.search", "text": "took 5ms", "level": "INFO"}',),
        "warning",
        'logger is "tool.search", the rule asks for one that begins with "agent."',
    ),
    "pattern_not_found": Case(
        ('{"logger": "agent.x", "text": "took 5 ms", "level": "INFO"}',),
        "warning",
        'the pattern "took [0-9]+ms" is not found in text, "took 5 ms"',
    ),
    "pattern_for_a_number": Case(
        ('{"logger": "agent.x", "text": 5, "level": "INFO"}',), "warning", "text is 5, a number and no text"
    ),
    "not_equal": Case(
        ('{"logger": "agent.x", "text": "took 5ms", "level": "DEBUG"}',),
        "warning",
        'level is "DEBUG", and the rule asks for anything else',
    ),
    "not_equal_of_missing": Case(('{"logger": "agent.x", "text": "took 5ms"}',), "warning", "no field level"),
    "negated": Case(
        ('{"event": "reading", "error": "x", "note": "slow", "value": 1}',),
        "slow reading",
        'error is "x", and the rule asks for anything else',
    ),
    "text_within": Case(
        ('{"event": "reading", "note": "Slow one", "value": 1}',),
        "slow reading",
        '"slow" is not in note, which is "Slow one"; it has that in other case',
    ),
    # -- elements
    "no_list": Case((BLOCK % '"hello"',), "used tool", 'message.content is a text and no list: "hello"'),
    "empty_list": Case((BLOCK % "[]",), "used tool", "message.content is an empty list"),
    "no_list_there": Case(('{"type": "assistant"}',), "used tool", "no field message.content"),
    "element_nearly": Case(
        (BLOCK % '[{"type": "text"}, {"type": "tool-use", "name": "x"}]',),
        "used tool",
        'block.type is "tool-use", the rule asks for "tool_use" (element 2 of 2, which is nearest)',
    ),
    "element_without_field": Case((BLOCK % '[{"kind": "tool_use"}]',), "used tool", "no field block.type"),
    # -- what came before
    "end_without_start": Case(
        ('{"event": "task_end", "task_id": "t1"}',),
        "task",
        'it ends a pair, but no start with the key "t1" is open',
    ),
    "start_of_another": Case(
        ('{"event": "task_start", "task_id": "t2", "time": 1}', '{"event": "task_end", "task_id": "t1", "time": 2}'),
        "task",
        'it ends a pair, but no start with the key "t1" is open',
    ),
    "end_without_key": Case(
        ('{"event": "task_end"}',), "task", "it ends a pair, but its key is missing: no field task_id"
    ),
    "start_only": Case(('{"event": "task_start", "task_id": "t1"}',), "task", 'it begins a pair; key task_id is "t1"'),
    "start_without_key": Case(
        ('{"event": "task_start"}',), "task", "it begins a pair, and its key is missing (task_id): no end will find it"
    ),
    "pair_without_times": Case(
        ('{"event": "task_start", "task_id": "t1"}', '{"event": "task_end", "task_id": "t1"}'),
        "task",
        'took_seconds: no value: no field timestamp, time, ts, root["@timestamp"] ...',
    ),
    "repeated_key": Case(
        ('{"event": "request", "id": 7}', '{"event": "request", "id": 7}'),
        "first of a request",
        "the key id, 7, came before in this log; only the first counts",
    ),
    "nothing_remembered": Case(
        ('{"event": "answer", "tokens": 5}',),
        "answer",
        'nothing was remembered as "model" in this log before',
    ),
    "only_remembers": Case(('{"event": "turn", "model": "m"}',), "model of a turn", "which only remembers"),
    # -- values
    "wrong_unit": Case(('{"event": "latency", "took_s": 1.5}',), "latency", "took_seconds: no value: no field took_ms"),
    "value_negative": Case(
        ('{"event": "latency", "took_ms": -5}',),
        "latency",
        "took_seconds: -0.005 is negative, and it only takes what is not",
    ),
    "value_no_number": Case(
        ('{"event": "llm", "usage": {"prompt_tokens": "many"}}',),
        "tokens",
        'tokens_total: "many" is a text and no number',
    ),
    "value_in_quotes": Case(
        ('{"event": "llm", "usage": {"prompt_tokens": "5"}}',),
        "tokens",
        'tokens_total: "5" is a text and no number; number(...) would take it',
    ),
    "value_a_duration": Case(
        ('{"event": "latency", "took_ms": "5ms"}',),
        "latency",
        'took_seconds: no value: ms(took_ms) gives nothing for "5ms", a text',
    ),
    "value_too_large": Case(
        ('{"event": "latency", "took_ms": 1e300}',), "latency", "took_seconds: 1e+297 is too large"
    ),
    # -- several conditions
    "alternative_that_is_meant": Case(
        ('{"event": "job", "size": 2, "items": [1, 2], "a": 1, "b": 1}',),
        "job",
        "size is 2, the rule asks for more than 3",
    ),
    "none_of_a_list_wanted": Case(
        ('{"event": "batch", "level": "DEBUG"}',), "job", 'level is "DEBUG", the rule asks for none of "DEBUG", "TRACE"'
    ),
    "count": Case(
        ('{"event": "batch", "level": "INFO", "items": [1]}',),
        "job",
        "count(items) is 1, from items: [1], the rule asks for at least 2",
    ),
    "part_of_a_sum_missing": Case(
        ('{"event": "batch", "level": "INFO", "items": [1, 2], "a": 1}',), "job", "calls_total: no value: no field b"
    ),
    # -- values with names
    "let_failed": Case(
        ('{"event": "fetch", "status_code": 404, "url": "/api"}',),
        "fetch",
        "status_code is 404, the rule asks for less than 400",
    ),
    "let_missing": Case(
        ('{"event": "fetch", "status_code": 200, "url": "/API"}',),
        "fetch",
        'capture(url, "^(/[a-z]+)") gives nothing for "/API", a text',
    ),
    # -- what never comes to a rule
    "excluded": Case(
        ('{"event": "tool_call", "x": "GET /healthz"}',),
        "",
        "passed over: exclude_lines has 'healthz'",
        {"exclude_lines": ("healthz",)},
    ),
    "continuation": Case(("panic: x", "goroutine 1 [running]:"), "", "it only goes on with the line before it"),
    "rule_of_other_format": Case(
        ('{"kind": "slog", "level": "WARN", "msg": "x"}',),
        "only text",
        "only for records of format ollama, and this is json",
    ),
    "text_for_json_rules": Case(
        ("tool_call attempt 2",),
        "only text",
        'kind is "text", the rule asks for "slog"',
    ),
    "logfmt_nearly": Case(
        ("level=info event=tool_calls attempt=2",), "tool call", 'event is "tool_calls", the rule asks for "tool_call"'
    ),
    "format_json_for_text": Case(
        ("2026-01-01 INFO tool_call",),
        "",
        "it begins with no brace: it is text, and the source's format is json",
        {"format": "json"},
    ),
    "format_logfmt_for_text": Case(
        ("nothing here",), "", "no pair key=value is in it, and the source's format is logfmt", {"format": "logfmt"}
    ),
    "pattern_of_the_source": Case(
        ("INFO search took 5 ms",),
        "",
        "the source's pattern fits up to here, and then asks for ms",
        {"format": "regex", "pattern": r"(?P<level>[A-Z]+) (?P<tool>\w+) took (?P<took>[0-9.]+)ms"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_lines_that_almost_match(name: str) -> None:
    """The first sentence names the rule that was meant and the true reason."""
    case = CASES[name]
    told = explained(CONFIG, *case.lines, text=RULES, **case.source)[-1]
    assert case.why in told.summary
    assert not case.rule or f'"{case.rule}"' in told.summary


# The line, the column of the mistake, and what is said of it.
BROKEN = {
    "cut_off": (
        '{"event": "x"',
        13,
        "the line ends here, in the middle of the object, 1 closing brace short: it was cut off",
    ),
    "cut_off_in_a_text": ('{"event": "tool_c', 11, "the text that begins here never ends: the line was cut off"),
    "comma_too_many": ('{"event": "x",}', 14, "a comma too many: nothing follows it"),
    "two_commas": ('{"a": 1, , "b": 2}', 10, "a comma too many: nothing follows it"),
    "comma_missing": ('{"a": 1 "b": 2}', 9, "a comma is missing before this"),
    "colon_missing": ('{"a" 1}', 6, "a colon is missing between key and value"),
    "value_missing": ('{"a": }', 7, "a value is missing here"),
    "single_quotes": ("{'event': 'x'}", 2, "keys and texts stand in double quotes in JSON, not in single ones"),
    "no_quotes": ('{"a": tool}', 7, "no JSON value: texts stand in double quotes"),
    "key_without_quotes": ("{event: 1}", 2, "a key stands in double quotes in JSON"),
    "words_of_python": ('{"ok": True}', 8, "True is no JSON; it has true"),
    "not_a_number": ('{"took": NaN}', 10, "NaN is no JSON; it has null"),
    "quote_within": (
        '{"a": "say "hi" now"}',
        12,
        'a quote within a text is written \\" in JSON; this one ended the text',
    ),
    "control_character": (
        '{"a": "x\ty"}',
        9,
        "a control character stands in a text; JSON writes it as \\n, \\t or \\u0000",
    ),
    "odd_escape": (r'{"a": "\x"}', 8, r"\x is no escape in JSON; a backslash is written \\"),
    "list_not_closed": ('{"a": [1, 2}', 12, "a list is not closed before this }"),
    "object_not_closed": ('{"a": {"b": 1]}', 14, "an object is not closed before this ]"),
    "text_behind": ('{"a": 1} done', 10, "the object is over before this; what follows is no part of it"),
    "zero_in_front": ('{"a": 01}', 7, "a number does not begin with 0 in JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_where_json_is_broken(name: str) -> None:
    """The place, with a caret below it, and why."""
    line, column, why = BROKEN[name]
    [told] = explained(CONFIG, line, text=RULES)
    assert told.verdict == "unparsable"
    assert told.broken is not None
    assert why in told.summary
    assert told.broken.column == column
    assert told.broken.shown[told.broken.caret] == line[column - 1]


def test_a_number_that_is_too_long_for_python() -> None:
    """It is no record, as for the daemon, and no exception."""
    [told] = explained(CONFIG, '{"event": "tool_call", "attempt": ' + "9" * 5_000 + "}", text=RULES)
    assert told.verdict == "unparsable"
    assert told.broken is not None
    assert told.broken.why == "a number in it has too many digits"


def test_a_long_line_is_shown_around_its_mistake() -> None:
    """The caret stands where the mistake is, however far that is."""
    [told] = explained(CONFIG, '{"a": "' + "x" * 5_000 + '", b: 1, "c": "' + "y" * 5_000 + '"}', text=RULES)
    assert told.broken is not None
    assert len(told.broken.shown) < 100
    assert told.broken.shown[told.broken.caret :].startswith("b: 1")


def labels_of(*lines: str, limits: str = "") -> dict[str, tuple[str, str]]:
    """Name -> text and reason of the labels of the last line's only update."""
    config = parse_config(RULES + limits, "config.yaml", {})
    [told] = explained(config, *lines, text=RULES)
    [rule] = [rule for rule in told.rules if rule.outcome == "matched"]
    [update] = rule.matches[0].updates
    return {label.name: (label.text, label.why) for label in update.labels}


LABELS = {
    "as_it_is": ('"tool": {"name": "search"}', ("search", "")),
    "missing": ("", ("unknown", "no field tool.name: reads unknown")),
    "number": ('"tool": {"name": 5}', ("5", "a number as text")),
    "object": ('"tool": {"name": {"x": 1}}', ("unknown", "an object is no label: reads unknown")),
    "empty": ('"tool": {"name": ""}', ("unknown", "empty: reads unknown")),
    "id": (
        '"tool": {"name": "run 3f2b8c1e-0000-4000-8000-123456789abc"}',
        ("run {uuid}", "ids have placeholders, so that they make no series each"),
    ),
    "free_text": (
        f'"tool": {{"name": "{"some words " * 12}"}}',
        ("{text}", "free text has a placeholder"),
    ),
    "too_long": (
        f'"tool": {{"name": "{"x" * 200}"}}',
        ("__overflow__", "the value is longer than a label may be"),
    ),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_before_and_after(name: str) -> None:
    """What a label reads, and why it is not what the log says."""
    fields, expected = LABELS[name]
    line = f'{{"event": "tool_call", "attempt": 2, "agent": "a"{", " if fields else ""}{fields}}}'
    assert labels_of(line)["tool"] == expected


def test_the_guard_tells_which_budget_is_full() -> None:
    """The label that broke it, and the value that was refused."""
    [told] = explained(CONFIG, '{"event": "few", "kind": "one"}', '{"event": "few", "kind": "two"}', text=RULES)
    [rule] = [rule for rule in told.rules if rule.outcome == "matched"]
    [update] = rule.matches[0].updates
    assert update.series == 'few_total{kind="__overflow__"}'
    assert update.guard == 'label kind: the label has as many values as it may have ("two")'


def test_values_before_and_after_units() -> None:
    """The fields behind a value, what the rule makes of them, and the bucket that it falls into."""
    [told] = explained(CONFIG, '{"event": "latency", "agent": "a", "took_ms": 1500}', text=RULES)
    [rule] = [rule for rule in told.rules if rule.outcome == "matched"]
    [update] = rule.matches[0].updates
    assert (update.inputs, update.expression, update.value) == ({"took_ms": 1500}, "ms(took_ms)", 1.5)
    assert (update.series, update.bucket, update.is_new) == ('took_seconds{agent="a"}', "2.5", True)


def test_a_pattern_reads_what_stands_before_a_message() -> None:
    """So nothing is said to be taken off."""
    line = "2026-01-01 12:00:00,123 INFO search"
    source = {"format": "regex", "pattern": r"^(?P<time>\S+ \S+) (?P<level>[A-Z]+) (?P<msg>.*)$"}
    [told] = explained(CONFIG, line, text=RULES, **source)
    assert told.envelope.taken_off == ""
    [told] = explained(CONFIG, line, text=RULES)
    assert told.envelope.taken_off == "2026-01-01 12:00:00,123 "


def test_names_that_the_config_defines_are_used() -> None:
    """A condition is told as it is written."""
    [told] = explained(CONFIG, '{"type": "run", "outcome": "ok"}', text=RULES)
    [rule] = [rule for rule in told.rules if rule.name == "end of a run"]
    assert rule.condition == 'status == "error"'


CHANGES = {
    "value": (
        '{"event": "tool_calls", "attempt": 2}',
        [('event: "tool_call"', 'event == "tool_calls" in place of event == "tool_call"')],
    ),
    "type": (
        '{"event": "tool_call", "attempt": "2"}',
        [("attempt: 2", "number(attempt) > 1 in place of attempt > 1")],
    ),
    "key": (
        '{"event": "llm", "usage": {"promptTokens": 5}}',
        [("usage.prompt_tokens: 5", "usage.promptTokens in place of usage.prompt_tokens")],
    ),
    "element": (
        '{"type": "assistant", "message": {"content": [{"type": "tool-use"}]}}',
        [
            (
                'message.content[0].type: "tool_use"',
                'block.type == "tool-use" in place of block.type == "tool_use"',
            )
        ],
    ),
    "through_a_table": ('{"type": "run", "outcome": "faild"}', [('outcome: "failed"', "")]),
    "two": (
        '{"event": "Tool_Call", "attempt": 1}',
        [('event: "tool_call"', 'event == "Tool_Call" in place of event == "tool_call"'), ("attempt: 2", "")],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_smallest_change_makes_it_match(name: str) -> None:
    """What is to be written in the log or the config; with the former the rule was tried."""
    line, changes = CHANGES[name]
    [told] = explained(CONFIG, line, text=RULES)
    nearest = told.nearest[0]
    assert nearest.is_enough
    assert [(change.in_log, change.in_config) for change in nearest.changes] == changes


def test_trying_changes_counts_and_remembers_nothing() -> None:
    """What is asked afterwards is answered as if nothing had been tried."""
    rules = [explained(CONFIG, '{"event": "request", "id": 1}', text=RULES)[0]]
    explainer = next(iter(_EXPLAINERS.values()))
    log = Log("/logs/a.log", "agents")
    for _ in range(3):
        explainer.explain(b'{"event": "requests", "id": 9}', log, Place("", 1, 1))
    rules += explainer.explain(b'{"event": "request", "id": 9}', log, Place("", 1, 1))
    assert [told.verdict for told in rules] == ["counted", "counted"]


PACKED = config_of(None, None)
OF_PACKS = {
    "agent_case": (
        ('{"event": "Tool_Call", "agent": "x", "tool_name": "a"}',),
        '"agent/tool call" nearly matches too: event is "Tool_Call", the rule asks for "tool_call": only case differs',
    ),
    "agent_no_duration": (
        ('{"event": "tool_call", "agent": "x", "tool": "a", "duration_ms": "fast"}',),
        "1 update skipped",
    ),
    "codex_kind": (
        ('{"type": "event_msg", "payload": {"type": "token_counts"}}',),
        '"codex/tokens" nearly matches too: payload.type is "token_counts", the rule asks for "token_count"',
    ),
    "codex_recognition": (
        ('{"type": "event_msgs", "payload": {"type": "token_count"}}',),
        'it is nearly a record of codex: type is "event_msgs", the rule asks for one of "session_meta",',
    ),
    "claude_recognition": (
        ('{"type": "assistant", "sessionID": "x", "message": {"usage": {"input_tokens": 5}}}',),
        'it is nearly a record of claude-code: no field sessionId; there is sessionID, "x": written otherwise',
    ),
    "ollama_latency": (
        ('[GIN] 2024/11/12 - 10:11:12 | 200 | 1.5 sec | 127.0.0.1 | POST "/api/chat"',),
        "it begins like an access line of Ollama's, and '1.5 sec' is no duration as Go writes it",
    ),
    "ollama_cut": (
        ('[GIN] 2024/11/12 - 10:11:12 | 200 | 1.5s | 127.0.0.1 | POST     "/api/ch',),
        "it begins like an access line of Ollama's, and its end is cut off",
    ),
    "ollama_level": (
        ('time=2024-11-12T10:11:12.000Z level=WARNING source=x.go:1 msg="hello"',),
        "it begins like a log line of Ollama's, and 'WARNING' is none of its levels",
    ),
    "ollama_message": (
        ('time=2024-11-12T10:11:12.000Z level=WARN source=x.go:1 msg="truncating input promt" limit=5',),
        '"ollama/prompt truncated" nearly matches too: msg is "truncating input promt"',
    ),
    "claude_kind": (
        ('{"type": "progress", "data": {"type": "hook"}, "sessionId": "x"}',),
        "no rule counts it; it is a record of claude-code, and no rule of that pack is for its kind",
    ),
    "nothing_in_common": (('{"foo": 1}',), "no rule counts it, and none is near"),
    "free_text": (("hello world",), "no rule counts it, and none is near"),
}


@pytest.mark.parametrize("name", OF_PACKS)
def test_lines_that_packs_almost_know(name: str) -> None:
    """So it is with the rules of packs, and with what tells their records."""
    lines, why = OF_PACKS[name]
    config = replace(PACKED, sources=(SourceSpec("logs", ("/logs",)),))
    key = (0, "packs")
    if key not in _EXPLAINERS:
        _EXPLAINERS[key] = Explainer(config, config.sources[0], now_s=0.0)
    explainer = _EXPLAINERS[key]
    explainer.rules.program.begin_anew()
    told = [explainer.explain(line.encode(), Log("/logs/a", "logs"), Place("", 1, 1)) for line in lines]
    assert why in told[-1][-1].summary


SAMPLES = sorted(path for path in (Path(__file__).parent / "data").glob("*/*") if path.suffix in (".jsonl", ".log"))


def test_any_record_can_be_explained() -> None:
    """Each kind of record of all samples is told of, and printed, without an exception."""
    config = replace(PACKED, sources=(SourceSpec("logs", ("/logs",)),))
    explainer = Explainer(config, config.sources[0], now_s=0.0)
    console = Console(file=StringIO(), width=100)
    for sample in SAMPLES:
        log = Log(str(sample), "logs")
        for number, line in enumerate(sample.read_bytes().splitlines()[:3], 1):
            if line:
                told = explainer.explain(line, log, Place(sample.name, number, number))
                show(told, console, everything=number == 1)
                updates = [u for one in told for rule in one.rules for match in rule.matches for u in match.updates]
                assert [u.metric for u in updates if u.value is None and not u.skipped] == []
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert printed.count("SOURCE") > 150
    assert "\x1b" not in printed
