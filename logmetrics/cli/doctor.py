"""`logmetrics doctor`: what stands in the way on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.options import ConfigFile, JournalDir, Paths, resolve_config, state_directory
from logmetrics.cli.results import write_json

if TYPE_CHECKING:
    from logmetrics.config.specs import Config
    from logmetrics.doctor.setup import Asked

StateDir = Annotated[
    str | None, typer.Option("--state-dir", metavar="DIR", help="The state directory that watch is given.")
]
Listen = Annotated[list[str] | None, typer.Option(metavar="ADDR", help="Look at this address instead of the config's.")]
WebConfig = Annotated[
    str | None, typer.Option("--web-config", metavar="FILE", help="The web config that watch is given.")
]
Journal = Annotated[
    list[str] | None, typer.Option(metavar="UNIT", help="Look at the journal of this unit, as watch is given it.")
]
User = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Say whether this user may read the logs, instead of you and the unit's."),
]
UnitName = Annotated[str, typer.Option(metavar="NAME", help="The systemd unit to look at, such as logmetrics@a.")]
PrometheusUrl = Annotated[str, typer.Option(metavar="URL", help="The Prometheus that is to scrape it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


def doctor(
    paths: Paths = None,
    config_file: ConfigFile = None,
    state_dir: StateDir = None,
    listen: Listen = None,
    web_config: WebConfig = None,
    journal: Journal = None,
    journal_dir: JournalDir = None,
    user: User = None,
    unit: UnitName = "logmetrics",
    prometheus: PrometheusUrl = "http://127.0.0.1:9090",
    as_json: AsJson = False,
) -> None:
    """Say what stands in the way on this machine. And what to do about it; it changes nothing."""
    from rich.console import Console

    from logmetrics.doctor.examination import examine
    from logmetrics.doctor.findings import is_healthy
    from logmetrics.doctor.machine import this_machine
    from logmetrics.doctor.setup import Asked, make_setup
    from logmetrics.doctor.text import write_group, write_summary

    asked = Asked(
        paths=tuple(paths or ()),
        config_file=config_file,
        state_dir=state_dir,
        listen=tuple(listen or ()),
        web_config=web_config,
        journal=tuple(journal or ()),
        journal_dir=journal_dir,
        user=user,
        unit=unit if "." in unit else f"{unit}.service",
        prometheus=prometheus,
    )
    machine = this_machine()
    setup = make_setup(machine, asked, _config, _state)
    console = Console(soft_wrap=False)
    groups = []
    for group in examine(machine, setup):
        groups.append(group)
        if not as_json:
            write_group(group, console)
    if as_json:
        write_json({"healthy": is_healthy(groups), "groups": groups})
    else:
        write_summary(groups, console)
    if not is_healthy(groups):
        raise typer.Exit(1)


def _config(told: Asked) -> Config:
    return resolve_config(list(told.paths), told.config_file, None, told.journal, told.journal_dir)


def _state(config: Config, told: Asked, home: str | None) -> str:
    """As `watch` has it."""
    return state_directory(config, told.paths, told.config_file, told.journal, home)
