"""What a replay reads that is no file, as files: journals, and standard input."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from glob import has_magic

from logmetrics.cli.options import resolve_config
from logmetrics.cli.replay_options import ReplayOptions
from logmetrics.config.journals import unit_name
from logmetrics.config.specs import Config, JournalLogSpec, SourceSpec
from logmetrics.errors import ReplayError, UsageError
from logmetrics.sources.journalctl import command, environment, explain, field_values, may_not_read, require_journalctl


@contextmanager
def config_of(options: ReplayOptions) -> Iterator[Config]:
    """The config of a replay, all of whose sources are files; those made here are gone afterwards.

    Raises ConfigError, UsageError and ReplayError.
    """
    units = _units(options.journal or (), options.journal_dir)
    config = resolve_config(options.paths, options.config_file, options.pack, units, options.journal_dir)
    others = [source for source in config.sources if not source.paths]
    if not others:
        yield config
        return
    if options.seed_state or options.seed_offsets or options.before_state:
        raise UsageError(f"a state has no place of history in a {others[0].places[0]}: replay files only, or no state")
    if any(source.journals for source in others):
        require_journalctl()
    with tempfile.TemporaryDirectory(prefix="logmetrics-replay-") as directory:
        sources = [_as_files(source, os.path.join(directory, str(n))) for n, source in enumerate(config.sources)]
        yield replace(config, sources=tuple(sources))


def _units(wanted: Sequence[str], journal_directory: str | None) -> list[str]:
    """The units that are *wanted*; in place of a glob those that the journal has entries of."""
    if not any(map(has_magic, wanted)):
        return list(wanted)
    require_journalctl()
    found = field_values("_SYSTEMD_UNIT", journal_directory)
    units: list[str] = []
    for pattern in wanted:
        named = [unit for unit in found if fnmatchcase(unit, unit_name(pattern))] if has_magic(pattern) else [pattern]
        if not named:
            raise UsageError(f"the journal has nothing of {pattern}")
        units += named
    return units


def _as_files(source: SourceSpec, directory: str) -> SourceSpec:
    """*source* with what it reads in files of *directory*."""
    if source.paths:
        return source
    if source.is_stdin:
        os.makedirs(directory)
        path = os.path.join(directory, "stdin")
        if sys.stdin is None:
            raise UsageError("standard input is closed; `logmetrics replay -` reads what is piped into it")
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return replace(source, paths=(path,), is_stdin=False)
    paths = [_export(journal, os.path.join(directory, str(n))) for n, journal in enumerate(source.journals)]
    return replace(source, paths=tuple(paths), journals=())


def _export(journal: JournalLogSpec, directory: str) -> str:
    """The journal's entries in its export format, in a file of the log's name."""
    os.makedirs(directory)
    path = os.path.join(directory, journal.name)
    with open(path, "wb") as file:
        words = command(journal.matches, journal.directory)
        done = subprocess.run(words, stdout=file, stderr=subprocess.PIPE, check=False, env=environment())  # noqa: S603
    told = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        raise ReplayError(f"journal of {journal.name}: {explain(told, done.returncode)}")
    if not os.path.getsize(path):
        more = f": {explain(told, 0)}" if may_not_read(told) else ""
        raise UsageError(f"the journal has nothing of {journal.name}{more}")
    return path
