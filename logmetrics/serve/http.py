"""An HTTP server for one app that no client can hold up: not by silence, drips, or answers that it does not take.

Each connection has a thread and, whenever it is the client's turn, a time by which the client must have done its part.
The accept threads drop those that are late.
"""

from __future__ import annotations

import errno
import gzip
import math
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http.client import responses
from http.server import ThreadingHTTPServer
from io import BufferedReader
from socketserver import StreamRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

from logmetrics.serve.addresses import explain, file_identity, remove_stale, resolve
from logmetrics.serve.connections import DEFAULT_LIMITS, REAP_INTERVAL_S, Connections, Limits
from logmetrics.serve.negotiation import accepts_gzip

# After the last answer so much of what the client still sends is read and thrown away.
LINGER_BLOCKS, LINGER_BLOCK_BYTES = 16, 65_536
# Up to this size a body is copied behind its headers.
TOGETHER_BYTES_MAX = 262_144

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/1\.([01])\r?\n" % _TOKEN)
_FIELD_NAME = re.compile(_TOKEN)
# A path, or a whole URL as proxies send it.
_TARGET = re.compile(r"(?:https?://[^/?]+)?(/[^?]*)\??(.*)")


@dataclass(frozen=True, slots=True)
class Request:
    """``method`` is GET or HEAD, ``path`` is percent-decoded, ``headers`` are looked up in any case.

    ``client`` is the address of the one who asks, without the port; empty on a unix socket.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    client: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. The same body can be in many answers at once; it is not copied."""

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

    Addresses are ``host:port``, ``:port`` for all interfaces, ``[ipv6]:port`` and ``unix:/path``; ``bound`` tells what
    they became. ``on_error`` gets one line for each exception of the app, of which the client learns nothing.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        app: App,
        limits: Limits = DEFAULT_LIMITS,
        on_error: Callable[[str], None] = _to_stderr,
    ) -> None:
        self.app, self.limits, self.on_error = app, limits, on_error
        self.connections = Connections(limits)
        self._gzipped = lru_cache(maxsize=2)(_gzip)
        self._gzipping = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listeners: list[_Listener] = []
        try:
            for address in addresses:
                self._listeners.append(_listen(address, self))
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
            for listener in self._listeners:  # else its thread would notice at its next look for late clients only
                with suppress(OSError):
                    listener.socket.shutdown(socket.SHUT_RDWR)
            for thread in stoppers + self._threads:
                thread.join()
        for listener in self._listeners:
            listener.server_close()

    def gzipped(self, body: bytes) -> bytes:
        """Under a lock: many who want the same at once share one result."""
        with self._gzipping:
            return self._gzipped(body)


def _gzip(body: bytes) -> bytes:
    # Level 1 takes a third of the time of level 9.
    return gzip.compress(body, compresslevel=1, mtime=0)


