"""Comments that accept findings: ``# logmetrics: ignore[unbounded-label]``, on the line or on one of its own above."""

from __future__ import annotations

import re
from collections.abc import Iterable

from logmetrics.authoring.lint.findings import SEVERITIES, Finding
from logmetrics.config.expression import did_you_mean

_COMMENT = re.compile(r"(?:^|\s)#\s*logmetrics:\s*ignore\[([^\]]*)\]")


def accepted(text: str, file: str, findings: Iterable[Finding]) -> list[Finding]:
    """Those of *findings* that the comments in *text* do not accept, in file order, and what is wrong with these."""
    by_line, mistakes = _comments(text, file)
    kept = {finding for finding in findings if finding.rule not in by_line.get(finding.line, ())}
    return sorted({*kept, *mistakes})


def _comments(text: str, file: str) -> tuple[dict[int, set[str]], list[Finding]]:
    """Which rules are accepted on which line."""
    by_line: dict[int, set[str]] = {}
    mistakes = []
    above: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        names: set[str] = set()
        if found := _COMMENT.search(line):
            names = {name.strip() for name in found[1].split(",")}
            for name in sorted(names - set(SEVERITIES)):
                what = f"no finding is called {name!r}{did_you_mean(name, list(SEVERITIES))}"
                remedy = "name the one in brackets at the end of what is told"
                mistakes.append(Finding(file, number, found.start(1) + 1, "unknown-rule", "comment", what, remedy))
        if line.strip().startswith("#"):
            above |= names
            continue
        by_line[number] = names | above
        above = set()
    return by_line, mistakes
