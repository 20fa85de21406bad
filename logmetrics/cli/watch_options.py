"""The options of `logmetrics watch` that no other command has."""

from __future__ import annotations

from typing import Annotated

import typer

Listen = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDR", help="Serve on host:port or unix:/path; may be given several times."),
]
WebConfig = Annotated[
    str | None,
    typer.Option("--web-config", metavar="FILE", help="Serve with the TLS and the passwords that FILE tells."),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="start|end", help="Where logs that are there already are read from."),
]
Once = Annotated[bool, typer.Option("--once", help="Read what is there, print the metrics to stdout, and end.")]
StateDir = Annotated[
    str | None,
    typer.Option("--state-dir", metavar="DIR", help="Keep positions and values in DIR, to go on from there."),
]
NoState = Annotated[bool, typer.Option("--no-state", help="Keep nothing: a restart reads everything again, from zero.")]
ResetState = Annotated[
    bool, typer.Option("--reset-state", help="Set the state of earlier runs aside, and begin at zero.")
]
ServeEarly = Annotated[
    bool, typer.Option("--serve-early", help="Serve metrics while what was there at the start is still being read.")
]
NoWatchdog = Annotated[
    bool, typer.Option("--no-watchdog", help="Look at files by polling only, without file notification.")
]
NoListen = Annotated[bool, typer.Option("--no-listen", help="Open no port; metrics go into a --textfile.")]
Instance = Annotated[
    str | None,
    typer.Option("--instance", metavar="NAME", help="Name of this run among others on the host."),
]
Advertise = Annotated[
    str | None,
    typer.Option("--advertise", metavar="HOST[:PORT]", help="How Prometheus reaches this process, for --sd-file."),
]
SdFile = Annotated[
    str | None,
    typer.Option(
        "--sd-file", metavar="FILE.json", help="Tell Prometheus' file_sd where the metrics are, while it runs."
    ),
]
Textfile = Annotated[
    str | None,
    typer.Option("--textfile", metavar="FILE.prom", help="Write the metrics for node_exporter's textfile collector."),
]
Push = Annotated[
    str | None, typer.Option("--push", metavar="URL", help="With --once: hand the metrics to this Pushgateway.")
]
PushJob = Annotated[str, typer.Option("--push-job", metavar="NAME", help="The job that is pushed as.")]
PushLabels = Annotated[
    list[str] | None,
    typer.Option("--push-label", metavar="KEY=VALUE", help="One more label of what is pushed; may be repeated."),
]
