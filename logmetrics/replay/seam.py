"""Where history ends and the daemon begins: at the same byte of each log, so that no line is in both, or in neither."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from logmetrics.engine import Engine
from logmetrics.errors import StateError
from logmetrics.replay.history import History, add_to_reader
from logmetrics.replay.span import Place
from logmetrics.sources.discovery import FileId
from logmetrics.sources.position import position_of
from logmetrics.store.state import StateFile, StateReader

if TYPE_CHECKING:
    from collections.abc import Callable


def ends_before(directory: str) -> dict[FileId, int]:
    """For each file that the daemon with its state in *directory* knows: where it began to count. Raises StateError."""
    state = StateReader.open(directory)
    try:
        positions = [position_of(row, None) for row in state.rows("files")]
    except (ValueError, TypeError) as error:
        raise StateError(f"{state.path} is damaged: {error}") from error
    finally:
        state.close()
    return {position.file_id: position.begun for position in positions if position.file_id != (0, 0)}


def seed(history: History, directory: str, *, with_values: bool, say: Callable[[str], None]) -> int:
    """Make the state in *directory*, from which the daemon goes on at the byte at which *history* ends.

    It goes on with the values at that place, or without them from zero. Gives the number of files. Raises StateError.
    """
    state = StateFile(directory)
    try:
        if state.rows("files") or state.rows("series"):
            raise StateError(
                f"{state.path} is in use already: a daemon that has counted cannot be given a past; "
                "read what was before it with --before-state, or choose another --state-dir"
            )
        engine = Engine(history.job.config, state=state, say=say, runtime_metrics=False)
        try:
            engine.discover()
            files = _move_on(engine, _places(history))
            if with_values:
                _hand_over(engine, history)
            engine.commit()
        finally:
            engine.close()
        if engine.commit_problem is not None:
            raise StateError(f"the state could not be written: {engine.commit_problem}")
        return files
    finally:
        state.close()


def _places(history: History) -> dict[str, Place]:
    """Up to where each file is in *history*."""
    return {
        segment.path: place
        for read in history.logs
        for segment, place in zip(read.log.segments, read.places, strict=True)
    }


def _move_on(engine: Engine, places: dict[str, Place]) -> int:
    moved = 0
    for tail in list(engine.files.known.tails.values()):
        place = places.get(tail.found.path)
        if place is None or tail.content is None or not place.offset:
            continue
        tail.start_at(place.offset, skipping=place.skipping, ahead=place.ahead)
        engine.files.known.note(tail.position)
        moved += 1
    return moved


def _hand_over(engine: Engine, history: History) -> None:
    """Values, what rules remember, and the counts of lines."""
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
