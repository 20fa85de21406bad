"""A daemon from its start to its end: an engine, the server that shows what it counted, and signals."""

from __future__ import annotations

import faulthandler
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from logmetrics.config.specs import Config
from logmetrics.engine import Engine
from logmetrics.serve.app import MetricsApp
from logmetrics.serve.http import HttpServer
from logmetrics.serve.targets import Targets
from logmetrics.serve.web import Web, exposure
from logmetrics.service.messages import Messages
from logmetrics.service.outputs import Outputs
from logmetrics.service.reload import Reloads
from logmetrics.service.status import Monitor
from logmetrics.service.systemd import Notify, StatusLine
from logmetrics.sources.progress import Progress
from logmetrics.sources.wake import DirectoryWatch
from logmetrics.store.state import StateFile

_RELOADS = (signal.SIGHUP,)


@contextmanager
def reloads_wait() -> Iterator[None]:
    """A SIGHUP that comes too early, as while a large state is read, does not end the process: ``run`` gets it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _RELOADS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _RELOADS)


class Service:
    """Watches the sources of a config and serves their metrics, from ``run`` until a signal ends it.

    *load* reads the config, at the start and at each SIGHUP. With *early*, metrics are served before everything that
    was there at the start has been read. Raises LogmetricsError.
    """

    def __init__(
        self,
        config: Config,
        state: StateFile | None,
        *,
        load: Callable[[], Config],
        early: bool,
        say: Callable[[str], None],
        show_progress: Callable[[Progress], None],
        config_file: str | None = None,
        web: Web | None = None,
        opened: Sequence[socket.socket] = (),
    ) -> None:
        """*web* is the web config in force, *opened* what systemd listens at for this process."""
        messages = Messages(say, time.time)
        self.say = messages.say
        self.notify = Notify(say=self.say)
        self.engine = Engine(config, state=state, say=self.say, show_progress=show_progress, beat=self.notify.beat)
        self.engine.sleep_s_max = self.notify.sleep_s_max
        self.notify.status = StatusLine(self.engine)
        # The watchdog ends a wedged process with SIGABRT; what its threads were doing is told then.
        if self.notify.watchdog_s is not None:
            faulthandler.enable()
        self.monitor = Monitor(self.engine, messages, config_file)
        self.reloads = Reloads(self.engine, self._load, self._changed, self.notify)
        self.monitor.reload = lambda: self.reloads.last
        self._load_config = load
        self.app = MetricsApp(
            self.engine,
            self.monitor.status,
            early=early,
            first_zero=config.first_zero,
            created=config.created_samples,
            authenticated=lambda: web is not None and web.has_access_control,
            uncounted=self.monitor.uncounted,
        )
        self.web = web
        # What was said last about who can reach this.
        self._warned: str | None = None
        self.server = HttpServer(config.listen, self.app, on_error=self.say, web=web, opened=opened)
        self.monitor.addresses = self.server.bound
        self.app.targets = Targets(self.server.bound, config.instance or "", config.advertise, self._is_https)
        self.outputs = Outputs(self.engine, self.app, early=early, say=self.say)
        if web is not None:
            web.on_change = lambda: self.engine.post(self._web_changed)

    def run(self) -> None:
        """Returns when a signal came and what was read is committed."""
        self._on_signals()
        self._watch_directories()
        self.server.start()
        scheme = "https" if self._is_https() else "http"
        for address in self.server.bound:
            url = f"{scheme}://{address}"
            is_unix = address.startswith("unix:")
            self.say(f"metrics at {address if is_unix else f'{url}/metrics, status page at {url}/'}")
        self._warn_of_exposure()
        # Not when all that was there is read: that may take hours, and what starts after this one need not wait for it.
        self.notify.ready()
        try:
            self.outputs.start()
            self.engine.run()
        finally:
            self._stop_watching()
            self.outputs.stop()
            self.server.stop()

    def _is_https(self) -> bool:
        return self.web is not None and self.web.has_tls

    def _warn_of_exposure(self) -> None:
        warning = exposure(self.server.bound, self.web)
        if warning is not None and warning != self._warned:
            self.say(f"warning: {warning}")
        self._warned = warning

    def _web_changed(self) -> None:
        """TLS or passwords may have come or gone."""
        self._warn_of_exposure()
        self.outputs.refresh()

    def _load(self) -> Config:
        """The config as its file is now; certificates and passwords are read again with it."""
        config = self._load_config()
        if self.web is not None:
            self.web.reload()
        return config

    def _changed(self, config: Config) -> None:
        """*config* is in force, in the engine; the rest of the daemon follows."""
        self.app.first_zero, self.app.created = config.first_zero, config.created_samples
        self.monitor.attach()
        self._stop_watching()
        self._watch_directories()
        self._web_changed()

    def _watch_directories(self) -> None:
        engine = self.engine
        if engine.config.watchdog:
            engine.pace.watch = DirectoryWatch(engine.config.sources, engine.hint, engine.grown, self.say)

    def _stop_watching(self) -> None:
        watch, self.engine.pace.watch = self.engine.pace.watch, None
        if watch is not None:
            watch.stop()

    def _on_signals(self) -> None:
        """The first one to stop ends the loop after the block at hand, the second one at once; SIGHUP reloads."""

        def stop(_signal: int, _frame: object) -> None:
            if self.engine.stopping:
                raise SystemExit(1)
            self.engine.stopping = True
            self.engine.waker.wake()
            self.notify.stopping()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        # `systemctl reload` sends it.
        signal.signal(signal.SIGHUP, lambda _signal, _frame: self.reloads.ask())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _RELOADS)
