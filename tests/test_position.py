"""File identity: what a log's position knows, and the decisions that follow from a look at a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from logmetrics.sources.content import Content
from logmetrics.sources.position import (
    FIRST_MARK,
    HEAD_BYTES,
    WINDOW_BYTES,
    Action,
    Decision,
    Position,
    Seen,
    compare,
    decide,
    file_row,
    fingerprint_row,
    position_of,
)
from logmetrics.store.state import StateFile

CASES = {
    "grown": (Seen(900, True, True), Decision(Action.CONTINUE, 500, "same_content")),
    "as it was": (Seen(500, True, True), Decision(Action.CONTINUE, 500, "same_content")),
    "emptied": (Seen(0, True, False), Decision(Action.RESTART, 0, "truncated")),
    "other content, larger": (Seen(900, False, False), Decision(Action.RESTART, 0, "other_content")),
    "other content, smaller": (Seen(90, False, False), Decision(Action.RESTART, 0, "other_content")),
    "the same banner, grown past the place": (Seen(900, True, False), Decision(Action.RESTART, 0, "rewritten")),
    "shorter": (Seen(400, True, False, line_start=380), Decision(Action.CONTINUE, 380, "shortened")),
    "a part of the first line": (Seen(40, True, False), Decision(Action.WAIT, 0, "first_line_incomplete")),
}


@pytest.mark.parametrize(("seen", "decision"), CASES.values(), ids=CASES)
def test_decide(seen: Seen, decision: Decision) -> None:
    """What a file looks like decides, for a log that was counted up to byte 500."""
    assert decide(500, seen) == decision


def counted(data: bytes, offset: int) -> Position:
    """The position of a log whose lines are counted up to *offset*, in steps of a kilobyte."""
    position = Position(1, "s", "p", "p", (1, 2))
    position.grow_head(data[:offset])
    for place in (*range(1000, offset, 1000), offset):
        position.advance(place, data[max(place - WINDOW_BYTES, 0) : place])
    position.end = len(data)
    return position


def lines(first: int, end: int) -> bytes:
    return b"".join(b"line number %06d\n" % number for number in range(first, end))


@pytest.mark.parametrize("offset", [17, 17 * 20, 17 * 1000])
def test_compare_tells_every_change(tmp_path: Path, offset: int) -> None:
    """The same, grown, shorter, rewritten with the same head, or other content: each is seen."""
    data = lines(0, 1000)
    position = counted(data, offset)
    cases = {
        data: "same_content",
        data + lines(1000, 1010): "same_content",
        data[:offset]: "same_content",
        data[: offset - 17] + b"LINE" + data[offset - 13 :]: "rewritten" if offset > HEAD_BYTES else "other_content",
        lines(5000, 7000): "other_content",
        b"": "truncated",
    }
    if offset > 17:
        cases[data[: offset - 17]] = "shortened"
    for content, reason in cases.items():
        path = tmp_path / "log"
        path.write_bytes(content)
        with path.open("rb") as file:
            assert decide(offset, compare(position, Content(file.fileno()))).reason == reason, content[:50]


def test_marks_tell_a_shorter_log_from_one_with_the_same_banner(tmp_path: Path) -> None:
    """Both begin with the same kilobyte; what is behind it was counted in one of them only."""
    banner = b"=" * HEAD_BYTES + b"\n"
    position = counted(banner + lines(0, 1000), 17_000)
    path = tmp_path / "log"
    for rest, reason in ((lines(0, 500), "shortened"), (lines(5000, 5500), "other_content")):
        path.write_bytes(banner + rest)
        with path.open("rb") as file:
            assert decide(17_000, compare(position, Content(file.fileno()))).reason == reason
    assert FIRST_MARK <= position.marks[0][0] < 2 * FIRST_MARK


def test_nulls_tell_nothing(tmp_path: Path) -> None:
    """Holes look alike: a position behind nothing but NULs matches no other file."""
    position = counted(bytes(500), 500)
    path = tmp_path / "log"
    path.write_bytes(bytes(500) + b"x\n")
    with path.open("rb") as file:
        assert decide(500, compare(position, Content(file.fileno()))).action is Action.RESTART


def test_rows_bring_a_position_back(tmp_path: Path) -> None:
    """Names that are not UTF-8, inodes of 64 bits and everything else survive state.db."""
    position = counted(lines(0, 1000), 17_000)
    position.path = b'/logs/\xff\n".log'.decode("utf-8", "surrogateescape")
    position.file_id = (2**64 - 1, 2**64 - 1)
    position.skipping = position.raw = position.told_lost = True
    state = StateFile(str(tmp_path))
    state.write({"files": [file_row(position)], "fingerprints": [fingerprint_row(position)]})
    position.fingerprint_changed = False
    assert position_of(state.rows("files")[0], state.rows("fingerprints")[0]) == position
    state.close()
