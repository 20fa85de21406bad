"""Options that several commands share, and the config that they amount to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.config.specs import Config, SourceSpec


def pack_names(incomplete: str) -> list[str]:
    """The packs whose names begin so, for the completion of shells."""
    from logmetrics.packs import builtin_packs

    return [name for name in builtin_packs() if name.startswith(incomplete)]


ConfigFile = Annotated[
    str | None, typer.Option("--config", "-c", metavar="FILE", help="Read rules, sources and limits from FILE.")
]
PackNames = Annotated[
    list[str] | None,
    typer.Option(
        "--pack",
        metavar="NAME",
        help="Use only this built-in pack; may be given several times.",
        autocompletion=pack_names,
    ),
]
Journals = Annotated[list[str] | None, typer.Option(metavar="UNIT", help="Read the journal of this systemd unit.")]
JournalDir = Annotated[
    str | None, typer.Option("--journal-dir", metavar="DIR", help="Where the journal is, if not this machine's own.")
]
Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH...", help="Files, directories or globs to read; - is stdin.", show_default=False),
]

Output = Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to FILE, not to stdout.")]
Self = Annotated[bool, typer.Option("--self", help="About logmetrics itself only, whatever it reads.")]

STDIN = "-"


def is_config_name(path: str) -> bool:
    """Whether it is a config by its name: nobody has logs of such names."""
    return path.endswith((".yaml", ".yml"))


def require_no_config(paths: Sequence[str], command: str, rest: str = "") -> None:
    """Raise UsageError when a config stands where logs are expected; *command* is what people may have wanted."""
    for path in filter(is_config_name, paths):
        raise UsageError(f"{path} is no log by its name. A config goes behind -c: logmetrics {command} -c {path}{rest}")


def resolve_config(
    paths: list[str] | None,
    config_file: str | None,
    pack_names: list[str] | None,
    units: Sequence[str] = (),
    journal_directory: str | None = None,
) -> Config:
    """The config file's settings with the command line's in their place. Raises ConfigError and UsageError."""
    if config_file is None:
        require_no_config(paths or (), "watch")
    config = config_of(config_file, pack_names)
    if sources := _sources(paths or (), units, journal_directory):
        config = replace(config, sources=sources)
    if not config.sources:
        raise UsageError("nothing to read: give a PATH, --journal UNIT, or a --config FILE with sources")
    return config


def config_of(config_file: str | None, pack_names: list[str] | None) -> Config:
    """The config file's settings, which may name nothing to read, or those of packs alone. Raises ConfigError and
    UsageError.
    """
    from logmetrics.config.expression import did_you_mean
    from logmetrics.config.loading import load_config, merge
    from logmetrics.config.specs import Config
    from logmetrics.packs import builtin_packs

    packs = builtin_packs()
    if pack_names:
        for name in pack_names:
            if name not in packs:
                near = did_you_mean(name, packs) or f"; there are: {', '.join(packs)}"
                raise UsageError(f"no pack is called {name!r}{near}")
        packs = {name: packs[name] for name in dict.fromkeys(pack_names)}
    if config_file is None:
        rule_set = merge([pack.rule_set for pack in packs.values()])
        return Config(sources=(), rule_set=rule_set, packs=tuple(packs))
    return load_config(config_file, packs)


def _sources(paths: Sequence[str], units: Sequence[str], journal_directory: str | None) -> tuple[SourceSpec, ...]:
    """What the command line names, if anything."""
    from logmetrics.config.journals import journal_logs, mistake_in_unit
    from logmetrics.config.specs import SourceSpec

    if journal_directory is not None and not units:
        raise UsageError("--journal-dir goes with --journal UNIT")
    if mistake := next(filter(None, map(mistake_in_unit, units)), ""):
        raise UsageError(f"--journal: {mistake}")
    sources = []
    if files := tuple(path for path in paths if path != STDIN):
        sources.append(SourceSpec("logs", files))
    if units:
        sources.append(SourceSpec("journal", (), journals=journal_logs(units, directory=journal_directory)))
    if STDIN in paths:
        sources.append(SourceSpec("stdin", (), is_stdin=True))
    return tuple(sources)


def require_paths(paths: Iterable[str], is_local: Callable[[str], bool] = lambda _: True) -> None:
    """Raise UsageError unless all of *paths* that are local exist: a run over what is there has nothing to wait for."""
    from glob import glob, has_magic

    for path in filter(is_local, paths):
        plain = os.path.expanduser(path)
        if not os.path.exists(plain) and not (has_magic(plain) and glob(plain, recursive=True)):
            what = "no file matches" if has_magic(plain) else "no such file or directory:"
            raise UsageError(f"{what} {path}")


def state_directory(
    config: Config,
    paths: Sequence[str] | None,
    config_file: str | None,
    units: Sequence[str] = (),
    home: str | None = None,
) -> str:
    """Where this run keeps its state, unless the command line says so; or where one of the user with that *home* does.

    The config's ``state_dir``, else what systemd gives the unit, else a directory in the user's own for these very
    paths and units or this config: two runs over different logs must not add up.
    """
    import hashlib

    if config.state_dir is not None:
        return os.path.expanduser(config.state_dir)
    if home is None and (systemd := os.environ.get("STATE_DIRECTORY")):
        return systemd.split(":")[0]
    files = [path for path in paths or () if path != STDIN] or ([] if units else [config_file or ""])
    places = [os.path.abspath(os.path.expanduser(path)) for path in files]
    journals = [journal for source in config.sources for journal in source.journals] if units else []
    name = os.path.basename(places[0]) if places else journals[0].name
    places += [journal.key for journal in journals]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name) or "root"
    digest = hashlib.sha256("\0".join(sorted(places)).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    own = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    kept = own if home is None else os.path.join(home, ".local/state")
    return os.path.join(kept, "logmetrics", f"{name}-{digest}")
