"""How Prometheus' text formats spell what a series shows: the same for a scrape and for history."""

from __future__ import annotations


def escape(value: str) -> str:
    """A label's value as it stands between quotes."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: object) -> str:
    """Whole numbers without a fraction, which both formats allow and people prefer."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def head(name: str, type_: str, help_: str, *, openmetrics: bool) -> str:
    """The HELP and TYPE of a metric; *name* has _total for a counter, which OpenMetrics does not want here."""
    text = help_.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        text = text.replace('"', '\\"')
        name = name.removesuffix("_total") if type_ == "counter" else name
    return f"# HELP {name} {text}\n# TYPE {name} {type_}\n"
