"""What was found against what was expected. Nothing here is I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose

from logmetrics.authoring.trials.specs import Counts, Expectation, ExpectedSample, Pairs, Sample
from logmetrics.store.self_metrics import OVERFLOWS

SKIPPED = "logmetrics_rule_skipped_updates_total"
# Sums of decimal fractions are not what a person writes to the last digit.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class UncountedLine:
    """A record that no rule counted, and where it stands: ``file:line``, or the log when that is not known."""

    kind: str
    text: str
    place: str
    source: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a moment of a test shows: samples that are not zero, by name, and lines that were not counted."""

    samples: Mapping[str, Mapping[Pairs, float]]
    uncounted: Sequence[UncountedLine]


@dataclass(frozen=True, slots=True)
class Difference:
    """What was expected and what was found in its place; None: nothing. ``line`` is that of the expected one."""

    expected: Sample | str | None
    found: Sample | str | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold: its key, the line of the test file, and the differences."""

    key: str
    line: int
    differences: tuple[Difference, ...]


def found_samples(samples: Iterable[Sample]) -> dict[str, dict[Pairs, float]]:
    """*samples* that are not zero, by name."""
    by_name: dict[str, dict[Pairs, float]] = defaultdict(dict)
    for sample in samples:
        if sample.value:
            by_name[sample.name][sample.pairs] = sample.value
    return dict(by_name)


def failures(expected: Expectation, found: Found) -> Iterator[Failure]:
    """What does not hold of *expected*."""
    parts = (
        ("series", tuple(_series(expected.series, found))),
        ("only", tuple(_others(expected, found)) if expected.only else ()),
        *((kind, tuple(_lines(kind, given, found))) for kind, given in (expected.lines or {}).items()),
        ("refused", tuple(_refused(expected.refused, found)) if expected.refused is not None else ()),
        ("skipped", tuple(_skipped(expected.skipped, found)) if expected.skipped is not None else ()),
    )
    for key, differences in parts:
        if differences:
            yield Failure(key, expected.line, differences)


def _series(expected: Sequence[ExpectedSample], found: Found) -> Iterator[Difference]:
    by_name: dict[str, list[ExpectedSample]] = defaultdict(list)
    for each in expected:
        by_name[each.sample.name].append(each)
    for name, wanted in by_name.items():
        there = dict(found.samples.get(name, {}))
        if name.endswith("_bucket"):  # buckets that are not named are not compared
            bounds = {each.sample.pairs[-1:] for each in wanted}
            there = {pairs: value for pairs, value in there.items() if pairs[-1:] in bounds or () in bounds}
        yield from _paired(name, wanted, there)


def _paired(name: str, wanted: Sequence[ExpectedSample], there: dict[Pairs, float]) -> Iterator[Difference]:
    """The differences of one metric; what is missing stands beside what is most like it."""
    missing: list[ExpectedSample] = []
    for each in wanted:
        if each.sample.pairs == () and each.sample.value == 0 and () not in there:
            continue  # no series at all: what there is is left over
        value = there.pop(each.sample.pairs, 0.0)
        if is_same(each.sample.value, value):
            continue
        if value:
            yield Difference(each.sample, Sample(name, each.sample.pairs, value), each.line)
        else:
            missing.append(each)
    left = [Sample(name, pairs, value) for pairs, value in there.items()]
    distances = sorted(
        (_distance(each.sample, other), row, column)
        for row, each in enumerate(missing)
        for column, other in enumerate(left)
    )
    partner: dict[int, int] = {}
    for (unlike, _), row, column in distances:
        if row not in partner and column not in partner.values() and unlike < len(left[column].pairs):
            partner[row] = column
    for row, each in enumerate(missing):
        yield Difference(each.sample, left[partner[row]] if row in partner else None, each.line)
    for column, other in enumerate(left):
        if column not in partner.values():
            yield Difference(None, other)


def _distance(one: Sample, other: Sample) -> tuple[int, bool]:
    """How many labels are different, and whether the value is."""
    unlike = sum(a != b for a, b in zip(one.pairs, other.pairs, strict=True))
    return unlike, not is_same(one.value, other.value)


def is_same(expected: float, found: float) -> bool:
    """Whether two values are one: whole numbers exactly, others but for what floats cannot tell."""
    if expected == found:
        return True
    is_whole = float(expected).is_integer() and float(found).is_integer()
    return not is_whole and isclose(expected, found, rel_tol=_TOLERANCE)


def _others(expected: Expectation, found: Found) -> Iterator[Difference]:
    """Samples of metrics that are not named at all; buckets and sums go without saying where one of them is."""
    named = {_stem(each.sample.name) for each in expected.series}
    for name, samples in found.samples.items():
        if not name.startswith("logmetrics_") and _stem(name) not in named and not name.endswith("_bucket"):
            for pairs, value in samples.items():
                yield Difference(None, Sample(name, pairs, value))


def _stem(name: str) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        name = name.removesuffix(suffix)
    return name


def _lines(kind: str, expected: int | tuple[str, ...], found: Found) -> Iterator[Difference]:
    texts = [line.text for line in found.uncounted if line.kind == kind]
    if isinstance(expected, int):
        if len(texts) != expected:
            yield Difference(Sample(kind, (), expected), Sample(kind, (), len(texts)))
        return
    wanted, there = Counter(text.strip() for text in expected), Counter(texts)
    yield from (Difference(text, None) for text in (wanted - there).elements())
    yield from (Difference(None, text) for text in (there - wanted).elements())


def _refused(expected: Counts, found: Found) -> Iterator[Difference]:
    """Levels count together where none is named."""
    there: Counter[tuple[str, ...]] = Counter()
    for pairs, value in found.samples.get(OVERFLOWS, {}).items():
        metric, label, level = (text for _, text in pairs)
        together = (metric, label, level) not in expected and (metric, label, "") in expected
        there[metric, label, "" if together else level] += int(value)
    yield from _counts("refused", ("metric", "label", "level"), expected, there)


def _skipped(expected: Counts, found: Found) -> Iterator[Difference]:
    there = {tuple(text for _, text in pairs): int(value) for pairs, value in found.samples.get(SKIPPED, {}).items()}
    yield from _counts("skipped", ("rule", "reason"), expected, there)


def _counts(name: str, labels: tuple[str, ...], expected: Counts, found: Counts) -> Iterator[Difference]:
    for key in dict.fromkeys((*expected, *found)):
        want, have = expected.get(key, 0), found.get(key, 0)
        if want != have:
            pairs = tuple(pair for pair in zip(labels, key, strict=True) if pair[1])
            missing = Sample(name, pairs, want) if key in expected else None
            yield Difference(missing, Sample(name, pairs, have) if have else None)
