"""Names of metrics and labels, by Prometheus' conventions: all that `promtool check metrics` complains about, and more.

https://prometheus.io/docs/practices/naming/ has the conventions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.subject import Subject
from logmetrics.config.specs import MetricSpec

# The guide's own name; a contract.
_ACCEPTED = frozenset({"agent_active_count"})
_TYPES = ("counter", "gauge", "histogram", "summary", "info", "gauge_histogram")
_RESERVED = ("_count", "_sum", "_bucket", "_created")
_BASE_OF = {
    **dict.fromkeys(("minutes", "hours", "days", "weeks"), "seconds"),
    **dict.fromkeys(("inches", "yards", "miles"), "meters"),
    **dict.fromkeys(("pounds", "ounces"), "grams"),
    **dict.fromkeys(("fahrenheit", "rankine"), "celsius"),
    "bits": "bytes",
    "calories": "joules",
    "kelvins": "kelvin",
    "percent": "ratio",
    "percentage": "ratio",
}
_UNITS = ("amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "moles", "seconds", "volts")
_PREFIXES = (
    *("pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mibi", "mebi"),
    *("giga", "gibi", "tera", "tebi", "peta", "pebi"),
)
_ABBREVIATED = {
    **dict.fromkeys(
        ("s", "ms", "us", "ns", "sec", "secs", "msec", "msecs", "usec", "nsec", "m", "min", "mins"), "seconds"
    ),
    **dict.fromkeys(("h", "hr", "hrs", "d"), "seconds"),
    **dict.fromkeys(("b", "kb", "mb", "gb", "tb", "pb", "kib", "mib", "gib"), "bytes"),
    "pct": "ratio",
}
_CAMEL = re.compile(r"[a-z][A-Z]")
_PLACEHOLDERS = frozenset({"todo", "tbd", "fixme", "help", "-", "...", "description", "n/a"})


def findings(subject: Subject) -> Iterator[Finding]:
    """What is to be said about the names that the file gives."""
    for name, spec in subject.own_metrics.items():
        if name not in _ACCEPTED:
            yield from _suffix(subject, name, spec)
            yield from _type(subject, name, spec)
        yield from _unit(subject, name)
        yield from _case(subject, name, spec)
        yield from _help(subject, name, spec)
        yield from _labels(subject, name, spec)


def _suffix(subject: Subject, name: str, spec: MetricSpec) -> Iterator[Finding]:
    kind = spec.type
    suffix = next((each for each in (*_RESERVED, "_total") if name.endswith(each)), "")
    stem = name.removesuffix(suffix)
    if suffix == "_total" and kind != "counter":
        what = f"{name} ends in _total, which tells Prometheus' users that it is a counter, and it is a {_told(kind)}"
        yield subject.finding("metric-suffix", ("metrics", name), what, f"{stem}, or type: counter", of_key=True)
    elif suffix in _RESERVED:
        what = f"{suffix} at the end of {name} is what Prometheus gives the parts of a histogram"
        yield subject.finding("metric-suffix", ("metrics", name), what, _without(stem), of_key=True)
    elif kind != "info" and name.endswith("_info"):
        what = f"_info at the end of {name} is for metrics that are always 1, and it is a {_told(kind)}"
        yield subject.finding("metric-suffix", ("metrics", name), what, f"{name[:-5]}, or type: info", of_key=True)
    elif kind == "info" and not name.endswith("_info"):
        what = f"the name of a metric that is always 1 ends in _info, and {name} does not"
        yield subject.finding("metric-suffix", ("metrics", name), what, f"write {name}_info", of_key=True)


def _told(kind: str) -> str:
    return "gauge" if kind == "active" else kind


def _without(stem: str) -> str:
    return f"write {stem}, or a word of its own for what is counted"


def _type(subject: Subject, name: str, spec: MetricSpec) -> Iterator[Finding]:
    lower = name.lower()
    for kind in _TYPES:
        if kind == "info" and spec.type == "info":
            continue
        if f"_{kind}_" in lower or (lower.endswith(f"_{kind}") and kind != "info"):
            what = f"{name} has the type {kind} in its name, and Prometheus knows a metric's type without it"
            better = re.sub(rf"_{kind}(?=_|$)", "", name, flags=re.IGNORECASE)
            yield subject.finding("metric-type", ("metrics", name), what, f"write {better}", of_key=True)
            return


def _unit(subject: Subject, name: str) -> Iterator[Finding]:
    words = name.lower().split("_")
    at = ("metrics", name)
    for index, word in enumerate(words[1:], 1):
        base, prefix = _base_of(word)
        if base and (prefix or base != word):
            what = f"{word} is no base unit: Prometheus' users expect {_plainly(base)}"
            remedy = f"write {_with(name, words, index, base)} and give it {_amount(base)}"
            yield subject.finding("metric-unit", at, what, remedy + _converter(word), of_key=True)
        elif word in _ABBREVIATED:
            base = _ABBREVIATED[word]
            what = f"_{word} in {name} reads as an abbreviated unit"
            remedy = f"write {_with(name, words, index, base)} and give it {_amount(base)}"
            yield subject.finding("metric-unit", at, what, remedy + _converter(word), of_key=True)
        elif base and not _is_at_end(words, index):
            what = f"the unit {word} stands in the middle of {name}, and is looked for at its end"
            yield subject.finding("unit-place", at, what, f"put _{word} last, before _total", of_key=True)


def _is_at_end(words: list[str], index: int) -> bool:
    rest = words[index + 1 :]
    # A bound of what is measured, or a unit of two words.
    return rest in ([], ["total"]) or rest[0] in ("per", "info", "count", "sum", "bucket", "created")


def _base_of(word: str) -> tuple[str, str]:
    """The base unit of *word* and its prefix; empty texts when it is no unit."""
    for prefix in ("", *_PREFIXES):
        unit = word.removeprefix(prefix)
        if (not prefix or word.startswith(prefix)) and (unit in _UNITS or unit in _BASE_OF):
            return _BASE_OF.get(unit, unit), prefix
    return "", ""


def _with(name: str, words: list[str], index: int, base: str) -> str:
    return "_".join([*name.split("_")[:index], base, *name.split("_")[index + 1 :]]) if words else name


def _plainly(base: str) -> str:
    return "a ratio" if base == "ratio" else base


def _amount(base: str) -> str:
    return "a share of 1 in place of percent" if base == "ratio" else base


def _converter(word: str) -> str:
    function = {"milliseconds": "ms", "ms": "ms", "microseconds": "us", "us": "us", "nanoseconds": "ns", "ns": "ns"}
    return f": {function[word]}(x) makes seconds" if word in function else ""


def _case(subject: Subject, name: str, spec: MetricSpec) -> Iterator[Finding]:
    if _CAMEL.search(name):
        what = f"{name} is written in camelCase, and names of metrics are in snake_case"
        yield subject.finding("metric-case", ("metrics", name), what, f"write {_snake(name)}", of_key=True)
    for index, label in enumerate(spec.labels):
        if _CAMEL.search(label):
            what = f"{label} is written in camelCase, and names of labels are in snake_case"
            yield subject.finding("metric-case", ("metrics", name, "labels", index), what, f"write {_snake(label)}")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _help(subject: Subject, name: str, spec: MetricSpec) -> Iterator[Finding]:
    text = spec.help.strip()
    words = re.sub(r"[^a-z0-9]+", "", text.lower())
    if not text or text.lower() in _PLACEHOLDERS:
        kind = "metric-help"
        what = f"the help of {name} says nothing, and it is what people see beside the name in Prometheus and Grafana"
    elif words in (name.replace("_", "").lower(), name.replace("_", "").lower().removesuffix("total")):
        kind, what = "help-repeats", f"the help of {name} only repeats its name"
    else:
        return
    remedy = "say in a sentence what is counted or measured, and of what"
    yield subject.finding(kind, ("metrics", name, "help"), what, remedy)


def _labels(subject: Subject, name: str, spec: MetricSpec) -> Iterator[Finding]:
    for index, label in enumerate(spec.labels):
        at = ("metrics", name, "labels", index)
        if label in ("le", "quantile"):
            what = f"{label} is the label with which Prometheus tells the parts of a histogram or summary apart"
            yield subject.finding("reserved-label", at, what, "choose another name")
        elif f"_by_{label}_" in f"{name}_":
            what = f"the label {label} stands in the name of {name}, where it is wrong as soon as somebody sums it away"
            yield subject.finding("label-in-name", at, what, f"leave _by_{label} out of the name")
