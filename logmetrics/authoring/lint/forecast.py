"""How many series each metric has and will have, by samples of the logs, against its limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log2, prod
from shlex import quote

from logmetrics.authoring.lint.labels import values_of
from logmetrics.authoring.lint.samples import Notes, Observed
from logmetrics.authoring.lint.subject import Subject
from logmetrics.present.amounts import number_of, percent, short
from logmetrics.present.blocks import Cell, Column, Fact, Facts, Section, Tone, table
from logmetrics.store.series import Labels

# From fewer measurements nothing is foretold.
LOOKS_MIN = 20
FURTHER = 10
NEAR = 0.8


@dataclass(frozen=True, slots=True)
class LabelForecast:
    """One label: its values so far, those first met in the second half, how many there can be at the most."""

    name: str
    values: int
    new: int
    values_max: int
    # They all stand in the config.
    is_known: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """One metric."""

    metric: str
    series: int
    # Met for the first time in the second half of the metric's records.
    new: int
    # With ten times as many records; None: too few were seen to tell.
    further: int | None
    # If each label had all the values that it may have.
    worst: int
    series_max: int
    overflowed: int
    labels: tuple[LabelForecast, ...]

    @property
    def is_near(self) -> bool:
        """Whether it will be at its limit, or is."""
        return bool(self.overflowed) or max(self.series, self.further or 0) > NEAR * self.series_max


def forecast(subject: Subject, observed: Observed) -> list[Forecast]:
    """The metrics that the samples gave anything for, the largest first."""
    seen = (notes for notes in observed.metrics.values() if notes.raw)
    return sorted((_of(subject, notes) for notes in seen), key=lambda each: (-each.series, each.metric))


def _of(subject: Subject, notes: Notes) -> Forecast:
    spec, guard = notes.spec, notes.family.guard
    forms, half_s = notes.forms, notes.half_s
    labels = []
    for index, budget in enumerate(guard.values):
        known = values_of(subject, spec.name, budget.name)
        values = _values(forms, index)
        most = budget.values_max if known is None else min(len(known), budget.values_max)
        new = sum(first_s > half_s for first_s in values.values())
        labels.append(LabelForecast(budget.name, len(values), new, most, known is not None))
    series = 1 if spec.type == "info" else len(forms)
    new = 0 if spec.type == "info" else sum(first_s > half_s for first_s in forms.values())
    worst = 1 if spec.type == "info" else prod(label.values_max for label in labels)
    return Forecast(
        spec.name,
        series,
        new,
        _further(series, new, worst) if notes.looks >= LOOKS_MIN else None,
        worst,
        guard.series_max,
        sum(guard.overflows.values()),
        tuple(labels),
    )


def _values(forms: dict[Labels, float], index: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for labels, first_s in forms.items():
        found[labels[index]] = min(first_s, found.get(labels[index], first_s))
    return found


def _further(series: int, new: int, worst: int) -> int:
    """With ten times the records, if it grows on as from the first half to the whole: by a power of their number."""
    if not new:
        return series
    if series == new:
        return min(series * FURTHER, max(worst, series))
    power = log2(series / (series - new))
    further: float = series * FURTHER**power
    return min(round(further), max(worst, series))


def section(forecasts: list[Forecast]) -> Section:
    """The forecast as a table."""
    columns = (
        Column("metric", "name"),
        Column("series"),
        Column("new"),
        Column(f"at {FURTHER} x"),
        Column("worst case"),
        Column("limit"),
        Column("overflowed"),
        Column("values of labels", "text", wide=True),
    )
    shown = [each for each in forecasts if each.series > 1 or each.is_near]
    others = len(forecasts) - len(shown)
    rest = f"{number_of('more metric', others)} of one series each" if others else ""
    told = ["new: first met in the later half of the metric's records"] if any(each.new for each in shown) else []
    told += [f"at {FURTHER} x: with so many times the records"] if shown else []
    rows = [_row(each) for each in shown]
    return Section("forecast", "series forecast", (table("", columns, rows, "; ".join(told), rest),))


def _row(each: Forecast) -> tuple[Cell, ...]:
    tone: Tone = "bad" if each.overflowed else "warn" if each.is_near else ""
    labels = ", ".join(_label(label) for label in each.labels)
    return (
        Cell(each.metric, tone=tone),
        Cell(f"{each.series:,}"),
        Cell(f"{each.new:,}" if each.new else "-"),
        Cell("?" if each.further is None else f"{each.further:,}", tone=tone),
        Cell(short(each.worst)),
        Cell(f"{each.series_max:,}"),
        Cell(f"{each.overflowed:,}" if each.overflowed else "-", tone="bad"),
        Cell(labels),
    )


def _label(label: LabelForecast) -> str:
    of = f" of {label.values_max:,}" if label.is_known else ""
    return f"{label.name} {label.values:,}{of}" + (f" ({label.new:,} new)" if label.new else "")


def explain_command(config_file: str | None) -> str:
    """How to ask about a record, up to its place."""
    return f"logmetrics explain --config {quote(config_file)}" if config_file else "logmetrics explain"


def summary(observed: Observed, config_file: str | None) -> Section:
    """What the rules made of the samples."""
    matched = observed.records - observed.unmatched - observed.unparsable
    facts = list(_facts(observed, matched, explain_command(config_file)))
    return Section(
        "samples",
        f"{number_of('record', observed.records)} of {number_of('file', observed.files)}",
        (Facts(tuple(facts)),),
    )


def _facts(observed: Observed, matched: int, command: str) -> Iterator[Fact]:
    records = max(observed.records, 1)
    yield Fact(percent(matched / records), "counted by a rule")
    for number, name, place in (
        (observed.unmatched, "counted by no rule", observed.unmatched_place),
        (observed.unparsable, "unparsable", observed.unparsable_place),
    ):
        if number:
            yield Fact(percent(number / records), name, f"{command} {quote(place)}")
