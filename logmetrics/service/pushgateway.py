"""Metrics of a run that ends, to a Pushgateway: https://github.com/prometheus/pushgateway#api

A push with PUT replaces what the same group had before. Groups are told apart by their labels, which are the path.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from logmetrics.errors import LogmetricsError, UsageError

if TYPE_CHECKING:
    import urllib3
    from typing_extensions import Self

LABEL_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
# What a path can hold as it is, on its way through any proxy.
_PLAIN = re.compile(r"(?!\.+$)[A-Za-z0-9._:~-]+")
_ANSWER_SHOWN = 300
# The second one comes at once, the others after 1, 2, 4 and 8 s.
_TRIES, _BACKOFF_S = 6, 0.5
_CONNECT_S, _READ_S = 10, 60
_BUSY = (429, 500, 502, 503, 504)


class Pushgateway:
    """The group of *labels*, a job first of all, at the Pushgateway that *url* names.

    A user and password may stand in *url*. *backoff_s* is half of the first pause between tries; *say* tells
    that it is tried again, once, and that it was done. Raises UsageError for an *url* that is none.
    """

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        backoff_s: float = _BACKOFF_S,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        parts = urlsplit(url)
        try:
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        credentials, _, host = parts.netloc.rpartition("@")
        path = parts.path.rstrip("/")
        self.url = urlunsplit((parts.scheme, host, f"{path}/metrics/{group_path(labels)}", "", ""))
        if not sound or parts.query or parts.fragment:
            shown = url.replace(f"{credentials}@", "")
            raise UsageError(f"--push {shown} is no URL of a Pushgateway, which looks like http://HOST:9091")
        self._credentials = unquote(credentials)
        self._backoff_s = backoff_s
        self._say = say
        # The server, without user and password.
        self._server = urlunsplit((parts.scheme, host, path, "", ""))

    def push(self, text: str) -> None:
        """Replace the group's metrics by *text*, in Prometheus' format 0.0.4 and without times.

        A server that is down or busy is tried again for a quarter of a minute. Raises LogmetricsError, with the
        server's own words.
        """
        import urllib3

        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "User-Agent": "logmetrics"}
        if self._credentials:
            headers |= urllib3.make_headers(basic_auth=self._credentials)
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=_READ_S)
        pool = urllib3.PoolManager(timeout=timeout, retries=self._retries())
        try:
            answer = pool.request("PUT", self.url, body=text.encode(), headers=headers)
        except urllib3.exceptions.HTTPError as error:
            what = self._in_words(getattr(error, "reason", None) or error)
            raise LogmetricsError(f"push to {self.url}: {what}; is a Pushgateway there?") from error
        if not 200 <= answer.status < 300:
            raise LogmetricsError(f"push to {self.url}: {_refusal(answer)}")
        self._say(f"pushed to {self.url}")

    def _retries(self) -> urllib3.Retry:
        import urllib3

        tell = self._tell_again
        told: list[bool] = []

        class Telling(urllib3.Retry):
            """Tells before the second try why there is one."""

            def increment(self, *arguments: Any, **named: Any) -> Self:
                following = super().increment(*arguments, **named)
                if not told:
                    told.append(True)
                    response = named.get("response")
                    tell(response.status if response is not None else named.get("error"))
                return following

        return Telling(
            total=_TRIES - 1,
            redirect=0,
            other=0,
            status_forcelist=_BUSY,
            allowed_methods=None,  # a PUT that arrived twice is one
            backoff_factor=self._backoff_s,
            raise_on_status=False,
            raise_on_redirect=False,
        )

    def _tell_again(self, why: int | Exception | None) -> None:
        what = self._in_words(why) if isinstance(why, Exception) else f"{self._server} answers {why}"
        self._say(f"{what}; the push is tried again, {_TRIES} times in all")

    def _in_words(self, error: Exception) -> str:
        """Why there was no answer."""
        from urllib3 import exceptions

        server = self._server
        if isinstance(error, exceptions.NameResolutionError):
            return f"there is no host {urlsplit(server).hostname}"
        cause = error.__cause__ or error.__context__
        if isinstance(error, exceptions.NewConnectionError) and isinstance(cause, OSError) and cause.strerror:
            return f"nothing answers at {server}: {cause.strerror.lower()}"
        if isinstance(error, exceptions.ConnectTimeoutError):
            return f"nothing answers at {server} within {_CONNECT_S} s"
        if isinstance(error, exceptions.ReadTimeoutError):
            return f"{server} gives no answer within {_READ_S} s"
        if isinstance(error, exceptions.SSLError):
            return f"no TLS with {server}: {error}"
        if isinstance(error, exceptions.ProtocolError):
            return f"{server} ended the connection without an answer"
        return f"no answer from {server}: {error}"


def group_path(labels: Mapping[str, str]) -> str:
    """``job/logmetrics/instance/a``; values that a path cannot hold are in base64."""
    return "/".join(_segments(name, value) for name, value in labels.items())


def _segments(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f"{name}/{value}"
    # An empty segment would vanish from the path; = is base64 for nothing.
    coded = base64.urlsafe_b64encode(value.encode()).decode().rstrip("=") or "="
    return f"{name}@base64/{coded}"


def _refusal(answer: object) -> str:
    import urllib3

    assert isinstance(answer, urllib3.BaseHTTPResponse)
    said = " ".join(answer.data.decode(errors="replace").split())[:_ANSWER_SHOWN]
    what = f"it answered {answer.status}: {said or answer.reason or 'nothing'}"
    if answer.status in (401, 403):
        return f"{what}; give a user and password in the URL: http://user:password@host:9091"
    if 300 <= answer.status < 400:
        return f"{what}; it wants to be called as {answer.headers.get('Location')}"
    if answer.status == 404:
        return f"{what}; the URL is what stands before /metrics/job, with the prefix that the server has"
    return what
