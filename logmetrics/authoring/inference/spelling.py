"""Whatever logs hold, spelt so that a name of Prometheus', a line of YAML or a comment can carry it."""

from __future__ import annotations

import re

from logmetrics.authoring.inference.decoding import Path
from logmetrics.authoring.inference.values import words_of
from logmetrics.config.expression_text import text_literal
from logmetrics.present.amounts import cut, harmless

# Objects that loggers put a whole record's fields into: they tell nothing of a field.
CONTAINERS_TEXT = """
    record extra fields data payload body properties attributes context event detail details params info meta
    metadata span span_data message msg log root contextmap
"""
CONTAINERS = frozenset(CONTAINERS_TEXT.split())
_SHOWN_CHARACTERS_MAX = 60
_NAME_CHARACTERS_MAX = 40
# What a line of YAML may hold without quotes.
_PLAIN_YAML = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_./,()*=-]*(?: [A-Za-z0-9_./,()*=-]+)*", re.ASCII)
_NO_TEXT_IN_YAML = re.compile(r"[\d.+-].*|true|false|yes|no|on|off|null|~|y|n|- .*|.*: .*", re.IGNORECASE | re.DOTALL)


def yaml_text(text: str) -> str:
    """*text* as a value of YAML: without quotes where that is safe."""
    if _PLAIN_YAML.fullmatch(text) and not _NO_TEXT_IN_YAML.fullmatch(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return text_literal(text)


def shown(text: str, characters_max: int = _SHOWN_CHARACTERS_MAX) -> str:
    """*text* as a comment may hold it: one line, short, nothing that moves a cursor."""
    return cut(harmless(text), characters_max)


def snake(text: str) -> str:
    """A name of Prometheus' for *text*: its words in ASCII, joined by _; empty when it has none."""
    words = [word for word in words_of(text) if word.isascii()]
    joined = "_".join(words)[:_NAME_CHARACTERS_MAX].strip("_")
    return f"n{joined}" if joined[:1].isdigit() else joined


def name_of(path: Path) -> str:
    """A name of Prometheus' for the field at *path*: its own, and in front the object's when it tells too little."""
    name = snake(path[-1])
    if len(path) == 1 or path[-2].lower() in CONTAINERS or (name not in _VAGUE and name):
        return name
    parent = snake(path[-2])
    return parent if name == "name" and parent == "level" else f"{parent}_{name}".strip("_")


_VAGUE = frozenset(("name", "type", "kind", "status", "code", "value", "state", "class", "role", "success", "ok", ""))
