"""What is told of a record, frozen; `logmetrics explain --json` is this tree as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

# What becomes of a record. ``used``: a rule matched it, and it counts nothing now: a start, a value remembered.
Verdict = Literal["counted", "used", "unmatched", "unparsable", "excluded", "oversize", "continuation", "no_record"]
Outcome = Literal["matched", "started", "no_start", "not_matched", "empty"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record lies; lines count from 1, and 0 is one that is not known. Standard input has no path."""

    path: str
    first_line: int
    last_line: int

    @property
    def text(self) -> str:
        """``path:line``; for a record of several lines ``path:first-last``."""
        if not self.first_line:
            return self.path
        lines = f"{self.first_line}" if self.first_line == self.last_line else f"{self.first_line}-{self.last_line}"
        return f"{self.path}:{lines}" if self.path else f"line {lines}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was around the record: the log's framing, the time that its envelope gives, what stood before the record."""

    framing: str
    time: str | int | None
    taken_off: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a line is no record of its format; ``column`` counts from 1. ``shown`` is the text around the place, and
    ``caret`` how far in it that is.
    """

    why: str
    column: int | None
    shown: str
    caret: int


@dataclass(frozen=True, slots=True)
class PackFact:
    """The pack whose rules are asked. ``why`` says which condition told so, ``nearly`` what little there is between the
    record and another pack.
    """

    name: str
    why: str
    nearly: str


@dataclass(frozen=True, slots=True)
class LabelFact:
    """A label: what the rule's expression gave, and what it reads in the series, with the reason if that is another."""

    name: str
    expression: str
    given: Any
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class UpdateFact:
    """One update: ``inputs`` are the fields behind the value. ``skipped`` says why it counts nothing, if so."""

    metric: str
    type: str
    expression: str
    inputs: Mapping[str, Any]
    value: Any
    skipped: str
    labels: Sequence[LabelFact]
    # As an exposition shows it, the ``le`` of a histogram's bucket, and what the guard had to say.
    series: str
    bucket: str
    is_new: bool
    guard: str


@dataclass(frozen=True, slots=True)
class MatchFact:
    """A rule that matched, once for each element of its loops: ``elements`` are the names and values of these."""

    elements: Mapping[str, Any]
    updates: Sequence[UpdateFact]
    remembered: Mapping[str, Any]
    # A start that was given up because its time was over, when this record came.
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class RuleFact:
    """What became of a rule. ``condition`` is the first that failed, ``why`` what it saw."""

    name: str
    pack: str
    outcome: Outcome
    condition: str
    why: str
    matches: Sequence[MatchFact]


@dataclass(frozen=True, slots=True)
class NotAsked:
    """So many rules were not asked, and why."""

    rules: int
    why: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that stands between the record and a rule: what to write in the log, or in the config."""

    why: str
    in_log: str
    in_config: str


@dataclass(frozen=True, slots=True)
class Nearest:
    """A rule that is not far from the record. ``is_enough``: it was tried out that with all changes in the log the rule
    matches.
    """

    rule: str
    pack: str
    changes: Sequence[Change]
    is_enough: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is told of one record. ``summary`` is a sentence; ``text`` the record as it reached the rules; ``part``
    says which object it is of a line that holds several.
    """

    verdict: Verdict
    summary: str
    place: Place
    part: str
    source: str
    agent: str
    text: str
    envelope: Envelope
    format: str
    broken: Broken | None
    fields: Mapping[str, Any]
    pack: PackFact | None
    rules: Sequence[RuleFact]
    not_asked: Sequence[NotAsked]
    nearest: Sequence[Nearest]
