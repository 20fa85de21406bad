"""What is told of lines that almost match: each names the true reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from logmetrics.authoring.explain.explainer import Explainer
from logmetrics.authoring.explain.facts import Explanation, Place
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config
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
        'no field event; there is Event, "tool_call": other case',
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
        "no field usage.prompt_tokens; there is usage.promptTokens, 5",
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
