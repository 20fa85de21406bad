"""An HTTP server for one app that no client can hold up: not by silence, drips, or answers that it does not take.

Each connection has a thread and, whenever it is the client's turn, a time by which the client must have done its part.
The accept threads look for those that are late.
"""

from __future__ import annotations

import errno
import math
import os
import re
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from gzip import compress
from http.client import responses
from http.server import ThreadingHTTPServer
from io import BufferedReader
from socketserver import StreamRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.serve.negotiation import accepts_gzip

# Also how long stop() waits for the accept threads, and then for the others.
REAP_INTERVAL_S = 0.25
# After the last answer so much of what the client still sends is read and thrown away.
LINGER_BLOCKS_MAX, LINGER_BLOCK_BYTES = 16, 65_536

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/1\.([01])\r?\n" % _TOKEN)
_FIELD_NAME = re.compile(_TOKEN)
# A path, or a whole URL as proxies send it.
_TARGET = re.compile(r"(?:https?://[^/?]+)?(/[^?]*)(?:\?(.*))?")
_HOST_PORT = re.compile(r"(\[[^\s\[\]]+\]|[^\s:\[\]]*):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take of time and memory."""

    # Open connections of all addresses together, and so threads.
    connections: int = 32
    # From the first byte of a request (of the first one: from the accept) to the end of its headers.
    request_timeout_s: float = 5.0
    # To take an answer.
    answer_timeout_s: float = 10.0
    # Between two requests; longer than most scrape intervals, so that scrapers can keep their connection.
    idle_timeout_s: float = 120.0
    request_line_bytes: int = 4096
    # All header lines together.
    header_bytes: int = 8192
    # Bodies up to this size go as they are.
    plain_bytes: int = 1024


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Request:
    """``method`` is GET or HEAD, ``path`` is percent-decoded, ``headers`` are looked up in any case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. The body is shared with whoever else sends the same bytes, never copied."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class App(Protocol):
    """Answers requests; called by many threads at once."""

    def __call__(self, request: Request) -> Response: ...


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


class HttpServer:
    """Serves one app on one or several addresses, each on its own accept thread; daemon threads answer.

    Addresses are ``host:port``, ``:port`` for all interfaces, ``[ipv6]:port`` and ``unix:/path``; ``bound`` holds what
    they became. ``on_error`` gets one line for each exception of the app, which the client never sees.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        app: App,
        limits: Limits = DEFAULT_LIMITS,
        on_error: Callable[[str], None] = _to_stderr,
    ) -> None:
        self._connections = _Connections(limits)
        self._listeners: list[_Listener] = []
        self._threads: list[threading.Thread] = []
        try:
            for address in addresses:
                self._listeners.append(_listen(address, app, limits, on_error, self._connections))
        except BaseException:
            self.stop()
            raise
        self.bound = [listener.bound for listener in self._listeners]

    def start(self) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            name = f"http {listener.bound}"
            self._threads.append(
                threading.Thread(target=listener.serve_forever, args=(REAP_INTERVAL_S,), name=name, daemon=True)
            )
            self._threads[-1].start()

    def stop(self) -> None:
        """Stop accepting, close everything, remove unix sockets; within a second, whatever the app does."""
        self._connections.close()
        if self._threads:
            # shutdown() waits for its accept thread: all at once, so that many addresses take no longer than one.
            stoppers = [threading.Thread(target=listener.shutdown, daemon=True) for listener in self._listeners]
            for stopper in stoppers:
                stopper.start()
            for thread in (*stoppers, *self._threads):
                thread.join()
        for listener in self._listeners:
            listener.server_close()
        self._connections.wait_until_gone(REAP_INTERVAL_S)
        self._listeners, self._threads = [], []


