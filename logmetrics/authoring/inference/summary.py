"""What `logmetrics init` found, in some lines for whoever ran it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logmetrics.authoring.inference.draft import Draft
from logmetrics.authoring.inference.spelling import shown
from logmetrics.authoring.inference.trial import Outcome
from logmetrics.present.amounts import harmless, number_of, percent, size

_NAMES_SHOWN_MAX = 6


def summary_of(draft: Draft, outcome: Outcome, output: str | None) -> Iterator[str]:
    """One line for each thing that is worth knowing."""
    reading = draft.reading
    some = "" if reading.logs_found == len(reading.logs) else f" of {reading.logs_found:,}"
    begin = ", the beginning of long ones" if any(log.is_cut for log in reading.logs) else ""
    amount = f"{number_of('record', reading.records)}, {size(reading.bytes_read)}"
    yield f"read {number_of('log', len(reading.logs))}{some}{begin}: {amount}"
    yield f"formats: {', '.join(f'{name} {count:,}' for name, count in draft.formats.most_common()) or 'none'}"
    if draft.packs:
        yield f"packs: {', '.join(f'{name} counts {count:,}' for name, count in draft.packs.items())}"
    for section, events in draft.events:
        if events.by:
            fields = " and ".join(shown(".".join(discriminator.path)) for discriminator in events.by)
            names = [shown(" ".join(value for value in values if value) or "none", 30) for values in events.kinds]
            yield f"{number_of('event', len(names))} by {fields} in {section.source}: {_some(names)}"
    for why, paths in _by_reason(reading.passed_over):
        yield f"not read: {_some([harmless(path) for path in paths])}: {why}"
    if reading.exclude:
        yield f"no logs, and excluded: {', '.join(reading.exclude)}"
    yield from _about_rules(draft, outcome)
    file = output or "FILE"
    yield f"next: logmetrics check --config {file}, then logmetrics watch --config {file}"


def _about_rules(draft: Draft, outcome: Outcome) -> Iterator[str]:
    metrics = draft.metrics
    doubts = [name for name, metric in metrics.items() if any(text.startswith("doubt:") for text in metric.evidence)]
    if metrics:
        yield f"rules of your own: {len(draft.rules):,}, metrics: {len(metrics):,}"
    elif draft.packs:
        yield "no rules of your own: packs know all that there is"
    if doubts:
        yield f"guessed, so look at its comment: {_some(doubts)}"
    ratio = outcome.counted / max(outcome.records, 1)
    series = f"{number_of('metric', outcome.metrics)} with {outcome.series:,} series"
    rest = ", and packs pass over the others on purpose" if draft.packs and not metrics and ratio < 1 else ""
    yield f"tried on these records: {percent(ratio)} counted{rest}; {series}"
    if any(plan.notes for _, plan in draft.plans):
        yield "lines of text without a known form: the config says how to give them one"
    if outcome.overflowed:
        yield f"over their limits: {_some(list(outcome.overflowed))}"
    if not draft.metrics and not draft.packs:
        yield "nothing here can be counted; docs/rules.md tells how to write a rule by hand"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN_MAX:,} more" if len(names) > _NAMES_SHOWN_MAX else ""
    return ", ".join(names[:_NAMES_SHOWN_MAX]) + more


def _by_reason(passed_over: dict[str, str]) -> list[tuple[str, list[str]]]:
    reasons: dict[str, list[str]] = {}
    for path, why in sorted(passed_over.items()):
        reasons.setdefault(why, []).append(path)
    return list(reasons.items())
