"""What in a record or a list may be meant: nearly the same name, another place, another case or type."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from logmetrics.authoring.explain.wording import kind_text
from logmetrics.authoring.unbounded import squeezed
from logmetrics.rules.functions import dig, label

Path = tuple[str | int, ...]
# How far a record is from meeting a condition: nearly the same, another value of a field, a field that is not there.
NEARLY, OTHER, ABSENT, NEVER = 0.2, 1.0, 1.5, 9.0
# A condition that held brings a rule so much nearer to a record.
HELD, HELD_MAX = 1.0, 3
OTHER_CASE, ELSEWHERE = ": written otherwise", ": elsewhere in the record"
_NESTED_MAX = 2_000
_NEAR = 0.75


def near_path(fields: Mapping[str, Any], path: Path) -> tuple[Path | None, str]:
    """A path in *fields* that may be meant by *path*, which leads nowhere; and in which respect it is another."""
    around: Any = dict(fields)
    for depth, step in enumerate(path):
        if isinstance(step, str) and isinstance(around, dict) and step not in around:
            for name in _near_names(step, around):
                found = (*path[:depth], name, *path[depth + 1 :])
                if dig(dict(fields), *found) is not None:
                    how = OTHER_CASE if squeezed(name) == squeezed(step) else ""
                    return found, how
            break
        around = dig(around, step)
    last = path[-1]
    elsewhere = [found for found in _paths(fields) if found[-1] == last and found != path]
    if elsewhere and isinstance(last, str):
        return min(elsewhere, key=len), ELSEWHERE
    dotted = path_key(path)
    if len(path) > 1 and dotted in fields:
        return (dotted,), ": one key with a dot in it"
    return None, ""


def path_key(path: Path) -> str:
    """The steps of *path* with dots between."""
    return ".".join(map(str, path))


def _near_names(name: str, names: Mapping[str, Any]) -> list[str]:
    plain = squeezed(name)
    alike = [other for other in names if isinstance(other, str) and squeezed(other) == plain]
    texts = [other for other in names if isinstance(other, str)]
    return alike or difflib.get_close_matches(name, texts, n=2, cutoff=_NEAR)


def _paths(fields: Mapping[str, Any]) -> Iterator[Path]:
    """All paths of scalars in *fields*, the short ones first."""
    waiting: list[tuple[Path, Any]] = [((key,), value) for key, value in fields.items()]
    for path, value in waiting:
        if len(waiting) > _NESTED_MAX:
            break
        if isinstance(value, dict):
            waiting += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), inner) for index, inner in enumerate(value[:3])]
        elif value is not None:
            yield path


def nearest_of(value: Any, wanted: tuple[Any, ...]) -> tuple[Any, float, str]:
    """Which of *wanted* is nearest to *value*, how far it is, and how it differs if that is easily overlooked."""
    for one in wanted:
        if label(one) == label(value) and one.__class__ is not value.__class__:
            return one, NEARLY, f", {kind_text(one)} and not {kind_text(value)}"
    if isinstance(value, str):
        texts = [one for one in wanted if isinstance(one, str)]
        for one in texts:
            if one.strip().lower() == value.strip().lower():
                how = ": only case differs" if one.strip() != value.strip() else ": only blanks differ"
                return one, NEARLY, how
        alike = [one for one in texts if squeezed(one) == squeezed(value)]
        near = alike or difflib.get_close_matches(value, texts, n=1, cutoff=_NEAR)
        if near:
            return near[0], 2 * NEARLY, ""
    return wanted[0] if wanted else None, OTHER, ""
