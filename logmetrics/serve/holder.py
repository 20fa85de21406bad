"""Who holds an address that is in use, as far as this process may see it."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LISTENS = "0A"
# Flag of a unix socket that takes connections (__SO_ACCEPTCON).
_UNIX_LISTENS = 0x10000


@dataclass(frozen=True, slots=True)
class Holder:
    """A process; of one that may not be looked at only its user is known."""

    program: str = ""
    pid: int = 0
    user: str = ""

    @property
    def is_logmetrics(self) -> bool:
        """As far as can be told: the user of that name runs nothing else."""
        return "logmetrics" in (self.program, self.user)

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})" if self.pid else f"a program of user {self.user}"


def holder_of(family: int, where: Any) -> Holder | None:
    """Who listens there; None when nobody is found."""
    with suppress(OSError, ValueError, IndexError):
        sockets = dict(_unix(where) if family == socket.AF_UNIX else _tcp(where))
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
            if _holds(pid, sockets):
                return Holder(_program(pid), pid)
        for user in filter(None, sockets.values()):
            return Holder(user=user)
    return None


def _tcp(where: Any) -> Iterator[tuple[str, str]]:
    """Inode and user of sockets that keep others from listening at *where*."""
    host, port = where[0] or "::", where[1]
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, its_port = fields[1].partition(":")
                if fields[3] == _LISTENS and int(its_port, 16) == port and _overlap(_address(address), host):
                    yield fields[9], _user(int(fields[7]))


def _address(text: str) -> str:
    """The kernel writes each four bytes as a number of the machine's own byte order."""
    packed = b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _overlap(one: str, other: str) -> bool:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 -- not bound to, only compared with
    return one == other or bool(everywhere & {one, other})


def _unix(path: Any) -> Iterator[tuple[str, str]]:
    for line in Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7] == path and int(fields[3], 16) & _UNIX_LISTENS:
            yield fields[6], ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _holds(pid: int, inodes: dict[str, str]) -> bool:
    links = {f"socket:[{inode}]" for inode in inodes}
    with suppress(OSError):  # of another user, or gone
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{name}") in links:
                    return True
    return False


def _program(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    # Started by its name, or as `python -m logmetrics`.
    if any(os.path.basename(word) == "logmetrics" for word in words[:4]):
        return "logmetrics"
    return Path(f"/proc/{pid}/comm").read_text().strip()
