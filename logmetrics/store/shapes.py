"""Values that look like ids -> placeholders: ``/users/17/files/3f2b...`` becomes ``/users/{n}/files/{uuid}``.

An id as a label value makes a series for each event. With a placeholder in its place the rest of the value stays
useful, and no budget is spent. Every pattern is tried from few places and never looks back: the cost is linear.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Values known in advance keep their look-up cheap; a flood of new ones costs this much memory and no more.
CACHED_VALUES_MAX = 4_096
# Free text, such as a prompt or an error message with its details: so long, and of so many words.
TEXT_CHARACTERS_MIN = 64
TEXT_BLANKS_MIN = 6
# Longer values are not searched.
SEARCHED_CHARACTERS_MAX = 4_096

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_HEX_GROUP = r"[0-9A-Fa-f]{1,4}"
# Eight digits are a date in many model names, four groups of them are no version; so these are the least lengths.
_SHAPES = re.compile(
    "|".join(
        (
            r"(?P<uuid>(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z]))",
            r"(?P<time>(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
            r"|(?<!\d)\d{8}T\d{6}Z?|(?<![\d:])\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?![\d:]))",
            rf"(?P<ip>(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?::\d{{1,5}})?(?![\w.])"
            rf"|(?<![\w:])(?:{_HEX_GROUP}:){{7}}{_HEX_GROUP}(?![\w:])"
            rf"|(?<![\w:])(?=[A-Fa-f:]{{0,40}}\d)(?:(?:{_HEX_GROUP}:){{1,6}}|:):(?:{_HEX_GROUP}(?::{_HEX_GROUP}){{0,6}})?(?![\w:]))",
            r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})",
            r"(?P<n>(?<!\d)\d{9,}(?:\.\d+)?(?![\dA-Fa-f]))",
            r"(?P<hex>(?<![0-9A-Za-z])(?:0x)?(?=[A-Fa-f]*\d)[0-9A-Fa-f]{16,}(?![0-9A-Za-z]))",
            r"(?P<id>(?<![0-9A-Za-z])(?=(?:[A-Za-z]*\d){4})(?=\d*[A-Za-z])[0-9A-Za-z]{22,}(?![0-9A-Za-z]))",
        )
    )
)
# A value without any of these has none of the shapes.
_SUSPICIOUS = re.compile(
    r"[/@]|\d(?:\d{7}|\.\d{1,3}\.\d|[T ]\d\d:\d)|[0-9A-Fa-f]{16}|[0-9A-Za-z]{22}|:[0-9A-Fa-f]{0,4}:"
)
# A short value that is nothing but this has none either; most values are done with this one match.
PLAIN_CHARACTERS_MAX = 15
is_plain = re.compile(r"[A-Za-z_ -]*(?:\d{1,7}[A-Za-z_ -]+)*\d{0,7}").fullmatch
_PATH = re.compile(r"^/|://| /|^[^/ ]+/.*/")
_PATH_NUMBER = re.compile(r"(?<=/)\d+(?=[/?#\s:]|$)")
_QUERY = re.compile(r"\?[^\s?]*=[^\s]*")


def generalize(value: str) -> str:
    """*value* with what looks like an id replaced by a placeholder: the value itself when there is nothing."""
    if len(value) > TEXT_CHARACTERS_MIN and value.count(" ") >= TEXT_BLANKS_MIN:
        return "{text}"
    return value if _SUSPICIOUS.search(value) is None else _replaced(value)


@lru_cache(CACHED_VALUES_MAX)
def _replaced(value: str) -> str:
    if "/" in value and _PATH.search(value):
        value = _QUERY.sub("?{query}", _PATH_NUMBER.sub("{n}", value))
    return _SHAPES.sub(_placeholder, value)


def _placeholder(match: re.Match[str]) -> str:
    return f"{{{match.lastgroup}}}"
