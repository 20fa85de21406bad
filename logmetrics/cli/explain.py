"""`logmetrics explain`: what becomes of a record, and why."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.asking import DEFAULT_URL, CaFile, Insecure, PasswordFile, Server, User, is_address
from logmetrics.cli.messages import say
from logmetrics.cli.options import STDIN, ConfigFile, PackNames, config_of, require_no_config
from logmetrics.cli.results import write_json
from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.authoring.explain.facts import Explanation
    from logmetrics.authoring.explain.overview import Overview

STDIN_BYTES_MAX = 16 * 1024 * 1024


def explain(
    where: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE[:LINE]]", help="The record, or a whole file; - is stdin. With --last: an address."
        ),
    ] = None,
    config_file: ConfigFile = None,
    pack: PackNames = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="The source of the config that it is taken for.")
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", metavar="N", min=1, help="The last N records that a running logmetrics did not count."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Tell of all fields and all rules.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is known as JSON.")] = False,
    user: User = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Tell what becomes of a record, and why. Which rules match it, what they count, or why none does."""
    from logmetrics.authoring.explain.asked_for import of_file, of_stdin

    if last is not None:
        server = Server.of(where or DEFAULT_URL, user, password_file, ca_file, insecure=insecure)
        if where is not None and not is_address(where):
            raise UsageError(f"{where} is no address; with --last N one is asked for, such as {DEFAULT_URL}")
        _print(_of_daemon(server, last, config_file, pack, source), everything=everything, as_json=as_json)
        return
    if user is not None or password_file is not None or ca_file is not None or insecure:
        raise UsageError("--user, --password-file, --ca-file and --insecure go with --last N")
    config, text = config_of(config_file, pack), _text(config_file)
    if where is None or where == STDIN:
        if where is None and sys.stdin.isatty():
            raise UsageError("what is to be explained? give FILE:LINE, a line on standard input, or --last N")
        data = sys.stdin.buffer.read(STDIN_BYTES_MAX)
        _print(of_stdin(config, text, data, source), everything=everything, as_json=as_json)
        return
    require_no_config([where], "explain", " LOG:LINE")
    told = of_file(config, text, where, source)
    if isinstance(told, list):
        _print(told, everything=everything, as_json=as_json)
    else:
        _print_overview(told, _options(config_file, pack, source), as_json=as_json)


def _text(config_file: str | None) -> str:
    if config_file is None:
        return ""
    with open(config_file, encoding="utf-8") as file:
        return file.read()


def _of_daemon(
    server: Server, number: int, config_file: str | None, packs: list[str] | None, source: str | None
) -> list[Explanation]:
    """The last records that *server* did not count, by its own config unless another one is given."""
    from logmetrics.authoring.explain.asked_for import of_uncounted
    from logmetrics.serve.status.data import Uncounted

    told = server.get_as(Uncounted, "/api/uncounted")
    if config_file is None and not packs:
        config_file = told.config_file
        if config_file is not None and not os.path.isfile(config_file):
            raise UsageError(f"its config {config_file} is not to be found here; give one with --config")
        packs = list(told.packs) if config_file is None else None
    records = [record for record in told.records if source is None or record.source == source][:number]
    if not records:
        say(f"{server.shown} knows of no record that it did not count")
        return []
    say("note: what came before these records is not known here; logmetrics explain FILE:LINE reads it first")
    return of_uncounted(config_of(config_file, packs), _text(config_file), records)


def _print(told: list[Explanation], *, everything: bool, as_json: bool) -> None:
    if as_json:
        write_json(told)
        return
    from rich.console import Console

    from logmetrics.authoring.explain.text import show

    show(told, Console(highlight=False), everything=everything)


def _options(config_file: str | None, packs: list[str] | None, source: str | None) -> str:
    """The same options again, for a command to copy."""
    named = [("--config", config_file), *(("--pack", pack) for pack in packs or ()), ("--source", source)]
    return "".join(f" {name} {shlex.quote(value)}" for name, value in named if value is not None)


def _print_overview(told: Overview, options: str, *, as_json: bool) -> None:
    if as_json:
        write_json(told)
        return
    from rich.console import Console

    from logmetrics.authoring.explain.overview_text import show

    show(told, Console(highlight=False), options)
