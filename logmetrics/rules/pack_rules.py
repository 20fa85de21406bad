"""The rules of a source, each with its number, by the packs that they are of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from logmetrics.config.specs import RuleSpec
from logmetrics.config.tree import Expr


@dataclass(frozen=True, slots=True)
class NumberedRule:
    """A rule and its number in the source, which names its counters in the generated text."""

    number: int
    spec: RuleSpec


@dataclass(frozen=True, slots=True)
class PackRules:
    """Rules of one pack and the condition that its records meet; without one, of all packs that have none, and the name
    is that of the first.
    """

    name: str
    recognise: Expr | None
    rules: list[NumberedRule]
    # Names the variable that counts its records.
    number: int = 0


def by_pack(rules: Iterable[NumberedRule]) -> tuple[list[PackRules], list[NumberedRule]]:
    """*rules* by pack, the last of which takes what no other recognises; and those of no pack."""
    recognising: dict[str, PackRules] = {}
    others: list[NumberedRule] = []
    own = []
    for rule in rules:
        if not rule.spec.pack:
            own.append(rule)
        elif rule.spec.recognise is None:
            others.append(rule)
        else:
            pack = PackRules(rule.spec.pack, rule.spec.recognise, [], len(recognising))
            recognising.setdefault(rule.spec.pack, pack).rules.append(rule)
    last = PackRules(others[0].spec.pack if others else "", None, others, len(recognising))
    return [*recognising.values(), last], own
