"""Names of metrics after Prometheus' conventions, none of which means anything else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from itertools import chain, count

from logmetrics.authoring.inference.spelling import snake
from logmetrics.authoring.inference.units import UNIT_WORDS
from logmetrics.config.exposed_names import OWN_PREFIX, names_in_exposition
from logmetrics.config.specs import PackSpec

# Directories that are called so tell nothing of what is in them.
_VAGUE_TEXT = """
    logs log data tmp temp var sample samples output out default home test tests current latest server app main
    files n stdout stderr messages jsonl json txt
"""
_VAGUE = frozenset(_VAGUE_TEXT.split())
DEFAULT_PREFIX = "app"
_PREFIX_CHARACTERS_MAX, _NAME_CHARACTERS_MAX = 24, 90
TELLING_WORDS_MAX = 4
# What no name of a phrase needs: words that join others, and units, which a metric's name has at its end only.
_JOINING_TEXT = """
    the an of to for in on at by with and or as is was are were be been has have had from into per it its this that
    after before until while id ids no not via now can could will would may do does did we you they
    tok hz hr days weeks bits tb kb mb gb kib mib gib byte bytes percent pct ratio
    celsius joules volts amperes meters metres grams
    total count sum bucket info created counter gauge histogram summary
"""
_TELL_NOTHING = frozenset((*_JOINING_TEXT.split(), *UNIT_WORDS))
PREFIX = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,39}")


def prefix_for(paths: Iterable[str]) -> str:
    """What names of metrics begin with, after the file or directory that logs are read from."""
    names = {_telling(path) for path in paths}
    return names.pop() if len(names) == 1 else DEFAULT_PREFIX


def _telling(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    for part in reversed(parts[-2:]):
        stem = os.path.splitext(part)[0] if "*" not in part else ""
        name = snake(stem)[:_PREFIX_CHARACTERS_MAX].strip("_")
        if name and name not in _VAGUE and not name.startswith("tmp") and f"{name}_" != OWN_PREFIX and len(name) > 1:
            return name
    return DEFAULT_PREFIX


class Names:
    """Gives each metric a name of its own, none that a pack has or that an exposition could take for another's."""

    def __init__(self, prefix: str, packs: Mapping[str, PackSpec]) -> None:
        self.prefix = prefix
        self._rules: set[str] = set()
        self._taken = {
            each
            for pack in packs.values()
            for spec in pack.rule_set.metrics.values()
            for each in names_in_exposition(spec.name, spec.type)
        }

    def take_rule(self, name: str, *apart: str) -> str:
        """*name*, if there is a rule called so with what tells it *apart*, and a number only when nothing does."""
        further = [f"{name}, {other}" for other in apart if other]
        numbered = (f"{(further or [name])[-1]} {number}" for number in count(2))
        chosen = next(each for each in chain([name], further, numbered) if each not in self._rules)
        self._rules.add(chosen)
        return chosen

    def take(self, stem: str, unit: str, metric_type: str, *apart: str) -> str:
        """The name of a metric about *stem* in *unit*, such as seconds; of *apart* it gets what tells it from others
        that are about the same.
        """
        new = [other for other in apart if other and not stem.startswith(f"{other}_")]
        first = stem.split("_")[0]
        further = [f"{other.removesuffix(f'_{first}')}_{stem}".strip("_") for other in new]
        numbered = (f"{stem}_{number}" for number in count(2))
        for each in chain([stem], further, numbered):
            name = self._spelt(each, unit, metric_type)
            exposed = names_in_exposition(name, metric_type)
            if not self._taken.intersection(exposed):
                self._taken.update(exposed)
                return name
        raise AssertionError("numbers do not end")

    def _spelt(self, stem: str, unit: str, metric_type: str) -> str:
        # A letter alone reads like an abbreviated unit.
        told = "_".join(word for word in stem.split("_") if len(word) > 1 or word.isdigit())
        told = told.removeprefix(f"{self.prefix}_")
        base = "_".join(filter(None, (self.prefix, told[: _NAME_CHARACTERS_MAX - len(self.prefix)].strip("_"))))
        endings = [unit] if unit and not told.endswith(unit) else []
        if metric_type == "counter":
            base = base.removesuffix("_total")
            endings.append("total")
        elif not endings:
            base = _without_reserved_ending(base)
        return "_".join([base, *endings])


def telling(words: Iterable[str], words_max: int = TELLING_WORDS_MAX) -> str:
    """The first of *words* that tell something, joined by _: no articles, units, numbers, letters, nothing twice."""
    good = [word for word in words if len(word) > 1 and word.isascii() and word.isalpha() and word not in _TELL_NOTHING]
    return "_".join(list(dict.fromkeys(good))[:words_max])


def _without_reserved_ending(name: str) -> str:
    """What would be read as a part of a histogram or a counter is renamed."""
    for ending in ("_total", "_count", "_sum", "_bucket", "_created", "_info"):
        if name.endswith(ending):
            return f"{name.removesuffix(ending)}{ending.replace('_', '_of_', 1)}"
    return name