class _Listener(ThreadingHTTPServer):
    """One address. Its accept thread also drops late clients, of all addresses."""

    request_queue_size = 128
    block_on_close = False

    def __init__(self, family: int, where: Any, owner: HttpServer) -> None:
        self.address_family = family
        self.owner = owner
        self._socket_file: tuple[int, int] | None = None
        super().__init__(where, _Handler)

    @property
    def bound(self) -> str:
        """The real address."""
        if self.address_family == socket.AF_UNIX:
            return f"unix:{self.server_address!s}"
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def server_bind(self) -> None:
        """Bind, without the base class's search for a host name, which nobody needs and which can take long."""
        if self.address_family == socket.AF_UNIX:
            remove_stale(str(self.server_address))
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Inherited by connections. A long answer goes in two parts, and the second must not wait for a receipt.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.address_family == socket.AF_INET6:
            # Only ":port" means IPv4 too; "[::]:port" leaves room for an IPv4 address with the same port.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, bool(self.server_address[0]))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        if self.address_family == socket.AF_UNIX:
            self._socket_file = file_identity(str(self.server_address))

    def server_close(self) -> None:
        super().server_close()
        # Another program may have put a socket of its own there since.
        if self._socket_file and self._socket_file == file_identity(str(self.server_address)):
            os.unlink(str(self.server_address))
        self._socket_file = None

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The connection stays in the queue, and would be tried again at once and for ever.
                self.owner.connections.wait_until_fewer()
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        return self.owner.connections.admit(request)

    def service_actions(self) -> None:
        self.owner.connections.drop_late()

    def close_request(self, request: Any) -> None:
        self.owner.connections.remove(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        # An OSError is a client that went away or was dropped.
        if not isinstance(error, OSError):
            self.owner.on_error(f"http: {error!r}")


class _Headers(Mapping[str, str]):
    """Lookups in any case; several fields of one name are one, joined by commas."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        before = self._fields.get(name.lower())
        self._fields[name.lower()] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class _Refused(Exception):  # noqa: N818
    """A request that never reaches the app."""

    def __init__(self, status: int, why: str, *headers: tuple[str, str]) -> None:
        self.response = Response(status, f"{why}\n".encode(), headers=headers)


class _Handler(StreamRequestHandler):
    """One connection, in its own thread. Ends by OSError when the client goes away or is dropped."""

    server: _Listener
    request: socket.socket
    rfile: BufferedReader

    def setup(self) -> None:
        super().setup()
        self._owner = self.server.owner

    def handle(self) -> None:
        limits = self._owner.limits
        while self._exchange():
            self._expect(limits.idle_timeout_s)
            if not self.rfile.peek(1):
                return
            self._expect(limits.request_timeout_s)
        # To close while the client still sends would cause a reset, which can overtake and destroy the answer.
        self.request.shutdown(socket.SHUT_WR)
        self._expect(limits.request_timeout_s)
        for _ in range(LINGER_BLOCKS):
            if not self.request.recv(LINGER_BLOCK_BYTES):
                break

    def _exchange(self) -> bool:
        """One request and its answer; False when the connection ends with it."""
        try:
            request, keep = self._read_request()
        except _Refused as refused:
            self._send(refused.response, None, keep=False)
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
        """The next request, and whether the connection can be kept after it."""
        limits = self._owner.limits
        line = _REQUEST_LINE.fullmatch(self._read_line(limits.request_line_bytes, 414))
        if not line:
            raise _Refused(400, "this is no HTTP/1 request")
        method, target, minor_version = (part.decode("ascii") for part in line.groups())
        headers = self._read_headers(limits.header_bytes)
        if method not in ("GET", "HEAD"):
            raise _Refused(405, "only GET and HEAD are possible here", ("Allow", "GET, HEAD"))
        if not (parts := _TARGET.fullmatch(target)):
            raise _Refused(400, "the target is no path")
        # A body is not read, so nothing can come after it.
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        wishes = {wish.strip() for wish in headers.get("connection", "").lower().split(",")}
        keep = not has_body and ("keep-alive" in wishes if minor_version == "0" else "close" not in wishes)
        path, query = parts.groups()
        client = str(self.client_address[0]) if self.client_address else ""
        return Request(method, unquote(path), parse_qs(query, keep_blank_values=True), headers, client), keep

    def _read_headers(self, bytes_max: int) -> _Headers:
        headers = _Headers()
        while (line := self._read_line(bytes_max, 431)).rstrip(b"\r\n"):
            bytes_max -= len(line)
            name, _, value = line.partition(b":")
            if not _FIELD_NAME.fullmatch(name):
                raise _Refused(400, "a header line is malformed")
            headers.add(name.decode("ascii"), value.strip().decode("latin-1"))
        return headers

    def _read_line(self, bytes_max: int, status_if_longer: int) -> bytes:
        line = self.rfile.readline(bytes_max + 1)
        if len(line) > bytes_max:
            raise _Refused(status_if_longer, responses[status_if_longer].lower())
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        return line

    def _send(self, response: Response, request: Request | None, *, keep: bool) -> None:
        body = response.body
        fields = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", response.content_type),
            ("X-Content-Type-Options", "nosniff"),
            ("Vary", "Accept-Encoding"),
            ("Connection", "keep-alive" if keep else "close"),
            *response.headers,
        ]
        coding = request.headers.get("accept-encoding") if request else None
        if len(body) > self._owner.limits.plain_bytes and accepts_gzip(coding):
            body = self._owner.gzipped(body)
            fields.append(("Content-Encoding", "gzip"))
        fields.append(("Content-Length", str(len(body))))
        lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in fields]
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


def _listen(address: str, owner: HttpServer) -> _Listener:
    family, where = resolve(address)
    try:
        return _Listener(family, where, owner)
    except OSError as error:
        raise explain(address, family, error) from error
