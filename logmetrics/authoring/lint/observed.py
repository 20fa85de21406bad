"""What the samples say against a config: labels that grow, buckets that do not fit, rules that match nothing."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.forecast import NEAR, Forecast, explain_command
from logmetrics.authoring.lint.labels import values_of
from logmetrics.authoring.lint.samples import Notes, Observed, RuleSeen
from logmetrics.authoring.lint.subject import Subject
from logmetrics.authoring.unbounded import is_unbounded
from logmetrics.config.document import KeyPath
from logmetrics.config.specs import RuleSpec
from logmetrics.present.amounts import EXCERPT_CHARACTERS, cut, harmless, number_of, percent
from logmetrics.store.guard import MISSING
from logmetrics.store.report import report

# From fewer measurements or values nothing is concluded.
MEASUREMENTS_MIN = 20
VALUES_MIN = 20
ALWAYS_MIN = 5
# A label with a new value in so many of its records grows with them.
NEW_SHARE = 0.5
# More than so many observations outside the bounds are a poor fit, and so is a bucket with so many.
OUTSIDE, ALL_IN_ONE = 0.2, 0.98
# Of all that lies between bounds like 3 and 5 a quantile is near enough to the truth.
CLOSE_BOUNDS = 1.7
# More skipped updates than this are a mistake in the rule, fewer are how logs are.
SKIPPED_SHARE = 0.5


def findings(subject: Subject, observed: Observed, forecasts: list[Forecast]) -> Iterator[Finding]:
    """What is to be said about the file's metrics and rules, and about limits that are reached."""
    for forecast in forecasts:
        yield from _limit(subject, forecast, observed.metrics[forecast.metric])
    for name in subject.own_metrics:
        notes = observed.metrics[name]
        for index, label in enumerate(notes.spec.labels):
            yield from _label(subject, notes, index, label)
        if notes.spec.type == "histogram":
            yield from _buckets(subject, notes)
    yield from _rules(subject, observed)
    yield from _counted_twice(subject, observed)


def _explain(subject: Subject, place: str) -> str:
    """The command that explains the record or log at *place*, which may be empty."""
    return f"{explain_command(subject.document.file)} {quote(place) if place else 'LOG'}"


def _limit(subject: Subject, forecast: Forecast, notes: Notes) -> Iterator[Finding]:
    if not forecast.is_near:
        return
    name = forecast.metric
    grown = max(forecast.labels, key=lambda label: label.values, default=None)
    driver = f", most of all by {grown.name} with {grown.values:,} values" if grown else ""
    if forecast.overflowed:
        what = f"{forecast.overflowed:,} measurements of {name} in the samples are beyond its limits{driver}"
    elif forecast.series > NEAR * forecast.series_max:
        what = f"{name} has {forecast.series:,} of the {forecast.series_max:,} series that it may have{driver}"
    else:
        what = f"{name} will have about {forecast.further:,} series with ten times the records{driver}"
        what += f", and may have {forecast.series_max:,}"
    path: KeyPath = ("metrics", name) if name in subject.own_metrics else ("limits", "metrics", name)
    refused: dict[tuple[str, ...], int] = {
        (name, *which): count for which, count in notes.family.guard.overflows.items()
    }
    [known] = report([notes.family], refused)
    more = f"limits: {{metrics: {{{name}: {{series: {2 * forecast.series_max}}}}}}}"
    remedy = f"{known.remedy}: {known.config}" if known.remedy else f"leave a label out, or allow more: {more}"
    yield subject.finding("series-limit", path, what, remedy, of_key=True)


def _label(subject: Subject, notes: Notes, index: int, label: str) -> Iterator[Finding]:
    spec = notes.spec
    path = ("metrics", spec.name, "labels", index)
    if spec.type == "info":
        return
    raw = notes.raw_values(index)
    values = {notes.family.guard.values[index].form(value) for value in raw}
    values_max = notes.family.guard.values[index].values_max
    is_new_each_time = len(raw) >= VALUES_MIN and len(raw) > NEW_SHARE * notes.looks
    if not spec.allow_unbounded and not is_unbounded(label):
        shown = _examples(raw)
        if is_new_each_time:
            what = f"{label} has {len(raw):,} values in {notes.looks:,} measurements, such as {shown}"
            remedy = "leave it out, map it to few values, or say allow_unbounded: true"
            yield subject.finding("growing-label", path, what, remedy)
        elif len(values) > values_max:
            what = f"{label} has {len(values):,} values, such as {shown}, and may have {values_max:,}"
            remedy = f"leave it out, map it to few values, or write limits: {{values: {{{label}: ...}}}}"
            yield subject.finding("growing-label", path, what, remedy)
    changed = [value for value in raw if value != MISSING and notes.family.guard.values[index].form(value) != value]
    if changed and not is_new_each_time:
        form = notes.family.guard.values[index].form(changed[0])
        what = f"{len(changed):,} of {len(raw):,} values of {label} look like ids"
        what += f": {_quoted(changed[0])} is taken as {_quoted(form)}"
        yield subject.finding("id-label", path, what, f"write raw: [{label}] under the metric if they are names")
    if notes.is_always_missing(index) and notes.looks >= ALWAYS_MIN and values_of(subject, spec.name, label) is None:
        what = f"{label} was {MISSING} in all {notes.looks:,} measurements: the field that it is made of is not there"
        remedy = "write the field's right name in the rule, or leave the label out"
        yield subject.finding("unknown-label", path, what, remedy)


