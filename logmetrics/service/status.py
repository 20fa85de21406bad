"""What the status of a daemon is made of: looks at its engine, in the engine's thread."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import nlargest
from itertools import islice

from logmetrics import __version__
from logmetrics.config.specs import SourceSpec
from logmetrics.config.tree import Literal
from logmetrics.engine import Engine
from logmetrics.rules.compile import compiled
from logmetrics.serve.status.data import (
    CommitStatus,
    ConfigStatus,
    Example,
    FileStatus,
    HistoryStatus,
    PathProblem,
    ReadingStatus,
    ReloadStatus,
    RuleStatus,
    SourceStatus,
    Status,
    TotalStatus,
    Uncounted,
    UncountedRecord,
)
from logmetrics.service.history import STEP_S, History, Key, by_minute
from logmetrics.service.messages import Messages
from logmetrics.sources.examples import RECORD_BYTES_MAX, Examples, Nowhere
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.tail import Tail
from logmetrics.store.report import refusals, report
from logmetrics.store.self_metrics import OVERFLOWS
from logmetrics.store.series import CounterSeries, GaugeSeries

LISTED_MAX = 10
# Many who look at once share one look.
FRESH_S = 1.0
LINES, BYTES = "logmetrics_source_lines_total", "logmetrics_source_bytes_total"
UNMATCHED, UNPARSABLE = "logmetrics_source_unmatched_lines_total", "logmetrics_source_unparsable_lines_total"
OVERSIZE = "logmetrics_source_oversize_lines_total"
LAG, MATCHES, COMMITS = "logmetrics_source_lag_bytes", "logmetrics_rule_matches_total", "logmetrics_commits_total"
LOST, SERIES = "logmetrics_lost_bytes_total", "series"
_COUNTS = (LINES, BYTES, UNMATCHED, UNPARSABLE, OVERSIZE, MATCHES, COMMITS, LOST)


class Monitor:
    """Keeps the last hour of *engine*, examples of what it could not count, and tells how it is.

    Config, readers and store are asked of the engine each time, since a reload changes them.
    """

    def __init__(self, engine: Engine, messages: Messages, config_file: str | None = None) -> None:
        self.engine = engine
        self.messages = messages
        # Whoever asks for it may be in another directory.
        self.config_file = None if config_file is None else os.path.abspath(config_file)
        # How the last reload of the config ended.
        self.reload: Callable[[], ReloadStatus | None] = lambda: None
        # Where the server listens: a port 0 in the config is another one there.
        self.addresses: Sequence[str] = engine.config.listen
        self.examples = Examples(lambda reader: compiled(engine.config, reader.spec, Nowhere()), engine.monotonic)
        self._start_unix_s, self._start_s = engine.clock(), engine.monotonic()
        self._history = History(self._start_s, self._counts())
        engine.on_commit = self.note
        self.attach()
        # Held by the one thread that asks the engine.
        self._asking = threading.Lock()
        self._last = self._look()
        self._last_s = float("-inf")

    def attach(self) -> None:
        """Have the sources that there are now show what they do not count."""
        readers, rules = self.engine.readers, self.engine.config.rule_set
        self.examples.forget_all_but({reader.spec.name: (reader.spec, rules) for reader in readers})
        for reader in readers:
            reader.uncounted = self.examples.look

    def note(self) -> None:
        """Take a sample; in the engine's thread, when the self-metrics are up to date."""
        levels: dict[Key, float] = {(LAG, name): value for (name,), value in self._values(LAG)}
        levels[SERIES,] = self.engine.store.size
        self._history.note(self.engine.monotonic(), self._counts(), levels)

    def status(self, timeout_s: float) -> Status:
        """How it is now or was a moment ago, or when the engine last answered if it takes too long. Any thread."""
        if not self._asking.acquire(timeout=timeout_s):
            return self._late()
        try:
            if self.engine.monotonic() - self._last_s >= FRESH_S:
                self.engine.ask(self._take, timeout_s)
            return self._last
        except TimeoutError:
            return self._late()
        finally:
            self._asking.release()

    def uncounted(self, timeout_s: float) -> Uncounted:
        """Records that were not counted, as far as they are kept. Any thread. Raises TimeoutError."""
        return self.engine.ask(self._uncounted, timeout_s)

    def _uncounted(self) -> Uncounted:
        found = sorted(self.examples.found(), key=lambda one: -one[3].last_s)
        records = (
            UncountedRecord(
                source,
                example.path,
                kind,
                example.record.decode("utf-8", "replace"),
                len(example.record) < RECORD_BYTES_MAX,
                example.last_s,
            )
            for source, kind, _, example in found
            if example.record
        )
        return Uncounted(__version__, self.config_file, self.engine.config.packs, tuple(records))

    def _late(self) -> Status:
        last = self._last
        if not last.late:
            self._last = last = replace(last, late=True)
        return last

    def _take(self) -> None:
        self._last = self._look()
        self._last_s = self.engine.monotonic()

    def _look(self) -> Status:
        engine, now_s = self.engine, self.engine.clock()
        config, readers = engine.config, engine.readers
        tails: dict[SourceReader, list[Tail]] = {reader: [] for reader in readers}
        for tail in engine.files.known.tails.values():
            tails.setdefault(tail.reader, []).append(tail)
        sources = tuple(self._source(reader, tails[reader], now_s) for reader in readers)
        progress = engine.progress
        families = [family for family in engine.store.families_in_use if family.series or not family.spec.pack]
        metrics = report(families, refusals(engine.self_metrics.family(OVERFLOWS)))
        lost = {reason: int(count) for (reason,), count in self._values(LOST) if count}
        failing = engine.commit_problem is not None
        return Status(
            version=__version__,
            unix_s=now_s,
            start_unix_s=self._start_unix_s,
            uptime_s=engine.monotonic() - self._start_s,
            state="failing" if failing else "ready" if engine.caught_up else "reading",
            late=False,
            reading=None
            if engine.caught_up
            else ReadingStatus(progress.bytes_read, progress.bytes_total, progress.lines),
            commits=self._commits(),
            config=ConfigStatus(
                self.config_file, config.packs, self.addresses, engine.state.directory if engine.state else None
            ),
            reload=self.reload(),
            totals=self._totals(sources, sum(lost.values())),
            sources=sources,
            rules=self._rules(now_s),
            metrics=metrics,
            examples=tuple(
                Example(source, found.path, kind, shape, found.text, found.seen, found.last_s)
                for source, kind, shape, found in self.examples.found()
            ),
            shows_examples=True,
            lost_bytes=lost,
            messages=self.messages.last,
            history=self._hour(now_s),
        )

    def _counts(self) -> dict[Key, float]:
        return {(name, *labels): value for name in _COUNTS for labels, value in self._values(name)}

    def _values(self, name: str) -> Iterable[tuple[tuple[str, ...], float]]:
        """The labels and values of a self-metric's series."""
        for labels, series in self.engine.self_metrics.family(name).series.items():
            if isinstance(series, CounterSeries):
                yield labels, series.count
            elif isinstance(series, GaugeSeries):
                yield labels, series.value

    def _value(self, name: str) -> float:
        return sum(value for _, value in self._values(name))

    def _commits(self) -> CommitStatus:
        last_unix_s = self._value("logmetrics_last_commit_timestamp_seconds")
        return CommitStatus(
            count=int(self._value(COMMITS)),
            failures=int(self._value("logmetrics_commit_failures_total")),
            last_unix_s=last_unix_s or None,
            last_duration_s=self._value("logmetrics_commit_duration_seconds"),
            problem=self.engine.commit_problem,
        )

    def _totals(self, sources: Sequence[SourceStatus], lost_bytes: int) -> TotalStatus:
        store, names = self.engine.store, [source.name for source in sources]
        return TotalStatus(
            lines=sum(source.lines for source in sources),
            bytes=sum(source.bytes for source in sources),
            matched_lines=sum(source.matched_lines for source in sources),
            unmatched_lines=sum(source.unmatched_lines for source in sources),
            unparsable_lines=sum(source.unparsable_lines for source in sources),
            continuation_lines=sum(source.continuation_lines for source in sources),
            excluded_lines=sum(source.excluded_lines for source in sources),
            oversize_lines=sum(source.oversize_lines for source in sources),
            lines_per_s=self._history.rate_per_s(*((LINES, name) for name in names)),
            bytes_per_s=self._history.rate_per_s(*((BYTES, name) for name in names)),
            lag_bytes=sum(source.lag_bytes for source in sources),
            lag_s=max((source.lag_s for source in sources), default=0.0),
            series=store.size,
            series_max=store.limits.series,
            overflow_measurements=int(self._value(OVERFLOWS)),
            lost_bytes=lost_bytes,
        )

    def _source(self, reader: SourceReader, tails: Sequence[Tail], now_s: float) -> SourceStatus:
        history, name = self._history, reader.spec.name
        counted = {
            metric: int(dict(self._values(f"logmetrics_source_{metric}")).get((name,), 0)) for metric in _OF_SOURCES
        }
        problems = {**reader.problems, **reader.troubles}
        listed = nlargest(LISTED_MAX, tails, key=lambda tail: (tail.lag_bytes, tail.grown_s))
        read_ago_s = history.grew_ago_s((LINES, name))
        return SourceStatus(
            name=name,
            kind=_kind(reader.spec),
            reads=reader.spec.places,
            files=len(tails) if reader.spec.paths else None,
            lines=counted["lines_total"],
            bytes=counted["bytes_total"],
            unmatched_lines=counted["unmatched_lines_total"],
            unparsable_lines=counted["unparsable_lines_total"],
            continuation_lines=counted["continuation_lines_total"],
            excluded_lines=counted["excluded_lines_total"],
            oversize_lines=counted["oversize_lines_total"],
            lines_per_s=history.rate_per_s((LINES, name)),
            bytes_per_s=history.rate_per_s((BYTES, name)),
            lag_bytes=counted["lag_bytes"],
            lag_s=history.above_zero_s((LAG, name)),
            last_line_unix_s=None if read_ago_s is None else now_s - read_ago_s,
            last_written_unix_s=max(map(_written_unix_s, tails), default=None),
            rotations=counted["rotations_total"],
            truncations=counted["truncations_total"],
            problems=tuple(PathProblem(path, what) for path, what in islice(problems.items(), LISTED_MAX)),
            problem_count=len(problems),
            listed_files=tuple(map(_file, listed)),
            lines_by_minute=by_minute(history.steps((LINES, name))),
        )

    def _rules(self, now_s: float) -> tuple[RuleStatus, ...]:
        """Those that are in use, the busiest first. A rule that several sources use is one rule here."""
        skipped: dict[str, Counter[str]] = {}
        pairs: Counter[str] = Counter()
        for rule in (rule for reader in self.engine.readers for rule in reader.program.rules if not rule.is_silent):
            skipped.setdefault(rule.name, Counter()).update(rule.skipped)
            pairs[rule.name] += len(rule.open_pairs) if rule.open_pairs is not None else 0
        matches = {name: int(value) for (name,), value in self._values(MATCHES) if name in skipped}
        # What a rule of this name looks for in each match; a number in the config is always there.
        wanted = {
            rule.name: sum(not isinstance(update.value, Literal) for update in rule.updates)
            for rule in self.engine.config.rule_set.rules
        }
        history, rows = self._history, []
        for name in sorted(matches, key=lambda name: (-matches[name], name)):
            matched_ago_s = history.grew_ago_s((MATCHES, name))
            rows.append(
                RuleStatus(
                    name=name,
                    matches=matches[name],
                    matches_per_s=history.rate_per_s((MATCHES, name)),
                    last_match_unix_s=None if matched_ago_s is None else now_s - matched_ago_s,
                    updates=matches[name] * wanted.get(name, 0),
                    skipped_updates=dict(skipped[name]),
                    open_pairs=pairs[name],
                    matches_by_minute=by_minute(history.steps((MATCHES, name))),
                )
            )
        return tuple(rows)

    def _hour(self, now_s: float) -> HistoryStatus:
        def steps(metric: str) -> tuple[float, ...]:
            return self._history.steps(*((metric, reader.spec.name) for reader in self.engine.readers))

        return HistoryStatus(
            step_s=STEP_S,
            end_unix_s=now_s,
            lines=steps(LINES),
            unmatched_lines=steps(UNMATCHED),
            unparsable_lines=steps(UNPARSABLE),
            oversize_lines=steps(OVERSIZE),
            lag_bytes=steps(LAG),
            series=self._history.steps((SERIES,)),
            commits=self._history.steps((COMMITS,)),
        )


_OF_SOURCES = (
    *("lines_total", "bytes_total", "unmatched_lines_total", "unparsable_lines_total", "continuation_lines_total"),
    *("excluded_lines_total", "oversize_lines_total", "lag_bytes", "rotations_total", "truncations_total"),
)


def _kind(spec: SourceSpec) -> str:
    if spec.journals:
        return "journal"
    return "stdin" if spec.is_stdin else "files"


def _file(tail: Tail) -> FileStatus:
    packs = tuple(pack for pack, _ in tail.log.packs.most_common() if pack)
    size_bytes = tail.position.signature[0]
    return FileStatus(tail.position.path, size_bytes, tail.lag_bytes, _written_unix_s(tail), packs)


def _written_unix_s(tail: Tail) -> float:
    return tail.position.signature[1] / 1e9
