"""`logmetrics schema`: the JSON Schema of a config, for editors and CI."""

from __future__ import annotations

import sys


def schema() -> None:
    """Print the JSON Schema of the config file."""
    import orjson

    from logmetrics.config.model import json_schema

    sys.stdout.write(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode() + "\n")
