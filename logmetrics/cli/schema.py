"""`logmetrics schema`: the JSON Schema of a config or a test file, for editors and CI."""

from __future__ import annotations

from typing import Annotated

import typer

from logmetrics.cli.results import write_json


def schema(
    tests: Annotated[bool, typer.Option("--tests", help="That of files for `logmetrics test`.")] = False,
) -> None:
    """Print the JSON Schema of the config file."""
    if tests:
        from logmetrics.authoring.trials.model import json_schema
    else:
        from logmetrics.config.model import json_schema
    write_json(json_schema())
