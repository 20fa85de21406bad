"""Metrics in a file, for node_exporter's textfile collector: an exporter without a port.

The collector refuses a whole file for a timestamp or for OpenMetrics, and node_exporter answers nothing at all when two
files have the same series. So this is text format 0.0.4, without the `process_*` metrics that node_exporter has of
itself, and each sample is labelled with the instance's name.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from logmetrics.engine import Engine
from logmetrics.errors import LogmetricsError
from logmetrics.serve.app import PAUSE_S
from logmetrics.serve.exposition import pieces
from logmetrics.serve.scrapers import first_seen
from logmetrics.serve.targets import INSTANCE_LABEL
from logmetrics.service.output_file import OutputFile
from logmetrics.store.spelling import escape
from logmetrics.store.store import FamilyView

# How long an engine that reads a large block may let the file wait. A longer wait leaves it as it is: its age tells.
REFRESH_TIMEOUT_S = 10.0
# How often it is asked whether everything that was there at the start has been read.
CAUGHT_UP_INTERVAL_S = 0.1

_WITH_LABELS = re.compile(r"^(\w+)\{", re.MULTILINE | re.ASCII)
_WITHOUT_LABELS = re.compile(r"^(\w+) ", re.MULTILINE | re.ASCII)


def labelled_pieces(families: Iterable[FamilyView], instance: str, *, zero_after: int | None = None) -> Iterator[str]:
    """The exposition of *families* a piece at a time, each sample with the label of the instance."""
    # A sample is one line that begins with its name: comments begin with #, and line ends in values are escaped.
    label = f'{INSTANCE_LABEL}="{escape(instance)}"'.replace("\\", r"\\")
    for piece in pieces(families, zero_after=zero_after):
        yield _WITHOUT_LABELS.sub(rf"\1{{{label}}} ", _WITH_LABELS.sub(rf"\1{{{label},", piece))


class Textfile:
    """Writes the last commit into *file* every so often, in a thread of its own, from ``start`` to ``remove``.

    The file is there while this runs and has caught up: what is old must not look alive. *rendering* is the lock of all
    who render. *early*: before everything that was there at the start has been read, too.
    """

    def __init__(
        self,
        file: OutputFile,
        engine: Engine,
        rendering: threading.Lock,
        *,
        instance: str,
        early: bool,
        say: Callable[[str], None],
    ) -> None:
        self._file, self._engine, self._rendering, self._say = file, engine, rendering, say
        self.path = file.path
        self._instance = instance
        self._early = early
        self._ended = threading.Event()
        # Held while the file is written or removed.
        self._writing = threading.Lock()
        # The commit that the file shows; None before the first.
        self._shown: int | None = None
        self._problem: str | None = None

    def start(self) -> None:
        """Raises LogmetricsError when the file cannot be written."""
        self._file.begin()
        threading.Thread(target=self._run, name="textfile", daemon=True).start()

    def remove(self) -> None:
        """End, and remove the file; nothing is written afterwards."""
        self._ended.set()
        with self._writing:
            self._file.remove()

    def _run(self) -> None:
        while not (self._early or self._engine.caught_up):
            if self._ended.wait(CAUGHT_UP_INTERVAL_S):
                return
        while True:
            started_s = time.monotonic()
            self.write()
            interval_s = self._engine.config.textfile_interval_s
            if self._ended.wait(max(interval_s - (time.monotonic() - started_s), 0.0)):
                return

    def write(self) -> None:
        """Show what is written to the logs by now. An engine that does not answer leaves the file to grow old."""
        if not self._engine.refresh(REFRESH_TIMEOUT_S):
            return
        with self._rendering:
            content = self._render()
        with self._writing:
            if self._ended.is_set():
                return
            try:
                self._file.write(content)
            except LogmetricsError as error:
                if self._problem is None:
                    self._say(f"{error}; it stays as it is until that succeeds")
                self._problem = str(error)
                return
        if self._problem is not None:
            self._problem = None
            self._say(f"{self._file.option} {self._file.path} is written again")

    def _render(self) -> bytes:
        view = self._engine.view()
        zero_after = self._shown
        if zero_after is None:
            zero_after = first_seen(view.generation, self._engine.resumed_ago_s)
        self._shown = view.generation
        parts = []
        shown_as_zero = zero_after if self._engine.config.first_zero else None
        for piece in labelled_pieces(view.families, self._instance, zero_after=shown_as_zero):
            parts.append(piece.encode())
            time.sleep(PAUSE_S)
        return b"".join(parts)
