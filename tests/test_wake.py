"""File notification: what it saves, and what happens when it does not work."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from logmetrics.config.specs import SourceSpec
from logmetrics.sources import wake
from logmetrics.sources.wake import DirectoryWatch
from tests.daemon import Daemon, wait_until
from tests.world import World


class Told:
    """What a watch over *directory* tells."""

    def __init__(self, directory: Path) -> None:
        self.names, self.growth = threading.Event(), threading.Event()
        self.said: list[str] = []
        source = SourceSpec("s", (str(directory),))
        self.watch = DirectoryWatch([source], self.names.set, self.growth.set, self.said.append)


def test_growth_is_told_only_while_it_is_wanted(tmp_path: Path) -> None:
    """New files always, writes while nothing else happens."""
    told = Told(tmp_path)
    (tmp_path / "a.log").write_text("x")
    assert told.names.wait(10)
    assert not told.growth.is_set()
    told.watch.watch_growth(True)
    (tmp_path / "a.log").write_text("xx")
    assert told.growth.wait(10)
    told.watch.watch_growth(False)
    told.watch.watch_growth(False)
    told.watch.stop()
    assert told.said == []


def test_the_kernel_is_asked_for_no_more_than_is_wanted(tmp_path: Path) -> None:
    """watchdog 7 reads and throws away what nobody wants any more, at a cost for each write; so it must not be sent."""
    told = Told(tmp_path)
    events: list[object] = []
    told.watch.watch_growth(True)
    told.watch.watch_growth(False)
    [emitter] = told.watch._observer.emitters
    inotify = getattr(getattr(emitter, "_inotify", None), "_inotify_fd", None)
    if not hasattr(inotify, "handle_event"):
        pytest.skip("this watchdog has a descriptor of its own for each watch")
    inotify.handle_event = events.append
    with (tmp_path / "a.log").open("a", buffering=1) as file:
        file.write("1\n2\n")
        told.watch.watch_growth(True)
        file.write("3\n")
    wait_until(lambda: any(event.is_modify for event in events))
    assert sum(event.is_modify for event in events) == 1
    told.watch.stop()


def test_misses_end_the_trust(tmp_path: Path) -> None:
    """A scan that finds again and again what no event told of is the truth; one event in between is enough to go on."""
    told = Told(tmp_path)
    for missed in (True, True, False, True, True):
        told.watch.check(missed=missed)
    assert told.watch.works
    told.watch.check(missed=True)
    assert not told.watch.works
    assert told.said == [
        "no file notification (it misses what happens, as on network file systems); looking at files by polling only"
    ]
    told.watch.watch_growth(True)
    told.watch.stop()


def test_too_many_directories_are_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog 7 says nothing about directories that it cannot watch, so they are counted first."""
    (tmp_path / "limit").write_text("4\n")
    for number in range(5):
        (tmp_path / "logs" / str(number)).mkdir(parents=True)
    monkeypatch.setattr(wake, "_MAX_WATCHES", tmp_path / "limit")
    told = Told(tmp_path / "logs")
    assert not told.watch.works
    assert "6 directories, and fs.inotify.max_user_watches is 4" in told.said[0]
    told.watch.stop()


def test_no_more_inotify_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is told, and polling goes on."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(wake.Observer, "schedule", refuse, raising=False)
    told = Told(tmp_path)
    assert not told.watch.works
    assert "inotify instance limit reached" in told.said[0]


def test_overflow_is_a_reason_to_look_at_everything(tmp_path: Path) -> None:
    """watchdog tells of it in its log only."""
    told = Told(tmp_path)
    logging.getLogger("watchdog.observers.inotify_c").warning("inotify queue overflow")
    assert told.watch.overflowed
    assert told.names.is_set()
    told.watch.stop()


def test_quiet_files_cost_nothing_while_writes_are_told(tmp_path: Path) -> None:
    """Between two looks at everything, a pass looks at no file that is still."""
    world = World(tmp_path)
    for number in range(100):
        world.write(f"{number}.log", number)
    world.poll()
    told = Told(tmp_path)
    world.engine.pace.watch = told.watch
    world.engine.caught_up = True
    world.poll(60)
    world.poll(60)
    looks: list[object] = []
    turn = world.engine.files.turn
    world.engine.files.turn = lambda tail, clock_s, now_s: (looks.append(tail), turn(tail, clock_s, now_s))[1]  # type: ignore[method-assign,func-returns-value]
    world.now_s += 5
    assert not world.engine._pass(scrape_waits=False)
    assert looks == []
    world.write("7.log", "new")
    assert told.growth.wait(10)
    world.engine.grown()
    world.engine._pass(scrape_waits=False)
    world.engine.commit()
    assert world.counted()["new"] == 1
    told.watch.stop()
    world.close()


def test_new_directories_without_a_race(tmp_path: Path) -> None:
    """Files in directories that are made at full speed are all found."""
    with Daemon(str(tmp_path)) as daemon:
        for number in range(200):
            directory = tmp_path / f"{number % 7}" / f"{number}"
            directory.mkdir(parents=True)
            line = f'{{"event": "tool_call", "agent": "a", "tool_name": "t", "n": {number}}}\n'
            (directory / "a.log").write_text(line)
        wait_until(lambda: daemon.total("agent_tool_calls_total") == 200)
