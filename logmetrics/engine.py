"""The loop: look, read, apply, commit, publish. The engine's thread is the only writer of everything it touches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import TypeVar

from logmetrics.config.specs import Config
from logmetrics.errors import StateError
from logmetrics.inbox import Inbox, answer
from logmetrics.present.amounts import number_of
from logmetrics.sources.account import Recognised, tell
from logmetrics.sources.content import StoppedError
from logmetrics.sources.discovery import Discovery, absolute, discover
from logmetrics.sources.files import Files, open_files_max
from logmetrics.sources.pace import Pace
from logmetrics.sources.progress import CatchingUp, Progress
from logmetrics.sources.reader import SourceReader, readers_of
from logmetrics.sources.stream import Stream
from logmetrics.sources.streams import Streams
from logmetrics.sources.tail import Tail
from logmetrics.sources.wake import Waker
from logmetrics.store.report import FamilyReport, refusals, report
from logmetrics.store.self_metrics import OVERFLOWS, CommitTally, SelfMetrics
from logmetrics.store.state import Batch, CommitError, StateFile
from logmetrics.store.store import Store, View

T = TypeVar("T")

# Collected values are folded into their sums after so many bytes of logs, which bounds their memory.
FOLD_BYTES = 2 * 1024 * 1024
# While a scrape waits, a pass over the files is cut short after this time and goes on later.
PASS_S_MAX_WITH_SCRAPE = 0.1
# After a commit that failed so much time passes before the next one is tried.
COMMIT_RETRY_S = 1.0


class Engine:
    """Owns files, store and self-metrics. Other threads call ``ask``, ``refresh``, ``view`` and ``waker.wake``, and
    read ``caught_up``, ``progress`` and ``commit_problem``.

    *clock* is wall time in seconds, *monotonic* measures intervals; both come from outside: a test is the clock.
    With *state* it goes on where the last commit in there ends. Raises StateError.
    """

    def __init__(
        self,
        config: Config,
        *,
        state: StateFile | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda _: None,
        show_progress: Callable[[Progress], None] = lambda _: None,
        beat: Callable[[], None] = lambda: None,
        runtime_metrics: bool = True,
        make_readers: Callable[[Config, Store], list[SourceReader]] = readers_of,
    ) -> None:
        self.config = config
        self.state = state
        self.clock = clock
        self.monotonic = monotonic
        self.say = say
        # Called again and again while work goes on, also within long work: whoever listens knows that it moves.
        self.beat = beat
        # A sleep is no longer than this, so that beats come at least so often.
        self.sleep_s_max = float("inf")
        self.store = Store(config.rule_set.metrics, config.limits)
        self.readers = make_readers(config, self.store)
        self.self_metrics = SelfMetrics(runtime=runtime_metrics)
        # Called in each commit, whether it can be saved or not, when the self-metrics are up to date.
        self.on_commit: Callable[[], None] = lambda: None
        self.waker = Waker()
        # Set by a signal handler, read between turns.
        self.stopping = False
        # True once everything that was there at the start has been read to its end.
        self.caught_up = False
        self._catching_up = CatchingUp(monotonic, say, show_progress)
        self.files = Files(_of_files(self.readers), say, self, open_files_max(config.open_files_max))
        self.streams = Streams(say)
        self._recognised = Recognised(self.files.known, self.streams, say, monotonic)
        self._inbox = Inbox(self.waker.wake)
        self.pace = Pace(config.poll_interval_s)
        # Bytes of logs whose values were not folded since.
        self._unfolded_bytes = 0
        self._commits = CommitTally(self.self_metrics)
        self._dirty = False
        self._resumes = False
        self._resumed_s = float("-inf")
        self._committed_s = monotonic()
        if state is not None:
            self._restore(state)
        self.streams.adopt(self.readers)

    # -- called by other threads

    def hint(self) -> None:
        """Something may have changed among the files."""
        self.pace.hinted = True
        self.waker.wake()

    def grown(self) -> None:
        """A file may have been written to."""
        self.pace.look_at_all = True
        self.waker.wake()

    def refresh(self, timeout_s: float) -> bool:
        """Have everything that is written by now counted and committed; False when that takes longer."""
        try:
            self.ask(lambda: None, timeout_s)
        except TimeoutError:
            return False
        return True

    def ask(self, work: Callable[[], T], timeout_s: float) -> T:
        """What *work* gives, done by the engine's thread right after a commit. Raises TimeoutError."""
        return self._inbox.ask(work, timeout_s)

    def post(self, work: Callable[[], None]) -> None:
        """Have *work* done by the engine's thread right after a commit. A signal handler may call this."""
        self._inbox.post(work)

    def cardinality(self, timeout_s: float) -> list[FamilyReport]:
        """What the guard sees, as of now. Raises TimeoutError when that takes longer."""
        return self.ask(
            lambda: report(self.store.families.values(), refusals(self.self_metrics.family(OVERFLOWS))), timeout_s
        )

    def view(self) -> View:
        """The last commit, self-metrics last."""
        return self.store.view(self.self_metrics.families)

    @property
    def resumed_ago_s(self) -> float:
        """How long ago, in seconds, it had caught up after a restart; infinite when nothing was restored."""
        return self.monotonic() - self._resumed_s

    @property
    def commit_problem(self) -> str | None:
        """Why the last commit could not be made durable; None when it was."""
        return self._commits.problem

    @property
    def progress(self) -> Progress:
        """How far what was there at the start is read."""
        return self._catching_up.progress

    # -- the engine's thread

    def run(self) -> None:
        """Work until ``stopping`` is set; what was read is committed before it returns.

        Raises StateError when that last commit cannot be made durable: the next start reads those lines again.
        """
        with suppress(StoppedError):  # `stopping` was set in the middle of a long skip
            self._loop()
        self.commit()
        self.close()
        if self.commit_problem is not None:
            raise StateError(f"the last lines are not saved and will be read again: {self.commit_problem}")

    def _loop(self) -> None:
        while not self.stopping:
            self.beat()
            requests = self._inbox.take()
            more = self._pass(scrape_waits=bool(requests))
            if not more:
                self._reached_the_end()
            if requests or self._commit_is_due():
                self.commit()
            for request in requests:
                answer(request)
            if not more:
                self.waker.sleep(self._sleep_s(), self.streams.descriptors)

    def read(self) -> None:
        """Read what is there by now to its end, as ``run`` does between two commits: for whoever is the clock."""
        self.pace.hinted = self.pace.look_at_all = True
        while self._pass(scrape_waits=False):
            pass
        self._reached_the_end()

    def _reached_the_end(self) -> None:
        """Nothing more is there: what waits for something by the wall clock has waited."""
        if self.caught_up:
            self._recognised.tell()
            for reader in self.readers:
                self._dirty |= reader.program.expire(self.clock())
        if self.streams.caught_up and (self.store.takes_in or not self.caught_up):
            self._became_caught_up()

    def look_for(self, readers: Iterable[SourceReader]) -> dict[str, Discovery]:
        """The files of *readers* that are there now, by source."""
        return {reader.spec.name: self._found(reader) for reader in _of_files(readers)}

    def change(self, config: Config, store: Store, readers: list[SourceReader], found: dict[str, Discovery]) -> None:
        """Go by *config* from now on, with *store* and *readers*, which have taken over what means the same."""
        roots = {absolute(path) for spec in config.sources for path in spec.paths}
        store.takes_in = self.store.takes_in or not (roots <= self.files.known.roots and self.streams.know(readers))
        self.config, self.store, self.readers = config, store, readers
        self.files.change_readers(_of_files(readers), found, self.monotonic())
        self.files.known.open_max = open_files_max(config.open_files_max)
        self.streams.adopt(readers)
        self.self_metrics.count_anew(lambda: self._tell(self.clock()))
        self.pace.poll_interval_s = config.poll_interval_s
        self.pace.look_at_all = self._dirty = True
        self.discover()

    def run_once(self) -> None:
        """Read everything that is there to its end, then commit."""
        self.streams.follow_nothing()
        while not self.stopping:
            more = self._pass(scrape_waits=False)
            if self._commit_is_due():
                self.commit()
            if not more:
                if self.streams.ended:
                    break
                self.waker.sleep(self._sleep_s(), self.streams.descriptors)
        self._became_caught_up()
        self.close()

    def close(self) -> None:
        self.files.close()
        self.streams.close()

    def commit(self) -> None:
        """Make all that was counted durable, then show it. When that fails, scrapes see the last commit as before."""
        self.beat()
        started_s = self.monotonic()
        self.store.begin_packs()
        now_s = self.clock()
        self._tell(now_s)
        journals = self.streams.changes()
        batch: Batch = {**self.files.known.changes(), "journals": list(journals)}
        for reader in self.readers:
            reader.program.collect(reader.spec.name, batch)
        self._committed_s = self.monotonic()
        try:
            self.store.collect(now_s, batch, self.self_metrics.kept)
            self._write(batch)
        except CommitError as error:
            for reader in self.readers:
                reader.program.commit_failed()
            if self.commit_problem is None:
                self.say(f"cannot commit: {error}; scrapes see the last commit until this succeeds")
            self._commits.failed(str(error), self.monotonic() - started_s)
            self.on_commit()
            self.store.publish_only(self.self_metrics.live)
            return
        self.files.known.committed()
        self.streams.committed(journals)
        for reader in self.readers:
            reader.program.committed()
        self._dirty = False
        if self.commit_problem is not None:
            self.say("commits succeed again; nothing was lost")
        self._committed_s = self.monotonic()
        self._commits.succeeded(now_s, self._committed_s - started_s)
        self.on_commit()
        self.store.publish(self.self_metrics.families)

    def _write(self, batch: Batch) -> None:
        if self.state is not None and any(batch.values()):
            self.state.write({name: rows for name, rows in batch.items() if rows})

    def _became_caught_up(self) -> None:
        """What was there at the start is read, or later, what was there when a reload brought new logs."""
        self.commit()
        self.store.takes_in = False
        if self.caught_up:
            return
        self.caught_up = True
        if self._resumes:
            self._resumed_s = self.monotonic()
        self._tell_progress()
        self._recognised.tell()

    def _commit_is_due(self) -> bool:
        return self.monotonic() >= self._next_commit_s

    @property
    def _next_commit_s(self) -> float:
        """When the next commit is due; infinite while it would neither make anything durable nor show it."""
        if not (self._dirty or self.files.known.has_changes or self.streams.has_changes):
            return float("inf")
        return self._committed_s + (COMMIT_RETRY_S if self.commit_problem else self.config.commit_interval_s)

    def _sleep_s(self) -> float:
        now_s = self.monotonic()
        wake_s = min(self.pace.wake_s, self.streams.wake_s, self._next_commit_s)
        if self.files.known.busy:
            wake_s = min(wake_s, now_s + self.config.poll_interval_s)
        return 0.0 if self._inbox or self.pace.look_at_all else min(max(wake_s - now_s, 0.0), self.sleep_s_max)

    def _pass(self, *, scrape_waits: bool) -> bool:
        """Give every file a turn, or as many as there is time for. True when there is more to read."""
        started_s = self.monotonic()
        if self.files.known.look_again or self.pace.discovery_is_due(started_s, scrape_waits=scrape_waits):
            self.discover()
        all_of_them = self.pace.take_look_at_all(started_s, scrape_waits=scrape_waits)
        more = False
        turns_s, looking_s = 0.0, self.monotonic()
        files = self.files.round(started_s, all_of_them=all_of_them, hurry=scrape_waits)
        logs: Iterator[Tail | Stream] = chain(self.streams.round(), files)
        for log in logs:
            turn_s = self.monotonic()
            more |= self._turn(log)
            now_s = self.monotonic()
            turns_s += now_s - turn_s
            late = scrape_waits and now_s - started_s > PASS_S_MAX_WITH_SCRAPE
            if self.stopping or late or (self._inbox and not scrape_waits and more):
                self.pace.look_at_all = True
                return True
        if all_of_them:
            now_s = self.monotonic()
            idle = self.caught_up and not self.files.known.busy
            self.pace.looked_at_all(now_s, now_s - looking_s - turns_s, idle=idle)
        return more or self.files.known.look_again

    def _turn(self, log: Tail | Stream) -> bool:
        self.beat()
        reader = log.reader
        before = reader.blocks, reader.lines, reader.bytes
        now = self.clock(), self.monotonic()
        more = self.files.turn(log, *now) if isinstance(log, Tail) else log.turn(*now)
        if (reader.blocks, reader.lines, reader.bytes) != before:
            self._dirty = True
            self._unfolded_bytes += reader.bytes - before[2]
            if self._unfolded_bytes >= FOLD_BYTES:
                self._unfolded_bytes = 0
                self.store.fold()
                if not self.caught_up and self._catching_up.is_due:
                    self._tell_progress()
        return more

    def discover(self) -> None:
        """Look through the directories of all sources, and bring the files that are followed in line."""
        pace, watch = self.pace, self.pace.watch
        # Files that had to wait are no news.
        told, pace.hinted = pace.hinted or self.files.known.look_again or not self.caught_up, False
        started_s = self.monotonic()
        found = self.look_for(self.readers)
        # To look takes so long every time; to meet new files does not.
        took_s, at_start = self.monotonic() - started_s, self.files.identity.at_start
        news = self.files.adopt(found, started_s)
        if watch is not None and watch.works:
            if told or news:
                watch.check(missed=not told)
            if watch.overflowed:
                watch.overflowed = False
                self.say("more happened than file notification can tell; looked at everything")
        if not news and not at_start:
            took_s = self.monotonic() - started_s
        pace.discovered(started_s, took_s, news=told or news)

    def _found(self, reader: SourceReader) -> Discovery:
        self.beat()
        return discover(reader.spec, is_ours=self._is_ours)

    def _is_ours(self, path: str) -> bool:
        return self.config.owns(path) or (self.state is not None and self.state.owns(path))

    def _restore(self, state: StateFile) -> None:
        for message in self.store.restore(state, self.self_metrics.kept):
            self.say(message)
        self.self_metrics.restored()
        self.beat()
        files, journals = state.rows("files"), state.rows("journals")
        try:
            self.streams.restore(journals)
            self.files.known.restore(files, state.rows("fingerprints"), state.rows("roots"), self.monotonic())
            for reader in self.readers:
                self.beat()
                reader.program.restore(reader.spec.name, state.rows("pairs"))
        except (ValueError, TypeError) as error:
            raise StateError(f"{state.path} is damaged: {error}; --reset-state starts from zero") from error
        self._resumes = bool(files or journals)
        if self._resumes:
            logs = [number_of(what, len(rows)) for what, rows in (("file", files), ("journal", journals)) if rows]
            self.say(f"going on where {state.path} ends: {', '.join(logs)}, {self.store.size:,} series")

    # -- what it tells about itself

    def _tell(self, now_s: float) -> None:
        tell(self.self_metrics, self.readers, self.files.known, self.streams, self.store, now_s)

    def _tell_progress(self) -> None:
        logs: Iterator[Tail | Stream] = chain(self.files.known.tails.values(), self.streams)
        self._catching_up.tell(self.readers, logs, done=self.caught_up)


def _of_files(readers: Iterable[SourceReader]) -> list[SourceReader]:
    return [reader for reader in readers if reader.spec.paths]
