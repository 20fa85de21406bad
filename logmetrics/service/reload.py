"""Another config for an engine that runs: all of it or nothing, between two turns.

What means the same goes on: logs where they are, series with their values, rules with what they remember. It is what a
restart would do, without the restart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from logmetrics.config.changes import changes, in_force
from logmetrics.config.specs import Config
from logmetrics.engine import Engine
from logmetrics.errors import LogmetricsError, StateError
from logmetrics.serve.status.data import ReloadStatus
from logmetrics.service.systemd import Notify
from logmetrics.sources.journalctl import require_journalctl
from logmetrics.sources.reader import SourceReader, readers_of


class Reloads:
    """Reads the config again when asked to, and puts it in force.

    *load* reads it, *changed* is called when it is in force; both in the engine's thread. ``last`` is what became of
    the last one, None before the first.
    """

    def __init__(
        self, engine: Engine, load: Callable[[], Config], changed: Callable[[Config], None], notify: Notify
    ) -> None:
        self.engine = engine
        self.notify = notify
        self.load = load
        self.changed = changed
        self.last: ReloadStatus | None = None
        self._is_asked_for = False
        self._counts = {"success": 0, "failure": 0}
        self._succeeded_s = engine.clock()
        self._tell()

    def ask(self) -> None:
        """Have it done soon. A signal handler may call this; while one is asked for, others are the same one."""
        if not self._is_asked_for:
            self._is_asked_for = True
            self.engine.post(self._reload)

    def _reload(self) -> None:
        self._is_asked_for = False
        self.notify.reloading()
        engine = self.engine
        try:
            before, config = engine.config, self.load()
            config, told = in_force(before, config), changes(before, config)
            back = put_in_force(engine, config)
            self.changed(config)
        except LogmetricsError as error:
            self._done(False, [*str(error).splitlines(), "the config was not reloaded; what was in force stays"])
            return
        except Exception as error:  # else nobody would hear of it, and a service manager would wait
            what = f"{type(error).__name__}: {error}"
            self._done(False, [f"the reload was broken off: {what}; a restart puts the whole config in force"])
            return
        if back:
            told.append(f"metrics go on where an earlier config left them: {', '.join(back)}")
        self._done(True, ["the config was reloaded", *told] if told else ["the config was reloaded; it is as it was"])

    def _done(self, ok: bool, messages: list[str]) -> None:
        now_s = self.engine.clock()
        self.last = ReloadStatus(ok, now_s, "; ".join(messages))
        self._counts["success" if ok else "failure"] += 1
        if ok:
            self._succeeded_s = now_s
        self._tell()
        for message in messages:
            self.engine.say(message)
        self.notify.ready()

    def _tell(self) -> None:
        put = self.engine.self_metrics.set
        put("logmetrics_config_last_reload_successful", int(self.last is None or self.last.ok))
        put("logmetrics_config_last_reload_success_timestamp_seconds", self._succeeded_s)
        for result, count in self._counts.items():
            put("logmetrics_config_reloads_total", count, result)


def put_in_force(engine: Engine, config: Config) -> list[str]:
    """Let *engine* go by *config* from now on. To be called in its thread, right after a commit.

    Returns the metrics that came back from an earlier config. Raises LogmetricsError, and then everything is as it was.
    """
    if engine.commit_problem is not None:
        raise LogmetricsError(f"what was counted so far cannot be committed: {engine.commit_problem}")
    if any(source.journals for source in config.sources):
        require_journalctl()
    store = engine.store.successor(config.rule_set.metrics, config.limits)
    readers = readers_of(config, store)
    found = engine.look_for(readers)
    try:
        _remember(engine, readers)
        back = store.take_over(engine.store, engine.state)
    except (ValueError, TypeError, sqlite3.Error) as error:
        raise StateError(f"what is known so far cannot be taken over: {error}") from error
    engine.change(config, store, readers, found)
    return back


def _remember(engine: Engine, readers: list[SourceReader]) -> None:
    """Have *readers* know what those of *engine* know, and their rules what earlier ones left in its state."""
    if engine.state is not None:
        rows = engine.state.rows("pairs")
    else:
        rows = [row for reader in engine.readers for row in reader.program.rows(reader.spec.name)]
    before = {reader.spec.name: reader for reader in engine.readers}
    for reader in readers:
        reader.program.restore(reader.spec.name, rows)
        if reader.spec.name in before:
            reader.last_record_s = before[reader.spec.name].last_record_s
