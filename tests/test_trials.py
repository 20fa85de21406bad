"""Rule tests: what each key does, the daemon's own behaviour behind it, and that no test knows of another."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from logmetrics.authoring.trials.bench import Programs, Trial
from logmetrics.authoring.trials.comparing import Found, found_samples
from logmetrics.authoring.trials.coverage import Coverage
from logmetrics.authoring.trials.loading import load_tests
from logmetrics.authoring.trials.model import json_schema
from logmetrics.authoring.trials.running import TestResult, run_file
from logmetrics.authoring.trials.samples import samples_shown
from logmetrics.config.loading import parse_pack
from logmetrics.config.specs import PackSpec, SourceSpec
from logmetrics.engine import Engine
from logmetrics.errors import ConfigError
from logmetrics.packs import builtin_packs

ROOT = Path(__file__).parent.parent

CONFIG = """
packs: []
limits: {values_per_label: 3, admission: first}
metrics:
  calls_total: {type: counter, help: h, labels: [tool, ok]}
  seconds: {type: histogram, help: h, labels: [tool], buckets: [1, 5]}
  agents: {type: active, help: h, window: 5m}
  tasks_total: {type: counter, help: h, labels: [status]}
  tokens_total: {type: counter, help: h}
  places_total: {type: counter, help: h, labels: [path, stem, parent]}
  level: {type: gauge, help: h, labels: [of]}
rules:
  - name: call
    when: event == "call"
    labels: {tool: tool, ok: 'map(status, {"ok": "yes", "bad": "no"}, "unknown")'}
    update: {calls_total: 1, seconds: took, agents: agent, tokens_total: tokens or 0}
  - name: task
    pair: {start: event == "start", end: event == "end", key: id, timeout: 1h}
    labels: {status: '"done"'}
    update: {tasks_total: 1}
    on_timeout: {'tasks_total{status="timeout"}': 1}
  - name: place
    when: event == "place"
    labels: {path: path, stem: path.stem, parent: path.parent}
    update: {places_total: 1}
  - name: level
    when: event == "level"
    labels: {of: of}
    update: {level: value}
  - name: once
    when: event == "once" and once(id)
    update: {tokens_total: 1}
