"""The commands, put together. What is heavy is imported by the command that needs it."""

from __future__ import annotations

from typing import Annotated

import typer

from logmetrics import __version__
from logmetrics.cli.cardinality import cardinality
from logmetrics.cli.check import check
from logmetrics.cli.doctor import doctor
from logmetrics.cli.explain import explain
from logmetrics.cli.packs import packs
from logmetrics.cli.replay import replay
from logmetrics.cli.schema import schema
from logmetrics.cli.test import test
from logmetrics.cli.top import top
from logmetrics.cli.watch import watch

app = typer.Typer(
    name="logmetrics",
    help="Turns the logs that agents and Ollama already write into Prometheus metrics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(watch)
app.command()(replay)
app.command()(explain)
app.command()(test)
app.command()(check)
app.command()(top)
app.command()(cardinality)
app.command()(doctor)
app.command()(packs)
app.command()(schema)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"logmetrics {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
