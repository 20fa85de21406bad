"""`logmetrics test` as a command: what it prints of what fails, of what is wrong, and of what no test touched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logmetrics.authoring.trials.loading import load_tests
from logmetrics.cli.app import app
from logmetrics.errors import ConfigError
from tests.daemon import logmetrics

CONFIG = """packs: []
limits: {values_per_label: 3, admission: first}
define:
  who: agent.name or agent or "nobody"
  busy: has(load) and load > 3
metrics:
  calls_total: {type: counter, help: h, labels: [agent, tool, ok]}
  tasks_total: {type: counter, help: h, labels: [status]}
  level: {type: gauge, help: h}
  seconds: {type: histogram, help: h, buckets: [1, 5]}
rules:
  - name: call
    when: event == "call" and not (dry or status == "skipped")
    labels:
      agent: who
      tool: tool
      ok: 'map(status, {"ok": "yes", "bad": "no", "worse": "no", "worst": "no"}, "unknown")'
    update: {calls_total: 1}
  - name: task
    pair: {start: event == "start", end: event == "end", key: id, timeout: 1h}
    labels: {status: '"late" if busy else "done"'}
    update: {tasks_total: 1}
    on_timeout: {'tasks_total{status="timeout"}': 1}
  - name: level
    each: part in parts
    when: part.kind == "level"
    update: {level: part.value}
  - name: never
    let: {x: a or b}
    when: x > 1 and (c or d)
    update: {seconds: x if c else y}
"""

TESTS = r"""config: config.yaml
tests:
  - name: calls
    input:
      - lines: |
          {"event": "call", "agent": "planner", "tool": "search", "status": "ok"}
          {"event": "call", "agent": "planner", "tool": "search", "status": "bad"}
          {"event": "call", "agent": {"name": "coder"}, "tool": "edit"}
          {"event": "nothing"}
      - lines:
          - {event: other}
          - '{"event": "call", "dry": true}'
          - "{broken \e[31m"
      - {lines: '{"event": "call", "tool": "t<n>"}', repeat: 2}
      - file: sample.jsonl
    expect:
      series: |
        calls_total{agent="planner",tool="search",ok="yes"} 10
        calls_total{agent="planner",tool="search",ok="nope"} 1
        calls_total{agent="coder",tool="edit",ok="unknown"} 1
        calls_total{agent="writer",tool="x",ok="yes"} 1
        tasks_total 0
      only: true
      unmatched: 2
      unparsable: ["{", "{broken \e[31m"]
      refused: {calls_total: {agent: 1}}
      skipped: {level: {missing: 1}}
  - name: tasks
    input:
      - lines: [{event: start, id: 1}, {event: end, id: 1}]
      - expect: {series: 'tasks_total{status="done"} 2'}
      - lines: [{parts: [{kind: level, value: 2}]}]
    expect: {series: level 1}
  - name: that passes
    input: [{lines: [{event: start, id: 1}]}]
    expect: {unmatched: 0}
