"""Whatever logs hold, spelt so that an expression, a line of YAML or a comment can carry it."""

from __future__ import annotations

import keyword
import re

from logmetrics.authoring.inference.decoding import Path
from logmetrics.authoring.inference.values import words_of
from logmetrics.config.expression import CONTEXT_NAMES
from logmetrics.present.amounts import cut, harmless

# Objects that loggers put a whole record's fields into: they tell nothing of a field.
CONTAINERS_TEXT = """
    record extra fields data payload body properties attributes context event detail details params info meta
    metadata span span_data message msg log root contextmap
"""
CONTAINERS = frozenset(CONTAINERS_TEXT.split())
_SHOWN_CHARACTERS_MAX = 60
_NAME_CHARACTERS_MAX = 40
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Words of the language, which are no fields by themselves.
_TAKEN = frozenset((*(name.split(".")[0] for name in CONTEXT_NAMES), "root", "line_time", "true", "false"))
# What a line of YAML may hold without quotes.
_PLAIN_YAML = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_./,()*=-]*(?: [A-Za-z0-9_./,()*=-]+)*", re.ASCII)
_NO_TEXT_IN_YAML = re.compile(r"[\d.+-].*|true|false|yes|no|on|off|null|~|y|n|- .*|.*: .*", re.IGNORECASE | re.DOTALL)


def text_literal(text: str) -> str:
    """*text* as an expression writes it; characters that are not printable are escaped."""
    return f'"{"".join(_escaped(character) for character in text)}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def field_expression(path: Path) -> str:
    """The expression for the field at *path*."""
    first, *rest = path
    is_plain = _is_plain(first) and first not in _TAKEN
    text = first if is_plain else f"root[{text_literal(first)}]"
    return text + "".join(f".{key}" if _is_plain(key) else f"[{text_literal(key)}]" for key in rest)


def _is_plain(key: str) -> bool:
    return _PLAIN.fullmatch(key) is not None and not keyword.iskeyword(key)


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
