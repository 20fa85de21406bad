"""Hints that shorten the engine's sleep. None is ever needed: with all of them off, polling finds everything."""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable, Iterable
from glob import has_magic
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.discovery import plain_directory

# Not FileModifiedEvent: building one costs more than reading the line that caused it (63 against 5 microseconds). It is
# asked for only while nothing is written.
_NAMES: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
]
_NAMES_AND_GROWTH = [*_NAMES, FileModifiedEvent]

_MAX_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


class Waker:
    """A sleep that any thread, and a signal handler, can end. A pipe, because no lock may be taken in a handler."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()  # select() cannot take descriptors from 1024 on
        self._poll.register(self._read_fd, select.POLLIN)

    def wake(self) -> None:
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return  # full of wake-ups already

    def sleep(self, timeout_s: float, descriptors: Iterable[int] = ()) -> bool:
        """Wait for a wake-up, or until one of *descriptors* is readable, at most *timeout_s*; True when a wake-up came.

        Wake-ups since the last sleep count too.
        """
        also = list(descriptors)
        for fd in also:
            self._poll.register(fd, select.POLLIN)
        ready = self._poll.poll(max(timeout_s, 0.0) * 1000)
        for fd in also:
            self._poll.unregister(fd)
        if all(fd != self._read_fd for fd, _ in ready):
            return False
        try:
            while len(os.read(self._read_fd, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        return True

    def close(self) -> None:
        os.close(self._read_fd)
        os.close(self._write_fd)


class _Hint(FileSystemEventHandler):
    """watchdog's events, reduced to one call or the other."""

    def __init__(self, names_changed: Callable[[], None], grown: Callable[[], None]) -> None:
        super().__init__()
        self._names_changed, self._grown = names_changed, grown

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileModifiedEvent):
            self._grown()
        else:
            self._names_changed()


class _Overflow(logging.Handler):
    """watchdog tells of a full queue in its log only."""

    def __init__(self, watch: DirectoryWatch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage().lower():
            self._watch.overflowed = True
            self._watch.names_changed()


class DirectoryWatch:
    """Calls *names_changed* when files come or go in the directories of the sources, and *grown* when one is written.

    The latter only while ``watch_growth`` is on: an event for each write costs more than looking at the files. Nothing
    here is trusted for good: see ``check``.
    """

    # So often may a scan find what no event told of.
    MISSES_MAX = 3

    def __init__(
        self,
        sources: Iterable[SourceSpec],
        names_changed: Callable[[], None],
        grown: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.names_changed = names_changed
        # Set by watchdog's thread, told by the engine's.
        self.overflowed = False
        self._say = say
        self._hint = _Hint(names_changed, grown)
        self._directories = watched_directories(sources)
        self._watches: list[ObservedWatch] = []
        self._growth_is_watched = False
        self._misses = 0
        self.works = self._has_room()
        self._observer = Observer()
        self._log_handler = _Overflow(self)
        if not self.works:
            return
        logging.getLogger("watchdog").addHandler(self._log_handler)
        try:
            self._schedule(_NAMES)
            self._observer.start()
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def watch_growth(self, wanted: bool) -> None:
        """Have *grown* called for each write, or no more."""
        if not self.works or wanted == self._growth_is_watched:
            return
        self._growth_is_watched = wanted
        try:
            self._schedule(_NAMES_AND_GROWTH if wanted else _NAMES)
        except (OSError, KeyError) as error:  # KeyError: what watchdog raises for a directory that went away
            self._give_up(str(error))

    def check(self, *, missed: bool) -> None:
        """A scan found what an event had told of, or what none had. The latter again and again: no use in events."""
        self._misses = self._misses + 1 if missed else 0
        if self.works and self._misses >= self.MISSES_MAX:
            self._give_up("it misses what happens, as on network file systems")

    def stop(self) -> None:
        logging.getLogger("watchdog").removeHandler(self._log_handler)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join(timeout=1.0)

    def _schedule(self, events: list[type[FileSystemEvent]]) -> None:
        """Be told of *events*, and of no others.

        watchdog 7 has one watch for each directory, which tells what was asked for last. Two that ask for different
        things would not get along, and the new one has to be there before the old one goes.
        """
        before, schedule = self._watches, self._observer.schedule
        self._watches = [
            schedule(self._hint, directory, recursive=recursive, event_filter=events)
            for directory, recursive in sorted(self._directories.items())
        ]
        for watch in before:
            self._observer.unschedule(watch)

    def _has_room(self) -> bool:
        """watchdog 7 leaves directories unwatched without a word when there are more than the system allows."""
        try:
            allowed = int(_MAX_WATCHES.read_text())
        except (OSError, ValueError):
            return True
        wanted = sum(count_directories(d) if deep else 1 for d, deep in self._directories.items())
        if 2 * wanted <= allowed:  # for a moment there are an old and a new watch for each
            return True
        self._say(_POLLING.format(f"{wanted:,} directories, and fs.inotify.max_user_watches is {allowed:,}"))
        return False

    def _give_up(self, why: str) -> None:
        self.works = False
        self._say(_POLLING.format(why))
        self.stop()


_POLLING = "no file notification ({}); looking at files by polling only"


def count_directories(root: str) -> int:
    """Directories under *root*, itself included: each takes a watch."""
    return sum(1 for _ in os.walk(root))


def watched_directories(sources: Iterable[SourceSpec]) -> dict[str, bool]:
    """The directories to watch, and whether with what is below them. Those that do not exist are left to polling."""
    directories: dict[str, bool] = {}
    for source in sources:
        for path in map(os.path.expanduser, source.paths):
            recursive = os.path.isdir(path) or has_magic(path)
            directory = plain_directory(path) if recursive else os.path.dirname(path) or "."
            if os.path.isdir(directory):
                directories[directory] = directories.get(directory, False) or recursive
    return directories
