"""The first sentence: what became of the record."""

from __future__ import annotations

from collections.abc import Sequence

from logmetrics.authoring.explain.facts import Nearest, RuleFact, Verdict
from logmetrics.present.amounts import number_of, size


def summary_of(
    verdict: Verdict, rules: Sequence[RuleFact], nearest: Sequence[Nearest], why: str, max_line_bytes: int
) -> str:
    """A sentence for people; *why* is what a verdict without rules has to say."""
    if verdict == "unmatched":
        return _unmatched(rules, nearest, why)
    if verdict in ("counted", "used"):
        more = f'; "{_title(nearest[0])}" nearly matches too: {nearest[0].changes[0].why}' if nearest else ""
        return _used(rules) + more
    return {
        "unparsable": f"unparsable, so no rule sees it: {why}",
        "excluded": f"passed over: {why}",
        "oversize": f"passed over, and counted as oversize: it is longer than max_line_bytes, {size(max_line_bytes)}",
        "continuation": "it only goes on with the line before it, and counts as no line of its own",
    }.get(verdict, why)


def _used(rules: Sequence[RuleFact]) -> str:
    matched = [rule for rule in rules if rule.outcome == "matched"]
    started = [rule for rule in rules if rule.outcome == "started"]
    no_start = [rule for rule in rules if rule.outcome == "no_start"]
    if not matched:
        rule = (started or no_start or list(rules))[0]
        return f"{_name(rule)}: {rule.why}" if rule.why else "nothing is counted"
    updates = [update for rule in matched for match in rule.matches for update in match.updates]
    skipped = [update for update in updates if update.skipped]
    names = ", ".join(map(_name, matched[:3])) + (f" and {len(matched) - 3} more" if len(matched) > 3 else "")
    if updates and len(skipped) == len(updates):
        return f"matched by {names}, and counts nothing: {skipped[0].metric}: {skipped[0].skipped}"
    if not updates:
        return f"matched by {names}, which only remembers"
    series = len({update.series for update in updates if update.series})
    more = f"; {number_of('update', len(skipped))} skipped" if skipped else ""
    if started:
        more += f"; {_name(started[0])}: begins a pair"
    return f"counted by {names}, in {number_of('series', series).replace('seriess', 'series')}{more}"


def _title(nearest: Nearest) -> str:
    return f"{nearest.pack}/{nearest.rule}" if nearest.pack else nearest.rule


def _unmatched(rules: Sequence[RuleFact], nearest: Sequence[Nearest], why: str) -> str:
    if why and why.startswith("nearly a record"):
        return f"no rule counts it; it is {why}"
    if nearest:
        first = nearest[0]
        changes = len(first.changes)
        more = f" (and {number_of('more change', changes - 1)})" if changes > 1 else ""
        return f'no rule counts it; "{_title(first)}" is nearest: {first.changes[0].why}{more}'
    if why:
        return f"no rule counts it; {why}"
    if not rules:
        return "no rule counts it: none is for records like this"
    return "no rule counts it, and none is near"


def _name(rule: RuleFact) -> str:
    return f'"{rule.pack}/{rule.name}"' if rule.pack else f'"{rule.name}"'
