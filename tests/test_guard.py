"""The cardinality guard: nothing is dropped, nothing goes back, and what is heavy has a place."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.sources import tail
from logmetrics.store.distinct import DistinctCount
from logmetrics.store.family import Family
from logmetrics.store.guard import OVERFLOW
from logmetrics.store.heavy import HeavyKeys
from logmetrics.store.newcomers import HALF_LIFE_S
from logmetrics.store.self_metrics import SelfMetrics
from logmetrics.store.shapes import generalize
from logmetrics.store.state import Batch, CommitError, StateFile
from logmetrics.store.store import Store
from tests.world import World

CALLS = MetricSpec("calls_total", "counter", "h", ("agent", "tool"))
SECONDS = MetricSpec("call_seconds", "histogram", "h", ("tool",), (0.5, 2.0))
SMALL = LimitsSpec(series=60, series_per_metric=6, values_per_label=4, idle_s=1_000, parked=20)


class Kept:
    """A store over a state directory: it commits as the engine does, and can be killed and started again."""

    def __init__(self, directory: Path, limits: LimitsSpec = SMALL, *metrics: MetricSpec) -> None:
        self.directory = directory
        self.limits = limits
        self.metrics = {metric.name: metric for metric in metrics or (CALLS, SECONDS)}
        self.now_s = 1_000.0
        self.start()

    def start(self) -> None:
        self.state = StateFile(str(self.directory))
        self.store = Store(self.metrics, self.limits)
        self.store.restore(self.state)
        self.calls = self.store.site("calls_total", {}, count_only=True)
        if "call_seconds" in self.metrics:
            self.seconds = self.store.site("call_seconds", {}, count_only=False)

    def kill(self) -> None:
        self.state.close()
        self.start()

    def commit(self, fault: str = "") -> bool:
        """False when it failed, *fault* telling how: before it was durable, or after, unknown to us."""
        self.now_s += 1
        batch: Batch = {}
        self.store.collect(self.now_s, batch)
        if fault == "before":
            return False
        try:
            self.state.write({name: rows for name, rows in batch.items() if rows})
        except CommitError:
            return False
        if fault == "after":
            return False
        self.store.publish()
        return True

    def family(self, name: str = "calls_total") -> Family:
        return self.store.families[name]

    def exposed(self, name: str = "calls_total") -> dict[tuple[str, ...], int]:
        rows = next(rows for spec, rows in self.store.view().families if spec.name == name)
        return {series.labels: frozen[2] if isinstance(frozen, tuple) else int(frozen) for series, frozen in rows}

    def parked(self, name: str = "calls_total") -> dict[tuple[str, ...], int]:
        rows = self.state.rows_of("parked", self.family(name).key)
        return {tuple(json.loads(labels)): events_of(json.loads(value)) for _, labels, value, _ in rows}

    def total(self, name: str = "calls_total") -> int:
        return sum(self.exposed(name).values()) + sum(self.parked(name).values())

    def admission(self) -> Any:
        """Everything that decides who has a place."""
        return {
            name: (
                {labels: (series.past, series.measurements - series.mark) for labels, series in family.series.items()},
                [(t.key, t.count, t.error) for t in sorted(family.newcomers.heavy, key=lambda t: t.serial)],
                [bytes(count.registers) for count in family.newcomers.distinct],
                len(family.parking),
                family.newcomers.refused,
            )
            for name, family in self.store.families.items()
        }


def events_of(saved: list[Any]) -> int:
    return sum(saved[0]) if isinstance(saved[0], list) else saved[0] + saved[1]


# -- shapes


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/users/17/files/3f2b8c1e-1111-4222-8333-444455556666", "/users/{n}/files/{uuid}"),
        # Most have no other mark of an id.
        ("0b2f3c54-91a8-4be1-8f43-5a5c0f0a9f77", "{uuid}"),
        ("req ab2f3c54-91a8-4be1-8f43-fa5c0f0a9f77", "req {uuid}"),
        ("6f9619ff-8b86-d011-b42d-00c04fc964ff", "{uuid}"),
        ("https://api.example.com/v1/users/42?token=abc&x=1", "https://api.example.com/v1/users/{n}?{query}"),
        ("POST /users/123", "POST /users/{n}"),
        ("sess_9f86d081884c7d659a2f", "sess_{hex}"),
        ("call_abc123XYZabc123XYZabc1", "call_{id}"),
        ("order 1234567890", "order {n}"),
        ("2024-05-01T12:34:56.123Z", "{time}"),
        ("12:30:45", "{time}"),
        ("someone+tag@example.co.uk", "{email}"),
        ("10.0.0.1:8080", "{ip}"),
        ("fe80::1ff:fe23:4567:890a", "{ip}"),
        ("::1", "{ip}"),
        ("::ffff:10.0.0.1", "{ip}"),
        ("[::1]:50312", "{ip}"),
        ("/hosts/10.0.0.1/x", "/hosts/{ip}/x"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "{id}"),
        ("the quick brown fox jumps over the lazy dog and then over some more of them", "{text}"),
        *(
            (name, name)
            for name in (
                "success",
                "rate limit exceeded",
                "gpt-4o-2024-08-06",
                "claude-3-5-sonnet-20241022",
                "qwen2.5:0.5b",
                "qwen3:30b-a3b-instruct-2507-q4_K_M",
                "meta-llama/Llama-3.3-70B-Instruct",
                "registry.ollama.ai/library/qwen2.5:0.5b",
                "mcp__github__create_issue",
                "std::bad_alloc",
                "/api/chat",
                "/v1/chat/completions",
                "0.12.3",
                "ConvertHtml2PdfDocument",
                "deadbeef",
                "1/2",
                "5 /10",
                "2024/05/01",
                "react@18.2.0",
                "@modelcontextprotocol/server-github@2025.4.8",
                "actions/checkout@v3.1.0",
                "MistralSmall24BInstruct2501",
                "Llama4Maverick17B128EInstruct",
                "ade::f32",
                "feed::2b",
                "Chrome/120.0.0.0",
                "1.0.0.0-beta",
                "0.30000000000000004",
            )
        ),
    ],
)
def test_ids_become_placeholders_and_names_stay(value: str, expected: str) -> None:
    """What people call things is left alone."""
    assert generalize(value) == expected


@given(st.text(alphabet="abf0189-_./:@ T?=%", max_size=300))
def test_placeholders_are_final(value: str) -> None:
    """A value that was generalized is not generalized further, except that a long text may have become short."""
    once = generalize(value)
    assert generalize(once) == once or "{" in once


def test_shapes_are_seen_by_the_guard_unless_raw() -> None:
    """Ids share a series; with `raw` each has its own."""
    for raw, expected in ((frozenset[str](), 1), (frozenset({"path"}), 3)):
        spec = MetricSpec("x_total", "counter", "h", ("path",), raw=raw)
        store = Store({"x_total": spec}, LimitsSpec())
        site = store.site("x_total", {}, count_only=True)
        for number in range(3):
            site[f"/users/{number}"].count += 1
        assert len(store.families["x_total"].series) == expected


# -- the sketch and the estimate


@given(st.lists(st.integers(0, 30), max_size=400), st.integers(1, 12))
def test_sketch_bounds(stream: list[int], size: int) -> None:
    """count is never too low, count - error never too high, and a key above 1/size of all is there."""
    sketch = HeavyKeys(size)
    for number in stream:
        sketch.add(((0, str(number)),))
    true = Counter(stream)
    seen = {int(tracked.key[0][1]): tracked for tracked in sketch}
    for number, tracked in seen.items():
        assert tracked.certain <= true[number] <= tracked.count
    assert {number for number, count in true.items() if count > len(stream) / size} <= set(seen)


@given(st.lists(st.one_of(st.integers(0, 30), st.sampled_from(["halve", "remove"])), max_size=200), st.integers(1, 8))
def test_sketch_is_restored_as_it_was(stream: list[Any], size: int) -> None:
    """Rows written bit by bit bring back a sketch that goes on exactly as the first."""
    first, rows = HeavyKeys(size), {}
    for step, action in enumerate(stream):
        if action == "halve":
            first.halve()
        elif action == "remove":
            for tracked in list(first)[:1]:
                first.remove(tracked.key)
        else:
            first.add(((0, str(action)),))
        if step % 5 == 0:
            changed, gone = first.changes()
            rows.update({row[0]: row for row in changed})
            for slot in gone:
                rows.pop(slot, None)
            first.committed()
    changed, gone = first.changes()
    rows.update({row[0]: row for row in changed})
    for slot in gone:
        rows.pop(slot, None)
    second = HeavyKeys(size)
    second.restore(rows.values())
    for number in range(60):
        first.add(((0, str(number % 41)),))
        second.add(((0, str(number % 41)),))
    assert [(t.key, t.count, t.error) for t in first] == [(t.key, t.count, t.error) for t in second]


@pytest.mark.parametrize("number", [0, 1, 100, 5_000, 200_000])
def test_distinct_estimate(number: int) -> None:
    """Within four standard errors."""
    count = DistinctCount()
    for index in range(number):
        count.add(f"session-{index}")
        count.add(f"session-{index // 2}")
    assert abs(count.estimate - number) <= max(2, 0.13 * number)


# -- admission


@pytest.mark.parametrize("order", ["mixed", "junk first", "junk last", "rare first"])
def test_the_frequent_are_shown_whatever_comes_between(order: str) -> None:
    """200 names under a Zipf law among a million that come once: the 50 most frequent have a series each."""
    rng = random.Random(7)
    names = [f"tool-{chr(97 + rank // 26)}{chr(97 + rank % 26)}" for rank in range(200)]
    real = rng.choices(names, [1 / (rank + 1) for rank in range(200)], k=100_000)
    junk = [f"junk {index:x}" for index in range(1_000_000)]
    stream = real + junk
    if order == "mixed":
        rng.shuffle(stream)
    elif order == "junk first":
        stream = junk + real
    elif order == "rare first":
        stream = junk[:500_000] + sorted(real, key=names.index, reverse=True) + junk[500_000:]
    metric = MetricSpec("x_total", "counter", "h", ("tool",))
    store = Store({"x_total": metric}, LimitsSpec(values_per_label=200))
    site = store.site("x_total", {}, count_only=True)
    for value in stream:
        site[value].count += 1
    store.commit(0.0)

    family = store.families["x_total"]
    shown = {series.labels[0]: series.frozen for series in family.shown}
    assert {names[rank] for rank in range(50)} <= set(shown)
    assert len(shown) <= 201
    parked = sum(events_of(json.loads(value.saved)) for value in family.parking._memory.values())
    assert sum(shown.values()) + parked == len(stream)  # type: ignore[arg-type]


def test_a_heavy_newcomer_takes_a_place_and_the_displaced_one_resumes(tmp_path: Path) -> None:
    """Eight times and twice as often; what left comes back with its value."""
    kept = Kept(tmp_path, LimitsSpec(values_per_label=2), CALLS)
    for tool in ("a", "b", "b", "b"):
        kept.calls["x", tool].count += 1
    kept.commit()
    for _ in range(7):
        kept.calls["x", "c"].count += 1
    kept.commit()
    assert kept.exposed() == {("x", "a"): 1, ("x", "b"): 3, ("x", OVERFLOW): 7}
    kept.calls["x", "c"].count += 1
    kept.commit()
    assert kept.exposed() == {("x", "b"): 3, ("x", OVERFLOW): 7, ("x", "c"): 1}
    assert kept.parked() == {("x", "a"): 1}
    kept.kill()
    for _ in range(8):
        kept.calls["x", "a"].count += 1
    kept.commit()
    assert kept.exposed() == {("x", OVERFLOW): 14, ("x", "c"): 1, ("x", "a"): 2}
    assert kept.parked() == {("x", "b"): 3}
    assert dict(kept.family().moves) == {"admitted": 1, "displaced": 1, "resumed": 1}


def test_two_of_the_same_weight_do_not_take_turns() -> None:
    """Who has a place keeps it against one that comes as often."""
    store = Store({"calls_total": CALLS}, LimitsSpec(values_per_label=1))
    site = store.site("calls_total", {}, count_only=True)
    for _ in range(10_000):
        site["x", "a"].count += 1
        site["x", "b"].count += 1
    assert store.families["calls_total"].moves["displaced"] == 0


def test_what_was_heavy_long_ago_gives_way() -> None:
    """Weights halve with time, so a name that is frequent today needs no more than today's numbers."""
    store = Store({"calls_total": CALLS}, LimitsSpec(values_per_label=1))
    site = store.site("calls_total", {}, count_only=True)
    for _ in range(1_000):
        site["x", "old"].count += 1
    for half_life in range(12):
        store.commit(1_000.0 + half_life * (HALF_LIFE_S + 1))
    for _ in range(8):
        site["x", "new"].count += 1
    store.commit(1e6)
    assert ("x", "new") in {series.labels for series in store.families["calls_total"].shown}


