"""What comes on standard input as a log. It cannot be read again: there is no position."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable

from logmetrics.errors import UsageError
from logmetrics.rules.log import Log
from logmetrics.sources.content import MAGIC
from logmetrics.sources.journalctl import waiting_bytes
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.records import Records
from logmetrics.sources.stream import BATCH_S, BLOCK_BYTES, BLOCKS_PER_TURN

_FD = 0


class StdinStream:
    """See ``Stream``. Raises UsageError when there is no standard input.

    When it ends, its last line counts without a newline, too, and what was counted stays.
    """

    def __init__(self, reader: SourceReader, say: Callable[[str], None]) -> None:
        if sys.stdin is None:  # another file has the descriptor now
            raise UsageError("standard input is closed; `logmetrics watch -` reads what is piped into it")
        self.reader = reader
        self.name = "standard input"
        self.log = Log("stdin", reader.spec.name)
        self.follows = True
        self.caught_up = self.ended = False
        self.problem = ""
        self._records = Records(reader.spec)
        self._poll = select.poll()
        self._poll.register(_FD, select.POLLIN)
        self._wake_s = float("-inf")
        self._is_idle = self._has_begun = False
        self._say = say
        reader.files += 1
        if os.isatty(_FD):
            say("reading what is typed here; Ctrl-D ends it. To read a log: logmetrics watch PATH")

    @property
    def lag_bytes(self) -> int:
        return 0 if self.ended else waiting_bytes(_FD)

    @property
    def descriptor(self) -> int | None:
        return _FD if self._is_idle and not self.ended else None

    @property
    def wake_s(self) -> float:
        return float("inf") if self.ended else self._wake_s

    def take_over(self, reader: SourceReader) -> None:
        """See ``Stream``."""
        if reader.spec != self.reader.spec:
            self.log = Log("stdin", reader.spec.name)
            self._records.spec = reader.spec
        if not self.ended:
            self.reader.files -= 1
            reader.files += 1
        if self.problem:
            reader.troubles[self.name] = self.problem
        self.reader = reader

    def turn(self, clock_s: float, now_s: float) -> bool:
        """See ``Stream``."""
        if self.ended:
            return False
        for _ in range(BLOCKS_PER_TURN):
            if not self._poll.poll(0):  # its descriptor is shared with others: it is not for us to make it non-blocking
                self.caught_up = True
                if now_s >= self._wake_s:
                    self._is_idle, self._wake_s = True, float("inf")
                return False
            try:
                data = os.read(_FD, BLOCK_BYTES)
            except OSError as error:
                self._ends(f"cannot be read: {error.strerror}")
                return False
            self._is_idle, self._wake_s = False, now_s + BATCH_S
            self._count(self._records.take(data) if data else self._records.rest(), clock_s)
            if not data:
                self._ends("")
                return False
            if not self._has_begun:
                self._has_begun = True
                if data.startswith(tuple(MAGIC)):
                    self._say("standard input is compressed and cannot be read so: zcat FILE | logmetrics watch -")
        return True

    def _count(self, records: list[bytes], clock_s: float) -> None:
        reader, counts = self.reader, self._records
        if records:
            reader.apply(records, self.log, clock_s)
        reader.lines += counts.lines
        reader.bytes += counts.bytes
        reader.oversize += counts.oversize
        counts.lines = counts.bytes = counts.oversize = 0

    def _ends(self, problem: str) -> None:
        self.ended = self.caught_up = True
        self.problem = problem
        self.reader.files -= 1
        if problem:
            self.reader.troubles[self.name] = problem
            if self.follows:  # else whoever runs this says it
                self._say(f"{self.name}: {problem}")
        elif self.follows:
            self._say("standard input has ended; what was counted stays, until a signal ends this")

    def close(self) -> None:
        """See ``Stream``; descriptor 0 is not ours to close."""
