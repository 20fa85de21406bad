"""The logs of all sources that are no files, and the turns in which they are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from logmetrics.config.specs import JournalLogSpec
from logmetrics.sources.journal import JournalStream
from logmetrics.sources.journal_position import JournalPosition, JournalRow, position_of
from logmetrics.sources.journalctl import require_journalctl
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.stdin import StdinStream
from logmetrics.sources.stream import Stream

_STDIN = "-"


class Streams:
    """Only the engine's thread touches it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._streams: dict[str, Stream] = {}
        # The streams in the order of their turns.
        self._turns: deque[Stream] = deque()
        # Of all journals that were ever read; those that no source names now go on when one does again.
        self._positions: dict[str, JournalPosition] = {}

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def adopt(self, readers: Iterable[SourceReader]) -> None:
        """Read for *readers* from now on. A stream that was read for others before goes on where it is.

        Raises UsageError when there is nothing to read them with; then nothing has changed.
        """
        wanted: dict[str, tuple[SourceReader, JournalLogSpec | None]] = {}
        for reader in readers:
            for spec in reader.spec.journals:
                if spec.key in wanted:
                    owner = wanted[spec.key][0].spec.name
                    self._say(f"journal of {spec.name}: read for source {owner}, and not for {reader.spec.name}, too")
                wanted.setdefault(spec.key, (reader, spec))
            if reader.spec.is_stdin:
                wanted[_STDIN] = reader, None
        if any(spec is not None for _, spec in wanted.values()):
            require_journalctl()
        new = {key: self._made(*entry) for key, entry in wanted.items() if key not in self._streams}
        for key in self._streams.keys() - wanted.keys():
            gone = self._streams.pop(key)
            gone.close()
            self._turns.remove(gone)
        for key, stream in self._streams.items():
            stream.take_over(wanted[key][0])
        self._streams.update(new)
        self._turns.extend(new.values())

    def _made(self, reader: SourceReader, spec: JournalLogSpec | None) -> Stream:
        if spec is None:
            return StdinStream(reader, self._say)
        position = self._positions.get(spec.key)
        is_new = position is None
        if position is None:
            position = self._positions[spec.key] = JournalPosition(spec.key, reader.spec.name)
        return JournalStream(spec, reader, position, self._say, is_new=is_new)

    def know(self, readers: Iterable[SourceReader]) -> bool:
        """Whether all journals of *readers* were read before, be it by other readers."""
        return all(journal.key in self._positions for reader in readers for journal in reader.spec.journals)

    def follow_nothing(self) -> None:
        """Read what is there, or comes until an end, and no more: before the first turn."""
        for stream in self:
            stream.follows = False

    # -- turns

    def round(self) -> Iterator[Stream]:
        """All of them, each once; a round that is broken off goes on where it ended."""
        for _ in range(len(self._turns)):
            stream = self._turns[0]
            self._turns.rotate(-1)
            yield stream

    @property
    def caught_up(self) -> bool:
        """Whether all that was there at the start has been read, as far as it can be."""
        return all(stream.caught_up for stream in self)

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""
        return all(stream.ended for stream in self)

    @property
    def wake_s(self) -> float:
        """When a stream is to be looked at next (monotonic)."""
        return min((stream.wake_s for stream in self), default=float("inf"))

    @property
    def descriptors(self) -> list[int]:
        """What becomes readable when there is something to read."""
        return [fd for stream in self if (fd := stream.descriptor) is not None]

    def close(self) -> None:
        """Give back what they hold of the system."""
        for stream in self:
            stream.close()

    # -- commits

    @property
    def has_changes(self) -> bool:
        return any(position.changed for position in self._positions.values())

    def changes(self) -> list[JournalRow]:
        """The rows of ``journals`` that the next commit must write."""
        return [position.row() for position in self._positions.values() if position.is_worth_saving]

    def committed(self, rows: Iterable[JournalRow]) -> None:
        """*rows*, which ``changes`` gave, are durable."""
        for key, *_ in rows:
            self._positions[key].saved()

    def restore(self, rows: Iterable[JournalRow]) -> None:
        """Take over what an earlier run knew, before the first ``adopt``."""
        self._positions = {row[0]: position_of(row) for row in rows}
