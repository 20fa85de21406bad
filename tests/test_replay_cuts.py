"""However logs are cut, and in whatever order their parts are read, a replay gives the same, sample by sample."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logmetrics.rules.pairs import OpenPairs
from tests.replays import Replays
from tests.world import config_for
from tests.wrappers import JSON_WRAPPERS, WRAPPERS

CONFIG = """
packs: []
limits: {values_per_label: 6, label_value_bytes: 40, idle: 20m, admission: first}
metrics:
  lines_total: {type: counter, help: h, labels: [kind]}
  cost_total: {type: counter, help: h, labels: [who]}
  seconds: {type: histogram, help: h, labels: [who], buckets: [1, 10]}
  level: {type: gauge, help: h, labels: [who]}
  live: {type: active, help: h, window: 5m}
  version: {type: info, help: h, labels: [version]}
  first_total: {type: counter, help: h}
  risen_total: {type: counter, help: h, labels: [who]}
  grown_total: {type: counter, help: h}
  known_total: {type: counter, help: h, labels: [model]}
  calls_total: {type: counter, help: h, labels: [who]}
  call_seconds: {type: histogram, help: h, buckets: [10, 100]}
  tasks_total: {type: counter, help: h, labels: [status]}
rules:
  - {name: line, labels: {kind: kind}, update: {lines_total: 1}}
  - {name: cost, when: has(cost), labels: {who: who}, update: {cost_total: cost, seconds: cost}}
  - {name: level, when: has(level), labels: {who: who}, update: {level: level, live: who}}
  - {name: version, when: has(version), labels: {version: version}, update: {version: 1}}
  - {name: first, when: has(id) and once(id), update: {first_total: 1}}
  - {name: risen, when: has(id), labels: {who: who}, update: {risen_total: "rise(n, id)"}}
  - {name: grown, when: has(used), update: {grown_total: 'delta(used, "")'}}
  - {name: model, when: has(model), remember: {model: model}}
  - {name: known, when: kind == "ask", labels: {model: remember("model")}, update: {known_total: 1}}
  - name: call
    pair: {start: kind == "start", end: kind == "end", key: call, keep: {who: who}}
    labels: {who: who}
    update: {calls_total: 1, call_seconds: elapsed}
  - name: task
    pair: {start: kind == "begin", end: kind == "done", key: call, timeout: 90s}
    update: {'tasks_total{status="done"}': 1}
    on_timeout: {'tasks_total{status="timeout"}': 1}
