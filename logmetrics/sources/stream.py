"""What logs that are no files have in common."""

from __future__ import annotations

from typing import Protocol

from logmetrics.rules.log import Log
from logmetrics.sources.reader import SourceReader

# So much is read at a time, and so many times in one turn: a large backlog must not starve anybody else.
BLOCK_BYTES = 64 * 1024
BLOCKS_PER_TURN = 4
# A stream that just had something is looked at again after this time, instead of at its next byte: many entries that
# come one by one are read together.
BATCH_S = 0.05


class Stream(Protocol):
    """A log that comes through a pipe. Times are monotonic unless *clock_s*, wall time."""

    name: str
    reader: SourceReader
    log: Log
    # False: what is there at the start is read, and no more.
    follows: bool
    # Nothing that was there at the start is left unread, or it cannot be had.
    caught_up: bool
    # Nothing will ever come any more.
    ended: bool
    # Why it cannot be read now; empty when it can.
    problem: str

    @property
    def lag_bytes(self) -> int:
        """Bytes that wait to be read, as far as anybody knows."""

    @property
    def descriptor(self) -> int | None:
        """While nothing else is to be done: what becomes readable when something comes."""

    @property
    def wake_s(self) -> float:
        """When it is to be looked at next, whatever the descriptor does."""

    def take_over(self, reader: SourceReader) -> None:
        """Go on for *reader*, whose spec names the same log."""

    def turn(self, clock_s: float, now_s: float) -> bool:
        """Apply the rules to some of what came. True when there is more."""

    def close(self) -> None:
        """Give back what it holds of the system."""
