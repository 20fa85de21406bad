"""A daemon from its start to its end: an engine, the server that shows what it counted, and signals."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Sequence

from logmetrics.config.specs import Config
from logmetrics.engine import Engine
from logmetrics.serve.app import MetricsApp
from logmetrics.serve.http import HttpServer
from logmetrics.serve.web import Web, exposure
from logmetrics.sources.progress import Progress
from logmetrics.sources.wake import DirectoryWatch
from logmetrics.store.state import StateFile


class Service:
    """Watches the sources of *config* and serves their metrics, from ``run`` until a signal ends it.

    With *early* they are served before everything that was there at the start has been read. Raises LogmetricsError.
    """

    def __init__(
        self,
        config: Config,
        state: StateFile | None,
        *,
        early: bool,
        say: Callable[[str], None],
        show_progress: Callable[[Progress], None],
        web: Web | None = None,
        opened: Sequence[socket.socket] = (),
    ) -> None:
        """*web* is the web config in force, *opened* what systemd listens at for this process."""
        self.config = config
        self.say = say
        self.engine = Engine(config, state=state, say=say, show_progress=show_progress)
        app = MetricsApp(
            self.engine,
            [place for source in config.sources for place in source.places],
            early=early,
            first_zero=config.first_zero,
            created=config.created_samples,
        )
        self.web = web
        self.server = HttpServer(config.listen, app, on_error=say, web=web, opened=opened)

    def run(self) -> None:
        """Returns when a signal came and what was read is committed."""
        engine = self.engine
        self._stop_on_signals()
        watch = None
        if self.config.watchdog:
            engine.pace.watch = watch = DirectoryWatch(self.config.sources, engine.hint, engine.grown, self.say)
        self.server.start()
        scheme = "https" if self.web is not None and self.web.has_tls else "http"
        for address in self.server.bound:
            shown = address if address.startswith("unix:") else f"{scheme}://{address}"
            self.say(f"metrics at {shown}/metrics")
        if warning := exposure(self.server.bound, self.web):
            self.say(f"warning: {warning}")
        try:
            engine.run()
        finally:
            if watch is not None:
                watch.stop()
            self.server.stop()

    def _stop_on_signals(self) -> None:
        """The first signal ends the loop after the block at hand, the second one at once."""

        def stop(_signal: int, _frame: object) -> None:
            if self.engine.stopping:
                raise SystemExit(1)
            self.engine.stopping = True
            self.engine.waker.wake()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
