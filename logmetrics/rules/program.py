"""The rules of one source at work: blocks of records go in, tallies and states grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol

from logmetrics.formats.json_lines import Decode, decoded_one_by_one
from logmetrics.rules.keyed import KeyedState
from logmetrics.rules.log import KnownShapes, Log
from logmetrics.rules.memory import Memory
from logmetrics.rules.pairs import Kept, OpenPairs

# A log of so many lines is worth a function of its own.
LINES_OF_OWN_FUNCTION = 50
# Of so many lines of others the keys are noted nonetheless: people want to know which are not read.
SAMPLED_MAX = 1_000
# So many functions for logs of a certain shape; logs beyond are read by the pack's function for any shape.
SHAPES_MAX = 200


# Takes lines, their log, and wall time in seconds; see `compile` for the others.
Function = Callable[..., Any]


class _Made(dict[str, Function]):
    """Functions by name, each made when it is asked for."""

    def __init__(self, make: Callable[[str], Function]) -> None:
        self._make = make

    def __missing__(self, name: str) -> Function:
        self[name] = made = self._make(name)
        return made


def skip_reason(value: object) -> str:
    """Why *value* cannot be used by an update."""
    if value is None:
        return "missing"
    if value.__class__ is bool or not isinstance(value, (int, float)):
        return "not_a_number"
    return "negative" if value < 0 else "not_finite"


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
        """All that it remembers, each under its name in state.db; what is kept otherwise has another name."""
        if self.open_pairs is not None:
            kept = self.open_pairs.kept
            timed = "timed" if self.open_pairs.timeout_s is not None else ""
            yield "#".join(filter(None, (self.name, ",".join(kept), timed))), self.open_pairs
        yield from self.memories.items()

    def skip(self, value: object) -> None:
        """Count an update whose *value* cannot be used."""
        reason = skip_reason(value)
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class OtherRecords:
    """Records of JSON that no pack recognises as its own: the pack that counts them, and the keys that it reads."""

    pack: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class WhichPack:
    """Tells which pack a record is of, from a decoder of what must be known for that.

    The packs ``remembering`` are told by records that came before, too.
    """

    decode: Decode
    pack_of: Callable[[Any, Log], str]
    remembering: frozenset[str]


class Functions(Protocol):
    """Makes the functions of a program; see ``compile``."""

    texts: dict[str, str]
    formats: Sequence[str]

    @property
    def is_of_one_pack(self) -> bool: ...
    @property
    def keys_read(self) -> frozenset[str]: ...
    @property
    def others(self) -> OtherRecords: ...
    def split(self, lines: list[bytes]) -> list[tuple[str, list[bytes]]]: ...
    def of_text(self, name: str) -> Function: ...
    def of_pack(self, name: str) -> Function: ...
    def of_shape(self, name: str, kinds: Mapping[str, int]) -> Function: ...
    def of_timeout(self, rule_number: int) -> Function: ...
    def which_pack(self) -> WhichPack: ...


class Program:
    """The compiled rules of one source. ``apply`` counts a block of records; the tallies grow with it.

    Functions are made when they are first needed: most logs concern few packs.
    """

    def __init__(self, rules: list[RuleTally], remembered: Memory, functions: Functions) -> None:
        self.rules = rules
        # What `remember` knows of each log, for all rules.
        self.remembered = remembered
        self.unmatched = 0
        self.unparsable = 0
        # Lines of text that only go on with the record before them.
        self.continued = 0
        # Records with any of these texts in them are passed over; how many were.
        self.exclude: tuple[bytes, ...] = ()
        self.excluded = 0
        self.functions = functions
        self.others = functions.others
        self._of_text = _Made(functions.of_text)
        self._of_pack = _Made(functions.of_pack)
        self._of_shape: dict[tuple[str, frozenset[tuple[str, int]]], Function] = {}
        self._of_timeout: dict[int, Function] = {}
        self._known_shapes: KnownShapes = {}
        self._sampled = 0
        self._which_pack: WhichPack | None = None
        self._timing_out = [
            pairs for rule in rules if (pairs := rule.open_pairs) is not None and pairs.timeout_s is not None
        ]
        for number, rule in enumerate(rules):
            if rule.open_pairs is not None:
                rule.open_pairs.on_timeout = partial(self._timed_out, number)
        self._is_of_one_pack = functions.is_of_one_pack
        self.has_own_rules = not all(rule.of_pack for rule in rules)

    @property
    def uncounted(self) -> int:
        """Records that are of no use to any rule."""
        return self.unmatched + self.unparsable

    def prepare(self) -> None:
        """Make the functions that own rules are in, to see whether they can be made. Raises ConfigError."""
        for name in self.functions.formats:
            if name == "json":
                self._of_pack[self.others.pack]
            else:
                self._of_text[name]

    def apply(self, lines: list[bytes], log: Log, now_s: float) -> None:
        """Count a block of whole records of *log*; *now_s* is wall time in seconds."""
        if self.exclude:
            before = len(lines)
            for text in self.exclude:
                lines = [line for line in lines if text not in line]
            self.excluded += before - len(lines)
        log.was_read = True
        if not log.is_mixed and (function := self._of_likely(log)) is not None and function(lines, log, now_s):
            return
        for format_name, run in self.functions.split(lines):
            if format_name != "json":
                log.is_mixed = True
                self._of_text[format_name](run, log, now_s)
            elif (function := self._of_likely(log)) is None or not function(run, log, now_s):
                if function is not None:
                    log.was_mistaken()
                self._apply_by_pack(run, log, now_s)

    def _of_likely(self, log: Log) -> Function | None:
        """The function for blocks like those that *log* had so far."""
        if log.likely is None or log.kinds is None:
            return None
        function = self._of_shape.get((log.likely, log.shape))
        if function is None and len(self._of_shape) < SHAPES_MAX:
            # Logs of one program soon have one shape, which each of them fits.
            log.widen([shape for pack, shape in self._of_shape if pack == log.likely], self._known_shapes)
            function = self._of_shape.get((log.likely, log.shape))
            if function is None:
                function = self._of_shape[log.likely, log.shape] = self.functions.of_shape(log.likely, log.kinds)
        return function

    def expire(self, now_s: float) -> bool:
        """Give up what waits for an end for too long at *now_s*, wall time in seconds. True when there was any."""
        return sum([pairs.expire_by_clock(now_s) for pairs in self._timing_out]) > 0

    def _timed_out(self, rule_number: int, kept: Kept) -> None:
        function = self._of_timeout.get(rule_number)
        if function is None:
            function = self._of_timeout[rule_number] = self.functions.of_timeout(rule_number)
        function(kept)

    def _apply_by_pack(self, lines: list[bytes], log: Log, now_s: float) -> None:
        """Count records of JSON, each with the rules of the pack that it is of, in their order."""
        if self._is_of_one_pack:
            self._apply_one_pack(self.others.pack, lines, lines, log, now_s)
            return
        if self._which_pack is None:
            self._which_pack = self.functions.which_pack()
        which = self._which_pack
        packs: set[str] = set()
        pack, run = self.others.pack, list[bytes]()
        for line in lines:
            for record, text in decoded_one_by_one(line, which.decode):
                if record is None:
                    self.unparsable += 1
                    continue
                of = which.pack_of(record, log)
                if of != pack:
                    self._apply_run(pack, run, log, now_s)
                    pack, run = of, []
                run.append(text)
                packs.add(of)
                if of in which.remembering:  # what it tells may decide about the next record
                    self._apply_run(pack, run, log, now_s)
                    run = []
        if len(packs) == 1:
            self._apply_one_pack(pack, run, lines, log, now_s)
            return
        self._apply_run(pack, run, log, now_s)
        log.saw_json(packs)
        log.lines += len(lines)
        if self._sampled < SAMPLED_MAX:
            self._sampled += len(lines)
            log.learn(lines, self.functions.keys_read, self._known_shapes)

    def _apply_one_pack(self, pack: str, run: list[bytes], lines: list[bytes], log: Log, now_s: float) -> None:
        """Count *run*, what is left of a block that is of *pack* altogether, and learn from all its *lines* what the
        next one is likely to be like.

        A function for any fields takes long to make; a log that is long and regular never needs it.
        """
        log.lines += len(lines)
        if log.lines >= LINES_OF_OWN_FUNCTION or self._sampled < SAMPLED_MAX:
            self._sampled += len(lines)
            log.learn(lines, self.functions.keys_read, self._known_shapes)
            log.saw_json({pack})
        function = self._of_likely(log) if len(run) >= LINES_OF_OWN_FUNCTION and pack not in self._of_pack else None
        if function is None or not function(run, log, now_s):
            self._apply_run(pack, run, log, now_s)

    def _apply_run(self, pack: str, run: list[bytes], log: Log, now_s: float) -> None:
        if run:
            self._of_pack[pack](run, log, now_s)

    def begin_anew(self) -> None:
        """Forget all counts and all that was remembered; the functions stay."""
        self.unmatched = self.unparsable = self.continued = self.excluded = 0
        for rule in self.rules:
            rule.matches = 0
            rule.skipped.clear()
        for _, state in self._states:
            state.forget_all()

    def rows(self, source: str) -> list[tuple[str, str, str, int, str]]:
        """All that is remembered, as ``restore`` takes it."""
        return [(source, name, *row) for name, state in self._states for row in state.rows()]

    def adopt(self, rows: Iterable[tuple[str, str, str, int, str]]) -> None:
        """Take over *rows* as if they had been remembered just now, in their order."""
        states = dict(self._states)
        for _, name, *row in rows:
            states[name].adopt(tuple(row))  # type: ignore[arg-type]

    def collect(self, source: str, batch: dict[str, list[tuple[Any, ...]]]) -> None:
        """Add to *batch* what the next commit must write of the state behind the rules."""
        cleared = batch.setdefault("pairs_cleared", [])
        rows, gone = batch.setdefault("pairs", []), batch.setdefault("pairs_gone", [])
        for name, state in self._states:
            if not state.has_news:
                continue
            if state.must_clear:
                cleared.append((source, name))
            changed, closed = state.changes()
            rows += [(source, name, *row) for row in changed]
            gone += [(source, name, key) for key in closed]

    @cached_property
    def _states(self) -> list[tuple[str, KeyedState]]:
        return [("#remember", self.remembered), *(state for rule in self.rules for state in rule.states)]

    def committed(self) -> None:
        """What ``collect`` gave is durable."""
        for _, state in self._states:
            if state.has_news:
                state.committed()

    def commit_failed(self) -> None:
        """What ``collect`` gave may be durable or not."""
        for _, state in self._states:
            state.commit_failed()

    def restore(self, source: str, rows: Iterable[tuple[str, str, str, int, str]]) -> None:
        """Take over the rows of an earlier run; those of other sources and rules are passed over."""
        by_name: dict[str, list[tuple[str, int, str]]] = {}
        for row_source, name, *row in rows:
            if row_source == source:
                by_name.setdefault(name, []).append(tuple(row))  # type: ignore[arg-type]
        for name, state in self._states:
            state.restore(by_name.get(name, ()))