def test_first_keeps_who_came_first() -> None:
    """`admission: first` is the plain one."""
    store = Store({"calls_total": CALLS}, LimitsSpec(values_per_label=1, admission="first"))
    site = store.site("calls_total", {}, count_only=True)
    site["x", "a"].count += 1
    for _ in range(100):
        site["x", "b"].count += 1
    store.commit(0)
    assert {series.labels for series in store.families["calls_total"].shown} == {("x", "a"), ("x", OVERFLOW)}


def test_label_sets_of_init_are_never_displaced_nor_idle(tmp_path: Path) -> None:
    """The config asked for them."""
    metric = MetricSpec("calls_total", "counter", "h", ("agent", "tool"), init=(("x", "a"),))
    kept = Kept(tmp_path, LimitsSpec(values_per_label=1, idle_s=10), metric)
    for _ in range(100):
        kept.calls["x", "b"].count += 1
    kept.now_s += 1_000
    kept.commit()
    kept.now_s += 1_000
    kept.commit()
    assert kept.exposed()["x", "a"] == 0


def test_no_more_is_parked_than_there_is_room_for(tmp_path: Path) -> None:
    """When the room is full nobody is displaced any more, and nobody falls idle; nothing is lost."""
    kept = Kept(tmp_path, LimitsSpec(values_per_label=1, parked=3, idle_s=100), CALLS)
    events = 0
    for tool in range(10):
        for _ in range(40 * (tool + 1)):
            kept.calls["x", f"t{chr(97 + tool)}"].count += 1
            events += 1
        kept.commit()
    kept.now_s += 1_000
    kept.commit()
    assert len(kept.parked()) == 3
    assert kept.total() == events


