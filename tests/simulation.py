"""Random schedules of what writers, rotation programs and the daemon do, on a real directory, against an oracle.

A schedule is a list of actions with all their random numbers in it, so that it can be shortened and run again. The
oracle looks into every file of the tree after each action, and so knows each complete line that could be read. A line
may be missing only if it was destroyed before the daemon could have read it, and none may ever count twice.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import zstandard

from logmetrics.sources import files as files_module
from logmetrics.store.state import STATEMENTS, Batch, CommitError, StateFile
from tests.world import World

CONFIG = """
packs: []
limits: {series: 1_000_000, series_per_metric: 1_000_000, values_per_label: 1_000_000, idle: never}
metrics:
  lines_total: {type: counter, help: Lines by text, labels: [text]}
  pairs_total: {type: counter, help: Ends that found their start}
rules:
  - name: line
    when: has(n)
    labels: {text: n}
    update: {lines_total: 1}
  - name: pair
    pair: {start: e == "start", end: e == "end", key: k}
    update: {pairs_total: 1}
"""
OTHER_CONFIG = CONFIG.replace("rules:", "  more_total: {type: counter, help: Another}\nrules:").replace(
    "update: {lines_total: 1}", "update: {lines_total: 1, more_total: 1}"
)
_LINE = re.compile(rb'\{"n": "(\d+)"(?:, "e": "(start|end)", "k": "(\d+)")?, "pad": "x*"\}')
_OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".bz2": bz2.open,
    ".zst": zstandard.open,
}
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


class Crash(BaseException):
    """The daemon dies here."""


class Violation(AssertionError):
    """A promise was broken."""


@dataclass
class Writer:
    """An agent with an open log. Without *appending* it keeps an offset of its own, as some do."""

    path: Path
    appending: bool
    fd: int = -1
    unfinished: bytes = b""

    def open(self) -> None:
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self.appending else 0), 0o644)
        if not self.appending:
            os.lseek(self.fd, 0, os.SEEK_END)
        self.unfinished = b""

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class FaultyState(StateFile):
    """A state whose commits can fail or be the end of the process, at each of their steps."""

    fault = ""

    def write(self, batch: Batch) -> None:
        fault, FaultyState.fault = FaultyState.fault, ""
        if fault == "die before":
            raise Crash
        if fault == "fail before":
            raise CommitError("no space left")
        if fault == "die between":
            connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(STATEMENTS["series"], batch.get("series", []))
            connection.close()
            self._connection = None
            raise Crash
        super().write(batch)
        if fault == "die after":
            raise Crash
        if fault == "fail after":  # durable, but the daemon is told otherwise
            raise CommitError("input/output error")


@dataclass
class Simulation:
    """One schedule at work in *directory*."""

    directory: Path
    seed: int
    banner: int = 0
    world: World = field(init=False)
    # Complete lines by their number: in the tree now, ever, and those that may be missing.
    here: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    # Lines of deleted files that the daemon has open: readable for as long as it lives.
    held: set[str] = field(default_factory=set)
    exposed: dict[str, int] = field(default_factory=dict)
    pair_of: dict[str, tuple[str, str]] = field(default_factory=dict)
    generation: int = 0
    number: int = 0
    destroyed_bytes: int = 0

    def __post_init__(self) -> None:
        self.logs = self.directory / "logs"
        self.logs.mkdir()
        self.world = SimulationWorld(self.logs, CONFIG, self.directory / "state")
        names = ("a.log", "b.log", "deep/c.log")
        self.world.poll()  # what is compressed before the first look is not read
        self.writers = [Writer(self.logs / name, appending=self.seed % 5 != 0 or name == "a.log") for name in names]

    def close(self) -> None:
        for writer in self.writers:
            writer.close()
        self.world.close()

    # -- the oracle

    def look(self) -> None:
        """Take note of which lines are there, and of those that went away unread."""
        here: set[str] = set()
        for path in self.logs.rglob("*"):
            if path.is_file():
                here |= self._lines_of(path)
        gone = self.here - here - self.exposed.keys() - self.held
        self.excused |= gone
        self.here = here
        self.seen |= here

    def _lines_of(self, path: Path) -> set[str]:
        try:
            with _OPENERS.get(path.suffix, open)(path, "rb") as file:
                data = file.read()
        except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError):
            return set()  # not complete yet
        found = set()
        for line in data[: data.rfind(b"\n") + 1].split(b"\n"):
            if match := _LINE.fullmatch(line.lstrip(b"\0")):
                found.add(match[1].decode())
        return found

    def check(self) -> None:
        """What a scrape would show now: never twice, never back."""
        shown = {text: int(str(value)) for (text,), value in self.world.values("lines_total").items()}
        twice = {text for text, count in shown.items() if count > 1}
        if twice:
            raise Violation(f"counted twice: {sorted(twice, key=int)}")
        back = self.exposed.keys() - shown.keys()
        if back:
            raise Violation(f"counted before, and now no more: {sorted(back, key=int)}")
        unknown = shown.keys() - self.seen - {str(n) for n in range(self.number)}
        if unknown:
            raise Violation(f"never written: {sorted(unknown)}")
        self.exposed = shown
        self.held -= shown.keys()

    def finish(self) -> None:
        """Let everything settle, then hold the totals against what was written."""
        FaultyState.fault = ""
        for seconds in (2, 2, 2, 70, 70, 70, 2, 2):
            self.world.poll(seconds)
            self.look()
            self.check()
        missing = self.seen - self.excused - self.exposed.keys()
        if missing:
            raise Violation(f"not counted: {sorted(missing, key=int)}")
        both = sum(1 for start, end in self.pair_of.values() if start in self.exposed and end in self.exposed)
        pairs = self.world.values("pairs_total")[()]
        if pairs != both:
            raise Violation(f"{pairs} pairs instead of {both}")
        lost = sum(self.world.lost().values())
        if lost > self.destroyed_bytes:
            raise Violation(f"{lost} bytes in the ledger, but only {self.destroyed_bytes} destroyed")
        self.world.kill()
        self.world.poll()
        self.check()

    # -- what writers do

    def act(self, name: str, a: int, b: int) -> None:
        """Do one action with the random numbers *a* and *b*."""
        getattr(self, f"do_{name}")(a, b)

    def _line(self, number: int, more: str = "") -> bytes:
        pad = "x" * (number * 37 % 90)
        return f'{{"n": "{number}"{more}, "pad": "{pad}"}}\n'.encode()

    def _next(self) -> int:
        self.number += 1
        return self.number - 1

    def _write(self, writer: Writer, data: bytes) -> None:
        if writer.fd < 0:
            writer.open()
        if self.banner and os.fstat(writer.fd).st_size == 0 and not writer.unfinished:
            data = b'{"banner": "' + b"=" * self.banner + b'"}\n' + data
        os.write(writer.fd, data)
        if os.fstat(writer.fd).st_nlink == 0:  # nobody else will ever see it
            self.destroyed_bytes += len(data)

    def do_append(self, a: int, b: int) -> None:
        writer = self.writers[a % len(self.writers)]
        data = writer.unfinished + b"".join(self._line(self._next()) for _ in range(b % 6 + 1))
        writer.unfinished = b""
        self._write(writer, data)

    def do_append_many(self, a: int, b: int) -> None:
        writer = self.writers[a % len(self.writers)]
        data = writer.unfinished + b"".join(self._line(self._next()) for _ in range(b % 400 + 100))
        writer.unfinished = b""
        self._write(writer, data)

    def do_pair(self, a: int, b: int) -> None:
        writer = self.writers[a % len(self.writers)]
        start, end = self._next(), self._next()
        self.pair_of[str(start)] = (str(start), str(end))
        first = self._line(start, f', "e": "start", "k": "{start}"')
        second = self._line(end, f', "e": "end", "k": "{start}"')
        self._write(writer, writer.unfinished + first)
        writer.unfinished = b""
        if b % 2:
            self.do_poll(a, b)
        self._write(writer, second)

    def do_part_of_a_line(self, a: int, b: int) -> None:
        writer = self.writers[a % len(self.writers)]
        line = writer.unfinished or self._line(self._next())
        cut = b % len(line)
        self._write(writer, line[:cut])
        writer.unfinished = line[cut:]

    def do_garbage(self, a: int, b: int) -> None:
        writer = self.writers[a % len(self.writers)]
        self._write(writer, writer.unfinished + b"{not json\n" + b"x" * (b % 3000) + b"\n")
        writer.unfinished = b""

    # -- what rotation programs and people do

    def _existing(self, a: int, *, live: bool) -> Path | None:
        """Some file that is there: the log of a writer, or else a rotated one."""
        live_paths = {writer.path for writer in self.writers}
        paths = sorted(p for p in self.logs.rglob("*") if p.is_file() and (p in live_paths) is live)
        return paths[a % len(paths)] if paths else None

    def _writer_of(self, path: Path) -> Writer:
        return next(writer for writer in self.writers if writer.path == path)

    def _shift(self, path: Path) -> None:
        """Make room for path.1: every generation moves up by one, as logrotate does."""
        for number in range(30, 0, -1):
            for ending in ("", *_PACKERS):
                old = path.with_name(f"{path.name}.{number}{ending}")
                if old.exists():
                    old.rename(path.with_name(f"{path.name}.{number + 1}{ending}"))

    def do_rotate(self, a: int, b: int) -> None:
        path = self._existing(a, live=True)
        if path is None:
            return
        if b % 3 == 0:
            self.generation += 1
            new = path.with_name(f"{path.name}-202601{self.generation:02d}")
            if new.exists():
                return
        else:
            self._shift(path)
            new = path.with_name(f"{path.name}.1")
        path.rename(new)
        if b % 2:  # else the writer goes on writing to the old file for a while
            self._writer_of(path).open()

    def do_reopen(self, a: int, b: int) -> None:
        self.writers[a % len(self.writers)].open()

    def do_copytruncate(self, a: int, b: int) -> None:
        path = self._existing(a, live=True)
        if path is None:
            return
        self._shift(path)
        shutil.copy(path, path.with_name(f"{path.name}.1"))
        if b % 3 == 0:
            self.do_look_only(a, b)
        if b % 4 == 0:
            self.do_append(self.writers.index(self._writer_of(path)), b)
            self.look()
        self._destroy(path, lambda: os.truncate(path, 0), truncated=True)
        if b % 5 == 0:  # the new content is as long as the old, or longer, before anybody looks
            self.do_append_many(self.writers.index(self._writer_of(path)), b)

    def do_truncate(self, a: int, b: int) -> None:
        path = self._existing(a, live=True)
        if path is not None:
            self._destroy(path, lambda: os.truncate(path, 0), truncated=True)

    def do_shorten(self, a: int, b: int) -> None:
        """The end of a log is lost, as after a power cut; what follows is ambiguous until somebody looks."""
        path = self._existing(a, live=True)
        if path is None:
            return
        for _ in range(3):  # a file that was replaced is known as such when the old one was read
            self.world.poll(3)
        data = path.read_bytes()
        ends = [match.end() for match in re.finditer(rb"\n", data)]
        if len(ends) < 3 or data[:1] == b"\0":
            return
        writer = self._writer_of(path)
        self._destroy(path, lambda: os.truncate(path, ends[b % (len(ends) - 1)]), truncated=True)
        writer.open()
        self.world.poll(3)

    def do_delete(self, a: int, b: int) -> None:
        path = self._existing(a, live=b % 4 == 0)
        if path is not None:
            self._destroy(path, path.unlink)

    def do_recreate(self, a: int, b: int) -> None:
        """Delete and begin anew at once: the file system may give out the same inode again."""
        path = self._existing(a, live=True)
        if path is not None:
            writer = self._writer_of(path)
            writer.close()
            self._destroy(path, path.unlink)
            self.do_append(self.writers.index(writer), b)

    def do_replace(self, a: int, b: int) -> None:
        """An editor saves: the same content and more, or other content, under the same name but in a new file."""
        path = self._existing(a, live=True)
        if path is None or path.stat().st_nlink > 1:  # two names that are no generations of each other are two logs
            return
        old = path.read_bytes() if b % 2 else b""
        if old and not old.endswith(b"\n"):
            return
        new = self.directory / "new"
        new.write_bytes(old + b"".join(self._line(self._next()) for _ in range(b % 5)))
        self._destroy(path, lambda: new.rename(path))
        self._writer_of(path).open()

    def do_compress(self, a: int, b: int) -> None:
        path = self._existing(a, live=False)
        if path is None or path.suffix in _PACKERS or path.stat().st_nlink > 1:
            return
        ending = list(_PACKERS)[b % len(_PACKERS)]
        packed = path.with_name(path.name + ending)
        if packed.exists():
            return
        data = _PACKERS[ending](path.read_bytes())
        if b % 3 == 0:
            packed.write_bytes(data[: len(data) // 2])
            self.do_poll(a, b)
            if not path.exists():
                return
        packed.write_bytes(data)
        self._destroy(path, path.unlink)

    def do_move(self, a: int, b: int) -> None:
        path = self._existing(a, live=False)
        if path is None:
            return
        directory = self.logs / ("old", "older/still", ".")[b % 3]
        directory.mkdir(parents=True, exist_ok=True)
        new = directory / path.name
        if not new.exists():
            path.rename(new)

    def do_link(self, a: int, b: int) -> None:
        path = self._existing(a, live=True)
        if path is not None:
            new = self.logs / f"linked{b % 3}.log"
            if not new.exists():
                os.link(path, new)

    def _destroy(self, path: Path, action: Callable[[], object], *, truncated: bool = False) -> None:
        """Do what takes content away; what was unread is excused, unless the daemon has the deleted file open."""
        self.look()
        status = path.stat()
        lines = self._lines_of(path)
        before = self.here
        tail = self.world.engine.files.known.tails.get((status.st_dev, status.st_ino))
        action()
        if not truncated and status.st_nlink == 1 and tail is not None and tail.content is not None:
            self.held |= lines - self.exposed.keys()
        self.look()
        if lines & before - self.here - self.exposed.keys() or truncated:
            self.destroyed_bytes += status.st_size

    # -- what the daemon does

    def do_poll(self, a: int, b: int) -> None:
        self.world.now_s += (0.0, 0.05, 1.0, 3.0)[b % 4]
        while self.world.engine._pass(scrape_waits=False):
            pass

    def do_commit(self, a: int, b: int) -> None:
        self.world.engine.commit()
        self.check()

    def do_scrape(self, a: int, b: int) -> None:
        self.do_poll(a, b)
        self.do_commit(a, b)

    def do_look_only(self, a: int, b: int) -> None:
        with patch.object(files_module, "BLOCKS_PER_TURN", 0):
            self.world.engine._pass(scrape_waits=False)

    def do_read_some(self, a: int, b: int) -> None:
        with patch.object(files_module, "BLOCKS_PER_TURN", 1):
            self.world.engine._pass(scrape_waits=False)

    def do_crash(self, a: int, b: int) -> None:
        self._after_death()

    def do_crash_in_a_call(self, a: int, b: int) -> None:
        """Die at some system call of a poll."""
        try:
            with dying_at_call(b % 60):
                self.do_poll(a, 2)
        except Crash:
            pass
        self._after_death()

    def do_crash_in_a_commit(self, a: int, b: int) -> None:
        self.do_poll(a, b)
        FaultyState.fault = ("die before", "die between", "die after")[b % 3]
        try:
            self.world.engine.commit()
        except Crash:
            self._after_death()
        FaultyState.fault = ""

    def do_fail_a_commit(self, a: int, b: int) -> None:
        self.do_poll(a, b)
        FaultyState.fault = ("fail before", "fail after")[b % 2]
        self.world.engine.commit()
        FaultyState.fault = ""
        self.check()

    def do_fail_a_call(self, a: int, b: int) -> None:
        """A read fails with an error for once."""
        with failing_at_call(b % 60):
            self.do_poll(a, 2)

    def do_restart(self, a: int, b: int) -> None:
        self.world.restart((CONFIG, OTHER_CONFIG)[b % 2])
        self._died()

    def do_jump(self, a: int, b: int) -> None:
        """The wall clock goes back or forth, or the machine slept."""
        self.world.wall_offset_s += (-86_400, 3_600, -1, 10_000_000)[b % 4]
        self.world.now_s += (0, 0, 61, 7_200)[a % 4]

    def _after_death(self) -> None:
        self.world.kill()
        self._died()

    def _died(self) -> None:
        """Only what was committed is known now, and deleted files are gone."""
        self.world.engine.store.publish(self.world.engine.self_metrics.families)
        shown = {text: 1 for (text,) in self.world.values("lines_total")}
        self.excused |= self.held - shown.keys()
        self.held.clear()
        self.check()


class SimulationWorld(World):
    """A world whose state can fail, and whose wall clock can jump."""

    wall_offset_s = 0.0

    def _state(self) -> StateFile:
        return FaultyState(str(self.state_dir))

    def clock(self) -> float:
        return 1_000_000_000 + self.now_s + self.wall_offset_s


_CALLS = ("open", "pread", "fstat", "stat", "scandir")


@contextmanager
def _at_call(number: int, error: Callable[[], BaseException]) -> Iterator[None]:
    """Raise *error* at the system call *number* of those that reading files takes."""
    left = [number]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise error()
            return real(*args, **kwargs)

        return call

    patches = [patch.object(os, name, wrapped(getattr(os, name))) for name in _CALLS]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def dying_at_call(number: int) -> Any:
    return _at_call(number, Crash)


def failing_at_call(number: int) -> Any:
    return _at_call(number, lambda: OSError(5, "Input/output error"))


ACTIONS = {
    "append": 30,
    "append_many": 3,
    "pair": 6,
    "part_of_a_line": 8,
    "garbage": 2,
    "rotate": 8,
    "reopen": 4,
    "copytruncate": 5,
    "truncate": 2,
    "shorten": 1,
    "delete": 3,
    "recreate": 2,
    "replace": 3,
    "compress": 6,
    "move": 2,
    "link": 1,
    "poll": 14,
    "commit": 6,
    "scrape": 8,
    "look_only": 2,
    "read_some": 3,
    "crash": 4,
    "crash_in_a_call": 3,
    "crash_in_a_commit": 3,
    "fail_a_commit": 3,
    "fail_a_call": 2,
    "restart": 3,
    "jump": 2,
}
Action = tuple[str, int, int]


def schedule(seed: int, length: int = 60) -> list[Action]:
    """The schedule of *seed*; each switches off a random part of the actions, so that others come in crowds."""
    chance = random.Random(seed)
    names = [name for name in ACTIONS if name in ("append", "poll", "scrape") or chance.random() < 0.6]
    chosen = chance.choices(names, [ACTIONS[name] for name in names], k=length)
    return [(name, chance.randrange(1000), chance.randrange(1000)) for name in chosen]


def run(directory: Path, seed: int, actions: list[Action]) -> str | None:
    """Run *actions*; what went wrong, or None."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    FaultyState.fault = ""
    simulation = Simulation(directory, seed, banner=300 if seed % 3 == 0 else 0)
    try:
        for name, a, b in actions:
            simulation.act(name, a, b)
            simulation.look()
        simulation.finish()
    except Violation as violation:
        return str(violation)
    finally:
        simulation.close()
    return None


def shortened(directory: Path, seed: int, actions: list[Action]) -> list[Action]:
    """A part of *actions* that still goes wrong, with nothing in it that could be left out."""
    size = len(actions) // 2
    while size:
        start = 0
        while start < len(actions):
            fewer = actions[:start] + actions[start + size :]
            if run(directory, seed, fewer) is not None:
                actions = fewer
            else:
                start += size
        size //= 2
    return actions
