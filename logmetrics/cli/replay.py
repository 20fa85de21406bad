"""`logmetrics replay`: what logs of the past amount to, and their history for Prometheus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from logmetrics.cli import replay_options as opt
from logmetrics.cli.options import ConfigFile, JournalDir, Journals, PackNames, Paths
from logmetrics.cli.results import write_json

if TYPE_CHECKING:
    from logmetrics.replay.report.data import Report
    from logmetrics.store.store import FamilyView


def replay(
    paths: Paths = None,
    config_file: ConfigFile = None,
    pack: PackNames = None,
    totals: opt.Totals = False,
    format_: opt.Format = "table",
    report: opt.ReportFile = None,
    openmetrics: opt.OpenMetricsDir = None,
    tsdb: opt.TsdbDir = None,
    remote_write: opt.RemoteWriteUrl = None,
    victoriametrics: opt.VictoriaUrl = None,
    prometheus: opt.PrometheusUrl = None,
    query_url: opt.QueryUrl = None,
    header: opt.Headers = None,
    send_anyway: opt.SendAnyway = False,
    label: opt.Labels = None,
    since: opt.Since = None,
    until: opt.Until = None,
    step: opt.Step = "15s",
    zone: opt.Zone = None,
    jobs: opt.Jobs = None,
    dask: opt.Dask = None,
    journal: Journals = None,
    journal_dir: JournalDir = None,
    seed_state: opt.SeedState = False,
    seed_offsets: opt.SeedOffsets = False,
    state_dir: opt.StateDir = None,
    before_state: opt.BeforeState = None,
    skip_unreadable: opt.SkipUnreadable = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Read logs of the past, and print what they amount to. Or hand their history to Prometheus."""
    options = opt.ReplayOptions(**locals())
    options.check()
    from logmetrics.cli.backfill import carry_out

    families, told = carry_out(options)
    if report is not None:
        _write_page(report, told)
    if totals or not options.wants_samples:
        _print(families, told, format_)


def _print(families: list[FamilyView], report: Report, format_: str) -> None:
    if format_ == "prometheus":
        from logmetrics.serve.exposition import render

        sys.stdout.write(render(families))
    elif format_ == "json":
        _print_json(families)
    else:
        _print_report(report)


def _write_page(page: Path, report: Report) -> None:
    from logmetrics.cli.messages import say
    from logmetrics.replay.report.page import render_report
    from logmetrics.replay.targets.openmetrics import write_atomically

    write_atomically(page, iter([render_report(report).encode("utf-8", "replace")]))
    say(f"the report is in {page}")


def _print_report(report: Report) -> None:
    from rich.console import Console

    from logmetrics.replay.report.text import write_report

    console = Console(width=None if sys.stdout.isatty() else 120)
    write_report(report, console)


def _print_json(families: list[FamilyView]) -> None:
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
    write_json(document)
