"""Sockets that systemd opens and hands over, so that no connection is refused while logmetrics starts or restarts.

The protocol is that of sd_listen_fds(3): descriptors from 3 on, and three variables that tell about them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from logmetrics.errors import LogmetricsError

_FIRST = 3
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def handed_over(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """The sockets that this process was started with; empty when there are none, or a second time.

    Raises LogmetricsError when one of them is no listening stream socket: the socket unit is for something else.
    """
    pid, count, names = (environ.get(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()):
        return []
    # Programs that this one starts must not take them for theirs.
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if not count.isdecimal():
        raise LogmetricsError(f"LISTEN_FDS is {count!r} and no number of sockets")
    found = []
    for index, name in zip(range(int(count)), [*names.split(":"), *[""] * int(count)], strict=False):
        found.append(_opened(_FIRST + index, name or f"descriptor {_FIRST + index}"))
    return found


def _opened(descriptor: int, name: str) -> socket.socket:
    try:
        opened = socket.socket(fileno=descriptor)
        listens = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise LogmetricsError(f"what was handed over as {name} is no socket: {error.strerror}") from error
    if opened.family not in _FAMILIES or opened.type != socket.SOCK_STREAM or not listens:
        raise LogmetricsError(
            f"the socket that was handed over as {name} takes no connections over TCP or a unix socket; "
            "the socket unit needs ListenStream= and Accept=no"
        )
    opened.set_inheritable(False)
    return opened
