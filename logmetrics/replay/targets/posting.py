"""One POST, tried until it is through or refused for good, with growing pauses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationParseError, NewConnectionError, SSLError
from urllib3.util import Url, make_headers, parse_url

from logmetrics.errors import ReplayError, UsageError

_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_BODY_SHOWN = 300

# Status and text of a refusal -> what to do about it, or "" if that is not known.
Explain = Callable[[int, str], str]


class UnsureError(Exception):
    """The request failed in a way that leaves open whether its samples arrived; so they must be asked for."""

    def __init__(self, what: str, wait_s: float = 0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


@dataclass(slots=True)
class Patience:
    """How long a target that fails is tried again: until it has failed for ``limit_s`` without a break."""

    limit_s: float = 300
    first_s: float = 0.5
    longest_s: float = 30
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    # What is told about each pause.
    tell: Callable[[str], object] = lambda _: None
    # Of the failures in a row: how many, and when the first was.
    _failures: int = field(default=0, init=False)
    _since: float = field(default=0, init=False)

    def success(self) -> None:
        """Something went through: the next failure is the first."""
        self._failures = 0

    def pause(self, what: str, at_least_s: float = 0) -> None:
        """Wait after the failure *what*, twice as long as the last time; no longer than all of the limit."""
        if not self._failures:
            self._since = self.clock()
        # Half of it by chance, lest all who failed together come back together.
        wait_s = min(self.longest_s, self.first_s * 2.0 ** min(self._failures, 30)) * (1 + self.draw()) / 2
        wait_s = max(wait_s, at_least_s)
        self._failures += 1
        failing_s = self.clock() - self._since
        if failing_s + wait_s > self.limit_s:
            tries = f"{self._failures} {'try' if self._failures == 1 else 'tries'} in {failing_s:.0f} s"
            raise ReplayError(f"{what}; given up after {tries}; the same command goes on from there")
        self.tell(f"{what}; next try in {wait_s:.1f} s")
        self.sleep(wait_s)


def split_auth(url: str) -> tuple[str, dict[str, str]]:
    """An URL without its user and password, and the header that tells them."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        parts = Url()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise UsageError(f"{url}: no URL of the form http://HOST:PORT/PATH")
    headers = make_headers(basic_auth=unquote(parts.auth)) if parts.auth else {}
    return parts._replace(auth=None).url, headers


class Poster:
    """Sends bodies to one URL."""

    def __init__(self, url: str, headers: Mapping[str, str], explain: Explain, patience: Patience) -> None:
        self.url, auth = split_auth(url)
        self._headers = {"User-Agent": "logmetrics", **auth, **headers}
        self._explain = explain
        self._patience = patience
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def post(self, body: bytes) -> None:
        """Send *body*; raise UnsureError if nobody knows whether it arrived, ReplayError if it was refused."""
        while True:
            try:
                answer = self._pool.request("POST", self.url, body=body, headers=self._headers)
            except (NewConnectionError, ConnectTimeoutError) as error:
                self._patience.pause(f"{self.url}: no connection: {_short(str(error))}")
                continue
            except SSLError as error:
                raise ReplayError(f"{self.url}: {error}") from error
            except HTTPError as error:
                raise UnsureError(f"{self.url}: {_short(str(error))}") from error
            if 200 <= answer.status < 300:
                self._patience.success()
                return
            wait_s = retry_after_s(answer.headers.get("Retry-After", ""), self._patience.now())
            what = self._tell(answer)
            if answer.status != 429:
                raise UnsureError(what, wait_s)
            self._patience.pause(what, wait_s)

    def _tell(self, answer: urllib3.BaseHTTPResponse) -> str:
        """What was answered; raises it if no other answer is to be expected."""
        text = answer.data.decode(errors="replace")
        hint = self._explain(answer.status, text)
        what = f"{self.url} answered {answer.status}: {_short(text) or answer.reason or 'nothing'}"
        if answer.status != 429 and (hint or answer.status < 500):
            if not hint and answer.status < 400:
                hint = f"it wants to be called as {answer.headers.get('Location')}"
            raise ReplayError(f"{what}\n{hint}" if hint else what)
        return what


def retry_after_s(header: str, now_s: float) -> float:
    """How long a Retry-After asks to wait; it is a number of seconds or a date."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now_s)
    except (ValueError, TypeError):
        return 0.0


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BODY_SHOWN else f"{line[:_BODY_SHOWN]}…"
