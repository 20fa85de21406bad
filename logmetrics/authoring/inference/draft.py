"""From paths to a draft of a config: everything that was found, and the rules for it, before it is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from logmetrics.authoring.inference.events import Events, Values, events_of
from logmetrics.authoring.inference.fields import as_data
from logmetrics.authoring.inference.naming import Names, prefix_for
from logmetrics.authoring.inference.plan import Metric, Plan, Planner, Rule
from logmetrics.authoring.inference.reading import Reading, read_samples
from logmetrics.authoring.inference.recognition import ANY_AGENT, Recognised, judged
from logmetrics.authoring.inference.sections import (
    Section,
    TextSource,
    of_nobody,
    separator,
    sorted_samples,
    without_documents,
)
from logmetrics.authoring.inference.spelling import shown
from logmetrics.authoring.inference.templates import add_templates
from logmetrics.authoring.inference.units import UNIT_NAMES
from logmetrics.authoring.inference.values import epoch_unit, time_form
from logmetrics.config.expression_text import path_text
from logmetrics.config.specs import PackSpec
from logmetrics.packs import builtin_packs

# Packs of which a log has a few records only are not what the log is of, but they do no harm.
_TOLD_SHARE = 0.5


@dataclass(slots=True)
class Draft:
    """What was found in ``reading``, and the plan for it."""

    reading: Reading
    recognised: Recognised
    # Chosen packs, and how many records each counted.
    packs: dict[str, int]
    prefix: str
    plans: list[tuple[Section, Plan]] = field(default_factory=list)
    events: list[tuple[Section, Events]] = field(default_factory=list)
    texts: list[TextSource] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    unparsable: int = 0
    # Field that tells the time -> its form.
    times: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, Metric]:
        return {name: metric for _, plan in self.plans for name, metric in plan.metrics.items()}

    @property
    def rules(self) -> list[Rule]:
        return [rule for _, plan in self.plans for rule in plan.rules]


def draft_of(paths: Sequence[str], *, uses_packs: bool = True, prefix: str | None = None) -> Draft:
    """What the logs at *paths* are, and rules for them. Raises UsageError when there is nothing to learn from."""
    reading = read_samples(paths)
    known: Mapping[str, PackSpec] = builtin_packs() if uses_packs else {}
    if uses_packs:
        verdicts, recognised = judged(reading.logs, known)
    else:
        verdicts, recognised = of_nobody(reading.logs), Recognised()
    left = without_documents(reading, verdicts)
    chosen = {name: recognised.counted[name] for name in recognised.packs}
    found = sorted_samples(reading.logs, left, {name: known[name] for name in chosen})
    draft = Draft(reading, recognised, chosen, prefix or prefix_for(reading.paths))
    if len(found.texts) == 1 and found.texts[0].logs == reading.logs:
        found.texts[0].has_all = True
    draft.texts, draft.formats, draft.unparsable = found.texts, found.formats, found.unparsable
    names = Names(draft.prefix, builtin_packs())
    for section in found.sections:
        events = events_of(section.records)
        _note_times(draft.times.setdefault(section.source, {}), events)
        draft.events.append((section, events))
        draft.plans.append((section, _plan(section, events, names, draft)))
    return draft


def _plan(section: Section, events: Events, names: Names, draft: Draft) -> Plan:
    has_agents = ANY_AGENT in draft.packs
    told = _told_events(section, events)
    parts = []
    if draft.texts and section.rule_format == "json" and not draft.texts[0].has_all:
        parts.append(f'source == "{section.source}"')
    if key := separator(section):
        parts.append(f"has({path_text((key,))})")
    only = " and ".join(parts)
    read = draft.recognised.keys_read if has_agents else frozenset[str]()
    is_text = section.rule_format == "ollama" or any(text.name == section.source for text in draft.texts)
    planner = Planner(events, names, section.rule_format, only, told, read, apart=section.apart, is_text=is_text)
    is_apart = not section.others_count or bool(key)
    plan = planner.planned(
        counts_records=is_apart and (not has_agents or section.rule_format != "json"), is_apart=is_apart
    )
    field_name = next((name for name in ("message", "msg") if (name,) in events.all.fields), "")
    if is_text and field_name and (is_apart or section.rule_format == "ollama"):
        messages = [str(record[field_name]) for _, record in section.records if record.get(field_name)]
        add_templates(plan, messages, field_name, section.rule_format, only, names, section.apart)
    if section.rule_format == "ollama" and {values[:1] for values in events.kinds} <= {(), ("text",)}:
        plan.notes += _HEADLESS
    return plan


def _told_events(section: Section, events: Events) -> set[Values]:
    """The events that packs tell enough of."""
    paths = [discriminator.path for discriminator in events.by]
    told: Counter[Values] = Counter()
    for (_, record), is_told in zip(section.records, section.told, strict=True):
        if is_told:
            told[events.values_of(record, paths)] += 1
    return {values for values, count in told.items() if count >= _TOLD_SHARE * events.kinds[values].count}


_HEADLESS = (
    "The lines of text begin in no form that is known. A pattern makes fields of them, under the source:",
    r"  format: {regex: '^(?P<level>[A-Z]+) (?P<message>.*)$'}",
    "Then rules can ask for level and message; see docs/rules.md, Records.",
)
_TIME_NAMES = ("timestamp", "time", "ts", "@timestamp", "asctime", "datetime")


def _note_times(times: dict[str, str], events: Events) -> None:
    """Which field tells when a record was, and in which form."""
    for path, stats in events.all.fields.items():
        if path[-1] not in _TIME_NAMES or len(path) > 2 or stats.present < 0.5 * events.all.count:
            continue
        form = next((form for value in stats.values if (form := time_form(value))), "")
        if not form and stats.numbers.count:
            unit = epoch_unit(stats.numbers.least, stats.numbers.most)
            form = f"{UNIT_NAMES[unit]} since 1970" if unit else ""
        if form:
            times.setdefault(shown(stats.name), form)


def as_json(draft: Draft) -> dict[str, object]:
    """What was found, as data."""
    return {
        "paths": list(draft.reading.paths),
        "logs": [
            {"path": log.path, "records": len(log.records), "bytes_read": log.bytes_read, "is_cut": log.is_cut}
            for log in draft.reading.logs
        ],
        "passed_over": draft.reading.passed_over,
        "formats": dict(sorted(draft.formats.items())),
        "unparsable": draft.unparsable,
        "packs": {
            name: {"known": draft.recognised.known[name], "counted": draft.recognised.counted[name]}
            for name in sorted({*draft.recognised.known, *draft.recognised.counted})
        },
        "times": {name: form for times in reversed(draft.times.values()) for name, form in times.items()},
        "sections": [
            {
                "source": section.source,
                "format": section.rule_format,
                "records": events.all.count,
                "event_fields": [".".join(discriminator.path) for discriminator in events.by],
                "events": [
                    {"event": list(values), "records": kind.count, "fields": as_data(kind)}
                    for values, kind in events.kinds.items()
                ],
                "metrics": [metric.name for metric in plan.metrics.values()],
                "left_out": plan.left_out,
            }
            for (section, plan), (_, events) in zip(draft.plans, draft.events, strict=True)
        ],
    }
