"""Searches for the regular expressions of rules: RE2's meaning, and for simple patterns the speed of Python's `re`.

RE2 takes a time that is linear in the text, whatever the pattern; but a call of it costs ten times one of `re`, which
for some patterns takes forever. So `re` searches short texts only, and for such patterns only as mean the same to both
and cannot make it go back and forth.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as sre
    from re import _parser as sre_parse
else:
    import sre_constants as sre
    import sre_parse

# RE2 is linear, but a call still costs; matches are looked for in the first part of a text only.
TEXT_MAX = 8192
# From each place in the text `re` may look at all that follows: this bounds the square.
PLAIN_TEXT_MAX = 1000
# Nor are there many such places: a match begins with one of a few characters, or at the start.
FIRST_CHARACTERS_MAX = 8
# Patterns come from configs only, so this cache is bounded by them.
PATTERNS_MAX = 10_000

# Characters that a part can match: codes of ASCII, and one for all others.
_OTHERS = 128
_EVERY = frozenset(range(_OTHERS + 1))
_DIGITS = frozenset(map(ord, "0123456789"))
_WORD = frozenset(code for code in range(_OTHERS) if chr(code).isalnum() or chr(code) == "_")
_CATEGORIES = {
    sre.CATEGORY_DIGIT: _DIGITS,
    sre.CATEGORY_NOT_DIGIT: _EVERY - _DIGITS,
    sre.CATEGORY_WORD: _WORD,
    sre.CATEGORY_NOT_WORD: _EVERY - _WORD,
}
_Characters = frozenset[int]


def search(pattern: str, text: str) -> Any:
    """The first match of *pattern*, in RE2's syntax, in *text*; None when there is none."""
    if len(text) <= PLAIN_TEXT_MAX and (plain := _plain(pattern)) is not None:
        return plain.search(text)
    text = text[:TEXT_MAX]
    try:
        return _re2(pattern).search(text)
    except UnicodeEncodeError:  # a lone surrogate
        return _re2(pattern).search(text.encode("utf-8", "replace").decode())


@lru_cache(maxsize=PATTERNS_MAX)
def _re2(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options=options)


@lru_cache(maxsize=PATTERNS_MAX)
def _plain(pattern: str) -> re.Pattern[str] | None:
    """The pattern for `re`, if it is one that `re` searches for in bounded time and RE2 understands alike."""
    if not pattern.isascii() or "[[" in pattern or "\\Q" in pattern or "\\E" in pattern:
        return None
    try:
        parsed: Any = sre_parse.parse(pattern, re.ASCII)
        if parsed.state.flags != re.ASCII:
            return None
        items = list(parsed)
        if items and items[-1] == (sre.AT, sre.AT_END) and pattern.endswith("$"):
            # To RE2 it is the end of the text, to `re` also the place before a last newline.
            items.pop()
            pattern = pattern[:-1] + r"\Z"
        first = _checked(items, frozenset())
        operator, argument = items[0]
        is_rare = len(first) <= FIRST_CHARACTERS_MAX and operator not in (sre.MAX_REPEAT, sre.MIN_REPEAT)
        return re.compile(pattern, re.ASCII) if is_rare or argument is sre.AT_BEGINNING else None
    except (re.error, _NotPlainError, IndexError, RecursionError, OverflowError):
        return None


class _NotPlainError(Exception):
    """`re` could go back and forth, or means something else."""


def _checked(items: Sequence[Any], following: _Characters) -> _Characters:
    """With what *items*, behind which one of *following* stands, can begin.

    Raises _NotPlainError unless each repetition ends where the next part begins, so that no match is tried twice.
    """
    first = following
    for operator, argument in reversed(items):
        first = _begin(operator, argument, first)
    return first


def _begin(operator: Any, argument: Any, following: _Characters) -> _Characters:
    if operator in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
        return _characters(operator, argument)
    if operator is sre.AT and argument in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
        return following
    if operator is sre.SUBPATTERN:
        _, added, removed, items = argument
        if added or removed:
            raise _NotPlainError
        return _checked(list(items), following)
    if operator is sre.BRANCH:
        return frozenset().union(*(_checked(list(items), following) for items in argument[1]))
    if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        least, most, items = argument
        return _repeated(least, most, list(items), following)
    raise _NotPlainError


def _repeated(least: int, most: int, items: list[Any], following: _Characters) -> _Characters:
    if most == 1:
        body = _checked(items, following)
        return body if least else body | following
    if len(items) != 1 or items[0][0] not in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
        raise _NotPlainError
    body = _characters(*items[0])
    if body & following:
        raise _NotPlainError
    return body if least else body | following


def _characters(operator: Any, argument: Any) -> _Characters:
    """Which characters one item matches."""
    if operator is sre.ANY:
        return _EVERY - {ord("\n")}
    if operator is sre.LITERAL:
        return frozenset((min(argument, _OTHERS),))
    if operator is sre.NOT_LITERAL:
        return _EVERY - {argument} if argument < _OTHERS else _EVERY
    found: set[int] = set()
    for kind, value in argument:
        if kind is sre.LITERAL:
            found.add(min(value, _OTHERS))
        elif kind is sre.RANGE:
            found.update(min(code, _OTHERS) for code in range(value[0], value[1] + 1))
        elif kind is sre.CATEGORY and value in _CATEGORIES:
            found |= _CATEGORIES[value]
        elif kind is not sre.NEGATE:
            raise _NotPlainError
    return _EVERY - found if argument[0][0] is sre.NEGATE else frozenset(found)
