"""The options of `logmetrics replay`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from logmetrics.errors import UsageError

FORMATS = ("table", "prometheus", "json")
Totals = Annotated[bool, typer.Option("--totals", help="Print totals over all times, also when samples go elsewhere.")]
Format = Annotated[str, typer.Option("--format", metavar="|".join(FORMATS), help="How totals are printed.")]
ReportFile = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the report as one page with charts.")]
OpenMetricsDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write samples as OpenMetrics files, one for each two hours.")
]
TsdbDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write samples as blocks into Prometheus' data directory DIR.")
]
RemoteWriteUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Send samples by remote write: Prometheus, Mimir, VictoriaMetrics.")
]
VictoriaUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Import samples into VictoriaMetrics, such as http://HOST:8428.")
]
PrometheusUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The Prometheus that has the directory of --tsdb: asked before and after."),
]
QueryUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Where to ask for what was sent, if not at the same server.")
]
Headers = Annotated[
    list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Send this header with every request.")
]
SendAnyway = Annotated[bool, typer.Option("--send-anyway", help="Send without asking what is there already.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Give every sample this label; job and instance as when scraped."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Leave out what was before: 2026-01-31T12:00:00Z, or 7d for seven days ago."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Leave out what was from this time on.")]
Step = Annotated[str, typer.Option(metavar="DURATION", help="Time between samples.")]
Zone = Annotated[
    str | None, typer.Option("--timezone", metavar="ZONE", help="Of times that tell none, such as Europe/Berlin.")
]
Jobs = Annotated[int | None, typer.Option(metavar="N", help="Processes that read; as many as there are processors.")]
Dask = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Read on the Dask cluster of tcp://SCHEDULER:8786.")]
SeedState = Annotated[
    bool, typer.Option("--seed-state", help="Let the daemon go on at the next byte with the next value.")
]
SeedOffsets = Annotated[bool, typer.Option("--seed-offsets", help="Let the daemon go on at the next byte, from zero.")]
StateDir = Annotated[
    str | None, typer.Option("--state-dir", metavar="DIR", help="The state that is seeded, if not the usual one.")
]
BeforeState = Annotated[
    str | None, typer.Option(metavar="DIR", help="Read only what was there before the daemon with this state began.")
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Write samples though some logs cannot be read.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be written, and what stands against it; write nothing.")
]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The options as they were given, under the names that they have in the command's signature."""

    paths: list[str] | None
    config_file: str | None
    pack: list[str] | None
    totals: bool
    format_: str
    report: Path | None
    openmetrics: Path | None
    tsdb: Path | None
    remote_write: str | None
    victoriametrics: str | None
    prometheus: str | None
    query_url: str | None
    header: list[str] | None
    send_anyway: bool
    label: list[str] | None
    since: str | None
    until: str | None
    step: str
    zone: str | None
    jobs: int | None
    dask: str | None
    journal: list[str] | None
    journal_dir: str | None
    seed_state: bool
    seed_offsets: bool
    state_dir: str | None
    before_state: str | None
    skip_unreadable: bool
    dry_run: bool

    @property
    def has_outputs(self) -> bool:
        """Whether samples are to go anywhere."""
        return any((self.openmetrics, self.tsdb, self.remote_write, self.victoriametrics))

    @property
    def wants_samples(self) -> bool:
        """Whether samples are to be made, be it only to count them."""
        return self.has_outputs or self.dry_run

    def check(self) -> None:
        """Raise UsageError for what is wrong whatever the logs and the config are."""
        if self.format_ not in FORMATS:
            raise UsageError(f"--format is one of {', '.join(FORMATS)}, not {self.format_!r}")
        if self.jobs is not None and self.jobs < 1:
            raise UsageError("--jobs is 1 or more")
        if self.prometheus and not self.tsdb:
            raise UsageError(
                "--prometheus goes with --tsdb; what is sent is asked for at its own server, or --query-url"
            )
        if self.journal_dir and not self.journal:
            raise UsageError("--journal-dir goes with --journal UNIT")
        if self.seed_state and self.seed_offsets:
            raise UsageError("--seed-state has the offsets in it; give one of the two")
        if self.seed_state or self.seed_offsets:
            if self.since or self.until or self.before_state or self.journal:
                what = "without --since, --until, --before-state and --journal"
                raise UsageError(f"a state is seeded with all of the logs: {what}")
        elif self.state_dir:
            raise UsageError("--state-dir goes with --seed-state or --seed-offsets")