class _Connections:
    """The open connections of all addresses, and until when each may let us wait.

    A connection is here from its accept until its socket is closed, so a socket found here can be shut down.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._arriving = threading.Lock()
        self._gone = threading.Condition()
        self._closed = False
        # In the order in which the present waits began; infinite while the app works, and once shut down.
        self._until_s: dict[socket.socket, float] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Enter a new connection; at the limit the one that we wait for longest has to go, not the newest.

        Those that the app works for can not be hurried. When there are no others the new one waits with us.
        """
        with self._arriving, self._gone:
            while len(self._until_s) >= self._limits.connections and not self._closed:
                waited_for = (each for each, until_s in self._until_s.items() if until_s < math.inf)
                if oldest := next(waited_for, None):
                    self._drop(oldest)
                self._gone.wait(REAP_INTERVAL_S)
            if not self._closed:
                self._until_s[connection] = time.monotonic() + self._limits.request_timeout_s
            return not self._closed

    def expect(self, connection: socket.socket, within_s: float) -> None:
        """It is the client's turn now, for so long."""
        with self._gone:
            self._until_s.pop(connection, None)
            self._until_s[connection] = time.monotonic() + within_s

    def reap(self) -> None:
        """Drop those whose time is over."""
        with self._gone:
            now_s = time.monotonic()
            for connection, until_s in self._until_s.items():
                if until_s < now_s:
                    self._drop(connection)

    def remove(self, connection: socket.socket) -> None:
        """Called before the socket is closed."""
        with self._gone:
            self._until_s.pop(connection, None)
            self._gone.notify_all()

    def close(self) -> None:
        """Shut all down, and let no more in."""
        with self._gone:
            self._closed = True
            self._gone.notify_all()
            for connection in self._until_s:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def wait_for_one_to_go(self, timeout_s: float) -> None:
        """Returns at the latest after *timeout_s*."""
        with self._gone:
            self._gone.wait(timeout_s)

    def wait_until_gone(self, timeout_s: float) -> None:
        """Wait for the last thread, but not longer than *timeout_s*."""
        with self._gone:
            self._gone.wait_for(lambda: not self._until_s, timeout_s)

    def _drop(self, connection: socket.socket) -> None:
        """Wake the connection's thread, which finds it at its end and closes it."""
        self._until_s[connection] = math.inf
        with suppress(OSError):
            # Close with a reset, so that the kernel does not keep what the client did not take.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RDWR)


class _Listener(ThreadingHTTPServer):
    """One address. Its accept thread also looks for connections that are late."""

    request_queue_size = 128
    block_on_close = False

    def __init__(self, family: int, where: Any, serving: _Serving) -> None:
        self.address_family = family
        self.serving = serving
        self._socket_file: tuple[int, int] | None = None
        super().__init__(where, _Handler)

    @property
    def bound(self) -> str:
        """The real address."""
        if self.address_family == socket.AF_UNIX:
            return f"unix:{self.server_address}"
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def server_bind(self) -> None:
        """Bind without the base class' look-up of a host name, which can take long and serves nothing here."""
        if self.address_family == socket.AF_UNIX:
            _remove_stale(str(self.server_address))
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.address_family == socket.AF_INET6:
            # Only ":port" means IPv4 too; "[::]:port" leaves room for an IPv4 address with the same port.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, bool(self.server_address[0]))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        if self.address_family == socket.AF_UNIX:
            self._socket_file = _identity(str(self.server_address))

    def server_close(self) -> None:
        super().server_close()
        # Another program may have put its own socket there since.
        if self._socket_file and self._socket_file == _identity(str(self.server_address)):
            os.unlink(str(self.server_address))

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The connection stays in the queue and would be tried again at once, for ever.
                self.serving.connections.wait_for_one_to_go(REAP_INTERVAL_S)
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        return self.serving.connections.admit(request)

    def service_actions(self) -> None:
        self.serving.connections.reap()

    def close_request(self, request: Any) -> None:
        self.serving.connections.remove(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        # An OSError is a client that went away, or was dropped.
        if not isinstance(error, OSError):
            self.serving.on_error(f"http: {error!r}")
