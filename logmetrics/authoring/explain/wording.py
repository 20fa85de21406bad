"""Values of records as people read them, short enough for a line."""

from __future__ import annotations

import json
from typing import Any

VALUE_CHARACTERS = 60
_KINDS = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


def kind_text(value: Any) -> str:
    """What *value* is: a text, a number, missing."""
    return _KINDS.get(value.__class__, "missing")


def value_text(value: Any, characters: int = VALUE_CHARACTERS) -> str:
    """*value* as JSON writes it; ``missing`` when it is none."""
    if value is None:
        return "missing"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    if len(text) <= characters:
        return text
    end = {'"': '..."', "[": "...]", "{": "...}"}.get(text[0], "...")
    return text[: characters - len(end)] + end
