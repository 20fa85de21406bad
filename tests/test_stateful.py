"""What knows the past, `once`, `rise`, `delta`, `remember`, and loops: exact over cuts, kills and failed commits."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logmetrics.config.loading import parse_config
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.memory import Memory
from logmetrics.store.state import CommitError
from logmetrics.store.store import Store
from tests.world import World

CONFIG = """
packs: []
metrics:
  first_total: {type: counter, help: h, labels: [kind]}
  tokens_total: {type: counter, help: h, labels: [model]}
  used_total: {type: counter, help: h}
  blocks_total: {type: counter, help: h, labels: [log, name]}
  spans_total: {type: counter, help: h, labels: [service, name]}
  seconds: {type: histogram, help: h, buckets: [1, 10]}
rules:
  - {name: first, when: has(id) and once(id), labels: {kind: kind}, update: {first_total: 1}}
  - {name: model, when: has(model), remember: {model: model}}
  - {name: tokens, when: has(id), labels: {model: remember("model")}, update: {tokens_total: "rise(tokens, id)"}}
  - {name: used, when: has(used), update: {used_total: 'delta(used, "", last)'}}
  - name: blocks
    each: block in message.content
    when: type == "assistant" and block.type == "tool_use"
    labels: {log: path.stem, name: block.name}
    update: {blocks_total: 1}
  - name: spans
    each: [resource in resourceSpans, scope in resource.scopeSpans, span in scope.spans]
    let: {attrs: kv(span.attributes), of: kv(resource.resource.attributes)}
    when: attrs["op"] == "chat"
    labels:
      service: of["service.name"]
      name: span.name
    update: {spans_total: 1, seconds: ns(span.end) - ns(span.start)}
