"""Read everything that is there, to its end, and give the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logmetrics.cli import collect_garbage_from_now_on
from logmetrics.cli.messages import progress_line, say
from logmetrics.cli.options import require_paths
from logmetrics.errors import LogmetricsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logmetrics.config.specs import Config
    from logmetrics.store.state import StateFile
    from logmetrics.store.store import FamilyView


def read_all(
    config: Config, state: StateFile | None = None, unread: Callable[[str], None] = lambda _: None
) -> list[FamilyView]:
    """The metrics of all logs of *config*, series sorted by labels; with *state* those of earlier runs go on.
    *unread* gets each path that was named or found and could not be read.

    Raises UsageError when a path does not exist, StateError when the state cannot be used, LogmetricsError when a
    journal or standard input cannot be read.
    """
    from logmetrics.engine import Engine
    from logmetrics.store.shown import Rows

    require_paths(path for source in config.sources for path in source.paths)
    with progress_line() as progress:
        engine = Engine(config, state=state, say=say, show_progress=progress, runtime_metrics=False)
        collect_garbage_from_now_on()
        engine.run_once()
    if problems := [f"{stream.name}: {stream.problem}" for stream in engine.streams if stream.problem]:
        raise LogmetricsError("; ".join(problems))
    skipped = sum(reader.decisions["skipped"] for reader in engine.readers)
    if skipped:
        say(f"{skipped:,} rotated or compressed logs were not read; a path that names them has them read")
    for reader in engine.readers:
        for path in {**reader.problems, **reader.troubles}:
            unread(path)
    families = engine.view().families
    return [(spec, Rows.of(sorted(rows, key=lambda row: row[0].labels))) for spec, rows in families]


def could_not_be_read(paths: Sequence[str]) -> str:
    """The first of *paths*, and how many more there are; why was told as it was met."""
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more} could not be read"
