"""`logmetrics watch`: tail logs and serve metrics."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli import collect_garbage_from_now_on
from logmetrics.cli.messages import progress_line, say
from logmetrics.cli.options import ConfigFile, PackNames, Paths, resolve_config, state_directory
from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.config.specs import Config
    from logmetrics.store.state import StateFile


def watch(
    paths: Paths = None,
    config_file: ConfigFile = None,
    pack: PackNames = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR", help="Serve on host:port or unix:/path; may be given several times."),
    ] = None,
    web_config: Annotated[
        str | None,
        typer.Option("--web-config", metavar="FILE", help="Serve with the TLS and the passwords that FILE tells."),
    ] = None,
    journal: Annotated[
        list[str] | None, typer.Option(metavar="UNIT", help="Read the journal of this systemd unit, too.")
    ] = None,
    journal_dir: Annotated[
        str | None,
        typer.Option("--journal-dir", metavar="DIR", help="Where the journal is, if not this machine's own."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="start|end", help="Where logs that are there already are read from."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read what is there, print the metrics to stdout, and end.")
    ] = False,
    state_dir: Annotated[
        str | None,
        typer.Option("--state-dir", metavar="DIR", help="Keep positions and values in DIR, to go on from there."),
    ] = None,
    no_state: Annotated[
        bool, typer.Option("--no-state", help="Keep nothing: a restart reads everything again, from zero.")
    ] = False,
    reset_state: Annotated[
        bool, typer.Option("--reset-state", help="Set the state of earlier runs aside, and begin at zero.")
    ] = False,
    serve_early: Annotated[
        bool, typer.Option("--serve-early", help="Serve metrics while what was there at the start is still being read.")
    ] = False,
    no_watchdog: Annotated[
        bool, typer.Option("--no-watchdog", help="Look at files by polling only, without file notification.")
    ] = False,
) -> None:
    """Read logs as they grow and serve their metrics for Prometheus."""
    config = resolve_config(paths, config_file, pack, journal or (), journal_dir)
    if from_ is not None:
        if from_ not in ("start", "end"):
            raise UsageError(f"--from is start or end, not {from_!r}")
        at_end = from_ == "end"
        config = replace(config, sources=tuple(replace(spec, start_at_end=at_end) for spec in config.sources))
    if listen:
        config = replace(config, listen=tuple(listen))
    if web_config:
        config = replace(config, web_config=web_config)
    if no_watchdog:
        config = replace(config, watchdog=False)
    if config_file is not None:
        _warn(config_file)
    if no_state and (state_dir or reset_state):
        raise UsageError("--no-state goes neither with --state-dir nor with --reset-state")
    named = [*(paths or ()), *(journal.key for source in config.sources for journal in source.journals)]
    directory: str | None = state_dir or state_directory(config, named if paths or journal else None, config_file)
    if no_state or (once and not state_dir):  # a look at what is there must not disturb a daemon
        directory = None
    if not state_dir and config.state_dir is None and all(source.is_stdin for source in config.sources):
        directory = None  # there is no place to go on from
    if once:
        _print_once(config, directory, reset=reset_state)
    else:
        _serve(config, directory, reset=reset_state, early=serve_early, listen=bool(listen))


def _warn(config_file: str) -> None:
    """Tell what `logmetrics check` would refuse; the guard holds it."""
    from logmetrics.authoring.lint import lint
    from logmetrics.packs import builtin_packs

    for problem in lint(config_file, builtin_packs())[1]:
        say(f"warning: {problem}")


@contextmanager
def _state(directory: str | None, *, reset: bool) -> Iterator[StateFile | None]:
    if directory is None:
        yield None
        return
    from logmetrics.store.state import StateFile

    state = StateFile(directory, reset=reset)
    try:
        yield state
    finally:
        state.close()


def _print_once(config: Config, directory: str | None, *, reset: bool) -> None:
    from logmetrics.cli.totals import read_all
    from logmetrics.serve.exposition import render

    with _state(directory, reset=reset) as state:
        sys.stdout.write(render(read_all(config, state)))


def _serve(config: Config, directory: str | None, *, reset: bool, early: bool, listen: bool) -> None:
    """With *listen*, addresses are the command line's, and come beside those that systemd listens at."""
    from logmetrics.serve.activation import handed_over
    from logmetrics.serve.addresses import resolve
    from logmetrics.serve.web import Web
    from logmetrics.service.run import Service

    # Mistakes are told before the state is looked at.
    opened = handed_over()
    if opened and not listen:
        config = replace(config, listen=())
    for address in config.listen:
        resolve(address)
    web = Web(config.web_config, say) if config.web_config is not None else None
    with _state(directory, reset=reset) as state, progress_line() as progress:
        service = Service(config, state, early=early, say=say, show_progress=progress, web=web, opened=opened)
        collect_garbage_from_now_on()
        service.run()