"""

# Each holds; the body of a test without its name.
HOLD = {
    "lines as a text, and what is not counted as a number": """
    input:
      - lines: |
          {"event": "call", "tool": "search", "status": "ok", "took": 1.5, "agent": "a"}
          {"event": "other"}
          {broken
    expect:
      series: |
        # a comment, then labels in another order

        calls_total{ok="yes", tool="search"} 1
        seconds_count{tool="search"} 1
        seconds_sum{tool="search"} 1.5
        seconds_bucket{tool="search",le="5"} 1
        agents 1
        tokens_total 0
      only: true
      unmatched: 1
      unparsable: 1
    """,
    "lines as a list of texts and records, and what is not counted by its text": """
    input:
      - lines:
          - {event: call, tool: "a\\"b\\\\c", status: bad}
          - '{"event": "other"}'
          - "{broken"
    expect:
      series: 'calls_total{tool="a\\"b\\\\c",ok="no"} 1'
      unmatched: '{"event": "other"}'
      unparsable: ["{broken"]
    """,
    "a bucket is compared where it is named, a gauge as it is, and what is absent is zero": """
    input:
      - lines:
          - {event: call, tool: a, took: 0.5}
          - {event: call, tool: a, took: 7}
          - {event: level, of: x, value: -1.5}
    expect:
      series: |
        seconds_bucket{tool="a",le="1"} 1
        seconds_bucket{tool="a",le="+Inf"} 2
        seconds_bucket{tool="b",le="1"} 0
        level{of="x"} -1.5
        tasks_total{status="done"} 0
        tasks_total{status="timeout"} 0
    """,
    "rules see the path of the log as the test writes it": """
    input:
      - {log: team/planner.log, lines: '{"event": "place"}'}
      - {log: /srv/coder.1.log, lines: '{"event": "place"}'}
    expect:
      series: |
        places_total{path="/var/log/team/planner.log",stem="planner",parent="team"} 1
        places_total{path="/srv/coder.1.log",stem="coder",parent="srv"} 1
    """,
    "a file is written whole, under its own name or another": """
    input:
      - file: logs/sample.jsonl
      - {file: logs/sample.jsonl, log: other/name.log}
    expect:
      series: |
        places_total{path="/var/log/sample.jsonl",stem="sample",parent="log"} 2
        places_total{path="/var/log/other/name.log",stem="name",parent="other"} 2
    """,
    "what is seen is active for its window": """
    input:
      - lines: [{event: call, tool: a, agent: one}]
      - after: 3m
      - lines: [{event: call, tool: a, agent: two}]
      - expect: {series: agents 2}
      - after: 3m
      - expect: {series: agents 1}
      - after: 3m
    expect: {series: agents 0}
    """,
    "a start without an end times out by the clock": """
    input:
      - lines: [{event: start, id: 1}, {event: start, id: 2}]
      - after: 59m
      - lines: [{event: end, id: 1}]
      - expect: {series: 'tasks_total{status="done"} 1'}
      - after: 1m
    expect:
      series: |
        tasks_total{status="done"} 1
        tasks_total{status="timeout"} 1
    """,
    "a start times out by the times in the log, too": """
    input:
      - lines:
          - {event: start, id: 1, time: "2026-01-01T00:00:00Z"}
          - {event: start, id: 2, time: "2026-01-01T02:00:00Z"}
    expect: {series: 'tasks_total{status="timeout"} 1'}
    """,
    "a series that is idle leaves": """
    input:
      - lines: [{event: call, tool: a, status: ok}]
      - after: 25h
    expect: {series: calls_total 0}
    """,
    "a kill loses nothing and counts nothing twice, whatever was committed": """
    input:
      - lines: [{event: once, id: 1}, {event: start, id: 1}, {event: call, tool: a}, {event: other}]
      - restart: kill
      - expect: {unmatched: 1}
      - lines: [{event: once, id: 1}, {event: call, tool: a}, {event: other}]
      - restart: kill
      - restart: kill
      - lines: [{event: end, id: 1}, {event: call, tool: a}, "{broken"]
      - restart: stop
      - rotate: test.log
      - lines: [{event: call, tool: a}]
      - rotate: test.log
      - restart: kill
      - lines: [{event: call, tool: a}, {event: once, id: 2}]
    expect:
      series: |
        calls_total{tool="a",ok="unknown"} 5
        tasks_total{status="done"} 1
        tokens_total 2
        logmetrics_lost_bytes_total 0
      unmatched: 3
      unparsable: 1
    """,
    "the guard refuses what is one value too many": """
    input:
      - {lines: '{"event": "call", "tool": "t<n>", "status": "ok"}', repeat: 5}
    expect:
      series: |
        calls_total{tool="t1",ok="yes"} 1
        calls_total{tool="t2",ok="yes"} 1
        calls_total{tool="t3",ok="yes"} 1
        calls_total{tool="__overflow__",ok="yes"} 2
      refused: {calls_total: {tool: 2}, seconds: {tool: {values: 0}}}
    """,
    "refusals by level": """
    input:
      - {lines: '{"event": "call", "tool": "t<n>", "took": 1}', repeat: 4}
    expect:
      refused: {calls_total: {tool: {values: 1}}, seconds: {tool: {values: 1}}}
    """,
    "updates without a value": """
    input:
      - lines: [{event: level, of: a}, {event: level, of: a, value: x}, {event: call, tool: a, took: -1}]
    expect:
      skipped:
        level: {missing: 1, not_a_number: 1}
        call: {negative: 1, missing: 1}
    """,
    "nothing refused, nothing skipped, nothing else": """
    input:
      - lines: [{event: place}]
    expect:
      series: 'places_total{path="/var/log/test.log",stem="test",parent="log"} 1'
      only: true
      unmatched: []
      unparsable: 0
      refused: {}
      skipped: {}
    """,
    "the clock begins where the test says": """
    start: "2030-06-01 12:00:00+02:00"
    input:
      - lines: [{event: start, id: 1, time: "2030-06-01T10:00:00Z"}]
      - after: 59m
      - expect: {series: tasks_total 0}
      - after: 1m
    expect: {series: 'tasks_total{status="timeout"} 1'}
    """,
    "there need not be any log": """
    input: [{after: 1h}, {restart: kill}]
    expect: {series: agents 0, only: true, unmatched: 0}
    """,
    "sums are compared but for what floats cannot tell": """
    input:
      - {lines: '{"event": "call", "tool": "a", "took": 0.1}', repeat: 3}
    expect: {series: 'seconds_sum{tool="a"} 0.3'}
    """,
    "a record may take several lines": """
    input:
      - lines: |
          {
            "event": "place"
          }
          {"event": "other"}
    expect:
      series: 'places_total{path="/var/log/test.log",stem="test",parent="log"} 1'
      unmatched: 1
    """,
    "logs in an envelope are unwrapped": """
    input:
      - lines: '{"log": "{\\"event\\": \\"place\\"}\\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}'
    expect:
      series: 'places_total{path="/var/log/test.log",stem="test",parent="log"} 1'
      unmatched: 0
    """,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with a config and a sample."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "sample.jsonl").write_text('{"event": "place"}\n{"event": "place"}\n')
    return tmp_path


def write(home: Path, *bodies: str, head: str = "config: config.yaml") -> str:
    """A test file; the tests are called 1, 2, ..."""
    tests = "".join(f"  - name: '{number}'{body.rstrip()}\n" for number, body in enumerate(bodies, 1))
    (home / "rules.test.yaml").write_text(f"{head}\ntests:\n{tests}")
    return str(home / "rules.test.yaml")


def run(home: Path, *bodies: str, head: str = "config: config.yaml") -> list[TestResult]:
    return run_file(load_tests(write(home, *bodies, head=head)))


def verdicts(results: list[TestResult]) -> list[list[str]]:
    """The keys that failed in each."""
    return [[failure.key for failure in result.failures] for result in results]


@pytest.mark.parametrize("body", HOLD.values(), ids=HOLD)
def test_what_holds(home: Path, body: str) -> None:
    """Each key says what is so."""
    assert [result.failures for result in run(home, body)] == [()]


def test_tests_know_nothing_of_another(home: Path) -> None:
    """All in one file, in both orders: programs are shared, what they count and remember is not."""
    assert verdicts(run(home, *HOLD.values())) == [[]] * len(HOLD)
    assert verdicts(run(home, *reversed(HOLD.values()))) == [[]] * len(HOLD)


def test_coverage_changes_nothing(home: Path) -> None:
    """The rules that note what they do count the same."""
    file = load_tests(write(home, *HOLD.values()))
    assert verdicts(run_file(file, coverage=Coverage(builtin_packs()))) == [[]] * len(HOLD)


FAIL = {
    "another value": ('{series: \'calls_total{tool="a",ok="yes"} 2\'}', ["series"]),
    "another label": ('{series: \'calls_total{tool="b",ok="yes"} 1\'}', ["series"]),
    "one series too many": (
        '{series: \'calls_total{tool="a",ok="yes"} 1\n\n\n        calls_total{tool="b",ok="yes"} 1\'}',
        ["series"],
    ),
    "there is a series": ("{series: calls_total 0}", ["series"]),
    "another sum": ("{series: 'seconds_sum{tool=\"a\"} 1.0001'}", ["series"]),
    "another bucket": ('{series: \'seconds_bucket{tool="a",le="1"} 0\'}', ["series"]),
    "another metric": ('{series: \'calls_total{tool="a",ok="yes"} 1\', only: true}', ["only"]),
    "fewer unmatched": ("{unmatched: 0}", ["unmatched"]),
    "other unmatched": ("{unmatched: [x]}", ["unmatched"]),
    "unparsable": ("{unparsable: 1}", ["unparsable"]),
    "refused": ("{refused: {calls_total: {tool: 1}}}", ["refused"]),
    "skipped": ("{skipped: {}}", ["skipped"]),
    "all at once": ("{series: calls_total 0, unmatched: 0, skipped: {}}", ["series", "unmatched", "skipped"]),
}


@pytest.mark.parametrize(("expect", "keys"), FAIL.values(), ids=FAIL)
def test_what_does_not_hold(home: Path, expect: str, keys: list[str]) -> None:
    """Each key finds what is not so."""
    body = f"""
    input:
      - lines: [{{event: call, tool: a, status: ok, took: 1}}, {{event: other}}, {{event: level, of: a}}]
    expect: {expect}
    """
    assert verdicts(run(home, body)) == [keys]


def test_a_kill_really_loses_what_is_not_committed(home: Path) -> None:
    """Lines behind the last commit are read again: the daemon before had read them, too."""
    body = """
    input:
      - lines: [{event: once, id: 1}]
      - restart: kill
    expect: {series: tokens_total 1, unmatched: 0}
    """
    reads: list[str] = []

    class Counting(Coverage):
        def folder(self, file, rules):  # type: ignore[no-untyped-def]
            folder = super().folder(file, rules)
            fold = folder.fold

            def counting() -> None:
                reads.extend("record" for note in rules.trace.notes if rules.trace.nodes[note.node].role == "record")
                fold()

            folder.fold = counting  # type: ignore[method-assign]
            return folder

    assert verdicts(run_file(load_tests(write(home, body)), coverage=Counting(builtin_packs()))) == [[]]
    assert len(reads) == 2


SOURCES = """
sources:
  - {name: one, paths: [/var/log/one], agent: path.stem, exclude_lines: noise}
  - {name: two, paths: [/var/log/two], from: end, format: {regex: '^(?P<event>\\w+) (?P<of>\\w+)$'}}
packs: []
metrics:
  seen_total: {type: counter, help: h, labels: [agent, source]}
rules:
  - {name: r, when: event == "see", labels: {agent: source.agent or of, source: source}, update: {seen_total: 1}}
"""


def test_a_source_reads_as_the_config_says(home: Path) -> None:
    """Its format, its agent, what it leaves out; where its files are does not matter, nor from where they are read."""
    (home / "config.yaml").write_text(SOURCES)
    body = """
    input:
      - {source: one, log: planner.log, lines: ['{"event": "see"}', '{"event": "see", "x": "noise"}']}
      - {source: two, log: planner.log, lines: [see me, not a line of it]}
      - restart: kill
      - {source: two, rotate: planner.log}
      - {source: two, log: planner.log, lines: [see me]}
    expect:
      series: |
        seen_total{agent="planner",source="one"} 1
        seen_total{agent="me",source="two"} 2
        logmetrics_source_excluded_lines_total{source="one"} 1
      unmatched: 0
      unparsable: [not a line of it]
    """
    assert [result.failures for result in run(home, body)] == [()]


def test_sources_that_read_alike_need_no_name(home: Path) -> None:
    """The first one is taken; so the example config asks for none."""
    text = SOURCES.replace("agent: path.stem, exclude_lines: noise", "exclude: x").replace(", from: end, format", ", #")
    (home / "config.yaml").write_text(text.replace("#", "timezone: UTC}\n#"))
    body = """
    input: [{lines: '{"event": "see", "of": "me"}'}]
    expect: {series: 'seen_total{agent="me",source="one"} 1'}
    """
    assert verdicts(run(home, body)) == [[]]


def test_packs_beside_a_config(home: Path) -> None:
    """They take the place of the config's own choice, as --pack does; alone they need no config."""
    (home / "config.yaml").write_text("limits: {series: 10}\n")
    body = """
    input: [{lines: '{"event": "tool_call", "agent": "a", "tool_name": "t", "status": "success"}'}]
    expect: {series: 'agent_tool_calls_total{agent="a",tool_name="t",status="success"} 1'}
    """
    assert verdicts(run(home, body, head="config: config.yaml\npacks: [agent]")) == [[]]
    assert verdicts(run(home, body, head="packs: [agent]")) == [[]]


def changed(name: str, before: str, after: str) -> dict[str, PackSpec]:
    """The built-in packs with one of them changed."""
    packs = builtin_packs()
    assert packs[name].text.count(before) == 1
    text = packs[name].text.replace(before, after)
    return {**packs, name: parse_pack(text, name, f"{name}.yaml", packs["agent"].rule_set.metrics)}


def test_changed_packs(home: Path) -> None:
    """A file that was loaded once runs with any number of changed packs; its own stay what they are."""
    body = """
    input: [{lines: '{"timestamp": "2026-01-01T00:00:00Z", "type": "event_msg", "payload": {"type": "task_complete"}}'}]
    expect: {series: 'agent_tasks_total{agent="codex",status="success"} 1'}
    """
    file = load_tests(write(home, body, head="packs: [codex]"))
    assert verdicts(run_file(file)) == [[]]
    assert verdicts(run_file(file, changed("codex", '["task_complete", ', '["task_completed", '))) == [["series"]]
    assert verdicts(run_file(file, builtin_packs())) == [[]]
    with pytest.raises(KeyError):
        run_file(file, {})


def test_a_config_that_is_wrong_is_told_of(home: Path) -> None:
    """As `check` tells it."""
    (home / "config.yaml").write_text("metrics: 5\n")
    with pytest.raises(ConfigError) as error:
        load_tests(write(home, "\n    input: [{lines: x}]\n    expect: {unmatched: 0}"))
    assert str(error.value) == f"{home}/config.yaml:1:10: metrics: expected a mapping of keys to values"


def test_the_example(tmp_path: Path) -> None:
    """The tests beside the example config hold, and touch all of it."""
    file = load_tests(str(ROOT / "examples" / "config.test.yaml"))
    coverage = Coverage(builtin_packs())
    assert verdicts(run_file(file, coverage=coverage)) == [[]] * len(file.tests)
    [touched] = coverage.files()
    assert (touched.missed, touched.taken) == ((), touched.total)


def test_the_schema_names_every_key() -> None:
    """Editors know what the loader knows."""
    schema = json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert {key for part in parts for key in part["properties"]} == {
        *("config", "packs", "tests", "name", "start", "input", "expect", "lines", "file", "log", "source", "repeat"),
        *("after", "restart", "rotate", "series", "only", "unmatched", "unparsable", "refused", "skipped"),
    }
    assert not any(part["additionalProperties"] for part in parts)


FOLDERS = {
    folder.name: [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix not in (".py", ".md") and not path.name.startswith("expected")
    ][:8]
    for folder in sorted((ROOT / "tests" / "data").iterdir())
    if folder.is_dir() and not folder.name.startswith("_")
}


@pytest.mark.parametrize("name", FOLDERS)
def test_samples_count_as_in_the_daemon(name: str, home: Path) -> None:
    """All series of all samples, and how many lines were not counted, whether rules are traced or not."""
    packs = {"claude_code": "claude-code", "claude_code_otel": "claude-code-otel", "otel": "otel-genai"}
    packs |= {"copilot": "copilot-cli", "gemini": "gemini-cli", "generic": "agent", "langgraph": "langgraph-server"}
    head = f"packs: [{packs.get(name, name).replace('_', '-')}]"
    steps = "".join(f"      - {{file: '{path}', log: '{home}/x/{path.name}'}}\n" for path in FOLDERS[name])
    file = load_tests(write(home, f"\n    input:\n{steps}    expect: {{unmatched: 0}}", head=head))
    [test] = file.tests

    def found(programs: Programs) -> Found:
        with Trial(file.config, programs, test) as trial:
            for step in test.steps[:-1]:
                trial.do(step)
            return trial.found()

    (home / "x").mkdir()
    for path in FOLDERS[name]:
        shutil.copy(path, home / "x")
    config = replace(file.config, sources=(SourceSpec("logs", (str(home / "x"),)),))
    engine = Engine(config, clock=lambda: test.start_s, monotonic=lambda: test.start_s, runtime_metrics=False)
    engine.run_once()
    engine.waker.close()
    daemon = found_samples(samples_shown(engine.view().families))
    coverage = Coverage(builtin_packs())
    for programs in (Programs(config), Programs(config, lambda rules: coverage.folder(file, rules))):
        seen = found(programs)
        assert [line.kind for line in seen.uncounted].count("unmatched") == daemon.get(
            "logmetrics_source_unmatched_lines_total", {}
        ).get((("source", "logs"),), 0)
        metrics = {metric for metric in (*seen.samples, *daemon) if not metric.startswith("logmetrics_source")}
        assert any(not metric.startswith("logmetrics_") for metric in metrics)
        assert {metric: seen.samples.get(metric) for metric in metrics} == {
            metric: daemon.get(metric) for metric in metrics
        }


def test_nothing_stays_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs and states of tests are gone afterwards, also when they are made where TMPDIR says."""
    scratch = home / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    file = load_tests(write(home, HOLD["a kill loses nothing and counts nothing twice, whatever was committed"]))
    assert verdicts(run_file(file)) == [[]]
    assert list(scratch.iterdir()) == []


def test_a_pack_that_cannot_be_told_apart(home: Path) -> None:
    """A changed pack without rules counts nothing, and the test says so."""
    body = """
    input: [{lines: '{"type": "session_meta", "payload": {}}'}]
    expect: {unmatched: 1}
    """
    packs = builtin_packs()
    bare = replace(packs["codex"], rule_set=replace(packs["codex"].rule_set, rules=()))
    assert verdicts(run_file(load_tests(write(home, body, head="packs: [codex]")), {**packs, "codex": bare})) == [[]]
