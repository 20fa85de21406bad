"""Open connections: how many there may be, and how long each may let us wait."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

# How often the accept threads look for late clients.
REAP_INTERVAL_S = 1.0
# So long stopping waits for those that the app works for, and accepting for a descriptor.
WAIT_S = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take of time and memory."""

    # Open connections of all addresses together, and so threads.
    connections: int = 32
    # From the first byte of a request, or for the first request from the accept, to the end of its headers.
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


def shut(connection: socket.socket, how: int) -> None:
    """Shut a connection down, of TLS or not, also while another thread waits for it. May raise OSError.

    TLS' own method would forget its keys first, and that thread would go on in plain text.
    """
    socket.socket.shutdown(connection, how)


class Connections:
    """The open connections of all addresses, and until when each may let us wait.

    A connection is here from its accept until just before its socket is closed, so one found here can be shut down.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._closed = False
        self._arriving = threading.Lock()
        self._fewer = threading.Condition()
        # In the order in which the present waits began. Infinite while the app works, and once shut down.
        self._until_s: dict[socket.socket, float] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Enter a new connection; at the limit the one that we wait for longest has to go, not the newest.

        Those that the app works for are never chosen: they would go on holding their threads.
        """
        with self._arriving, self._fewer:
            while len(self._until_s) >= self._limits.connections and not self._closed:
                waiting = (each for each, until_s in self._until_s.items() if until_s < math.inf)
                if oldest := next(waiting, None):
                    self._drop(oldest)
                self._fewer.wait(WAIT_S)
            if not self._closed:
                self._until_s[connection] = time.monotonic() + self._limits.request_timeout_s
            return not self._closed

    def expect(self, connection: socket.socket, within_s: float) -> None:
        """From now on it is the client's turn, for so long."""
        with self._fewer:
            del self._until_s[connection]
            self._until_s[connection] = time.monotonic() + within_s

    def drop_late(self) -> None:
        """Drop those whose time is over."""
        with self._fewer:
            now_s = time.monotonic()
            for connection, until_s in self._until_s.items():
                if until_s < now_s:
                    self._drop(connection)

    def remove(self, connection: socket.socket) -> None:
        """To be called before the socket is closed."""
        with self._fewer:
            self._until_s.pop(connection, None)
            self._fewer.notify_all()

    def close(self) -> None:
        """Shut all down and let no more in; those that the app works for are not waited for for long."""
        with self._fewer:
            self._closed = True
            self._fewer.notify_all()
            for connection in self._until_s:
                with suppress(OSError):
                    shut(connection, socket.SHUT_RDWR)
            self._fewer.wait_for(lambda: not self._until_s, WAIT_S)

    def wait_until_fewer(self) -> None:
        """Wait for a connection to go, but not for long."""
        with self._fewer:
            self._fewer.wait(WAIT_S)

    def _drop(self, connection: socket.socket) -> None:
        """Its thread wakes up, finds it ended, and closes it."""
        self._until_s[connection] = math.inf
        with suppress(OSError):
            # Close with a reset, so that the kernel does not keep what the client has not taken.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            shut(connection, socket.SHUT_RDWR)
