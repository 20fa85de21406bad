"""Reload: another config while it runs, without losing a line, a value or what rules remember."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from logmetrics.config.changes import changes, in_force
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config
from logmetrics.errors import LogmetricsError
from logmetrics.packs import builtin_packs
from logmetrics.service.reload import Reloads, put_in_force
from logmetrics.service.systemd import Notify
from logmetrics.sources.position import RESTARTS
from tests.daemon import Daemon, wait_until
from tests.world import LINES_CONFIG, World

# So many reloads the daemon goes through; a third of them broken.
RELOADS = int(os.environ.get("RELOADS", "150"))
TASKS = """
packs: []
metrics:
  lines_total: {type: counter, help: Lines by text, labels: [text]}
  tasks_total: {type: counter, help: Tasks, labels: []}
rules:
  - {name: line, labels: {text: n}, update: {lines_total: 1}}
  - {name: task, pair: {start: n == "start", end: n == "end", key: '"one"'}, update: {tasks_total: 1}}
"""
HISTOGRAM = """
packs: []
metrics:
  lines_total: {type: histogram, help: Lines by text, labels: [text], buckets: [1, 2]}
rules:
  - {name: line, labels: {text: n}, update: {lines_total: 1}}
"""


def config_in(text: str, **paths: Path) -> Config:
    """The config *text* with a source for each of *paths*."""
    sources = "".join(
        f"  - {{name: {name}, paths: {path}, format: json, exclude: ['*.no']}}\n" for name, path in paths.items()
    )
    return parse_config(f"sources:\n{sources}{text}", "config.yaml", builtin_packs())


def reload(world: World, text: str, **paths: Path) -> list[str]:
    """Put another config in force as the engine's thread would."""
    world.engine.commit()
    return put_in_force(world.engine, config_in(text, **(paths or {"test": world.directory})))