# -- idle


@pytest.mark.parametrize("killed", [False, True])
def test_idle_counters_and_histograms_resume_and_gauges_are_forgotten(tmp_path: Path, killed: bool) -> None:
    """They leave memory and exposition after `idle`; what comes later is added to what was."""
    gauge = MetricSpec("level", "gauge", "h", ("agent",))
    kept = Kept(tmp_path, LimitsSpec(idle_s=100), CALLS, SECONDS, gauge)
    kept.calls["x", "a"].count += 5
    kept.seconds["a"](1.0)
    kept.store.site("level", {}, count_only=False)["x"](3)
    kept.commit()
    kept.now_s += 99
    kept.commit()
    assert kept.store.size == 3
    kept.now_s += 20
    kept.commit()
    assert (kept.store.size, kept.exposed(), kept.exposed("level")) == (0, {}, {})
    if killed:
        kept.kill()
        assert kept.store.size == 0
    kept.calls["x", "a"].count += 1
    kept.seconds["a"](0.1)
    kept.commit()
    assert kept.exposed() == {("x", "a"): 6}
    [(series, frozen)] = kept.store.view().families[1][1]
    assert frozen == ((1, 2, 2), 1.1, 2)
    assert series.born == 0  # known from before: no zero for it
    assert kept.parked() == {}


