"""Requests to servers on this machine: short, without proxies, and never an exception."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_S = 2.0
BODY_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or in ``error`` why there is none; then ``status`` is 0."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens: host and port, or a socket file."""

    host: str = ""
    port: int = 0
    socket_file: str = ""
    is_tls: bool = False

    @property
    def url(self) -> str:
        """As people write it."""
        if self.socket_file:
            return f"unix:{self.socket_file}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"


def place_of(url: str) -> tuple[Place, str]:
    """The place of a URL, and the path in front of what is asked there."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    is_tls = parts.scheme == "https"
    try:
        port = parts.port or (443 if is_tls else 80)
    except ValueError:
        port = 0
    return Place(parts.hostname or "", port, is_tls=is_tls), parts.path.rstrip("/")


def get(place: Place, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Reply:
    """GET *path*. Who answers is on this machine, so its certificate proves nothing that would be of use."""
    started_s = time.monotonic()
    connection = _connection(place, timeout_s)
    try:
        connection.request("GET", path, headers={"User-Agent": "logmetrics-doctor", **(headers or {})})
        answer = connection.getresponse()
        body = answer.read(BODY_BYTES_MAX)
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, body, told, took_s=time.monotonic() - started_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        return Reply(error=why, took_s=time.monotonic() - started_s)
    finally:
        connection.close()


def _connection(place: Place, timeout_s: float) -> http.client.HTTPConnection:
    if place.socket_file:
        return _UnixConnection(place.socket_file, timeout_s)
    if place.is_tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(place.host, place.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(place.host, place.port, timeout=timeout_s)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_file: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._socket_file = socket_file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_file)