"""


def lines_of(seed: int) -> list[str]:
    """A log in which the same message comes again and again, growing, and a counter begins anew now and then."""
    rng = random.Random(seed)
    records: list[dict[str, Any]] = []
    used = 0
    for message in range(60):
        if rng.random() < 0.2:
            records.append({"model": rng.choice(["opus", "haiku"])})
        tokens = 0
        for _ in range(rng.randint(1, 5)):
            tokens += rng.randint(0, 9)
            records.append({"id": f"m{message}", "kind": rng.choice("ab"), "tokens": tokens})
        step = rng.randint(0, 20)
        used = step if rng.random() < 0.1 else used + step
        records.append({"used": used, "last": step})
        content = [
            {"type": rng.choice(["text", "tool_use"]), "name": rng.choice("xyz")} for _ in range(rng.randint(0, 3))
        ]
        records.append({"type": "assistant", "message": {"content": rng.choice([content, "text", None])}})
    return [json.dumps(record) for record in records]


def expected_of(lines: list[str], log: str) -> dict[str, Counter[Any]]:
    """The same, written down another way."""
    result: dict[str, Counter[Any]] = {name: Counter() for name in ("first", "tokens", "used", "blocks")}
    seen: dict[str, int] = {}
    model, used = "unknown", None
    for record in map(json.loads, lines):
        model = record.get("model", model)
        if "id" in record:
            result["first"][record["kind"]] += record["id"] not in seen
            grown = max(record["tokens"] - seen.get(record["id"], 0), 0)
            result["tokens"][model] += grown
            seen[record["id"]] = max(record["tokens"], seen.get(record["id"], 0))
        if "used" in record:
            step = record["used"] if used is None else record["used"] - used
            result["used"][()] += record["last"] if step < 0 else step
            used = record["used"]
        message = record.get("message") or {}
        for block in message["content"] if isinstance(message.get("content"), list) else ():
            result["blocks"][log, block["name"]] += block["type"] == "tool_use"
    return {name: +counts for name, counts in result.items()}


def shown(world: World) -> dict[str, Counter[Any]]:
    names = {"first": "first_total", "tokens": "tokens_total", "used": "used_total", "blocks": "blocks_total"}
    return {
        name: +Counter({labels if len(labels) != 1 else labels[0]: v for labels, v in world.values(metric).items()})  # type: ignore[misc]
        for name, metric in names.items()
    }


@pytest.mark.parametrize("seed", range(12))
def test_exact_over_kills_failed_commits_and_any_cut(tmp_path: Path, seed: int) -> None:
    """Two logs, written bit by bit, even within lines; each has a past of its own."""
    (tmp_path / "logs").mkdir()
    rng = random.Random(seed)
    texts = {name: "\n".join(lines_of(seed * 2 + number)) + "\n" for number, name in enumerate("ab")}
    world = World(tmp_path / "logs", CONFIG, tmp_path / "state")
    places = dict.fromkeys(texts, 0)
    while any(places[name] < len(text) for name, text in texts.items()):
        name = rng.choice("ab")
        end = places[name] + rng.randint(1, 2_000)
        with (tmp_path / "logs" / f"{name}.log").open("a") as file:
            file.write(texts[name][places[name] : end])
        places[name] = min(end, len(texts[name]))
        what = rng.random()
        if what < 0.2:
            world.kill()
        elif what < 0.3:
            fail_once(world, durable=rng.random() < 0.5)
        elif what < 0.8:
            world.poll()
    world.poll()
    expected = [expected_of(texts[name].splitlines(), name) for name in "ab"]
    assert shown(world) == {name: expected[0][name] + expected[1][name] for name in expected[0]}
    world.close()


def fail_once(world: World, *, durable: bool) -> None:
    """Let the next commit fail, after it was made durable or before."""
    assert world.state is not None
    write = world.state.write

    def fail(batch: Any) -> None:
        if durable:
            write(batch)
        raise CommitError("input/output error")

    world.state.write = fail  # type: ignore[method-assign]
    world.poll()
    world.state.write = write  # type: ignore[method-assign]


def test_nested_lists_and_key_value_lists(tmp_path: Path) -> None:
    """Spans three lists deep, with attributes as OTLP writes them; texts for whole numbers of 64 bits."""
    (tmp_path / "logs").mkdir()
    spans = [
        {"name": f"s{n}", "start": "1000000000", "end": str(1_000_000_000 * (n + 2)), "attributes": attributes}
        for n, attributes in enumerate(
            (
                [{"key": "op", "value": {"stringValue": "chat"}}, {"key": "n", "value": {"intValue": "9915"}}],
                [{"key": "op", "value": {"stringValue": "tool"}}],
                {"op": "chat"},
                "nonsense",
                None,
            )
        )
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    record = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}, {"spans": spans[:1]}, 5]}, {}]}
    (tmp_path / "logs" / "a.log").write_text(json.dumps(record) + "\n")
    world = World(tmp_path / "logs", CONFIG)
    world.poll()
    assert world.values("spans_total") == {("svc", "s0"): 2, ("svc", "s2"): 1}
    assert world.values("seconds")[()] == ((2, 3, 3), 5, 3)
    world.close()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2_000)), max_size=50))
def test_memory_is_bounded(calls: list[tuple[str, int]]) -> None:
    """Of one log the oldest key goes, of all logs the quietest log's; what is gone comes as if for the first time."""
    memory = Memory()
    for log, start in calls:
        for number in range(start, start + 100):
            memory.once(log, str(number))
    assert len(memory) <= 2 * Memory.KEYS_PER_LOG_MAX
    assert all(len(keys) <= Memory.KEYS_PER_LOG_MAX for keys in memory._logs.values())
    flood = Memory()
    for log in range(300):
        for number in range(200):
            flood.once(str(log), str(number))
    assert len(flood) == Memory.KEYS_MAX
    assert flood.forgotten == 300 * 200 - Memory.KEYS_MAX
    assert not flood.once("299", "0")
    assert flood.once("0", "0")


@pytest.mark.parametrize(
    ("values", "expected"),
    [([5, 5, 8, 3, 9], [5, 0, 3, 0, 1]), ([None, "x", 2, True], [None, "x", 2, True])],
)
def test_rise(values: list[Any], expected: list[Any]) -> None:
    """Only what is above the greatest counts; what is no number is left to be skipped and counted as such."""
    memory = Memory()
    assert [memory.rise("log", value, "k") for value in values] == expected


