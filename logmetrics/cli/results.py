"""What a command was asked for: text to a file or to stdout, JSON to stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from logmetrics.errors import LogmetricsError


def write_output(text: str, file: str | None) -> None:
    """What a command made, to *file* or to stdout. Raises LogmetricsError when the file cannot be written."""
    if file is None:
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, "utf-8")
    except OSError as error:
        raise LogmetricsError(f"--output: {file} cannot be written: {error.strerror}") from error


def write_json(document: object) -> None:
    """*document*, dataclasses and mappings in it as objects, for programs. What JSON has no form for is text."""
    import orjson

    try:
        text = orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # a name of a file that is no UTF-8
        text = _escaped(document)
    sys.stdout.write(text + "\n")


def _escaped(document: object) -> str:
    import json
    from dataclasses import asdict, is_dataclass

    def plain(value: object) -> object:
        return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)

    return json.dumps(document, default=plain, indent=2)
