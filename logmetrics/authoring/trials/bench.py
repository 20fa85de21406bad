"""One test at work: a directory of logs, the daemon's engine over it, and a clock that moves when the test says so."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from logmetrics.authoring.trials.comparing import Found, UncountedLine, found_samples
from logmetrics.authoring.trials.coverage import Folder
from logmetrics.authoring.trials.loading import source_spec
from logmetrics.authoring.trials.samples import samples_shown
from logmetrics.authoring.trials.specs import Restart, Rotate, Step, Test, Wait, Write
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.engine import Engine
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.rules.trace import Traced, traced
from logmetrics.sources.reader import SourceReader
from logmetrics.store.site import Site
from logmetrics.store.state import StateFile
from logmetrics.store.store import Store

# A file system in memory: there a commit costs a tenth, and nothing here has to outlive the process.
_MEMORY = "/dev/shm"  # noqa: S108 - mkdtemp makes a directory of its own in there


class Programs:
    """The compiled rules of a config, kept from test to test: to compile them takes much longer than a test."""

    def __init__(self, config: Config, folder: Callable[[Traced], Folder] | None = None) -> None:
        """With *folder*, what the rules come to is folded into a coverage."""
        self.config = config
        self._folder = folder
        self._by_source: dict[str, tuple[Program, _Plugs]] = {}
        self._folders: list[Folder] = []

    def of(self, name: str, store: Store) -> Program:
        """The rules of the source *name*, with nothing remembered, which count in *store* from now on."""
        known = self._by_source.get(name)
        if known is None:
            plugs = _Plugs(store)
            known = self._by_source[name] = (self._compiled(source_spec(self.config, name), plugs), plugs)
        program, plugs = known
        program.begin_anew()
        plugs.move_to(store)
        return program

    def _compiled(self, source: SourceSpec, plugs: _Plugs) -> Program:
        if self._folder is None:
            return compiled(self.config, source, plugs)
        rules = traced(self.config, source, plugs)
        self._folders.append(self._folder(rules))
        return rules.program

    def fold(self) -> None:
        """Bring the coverage up to date."""
        for folder in self._folders:
            folder.fold()

    def prepare_all(self) -> None:
        """Have the coverage know of all that could have been touched."""
        for folder in self._folders:
            folder.prepare_all()


class _Plugs:
    """Stands between compiled rules and a store, which is another one in each test."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sites: list[tuple[str, Site]] = []

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:
        """See Store."""
        site = self._store.site(metric, constants, count_only=count_only)
        self._sites.append((metric, site))
        return site

    def move_to(self, store: Store) -> None:
        """Count in *store* from now on."""
        if store is self._store:
            return
        self._store = store
        for metric, site in self._sites:
            site.clear()
            site.family = store.families[metric]
            store.families[metric].sites.append(site)


class _Reader(SourceReader):
    """Applies rules record by record, to see which ones are not counted."""

    def __init__(self, spec: SourceSpec, program: Program, trial: Trial) -> None:
        super().__init__(spec, program)
        self.trial = trial

    def apply(self, records: list[bytes], log: Log, clock_s: float) -> None:
        """See SourceReader; rules see the log under the name that the test gives it."""
        program, seen = self.program, self.trial.log_of(log, self.spec)
        for record in records:
            before = program.unmatched, program.unparsable
            super().apply([record], seen, clock_s)
            self.trial.programs.fold()
            if program.unparsable > before[1]:
                self.trial.uncounted.append(("unparsable", seen, record))
            elif program.unmatched > before[0]:
                self.trial.uncounted.append(("unmatched", seen, record))