def _examples(values: dict[str, float]) -> str:
    return ", ".join(_quoted(value) for value in list(values)[:3])


def _quoted(value: str) -> str:
    return f"{harmless(cut(value, EXCERPT_CHARACTERS // 3))!r}"


def _buckets(subject: Subject, notes: Notes) -> Iterator[Finding]:
    counts = notes.bucket_counts
    total = sum(counts)
    if total < MEASUREMENTS_MIN:
        return
    bounds = notes.spec.buckets
    path = ("metrics", notes.spec.name, "buckets")
    fullest = max(range(len(counts)), key=counts.__getitem__)
    if counts[-1] > OUTSIDE * total:
        share = percent(counts[-1] / total)
        what = f"{share} of {total:,} observations are above the last bound, {bounds[-1]:g}, and all look alike"
        yield subject.finding("bucket-fit", path, what, "add bounds above it")
    elif counts[0] > (1 - OUTSIDE) * total:
        share = percent(counts[0] / total)
        what = f"{share} of {total:,} observations are below the first bound, {bounds[0]:g}, and look alike"
        yield subject.finding("bucket-fit", path, what, "add bounds below it")
    elif counts[fullest] > ALL_IN_ONE * total and not _are_close(bounds[fullest - 1], bounds[fullest]):
        below, above = bounds[fullest - 1], bounds[fullest]
        what = f"all but a few of {total:,} observations are between {below:g} and {above:g}"
        yield subject.finding("bucket-fit", path, what, "add bounds between these two")


def _are_close(below: float, above: float) -> bool:
    """Whether no quantile between the two bounds can be far from the truth."""
    return below > 0 and above <= CLOSE_BOUNDS * below


def _rules(subject: Subject, observed: Observed) -> Iterator[Finding]:
    seen = observed.rules
    # A rule for another format than that of the samples was not asked.
    asked = [(path, rule) for path, rule in subject.rule_paths() if rule.name in seen]
    silent = [(path, rule) for path, rule in asked if not (seen[rule.name].matches or seen[rule.name].skipped)]
    if observed.records and silent and len(silent) == len(asked):
        place = observed.unmatched_place
        what = f"none of the config's own rules matches any of the {observed.records:,} records of the samples"
        remedy = f"{_explain(subject, place)} tells why" if place else "give samples of the logs that they are for"
        yield subject.finding("silent-rules", ("rules",), what, remedy, of_key=True)
    elif observed.records:
        for path, rule in silent:
            what = f"the rule {rule.name!r} matches no record of the samples"
            log = observed.first_log if observed.files == 1 else ""
            remedy = f"{_explain(subject, log)} tells what stands in its way; or give samples that it is for"
            yield subject.finding("silent-rule", (*path, "name"), what, remedy)
    for path, rule in asked:
        yield from _skipped(subject, path, rule, seen[rule.name])


def _skipped(subject: Subject, path: KeyPath, rule: RuleSpec, seen: RuleSeen) -> Iterator[Finding]:
    """Updates of *rule* that had no value."""
    updates = seen.matches * len(rule.updates)
    for reason, count in sorted(seen.skipped.items()):
        share = min(count / updates, 1.0) if updates else 1.0
        kind = "skipped-updates" if share >= SKIPPED_SHARE else "some-skipped-updates"
        what = f"{percent(share)} of the updates of {rule.name!r} have no value: {_REASONS[reason]}"
        place = seen.places.get(reason)
        remedy = f"{_explain(subject, place)} shows one" if place else "only what is kept is known of a start"
        yield subject.finding(kind, (*path, "update"), what, remedy, of_key=True)


def _counted_twice(subject: Subject, observed: Observed) -> Iterator[Finding]:
    """Rules that count records which a pack counts, too: mostly of people who did not know of the pack."""
    told = set()
    for path, rule in subject.rule_paths():
        for place, update in subject.updates(path, rule):
            notes = observed.metrics[update.metric]
            of_packs = {other.name for other, _ in subject.feeders(update.metric) if other.pack} & _matching(observed)
            is_sum = notes.spec.type in ("counter", "histogram")
            if not (notes.doubles and of_packs and is_sum) or update.metric in told:
                continue
            told.add(update.metric)
            what = f"{number_of('record', notes.doubles)} of the samples are counted twice in {update.metric}, "
            what += f"such as {notes.double_place}: by this rule, and by a pack's ({', '.join(sorted(of_packs))})"
            remedy = "take this one away, or leave the pack out with packs: [...]"
            yield subject.finding("counted-twice", place, what, remedy, of_key=True)


def _matching(observed: Observed) -> set[str]:
    return {name for name, rule in observed.rules.items() if rule.matches}


_REASONS = {
    "missing": "the field is not there",
    "not_a_number": "what is there is no number; duration(x) reads texts such as 1.2s, number(x) such as 12",
    "negative": "it is negative",
    "not_finite": "it is not finite, or far too large",
}
