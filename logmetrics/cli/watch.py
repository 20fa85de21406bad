"""`logmetrics watch`: tail logs and serve metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from logmetrics.cli import collect_garbage_from_now_on
from logmetrics.cli import watch_options as options
from logmetrics.cli.messages import progress_line, say
from logmetrics.cli.options import ConfigFile, JournalDir, Journals, PackNames, Paths, resolve_config, state_directory
from logmetrics.cli.outputs import PUSH_JOB, OutputOptions, show_once
from logmetrics.errors import LogmetricsError, UsageError

if TYPE_CHECKING:
    import socket

    from logmetrics.config.specs import Config
    from logmetrics.store.state import StateFile


# At a start, so many findings in the config are told.
WARNINGS_MAX = 10


def watch(
    paths: Paths = None,
    config_file: ConfigFile = None,
    pack: PackNames = None,
    listen: options.Listen = None,
    web_config: options.WebConfig = None,
    journal: Journals = None,
    journal_dir: JournalDir = None,
    from_: options.From = None,
    once: options.Once = False,
    state_dir: options.StateDir = None,
    no_state: options.NoState = False,
    reset_state: options.ResetState = False,
    serve_early: options.ServeEarly = False,
    no_watchdog: options.NoWatchdog = False,
    no_listen: options.NoListen = False,
    instance: options.Instance = None,
    advertise: options.Advertise = None,
    sd_file: options.SdFile = None,
    textfile: options.Textfile = None,
    push: options.Push = None,
    push_job: options.PushJob = PUSH_JOB,
    push_label: options.PushLabels = None,
) -> None:
    """Read logs as they grow, and serve their metrics."""
    from logmetrics.serve.activation import handed_over

    if from_ not in (None, "start", "end"):
        raise UsageError(f"--from is start or end, not {from_!r}")
    opened = () if once or no_listen else handed_over()
    outputs = OutputOptions(
        once, listen or (), no_listen, instance, advertise, sd_file, textfile, push, push_job, push_label or ()
    )

    def load() -> Config:
        config = resolve_config(paths, config_file, pack, journal or (), journal_dir)
        if from_ is not None:
            sources = tuple(replace(spec, start_at_end=from_ == "end") for spec in config.sources)
            config = replace(config, sources=sources)
        if config_file is not None:
            _warn(config_file)
        watched = config.watchdog and not no_watchdog
        web = web_config or config.web_config
        config = replace(config, listen=tuple(listen or config.listen), web_config=web, watchdog=watched)
        config = outputs.applied_to(config, paths, config_file)
        if state_dir or no_state:
            config = replace(config, state_dir=state_dir)
        # Sockets that systemd listens at are in place of the config's addresses, and beside those of the command line.
        return replace(config, listen=()) if opened and not listen else config

    config = load()
    _check_state_options(once=once, state_dir=state_dir, no_state=no_state, reset_state=reset_state)
    directory: str | None = state_dir or state_directory(config, paths, config_file, journal or ())
    if no_state or (not state_dir and (once or _is_only_stdin(config))):
        directory = None  # a look at what is there must not disturb a daemon, and a pipe has no place to go on from
    if once:
        _once(config, directory, outputs, reset=reset_state)
    else:
        _serve(load, config, config_file, opened, directory, reset=reset_state, early=serve_early)


def _check_state_options(*, once: bool, state_dir: str | None, no_state: bool, reset_state: bool) -> None:
    if no_state and (state_dir or reset_state):
        raise UsageError("--no-state goes neither with --state-dir nor with --reset-state")
    if once and reset_state and not state_dir:
        raise UsageError("--once keeps no state, so there is none to reset; give the --state-dir that is meant")


def _is_only_stdin(config: Config) -> bool:
    return config.state_dir is None and all(source.is_stdin for source in config.sources)


def _warn(config_file: str) -> None:
    """Tell what `logmetrics check` would, but for notes; the guard holds what is unbounded."""
    from logmetrics.authoring.lint import hints
    from logmetrics.packs import builtin_packs

    found = [each for each in hints(config_file, builtin_packs())[1] if each.severity != "note"]
    for each in found[:WARNINGS_MAX]:
        say(f"warning: {each}")
    if len(found) > WARNINGS_MAX:
        say(f"warning: {len(found) - WARNINGS_MAX} more, which logmetrics check --config {config_file} tells")


@contextmanager
def _state(directory: str | None, *, reset: bool) -> Iterator[StateFile | None]:
    if directory is None:
        yield None
        return
    from logmetrics.store.state import StateFile

    state = StateFile(directory, reset=reset)
    if state.set_aside is not None:
        say(f"the old state is {state.set_aside} now; this run begins at zero")
    try:
        yield state
    finally:
        state.close()


def _once(config: Config, directory: str | None, outputs: OutputOptions, *, reset: bool) -> None:
    from logmetrics.cli.totals import could_not_be_read, read_all

    instance = config.instance or ""
    gateway = outputs.pushgateway(instance, config.rule_set.metrics)  # a mistake is told before anything is read
    with _state(directory, reset=reset) as state:
        unread: list[str] = []
        families = read_all(config, state, unread.append)
        if unread and (gateway is not None or outputs.textfile is not None):
            raise LogmetricsError(f"{could_not_be_read(unread)}; nothing is pushed or written of a part")
        show_once(families, outputs.textfile, gateway, instance)
    if unread:
        raise LogmetricsError(f"{could_not_be_read(unread)}; the totals are without it")


def _serve(
    load: Callable[[], Config],
    config: Config,
    config_file: str | None,
    opened: Sequence[socket.socket],
    directory: str | None,
    *,
    reset: bool,
    early: bool,
) -> None:
    from logmetrics.serve.addresses import check_addresses
    from logmetrics.serve.web import Web
    from logmetrics.service.run import Service, reloads_wait

    check_addresses(config.listen)  # a mistake is told before the state is looked at
    web = Web(config.web_config, say) if config.web_config is not None else None
    with reloads_wait(), _state(directory, reset=reset) as state, progress_line() as progress:
        service = Service(
            config,
            state,
            load=load,
            config_file=config_file,
            early=early,
            say=say,
            show_progress=progress,
            web=web,
            opened=opened,
        )
        collect_garbage_from_now_on()
        service.run()
