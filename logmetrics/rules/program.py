"""The rules of one source at work: blocks of records go in, tallies and states grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from logmetrics.rules.keyed import KeyedState
from logmetrics.rules.log import Log
from logmetrics.rules.memory import Memory
from logmetrics.rules.pairs import OpenPairs

# Of so many records of a log all keys are looked at.
SAMPLED_MAX = 20


# Takes lines, their log, and wall time in seconds; one for a pack says whether the lines were that pack's.
Function = Callable[[list[bytes], Log, float], Any]


@dataclass(slots=True)
class RuleTally:
    """What became of one rule: how often it matched, and updates that gave no usable value, by reason."""

    name: str
    # A pack's rule is told of from its first match on: most logs concern few packs.
    of_pack: bool = False
    matches: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    open_pairs: OpenPairs | None = None
    # What its stateful functions know, by the name of each in state.db.
    memories: dict[str, Memory] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to tell of it."""
        return self.of_pack and not self.matches and not (self.open_pairs and self.open_pairs.was_used)

    @property
    def states(self) -> Iterator[tuple[str, KeyedState]]:
        """All that it remembers, each under its name in state.db."""
        if self.open_pairs is not None:
            yield self.name, self.open_pairs
        yield from self.memories.items()

    def skip(self, value: object) -> None:
        """Count an update whose *value* cannot be used."""
        if value is None:
            reason = "missing"
        elif value.__class__ is bool or not isinstance(value, (int, float)):
            reason = "not_a_number"
        elif value < 0:
            reason = "negative"
        else:
            reason = "not_finite"
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class OtherRecords:
    """Records of JSON that no pack recognises as its own: the pack that counts them, and the keys that are read."""

    pack: str
    keys: frozenset[str]


class Functions(Protocol):
    """Makes the functions of a program; see ``compile``."""

    @property
    def others(self) -> OtherRecords: ...
    def split(self, lines: list[bytes]) -> list[tuple[str, list[bytes]]]: ...
    def for_any_pack(self, program: Program) -> tuple[str, dict[str, Function]]: ...
    def for_pack(self, name: str) -> Function: ...


class Program:
    """The compiled rules of one source. ``apply`` counts a block of records; the tallies grow with it."""

    def __init__(self, rules: list[RuleTally], remembered: Memory, functions: Functions) -> None:
        self.rules = rules
        # What `remember` knows of each log, for all rules.
        self.remembered = remembered
        self.unmatched = 0
        self.unparsable = 0
        self._made = functions
        self._others = functions.others
        self.source_text, self._for_any_pack = functions.for_any_pack(self)
        # Functions for blocks whose records are all of one pack, made when the first such block is likely.
        self._for_pack: dict[str, Callable[[list[bytes], Log, float], bool]] = {}

    def apply(self, lines: list[bytes], log: Log, now_s: float) -> None:
        """Count a block of whole records of *log*; *now_s* is wall time in seconds."""
        for format_name, run in self._made.split(lines):
            if log.likely is not None and format_name == "json":
                if self._apply_for_pack(log.likely, run, log, now_s):
                    continue
                log.was_mistaken()
            self._for_any_pack[format_name](run, log, now_s)
            if format_name == "json" and log.sampled < SAMPLED_MAX and log.likely in (None, self._others.pack):
                self._sample(run, log)

    def _sample(self, lines: list[bytes], log: Log) -> None:
        """Note which keys of *lines* no rule reads."""
        for line in lines[: SAMPLED_MAX - log.sampled]:
            log.sampled += 1
            with suppress(orjson.JSONDecodeError):
                record = orjson.loads(line)
                if isinstance(record, dict):
                    log.left_alone |= dict.fromkeys(record.keys() - self._others.keys)

    def _apply_for_pack(self, pack: str, lines: list[bytes], log: Log, now_s: float) -> bool:
        """Count *lines* if all their records are of *pack*; else nothing is done."""
        function = self._for_pack.get(pack)
        if function is None:
            function = self._for_pack[pack] = self._made.for_pack(pack)
        return function(lines, log, now_s)

    def collect(self, source: str, batch: dict[str, list[tuple[Any, ...]]]) -> None:
        """Add to *batch* what the next commit must write of the state behind the rules."""
        cleared = batch.setdefault("pairs_cleared", [])
        rows, gone = batch.setdefault("pairs", []), batch.setdefault("pairs_gone", [])
        for name, state in self._states():
            if state.must_clear:
                cleared.append((source, name))
            changed, closed = state.changes()
            rows += [(source, name, *row) for row in changed]
            gone += [(source, name, key) for key in closed]

    def _states(self) -> Iterator[tuple[str, KeyedState]]:
        yield "#remember", self.remembered
        for rule in self.rules:
            yield from rule.states

    def committed(self) -> None:
        """What ``collect`` gave is durable."""
        for _, state in self._states():
            state.committed()

    def commit_failed(self) -> None:
        """What ``collect`` gave may be durable or not."""
        for _, state in self._states():
            state.commit_failed()

    def restore(self, source: str, rows: Iterable[tuple[str, str, str, int, str]]) -> None:
        """Take over the rows of an earlier run; those of other sources and rules are passed over."""
        by_name: dict[str, list[tuple[str, int, str]]] = {}
        for row_source, name, *row in rows:
            if row_source == source:
                by_name.setdefault(name, []).append(tuple(row))  # type: ignore[arg-type]
        for name, state in self._states():
            state.restore(by_name.get(name, ()))