def test_delta_begins_anew() -> None:
    """A smaller value is a new count: it counts, or what is given for that."""
    memory = Memory()
    assert [memory.delta("log", value, "k") for value in (5, 5, 8, 3, 4)] == [5, 0, 3, 3, 1]
    assert [memory.delta("other", value, "k", 1) for value in (5, 2, 4)] == [5, 1, 2]


@pytest.mark.parametrize(
    "value", ["rise(n, id)", "delta(n, id)", "delta(n, id, n)", "s(rise(n, id))", "ms(delta(n, id))"]
)
def test_what_is_no_number_is_skipped(value: str) -> None:
    """A text or a list in the place of a number is one skipped update, whatever the rule makes of it."""
    config = parse_config(
        "packs: []\nsources: [{name: s, paths: [/x]}]\nmetrics: {x_total: {type: counter, help: h}}\n"
        f"rules: [{{name: r, update: {{x_total: '{value}'}}}}]\n",
        "config.yaml",
        {},
    )
    program = compiled(config, config.sources[0], Store(config.rule_set.metrics, config.limits))
    program.apply([b'{"n": "x", "id": 1}', b'{"n": [1], "id": 1}', b'{"n": 5, "id": 1}'], Log("/x/a", "s"), 0.0)
    assert sum(program.rules[0].skipped.values()) == 2
    assert program.rules[0].matches == 3


TIMEOUTS = """
packs: []
limits: {idle: never}
metrics:
  tasks_total: {type: counter, help: Tasks, labels: [agent, status]}
  task_seconds: {type: histogram, help: Durations, buckets: [1, 100]}
rules:
  - name: task
    pair: {start: event == "start", end: event == "end", key: id, timeout: 60s, keep: {who: agent}}
    labels: {agent: who, status: status}
    update: {tasks_total: 1, task_seconds: elapsed}
    on_timeout: {'tasks_total{status="timeout"}': 1}
"""


def task(event: str, task_id: int, time_s: float, **more: object) -> str:
    return json.dumps({"event": event, "id": task_id, "ts": time_s, **more}) + "\n"


def test_pairs_time_out_by_the_log(tmp_path: Path) -> None:
    """A start that is open when a later record is past its time is given up, also over kills."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", TIMEOUTS, tmp_path / "state")
    lines = [
        task("start", 1, 1_000, agent="a"),
        task("start", 2, 1_010, agent="b"),
        task("end", 2, 1_015.5, status="success"),
        task("start", 3, 1_061, agent="c"),  # 1 is over
        task("end", 1, 1_062, status="success"),  # too late
        task("end", 3, 1_121, status="success"),  # just too late, too
    ]
    for line in lines:
        with (tmp_path / "logs" / "a.log").open("a") as file:
            file.write(line)
        world.poll()
        world.kill()
    world.poll()
    assert world.values("tasks_total") == {("b", "success"): 1, ("a", "timeout"): 1, ("c", "timeout"): 1}
    assert world.values("task_seconds")[()] == ((0, 1, 1), 5.5, 1)
    world.close()


def test_pairs_time_out_by_the_clock(tmp_path: Path) -> None:
    """When everything is read and nothing more comes."""
    world = World(tmp_path, TIMEOUTS)
    program = world.engine.readers[0].program
    read_s = world.now_s
    ahead = read_s + 30
    (tmp_path / "a.log").write_text(
        task("start", 1, read_s - 1e6, agent="old") + task("start", 2, "no time", agent="none")
        + task("start", 3, ahead, agent="ahead")
    )  # fmt: skip
    world.poll()
    assert not program.expire(world.now_s + 50)  # the old one was read just now: its end may stand in the next line
    assert program.expire(world.now_s + 60)
    assert not program.expire(ahead + 59)
    assert program.expire(ahead + 61)
    world.engine.store.commit(0)
    assert world.values("tasks_total") == {(agent, "timeout"): 1 for agent in ("old", "none", "ahead")}


def test_logs_do_not_time_each_other_out(tmp_path: Path) -> None:
    """A log of today does not end what a log of yesterday began, and a start from the future holds up no other."""
    world = World(tmp_path, TIMEOUTS)
    (tmp_path / "a.log").write_text(task("start", 9, 9e9, agent="x") + task("start", 1, 1_000, agent="a"))
    world.poll()
    (tmp_path / "b.log").write_text(task("start", 2, 5_000, agent="b") + task("end", 2, 5_010, status="success"))
    world.poll()
    with (tmp_path / "a.log").open("a") as file:
        file.write(task("end", 1, 1_010, status="success"))
        file.write(task("start", 3, 1_020, agent="c") + task("start", 4, 1_090, agent="d"))
    world.poll()
    assert world.values("tasks_total") == {("a", "success"): 1, ("b", "success"): 1, ("c", "timeout"): 1}


def test_timeouts_know_what_was_kept_and_no_more(tmp_path: Path) -> None:
    """A label that needs the record or its log is unknown then."""
    config = TIMEOUTS.replace("labels: {agent: who,", "labels: {agent: path.stem or who,")
    world = World(tmp_path, config)
    (tmp_path / "a.log").write_text(task("start", 1, 1_000, agent="a") + task("start", 2, 2_000, agent="b"))
    world.poll()
    assert world.values("tasks_total") == {("a", "timeout"): 1}


PAST = """
packs: []
limits: {idle: never}
metrics:
  a_total: {type: counter, help: A, labels: [m]}
  b_total: {type: counter, help: B, labels: [m]}
  c_total: {type: counter, help: C}
  d_total: {type: counter, help: D}
