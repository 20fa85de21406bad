"""Kinds of values that a field can have. They are bits, because it may have several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT, TEXT, NUMBER, BOOLEAN, LIST, OBJECT = 1, 2, 4, 8, 16, 32
ANY = ABSENT | TEXT | NUMBER | BOOLEAN | LIST | OBJECT

_OF_CLASS: Mapping[type, int] = {
    type(None): ABSENT,
    str: TEXT,
    int: NUMBER,
    float: NUMBER,
    bool: BOOLEAN,
    list: LIST,
    dict: OBJECT,
}


def kind_of_value(value: Any) -> int:
    """The kind of a decoded value."""
    return _OF_CLASS[value.__class__]
