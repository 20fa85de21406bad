"""The other side of a server: where it listens, and a connection to there. For what looks at daemons from outside."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens: host and port, or a socket file."""

    host: str = ""
    port: int = 0
    socket_file: str = ""
    is_tls: bool = False

    @property
    def authority(self) -> str:
        """``HOST:PORT``, as it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """As people write it."""
        return f"{UNIX}{self.socket_file}" if self.socket_file else f"http{'s' * self.is_tls}://{self.authority}"

    def connection(self, timeout_s: float, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """One that is still to be opened, past all proxies; *context* is for TLS."""
        if self.socket_file:
            return _UnixConnection(self.socket_file, timeout_s)
        if self.is_tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)


def endpoint_of(parts: SplitResult) -> Endpoint:
    """The endpoint of a URL of http or https. Raises ValueError when its port is none."""
    is_tls = parts.scheme == "https"
    return Endpoint(parts.hostname or "", parts.port or (443 if is_tls else 80), is_tls=is_tls)


def endpoint_at(url: str) -> tuple[Endpoint, str]:
    """The endpoint of *url*, which may lack its scheme, and the path in front of what is asked there."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        return endpoint_of(parts), parts.path.rstrip("/")
    except ValueError:
        return Endpoint(parts.hostname or "", is_tls=parts.scheme == "https"), parts.path.rstrip("/")


def trusting_anybody() -> ssl.SSLContext:
    """For TLS with a server whose certificate does not matter."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def reason(error: Exception) -> str:
    """Why there is no answer, in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_file: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._socket_file = socket_file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_file)
