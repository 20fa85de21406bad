"""From what records are to metrics and rules: what is counted, by which labels, and what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import prod

from logmetrics.authoring.inference.buckets import buckets_for
from logmetrics.authoring.inference.decoding import Path, at
from logmetrics.authoring.inference.events import Events, Values
from logmetrics.authoring.inference.fields import merged
from logmetrics.authoring.inference.labels import SINGLE_VALUE, Label, counts_shown, label_of
from logmetrics.authoring.inference.leftovers import LIST_OF_OBJECTS, about_lists, reasons
from logmetrics.authoring.inference.measures import Measure, measure_of, without_repeats
from logmetrics.authoring.inference.naming import Names
from logmetrics.authoring.inference.spelling import shown, snake
from logmetrics.config.expression_text import path_text
from logmetrics.present.amounts import number_of

# Series that a metric may have by what the samples hold, and labels beside the event; a histogram's cost a dozen each.
SERIES_MAX = {"counter": 200, "histogram": 40, "gauge": 20}
LABELS_MAX = {"counter": 3, "histogram": 3, "gauge": 1}
# A label must be in such a share of the records of one event, and of several.
_LABEL_SHARE_LEAST, _SHARED_LABEL_SHARE_LEAST = 0.6, 0.9
# More metrics of one log are none that anybody would look at.
METRICS_MAX = 40
# So many may have as many series each.
_UNCROWDED = 10
EVENT_COUNTERS_MAX = 8
_EVENTS_NAMED_MAX = 3
# Of more than a few records one alone tells too little of a field.
_PRESENT_LEAST, _FEW_RECORDS = 2, 20


@dataclass(slots=True)
class Metric:
    """A metric of the config, with the comments above it."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    buckets: str = ""
    evidence: list[str] = field(default_factory=list)
    # Of what a field says, and not of how many records there are.
    is_measured: bool = False


