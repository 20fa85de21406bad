"""Windows -> a server over HTTP, each sample once, however often the sending breaks off and begins again.

No journal tells what was sent: the server is asked for what it has, before a window and whenever a request failed in a
way that leaves its outcome open, and gets the rest. So a run that was killed goes on, and a second run sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import Window
from logmetrics.replay.targets.posting import Patience, Poster, UnsureError
from logmetrics.replay.targets.prometheus_api import NoAnswerError, PrometheusApi
from logmetrics.replay.targets.verify import missing, span_of, utc

# What was sent can be asked for at once in Prometheus, after half a minute in VictoriaMetrics.
_HIDDEN_S = 31
_VISIBLE_AFTER_S = 60
_ASK_EVERY_S = 1
_DAY_S = 86_400

Answer = TypeVar("Answer")
# The samples of a window -> where each request of it goes, and its body.
Requests = Callable[[Window], Iterator[tuple[Poster, bytes]]]


class Asking:
    """What a server can be asked, so that nothing is sent twice and nothing in vain."""

    def __init__(self, api: PrometheusApi) -> None:
        self.api = api

    def flush(self) -> bool:
        """Whether all that was received is shown from now on."""
        return True

    def retention_s(self) -> float | None:
        """For how long the server keeps samples; None if that is not known."""
        return self.api.retention_s()


class Delivery:
    """Sends windows, the oldest first, as *requests*; without *asking*, sends all and does not look for it after."""

    def __init__(self, requests: Requests, asking: Asking | None, patience: Patience) -> None:
        self._requests = requests
        self._asking = asking
        self._patience = patience
        self._begun = False

    def write(self, window: Window) -> int:
        """Send what of *window* is not there; how many samples that were."""
        span = span_of(window)
        if span is None:
            return 0
        first_s, last_s = span
        if last_s > self._patience.now():
            raise ReplayError(f"there are samples of {utc(last_s)}, in the future; end before: --until")
        if self._asking is None:
            self._send_unasked(window)
            return window.size
        if not self._begun:
            self._begin(self._asking, first_s)
        rest = absent = self._missing(window, self._asking.api)
        while rest.size and not self._arrived(rest, window, self._asking):
            self._settle(self._asking)
            rest = self._missing(window, self._asking.api)
        self._patience.success()
        return absent.size

    def _begin(self, asking: Asking, first_s: int) -> None:
        """Look at the server before the first sample is sent, which is the oldest."""
        kept_s = asking.retention_s()
        oldest_s = self._patience.now() - kept_s if kept_s else 0
        if first_s < oldest_s:
            assert kept_s
            raise ReplayError(
                f"{asking.api.url} keeps samples for {kept_s / _DAY_S:g} days only, and would drop those from "
                f"{utc(first_s)} on silently; raise its retention first, or begin later: --since {utc(oldest_s)}"
            )
        self._settle(asking)
        self._begun = True

    def _settle(self, asking: Asking) -> None:
        """Go on when what an earlier request brought is shown."""
        if not self._when_up(asking.flush):
            self._patience.sleep(_HIDDEN_S)

    def _send(self, window: Window) -> None:
        for poster, body in self._requests(window):
            poster.post(body)

    def _send_unasked(self, window: Window) -> None:
        for poster, body in self._requests(window):
            while not self._sure(poster, body):
                pass

    def _sure(self, poster: Poster, body: bytes) -> bool:
        try:
            poster.post(body)
        except UnsureError as error:
            self._patience.pause(str(error), error.wait_s)
            return False
        return True

    def _arrived(self, rest: Window, window: Window, asking: Asking) -> bool:
        """Whether *rest* could be sent and all of *window* is there; if not, it has to be asked how much of it is."""
        try:
            self._send(rest)
        except UnsureError as error:
            self._patience.pause(str(error), error.wait_s)
            return False
        self._wait_until_there(window, asking)
        return True

    def _missing(self, window: Window, api: PrometheusApi) -> Window:
        return self._when_up(lambda: missing(window, api))

    def _when_up(self, ask: Callable[[], Answer]) -> Answer:
        """What *ask* gives, as soon as the server can tell."""
        while True:
            try:
                return ask()
            except NoAnswerError as error:  # noqa: PERF203 - a question over the network
                self._patience.pause(str(error))

    def _wait_until_there(self, window: Window, asking: Asking) -> None:
        deadline_s = self._patience.clock() + _VISIBLE_AFTER_S
        while True:
            self._when_up(asking.flush)
            left = self._missing(window, asking.api)
            span = span_of(left)
            if span is None:
                return
            if self._patience.clock() > deadline_s:
                raise ReplayError(
                    f"{asking.api.url} took all samples, but {left.size} of {window.size}, from {utc(span[0])} to "
                    f"{utc(span[1])}, cannot be found there. Does it keep samples for so long, and does it answer for "
                    "what was sent (--query-url)? If it was restarted meanwhile, the same command sends them again"
                )
            self._patience.sleep(_ASK_EVERY_S)
