"""What is answered at which path: /metrics, health, and the page at /."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from logmetrics.serve.exposition import pieces
from logmetrics.serve.negotiation import negotiate
from logmetrics.serve.page import HEADERS, render_page
from logmetrics.serve.process import ProcessMetrics
from logmetrics.serve.request import Request, Response
from logmetrics.serve.scrapers import RESTART_GRACE_S, Scrapers, is_prometheus
from logmetrics.store.report import FamilyReport
from logmetrics.store.store import View

# A scrape waits so long for what was just written to be counted; then it gets the last commit.
REFRESH_TIMEOUT_S = 1.0
REPORT_TIMEOUT_S = 5.0
# Between two pieces of a page, after the first few: the interpreter runs one thread at a time, and the engine's must
# not wait for long.
PAUSE_S = 20e-6
PIECES_WITHOUT_PAUSE = 8
RETRY_AFTER_S = 2


class Metrics(Protocol):
    """What the app needs of the engine."""

    caught_up: bool

    # So long ago, in seconds, it went on where an earlier run had ended; infinite when there was none.
    @property
    def resumed_ago_s(self) -> float: ...

    # Why commits cannot be saved at present; None while they are.
    commit_problem: str | None

    @property
    def catching_up(self) -> str: ...

    def refresh(self, timeout_s: float) -> bool: ...
    def cardinality(self, timeout_s: float) -> list[FamilyReport]: ...
    def view(self) -> View: ...


class MetricsApp:
    """Answers requests from the last commit. Called by many threads at once."""

    def __init__(
        self,
        metrics: Metrics,
        sources: Sequence[str],
        *,
        early: bool = False,
        first_zero: bool = True,
        created: bool = False,
    ) -> None:
        """With *early*, metrics are served before everything that was there at the start has been read.

        With *first_zero*, a series that is new to a Prometheus is shown to it as 0 once; with *created*, OpenMetrics
        tells when each began.
        """
        self.metrics = metrics
        self.sources = sources
        self.early = early
        self.first_zero = first_zero
        self.created = created
        self._scrapers = Scrapers()
        self._process = ProcessMetrics()
        # The bodies of the last commit that was asked for, by format; concurrent scrapers share them.
        self._bodies: dict[str, tuple[int, bytes]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        path = request.path
        if path == "/metrics":
            return self._metrics(request)
        if path in ("/healthz", "/-/healthy"):
            return self._health()
        if path in ("/readyz", "/-/ready"):
            return Response(200, b"ready\n") if self._is_ready() else self._catching_up()
        if path == "/":
            return self._page()
        if path == "/api/cardinality":
            return self._cardinality()
        return Response(404, b"not found; there are /metrics, /healthz, /readyz, /api/cardinality and /\n")

    def _is_ready(self) -> bool:
        return self.early or self.metrics.caught_up

    def _health(self) -> Response:
        """200 also while commits fail: ending the process would not make room on the disk."""
        problem = self.metrics.commit_problem
        return Response(200, b"ok\n" if problem is None else f"ok, but cannot commit: {problem}\n".encode())

    def _catching_up(self) -> Response:
        body = f"not ready: {self.metrics.catching_up}\n".encode()
        return Response(503, body, headers=(("Retry-After", str(RETRY_AFTER_S)),))

    def _metrics(self, request: Request) -> Response:
        if not self._is_ready():
            return self._catching_up()
        name, content_type = negotiate(request.headers.get("accept"))
        self.metrics.refresh(REFRESH_TIMEOUT_S)
        with self._lock:
            return Response(200, self._body(name, request), content_type)

    def _body(self, name: str, request: Request) -> bytes:
        view = self.metrics.view()
        zero_after: int | None = None
        if self.first_zero and is_prometheus(request):
            first = 0 if self.metrics.resumed_ago_s < RESTART_GRACE_S else view.generation
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

    def _page(self) -> Response:
        state = "ready" if self.metrics.caught_up else self.metrics.catching_up
        if self.metrics.commit_problem is not None:
            state += f"; cannot commit: {self.metrics.commit_problem}"
        try:
            reports = self.metrics.cardinality(REFRESH_TIMEOUT_S)
        except TimeoutError:
            reports = None
        return Response(200, render_page(state, self.sources, reports), "text/html; charset=utf-8", HEADERS)

    def _cardinality(self) -> Response:
        import orjson

        try:
            reports = self.metrics.cardinality(REPORT_TIMEOUT_S)
        except TimeoutError:
            return Response(503, b"busy; ask again in a moment\n", headers=(("Retry-After", str(RETRY_AFTER_S)),))
        return Response(200, orjson.dumps(reports, option=orjson.OPT_INDENT_2) + b"\n", "application/json")