@pytest.fixture(params=["state", "no state"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    (tmp_path / "logs").mkdir()
    made = World(tmp_path / "logs", TASKS, tmp_path / "state" if request.param == "state" else None)
    yield made
    made.close()


def test_values_places_and_open_pairs_stay(any_world: World) -> None:
    """A line that was read is not read again, a start that was open finds its end."""
    any_world.write("a.log", 1, 2, "start")
    any_world.poll()
    reload(any_world, TASKS + "commit_interval: 5s\n")
    any_world.write("a.log", 1, "end")
    any_world.poll()

    assert any_world.counted() == {"1": 2, "2": 1, "start": 1, "end": 1}
    assert any_world.values("tasks_total") == {(): 1}
    assert any_world.values("logmetrics_source_lines_total") == {("test",): 5}
    assert any_world.values("logmetrics_rule_matches_total") == {("line",): 5, ("task",): 1}
    assert any_world.engine.config.commit_interval_s == 5


def test_half_a_line_is_counted_once_it_is_whole(any_world: World) -> None:
    """What a tail holds of an incomplete line goes with it."""
    any_world.write("a.log", "half", end="")
    any_world.poll()
    reload(any_world, TASKS)
    with (any_world.directory / "a.log").open("a") as file:
        file.write("\n")
    any_world.poll()

    assert any_world.counted() == {"half": 1}


def test_a_deleted_log_is_read_to_its_end(any_world: World) -> None:
    """The descriptor stays open through a reload."""
    path = any_world.write("a.log", 1)
    with path.open("a") as file:
        any_world.poll()
        path.unlink()
        any_world.poll()
        reload(any_world, TASKS)
        file.write('{"n": "late"}\n')
        file.flush()
        any_world.poll()

    assert any_world.counted() == {"1": 1, "late": 1}


def test_a_metric_of_another_shape_begins_at_zero_and_comes_back(tmp_path: Path) -> None:
    """Values of what a metric was are kept for a rollback."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", LINES_CONFIG, tmp_path / "state")
    world.write("a.log", 1, 1)
    world.poll()

    assert reload(world, HISTOGRAM) == []
    world.write("a.log", 1)
    world.poll()
    assert world.values("lines_total") == {("1",): ((1, 1, 1), 1.0, 1)}

    assert reload(world, LINES_CONFIG) == ["lines_total"]
    world.write("a.log", 1)
    world.poll()
    assert world.counted() == {"1": 3}
    world.kill()
    world.poll()
    assert world.counted() == {"1": 3}
    world.close()


def test_a_source_that_ended_goes_on_where_it_was_when_it_comes_back(any_world: World) -> None:
    """Its files are left, nothing of them is lost, and nothing is counted twice."""
    other = any_world.directory.parent / "other"
    other.mkdir()
    any_world.write("a.log", 1)
    any_world.poll()
    reload(any_world, TASKS, test=other)
    any_world.write("a.log", 2)
    for _ in range(40):
        any_world.poll(5)
    assert any_world.counted() == {"1": 1}
    assert any_world.values("logmetrics_source_files") == {("test",): 0}

    reload(any_world, TASKS, test=other, again=any_world.directory)
    any_world.poll()
    assert any_world.counted() == {"1": 1, "2": 1}
    assert any_world.lost() == {}
    assert any_world.values("logmetrics_source_lines_total") == {("test",): 1, ("again",): 1}


def test_a_source_under_another_name_takes_the_logs_over(any_world: World) -> None:
    """Also one that lost its name, as long as there is a source of its source's name."""
    any_world.write("a.log", 1)
    any_world.write("b.log", 2, end="")
    any_world.poll()
    reload(any_world, TASKS, renamed=any_world.directory)
    any_world.write("a.log", 3)
    any_world.write("b.log", 4, end="\n", mode="a")
    any_world.poll()

    assert any_world.values("logmetrics_source_files") == {("renamed",): 2}
    assert any_world.counted()["1"] == any_world.counted()["3"] == 1
    assert not any(reason in RESTARTS for reason in any_world.decisions())


def test_what_was_excluded_is_looked_at_again(any_world: World) -> None:
    """A file that was passed over is a log for the new config."""
    reload(any_world, TASKS)
    any_world.write("a.no", 1)
    any_world.poll()
    assert any_world.counted() == {}

    text = f"sources:\n  - {{name: test, paths: {any_world.directory}, format: json}}\n{TASKS}"
    any_world.engine.commit()
    put_in_force(any_world.engine, parse_config(text, "config.yaml", builtin_packs()))
    any_world.poll()
    assert any_world.counted() == {"1": 1}


def test_a_new_source_may_begin_at_its_end(any_world: World) -> None:
    """`from: end` means what it means at a first start."""
    other = any_world.directory.parent / "other"
    other.mkdir()
    (other / "b.log").write_text('{"n": "old"}\n')
    text = (
        f"sources:\n  - {{name: test, paths: {any_world.directory}, format: json}}\n"
        f"  - {{name: new, paths: {other}, format: json, from: end}}\n{TASKS}"
    )
    any_world.poll()
    put_in_force(any_world.engine, parse_config(text, "config.yaml", builtin_packs()))
    any_world.poll()
    with (other / "b.log").open("a") as file:
        file.write('{"n": "new"}\n')
    any_world.poll()

    assert any_world.counted() == {"new": 1}


def test_shorter_lines_are_allowed_from_now_on(any_world: World) -> None:
    """A log whose lines are told otherwise goes on at its first line that was not counted."""
    any_world.write("a.log", "x" * 5000, end="")
    any_world.poll()
    text = (
        f"sources:\n  - {{name: test, paths: {any_world.directory}, format: json, max_line_bytes: 2KiB}}\n"
        f"limits: {{label_value_bytes: 10000}}\n{TASKS}"
    )
    put_in_force(any_world.engine, parse_config(text, "config.yaml", builtin_packs()))
    any_world.write("a.log", "", 1)
    any_world.poll()

    assert any_world.values("logmetrics_source_oversize_lines_total") == {("test",): 1}
    assert any_world.counted() == {"1": 1}


def test_gauges_of_what_is_no_more_go(any_world: World) -> None:
    """And counters stay, for they must not go back when it returns."""
    any_world.write("a.log", 1)
    any_world.poll()
    reload(any_world, "packs: []\n")
    any_world.poll()

    assert ("lines_total",) not in any_world.values("logmetrics_series")
    assert any_world.values("logmetrics_rule_matches_total")[("line",)] == 1
    with pytest.raises(KeyError):
        any_world.values("lines_total")


def test_a_reload_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether rules cannot be compiled, or the state not written."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", TASKS, tmp_path / "state")
    world.write("a.log", 1, "start")
    world.poll()
    assert world.state is not None
    before = world.engine.config
    holder = sqlite3.connect(world.state.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogmetricsError, match="cannot be written"):
        put_in_force(world.engine, config_in(HISTOGRAM, test=world.directory))
    holder.execute("ROLLBACK")
    holder.close()
    nested = "packs: []\nmetrics:\n  x: {type: gauge, help: X}\nrules:\n"
    nested += "  - {name: deep, update: {x: '" + "(" * 90 + "a" + " + 1)" * 90 + "'}}\n"
    with pytest.raises(LogmetricsError):
        put_in_force(world.engine, config_in(nested, test=world.directory))

    assert world.engine.config is before
    world.write("a.log", 1, "end")
    world.poll()
    assert world.counted() == {"1": 2, "start": 1, "end": 1}
    world.kill()
    world.poll()
    assert world.counted() == {"1": 2, "start": 1, "end": 1}
    assert world.values("tasks_total") == {(): 1}
    world.close()


def test_nothing_is_reloaded_while_commits_fail(tmp_path: Path) -> None:
    """What was counted so far must be safe first."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", TASKS, tmp_path / "state")
    world.engine._commits.problem = "the disk is full"
    with pytest.raises(LogmetricsError, match="the disk is full"):
        put_in_force(world.engine, config_in(HISTOGRAM, test=world.directory))
    world.close()


def test_series_of_a_source_that_was_there_are_no_news(any_world: World) -> None:
    """Prometheus is not shown 0 first for what a new source held already, but for what comes later."""
    other = any_world.directory.parent / "other"
    other.mkdir()
    (other / "b.log").write_text('{"n": "old"}\n')
    any_world.poll()
    reload(any_world, TASKS, test=any_world.directory, new=other)
    reload(any_world, TASKS, test=any_world.directory, new=other)  # before any of it is read
    any_world.poll()
    any_world.engine.store.takes_in = False  # as the loop does when everything is read
    any_world.write("a.log", "live")
    any_world.poll()

    view = any_world.engine.view()
    born = {s.labels[0]: s.born for spec, rows in view.families if spec.name == "lines_total" for s, _ in rows}
    assert born["old"] == 0
    assert born["live"] > 0


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_reloads_writes_rotations_and_kills(tmp_path: Path, seed: int) -> None:
    """Each line counts once, and no exposed counter ever goes back."""
    dice = random.Random(seed)
    logs, other = tmp_path / "logs", tmp_path / "other"
    logs.mkdir()
    other.mkdir()
    world = World(logs, TASKS, tmp_path / "state" if seed % 4 else None)
    written: Counter[str] = Counter()
    exposed: dict[str, int] = {}
    directories = [{"test": logs, "other": other}, {"other": logs, "test": other}, {"a": logs, "b": other}]
    texts = [TASKS, LINES_CONFIG, TASKS + "limits: {series: 50}\n", TASKS + "commit_interval: 9s\n"]
    reload(world, texts[0], **directories[0])
    now = 0
    for step in range(60):
        action = dice.choice(["write", "write", "write", "half", "poll", "reload", "rotate", "kill"])
        name = dice.choice(["a.log", "../other/b.log"])
        if action in ("write", "half"):
            text = dice.choice("abc")
            end = "\n" if action == "write" else ""
            path = logs / name
            # The rest of a half line comes first.
            rest = "" if not path.exists() or path.read_bytes()[-1:] in (b"", b"\n") else "\n"
            with path.open("a") as file:
                file.write(f'{rest}{{"n": "{text}", "step": {step}}}{end}')
            written[text] += 1
        elif action == "poll":
            world.poll()
        elif action == "reload":
            now = dice.randrange(3)
            world.poll()
            reload(world, dice.choice(texts), **directories[now])
        elif action == "rotate" and (logs / name).exists() and (logs / name).read_bytes()[-1:] == b"\n":
            world.poll()
            (logs / name).rename(logs / f"{name}.1")
            world.poll()
        elif action == "kill" and world.state_dir is not None:
            world.kill()
            reload(world, texts[0], **directories[now])
            world.poll()
        if action in ("poll", "reload"):
            shown = world.counted()
            assert all(shown.get(text, 0) >= count for text, count in exposed.items())
            exposed = shown
    for path in (logs / "a.log", other / "b.log"):
        if path.exists() and path.read_bytes()[-1:] not in (b"", b"\n"):
            with path.open("a") as file:
                file.write("\n")
    world.poll()
    world.poll()

    assert world.counted() == {text: count for text, count in written.items() if count}
    assert world.lost() == {}
    world.close()


CROWDED = """
packs: []
limits: {series: 30, series_per_metric: 8, values_per_label: 6, idle: 5m, parked: 40}
metrics:
  lines_total: {type: counter, help: Lines, labels: [text, kind], init: [{text: a, kind: x}]}
  seconds: {type: histogram, help: Seconds, labels: [text], buckets: [1, 5]}
  level: {type: gauge, help: Level, labels: [text]}
  active: {type: active, help: Active, labels: [kind], window: 1m}
  version: {type: info, help: Version, labels: [text]}
  all_total: {type: counter, help: All}
rules:
  - name: line
    labels: {text: n, kind: k}
    update: {lines_total: 1, seconds: v, level: v, active: n, version: 1, all_total: 1}
  - {name: rise, labels: {text: k, kind: n}, update: {lines_total: "rise(v, k)"}}
  - {name: once, when: once(n), update: {all_total: 10}}
"""


@pytest.mark.parametrize("seed", range(8))
def test_the_same_config_again_changes_nothing(tmp_path: Path, seed: int) -> None:
    """With full budgets, parked, displaced and idle series: what is exposed is what it is without reloads."""
    worlds = []
    for name in ("plain", "reloaded"):
        (tmp_path / name).mkdir()
        worlds.append(World(tmp_path / name, CROWDED, tmp_path / f"{name}.state" if seed % 2 else None))
    dice = random.Random(seed)
    for world in worlds:
        world.engine.commit()
    for _ in range(60):
        lines = [
            f'{{"n": "{dice.choice("abcdefghijkl")}", "k": "{dice.choice("xyzw")}", "v": {dice.randrange(9)}}}\n'
            for _ in range(dice.randrange(30))
        ]
        seconds = dice.choice([1, 1, 30, 400])
        for world in worlds:
            with (world.directory / "a.log").open("a") as file:
                file.writelines(lines)
        if dice.random() < 0.5:
            worlds[1].poll(0)
            worlds[0].poll(0)
            put_in_force(worlds[1].engine, worlds[1].engine.config)
        for world in worlds:
            world.poll(seconds)
        plain, reloaded = (_sorted_exposition(world) for world in worlds)
        assert reloaded == plain
    for world in worlds:
        world.close()


def _sorted_exposition(world: World) -> list[str]:
    """Without what tells about commits."""
    lines = (line for line in world.exposition().splitlines() if not line.startswith(("#", "logmetrics_commit")))
    return sorted(line for line in lines if "last_commit" not in line and "files" not in line)


# -- what is told


def test_what_is_told_of_a_change() -> None:
    """What came, went, is another one, and what only a restart changes."""
    before = config_in(TASKS, a=Path("/a"), b=Path("/b"))
    text = (
        HISTOGRAM.replace("name: line", "name: text") + "listen: 127.0.0.1:1\nlimits: {idle: 1h}\npoll_interval: 3s\n"
    )
    after = config_in(text, a=Path("/c"), c=Path("/b"))

    assert changes(before, after) == [
        "sources added: c; ended: b; changed: a; as before: 0",
        "metrics ended: tasks_total; another one: lines_total (other type and buckets); as before: 0",
        "rules added: text; ended: line, task; as before: 0",
        "settings changed: poll_interval 1s -> 3s, limits.idle 86400s -> 3600s",
        "listen: 127.0.0.1:8001 until a restart, then 127.0.0.1:1",
    ]
    assert changes(before, before) == []
    assert in_force(before, after).listen == before.listen


def test_asking_twice_reloads_once(any_world: World) -> None:
    """Signals that come together are one."""
    loaded = []

    def load() -> Config:
        loaded.append(1)
        return config_in(TASKS, test=any_world.directory)

    reloads = Reloads(any_world.engine, load, lambda _: None, Notify({}))
    reloads.ask()
    reloads.ask()
    any_world.engine.commit()
    for _, (function, _) in enumerate(any_world.engine._inbox.take()):
        function()

    assert loaded == [1]
    assert reloads.last is not None
    assert reloads.last.ok


def test_what_nobody_thought_of_is_told(any_world: World) -> None:
    """A service manager waits for the end of a reload, and a person for what became of it."""

    def fail(_: Config) -> None:
        raise RuntimeError("can't start new thread")

    told: list[str] = []
    notify = Notify({})
    notify.ready = lambda: told.append("ready")  # type: ignore[method-assign]
    reloads = Reloads(any_world.engine, lambda: config_in(TASKS, test=any_world.directory), fail, notify)
    reloads.ask()
    [(function, _)] = any_world.engine._inbox.take()
    function()

    assert told == ["ready"]
    assert reloads.last is not None
    assert not reloads.last.ok
    assert "can't start new thread; a restart puts the whole config in force" in any_world.messages[-1]
    assert any_world.engine.self_metrics.family("logmetrics_config_last_reload_successful").series[()].value == 0


# -- the daemon


def test_many_reloads_under_load(tmp_path: Path) -> None:
    """A third of them broken: totals are exact, no scrape fails or goes back, and memory does not grow."""
    logs, config = tmp_path / "logs", tmp_path / "config.yaml"
    logs.mkdir()
    good = f"sources:\n  - {{name: logs, paths: {logs}, format: json}}\n" + LINES_CONFIG
    versions = [
        good,
        good + "  - {name: another, when: n == 5, labels: {text: n}, update: {lines_total: 1}}\n",
        good.replace("rules:", "ruels:"),
        good.replace("help: Lines by text", "help: Lines by what they say"),
        good + "commit_interval: 1s\n",
        good.replace("update:", "updat:"),
    ]
    config.write_text(good)
    stop = threading.Event()
    lines = Counter[str]()

    def write() -> None:
        with (logs / "a.log").open("a") as file:
            while not stop.wait(0.001):
                for text in "abc":
                    file.write(f'{{"n": "{text}"}}\n' * 20)
                    lines[text] += 20
                file.flush()

    with Daemon("--config", str(config), "--state-dir", str(tmp_path / "state")) as daemon:
        daemon.wait_until_ready()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            shown = 0.0
            for number in range(RELOADS):
                config.with_suffix(".new").write_text(versions[number % len(versions)])
                config.with_suffix(".new").rename(config)
                daemon.process.send_signal(signal.SIGHUP)
                wait_until(lambda done=number + 1: daemon.total("logmetrics_config_reloads_total") >= done)
                ok = daemon.total("logmetrics_config_last_reload_successful")
                assert ok == (number % 3 != 2), daemon.stderr[-5:]
                now = daemon.total("lines_total")
                assert now >= shown
                shown = now
        finally:
            stop.set()
            writer.join()
        wait_until(lambda: daemon.total("lines_total") >= sum(lines.values()))
        assert {text: daemon.total("lines_total", text=text) for text in "abc"} == lines
        assert daemon.total("logmetrics_config_reloads_total", result="failure") == RELOADS // 3
        assert "Traceback" not in "".join(daemon.stderr)
