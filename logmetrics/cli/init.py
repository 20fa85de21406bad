"""`logmetrics init`: a config from logs, with the evidence beside each line."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from logmetrics.cli.messages import say
from logmetrics.cli.options import Output, require_paths
from logmetrics.cli.results import write_json, write_output
from logmetrics.errors import UsageError


def init(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, directories or globs to learn from.", show_default=False),
    ],
    output: Output = None,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE if it is there.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", metavar="PREFIX", help="What names of metrics begin with.")
    ] = None,
    no_packs: Annotated[bool, typer.Option("--no-packs", help="Infer everything, as if there were no packs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON, and no config.")] = False,
) -> None:
    """Write a config from samples of logs. With formats, events, units, safe labels and buckets, and why."""
    from logmetrics.authoring.inference.draft import as_json as data_of
    from logmetrics.authoring.inference.draft import draft_of
    from logmetrics.authoring.inference.naming import PREFIX
    from logmetrics.authoring.inference.summary import summary_of
    from logmetrics.authoring.inference.trial import tried
    from logmetrics.cli.options import require_no_config

    if name is not None and not PREFIX.fullmatch(name):
        raise UsageError(f"--name {name}: expected letters, digits and _, a letter first, at most 40 of them")
    if output is not None and not force and os.path.lexists(output):
        raise UsageError(f"{output} is there already: --force writes over it, --output OTHER keeps it")
    require_no_config(paths, "check")
    require_paths(paths)
    draft = draft_of(paths, uses_packs=not no_packs, prefix=name)
    if as_json:
        write_json(data_of(draft))
        return
    outcome = tried(draft)
    write_output(outcome.text, output)
    for line in summary_of(draft, outcome, output):
        say(line)
