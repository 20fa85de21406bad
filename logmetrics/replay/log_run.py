"""One log on its way through the replay: spans that were read out of order, put back into it.

Spans are read on the assumption that nothing before them matters: that no rule remembers anything they ask for, no
start is open that they close, no record goes over their border, and no time needs a zone that was told before. Here
that is held against what did come before. Where it was wrong the rest of the log is read in order, each span with what
the one before it left; so the result is that of reading the log from its start to its end, however it is cut.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from logmetrics.replay.asked import AskedPairs
from logmetrics.replay.logs import spans_of
from logmetrics.replay.reader import PART_BYTES
from logmetrics.replay.span import Before, Outcome, PastLog, Place, Span, StateRow
from logmetrics.rules.pairs import OpenPairs
from logmetrics.sources.tail import BLOCK_BYTES
from logmetrics.store.series import Labels

# Of a log that must be read in order so many parts are read in one go.
_IN_ORDER_PARTS = 4
# In a year less than this, nobody can take a time for one of the year before.
_SURE_OF_YEAR_S = 363 * 86_400


@dataclass(slots=True)
class PairsAsked:
    """What rules with pairs opened or closed: for each its keys (None: too many), and how many were open at most."""

    keys: dict[int, frozenset[str] | None] = field(default_factory=dict)
    most_open: dict[int, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Take in what *outcome* tells of them."""
        for number, keys in outcome.pair_keys.items():
            known = self.keys.get(number, frozenset())
            both = None if known is None or keys is None else known | keys
            self.keys[number] = both if both is not None and len(both) <= AskedPairs.KEYS_MAX else None
            self.most_open[number] = max(self.most_open.get(number, 0), outcome.most_open[number])


@dataclass(frozen=True, slots=True)
class PairNames:
    """The rules of a source that have pairs: number of the rule -> its name in rows, and whether it has a timeout."""

    by_rule: dict[int, tuple[str, bool]]

    def conflict(self, asked: PairsAsked, rows: Iterable[StateRow]) -> bool:
        """Whether any start that is open in *rows* would have mattered to what was *asked*."""
        if not asked.keys:
            return False
        open_keys: dict[str, set[str]] = {}
        for _, name, key, _, _ in rows:
            if is_pair_row(key):
                open_keys.setdefault(name, set()).add(json.loads(key))
        for number, keys in asked.keys.items():
            name, timed = self.by_rule[number]
            before = open_keys.get(name)
            if before and (
                timed
                or keys is None
                or not keys.isdisjoint(before)
                or len(before) + asked.most_open[number] > OpenPairs.OPEN_MAX
            ):
                return True
        return False


def is_pair_row(key: str) -> bool:
    """Whether the row with this key is of an open start; what logs remember has the log in its key."""
    return not key.startswith("[")


