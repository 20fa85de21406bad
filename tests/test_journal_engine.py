"""The engine and its streams, pass by pass: what a journal's reader does when time goes by, and when readers change."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from logmetrics.config.journals import journal_logs
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import SourceSpec
from logmetrics.engine import Engine
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compiled
from logmetrics.sources.journal import BEGIN_AGAIN_S, RETRY_S_MAX, JournalStream
from logmetrics.sources.reader import SourceReader
from logmetrics.store.state import StateFile
from tests.journals import OTHER_BOOT, Journal, numbered
from tests.world import LINES_CONFIG

WAIT_S = 20.0


class World:
    """An engine over journals, whose monotonic clock is the test's."""

    def __init__(self, directory: Path | None, *units: str, state: StateFile | None = None) -> None:
        self.now_s = 1_000.0
        self.messages: list[str] = []
        self.directory = directory
        config = replace(parse_config(LINES_CONFIG, "config.yaml", builtin_packs()), sources=(self.spec("a", *units),))
        self.engine = Engine(config, state=state, monotonic=lambda: self.now_s, say=self.messages.append)

    def spec(self, name: str, *units: str, **more: object) -> SourceSpec:
        where = None if self.directory is None else str(self.directory)
        return SourceSpec(name, (), journals=journal_logs(units, directory=where), **more)  # type: ignore[arg-type]

    def reader(self, spec: SourceSpec) -> SourceReader:
        return SourceReader(spec, compiled(self.engine.config, spec, self.engine.store))

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Give turns and wait for what journalctl says; the engine's clock nearly stands still."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s, self.messages
            self.now_s += 0.001
            if not self.engine._pass(scrape_waits=False):
                self.engine.waker.sleep(0.2, self.engine.streams.descriptors)
        self.engine.commit()

    def run_until_follows(self) -> None:
        self.run_until(lambda: all(s._doing.name == "FOLLOWING" and not s._is_before for s in self.streams))

    def run_until_counted(self, lines: int) -> None:
        self.run_until(lambda: sum(reader.lines for reader in self.engine.readers) == lines)

    @property
    def streams(self) -> list[JournalStream]:
        return [stream for stream in self.engine.streams if isinstance(stream, JournalStream)]

    @property
    def process_ids(self) -> list[int]:
        return [stream._run._process.pid for stream in self.streams if stream._run is not None]

    def close(self) -> None:
        self.engine.close()
        self.engine.waker.close()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal with an entry of each of two units."""
    made = Journal(tmp_path / "journal")
    made.write(numbered(1, unit="a.service") + numbered(2, unit="b.service"))
    return made


@pytest.fixture
def world(journal: Journal) -> Iterator[World]:
    """Watches unit a."""
    made = World(journal.directory, "a")
    yield made
    made.close()


def test_new_readers_for_the_same_journal(journal: Journal, world: World) -> None:
    """The process, its place and what was told go over; a unit that is gone is ended, and goes on when it is back."""
    world.run_until_follows()
    world.run_until_counted(1)
    before = world.process_ids
    old, engine = world.engine.readers, world.engine
    engine.readers = [world.reader(world.spec("other", "b", "a", start_at_end=True))]
    engine.streams.adopt(engine.readers)
    assert [reader.files for reader in (*old, *engine.readers)] == [0, 2]
    assert world.process_ids == before
    world.run_until_follows()
    journal.write(numbered(3, unit="a.service") + numbered(4, unit="b.service"))
    world.run_until_counted(2)
    assert before[0] in world.process_ids

    engine.readers = [world.reader(world.spec("other", "b"))]
    engine.streams.adopt(engine.readers)
    assert not Path(f"/proc/{before[0]}").exists()
    journal.write(numbered(5, 6, unit="a.service"))
    engine.readers = [world.reader(world.spec("again", "a"))]
    engine.streams.adopt(engine.readers)
    world.run_until_counted(2)
    assert [reader.spec.name for reader in engine.readers] == ["again"]


def test_a_unit_that_two_sources_name_is_read_once(world: World) -> None:
    """By the first of them, which is said."""
    engine = world.engine
    engine.readers = [world.reader(world.spec("one", "a")), world.reader(world.spec("two", "a.service", "b"))]
    engine.streams.adopt(engine.readers)
    world.run_until_counted(2)
    assert [reader.lines for reader in engine.readers] == [1, 1]
    assert "journal of a.service: read for source one, and not for two, too" in world.messages


def test_a_journalctl_that_hears_nothing_is_begun_again(journal: Journal, world: World, tmp_path: Path) -> None:
    """As when its directory is another one now; nobody needs to notice."""
    world.run_until_follows()
    [before] = world.process_ids
    journal.directory.rename(tmp_path / "moved")
    Journal(journal.directory).write(numbered(1, unit="a.service") + numbered(7, unit="a.service"))
    world.now_s += BEGIN_AGAIN_S - 5
    assert not world.engine._pass(scrape_waits=False)
    assert world.process_ids == [before]
    world.now_s += 5
    world.run_until_counted(2)
    assert world.process_ids != [before]


def test_failures_are_tried_again_slower_and_slower(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never in a busy loop; it is told once, and when it works again that counts."""
    starts = tmp_path / "starts"
    fake = tmp_path / "journalctl"
    fake.write_text(f"#!/bin/sh\necho >> {starts}\necho no way >&2\nexit 1\n")
    fake.chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path}:{path}")
    world = World(journal.directory, "a")
    began_s: list[float] = []
    for _ in range(12):
        world.run_until(lambda: not world.process_ids and world.now_s < world.engine.streams.wake_s)
        began_s.append(world.now_s)
        assert len(starts.read_text()) == len(began_s)
        world.now_s = max(world.now_s, world.engine.streams.wake_s)
    waited_s = [after - before for before, after in pairwise(began_s)]
    assert waited_s[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6], abs=0.1)
    assert waited_s[-1] == pytest.approx(RETRY_S_MAX, abs=0.1)
    assert world.messages == ["journal of a.service: no way"]
    assert world.engine.streams.caught_up  # nobody waits for it
    assert world.engine.readers[0].troubles
    monkeypatch.setenv("PATH", path)
    world.run_until_counted(1)
    assert not world.engine.readers[0].troubles
    world.close()


