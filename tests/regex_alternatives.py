"""A regular expression with one of its alternatives left out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise


def without_alternatives(pattern: str) -> Iterator[tuple[str, str]]:
    """Each alternative in *pattern*, and the pattern without it."""
    for start, stop in _alternations(pattern):
        bars = [start - 1, *_bars(pattern, start, stop), stop]
        for index, (before, after) in enumerate(pairwise(bars)):
            left_out = pattern[before + 1 : after]
            rest = pattern[start:before] + pattern[after:stop] if index else pattern[after + 1 : stop]
            yield left_out, pattern[:start] + rest + pattern[stop:]


def _alternations(pattern: str) -> list[tuple[int, int]]:
    """Where groups with alternatives in them, or the whole, begin and end."""
    found, opened = [], [0]
    for at, character in _plain(pattern):
        if character == "(":
            opened.append(at + (3 if pattern.startswith("(?:", at) else 1))
        elif character == ")":
            found.append((opened.pop(), at))
    found.append((_after_flags(pattern), len(pattern)))
    return [(start, stop) for start, stop in sorted(found) if _bars(pattern, start, stop)]


def _after_flags(pattern: str) -> int:
    return pattern.index(")") + 1 if pattern.startswith("(?") and not pattern.startswith("(?:") else 0


def _bars(pattern: str, start: int, stop: int) -> list[int]:
    """Where alternatives between *start* and *stop*, not those of groups within, end."""
    depth, found = 0, []
    for at, character in _plain(pattern):
        if start <= at < stop:
            depth += (character == "(") - (character == ")")
            if character == "|" and depth == 0:
                found.append(at)
    return found


def _plain(pattern: str) -> Iterator[tuple[int, str]]:
    """Parentheses and bars of *pattern* that mean what they are."""
    is_escaped = is_class = False
    for at, character in enumerate(pattern):
        if is_escaped:
            is_escaped = False
        elif character == "\\":
            is_escaped = True
        elif is_class:
            is_class = character != "]"
        elif character == "[":
            is_class = True
        elif character in "(|)":
            yield at, character
