"""What can be said about a config that can be loaded, and how bad each of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
# error: it will not do what is meant; warning: it will be regretted; note: it is worth a look.
# docs/check.md has a line for each.
SEVERITIES: Mapping[str, Severity] = {
    # names
    "metric-suffix": "warning",
    "metric-unit": "warning",
    "metric-type": "warning",
    "metric-case": "warning",
    "metric-help": "warning",
    "help-repeats": "note",
    "reserved-label": "warning",
    "unit-place": "note",
    "label-in-name": "note",
    # units
    "wrong-unit": "error",
    "wrong-conversion": "error",
    # labels
    "unbounded-label": "error",
    "renamed-label": "warning",
    "relabelled-label": "note",
    "unused-label": "warning",
    "constant-label": "note",
    # conditions and rules
    "unreachable-rule": "error",
    "never-true": "error",
    "redundant-condition": "note",
    "same-pair": "error",
    "counted-twice": "warning",
    "no-effect": "warning",
    "shadowed-name": "warning",
    "unused-define": "warning",
    "unused-remember": "warning",
    # metrics
    "unfed-metric": "warning",
    "unreachable-init": "warning",
    "limit-too-large": "warning",
    "bucket-unit": "error",
    # regular expressions
    "regex-never": "error",
    "regex-always": "warning",
    "regex-groups": "warning",
    "regex-plain": "note",
    "regex-cost": "note",
    "unread-field": "note",
    # with samples
    "series-limit": "warning",
    "growing-label": "warning",
    "unknown-label": "warning",
    "id-label": "note",
    "bucket-fit": "warning",
    "silent-rules": "warning",
    "silent-rule": "note",
    "skipped-updates": "warning",
    "some-skipped-updates": "note",
    # the comments that accept findings
    "unknown-rule": "warning",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing in a config that will not do what is meant, or will be regretted. Line and column count from 1."""

    file: str
    line: int
    column: int
    # Of the catalogue; what a comment names to accept it.
    rule: str
    # Where it is in the config, as `metrics.x.labels[0]`.
    key_path: str
    # What is wrong, and why.
    what: str
    # What to write instead.
    remedy: str

    @property
    def severity(self) -> Severity:
        return SEVERITIES[self.rule]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        """All of it in a line, without its severity."""
        return f"{self.place}: {self.key_path}: {self.what}: {self.remedy} [{self.rule}]"


def weighed(findings: list[Finding]) -> dict[Severity, int]:
    """How many of each severity there are."""
    counts: dict[Severity, int] = {"error": 0, "warning": 0, "note": 0}
    for finding in findings:
        counts[finding.severity] += 1
    return counts
