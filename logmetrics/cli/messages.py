"""What a person sees on stderr: messages, and a progress line when stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logmetrics.sources.progress import Progress


def say(message: str) -> None:
    """Tell the operator something. The text may hold a file's name, so it is made harmless for terminals."""
    text = message if message.isprintable() else message.encode("unicode_escape").decode()
    print(f"logmetrics: {text}", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def progress_line() -> Iterator[Callable[[Progress], None]]:
    """A function that shows how far the reading is; it does nothing when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    lines = TextColumn("{task.fields[lines]:,} lines")
    columns = (
        TextColumn("reading"),
        BarColumn(),
        DownloadColumn(),
        lines,
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, lines=0)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.bytes_read, total=progress.bytes_total, lines=progress.lines)
            if progress.bytes_read >= progress.bytes_total:
                bar.stop()

        yield show


@contextmanager
def steps_line(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function that shows how far something is on its way from where it was at first; for terminals only."""
    if not sys.stderr.isatty():
        yield lambda _at, _end: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        first: list[int] = []

        def show(at: int, end: int) -> None:
            first.append(at) if not first else None
            bar.update(task, completed=at - first[0], total=max(end - first[0], 1))

        yield show
