"""An HTTP server for one app that no client can hold up: not by silence, drips, or answers that it does not take.

Each connection has a thread and, whenever it is the client's turn, a time by which the client must have done its part.
The accept threads drop those that are late.
"""

from __future__ import annotations

import gzip
import math
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http.client import responses
from io import BufferedReader
from socketserver import StreamRequestHandler
from typing import Protocol, cast

from logmetrics.serve.connections import DEFAULT_LIMITS, REAP_INTERVAL_S, Connections, Limits, shut
from logmetrics.serve.listener import Listener, listen, take_over
from logmetrics.serve.negotiation import accepts_gzip
from logmetrics.serve.request import Refused, Request, Response, read_request
from logmetrics.serve.tls import PlainText, say_goodbye, shake_hands
from logmetrics.serve.web import Web

__all__ = ["App", "HttpServer", "Request", "Response"]

# After the last answer so much of what the client still sends is read and thrown away.
LINGER_BLOCKS, LINGER_BLOCK_BYTES = 16, 65_536
# Up to this size a body is copied behind its headers.
TOGETHER_BYTES_MAX = 262_144


class App(Protocol):
    """Answers requests; called by many threads at once."""

    def __call__(self, request: Request) -> Response: ...


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


class HttpServer:
    """Serves one app on one or several addresses, each on its own accept thread; daemon threads answer.

    Addresses are ``host:port``, ``:port`` for all interfaces, ``[ipv6]:port`` and ``unix:/path``; ``bound`` tells what
    they became. ``on_error`` gets one line for each exception of the app, of which the client learns nothing, and one
    for each way in which TLS failed.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        app: App,
        limits: Limits = DEFAULT_LIMITS,
        on_error: Callable[[str], None] = _to_stderr,
        *,
        web: Web | None = None,
        opened: Sequence[socket.socket] = (),
    ) -> None:
        """*opened* are sockets that listen already; they are accepted from beside *addresses*.

        Raises UsageError when an address is none, and LogmetricsError when it cannot be had.
        """
        self.app, self.limits, self.on_error, self.web = app, limits, on_error, web
        self.connections = Connections(limits)
        self._gzipped = lru_cache(maxsize=2)(_gzip)
        self._gzipping = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listeners: list[Listener] = []
        self._tls_failures: set[str] = set()
        try:
            for socket_ in opened:
                self._listeners.append(take_over(self, _Handler, socket_))
            for address in addresses:
                self._listeners.append(listen(self, _Handler, address))
        except BaseException:
            self.stop()
            raise
        self.bound = [listener.bound for listener in self._listeners]

    def start(self) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            thread = threading.Thread(target=listener.serve_forever, args=(REAP_INTERVAL_S,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop accepting, close everything, remove unix sockets; within a second, whatever the app does."""
        self.connections.close()
        if self._threads:
            # shutdown() waits for its accept thread: all at once, so that many addresses take no longer than one.
            stoppers = [threading.Thread(target=listener.shutdown) for listener in self._listeners]
            for stopper in stoppers:
                stopper.start()
            for listener in self._listeners:
                with suppress(OSError):
                    listener.wake()
            for thread in stoppers + self._threads:
                thread.join()
        for listener in self._listeners:
            listener.server_close()

    def gzipped(self, body: bytes) -> bytes:
        """Under a lock: many who want the same at once share one result."""
        with self._gzipping:
            return self._gzipped(body)

    def tls_failed(self, client: str, error: ssl.SSLError) -> None:
        """Tell it, once for each reason: whoever sets a scraper up wants to know, and a flood must not fill the log."""
        reason = (error.reason or "unknown reason").replace("_", " ").lower()
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = f"the client's certificate: {error.verify_message}"
        if reason not in self._tls_failures:
            self._tls_failures.add(reason)
            self.on_error(f"http: no TLS with {client}: {reason} (told once for this reason)")


def _gzip(body: bytes) -> bytes:
    # Level 1 takes a third of the time of level 9.
    return gzip.compress(body, compresslevel=1, mtime=0)


class _Handler(StreamRequestHandler):
    """One connection, in its own thread. Ends by OSError when the client goes away or is dropped."""

    server: Listener
    request: socket.socket
    rfile: BufferedReader

    def setup(self) -> None:
        super().setup()
        self._owner = cast(HttpServer, self.server.owner)

    def handle(self) -> None:
        limits = self._owner.limits
        try:
            goes_on = not isinstance(self.request, ssl.SSLSocket) or self._shake_hands(self.request)
        except PlainText:
            self._linger()
            return
        while goes_on and self._exchange():
            self._expect(limits.idle_timeout_s)
            if not self.rfile.peek(1):
                return
            self._expect(limits.request_timeout_s)
        self._expect(limits.request_timeout_s)
        if isinstance(self.request, ssl.SSLSocket):
            say_goodbye(self.request)
        self._linger()

    def _shake_hands(self, connection: ssl.SSLSocket) -> bool:
        """Begin TLS; False when the client was told that its certificate is not one of those that are allowed."""
        web = self._owner.web
        allowed_sans = frozenset() if web is None else web.allowed_sans
        try:
            allowed = shake_hands(connection, allowed_sans)
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLEOFError):
                self._owner.tls_failed(str(self.client_address[0]), error)
            raise
        if not allowed:
            self._send(Response(403, b"no name in the client's certificate is an allowed one\n"), None, keep=False)
        return allowed

    def _linger(self) -> None:
        """To close while the client still sends would cause a reset, which can overtake and destroy the answer."""
        shut(self.request, socket.SHUT_WR)
        self._expect(self._owner.limits.request_timeout_s)
        for _ in range(LINGER_BLOCKS):
            if not socket.socket.recv(self.request, LINGER_BLOCK_BYTES):
                break

    def _exchange(self) -> bool:
        """One request and its answer; False when the connection ends with it."""
        try:
            request, keep = self._read_request()
        except Refused as refused:
            self._send(refused.response, refused.request, keep=False)
            return False
        self._expect(math.inf)
        try:
            response = self._owner.app(request)
        except Exception as error:
            self._owner.on_error(f"http: {request.method} {request.path!r} failed: {error!r}")
            response = Response(500, b"internal error\n")
        self._send(response, request, keep=keep)
        return keep

    def _read_request(self) -> tuple[Request, bool]:
        web = self._owner.web
        client = str(self.client_address[0]) if self.client_address else ""
        return read_request(self.rfile, self._owner.limits, client, (lambda _: None) if web is None else web.refusal)

    def _send(self, response: Response, request: Request | None, *, keep: bool) -> None:
        body = response.body
        fields = {
            "Date": formatdate(usegmt=True),
            "Content-Type": response.content_type,
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
            "Connection": "keep-alive" if keep else "close",
            **dict(response.headers),
            **dict(self._owner.web.headers if self._owner.web is not None else ()),
        }
        coding = request.headers.get("accept-encoding") if request else None
        if len(body) > self._owner.limits.plain_bytes and accepts_gzip(coding):
            body = self._owner.gzipped(body)
            fields["Content-Encoding"] = "gzip"
        fields["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self._expect(self._owner.limits.answer_timeout_s)
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1")
        if request is not None and request.method == "HEAD":
            body = b""
        # What is short goes in one part, so that the client wakes up once.
        together = len(body) <= TOGETHER_BYTES_MAX
        self.request.sendall(head + body if together else head)
        if not together:
            self.request.sendall(body)

    def _expect(self, within_s: float) -> None:
        self._owner.connections.expect(self.request, within_s)
