"""Alert rules -> a rule file of Prometheus.

The format: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import yaml

# Never break a line: a template that goes over two is hard to read.
_WIDTH = 10_000


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. ``for_`` is a duration as Prometheus spells it.

    ``summary`` says what is wrong, ``description`` what to do; ``{{ $labels.NAME }}`` and ``{{ $value }}`` in
    them stand for what was found.
    """

    name: str
    expr: str
    for_: str
    severity: Literal["critical", "warning", "info"]
    summary: str
    description: str


def rule_file(group: str, alerts: Sequence[Alert], comment: str) -> str:
    """The rule file with *alerts* as one group; *comment* stands at its beginning, a line for each of its lines."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.for_,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.description},
        }
        for alert in alerts
    ]
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    document = {"groups": [{"name": group, "rules": rules}]}
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stay what they are, and rules stand further in than their list."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
