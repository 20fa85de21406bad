"""`logmetrics dashboard`: what a config tells about, as panels of Grafana."""

from __future__ import annotations

from typing import Annotated

import typer

from logmetrics.cli.options import ConfigFile, Output, PackNames, Self, config_of
from logmetrics.cli.results import write_output
from logmetrics.errors import UsageError


def dashboard(
    config_file: ConfigFile = None,
    pack_names: PackNames = None,
    grafana: Annotated[
        int | None,
        typer.Option(metavar="11|12", help="For this version of Grafana; by default one that both can load."),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What the dashboard is called.")] = None,
    about_itself: Self = False,
    output: Output = None,
) -> None:
    """Write a Grafana dashboard for what a config counts. And for what its packs do."""
    from logmetrics.authoring.observation.dashboard import GRAFANA_DEFAULT, GRAFANAS
    from logmetrics.authoring.observation.in_use import InUse
    from logmetrics.authoring.observation.overview import TITLE, overview
    from logmetrics.authoring.observation.own_dashboard import own_dashboard
    from logmetrics.packs import builtin_packs

    version = GRAFANA_DEFAULT if grafana is None else grafana
    if version not in GRAFANAS:
        raise UsageError(f"--grafana: there are dashboards for {' and '.join(map(str, GRAFANAS))}, not for {version}")
    if about_itself and (config_file or pack_names or title is not None):
        raise UsageError("--self is the same whatever is counted: it goes without --config, --pack and --title")
    if title is not None and not title.strip():
        raise UsageError("--title is empty")
    if about_itself:
        made = own_dashboard()
    else:
        config = config_of(config_file, pack_names)
        made = overview(InUse.of(config.rule_set, builtin_packs()), title or TITLE)
    write_output(made.to_json(GRAFANAS[version]), output)