"""

FAILED = """FAILED  rules.test.yaml  2 of 3 tests, T
  FAILED  rules.test.yaml:3  calls  T
    series: - expected, + found
     18 - calls_total{agent="planner",tool="search",ok="yes"} 10
        + calls_total{agent="planner",tool="search",ok="yes"} 1
                                                              ^^
     19 - calls_total{agent="planner",tool="search",ok="nope"} 1
        + calls_total{agent="planner",tool="search",ok="no"  } 1
                                                       ^^^^^^
     21 - calls_total{agent="writer",tool="x",ok="yes"} 1
        + calls_total{agent="nobody",tool="t1",ok="unknown"} 1
        + calls_total{agent="nobody",tool="__overflow__",ok="unknown"} 1
    only: not expected
        + level 7
    unmatched: - expected, + found
        - unmatched 2
        + unmatched 4
                    ^
    unparsable: - expected, + found
        - {
    refused: - expected, + found
        - refused{metric="calls_total",label="agent"} 1
        + refused{metric="calls_total",label="tool",level="values"} 1
    skipped: - expected, + found
        - skipped{rule="level",reason="missing"} 1
    no rule matched:
      rules.test.yaml:9  {"event": "nothing"}
      rules.test.yaml:11  {"event": "other"}
      rules.test.yaml:12  {"event": "call", "dry": true}
      sample.jsonl:2  {"event": "sample"}
    why: echo '{"event": "nothing"}' | logmetrics explain --config config.yaml
    not a record of its format:
      rules.test.yaml:13  {broken \\x1b[31m
  FAILED  rules.test.yaml:28  tasks  T
    series: - expected, + found (the expectation of line 31)
     31 - tasks_total{status="done"} 2
        + tasks_total{status="done"} 1
                                     ^
    series: - expected, + found (the expectation of line 33)
     33 - level 1
        + level 2
                ^
"""

COVERED = """
coverage of config.yaml: 54.3 % (25 of 46)
  config.yaml:5  define busy: has(load) was never true
  config.yaml:5  define busy: load > 3 was never asked
  config.yaml:13  rule call: status == "skipped" was never true
  config.yaml:17  rule call: map(status) never met 'worse', 'worst'
  config.yaml:20  rule task: no start timed out
  config.yaml:21  rule task: "late" was never taken in "late" if busy else "done"
  config.yaml:26  rule level: part.kind == "level" was never false
  config.yaml:28  rule never: never matched
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the command is run."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules.test.yaml").write_text(TESTS)
    (tmp_path / "sample.jsonl").write_text('{"parts": [{"kind": "level", "value": 7}]}\n{"event": "sample"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the command; times are T."""
    done = CliRunner().invoke(app, ["test", *arguments])
    return done.exit_code, re.sub(r"\b\d+(\.\d+)? (ms|s)\b", "T", done.stdout)


def test_what_fails_is_shown_beside_what_was_found() -> None:
    """Near misses are put together, and lines that were not counted stand where they are."""
    assert run("rules.test.yaml") == (1, FAILED)


def test_what_passes_is_one_line() -> None:
    """With -v each test has one."""
    assert run("-k", "passes|none", "rules.test.yaml") == (0, "ok      rules.test.yaml  1 test, T\n")
    shown = "ok      rules.test.yaml  1 test, T\n  ok      rules.test.yaml:34  that passes  T\n"
    assert run("--run", "passes", "--verbose", "rules.test.yaml") == (0, shown)


WHYS = {
    "a short line": ('lines: [{a: "it\'s"}]', """echo '{"a": "it'"'"'s"}' | logmetrics explain --config config.yaml"""),
    "a long one": (
        "lines: |\n          " + "x" * 500,
        "sed -n '6s/^ *//p' t.yaml | logmetrics explain --config config.yaml",
    ),
    "one that cannot be copied": ('lines: "a\\tb"', None),
    "one of a sample": ("file: sample.jsonl", "logmetrics explain --config config.yaml sample.jsonl:2"),
}


@pytest.mark.parametrize(("step", "command"), WHYS.values(), ids=WHYS)
def test_the_command_that_explains(step: str, command: str | None) -> None:
    """It can be copied as it stands."""
    Path("t.yaml").write_text(
        f"config: config.yaml\ntests:\n  - name: a\n    input:\n      - {step}\n    expect: {{unmatched: 9}}\n"
    )
    assert re.findall(r"^    why: (.*)$", run("t.yaml")[1], re.MULTILINE) == ([] if command is None else [command])


def test_a_source_is_told_where_there_are_several() -> None:
    """Else the command would take the line for another one's."""
    sources = "sources: [{name: one, paths: a, agent: path.stem}, {name: two, paths: b}]\n"
    Path("config.yaml").write_text(sources + CONFIG)
    text = "config: config.yaml\ntests: [{name: a, input: [{source: two, lines: x}], expect: {unmatched: 9}}]\n"
    Path("t.yaml").write_text(text)
    assert "    why: echo x | logmetrics explain --config config.yaml --source two\n" in run("t.yaml")[1]


def test_several_files() -> None:
    """Each has its line; one that fails makes the command fail."""
    Path("other.yaml").write_text("packs: [codex]\ntests: [{name: x, input: [{lines: x}], expect: {unmatched: 1}}]\n")
    assert run("other.yaml", "rules.test.yaml") == (1, "ok      other.yaml  1 test, T\n" + FAILED)
    assert run("other.yaml", "other.yaml") == (0, "ok      other.yaml  1 test, T\n")


def test_coverage() -> None:
    """What follows from something else that is told is left out."""
    assert run("--coverage", "rules.test.yaml") == (1, FAILED + COVERED)


# A value, the records that it was asked of, and what is told of it.
VALUES = {
    "or, all": ("a or b or 5", "{a: 1}, {b: 1}, {c: 1}", []),
    "or, the first only": (
        "a or b or 5",
        "{a: 1}",
        ["b was never taken in a or b or 5", "5 was never taken in a or b or 5"],
    ),
    "or, what is empty is not taken": ("a or b", '{a: ""}, {b: 1}', ["a was never taken in a or b"]),
    "or, what is missing is not taken": ("a or b", "{c: 1}, {a: 1}", ["b was never taken in a or b"]),
    "or within a function": ("number(a or b)", "{b: 1}", ["a was never taken in a or b"]),
    "if, by one condition": ("1 if has(a) else 2", "{a: 1}", ["has(a) was never false"]),
    "if, the reverse": ("1 if not has(a) else 2", "{b: 1}", ["has(a) was never true"]),
    "if, by several conditions": (
        "1 if has(a) and has(b) else 2",
        "{a: 1}, {b: 1}",
        ["has(b) was never true", "1 was never taken in 1 if has(a) and has(b) else 2"],
    ),
    "if, within what was never taken": (
        "(c or d) if has(a) and has(b) else 2",
        "{b: 1}",
        [
            "has(a) was never true",
            "has(b) was never asked",
            "c or d was never taken in c or d if has(a) and has(b) else 2",
        ],
    ),
    "if, what is missing is taken nonetheless": ("x if has(a) and has(b) else 2", "{a: 1, b: 1}, {a: 1}, {b: 1}", []),
    "map, all": ('map(a, {"x": 1, 2: 2, true: 3}, 4)', "{a: x}, {a: 2}, {a: true}, {b: 1}", []),
    "map, some": (
        'map(a, {"x": 1, 2: 2, true: 3}, 4)',
        '{a: "2"}',
        ["map(a) never took its default, 4", "map(a) never met 'x', 'true'"],
    ),
    "map without a default": ('map(a, {"x": 1})', "{a: 5}", ["map(a) never met 'x'"]),
    "map of an alternative": ('map(a or b, {"x": 1}, 0)', "{b: x}, {b: y}", ["a was never taken in a or b"]),
    "a condition as a value": (
        "number(a) if a == 1 or b == 1 else 0",
        "{a: 1}",
        [
            "a == 1 was never false",
            "b == 1 was never asked",
            "0 was never taken in number(a) if a == 1 or b == 1 else 0",
        ],
    ),
    "an update without a value": ("a", "{b: 1}", ["seconds never got a value"]),
    "a definition": ("defined", "{e: 1}", ["f was never taken in e or f"]),
}


@pytest.mark.parametrize(("value", "records", "missed"), VALUES.values(), ids=VALUES)
def test_what_is_covered_of_a_value(value: str, records: str, missed: list[str]) -> None:
    """Each alternative by itself."""
    metrics = "metrics: {seconds: {type: histogram, help: h, buckets: [1]}}\n"
    rules = f"rules:\n  - name: r\n    update:\n      seconds: >-\n        {value}\n"
    Path("config.yaml").write_text(f"packs: []\ndefine: {{defined: e or f}}\n{metrics}{rules}")
    tests = f"tests:\n  - name: t\n    input: [{{lines: [{records}]}}]\n    expect: {{unmatched: 0}}\n"
    Path("t.yaml").write_text(f"config: config.yaml\n{tests}")
    code, shown = run("--coverage", "t.yaml")
    assert code == 0
    told = re.findall(r"^  config.yaml:(\d+)  (\w+) \w+: (.*)$", shown, re.MULTILINE)
    assert sorted(told) == sorted(
        ("2", "define", text) if value == "defined" else ("7", "rule", text) for text in missed
    )


def test_coverage_adds_up_over_files() -> None:
    """Another file touches what the first one does not."""
    Path("more.test.yaml").write_text(r"""config: config.yaml
tests:
  - name: more
    input:
      - lines:
          - {event: call, status: skipped}
          - {event: call, status: worse}
          - {event: start, id: 2, load: 1}
          - {event: end, id: 2, load: 9}
          - {event: start, id: 3}
          - {event: start, id: 4, load: 1}
          - {event: end, id: 4, load: 1}
          - {parts: [{kind: x}]}
          - {a: 2, c: true}
      - after: 2h
    expect: {unmatched: 2}
""")
    code, shown = run("--coverage", "rules.test.yaml", "more.test.yaml")
    assert code == 1
    assert (
        shown.split("\n\n")[-1]
        == """coverage of config.yaml: 87.0 % (40 of 46)
  config.yaml:17  rule call: map(status) never met 'worst'
  config.yaml:29  rule never: b was never taken in a or b
  config.yaml:30  rule never: c was never false
  config.yaml:30  rule never: d was never asked
  config.yaml:31  rule never: c was never false
"""
    )


def test_coverage_of_packs_is_that_of_those_named() -> None:
    """A pack's lines are those that `logmetrics packs NAME` prints."""
    Path("pack.yaml").write_text("packs: [codex]\ntests: [{name: x, input: [{lines: x}], expect: {unmatched: 1}}]\n")
    code, shown = run("--coverage", "pack.yaml")
    assert code == 0
    assert re.findall(r"^coverage of (\S+): 0 % ", shown, re.MULTILINE) == ["packs/codex.yaml"]
    lines = CliRunner().invoke(app, ["packs", "codex"]).stdout.split("\n")
    told = re.findall(r"packs/codex.yaml:(\d+)  rule (.*): never matched", shown)
    assert told
    assert all(lines[int(number) - 1] == f"  - name: {name}" for number, name in told)


def test_json() -> None:
    """The same for programs."""
    code, shown = run("--json", "--coverage", "-k", "tasks|passes", "rules.test.yaml")
    document = json.loads(shown)
    assert (code, document["passed"], [file["path"] for file in document["files"]]) == (1, False, ["rules.test.yaml"])
    tasks, passes = document["files"][0]["tests"]
    assert tasks.pop("took_s") > 0
    assert tasks == {
        "name": "tasks",
        "line": 28,
        "passed": False,
        "failures": [
            {
                "key": "series",
                "line": 31,
                "differences": [
                    {
                        "line": 31,
                        "expected": {"name": "tasks_total", "labels": {"status": "done"}, "value": 2.0},
                        "found": {"name": "tasks_total", "labels": {"status": "done"}, "value": 1},
                    }
                ],
            },
            {
                "key": "series",
                "line": 33,
                "differences": [
                    {
                        "line": 33,
                        "expected": {"name": "level", "labels": {}, "value": 1.0},
                        "found": {"name": "level", "labels": {}, "value": 2},
                    }
                ],
            },
        ],
        "uncounted": [],
    }
    assert passes["passed"]
    [covered] = document["coverage"]
    assert {"line": 12, "rule": "call", "missed": "never matched"} in covered["missed"]


def test_exit_codes(home: Path) -> None:
    """1: a test fails. 2: a file or an option is wrong; nothing is run, and all that is wrong is told."""
    (home / "bad.yaml").write_text("packs: [codexx]\ntests: []\n")
    (home / "worse.yaml").write_text(
        'config: "nope\\e.yaml"\ntests: [{name: a, input: [{lines: x}], expect: {only: true}}]\n'
    )
    good, bad, worse = (str(home / name) for name in ("rules.test.yaml", "bad.yaml", "worse.yaml"))
    done = [logmetrics("test", *arguments) for arguments in ([good], [bad, good, worse], ["-k", "zz", good])]
    assert [each.returncode for each in done] == [1, 2, 2]
    assert done[1].stdout == ""
    assert done[1].stderr.replace(f"{home}/", "") == (
        "logmetrics: bad.yaml:2:8: tests: at least one is needed\n"
        "nope\\x1b.yaml: cannot be read: No such file or directory\n"  # nothing that moves the cursor
    )
    assert done[2].stderr == "logmetrics: no test has a name in which 'zz' is found\n"


WRONG = {
    "too deep": ("packs: [agent]\ntests: " + "[" * 3_000, ":1:1: not usable: it is nested too deeply"),
    "a sample that never ends": (
        "packs: [agent]\ntests: [{name: a, input: [{file: /dev/zero}], expect: {unmatched: 0}}]",
        ":2:34: tests[0].input[0].file: /dev/zero cannot be read: it is not a regular file",
    ),
    "a log with too long a name": (
        f"packs: [agent]\ntests: [{{name: a, input: [{{lines: x, log: {'a' * 300}}}], expect: {{unmatched: 0}}}}]",
        ":2:43: tests[0].input[0].log: longer than a file's path can be",
    ),
    "a record that JSON has no word for": (
        "packs: [agent]\ntests: [{name: a, input: [{lines: [{a: !!binary aGk=}]}], expect: {unmatched: 0}}]",
        ":2:35: tests[0].input[0].lines: a record is written as JSON, which cannot be done here: "
        "Object of type bytes is not JSON serializable",
    ),
    "empty": ("", ":1:1: a test file is a mapping with the keys config, packs and tests"),
    "nothing to test": (
        "tests: [{name: a, input: [{lines: x}]}]",
        ":1:1: nothing is tested: name a config, or packs",
    ),
    "an unknown pack": (
        "packs: [agent, codx]\ntests: [{name: a, input: [{lines: x}]}]",
        ":1:16: packs[1]: no pack is called 'codx' (did you mean 'codex'?)",
    ),
    "shapes": (
        """config: config.yaml
tests:
  - name: ""
    inptu: 1
    start: noon
    input:
      - line: x
      - lines: [1]
      - lines: []
      - after: 5
      - restart: hard
      - {lines: x, repeat: 0}
      - log: a/
    expect: {series: 5, refused: {a: 1}, unmatched: -1, unparsable: true, skipped: {a: 1}, only: 1}
  - name: b
    input: []
""",
        """:3:12: tests[0].name: String should have at least 1 character
:4:5: tests[0].inptu: unknown key (did you mean 'input'?)
:5:12: tests[0].start: expected a time such as 2026-01-01T00:00:00Z, not 'noon'
:7:9: tests[0].input[0].line: unknown key (did you mean 'lines'?)
:8:16: tests[0].input[1].lines: expected the lines of a log: a text, or a list of texts and records
:9:16: tests[0].input[2].lines: expected the lines of a log: a text, or a list of texts and records
:10:16: tests[0].input[3].after: expected a duration such as 250ms, 30s, 5m, 1h30m or 7d, not 5
:11:18: tests[0].input[4].restart: expected 'stop' or 'kill'
:12:28: tests[0].input[5].repeat: expected greater than or equal to 1
:13:14: tests[0].input[6].log: not a valid name: 'a/'
:14:22: tests[0].expect.series: expected a valid string
:14:34: tests[0].expect.refused: expected {METRIC: {LABEL: NUMBER}}, or {METRIC: {LABEL: {LEVEL: NUMBER}}}
:14:53: tests[0].expect.unmatched: expected how many lines, or the lines themselves
:14:69: tests[0].expect.unparsable: expected how many lines, or the lines themselves
:14:88: tests[0].expect.skipped.a: expected a mapping of keys to values
:14:98: tests[0].expect.only: expected a valid boolean
:16:12: tests[1].input: at least one is needed""",
    ),
    "steps": (
        """config: config.yaml
tests:
  - name: a
    input:
      - lines: x
        file: sample.jsonl
      - file: nope.jsonl
      - {after: 5m, log: x, repeat: 4}
      - {file: sample.jsonl, repeat: 4}
      - {lines: x, source: y}
      - {}
      - {lines: x, log: ../a}
      - {lines: x, log: b/c}
      - {lines: x, log: b}
      - {lines: x, log: b.gz}
      - rotate: nope.log
  - name: a
    input: [{lines: x}]
    expect: {}
""",
        """:3:5: tests[0]: expects nothing: give it expect
:5:9: tests[0].input[0]: lines and file are steps of their own: a step has one of lines, file, after, restart, rotate, expect
:7:15: tests[0].input[1].file: nope.jsonl cannot be read: No such file or directory
:8:21: tests[0].input[2].log: does not go with after
:8:29: tests[0].input[2].repeat: does not go with after
:9:30: tests[0].input[3].repeat: does not go with file
:10:28: tests[0].input[4].source: no source is called 'y'; there are none here
:11:9: tests[0].input[5]: does nothing: a step has one of lines, file, after, restart, rotate, expect
:12:25: tests[0].input[6].log: a log's path has no ..
:14:25: tests[0].input[8].log: /var/log/b and /var/log/b/c cannot be files both
:15:25: tests[0].input[9].log: /var/log/b.gz is no log by its name; a sample that is compressed has to be unpacked first
:16:17: tests[0].input[10].rotate: there is no log /var/log/nope.log yet
:17:11: tests[1].name: a second test called 'a'
:19:13: tests[1].expect: expects nothing""",  # noqa: E501
    ),
    "a config": (
        "metrics: {}\nrules: []\n",
        ":1:1: this is a config; its tests stand in another file, with config: t.yaml and tests",
    ),
    "expectations": (
        """config: config.yaml
tests:
  - name: a
    input: [{lines: x}]
    expect:
      series: |
        call_total 1
        calls_total{agnt="x"} 1
        calls_total{agent="x"} 1
        calls_total 1
        seconds 1
        seconds_bucket{le="3"} 1
        seconds_bucket{le="x"} 1
        seconds_bucket 1
        level x
        level{of="x" 1
        level 1
          level 2
      refused: {calls_total: {agnt: 1, agent: {valus: 1}}, level: {"*": 1}, lvl: {y: 1}}
      skipped: {cal: {missing: 1}}
  - name: b
    input: [{lines: x}]
    expect: {only: true, series: nope 1}
""",
        """:7:9: tests[0].expect.series: no metric is called 'call_total' (did you mean 'calls_total'?)
:8:9: tests[0].expect.series: calls_total has no label 'agnt' (did you mean 'agent'?)
:9:9: tests[0].expect.series: calls_total has the label 'tool' too
:10:9: tests[0].expect.series: calls_total has the label 'agent' too; without any label only 0 can be expected, for no series at all
:11:9: tests[0].expect.series: seconds is a histogram: expect seconds_bucket, seconds_sum, seconds_count
:12:9: tests[0].expect.series: seconds_bucket has no bucket '3'; there are: 1, 5, +Inf
:13:9: tests[0].expect.series: seconds_bucket has no bucket 'x'; there are: 1, 5, +Inf
:14:9: tests[0].expect.series: seconds_bucket has the label 'le' too; without any label only 0 can be expected, for no series at all
:15:9: tests[0].expect.series: not a sample: 'level x'; write metric{label="value"} NUMBER
:16:9: tests[0].expect.series: not a sample: 'level{of="x" 1'; write metric{label="value"} NUMBER
:18:11: tests[0].expect.series: stands here a second time; the first is on line 17
:19:31: tests[0].expect.refused.calls_total.agnt: calls_total has no label 'agnt' (did you mean 'agent'?)
:19:48: tests[0].expect.refused.calls_total.agent.valus: no level is called 'valus' (did you mean 'values'?)
:19:77: tests[0].expect.refused.lvl: no metric is called 'lvl' (did you mean 'level'?)
:20:17: tests[0].expect.skipped.cal: no rule is called 'cal' (did you mean 'call'?)
:23:34: tests[1].expect.series: no metric is called 'nope'""",  # noqa: E501
    ),
}


@pytest.mark.parametrize(("text", "problems"), WRONG.values(), ids=WRONG)
def test_all_that_is_wrong_is_told_with_its_place(text: str, problems: str) -> None:
    """As a config's mistakes are."""
    Path("t.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_tests("t.yaml")
    assert str(error.value) == "\n".join(f"t.yaml{line}" for line in problems.split("\n"))


def test_sources_that_read_differently_need_a_name() -> None:
    """Which one is not guessed."""
    sources = "sources: [{name: one, paths: a, agent: path.stem}, {name: two, paths: b}]\n"
    Path("config.yaml").write_text(sources + CONFIG)
    Path("t.yaml").write_text("""config: config.yaml
tests:
  - name: a
    input:
      - lines: x
      - {source: tow, lines: x}
      - {source: two, lines: x}
    expect: {unmatched: 0}
""")
    with pytest.raises(ConfigError) as error:
        load_tests("t.yaml")
    assert (
        str(error.value)
        == """\
t.yaml:5:9: tests[0].input[0]: sources read differently: say of which one the log is, source: one or two
t.yaml:6:18: tests[0].input[1].source: no source is called 'tow' (did you mean 'two'?)"""
    )