def test_an_active_metric_leaves_when_nobody_was_active_for_long() -> None:
    """As other gauges do; keys that still count hold it."""
    store = Store({"live": MetricSpec("live", "active", "h", ("type",), window_s=50)}, LimitsSpec(idle_s=100))
    site = store.site("live", {}, count_only=False)
    site["llm"]["a"] = 0.0
    for now_s in (1.0, 60.0, 120.0, 200.0):
        store.commit(now_s)
    assert store.size == 0


# -- nothing is dropped

SCHEDULES = 60


def schedule_of(seed: int) -> list[Any]:
    """Bursts of calls whose favourites change, and now and then a commit, a fault, a kill, some time."""
    rng = random.Random(seed)
    actions: list[Any] = []
    for _ in range(rng.randint(5, 120)):
        favourite = rng.choice("abcdefghij")
        what = rng.random()
        if what < 0.45:
            tool = favourite if rng.random() < 0.7 else rng.choice("abcdefghij")
            actions.append(("call", rng.choice("xxxy"), tool, rng.choice([1, 2, 9, 20, 40])))
        elif what < 0.7:
            actions.append(("observe", favourite, rng.choice([0.1, 1.0, 5.0]), rng.choice([1, 9, 40])))
        else:
            others = ("commit", "commit", "fail before", "fail after", "kill", "wait", "wait", "long wait")
            actions.append((rng.choice(others),))
    return actions


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_exposed_plus_parked_is_what_matched(tmp_path: Path, seed: int) -> None:
    """At every commit, over evictions, idleness, failed commits and kills; and no shown value ever goes back."""
    kept = Kept(tmp_path / "state")
    schedule = schedule_of(seed)
    counted = durable = Counter[str]()
    unknown: Counter[str] | None = None  # durable or not: a commit that failed
    highest: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for name, *arguments in [*schedule, ("commit",)]:
        if name == "call":
            agent, tool, times = arguments
            for _ in range(times):
                kept.calls[agent, tool].count += 1
            counted = counted + Counter({"calls_total": times})
        elif name == "observe":
            tool, value, times = arguments
            for _ in range(times):
                kept.seconds[tool](value)
            counted = counted + Counter({"call_seconds": times})
        elif name == "kill":
            kept.kill()
            stored = Counter({metric: kept.total(metric) for metric in ("calls_total", "call_seconds")})
            kept.commit()
            assert +Counter({metric: kept.total(metric) for metric in stored}) in (durable, unknown)
            counted, unknown = +stored, None
        elif name in ("wait", "long wait"):
            kept.now_s += 400 if name == "wait" else HALF_LIFE_S
        elif not kept.commit(name.removeprefix("fail ") if name != "commit" else ""):
            unknown = counted if name == "fail after" else unknown
            continue
        if name in ("commit", "kill"):
            durable = counted
            for metric in ("calls_total", "call_seconds"):
                assert kept.total(metric) == counted[metric]
                family = kept.family(metric)
                assert family.guard.series <= 6
                assert len(family.parking) == len(kept.parked(metric))
                for labels, value in kept.exposed(metric).items():
                    assert value >= highest[metric, labels]
                    highest[metric, labels] = value
            assert kept.store.budget.series <= kept.limits.series + 2 * 5
            assert kept.store.budget.parked <= 20
    kept.state.close()


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_neither_cuts_nor_kills_change_who_has_a_place(tmp_path: Path, seed: int) -> None:
    """One run with a commit at the end, one with many, one that is killed after each: all the same."""
    rng = random.Random(seed)
    calls = []
    for _ in range(rng.randint(2, 30)):
        favourite = rng.choice("abcdefghij")
        for _ in range(rng.choice([5, 20, 60])):
            tool = favourite if rng.random() < 0.6 else rng.choice("abcdefghijklmnop")
            calls.append((rng.choice("xyz") if rng.random() < 0.1 else "x", tool))
    cut, other_cut = rng.randint(1, 50), rng.randint(5, 50)
    worlds = [Kept(tmp_path / str(number)) for number in range(3)]
    for number, call in enumerate(calls):
        for kept in worlds:
            kept.calls[call].count += 1
        if number % cut == 0:
            worlds[1].commit()
        if number % other_cut == 0:
            worlds[2].commit()
            worlds[2].kill()
    for kept in worlds:
        kept.now_s = 2_000
        kept.commit()
    assert worlds[0].family().moves["displaced"] or len(calls) <= 300
    first, second, third = ((kept.exposed(), list(kept.exposed()), kept.parked(), kept.admission()) for kept in worlds)
    assert first == second
    assert first[0] == third[0]
    assert first[2:] == third[2:]
    for kept in worlds:
        kept.state.close()