"""
START_S = 1_795_593_600  # 2026-11-25T08:00:00Z, near the times that wrappers tell
RECORD_KINDS = ("cost", "level", "version", "id", "used", "model", "ask", "start", "end", "begin", "done", "other")


def time_of(draw: random.Random, clock_s: float) -> dict[str, object]:
    """A time as programs write it, or none, or one that cannot be."""
    moment = datetime.fromtimestamp(clock_s, timezone.utc)
    way = draw.random()
    if way < 0.15:
        return {}
    if way < 0.2:
        return {"time": draw.choice(["1971-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "no time"])}
    if way < 0.4:
        return {"ts": int(clock_s * 1000)}
    return {"time": moment.strftime("%Y-%m-%dT%H:%M:%S") + draw.choice(["Z", "+00:00", ".123Z", ""])}


def record_of(draw: random.Random) -> dict[str, object]:
    """What a rule counts, now and then with something missing."""
    kind = draw.choice(RECORD_KINDS)
    record: dict[str, object] = {"kind": kind}
    who = draw.choice(["ann", "bob", "eve", "kim", "lee", "max", "zoe", "w" * 60])
    more: dict[str, dict[str, object]] = {
        "cost": {"cost": draw.choice([0.1, 2.7, 1e-9, 12, 3]), "who": who},
        "level": {"level": draw.randint(0, 9), "who": who},
        "version": {"version": draw.choice(["one", "two", "three"])},
        "id": {"id": f"m{draw.randint(0, 9)}", "n": draw.randint(0, 20), "who": who},
        "used": {"used": draw.randint(0, 100)},
        "model": {"model": draw.choice(["opus", "haiku"])},
    }
    record.update(more.get(kind, {}))
    if kind in ("start", "end", "begin", "done"):
        record["call"] = None if draw.random() < 0.1 else f"c{draw.randint(0, 6)}"
        record["who"] = who
    return record


def lines_of(draw: random.Random, number: int) -> list[bytes]:
    """Lines of a log; times go on, mostly."""
    lines = []
    clock_s = START_S + draw.randrange(9_000)
    untimed = draw.choice([0, 0, number // 3, number])
    for place in range(number):
        clock_s += draw.choice([0, 1, 1, 5, 40, -30, 400, 2_000])
        told = {} if place < untimed else time_of(draw, clock_s)
        lines.append(json.dumps({**told, **record_of(draw)}, ensure_ascii=False).encode())
    return lines


def dirty(draw: random.Random, lines: list[bytes]) -> bytes:
    """The same with what else stands in logs: blank and broken lines, lines that are too long, objects over many
    lines, holes, text with times of its own.
    """
    out = []
    for line in lines:
        way = draw.random()
        if way < 0.05:
            out.append(b"\n" * draw.randint(1, 3))
        elif way < 0.1:
            out.append(draw.choice([b'{"kind": "cut\n', b"x" * draw.choice([400, 1_500, 5_000]) + b"\n"]))
        elif way < 0.14:
            out.append(b"\0" * draw.choice([1, 50, 700]))
        elif way < 0.2:
            out.append(
                json.dumps({**json.loads(line), "pad": ["p" * 40] * draw.choice([1, 30])}, indent=2).encode() + b"\n"
            )
        elif way < 0.25:
            out.append(b"Nov %2d 10:11:12 host agent[1]: " % draw.randint(24, 25))
        elif way < 0.28:
            out.append(b'time=2026-11-25T10:00:00.000+0%d:00 level=INFO msg="x"\n' % draw.randint(0, 3))
        out.append(line + draw.choice([b"\n", b"\n", b"\n", b"\r\n"]))
    return b"".join(out)


def log_of(draw: random.Random) -> bytes:
    lines = lines_of(draw, draw.choice([1, 5, 30, 60]))
    way = draw.choice(["dirty", "dirty", "dirty", *WRAPPERS, *JSON_WRAPPERS])
    if way == "dirty":
        data = dirty(draw, lines)
    else:
        data = {**WRAPPERS, **JSON_WRAPPERS}[way](b"\n".join(lines) + b"\n").replace(b"1732529472", b"1795601472")
    if draw.random() < 0.3:
        data = data[: -draw.randint(1, 20)]
    return data


@pytest.fixture(scope="module")
def replays() -> Replays:
    return Replays(config_for(Path(), CONFIG, max_line_bytes=1_024, format="auto"))


@pytest.fixture
def small_bounds() -> Iterator[None]:
    """What is bounded is bounded soon, and what is read in order is read in small pieces."""
    with patch.object(OpenPairs, "OPEN_MAX", 4):
        yield


def logs_in(directory: Path, seed: int) -> Path:
    draw = random.Random(seed)
    for number in range(draw.choice([1, 1, 2, 3])):
        (directory / f"{number}.log").write_bytes(log_of(draw))
    return directory


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**9),
    part_bytes=st.integers(200, 5_000),
    order=st.integers(0, 1_000),
    wanted=st.integers(1, 9),
    bounds=st.sampled_from([(None, None), (None, None), (START_S + 4_000, None), (START_S + 2_000, START_S + 8_000)]),
)
def test_cuts_make_no_difference(
    replays: Replays,
    small_bounds: None,
    seed: int,
    part_bytes: int,
    order: int,
    wanted: int,
    bounds: tuple[int | None, int | None],
) -> None:
    """Totals, samples and what rules remember are those of reading each file from its start to its end."""
    with tempfile.TemporaryDirectory() as name:
        directory = logs_in(Path(name), seed)
        since_s, until_s = bounds
        whole = replays.run(directory, step_s=15, since_s=since_s, until_s=until_s)
        cut = replays.run(
            directory, step_s=15, part_bytes=part_bytes, seed=order, wanted=wanted, since_s=since_s, until_s=until_s
        )
        assert cut.text == whole.text
        assert cut.values == whole.values
        assert cut.ends == whole.ends
        if bounds == (None, None):
            assert replays.run(directory, part_bytes=part_bytes, seed=order).text == whole.text
