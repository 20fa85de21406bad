"""`logmetrics replay`: what logs of the past amount to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.options import ConfigFile, PackNames, Paths, resolve_config
from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.store.store import FamilyView

FORMATS = ("table", "prometheus", "json")


def replay(
    paths: Paths = None,
    config_file: ConfigFile = None,
    pack: PackNames = None,
    totals: Annotated[  # noqa: ARG001 - says what happens anyhow, until there are other outputs
        bool, typer.Option("--totals", help="Print totals over all times taken together (the default).")
    ] = True,
    format_: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="How totals are printed.")
    ] = "table",
) -> None:
    """Read logs from their start to their end and print what they amount to."""
    if format_ not in FORMATS:
        raise UsageError(f"--format is one of {', '.join(FORMATS)}, not {format_!r}")
    from logmetrics.cli.totals import read_all

    families = read_all(resolve_config(paths, config_file, pack))
    if format_ == "prometheus":
        from logmetrics.serve.exposition import render

        sys.stdout.write(render(families))
    elif format_ == "json":
        _print_json(families)
    else:
        _print_table(families)


def _print_json(families: list[FamilyView]) -> None:
    import orjson

    document = []
    for spec, rows in families:
        series = []
        for row, frozen in rows:
            entry: dict[str, object] = {"labels": dict(zip(spec.labels, row.labels, strict=True))}
            if isinstance(frozen, tuple):
                cumulative, total, count = frozen
                bounds = [*map(repr, spec.buckets), "+Inf"]
                entry.update(buckets=dict(zip(bounds, cumulative, strict=True)), sum=total, count=count)
            else:
                entry["value"] = frozen
            series.append(entry)
        document.append({"name": spec.name, "type": spec.type, "help": spec.help, "series": series})
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


def _print_table(families: list[FamilyView]) -> None:
    """One table a family; of the self-metrics only the counts that are not zero."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=not sys.stdout.isatty())
    for spec, rows in families:
        about_itself = spec.name.startswith("logmetrics_")
        shown = [(row, frozen) for row, frozen in rows if frozen or not about_itself]
        if not shown or (about_itself and spec.type != "counter"):
            continue
        values = ("count", "sum", "mean") if spec.type == "histogram" else ("value",)
        table = Table(title=spec.name, title_justify="left", title_style="bold", caption=None)
        for label in spec.labels:
            table.add_column(label)
        for value in values:
            table.add_column(value, justify="right")
        for row, frozen in sorted(shown, key=lambda pair: pair[0].labels):
            cells = [_amount(frozen)]
            if isinstance(frozen, tuple):
                _, total, count = frozen
                cells = [_amount(count), _amount(total), _amount(total / count) if count else "-"]
            table.add_row(*map(escape, row.labels), *cells)
        console.print(table)


def _amount(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else ""
