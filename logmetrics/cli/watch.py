"""`logmetrics watch`: tail logs and serve metrics."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.messages import progress_line, say
from logmetrics.cli.options import ConfigFile, PackNames, Paths, resolve_config
from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.config.specs import Config
    from logmetrics.engine import Engine


def watch(
    paths: Paths = None,
    config_file: ConfigFile = None,
    pack: PackNames = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR", help="Serve on host:port or unix:/path; may be given several times."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="start|end", help="Where files that are there already are read from."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read what is there, print the metrics to stdout, and end.")
    ] = False,
    no_watchdog: Annotated[
        bool, typer.Option("--no-watchdog", help="Look at files by polling only, without file notification.")
    ] = False,
) -> None:
    """Read logs as they grow and serve their metrics for Prometheus."""
    config = resolve_config(paths, config_file, pack)
    if from_ is not None:
        if from_ not in ("start", "end"):
            raise UsageError(f"--from is start or end, not {from_!r}")
        at_end = from_ == "end"
        config = replace(config, sources=tuple(replace(spec, start_at_end=at_end) for spec in config.sources))
    if listen:
        config = replace(config, listen=tuple(listen))
    if no_watchdog:
        config = replace(config, watchdog=False)
    if once:
        _print_once(config)
    else:
        _serve(config)


def _print_once(config: Config) -> None:
    from logmetrics.cli.totals import read_all
    from logmetrics.serve.exposition import render

    sys.stdout.write(render(read_all(config)))


def _serve(config: Config) -> None:
    from logmetrics.engine import Engine
    from logmetrics.serve.app import MetricsApp
    from logmetrics.serve.http import HttpServer
    from logmetrics.sources.wake import DirectoryWatch

    with progress_line() as progress:
        engine = Engine(config, say=say, progress=progress)
        app = MetricsApp(engine, [path for source in config.sources for path in source.paths])
        server = HttpServer(config.listen, app)
        _stop_on_signals(engine)
        watch_of_directories = DirectoryWatch(config.sources, engine.hint, say) if config.watchdog else None
        server.start()
        for address in server.bound:
            say(
                f"metrics at {address}/metrics"
                if address.startswith("unix:")
                else f"metrics at http://{address}/metrics"
            )
        try:
            engine.run()
        finally:
            if watch_of_directories is not None:
                watch_of_directories.stop()
            server.stop()


def _stop_on_signals(engine: Engine) -> None:
    """The first signal ends the loop after the block at hand, the second one at once."""

    def stop(_signal: int, _frame: object) -> None:
        if engine.stopping:
            raise SystemExit(1)
        engine.stopping = True
        engine.waker.wake()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