class Trial:
    """Runs one test step by step. A context manager: what it made is gone afterwards."""

    def __init__(self, config: Config, programs: Programs, test: Test) -> None:
        self.config = config
        self.programs = programs
        self.now_s = test.start_s
        # Records that were not counted since the last commit, and before.
        self.uncounted: list[tuple[str, Log, bytes]] = []
        self._committed: list[tuple[str, Log, bytes]] = []
        # For each log and text of a line the places where it stands, in order.
        self._places: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._logs: dict[str, Log] = {}
        self._stack = ExitStack()
        self._sources = dict.fromkeys(step.source for step in test.steps if isinstance(step, Write))
        self._restarts = any(isinstance(step, Restart) for step in test.steps)

    def __enter__(self) -> Trial:
        with ExitStack() as stack:
            self._directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="logmetrics-test-", dir=_memory()))
            self._start()
            stack.callback(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _root(self, source: str) -> str:
        return os.path.join(self._directory, f"logs-{source}")

    def _start(self) -> None:
        specs = tuple(
            replace(source_spec(self.config, name), paths=(self._root(name),), journals=(), exclude=())
            for name in self._sources
        )
        for spec in specs:
            os.makedirs(spec.paths[0], exist_ok=True)
        self._state = StateFile(os.path.join(self._directory, "state")) if self._restarts else None
        try:
            self.engine = Engine(
                replace(self.config, sources=specs),
                state=self._state,
                clock=lambda: self.now_s,
                monotonic=lambda: self.now_s,
                runtime_metrics=False,
                make_readers=self._readers,
            )
        except BaseException:
            if self._state is not None:
                self._state.close()
            raise
        self.engine.on_commit = self._note_commit
        self.engine.read()

    def _readers(self, config: Config, store: Store) -> list[SourceReader]:
        return [
            _Reader(spec, self.programs.of(name, store), self)
            for name, spec in zip(self._sources, config.sources, strict=True)
        ]

    def _close(self) -> None:
        self.engine.close()
        self.engine.waker.close()
        if self._state is not None:
            self._state.close()

    def _note_commit(self) -> None:
        self._committed += self.uncounted
        self.uncounted.clear()

    def log_of(self, log: Log, spec: SourceSpec) -> Log:
        """What rules see of *log*: its name is the test's."""
        seen = self._logs.get(log.path)
        if seen is None:
            path = "/" + os.path.relpath(log.path, spec.paths[0])
            seen = self._logs[log.path] = Log(path, log.source)
            # Record by record, functions for logs of a certain shape would be made again and again.
            seen.kinds = None
        return seen

    def do(self, step: Step) -> None:
        """One step; an expectation is somebody else's."""
        if isinstance(step, Write):
            self._write(step)
        elif isinstance(step, Wait):
            self.engine.commit()
            self.now_s += step.seconds
            self.engine.read()
            self.engine.commit()
        elif isinstance(step, Rotate):
            self._rotate(self._path(step.log, step.source))
        elif isinstance(step, Restart):
            if not step.kill:
                self.engine.commit()
            self.uncounted.clear()
            self._close()
            self._start()

    def _path(self, log: str, source: str) -> str:
        return os.path.join(self._root(source), log.lstrip("/"))

    def _write(self, step: Write) -> None:
        path = self._path(step.log, step.source)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab") as file:
            file.write(step.data)
        for line, text in zip(step.lines, step.data.decode("utf-8", "replace").split("\n"), strict=False):
            self._places[step.log, text.strip()].append(f"{step.origin}:{line}")
        self.engine.read()

    def _rotate(self, path: str) -> None:
        number = 1
        while os.path.exists(f"{path}.{number}"):
            number += 1
        for older in range(number, 1, -1):
            os.rename(f"{path}.{older - 1}", f"{path}.{older}")
        os.rename(path, f"{path}.1")
        self.engine.read()

    def found(self) -> Found:
        """What a scrape at this moment would see, and what was not counted."""
        self.engine.commit()
        self.programs.fold()  # starts that timed out are of no record
        samples = samples_shown(self.engine.view().families)
        places = {key: iter(value) for key, value in self._places.items()}
        lines = []
        for kind, log, record in self._committed:
            text = record.decode("utf-8", "replace").strip()
            first = text.split("\n", 1)[0].strip()
            place = next(places.get((log.path, first), iter(())), log.path)
            lines.append(UncountedLine(kind, text, place, log.source))
        return Found(found_samples(samples), lines)


def _memory() -> str | None:
    """Where tests are run, unless the user says so; None: where temporary files go."""
    is_usable = "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK)
    return _MEMORY if is_usable else None
