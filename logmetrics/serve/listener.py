"""One address that is listened on: by a socket of its own, or by one that systemd opened."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Protocol

from logmetrics.serve.addresses import explain, file_identity, remove_stale, resolve, shown
from logmetrics.serve.connections import Connections
from logmetrics.serve.web import Web


class Owner(Protocol):
    """What the listeners of one server share."""

    connections: Connections
    web: Web | None
    on_error: Callable[[str], None]


class Listener(ThreadingHTTPServer):
    """One address. Its accept thread also drops late clients, of all addresses."""

    request_queue_size = 128
    block_on_close = False

    def __init__(
        self, owner: Owner, handler: Any, family: int, where: Any, opened: socket.socket | None = None
    ) -> None:
        """Listen at *where*, or with *opened*, a socket that listens already. Raises OSError."""
        self.address_family = family
        self.owner = owner
        self._socket_file: tuple[int, int] | None = None
        # Its other holder goes on listening when this process ends.
        self._is_shared = opened is not None
        super().__init__(where, handler, bind_and_activate=opened is None)
        if opened is not None:
            self.socket.close()
            self.socket = opened
            self._answer_in_two_parts_at_once()

    @property
    def bound(self) -> str:
        """The real address."""
        return shown(self.address_family, self.server_address)

    def server_bind(self) -> None:
        """Bind, without the base class's search for a host name, which nobody needs and which can take long."""
        if self.address_family == socket.AF_UNIX:
            remove_stale(str(self.server_address))
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._answer_in_two_parts_at_once()
        if self.address_family == socket.AF_INET6:
            # Only ":port" means IPv4 too; "[::]:port" leaves room for an IPv4 address with the same port.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, bool(self.server_address[0]))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        if self.address_family == socket.AF_UNIX:
            self._socket_file = file_identity(str(self.server_address))

    def _answer_in_two_parts_at_once(self) -> None:
        """Connections inherit it: the second part of a long answer must not wait for the receipt of the first."""
        if self.address_family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wake(self) -> None:
        """Let the accept thread notice a shutdown() at once and not at its next look for late clients.

        Not through a shared socket: it would accept nothing any more for systemd either.
        """
        if not self._is_shared:
            self.socket.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        super().server_close()
        # Another program may have put a socket of its own there since.
        if self._socket_file and self._socket_file == file_identity(str(self.server_address)):
            os.unlink(str(self.server_address))
        self._socket_file = None

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            connection, client = super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The connection stays in the queue, and would be tried again at once and for ever.
                self.owner.connections.wait_until_fewer()
            raise
        web = self.owner.web
        # What goes through a unix socket stays on the machine.
        if web is not None and self.address_family != socket.AF_UNIX:
            connection = web.wrapped(connection)
        return connection, client

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        return self.owner.connections.admit(request)

    def service_actions(self) -> None:
        self.owner.connections.drop_late()
        if self.owner.web is not None:
            self.owner.web.look()

    def close_request(self, request: Any) -> None:
        self.owner.connections.remove(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        # An OSError is a client that went away or was dropped.
        if not isinstance(error, OSError):
            self.owner.on_error(f"http: {error!r}")


def listen(owner: Owner, handler: Any, address: str) -> Listener:
    """Listen on *address*. Raises UsageError when it is none, and LogmetricsError when it cannot be had."""
    family, where = resolve(address)
    try:
        return Listener(owner, handler, family, where)
    except OSError as error:
        raise explain(address, family, error) from error


def take_over(owner: Owner, handler: Any, opened: socket.socket) -> Listener:
    """Accept connections of *opened*, which listens already."""
    return Listener(owner, handler, opened.family, opened.getsockname(), opened)
