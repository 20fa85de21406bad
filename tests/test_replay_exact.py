"""A replay of a log gives what `watch --once` gives of it, and its samples are the same history in small steps."""

from __future__ import annotations

import json
import random
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from logmetrics.cli.options import resolve_config
from logmetrics.replay.pool import Processes
from logmetrics.rules.pairs import OpenPairs
from tests.replays import Replayed, Replays, totals_of
from tests.test_replay_cuts import CONFIG, START_S, lines_of, logs_in
from tests.world import config_for

ROOT = Path(__file__).parent.parent
# One by one: of several, watch reads each for a while in turns, and a gauge shows what was read last; a replay goes by
# the times in them.
FILES = [
    path
    for directory in ("tests/data", "examples/logs")
    for path in sorted((ROOT / directory).glob("*/*"))
    if path.is_file() and path.suffix not in (".md", ".py", ".pyc") and path.name != "expected.json"
]
# Of more bytes only the beginning is read: each part costs some milliseconds.
BYTES_MAX = 30_000


@pytest.fixture(scope="module")
def packs() -> Replays:
    return Replays(resolve_config(["x"], None, None))


@pytest.fixture(scope="module")
def rules() -> Replays:
    return Replays(config_for(Path(), CONFIG, format="auto"))


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_replay_is_watch_once(packs: Replays, file: Path, tmp_path: Path) -> None:
    """Every log of every pack, whole and in parts of odd sizes, down to parts shorter than a line."""
    data = file.read_bytes()[:BYTES_MAX]
    log = tmp_path / file.name
    log.write_bytes(data)
    watched = packs.watched(log)
    assert packs.run(log).text == watched
    part_bytes = max(len(data) // 25, 300) | 1
    assert packs.run(log, part_bytes=part_bytes, seed=part_bytes, wanted=7).text == watched


@pytest.mark.parametrize(
    "name", ["tests/data/qwen", "tests/data/autogen", "examples/logs/agents", "examples/logs/ollama"]
)
def test_samples_are_the_same_for_any_cut(packs: Replays, name: str) -> None:
    """With a sample for every 15 seconds."""
    whole = packs.run(ROOT / name, step_s=15)
    assert whole.values
    for part_bytes in (9_001, 70_000):
        assert packs.run(ROOT / name, step_s=15, part_bytes=part_bytes, seed=1, wanted=5).told == whole.told


@pytest.mark.slow
def test_processes_give_the_same(rules: Replays, tmp_path: Path) -> None:
    """Two, three or eight of them."""
    logs = logs_in(tmp_path, 25)
    whole = rules.run(logs, step_s=15)
    for jobs in (2, 3, 8):
        made = rules.run(logs, step_s=15, part_bytes=900, pool=partial(Processes, jobs=jobs))
        assert made.told == whole.told


# -- samples


def increments(replayed: Replayed) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What each counter grew by, over all its samples."""
    grown = {}
    for key, runs in replayed.values.items():
        if not key[0].endswith(("_total", "_bucket", "_count")):
            continue
        pairs = [pair for _, values in runs for pair in pairwise(values)]
        assert all(before <= after for before, after in pairs)
        grown[key] = runs[-1][1][-1] - runs[0][1][0]
    return grown


@pytest.mark.parametrize("seed", range(40))
def test_samples_are_the_totals_in_steps(rules: Replays, seed: int, tmp_path: Path) -> None:
    """A counter begins with a 0 one step before its first increment, has no gap unless it was idle, never falls, and
    ends at the total. What is before a moment and what is from it on are everything.
    """
    logs = logs_in(tmp_path, seed)
    whole = rules.run(logs, step_s=15)
    totals = totals_of(whole.families)
    for key, grown in increments(whole).items():
        name, labels = key
        runs = whole.values[key]
        assert runs[0][1][0] == 0
        if name.endswith("_total"):
            assert name in ("risen_total", "grown_total") or runs[0][1][1] > 0  # these may grow by nothing
            assert grown == totals[name, tuple(value for _, value in labels)]
        for (first_s, values), (next_s, _) in pairwise(runs):
            assert next_s - first_s - 15 * len(values) > 20 * 60 - 2 * 7_200
            assert values[-1] <= runs[-1][1][-1]
    middle_s = START_S + 3_600
    before, after = (
        increments(rules.run(logs, step_s=15, until_s=middle_s)),
        increments(rules.run(logs, step_s=15, since_s=middle_s)),
    )
    limited = {key for key in increments(whole) if any(value == "__overflow__" for _, value in key[1])}
    for key, grown in increments(whole).items() if not limited else ():
        assert before.get(key, 0) + after.get(key, 0) == pytest.approx(grown)


def write(path: Path, *records: dict[str, object]) -> Path:
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return path


def test_lines_out_of_order_are_of_their_own_step(rules: Replays, tmp_path: Path) -> None:
    """And those without a time of the step of the line before."""
    log = write(
        tmp_path / "x.log",
        {"kind": "a"},
        {"time": START_S + 100, "kind": "a"},
        {"time": START_S + 40, "kind": "a"},
        {"kind": "a"},
        {"time": START_S + 100, "kind": "a"},
    )
    [(first_s, values)] = rules.run(log, step_s=15).values["lines_total", (("kind", "a"),)]
    assert first_s == START_S + 30
    assert values == [0, 2, 2, 2, 2, 5]


# -- what was found wrong once


def test_the_label_set_of_info_is_the_last_one(rules: Replays, tmp_path: Path) -> None:
    """Also when it was told before another."""
    told = [{"time": START_S + second, "version": version} for second, version in enumerate(("one", "two", "one"))]
    log = write(tmp_path / "x.log", *told)
    assert 'version{version="one"} 1\n' in rules.watched(log)
    for part_bytes in (50, 100, 8_000):
        made = rules.run(log, step_s=15, part_bytes=part_bytes)
        assert made.text == rules.watched(log)
        assert [key for key in made.values if key[0] == "version"] == [("version", (("version", "one"),))]


def test_labels_that_are_too_long_overflow(rules: Replays, tmp_path: Path) -> None:
    """As they do when a log is followed; the number of measurements that did is the same."""
    log = write(tmp_path / "x.log", *({"kind": "k" * 60} for _ in range(3)), {"kind": "__overflow__"})
    watched = rules.watched(log)
    assert 'lines_total{kind="__overflow__"} 3\n' in watched
    assert rules.run(log).text == watched
    assert rules.run(log, part_bytes=30).text == watched


def test_a_gauge_of_several_logs_is_the_latest(rules: Replays, tmp_path: Path) -> None:
    """By the last line of each log, however these are cut."""
    write(tmp_path / "a.log", {"time": START_S + 600, "who": "ann", "level": 1})
    write(tmp_path / "b.log", *({"time": START_S + at, "who": "ann", "level": at} for at in (900, 300)))
    for part_bytes in (40, 8_000):
        assert 'level{who="ann"} 1\n' in rules.run(tmp_path, step_s=15, part_bytes=part_bytes).text


def test_what_is_not_wanted_bears_no_series(rules: Replays, tmp_path: Path) -> None:
    """A line without a time behind one that is too early is as early, also when a part begins with it."""
    log = write(tmp_path / "x.log", {"time": START_S, "kind": "a"}, {"kind": "b"}, {"time": START_S + 900, "kind": "c"})
    for part_bytes in (30, 45, 8_000):
        text = rules.run(log, step_s=15, since_s=START_S + 300, part_bytes=part_bytes).text
        assert [line for line in text.splitlines() if line.startswith("lines_total")] == ['lines_total{kind="c"} 1']


def test_a_pair_without_a_key_ends_what_is_too_old(rules: Replays, tmp_path: Path) -> None:
    """Its time is a time like any other, also in another part."""
    log = write(
        tmp_path / "x.log",
        {"time": START_S, "kind": "begin", "call": "a"},
        {"time": START_S + 500, "kind": "done", "call": None},
    )
    assert 'tasks_total{status="timeout"} 1\n' in rules.watched(log)
    assert rules.run(log, part_bytes=50).text == rules.run(log).text == rules.watched(log)


def test_starts_of_all_logs_and_parts_count_for_the_bound(
    rules: Replays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of logs before, of parts before, and of the part itself."""
    monkeypatch.setattr(OpenPairs, "OPEN_MAX", 5)
    for number, name in enumerate(("a", "b")):
        starts = [{"time": START_S + number, "kind": "start", "call": f"{name}{call}"} for call in range(1 + number)]
        write(tmp_path / f"{name}.log", *starts)
    write(tmp_path / "c.log", *({"time": START_S, "kind": "start", "call": f"c{call}"} for call in range(3)))
    whole = rules.run(tmp_path)
    assert 'logmetrics_rule_broken_pairs_total{rule="call",reason="given_up"} 1\n' in whole.text
    for part_bytes in (50, 100):
        assert rules.run(tmp_path, part_bytes=part_bytes).text == whole.text


def test_years_are_those_of_the_log(rules: Replays, tmp_path: Path) -> None:
    """A time without a year behind one with a year, in the next part, is of that year and not of the file's."""
    lines = ['{"time": "2024-05-01T00:00:00Z", "kind": "a"}', "May  2 00:00:00 host x[1]: hello"]
    log = tmp_path / "x.log"
    log.write_text("\n".join(lines) + "\n")
    whole = rules.run(log, step_s=15)
    assert whole.history.range_s == (1_714_521_600, 1_714_608_000)
    cut = rules.run(log, step_s=15, part_bytes=40)
    assert cut.history.range_s == whole.history.range_s
    assert cut.told == whole.told


def test_records_that_are_too_long_are_given_up_at_the_same_place(tmp_path: Path) -> None:
    """Where an object over many lines is longer than a record may be, and a part ends in it."""
    short = Replays(config_for(Path(), CONFIG, format="auto", max_line_bytes=1_024))
    lines = [json.dumps({"kind": "a", "pad": ["p" * 40] * 30}, indent=2), '{"kind": "b"}', "{", *['  "x": 1,'] * 20_000]
    log = tmp_path / "x.log"
    log.write_text("\n".join(lines) + '\n{"kind": "c"}\n')
    watched = short.watched(log)
    for part_bytes in (1_300, 65_536, 100_001, 8_000_000):
        assert short.run(log, part_bytes=part_bytes).text == watched


def test_many_random_logs_are_as_watched(rules: Replays, tmp_path: Path) -> None:
    """One file each, without any damage."""
    for seed in range(10):
        log = tmp_path / f"{seed}.log"
        log.write_bytes(b"\n".join(lines_of(random.Random(seed), 80)) + b"\n")
        watched = rules.watched(log)
        assert rules.run(log).text == watched
        assert rules.run(log, part_bytes=700).text == watched
