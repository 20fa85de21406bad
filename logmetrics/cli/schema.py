"""`logmetrics schema`: the JSON Schema of a config or a test file, for editors and CI."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def schema(
    tests: Annotated[bool, typer.Option("--tests", help="That of files for `logmetrics test`.")] = False,
) -> None:
    """Print the JSON Schema of the config file."""
    import orjson

    if tests:
        from logmetrics.authoring.trials.model import json_schema
    else:
        from logmetrics.config.model import json_schema
    sys.stdout.write(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode() + "\n")
