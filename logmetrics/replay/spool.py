"""Cells of all logs on the disk, to be had again window by window: so memory does not grow with the length of logs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from logmetrics.errors import ReplayError


@dataclass(frozen=True, slots=True)
class _Entry:
    log: int
    place: int
    size_bytes: int
    # The tick of cells that were met before any time was known.
    tick: int | None


class Spool:
    """One file in a directory of its own, which nobody else can read; gone when the program ends, however it ends."""

    def __init__(self, directory: str | None = None) -> None:
        self._file = tempfile.TemporaryFile(prefix="logmetrics-", dir=directory)  # noqa: SIM115 - closed by close
        self._directory = directory or tempfile.gettempdir()
        self._end = 0
        self._windows: dict[int, list[_Entry]] = {}

    @property
    def windows(self) -> list[int]:
        """The windows of which there are cells, in order."""
        return sorted(self._windows)

    @property
    def size_bytes(self) -> int:
        return self._end

    def add(self, window: int, log: int, data: bytes, tick: int | None = None) -> None:
        """Keep *data*, cells of *log*; those of one log come in the order of its lines. Raises ReplayError."""
        try:
            self._file.write(data)
        except OSError as error:
            raise ReplayError(f"{self._directory}: {error.strerror}; TMPDIR can name a place with more room") from error
        self._windows.setdefault(window, []).append(_Entry(log, self._end, len(data), tick))
        self._end += len(data)

    def forget(self, log: int) -> None:
        """What was kept of *log* is wrong."""
        for window, entries in list(self._windows.items()):
            self._windows[window] = [entry for entry in entries if entry.log != log]
            if not self._windows[window]:
                del self._windows[window]

    def cells(self, window: int) -> Iterator[tuple[bytes, int | None]]:
        """What was kept of *window*, by the order of logs and of their lines, with the tick for those without one."""
        self._file.flush()
        for entry in sorted(self._windows.get(window, ()), key=lambda entry: entry.log):
            yield os.pread(self._file.fileno(), entry.size_bytes, entry.place), entry.tick

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
