"""Where history ends and the daemon begins: at the same byte of each log, so that no line is in both, or in neither.

The bytes are put into the daemon's state before the first sample is written, the values when all are. So a replay that
was killed in between is run again up to the same bytes, whatever was appended since, and finds its own samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logmetrics.engine import Engine
from logmetrics.errors import StateError
from logmetrics.replay.history import History, add_to_reader
from logmetrics.replay.logs import Ends
from logmetrics.replay.span import Place
from logmetrics.sources.discovery import FileId
from logmetrics.sources.position import Position, position_of
from logmetrics.sources.tail import Tail
from logmetrics.store.state import FILE_NAME, StateFile, StateReader
from logmetrics.store.store import store_of

if TYPE_CHECKING:
    from collections.abc import Callable

_LINES = "logmetrics_source_lines_total"


def ends_before(directory: str) -> dict[FileId, int | None]:
    """For each file that the daemon with its state in *directory* knows: where it began to count. Raises StateError.

    None is the end of a compressed file, whose bytes are others than those of its log.
    """
    state = StateReader.open(directory)
    try:
        return _ends(_positions(state))
    finally:
        state.close()


def _positions(state: StateReader) -> list[Position]:
    try:
        return [position_of(row, None) for row in state.rows("files")]
    except (ValueError, TypeError) as error:
        raise StateError(f"{state.path} is damaged: {error}") from error


def _ends(positions: list[Position]) -> dict[FileId, int | None]:
    return {each.file_id: None if each.raw else each.begun for each in positions if each.file_id != (0, 0)}


@dataclass(frozen=True, slots=True)
class Seam:
    """A state from which a daemon is to go on, and what is in it already."""

    directory: str
    # Up to where each file is history; None before that is decided.
    ends: Ends | None = None
    has_values: bool = False


def seam_of(directory: str) -> Seam:
    """What a replay that was here before left in *directory*. Raises StateError if a daemon has counted since."""
    if not os.path.exists(os.path.join(directory, FILE_NAME)):
        return Seam(directory)
    state = StateReader.open(directory)
    try:
        positions, lines = _positions(state), _lines(state)
    finally:
        state.close()
    if any(each.offset != each.begun for each in positions) or (lines and not positions):
        raise StateError(
            f"{state.path} is in use already: a daemon that has counted cannot be given a past; "
            f"read what was before it with --before-state {directory}, or choose another --state-dir"
        )
    return Seam(directory, _ends(positions), has_values=lines > 0) if positions else Seam(directory)


def _lines(state: StateReader) -> int:
    """How many lines are counted in *state*."""
    if not state.rows("families"):
        return 0
    family = store_of(state).families.get(_LINES)
    return sum(int(str(series.present())) for series in family.series.values()) if family else 0


class Seeding:
    """Makes the state of *seam*, from which the daemon goes on at the byte at which *history* ends.

    Other processes are kept out of it from ``begin`` to ``close``.
    """

    def __init__(self, seam: Seam, say: Callable[[str], None]) -> None:
        self._seam = seam
        self._say = say
        self._state: StateFile | None = None
        self._engine: Engine | None = None
        # How many files there are of which something is history.
        self.files = 0

    def begin(self, history: History) -> None:
        """Put the places into the state, if they are not there yet. Raises StateError."""
        self._state = StateFile(self._seam.directory)
        say = self._say if self._seam.ends is None else lambda _: None
        engine = self._engine = Engine(history.job.config, state=self._state, say=say, runtime_metrics=False)
        if self._seam.ends is not None:
            self.files = sum(end != 0 for end in self._seam.ends.values())
            return
        self.files = _move_on(engine, _places(history))
        self._commit()

    def finish(self, history: History) -> None:
        """Put values, what rules remember, and the counts of lines into the state. Raises StateError."""
        assert self._engine
        _hand_over(self._engine, history)
        self._commit()

    def _commit(self) -> None:
        assert self._engine
        self._engine.commit()
        if self._engine.commit_problem is not None:
            raise StateError(f"the state could not be written: {self._engine.commit_problem}")

    def close(self) -> None:
        """Let others in."""
        if self._engine is not None:
            self._engine.close()
        if self._state is not None:
            self._state.close()


def _places(history: History) -> dict[FileId, Place]:
    """Up to where each file is in *history*."""
    return {
        segment.file_id: place
        for read in history.logs
        for segment, place in zip(read.log.segments, read.places, strict=True)
    }


def _move_on(engine: Engine, places: dict[FileId, Place]) -> int:
    """Find all files, and give those their places that are history; how many that are."""
    known = engine.files.known
    moved: set[FileId] = set()
    while True:
        before = len(known.tails)
        engine.discover()
        for file_id, tail in list(known.tails.items()):
            place = places.get(file_id, Place())
            if place != Place() and file_id not in moved and _start_at(tail, place):
                known.note(tail.position)
                moved.add(file_id)
            known.close(tail)
        # No more files are taken up at a time than may be open.
        if not known.look_again or len(known.tails) == before:
            return len(moved)


def _start_at(tail: Tail, place: Place) -> bool:
    """Whether the file could be given its place; it may have been truncated, or be gone, since it was read."""
    content = tail.content
    if content is None or content.end(place.offset) < place.offset:
        return False
    tail.start_at(place.offset, skipping=place.skipping, ahead=place.ahead)
    return True


def _hand_over(engine: Engine, history: History) -> None:
    for name, family in history.store.families.items():
        mine = engine.store.families[name]
        for series in family.series.values():
            mine.adopt(series)
    for reader, source in zip(engine.readers, history.sources, strict=True):
        add_to_reader(reader, source.tally)
    for reader, program in zip(engine.readers, history.programs, strict=True):
        reader.program.adopt(_rows_of(program.rows(reader.spec.name)))


def _rows_of(rows: Iterable[tuple[str, str, str, int, str]]) -> list[tuple[str, str, str, int, str]]:
    return sorted(rows, key=lambda row: row[3])