class LogRun:
    """What was read of one log so far. ``take`` brings what came out of a span, ``wanted`` tells what to read next."""

    def __init__(
        self,
        log: PastLog,
        pairs: PairNames,
        accept: Callable[[LogRun, Outcome, int], None],
        part_bytes: int = PART_BYTES,
    ) -> None:
        self.log = log
        self.pairs = pairs
        # Told of each outcome that is found right, in the order of the log, with the number of its segment.
        self.accept = accept
        self.part_bytes = part_bytes
        # The label sets of each metric, in the order in which they were met.
        self.labels: dict[int, dict[Labels, None]] = {}
        # Starts that logs before this one left open; known when these are done.
        self.others: tuple[StateRow, ...] = ()
        self._start()

    def _start(self) -> None:
        self.spans = spans_of(self.log, self.part_bytes)
        self.outcomes: list[Outcome] = []
        self._pairs_asked = PairsAsked()
        self.problems: list[str] = []
        self.done = not self.spans
        self.labels.clear()
        self._index = 0
        self._numbers = {(span.segment, span.start): number for number, span in enumerate(self.spans)}
        self._results: dict[int, list[Outcome] | str] = {}
        self._place = Place()
        self._segment = 0
        # Where the last piece of the segment that was read in order ended; a record may have begun before.
        self._stopped = 0
        self._before = Before(rows=self.others)
        self._in_order = False
        self._asked_for: Span | None = None

    @property
    def rows(self) -> tuple[StateRow, ...]:
        """What rules remember when the log is read, starts of other logs that are still open among it."""
        return self._before.rows

    def is_wanted(self) -> bool:
        """Whether a span that was not begun yet may still be of use."""
        return not self._in_order and not self.done

    def wanted(self) -> Span | None:
        """The span that must be read next, if it is known and nobody reads it."""
        if not self._in_order or self.done or self._asked_for is not None:
            return None
        segment = self.log.segments[self._segment]
        # Stops at the end of a block, where a tail that reads on would stop, too.
        size = max(_IN_ORDER_PARTS * self.part_bytes // BLOCK_BYTES, 1) * BLOCK_BYTES
        stop = None if segment.compressed else (max(self._place.offset, self._stopped) // size + 1) * size
        end = segment.size_bytes if segment.end is None else segment.end
        if stop is not None and stop >= end:
            stop = None
        start = self._place.offset
        self._asked_for = Span(self.log, self._segment, start, stop, self._place, self._before)
        return self._asked_for

    def take(self, span: Span, result: list[Outcome] | str) -> None:
        """What came out of *span*, or why it could not be read."""
        if span is self._asked_for:
            self._asked_for = None
            self._use(span, result)
            return
        if self._in_order or self.done:
            return
        self._results[self._numbers[span.segment, span.start]] = result
        while not self._in_order and self._index in self._results:
            span, result = self.spans[self._index], self._results.pop(self._index)
            if span.segment < self._segment:  # a part of it before could not be read
                self._index += 1
            elif isinstance(result, str) or self._is_right(span, result):
                self._index += 1
                self._use(span, result)
            else:
                self._in_order = True
                self._results.clear()

    def _use(self, span: Span, result: list[Outcome] | str) -> None:
        if not isinstance(result, str):
            self._go_on(span, result)
            return
        self.problems.append(f"{self.log.segments[span.segment].path}: {result}")
        self._next_segment()

    def _next_segment(self) -> None:
        self._segment += 1
        self._place = Place()
        self._stopped = 0
        self.done = self._segment >= len(self.log.segments)

    def _is_right(self, span: Span, outcomes: list[Outcome]) -> bool:
        """Whether what came before *span* would have made no difference."""
        before, last = self._before, outcomes[-1]
        if span.segment != self._segment or outcomes[0].began != self._place or last.gave_up:
            return False
        year_s, last_s = last.asked_year_s, before.last_s
        if year_s is not None and last_s is not None and year_s - last_s > _SURE_OF_YEAR_S:
            return False
        if last.asked_memory and any(not is_pair_row(key) for _, _, key, _, _ in before.rows):
            return False
        if last.asked_zone and before.zone is not None:
            return False
        asked = PairsAsked()
        asked.add(last)
        return not self.pairs.conflict(asked, before.rows)

    def _go_on(self, span: Span, outcomes: list[Outcome]) -> None:
        before, last = self._before, outcomes[-1]
        assert last.rows is not None
        rows = last.rows
        open_before = Counter(name for _, name, key, _, _ in before.rows if is_pair_row(key))
        for outcome in outcomes:
            if span.before is None:  # so far only its own starts are counted
                for number in outcome.most_open:
                    outcome.most_open[number] += open_before[self.pairs.by_rule[number][0]]
            self._pairs_asked.add(outcome)
            self.accept(self, outcome, span.segment)
            # Of a long log there are many; what is large is known elsewhere now.
            outcome.pair_keys, outcome.rows = {}, () if outcome.rows is not None else None
            self.outcomes.append(outcome)
        self._before = Before(
            before.last_s if last.last_s is None else last.last_s,
            before.zone if last.zone is None else last.zone,
            rows if span.before is not None else (*before.rows, *rows),
        )
        self._place = last.ended
        self._stopped = 0 if span.place is None else span.stop or 0
        if last.problem is not None:
            self.problems.append(f"{self.log.segments[span.segment].path}: {last.problem}")
        if span.stop is None:
            self._next_segment()

    @property
    def last_s(self) -> int | None:
        """The last time that was told up to here."""
        return self._before.last_s

    def begins_after(self, others: tuple[StateRow, ...]) -> bool:
        """All logs before this one are read, and left *others* open. False: it must be read anew for that."""
        self.others = others
        if not others:
            return True
        if self.pairs.conflict(self._pairs_asked, others):
            self._start()
            self._in_order = True
            return False
        self._before = replace(self._before, rows=(*others, *self._before.rows))
        return True
