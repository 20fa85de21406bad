"""What is answered at which path: /metrics, health, discovery, the status as a page and as JSON."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Protocol

from logmetrics.serve.exposition import pieces
from logmetrics.serve.negotiation import negotiate
from logmetrics.serve.process import ProcessMetrics
from logmetrics.serve.request import Request, Response
from logmetrics.serve.scrapers import Scrapers, first_seen, is_prometheus
from logmetrics.serve.status.data import Status, Uncounted
from logmetrics.serve.targets import Targets
from logmetrics.store.report import FamilyReport
from logmetrics.store.store import View

# A scrape waits so long for what was just written to be counted; then it gets the last commit.
# So it is answered within a second, however busy the engine is.
REFRESH_TIMEOUT_S = 0.75
REPORT_TIMEOUT_S = 5.0
# Between two pieces of a page, after the first few: the interpreter runs one thread at a time, and the engine's must
# not wait for long.
PAUSE_S = 20e-6
PIECES_WITHOUT_PAUSE = 8
RETRY_AFTER_S = 2
_NOT_FOUND = (
    b"not found; there are /metrics, /healthz, /readyz, /sd, /api/status, /api/uncounted, /api/cardinality and /\n"
)
_NOT_FOR_ALL = (
    b"what logs hold is shown on the machine that this runs on, or to who gives a password that it asks for\n"
)
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?", re.IGNORECASE)


class Reading(Protocol):
    """How far what was there at the start is read, in words."""

    @property
    def words(self) -> str: ...


class Metrics(Protocol):
    """What the app needs of the engine."""

    caught_up: bool

    # So long ago, in seconds, it went on where an earlier run had ended; infinite when there was none.
    @property
    def resumed_ago_s(self) -> float: ...

    # Why commits cannot be saved at present; None while they are.
    @property
    def commit_problem(self) -> str | None: ...

    @property
    def progress(self) -> Reading: ...

    def refresh(self, timeout_s: float) -> bool: ...
    def cardinality(self, timeout_s: float) -> list[FamilyReport]: ...
    def view(self) -> View: ...


class MetricsApp:
    """Answers requests from the last commit. Called by many threads at once."""

    def __init__(
        self,
        metrics: Metrics,
        status: Callable[[float], Status],
        *,
        early: bool = False,
        first_zero: bool = True,
        created: bool = False,
        authenticated: Callable[[], bool] = lambda: False,
        uncounted: Callable[[float], Uncounted] | None = None,
    ) -> None:
        """*status* tells how it is, within so many seconds, *uncounted* what was not counted. What logs hold is shown
        to those on this machine, and to all when only who is *authenticated* gets here.

        With *early*, metrics are served before everything that was there at the start has been read.

        With *first_zero*, a series that is new to a Prometheus is shown to it as 0 once; with *created*, OpenMetrics
        tells when each began.
        """
        self.metrics = metrics
        self.status = status
        self.authenticated = authenticated
        self.uncounted = uncounted
        self.early = early
        self.first_zero = first_zero
        self.created = created
        self._scrapers = Scrapers()
        self._process = ProcessMetrics()
        # The bodies of the last commit that was asked for, by format; concurrent scrapers share them.
        self._bodies: dict[str, tuple[int, bytes]] = {}
        # Held by whoever renders: one thread may at a time.
        self.rendering = threading.Lock()
        # Set once the addresses are known.
        self.targets = Targets()
        # The last page and what it shows, with examples and without; all who look at the same status share it.
        self._pages: dict[bool, tuple[Status, bytes]] = {}
        self._page_lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        path = request.path
        if path == "/metrics":
            return self._metrics(request)
        if path in ("/healthz", "/-/healthy"):
            return self._health()
        if path in ("/readyz", "/-/ready"):
            return Response(200, b"ready\n") if self._is_ready() else self._catching_up()
        if path == "/":
            return self._page(request)
        if path == "/api/status":
            return self._status(request)
        if path == "/api/cardinality":
            return self._told(self.metrics.cardinality)
        if path == "/api/uncounted" and self.uncounted is not None:
            return self._told(self.uncounted) if self._sees_examples(request) else Response(403, _NOT_FOR_ALL)
        if path == "/sd":
            return Response(200, self.targets.document(request.headers.get("host")), "application/json")
        return Response(404, _NOT_FOUND)

    def _is_ready(self) -> bool:
        return self.early or self.metrics.caught_up

    def _health(self) -> Response:
        """200 also while commits fail: ending the process would not make room on the disk."""
        problem = self.metrics.commit_problem
        return Response(200, b"ok\n" if problem is None else f"ok, but cannot commit: {problem}\n".encode())

    def _catching_up(self) -> Response:
        body = f"not ready: {self.metrics.progress.words}\n".encode()
        return Response(503, body, headers=(("Retry-After", str(RETRY_AFTER_S)),))

    def _metrics(self, request: Request) -> Response:
        if not self._is_ready():
            return self._catching_up()
        name, content_type = negotiate(request.headers.get("accept"))
        self.metrics.refresh(REFRESH_TIMEOUT_S)
        with self.rendering:
            return Response(200, self._body(name, request), content_type)

    def _body(self, name: str, request: Request) -> bytes:
        view = self.metrics.view()
        zero_after: int | None = None
        if self.first_zero and is_prometheus(request):
            first = first_seen(view.generation, self.metrics.resumed_ago_s)
            seen = self._scrapers.zero_after(request, view.generation, first=first)
            zero_after = seen if seen < view.newest else None
        if zero_after is not None:
            return self._rendered(name, view, zero_after)
        known = self._bodies.get(name)
        if known is None or known[0] != view.generation:
            known = self._bodies[name] = (view.generation, self._rendered(name, view, None))
        return known[1]

    def _rendered(self, name: str, view: View, zero_after: int | None) -> bytes:
        openmetrics = name == "openmetrics"
        # The process' own numbers first: in OpenMetrics the last line is "# EOF", which comes with the families.
        parts = [self._process.render(openmetrics=openmetrics).encode()]
        for piece in pieces(view.families, openmetrics=openmetrics, created=self.created, zero_after=zero_after):
            if len(parts) > PIECES_WITHOUT_PAUSE:
                time.sleep(PAUSE_S)
            parts.append(piece.encode())
        return b"".join(parts)

    def _sees_examples(self, request: Request) -> bool:
        return self.authenticated() or is_local(request)

    def _status(self, request: Request) -> Response:
        status = self.status(REFRESH_TIMEOUT_S)
        return self._json(status if self._sees_examples(request) else status.without_examples())

    def _page(self, request: Request) -> Response:
        # Most of what is imported for it is of no use to those who only scrape.
        from logmetrics.serve.status.page import HEADERS, render_page

        status, sees = self.status(REFRESH_TIMEOUT_S), self._sees_examples(request)
        with self._page_lock:
            known = self._pages.get(sees)
            if known is None or known[0] is not status:
                page = render_page(status if sees else status.without_examples())
                known = self._pages[sees] = (status, page)
        return Response(200, known[1], "text/html; charset=utf-8", HEADERS)

    def _told(self, asked: Callable[[float], object]) -> Response:
        try:
            return self._json(asked(REPORT_TIMEOUT_S))
        except TimeoutError:
            return Response(503, b"busy; ask again in a moment\n", headers=(("Retry-After", str(RETRY_AFTER_S)),))

    def _json(self, told: object) -> Response:
        import orjson

        body = orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"
        return Response(200, body, "application/json", (("Cache-Control", "no-store"),))


def is_local(request: Request) -> bool:
    """Whether who asks is on this machine, at a loopback address or on a unix socket, with no proxy between.

    By another name a page from elsewhere may ask, in somebody's browser on this machine (DNS rebinding).
    """
    if any(header in request.headers for header in _OF_PROXIES):
        return False
    client = request.client.removeprefix("::ffff:")
    if not client:
        return True
    host = request.headers.get("host", "")
    return (client == "::1" or client.startswith("127.")) and _LOOPBACK.fullmatch(host) is not None