@dataclass(slots=True)
class Rule:
    """A rule of the config; ``updates`` are pairs of a series and an expression, ``labels`` have their evidence."""

    name: str
    format: str
    when: str
    labels: list[tuple[str, str, str]]
    updates: list[tuple[str, str]]
    evidence: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Metrics and rules for the records of one format of one source."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    # Field -> why nothing is made of it.
    left_out: dict[str, str] = field(default_factory=dict)
    # What is to be said beside the rules: of lists of objects, and of the rest.
    lists: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Planner:
    """Plans for one kind of records. *told* are events that packs count already, *read* the keys that these packs read.

    *only* is a condition that holds for these records and no others, or empty.
    """

    def __init__(
        self,
        events: Events,
        names: Names,
        rule_format: str,
        only: str,
        told: Collection[Values],
        read: Collection[str],
        *,
        apart: str,
        is_text: bool,
    ) -> None:
        self.events = events
        self.names = names
        self.rule_format = rule_format
        self.only = only
        self.free = [values for values in events.kinds if values not in told]
        self.told = [values for values in events.kinds if values in told]
        self.read = read
        self.apart = apart
        self.is_text = is_text
        # By how much more measures there are than one has series for.
        self.crowd = 1.0
        self.plan = Plan()
        self.no_measures: dict[str, str] = {}
        self._used: set[Path] = {discriminator.path for discriminator in events.by}

    def planned(self, *, counts_records: bool, is_apart: bool) -> Plan:
        """All of it; *counts_records*: also records without an event, which nobody counts otherwise.

        Not *is_apart*: no condition but the event tells these records from those of packs.
        """
        free = self.free if counts_records else [values for values in self.free if any(values)]
        if free and (is_apart or self.events.by):
            self._count_records(free, names_event=len(free) == 1 and len(self.events.kinds) > 1)
        self._measure()
        if len(self.events.by) and len(self.free) > 1:
            self._count_events()
        self._note_left_out()
        self.plan.metrics = dict(sorted(self.plan.metrics.items(), key=lambda pair: _importance(pair[1])))
        return self.plan

    def _count_records(self, chosen: Sequence[Values], *, names_event: bool) -> None:
        labels = self._labels(chosen, "counter", self._varying(chosen, even_one=not names_event))
        plain = "events" if self.events.by else "lines" if self.is_text else "records"
        name = self.names.take((names_event and self.events.name(chosen[0])) or plain, "", "counter", self.apart)
        records = self._records(chosen)
        what = f"Records by {_listed([label.name for label in labels])}" if labels else "Records"
        metric = Metric(name, "counter", what, tuple(label.name for label in labels))
        metric.evidence.append(f"{number_of('record', records)} of these samples")
        rule_name = self._rule_name(chosen) if names_event else plain
        self._add(
            metric,
            Rule(
                self.names.take_rule(rule_name, self.apart),
                self.rule_format,
                self._when(chosen),
                _as_rows(labels),
                [(name, "1")],
            ),
            labels,
        )

    def _measure(self) -> None:
        everything = self.events.all
        found: dict[Path, Measure] = {}
        not_measured = self.no_measures
        for path, stats in everything.fields.items():
            if not self._events_with(path):
                continue
            if stats.present < _PRESENT_LEAST and everything.count > _FEW_RECORDS:
                not_measured[stats.name] = "in one record only"
                continue
            measure = measure_of(stats, everything)
            if isinstance(measure, Measure):
                found[path] = measure
            elif measure:
                not_measured[stats.name] = measure
        found, repeats = without_repeats(found, everything)
        not_measured.update({".".join(path): why for path, why in repeats.items()})
        for path, measure in list(found.items())[METRICS_MAX:]:
            not_measured[".".join(path)] = f"there are {METRICS_MAX} metrics already; {measure.type}"
        self.crowd = max(len(found) / _UNCROWDED, 1.0)
        self._add_measures(list(found.values())[:METRICS_MAX])

    def _add_measures(self, measures: Sequence[Measure]) -> None:
        """A rule for all that the same records with the same labels tell."""
        rules: dict[tuple[object, ...], Rule] = {}
        stems = [(measure.stem, measure.unit, tuple(self._events_with(measure.path))) for measure in measures]
        for measure, stem in zip(measures, stems, strict=True):
            chosen = self._events_with(measure.path)
            # What is summed up has the labels that a distribution of the same records has, and so the same rule.
            labels = self._labels(chosen, "gauge" if measure.type == "gauge" else "histogram", self._varying(chosen))
            self._used |= {label.path for label in labels}
            metric = self._metric_of(measure, chosen, labels, is_ambiguous=stems.count(stem) > 1)
            present = sum(self.events.kinds[values].fields[measure.path].present for values in chosen)
            records = self._records(chosen)
            has = "" if present == records else f"has({path_text(measure.path)})"
            # What is there in the same records needs no rule of its own.
            beside = (present, self._kept_with(measure.path, chosen)) if has else None
            when = _both(self._when(chosen), has)
            metric.evidence.insert(
                0,
                f"{shown(measure.name)}: in {present:,} of {number_of('record', records)}; {measure.evidence}",
            )
            key = (beside or when, tuple(chosen), tuple(label.name for label in labels))
            rule = rules.get(key)
            self._used.add(measure.path)
            if rule is None:
                rule = rules[key] = Rule(
                    self._free_rule_name(measure, chosen, is_seldom=bool(has)),
                    self.rule_format,
                    when,
                    _as_rows(labels),
                    [],
                )
                self.plan.rules.append(rule)
            rule.updates.append((metric.name, measure.expression))
            self.plan.metrics[metric.name] = metric

    def _metric_of(
        self, measure: Measure, chosen: Sequence[Values], labels: Sequence[Label], *, is_ambiguous: bool
    ) -> Metric:
        stem = "_".join(word for word in measure.stem if word.isascii())
        if is_ambiguous and len(measure.path) > 1:
            stem = f"{snake(measure.path[-2])}_{stem}".strip("_")
        event = self.events.name(chosen[0]) if len(chosen) == 1 and len(self.events.kinds) > 1 else ""
        name = self.names.take(
            "_".join(filter(None, (event, stem))), measure.unit, measure.type, *self._parents(measure), self.apart
        )
        of = f" of {event} records" if event else ""
        in_unit = f", in {measure.unit.upper() if len(measure.unit) == 3 else measure.unit}" if measure.unit else ""
        what = {"counter": "Sum of", "histogram": "Distribution of", "gauge": "Last value of"}[measure.type]
        metric = Metric(
            name,
            measure.type,
            f"{what} {shown(measure.name)}{of}{in_unit}",
            tuple(label.name for label in labels),
            is_measured=True,
        )
        if measure.doubt:
            metric.evidence.append(f"doubt: {measure.doubt}")
        if measure.type == "histogram":
            numbers = self._numbers(measure.path, chosen)
            metric.buckets = buckets_for(
                [value * measure.scale for value in numbers], of_seconds=measure.unit == "seconds"
            ).yaml
        return metric

    def _parents(self, measure: Measure) -> list[str]:
        """What the objects are called that it is in: the nearest, the nearest two, ..."""
        return [snake("_".join(measure.path[start:-1])) for start in range(len(measure.path) - 2, -1, -1)]

    def _numbers(self, path: Path, chosen: Sequence[Values]) -> list[float]:
        ordered: list[float] = []
        for values in chosen:
            numbers = self.events.kinds[values].fields[path].numbers
            ordered += [value for value in numbers.ordered if value >= 0]
        return sorted(ordered) or [1.0]

    def _count_events(self) -> None:
        """A counter of its own for an event that has labels which others have not."""
        counted = {label for metric in self.plan.metrics.values() for label in metric.labels}
        done = 0
        for values in self.free:
            labels = self._labels([values], "counter", [])
            known = {*counted, "level"}
            news = [label for label in labels if label.is_preferred and label.values > 1 and label.name not in known]
            if not news or not self.events.name(values) or done >= EVENT_COUNTERS_MAX:
                continue
            done += 1
            name = self.names.take(self.events.name(values), "", "counter", self.apart)
            told = " ".join(value for value in values if value)
            metric = Metric(name, "counter", f"Records of {shown(told, 40)}", tuple(label.name for label in labels))
            metric.evidence.append(f"{number_of('record', self._records([values]))}")
            rule_name = f"count of {self.events.name(values)}"
            self._add(
                metric,
                Rule(
                    self.names.take_rule(rule_name, self.apart),
                    self.rule_format,
                    self._when([values]),
                    _as_rows(labels),
                    [(name, "1")],
                ),
                labels,
            )

    def _add(self, metric: Metric, rule: Rule, labels: Sequence[Label]) -> None:
        self.plan.metrics[metric.name] = metric
        self.plan.rules.append(rule)
        self._used |= {label.path for label in labels}

    def _events_with(self, path: Path) -> list[Values]:
        """The events of which the field is news: those that no pack counts, and others if no pack reads it."""
        values = self.free if path[0] in self.read else list(self.events.kinds)
        return [each for each in values if path in self.events.kinds[each].fields]

    def _kept_with(self, path: Path, chosen: Sequence[Values]) -> tuple[tuple[int, int], ...]:
        """Which of the records of *chosen* that are at hand have the field."""
        return tuple(
            (event, number)
            for event, values in enumerate(chosen)
            for number, record in enumerate(self.events.kinds[values].kept)
            if at(record, path) is not None
        )

    def _records(self, chosen: Sequence[Values]) -> int:
        return sum(self.events.kinds[values].count for values in chosen)

    def _when(self, chosen: Sequence[Values]) -> str:
        return _both(self.only, self.events.condition(chosen))

    def _free_rule_name(self, measure: Measure, chosen: Sequence[Values], *, is_seldom: bool) -> str:
        """What a rule about *measure* is called, which *is_seldom* in records of the events *chosen*."""
        name = self._rule_name(chosen)
        field_name = snake(measure.path[-1])
        if is_seldom and field_name:
            name = f"{name} with {field_name}"
        return self.names.take_rule(name, "_".join(measure.stem), self.apart)

    def _rule_name(self, chosen: Sequence[Values]) -> str:
        """What a rule about the events *chosen* is called in self-metrics."""
        names = [name for name in map(self.events.name, chosen) if name]
        if set(chosen) == set(self.events.kinds):
            return "every record"
        if len(names) <= _EVENTS_NAMED_MAX:
            return _listed(names) if names else "no event"
        return "several events"

    def _varying(self, chosen: Sequence[Values], *, even_one: bool = False) -> list[Label]:
        """The fields that tell the events apart, as labels."""
        labels = []
        for number, discriminator in enumerate(self.events.by):
            values = {each[number] for each in chosen}
            if len(values) > 1 or even_one:
                counts = Counter[str]()
                for each in chosen:
                    counts[each[number] or "none"] += self.events.kinds[each].count
                expression = discriminator.as_label(each[number] for each in chosen)
                evidence = counts_shown(counts)
                labels.append(Label(discriminator.path, discriminator.label, expression, len(values), evidence, True))
        return labels

    def _labels(self, chosen: Sequence[Values], metric_type: str, first: Sequence[Label]) -> list[Label]:
        """*first* and further safe labels of the events *chosen*, as many as the metric can bear."""
        labels = [label for label in first if metric_type != "gauge" or label.suits_gauge]
        kinds = [self.events.kinds[values] for values in chosen]
        records = sum(kind.count for kind in kinds)
        taken = {discriminator.path for discriminator in self.events.by}
        candidates = []
        for path in {path: None for kind in kinds for path in kind.fields if path not in taken}:
            present = sum(kind.fields[path].present for kind in kinds if path in kind.fields)
            if present < (_LABEL_SHARE_LEAST if len(kinds) == 1 else _SHARED_LABEL_SHARE_LEAST) * records:
                continue
            label = label_of(merged([kind.fields[path] for kind in kinds if path in kind.fields]), records)
            if isinstance(label, Label) and _is_worth_it(label, metric_type):
                candidates.append(label)
        room = LABELS_MAX[metric_type] + len(first)
        for label in sorted(candidates, key=lambda label: label.rank):
            series = prod(each.values + 1 for each in (*labels, label))
            is_new = label.name not in [each.name for each in labels] and not self._is_repeated(label, labels)
            if len(labels) < room and is_new and series <= 2 * SERIES_MAX[metric_type] / self.crowd:
                labels.append(label)
        return labels

    def _is_repeated(self, label: Label, others: Sequence[Label]) -> bool:
        """Whether another label has the same values in all records that are at hand."""
        return any(
            label.values > 1
            and all(
                str(at(record, label.path)).lower() == str(at(record, other.path)).lower()
                for record in self.events.all.kept
            )
            for other in others
        )

    def _note_left_out(self) -> None:
        everything = self.events.all
        unused = [path for path in everything.fields if path not in self._used and self._events_with(path)]
        self.plan.left_out = reasons(everything, unused, self.no_measures)
        lists = [name for name, why in self.plan.left_out.items() if why == LIST_OF_OBJECTS]
        self.plan.lists = about_lists(everything, lists)


def _importance(metric: Metric) -> int:
    """What tells most of a program is less: how often, how long, at what cost, how much, how full."""
    if metric.type == "counter" and not metric.is_measured:
        return 0
    if metric.type != "counter":
        return 1 if metric.type == "histogram" else 4
    return 2 if {"tokens", "cost", "usd", "eur", "cents", "amount"}.intersection(metric.name.split("_")) else 3


def _is_worth_it(label: Label, metric_type: str) -> bool:
    if label.values == 1 and label.name not in SINGLE_VALUE:
        return False
    if (metric_type != "counter" and label.name == "level") or (metric_type == "gauge" and not label.suits_gauge):
        return False
    return label.is_preferred or label.values <= 12


def _as_rows(labels: Sequence[Label]) -> list[tuple[str, str, str]]:
    return [(label.name, label.expression, label.evidence) for label in labels]


def _both(one: str, other: str) -> str:
    parts = [part for part in (one, other) if part]
    if len(parts) < 2:
        return "".join(parts)
    return " and ".join(f"({part})" if " or " in part and not part.startswith("(") else part for part in parts)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