def test_the_next_boot_of_this_machine(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """journalctl follows the running boot only; what is left of earlier ones is read before."""
    monkeypatch.setenv("PATH", f"{journal.as_own(tmp_path)}:{os.environ['PATH']}")
    state = StateFile(str(tmp_path / "state"))
    world = World(None, "a", state=state)
    world.run_until_follows()
    world.run_until_counted(1)
    world.close()
    journal.write(numbered(3, 4, unit="a.service"))
    journal.write(numbered(5, boot=OTHER_BOOT, unit="a.service"))
    world = World(None, "a", state=state)
    world.run_until_counted(3)
    world.run_until_follows()
    journal.write(numbered(6, boot=OTHER_BOOT, unit="a.service"))
    world.run_until_counted(4)
    assert state.rows("journals")[0][0] == "_SYSTEMD_UNIT=a.service"
    assert state.rows("journals")[0][7] > 0  # all that was there by then is read
    world.close()
    state.close()


def test_vacuum_while_it_follows(journal: Journal, world: World) -> None:
    """Files that were read go away under a journalctl that is then killed: no gap, as far as that can be known."""
    world.run_until_follows()
    world.run_until_counted(1)
    journal.rotate()
    journal.write(numbered(3, unit="a.service"))
    world.run_until_counted(2)
    journal.vacuum()
    os.kill(world.process_ids[0], signal.SIGKILL)
    world.run_until(lambda: not world.process_ids)
    world.now_s += 1
    journal.write(numbered(4, unit="a.service"))
    world.run_until_counted(3)
    assert world.engine.readers[0].gap_s == 0
