"""For a record that no rule matches: the rules that are nearest, and the smallest change with which one would match.

A change is tried out: the record is given what the condition asks for, and the rules are asked again, until the one
that is looked at matches. So what is told is known to be enough.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from logmetrics.authoring.explain.attempts import Attempt, Family, asked_of
from logmetrics.authoring.explain.facts import Change, Nearest
from logmetrics.authoring.explain.folding import Folding
from logmetrics.authoring.explain.near import HELD, NEVER, OTHER, Path
from logmetrics.authoring.explain.reasons import Reason
from logmetrics.authoring.explain.wording import value_text
from logmetrics.config.expression_text import Wording, path_text
from logmetrics.config.specs import Config, RuleSpec, SourceSpec
from logmetrics.rules.log import Log
from logmetrics.rules.trace import Traced, traced
from logmetrics.store.store import Store

# So many rules are tried out, with so many changes at the most; more than the second is told when it is as near.
TRIED_MAX = 6
CHANGES_MAX = 4
TOLD_MAX = 2
FAR, BESIDE = 3.2, 0.3
# It is not known whether the changes are enough.
UNSURE = 0.3
# Rules of packs are many, and nobody changes them: only a near one is worth a word.
FAR_OF_PACK = 0.9
_Row = tuple[str, str, str, int, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule that did not match, and why."""

    number: int
    rule: RuleSpec
    reason: Reason


class Prober:
    """Has rules of its own, so that what is tried counts nowhere."""

    def __init__(self, config: Config, source: SourceSpec, wordings: Mapping[str, Wording]) -> None:
        self._config = config
        self._source = source
        self._wordings = wordings
        self._rules: Traced | None = None
        self._family: Family | None = None

    def nearest(
        self,
        candidates: Iterable[Candidate],
        fields: Mapping[str, Any],
        format_name: str,
        memory: Sequence[_Row],
        path: str,
    ) -> tuple[Nearest, ...]:
        """Those of *candidates* that are nearest; *memory* is what the rules remembered when the record came."""
        near = [one for one in candidates if one.reason.distance < NEVER]
        near.sort(key=lambda one: one.reason.rank)
        # A rule of the user's own is what they are working on.
        near = [*sorted(near[:TRIED_MAX], key=lambda one: bool(one.rule.pack))]
        tried = [self._tried(one, fields, format_name, memory, path) for one in near]
        tried.sort(key=lambda one: one[0])
        if tried and tried[0][0] >= OTHER and sum(d <= tried[0][0] + BESIDE for d, _ in tried) > TOLD_MAX:
            return ()  # it has as little in common with many
        told = [
            nearest
            for distance, nearest in tried
            if distance <= (FAR_OF_PACK if nearest.pack else FAR) and distance <= tried[0][0] + BESIDE
        ]
        return tuple(told[:TOLD_MAX])

    def _tried(
        self,
        candidate: Candidate,
        fields: Mapping[str, Any],
        format_name: str,
        memory: Sequence[_Row],
        path: str,
    ) -> tuple[float, Nearest]:
        rule, reason = candidate.rule, candidate.reason
        record = copy.deepcopy(dict(fields))
        changes = [_change(reason, rule)]
        distance, is_enough = reason.distance, False
        while len(changes) <= CHANGES_MAX:
            if reason.repair is None or not put(record, reason.repair.path, reason.repair.value):
                break
            line = _line(record, format_name)
            if line is None:
                break
            attempts = self._attempts(candidate.number, line, memory, path)
            if attempts is None:
                break
            assert self._family is not None
            fact, reason = Folding(self._family, self._wording(rule), record).rule(rule, attempts)
            if fact.outcome in ("matched", "started"):
                is_enough = True
                break
            if _change(reason, rule) in changes or len(changes) == CHANGES_MAX:
                distance += NEVER
                break
            changes.append(_change(reason, rule))
            distance += reason.itself
        name = rule.name.removeprefix(f"{rule.pack}/") if rule.pack else rule.name
        distance += 0 if is_enough else UNSURE
        distance -= HELD if candidate.reason.is_slip else 0
        return distance, Nearest(name, rule.pack, tuple(changes), is_enough)

    def _attempts(self, number: int, line: bytes, memory: Sequence[_Row], path: str) -> list[Attempt] | None:
        """What becomes of the rule of this *number* with *line*; None when it is not asked any more."""
        if self._rules is None:
            store = Store(self._config.rule_set.metrics, self._config.limits)
            self._rules = traced(self._config, self._source, store)
            self._family = Family(self._rules.trace)
        rules = self._rules
        rules.program.begin_anew()
        rules.program.adopt(memory)
        rules.trace.take()
        rules.program.apply([line], Log(path, self._source.name), 0.0)
        return asked_of(rules.trace, rules.trace.take()).rules.get(number)

    def _wording(self, rule: RuleSpec) -> Wording:
        return self._wordings.get(rule.pack) or Wording()


def _change(reason: Reason, rule: RuleSpec) -> Change:
    repair = reason.repair
    if repair is None:
        return Change(reason.why, "", "")
    in_log = f"{path_text(repair.path)}: {value_text(repair.value)}"
    if repair.value == "...":
        in_log = f"a field {path_text(repair.path)}"
    in_config = ""
    if not rule.pack and repair.old and repair.new and repair.old != repair.new:
        in_config = f"{repair.new} in place of {repair.old}"
    return Change(reason.why, in_log, in_config)


def put(record: dict[str, Any], path: Path, value: Any) -> bool:
    """Have *record* hold *value* at *path*, with objects on the way; False when something else is in the way."""
    around: Any = record
    for step, following in zip(path, (*path[1:], None), strict=True):
        is_last = following is None
        if isinstance(step, str):
            if not isinstance(around, dict):
                return False
            if is_last:
                around[step] = value
                return True
            if around.get(step).__class__ is not (dict if isinstance(following, str) else list):
                if isinstance(following, int):
                    return False
                around[step] = {}
            around = around[step]
        else:
            if not isinstance(around, list) or not -len(around) <= step < len(around):
                return False
            if is_last:
                around[step] = value
                return True
            if around[step].__class__ is not dict and isinstance(following, str):
                around[step] = {}
            around = around[step]
    return False


def _line(record: Mapping[str, Any], format_name: str) -> bytes | None:
    """A line that has these fields."""
    if format_name == "json":
        try:
            return msgspec.json.encode(record)
        except (msgspec.EncodeError, TypeError, ValueError, RecursionError):
            return None
    if format_name == "logfmt":
        pairs = []
        for key, value in record.items():
            if isinstance(value, (dict, list)):
                continue
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            pairs.append(f"{key}={msgspec.json.encode(text).decode() if isinstance(value, str) else text}")
        return " ".join(pairs).encode("utf-8", "replace")
    return None
