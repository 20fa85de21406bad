"""Values that look like ids -> placeholders: ``/users/17/files/3f2b...`` becomes ``/users/{n}/files/{uuid}``.

An id as a label value makes a series for each event. With a placeholder in its place the rest of the value stays
useful, and no budget is spent. Every pattern is tried from few places and never looks back: the cost is linear.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Values known in advance keep their look-up cheap; a flood of new ones costs this much memory and no more.
CACHED_VALUES_MAX = 4_096
# Longer values are not remembered: so many of them would be much memory.
CACHED_CHARACTERS_MAX = 256
# Free text, such as a prompt or an error message with its details: so long, and of so many words.
TEXT_CHARACTERS_MIN = 64
TEXT_BLANKS_MIN = 6
# Longer values are not searched.
SEARCHED_CHARACTERS_MAX = 4_096

_IPV4 = r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_GROUP = r"[0-9A-Fa-f]{1,4}"
# Two groups with "::" between them are as often two names of a programming language; so three at the least, or ::1.
_IPV6 = (
    rf"(?:(?:{_GROUP}:){{7}}{_GROUP}|::[Ff]{{4}}:{_IPV4}|(?:{_GROUP}:){{2,6}}:(?:{_GROUP}(?::{_GROUP}){{0,4}})?"
    rf"|(?:{_GROUP})?::{_GROUP}(?::{_GROUP}){{1,5}}|::1)"
)
# Eight digits are a date in many model names, and digits behind a point are no id; names have runs of small letters.
_SHAPES = re.compile(
    "|".join(
        (
            r"(?P<uuid>(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z]))",
            r"(?P<time>(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
            r"|(?<!\d)\d{8}T\d{6}Z?|(?<![\d:])\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?![\d:]))",
            rf"(?P<ip>(?:(?<![\w./-])|(?<=//)|(?<=@)){_IPV4}(?::\d{{1,5}})?(?![\w.-])"
            rf"|(?<![\w:.])(?:\[{_IPV6}\](?::\d{{1,5}})?|{_IPV6})(?![\w:.]))",
            r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-]))",
            r"(?P<n>(?<![\d.])\d{9,}(?:\.\d+)?(?![\dA-Fa-f]))",
            r"(?P<hex>(?<![0-9A-Za-z])(?:0x)?(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{16,}(?![0-9A-Za-z]))",
            r"(?P<id>(?<![0-9A-Za-z])(?=(?:[A-Za-z]*\d){3})(?=\d*[A-Za-z])(?![0-9A-Z]*(?:[a-z]{1,4}[0-9A-Z]+)*[a-z]{5})"
            r"[0-9A-Za-z]{22,}(?![0-9A-Za-z]))",
        )
    ),
    re.ASCII,
)
# A value without any of these has none of the shapes.
_SUSPICIOUS = re.compile(
    r"[/@]|\d(?:\d{7}|\.\d{1,3}\.\d|[T ]\d\d:\d|\d:\d\d:)|[0-9A-Fa-f]{8}(?:[0-9A-Fa-f]{8}|-[0-9A-Fa-f]{4}-)"
    r"|[0-9A-Za-z]{22}|:[0-9A-Fa-f]{0,4}:",
    re.ASCII,
)
# A short value that is nothing but this has none either; most values are done with this one match.
PLAIN_CHARACTERS_MAX = 15
is_plain = re.compile(r"[A-Za-z_ -]*(?:\d{1,7}[A-Za-z_ -]+)*\d{0,7}", re.ASCII).fullmatch
_PATH = re.compile(r"^/|://|(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /| /[A-Za-z]|^[^/ ]*[A-Za-z][^/ ]*/.*/")
_PATH_NUMBER = re.compile(r"(?<=/)\d+(?=[/?#\s:]|$)", re.ASCII)
_PATH_HOST = re.compile(rf"(?<=/){_IPV4}(?=[/:?#]|$)", re.ASCII)
_QUERY = re.compile(r"\?[^\s?]*=[^\s]*")


def generalize(value: str) -> str:
    """*value* with what looks like an id replaced by a placeholder: the value itself when there is nothing."""
    if len(value) > TEXT_CHARACTERS_MIN and value.count(" ") >= TEXT_BLANKS_MIN:
        return "{text}"
    if _SUSPICIOUS.search(value) is None:
        return value
    return _replaced_cached(value) if len(value) <= CACHED_CHARACTERS_MAX else _replaced(value)


def _replaced(value: str) -> str:
    if "/" in value and _PATH.search(value):
        value = _QUERY.sub("?{query}", _PATH_NUMBER.sub("{n}", value))
        value = _PATH_HOST.sub("{ip}", value)
    return _SHAPES.sub(_placeholder, value)


_replaced_cached = lru_cache(CACHED_VALUES_MAX)(_replaced)


def _placeholder(match: re.Match[str]) -> str:
    return f"{{{match.lastgroup}}}"