rules:
  - {name: before, when: has(x), labels: {m: remember("m")}, update: {a_total: 1}}
  - {name: remember, when: has(x), remember: {m: x}}
  - {name: after, when: has(x), labels: {m: remember("m")}, update: {b_total: 1}}
  - {name: first, when: type == "x", update: {c_total: 'rise(n, id)'}}
  - {name: second, when: 'type in ["x", "y"]', update: {d_total: 'rise(n, id) if type == "y" else 0'}}
"""


def test_each_rule_asks_its_own_past_when_it_is_reached(tmp_path: Path) -> None:
    """What one rule found out of the past is not another's, and what is not reached is not asked."""
    world = World(tmp_path, PAST)
    records = [{"x": "one"}, {"x": "two"}, {"type": "x", "n": 5, "id": 1}, {"type": "y", "n": 7, "id": 1}]
    (tmp_path / "a.log").write_text("".join(json.dumps(record) + "\n" for record in records))
    world.poll()
    assert world.values("a_total") == {("unknown",): 1, ("one",): 1}
    assert world.values("b_total") == {("one",): 1, ("two",): 1}
    assert world.values("c_total") == {(): 5}
    assert world.values("d_total") == {(): 7}


def test_keys_that_are_objects_or_long(tmp_path: Path) -> None:
    """Each is its own key, of bounded size."""
    config = """
packs: []
metrics: {n_total: {type: counter, help: N}}
rules: [{name: n, when: once(key), update: {n_total: 1}}]
"""
    world = World(tmp_path, config)
    keys: list[object] = [[1], [2], {"a": 1}, [1], "x" * 100_000, "x" * 100_001, "x" * 100_000, True, "true"]
    (tmp_path / "a.log").write_text("".join(json.dumps({"key": key}) + "\n" for key in keys))
    world.poll()
    assert world.values("n_total") == {(): 6}
    memory = next(iter(world.engine.readers[0].program.rules[0].memories.values()))
    assert all(len(key) <= 200 for _, key in memory._entries)


def test_what_is_kept_may_change(tmp_path: Path) -> None:
    """Starts that an earlier config kept with other values are forgotten, and nothing fails."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", TIMEOUTS, tmp_path / "state")
    log = tmp_path / "logs" / "a.log"
    log.write_text(task("start", 1, 1_000, agent="a"))
    world.poll()
    world.text = TIMEOUTS.replace("keep: {who: agent}", "keep: {who: agent, what: kind}")
    world.kill()
    with log.open("a") as file:
        file.write(task("end", 1, 1_001) + task("start", 2, 1_002, agent="b") + task("end", 2, 1_003, status="success"))
    world.poll()
    assert world.values("tasks_total") == {("b", "success"): 1}
    world.close()
