"""What was found: a fact, how good it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

# problem: logmetrics cannot work so. warning: it works, and something will go wrong. note: worth knowing.
Mark = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact in a sentence; ``to_do`` is one line, mostly with a command in it."""

    mark: Mark
    what: str
    to_do: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one topic."""

    title: str
    findings: tuple[Finding, ...]


def ok(what: str) -> Finding:
    return Finding("ok", what)


def note(what: str, to_do: str = "") -> Finding:
    return Finding("note", what, to_do)


def warning(what: str, to_do: str) -> Finding:
    return Finding("warning", what, to_do)


def problem(what: str, to_do: str) -> Finding:
    return Finding("problem", what, to_do)


def unseen(what: str, why: object, to_do: str = "") -> Finding:
    """Something that could not be looked at, which is no fault of it."""
    reason = (isinstance(why, OSError) and why.strerror) or str(why) or type(why).__name__
    return note(f"{what} could not be looked at: {reason}", to_do)


def examined(title: str, look: Callable[[], Sequence[Finding]]) -> Group:
    """What *look* finds. Machines are stranger than we think: whatever it raises is a finding, too."""
    try:
        findings = look()
    except Exception as error:  # a doctor that falls ill helps nobody
        findings = [unseen(title[0].lower() + title[1:], error)]
    return Group(title, tuple(findings))


def is_healthy(groups: Sequence[Group]) -> bool:
    """Whether nothing stops logmetrics from working."""
    return all(finding.mark != "problem" for group in groups for finding in group.findings)
