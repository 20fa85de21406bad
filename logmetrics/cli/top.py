"""`logmetrics top`: how a running logmetrics is, in the terminal."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.asking import DEFAULT_URL, CaFile, Insecure, PasswordFile, Server, User, is_address
from logmetrics.errors import LogmetricsError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, Group

    from logmetrics.present.blocks import Section
    from logmetrics.serve.status.data import Status

# Of each table so many rows are shown while the screen is not to scroll.
ROWS = 6
CALLOUTS = 4
# What there is room for then, and what can be looked up on the page.
_BRIEF = ("troubles", "overview", "sources", "metrics", "rules", "uncounted", "messages")


def top(
    where: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="A running logmetrics: its URL, HOST:PORT, :PORT or unix:/PATH.")
    ] = DEFAULT_URL,
    once: Annotated[bool, typer.Option("--once", help="Print it once, in full, and end.")] = False,
    interval_s: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.5, help="How often it is looked at.")
    ] = 2.0,
    user: User = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Show how it is going, in the terminal. Sources, rates, rules, metrics and what went wrong, until Ctrl-C."""
    from rich.console import Console

    if not is_address(where):
        raise UsageError(
            f"{where} is no address; one is like {DEFAULT_URL}, 127.0.0.1:8001 or unix:/run/logmetrics.sock"
        )
    server = Server.of(where, user, password_file, ca_file, insecure=insecure)
    console = Console(highlight=False)
    status = ask(server)
    if once or not sys.stdout.isatty():
        console.print(frame(status, server.shown, console, brief=False), end="")
    else:
        _show(server, status, console, interval_s)


def ask(server: Server) -> Status:
    """How *server* is. Raises LogmetricsError."""
    from logmetrics.serve.status.data import Status

    return server.get_as(Status, "/api/status")


def frame(status: Status, where: str, console: Console, *, brief: bool, trouble: str = "") -> Group:
    """What is shown at once; *trouble* says why it is an old one."""
    from rich.console import Group
    from rich.text import Text

    from logmetrics.present.amounts import moment
    from logmetrics.present.terminal import STYLES, Collector
    from logmetrics.serve.status.sections import sections_of
    from logmetrics.serve.status.troubles import headline

    tone, words, sentence = headline(status)
    collected = Collector(console)
    head = Text.assemble((words, f"bold {STYLES[tone]}"), f"  {sentence}")
    about = f"logmetrics {status.version} at {where}, {moment(status.unix_s)[11:]} UTC"
    collected.line(collected.text(about, "dim"))
    collected.line(head)
    if trouble:
        collected.line(collected.text(f"No answer since then: {trouble}", "bold red"))
    for section in sections_of(status):
        if not brief or section.ident in _BRIEF:
            collected.section(_short(section) if brief else section)
    return Group(*collected.shown)


def _short(section: Section) -> Section:
    """The first rows of its first table; what to look at without what to write about it."""
    from logmetrics.present.blocks import Block, Callouts, Table

    blocks: list[Block] = []
    for block in section.blocks:
        if isinstance(block, Callouts):
            first = block.callouts[:CALLOUTS]
            blocks.append(Callouts(tuple(replace(each, lines=each.lines[:1], code="") for each in first)))
        elif not isinstance(block, Table):
            blocks.append(block)
        elif not any(isinstance(other, Table) for other in blocks):
            blocks.append(replace(block, first=ROWS, note=""))
    return replace(section, blocks=tuple(blocks))


def _show(server: Server, status: Status, console: Console, interval_s: float) -> None:
    from rich.live import Live

    shown = frame(status, server.shown, console, brief=True)
    with suppress(KeyboardInterrupt), Live(shown, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval_s)
            trouble = ""
            try:
                status = ask(server)
            except LogmetricsError as error:
                trouble = str(error)
            live.update(frame(status, server.shown, console, brief=True, trouble=trouble), refresh=True)
