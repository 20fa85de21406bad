"""The loop: look, read, apply, commit, publish. The engine's thread is the only writer of everything it touches."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from logmetrics import __version__
from logmetrics.config.specs import Config
from logmetrics.rules.program import compile_rules
from logmetrics.sources.discovery import discover
from logmetrics.sources.reader import SourceReader, raise_open_files_limit
from logmetrics.sources.tail import Tail
from logmetrics.sources.wake import Waker
from logmetrics.store.self_metrics import SelfMetrics
from logmetrics.store.store import FamilyView, Store

# Collected values are folded into their sums after so many turns, which bounds their memory.
TURNS_PER_FOLD = 8
# While a scrape waits, a pass over the files is cut short after this time and goes on later.
PASS_S_MAX_WITH_SCRAPE = 0.1
# Directories are looked through again after this many times the time that the last look took: at most 2 % of a core.
DISCOVERY_REST = 50
PROGRESS_INTERVAL_S = 0.25
# A scrape looks for new files too, when that is so cheap that nobody notices.
DISCOVERY_S_MAX_WITH_SCRAPE = 0.002


@dataclass(slots=True)
class Progress:
    """How far the reading of what was there at the start has come."""

    bytes_read: int
    bytes_total: int
    lines: int


class Engine:
    """Owns readers, store and self-metrics. Other threads call ``refresh``, ``view`` and ``waker.wake`` only.

    *clock* is wall time in seconds, *monotonic* measures intervals; both come from outside: a test is the clock.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda _: None,
        progress: Callable[[Progress], None] = lambda _: None,
        runtime_metrics: bool = True,
    ) -> None:
        self.config = config
        self.clock = clock
        self.monotonic = monotonic
        self.say = say
        self.progress = progress
        raise_open_files_limit()
        self.store = Store(config.rule_set.metrics, config.limits)
        self.readers = [
            SourceReader(spec, compile_rules(config.rule_set, spec.name, spec.format, self.store))
            for spec in config.sources
        ]
        self.self_metrics = SelfMetrics(runtime=runtime_metrics)
        self.waker = Waker()
        # Set by a signal handler, read between turns.
        self.stopping = False
        # True once everything that was there at the start has been read to its end.
        self.caught_up = False
        self._requests: deque[threading.Event] = deque()
        self._hint = True
        self._discover_after_s = 0.0
        self._discovery_s = 0.0
        self._turns = 0
        self._commits = 0
        self._dirty = False
        self._committed_s = monotonic()
        self._progress_s = monotonic()

    # -- called by other threads

    def hint(self) -> None:
        """Something may have changed among the files."""
        self._hint = True
        self.waker.wake()

    def refresh(self, timeout_s: float) -> bool:
        """Have everything that is written by now counted and committed; False when that takes longer."""
        done = threading.Event()
        self._requests.append(done)
        self.waker.wake()
        return done.wait(timeout_s)

    def view(self) -> tuple[int, list[FamilyView]]:
        """The last commit, self-metrics last."""
        return self.store.view(self.self_metrics.families)

    # -- the engine's thread

    def run(self) -> None:
        """Work until ``stopping`` is set; what was read is committed before it returns."""
        while not self.stopping:
            requests = [self._requests.popleft() for _ in range(len(self._requests))]
            more = self._pass(scrape_waits=bool(requests))
            if not more and not self.caught_up:
                self._became_caught_up()
            if requests or self._commit_due():
                self.commit()
            for request in requests:
                request.set()
            if not more:
                self.waker.sleep(self._sleep_s())
        self.commit()
        self.close()

    def run_once(self) -> None:
        """Read everything that is there to its end, then commit."""
        while self._pass(scrape_waits=False) and not self.stopping:
            pass
        self._became_caught_up()
        self.close()

    def close(self) -> None:
        for reader in self.readers:
            reader.close()

    def commit(self) -> None:
        """Publish all that was counted."""
        started_s = self.monotonic()
        self._update_self_metrics()
        self.store.commit(self.clock(), self.self_metrics.families)
        self._commits += 1
        self._dirty = False
        self._committed_s = self.monotonic()
        self.self_metrics.set("logmetrics_commit_duration_seconds", self._committed_s - started_s)

    def _became_caught_up(self) -> None:
        self.commit()
        self.caught_up = True
        self.progress(self._progress())

    def _commit_due(self) -> bool:
        return self._dirty and self.monotonic() - self._committed_s >= self.config.commit_interval_s

    def _sleep_s(self) -> float:
        sleep_s = self.config.poll_interval_s
        if self._dirty:
            sleep_s = min(sleep_s, self._committed_s + self.config.commit_interval_s - self.monotonic())
        return 0.0 if self._requests or self._hint else max(sleep_s, 0.0)

    def _pass(self, *, scrape_waits: bool) -> bool:
        """Give every file a turn, or as many as there is time for. True when there is more to read."""
        started_s = self.monotonic()
        if (
            self._hint
            or started_s >= self._discover_after_s
            or (scrape_waits and self._discovery_s <= DISCOVERY_S_MAX_WITH_SCRAPE)
        ):
            self._discover()
        more = False
        for reader in self.readers:
            for _ in range(len(reader.tails)):
                if self.stopping or (scrape_waits and self.monotonic() - started_s > PASS_S_MAX_WITH_SCRAPE):
                    return True
                tail = reader.tails[0]
                reader.tails.rotate(-1)
                more |= self._turn(reader, tail)
                if self._requests and not scrape_waits and more:
                    return True
        return more

    def _turn(self, reader: SourceReader, tail: Tail) -> bool:
        lines = reader.lines
        more = reader.read_turn(tail, self.clock(), self.monotonic())
        if reader.lines != lines:
            self._dirty = True
            self._turns += 1
            if self._turns % TURNS_PER_FOLD == 0:
                self.store.fold()
                self._show_progress()
        return more

    def _discover(self) -> None:
        self._hint = False
        started_s = self.monotonic()
        for reader in self.readers:
            for message in reader.adopt(discover(reader.spec), started_s):
                self.say(message)
        self._discovery_s = self.monotonic() - started_s
        self._discover_after_s = started_s + max(self.config.poll_interval_s, DISCOVERY_REST * self._discovery_s)

    def _show_progress(self) -> None:
        """Now and then while catching up: summing over all files takes its time."""
        now_s = self.monotonic()
        if not self.caught_up and now_s - self._progress_s >= PROGRESS_INTERVAL_S:
            self._progress_s = now_s
            self.progress(self._progress())

    def _progress(self) -> Progress:
        read = sum(reader.bytes for reader in self.readers)
        total = read + sum(reader.lag_bytes for reader in self.readers)
        return Progress(read, total, sum(reader.lines for reader in self.readers))

    def _update_self_metrics(self) -> None:
        put = self.self_metrics.set
        put("logmetrics_build_info", 1, __version__)
        put("logmetrics_commits_total", self._commits + 1)
        put("logmetrics_last_commit_timestamp_seconds", self.clock())
        for reader in self.readers:
            name = reader.spec.name
            put("logmetrics_source_lines_total", reader.lines, name)
            put("logmetrics_source_bytes_total", reader.bytes, name)
            put("logmetrics_source_unmatched_lines_total", reader.program.unmatched, name)
            put("logmetrics_source_unparsable_lines_total", reader.program.unparsable, name)
            put("logmetrics_source_oversize_lines_total", reader.oversize, name)
            put("logmetrics_source_files", len(reader.tails), name)
            put("logmetrics_source_unreadable_files", len(reader.problems), name)
            put("logmetrics_source_lag_bytes", reader.lag_bytes, name)
            put("logmetrics_source_rotations_total", reader.rotations, name)
            put("logmetrics_source_truncations_total", reader.truncations, name)
        self._update_rule_metrics()
        for family in self.store.families.values():
            metric = family.spec.name
            put("logmetrics_series", family.guard.series, metric)
            put("logmetrics_series_limit", family.guard.series_max, metric)
            for (label, level), count in family.guard.overflows.items():
                put("logmetrics_overflow_measurements_total", count, metric, label, level)

    def _update_rule_metrics(self) -> None:
        """A rule that several sources use is one rule here."""
        totals: Counter[tuple[str, ...]] = Counter()
        for rule in (rule for reader in self.readers for rule in reader.program.rules):
            totals["logmetrics_rule_matches_total", rule.name] += rule.matches
            for reason, count in rule.skipped.items():
                totals["logmetrics_rule_skipped_updates_total", rule.name, reason] += count
            if rule.open_pairs is not None:
                totals["logmetrics_rule_open_pairs", rule.name] += len(rule.open_pairs)
                for reason, count in rule.open_pairs.broken.items():
                    totals["logmetrics_rule_broken_pairs_total", rule.name, reason] += count
        for (metric, *labels), value in totals.items():
            self.self_metrics.set(metric, value, *labels)
