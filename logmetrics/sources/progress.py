"""How far the reading of what was there at the start has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from logmetrics.sources.reader import SourceReader

SHOW_INTERVAL_S = 0.25
# In the log it is told this often.
SAY_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Of so many bytes so many are read, and the lines in these."""

    bytes_read: int
    bytes_total: int
    lines: int

    @property
    def words(self) -> str:
        """The same for people."""
        share = self.bytes_read / self.bytes_total if self.bytes_total else 0.0
        return f"reading what was there at the start: {share:.0%}, {self.lines:,} lines"


class WithLag(Protocol):
    """A log with so many bytes that are unread."""

    @property
    def lag_bytes(self) -> int: ...


class CatchingUp:
    """Shows and says the progress now and then: to sum over all logs takes its time. *monotonic* is in seconds."""

    def __init__(
        self, monotonic: Callable[[], float], say: Callable[[str], None], show: Callable[[Progress], None]
    ) -> None:
        self._monotonic, self._say, self._show = monotonic, say, show
        self._shown_s = self._said_s = monotonic()
        self.progress = Progress(0, 0, 0)

    @property
    def is_due(self) -> bool:
        """Whether nothing was shown for a while."""
        return self._monotonic() - self._shown_s >= SHOW_INTERVAL_S

    def tell(self, readers: Iterable[SourceReader], logs: Iterable[WithLag], *, done: bool = False) -> None:
        """Show how far *readers* have come with *logs*, and say it if that is due and they are not *done*."""
        self._shown_s = self._monotonic()
        readers = list(readers)
        read = sum(reader.bytes for reader in readers)
        total = read + sum(log.lag_bytes for log in logs)
        self.progress = Progress(read, total, sum(reader.lines for reader in readers))
        self._show(self.progress)
        if not done and self._shown_s - self._said_s >= SAY_INTERVAL_S:
            self._said_s = self._shown_s
            self._say(self.progress.words)
