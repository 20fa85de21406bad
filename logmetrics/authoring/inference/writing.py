"""A draft as a config file: what it says, and beside each line why it says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from logmetrics.authoring.inference.draft import Draft
from logmetrics.authoring.inference.leftovers import A_LABEL, LIST_OF_OBJECTS
from logmetrics.authoring.inference.measures import MEANING_UNTOLD
from logmetrics.authoring.inference.plan import Metric, Plan, Rule
from logmetrics.authoring.inference.reading import Reading
from logmetrics.authoring.inference.recognition import ANY_AGENT
from logmetrics.authoring.inference.sections import Section
from logmetrics.authoring.inference.spelling import shown, yaml_text
from logmetrics.present.amounts import harmless, number_of, size

_WIDTH = 118
_LEFT_OUT_MAX = 20
# What a person might make something of stands first.
_WORTH_A_LOOK = (A_LABEL, MEANING_UNTOLD)
_NAMES_SHOWN_MAX, _METRICS_SHOWN_MAX = 10, 12


def written(draft: Draft) -> str:
    """The config, as YAML with comments."""
    parts = [_head(draft), _packs(draft), _sources(draft)]
    if draft.metrics:
        parts += [_metrics(draft.metrics.values()), _rules(draft)]
    parts += [[f"# {line}" for line in lines] for _, plan in draft.plans for lines in (plan.notes, plan.lists)]
    # Where packs are all there is, what they pass over is nobody's.
    worth = [(section, plan) for section, plan in draft.plans if plan.rules or not draft.packs]
    left_out = [line for section, plan in worth for line in _left_out(section, plan)]
    if left_out:
        parts.append(["# Fields that no rule above uses, and why:", *left_out])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(draft: Draft) -> list[str]:
    reading = draft.reading
    formats = ", ".join(
        f"{count:,} of {name}" for name, count in sorted(draft.formats.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    rest = reading.records - draft.formats.total() - draft.unparsable
    others = f", {draft.unparsable:,} that cannot be parsed" if draft.unparsable else ""
    others += f", {rest:,} that go on with the one before" if rest > 0 else ""
    lines = [
        f"Written by `logmetrics init` from {number_of('record', reading.records)} ({size(reading.bytes_read)}) of "
        f"{number_of('log', len(reading.logs))}{_unread(reading)}: {formats or 'none that has a format'}{others}.",
        "Beside each line stands what it is taken from. Change what you know better, then:",
    ]
    lines = [part for line in lines for part in wrap(line, _WIDTH - 2)]
    lines += ["  logmetrics check --config THIS_FILE", "  logmetrics watch --config THIS_FILE"]
    if reading.passed_over:
        lines.append("Not read:")
        told = sorted(reading.passed_over.items())
        lines += [f"  {harmless(path)}: {shown(why)}" for path, why in told[:_NAMES_SHOWN_MAX]]
        lines += [f"  and {len(told) - _NAMES_SHOWN_MAX:,} more"] if len(told) > _NAMES_SHOWN_MAX else []
    return [f"# {line}" for line in lines]


def _unread(reading: Reading) -> str:
    """What else there is, of which nothing was read."""
    is_cut = any(log.is_cut for log in reading.logs)
    more = reading.logs_found - len(reading.logs)
    parts = ["long ones only from their beginning"] if is_cut else []
    parts += [f"{more:,} more passed over"] if more > 0 else []
    return f" ({', '.join(parts)})" if parts else ""


def _packs(draft: Draft) -> list[str]:
    recognised = draft.recognised
    lines = []
    for name, counted in draft.packs.items():
        if name == ANY_AGENT or counted >= recognised.known[name]:
            lines.append(f"# {name}: counts {number_of('record', counted)}")
        else:
            known = number_of("record", recognised.known[name])
            lines.append(f"# {name}: knows {known} as its own and counts {counted:,}; the others tell it nothing")
        metrics = draft.recognised.metrics_of(name)
        more = f" and {len(metrics) - _METRICS_SHOWN_MAX} more" if len(metrics) > _METRICS_SHOWN_MAX else ""
        told = ", ".join(metrics[:_METRICS_SHOWN_MAX]) + more
        lines += [f"#   {line}" for line in wrap(f"feeds {told}", _WIDTH - 4, subsequent_indent="  ")]
    if ANY_AGENT not in draft.packs and recognised.counted[ANY_AGENT]:
        by_level = number_of("record", recognised.counted[ANY_AGENT])
        lines.append(f"# {ANY_AGENT}: would count {by_level} by level only; the rules below tell more")
    return [*lines, f"packs: [{', '.join(draft.packs)}]"]


def _sources(draft: Draft) -> list[str]:
    lines = ["sources:"]
    for text in draft.texts:
        matched = sum(events.all.count for section, events in draft.events if section.source == text.name)
        of = sum(len(log.records) for log in text.logs)
        rest = "" if matched == of else "; the others, such as tracebacks, are counted as unparsable"
        lines += [
            f"  - name: {text.name}",
            f"    # lines as {text.head.name} writes them: {matched:,} of {of:,}{rest}",
            *(_given_paths(draft) if text.has_all else _paths([log.path for log in text.logs])),
            "    format:",
            f"      regex: {yaml_text(text.head.pattern)}",
            *_times(draft.times.get(text.name, {})),
        ]
    if not (draft.texts and draft.texts[0].has_all):
        if draft.texts:
            lines.append("  # all other logs there; a file that two sources name is read once, by the first")
        lines += ["  - name: logs", *_given_paths(draft)]
        lines += _times(draft.times.get("logs", {}))
    return lines


def _times(times: Mapping[str, str]) -> Iterator[str]:
    """What fields of a source tell the time, and where to say of which zone they are."""
    for name, form in list(times.items())[:3]:
        yield f"    # {name} tells the time: {form}"
    if any("without" in form for form in times.values()):
        yield "    # timezone: Europe/Berlin   # of times without a zone, for replay; without this key UTC"


def _given_paths(draft: Draft) -> list[str]:
    lines = _paths(draft.reading.paths)
    if draft.reading.exclude:
        lines.append(f"    exclude: [{', '.join(yaml_text(glob) for glob in draft.reading.exclude)}]   # no logs")
    return lines


def _paths(paths: Iterable[str]) -> list[str]:
    return ["    paths:", *(f"      - {yaml_text(path)}" for path in paths)]


def _metrics(metrics: Iterable[Metric]) -> list[str]:
    lines = ["metrics:"]
    for metric in metrics:
        lines += [
            f"  {metric.name}:",
            *_comments(metric.evidence, 4),
            f"    type: {metric.type}",
            f"    help: {yaml_text(metric.help)}",
        ]
        if metric.labels:
            lines.append(f"    labels: [{', '.join(metric.labels)}]")
        if metric.buckets:
            lines.append(f"    buckets: {metric.buckets}")
    return lines


def _rules(draft: Draft) -> list[str]:
    lines = ["rules:"]
    for rule in draft.rules:
        lines += _rule(rule)
    return lines


def _rule(rule: Rule) -> Iterator[str]:
    yield f"  - name: {yaml_text(rule.name)}"
    yield from _comments(rule.evidence, 4)
    yield f"    format: {rule.format}"
    if rule.when:
        yield f"    when: {yaml_text(rule.when)}"
    if rule.labels:
        yield "    labels:"
    for name, expression, evidence in rule.labels:
        line = f"      {name}: {yaml_text(expression)}"
        yield f"{line}   # {evidence}" if len(line) + len(evidence) < _WIDTH else f"      # {evidence}\n{line}"
    yield "    update:"
    for series, expression in rule.updates:
        yield f"      {_key(series)}: {yaml_text(expression)}" if expression != "1" else f"      {_key(series)}: 1"


def _key(series: str) -> str:
    return series if '"' not in series else yaml_text(series)


def _comments(texts: Iterable[str], indent: int) -> list[str]:
    blank = " " * indent
    return [f"{blank}# {part}" for text in texts for part in wrap(text, _WIDTH - indent - 2)]


def _left_out(section: Section, plan: Plan) -> Iterator[str]:
    """What no rule uses, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for name, why in plan.left_out.items():
        reasons.setdefault(why, []).append(shown(name))
    reasons.pop(LIST_OF_OBJECTS, None)
    rows = sorted(reasons.items(), key=lambda row: row[0] not in _WORTH_A_LOOK)
    for why, names in rows[:_LEFT_OUT_MAX]:
        more = f", and {len(names) - _NAMES_SHOWN_MAX:,} more" if len(names) > _NAMES_SHOWN_MAX else ""
        line = f"{', '.join(names[:_NAMES_SHOWN_MAX])}{more}: {why}"
        yield from (f"#   {part}" for part in wrap(line, _WIDTH - 4, subsequent_indent="  "))
    if len(rows) > _LEFT_OUT_MAX:
        yield f"#   and more of {section.source}; `logmetrics init --json` tells all"
