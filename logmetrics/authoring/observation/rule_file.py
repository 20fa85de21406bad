"""Recording and alerting rules -> a rule file of Prometheus.

The format: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/ and alerting_rules/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import yaml

from logmetrics.config.specs import AlertsSpec

# Never break a line: a template that goes over two is hard to read.
_WIDTH = 10_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus works out for other rules, called level:metric:operations."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``for_`` is a duration as Prometheus spells it.

    ``summary`` says what is wrong, ``description`` what to do; ``{{ $labels.NAME }}`` and ``{{ $value }}`` in
    them stand for what was found.
    """

    name: str
    expr: str
    for_: str
    severity: Literal["critical", "warning", "info"]
    summary: str
    description: str


Rule: TypeAlias = "Recording | Alert"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are worked out one after the other, so that an alert finds what was recorded before it."""

    name: str
    rules: Sequence[Rule]


def rule_file(groups: Sequence[Group], settings: AlertsSpec, comment: str) -> str:
    """The rule file; *comment* stands at its beginning, a line for each of its lines."""
    document = {
        "groups": [{"name": group.name, "rules": [_rule(rule, settings) for rule in group.rules]} for group in groups]
    }
    return to_yaml(document, comment)


def _rule(rule: Rule, settings: AlertsSpec) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": rule.expr}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": rule.for_,
        "labels": labels_of(rule, settings),
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{settings.runbooks}#{rule.name.lower()}",
        },
    }


def labels_of(alert: Alert, settings: AlertsSpec) -> dict[str, str]:
    """What an alert has beside the labels of what it found."""
    return {"severity": settings.severity.get(alert.name, alert.severity), **dict(settings.labels)}


def alerts_of(groups: Sequence[Group]) -> Iterator[Alert]:
    """In their order."""
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, Alert):
                yield rule


def to_yaml(document: object, comment: str) -> str:
    """As people read it."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)


def duration(seconds: float) -> str:
    """As Prometheus spells it, in the largest unit that fits."""
    milliseconds = round(seconds * 1000)
    for unit, length in (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stay what they are, and rules stand further in than their list."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