ENGINE_CONFIG = """
packs: []
limits: {values_per_label: 6, series_per_metric: 9, series: 60}
metrics:
  calls_total: {type: counter, help: h, labels: [agent, tool]}
  seconds: {type: histogram, help: h, labels: [tool], buckets: [0.5, 2]}
  level: {type: gauge, help: h, labels: [tool]}
rules:
  - {name: call, labels: {agent: agent, tool: tool}, update: {calls_total: n, seconds: s, level: n}}
"""


def test_block_sizes_do_not_change_the_exposition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same log in blocks of a few lines and of many, folded and committed at other times: the same text."""
    rng = random.Random(3)
    lines = []
    for _ in range(60):
        favourite = rng.choice("abcdefghijklm")
        for _ in range(60):
            tool = favourite if rng.random() < 0.7 else f"junk {rng.randrange(10**6):x}"
            record = {"agent": rng.choice("xy"), "tool": tool, "n": rng.randint(1, 9), "s": rng.random()}
            lines.append(json.dumps(record))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("\n".join(lines) + "\n")
    texts = []
    for number, block_bytes in enumerate((512, 4096, 32 * 1024, 1024 * 1024)):
        monkeypatch.setattr(tail, "BLOCK_BYTES", block_bytes)
        world = World(tmp_path / "logs", ENGINE_CONFIG, tmp_path / str(number))
        while world.engine._pass(scrape_waits=False):
            world.engine.commit()
        world.poll()
        texts.append(sorted(line for line in world.exposition().splitlines() if "commit" not in line))
        assert world.values("logmetrics_displaced_series_total")[("calls_total",)]
        world.close()
    assert texts[0] == texts[1] == texts[2] == texts[3]


# -- found by review


def test_the_sketch_does_not_grow_with_the_measurements() -> None:
    """Levels that no key has any more are gone: two values that alternate for long are two entries."""
    sketch = HeavyKeys(4)
    for number in range(20_000):
        sketch.add(((0, "ab"[number % 2]),))
    assert len(sketch._levels) <= 2
    for number in range(4):
        sketch.add(((0, f"new {number}"),))
    assert len(sketch) == 4
    assert len(sketch._levels) <= 4


@pytest.mark.parametrize("commits", [False, True])
def test_the_word_for_overflow_in_a_log_means_nothing(commits: bool) -> None:
    """Whenever it is committed, it is a value like others."""
    store = Store({"x_total": MetricSpec("x_total", "counter", "h", ("tool",))}, LimitsSpec(values_per_label=2))
    site = store.site("x_total", {}, count_only=True)
    for number, tool in enumerate([OVERFLOW, "b", "c", OVERFLOW, OVERFLOW]):
        site[tool].count += 1
        if commits:
            store.commit(number)
    store.commit(9)
    shown = {series.labels[0]: series.frozen for series in store.families["x_total"].shown}
    assert shown == {"overflow": 3, "b": 1, OVERFLOW: 1}


def test_a_gauge_without_labels_always_has_its_place() -> None:
    """There can be no flood of it, and there is nothing to overflow into."""
    metrics = {"g": MetricSpec("g", "gauge", "h"), "x_total": CALLS}
    store = Store(metrics, LimitsSpec(series=1))
    store.site("x_total", {}, count_only=True)["a", "b"].count += 1
    site = store.site("g", {}, count_only=False)
    for number in range(3):
        site[()](number)
        store.commit(number)
    assert [series.frozen for series in store.families["g"].shown] == [2]
    assert store.families["g"].guard.overflows == {}


def test_what_init_names_goes_on_from_its_parked_value(tmp_path: Path) -> None:
    """It fell idle, then the config was given `init` for it: never a 0."""
    kept = Kept(tmp_path, LimitsSpec(idle_s=100), CALLS)
    kept.now_s = 1.7e9
    kept.calls["x", "a"].count += 5
    kept.commit()
    kept.now_s += 200
    kept.commit()
    assert kept.parked() == {("x", "a"): 5}
    kept.metrics["calls_total"] = MetricSpec("calls_total", "counter", "h", ("agent", "tool"), init=(("x", "a"),))
    kept.kill()
    kept.commit()
    assert (kept.exposed(), kept.parked(), len(kept.family().parking)) == ({("x", "a"): 5}, {}, 0)
    kept.now_s += HALF_LIFE_S + 1
    kept.commit()
    kept.kill()
    kept.calls["x", "a"].count += 1
    kept.commit()
    assert kept.exposed() == {("x", "a"): 6}


def test_a_place_in_the_metric_is_needed_too(tmp_path: Path) -> None:
    """Overflow series that leave for a label's sake make no room among the metric's own series."""
    metric = MetricSpec(
        "calls_total", "counter", "h", ("agent", "tool"), values_max={"agent": 11, "tool": 2}, series_max=2
    )
    kept = Kept(tmp_path, LimitsSpec(), metric)
    for tool in "ab":
        for _ in range(1_000):
            kept.calls["x", tool].count += 1
    for number in range(10):
        kept.calls[f"y{number}", "c"].count += 1
    for number in range(10):
        for _ in range(40):
            kept.calls[f"z{number}", "a"].count += 1
    kept.commit()
    assert kept.family().guard.series <= 2
    assert kept.total() == 2_410


def test_lowered_limits_are_reached_as_newcomers_come(tmp_path: Path) -> None:
    """A newcomer displaces as many as it takes."""
    kept = Kept(tmp_path, LimitsSpec(), CALLS)
    for tool in "abcdef":
        kept.calls["x", tool].count += 1
    kept.commit()
    kept.limits = LimitsSpec(values_per_label=2, series_per_metric=2)
    kept.kill()
    for _ in range(8):
        kept.calls["x", "new"].count += 1
    kept.commit()
    assert (kept.family().guard.series, len(kept.family().guard.values[1].known)) == (2, 2)
    assert ("x", "new") in kept.exposed()
    assert kept.total() == 14


@pytest.mark.parametrize("seed", range(20))
def test_info_has_one_series_whatever_happens(tmp_path: Path, seed: int) -> None:
    """Over commits that fail or only seem to, kills, and a flood between two commits; also with `values: 1`."""
    info = MetricSpec("version_info", "info", "h", ("version",), values_max={"version": 1})
    kept = Kept(tmp_path, LimitsSpec(series=5), CALLS, info)
    rng = random.Random(seed)
    last = None
    for _ in range(60):
        site = kept.store.site("version_info", {}, count_only=False)
        for _ in range(rng.choice([0, 1, 1, 50])):
            last = f"v {rng.randrange(30)}"
            site[last](1)
            assert len(kept.family("version_info").series) == 1
        done = kept.commit(rng.choice(["", "", "before", "after"]))
        if done and last is not None:
            assert list(kept.exposed("version_info")) == [(last,)]
        if rng.random() < 0.2:
            kept.kill()
            assert len(kept.exposed("version_info")) <= 1
            last = next(iter(kept.exposed("version_info")), (None,))[0]
    rows = [row for row in kept.state.rows("series") if row[1] == kept.family("version_info").key]
    assert len(rows) <= 1


def test_long_raw_values_are_not_remembered() -> None:
    """A memo of whole prompts would be much memory."""
    store = Store({"x_total": MetricSpec("x_total", "counter", "h", ("text",))}, LimitsSpec())
    site = store.site("x_total", {}, count_only=True)
    for number in range(10):
        site[f"some words of a prompt {number} " * 20].count += 1
    assert (len(site), len(store.families["x_total"].guard.values[0].forms)) == (0, 0)
    assert list(store.families["x_total"].series) == [("{text}",)]


def test_self_metrics_go_on_whatever_a_rule_is_called(tmp_path: Path) -> None:
    """Its name is a label value there, and label values are made clean."""
    name = "a\tb"
    counts = []
    for matches in (3, 1):
        metrics = SelfMetrics(runtime=False)
        state = StateFile(str(tmp_path))
        store = Store({}, LimitsSpec())
        store.restore(state, metrics.kept)
        metrics.restored()
        metrics.set("logmetrics_rule_matches_total", matches, name)
        batch: Batch = {}
        store.collect(1.0, batch, metrics.kept)
        state.write({table: rows for table, rows in batch.items() if rows})
        store.publish(metrics.families)
        counts += [series.frozen for series in metrics.family("logmetrics_rule_matches_total").shown]
        state.close()
    assert counts == [3, 4]
