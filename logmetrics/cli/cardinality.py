"""`logmetrics cardinality`: who fills the series, and the line of config that would mend it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.asking import DEFAULT_URL, CaFile, Insecure, PasswordFile, Server, User, is_address
from logmetrics.cli.results import write_json
from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.store.report import FamilyReport


def cardinality(
    where: Annotated[
        str, typer.Argument(metavar="[URL|STATE_DIR]", help="A running logmetrics, or a state directory.")
    ] = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
    user: User = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Show each metric's series against its limit. With the label that drives them, and what to do about it."""
    if is_address(where):
        reports = _from_server(Server.of(where, user, password_file, ca_file, insecure=insecure))
    elif os.path.isdir(where):
        reports = _from_state(where)
    else:
        raise UsageError(f"{where} is neither an http:// address nor a state directory")
    if as_json:
        write_json(reports)
        return
    for report in reports:
        if report.series or report.parked or report.overflow_series:
            sys.stdout.write(_text(report))
    if not any(report.remedy for report in reports):
        sys.stdout.write("No metric is near its limits.\n")


def _from_server(server: Server) -> list[FamilyReport]:
    from logmetrics.store.report import FamilyReport

    return server.get_as(list[FamilyReport], "/api/cardinality")


def _from_state(directory: str) -> list[FamilyReport]:
    from contextlib import closing

    from logmetrics.store.report import refusals, report
    from logmetrics.store.self_metrics import OVERFLOWS
    from logmetrics.store.state import StateReader
    from logmetrics.store.store import store_of

    with closing(StateReader.open(directory)) as state:
        families = store_of(state).families
    refused = refusals(families[OVERFLOWS]) if OVERFLOWS in families else {}
    own = (family for name, family in families.items() if not name.startswith("logmetrics_"))
    return report(own, refused)


def _text(report: FamilyReport) -> str:
    """A few lines about one metric. Values come from logs, so they are quoted and made harmless for terminals."""
    lines = [f"{report.metric}: {report.series:,} of {report.series_max:,} series"]
    if report.overflow_series:
        lines[0] += f", {report.overflow_series:,} overflow series"
    if report.parked:
        lines[0] += f", {report.parked:,} parked"
    for label in report.labels:
        driver = "  <- drives it" if label.name == report.driver and len(report.labels) > 1 else ""
        shown = f"{label.values:,} of {label.values_max:,} values"
        if label.distinct > label.values:
            shown += f", about {label.distinct:,} seen"
        lines.append(f"  {label.name}: {shown}{driver}")
        for level, count in label.refused.items():
            lines.append(f"    {count:,} measurements overflowed: {_LEVELS[level]}")
        if label.name == report.driver and label.samples:
            samples = ", ".join(
                f"{ascii(value) if not value.isprintable() else repr(value)} {count:,}x"
                for value, count in label.samples
            )
            lines.append(f"    such as {samples}")
    for level, count in report.refused.items():
        lines.append(f"  {count:,} measurements overflowed: {_LEVELS[level]}")
    if report.remedy:
        lines += [f"  to do: {report.remedy}", f"    {report.config}"]
    return "\n".join(lines) + "\n\n"


_LEVELS = {
    "bytes": "the value is too long",
    "values": "the label has too many values",
    "metric": "the metric has too many series",
    "process": "the process has too many series",
}
