"""Addresses to listen on: what they mean, and what is wrong when one cannot be had."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from logmetrics.config.outputs import host_and_port
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.serve.holder import holder_of


def resolve(address: str) -> tuple[int, Any]:
    """The family and what to bind there. Of a name's addresses the first IPv4 one is taken, as Go's servers do."""
    try:
        parts = host_and_port(address)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if parts is None:
        return socket.AF_UNIX, address.removeprefix("unix:")
    host, port = parts
    if not host:
        return (socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET), ("", port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LogmetricsError(f"listening on {address} is not possible: there is no host {host}") from error
    family, _, _, _, where = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, where


def check_addresses(addresses: Sequence[str]) -> None:
    """Raise UsageError, or LogmetricsError for an unknown host, unless each is an address, and another one."""
    seen: dict[tuple[int, Any], str] = {}
    for address in addresses:
        place = resolve(address)
        if place in seen:
            same = "" if seen[place] == address else f", also as {seen[place]}"
            raise UsageError(f"--listen: {address} is named twice{same}")
        # Port 0 is another one each time.
        if place[0] == socket.AF_UNIX or place[1][1] != 0:
            seen[place] = address


def shown(family: int, where: Any) -> str:
    """An address that is bound, as people write it."""
    if family == socket.AF_UNIX:
        return f"unix:{where!s}"
    host, port = where[:2]
    return f"[{host!s}]:{port}" if family == socket.AF_INET6 else f"{host!s}:{port}"


def is_local(bound: str) -> bool:
    """Whether only programs on this machine reach it."""
    host = bound.rpartition(":")[0].strip("[]")
    return bound.startswith("unix:") or ipaddress.ip_address(host.partition("%")[0]).is_loopback


def file_identity(path: str) -> tuple[int, int] | None:
    """Device and inode of *path*, which may be a link; None when there is nothing."""
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        return status.st_dev, status.st_ino
    return None


def remove_stale(path: str) -> None:
    """Remove the socket file of a program that is gone. One that is listened on, or another file, is an error."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as probe:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is not a socket")
        probe.setblocking(False)
        # Whoever else is there stays, and bind() complains.
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)


def beside(address: str) -> str:
    """An address to try when *address* is taken."""
    host, _, port = address.rpartition(":")
    return f"{address}.2" if address.startswith("unix:") else f"{host}:{(int(port) + 1) % 65_536}"


def explain(address: str, family: int, error: OSError) -> LogmetricsError:
    """What stands in the way of listening on *address*, and the way out, in one line."""
    host, _, port = address.rpartition(":")
    unix = family == socket.AF_UNIX
    if error.errno == errno.EADDRINUSE:
        free = "" if unix else " (port 0 takes a free one)"
        holder = holder_of(family, resolve(address)[1])
        who = "another program" if holder is None else f"another {holder}" if holder.program == "logmetrics" else holder
        why = f"is in use by {who}; stop it, or listen elsewhere with --listen {beside(address)}{free}"
    elif error.errno == errno.EACCES and not unix and int(port) < 1024:
        why = f"needs root or CAP_NET_BIND_SERVICE, as do all ports below 1024; try --listen {host}:8001"
    elif error.errno == errno.EADDRNOTAVAIL:
        why = f"is not possible, as this machine does not have that address; try --listen :{port} for all it has"
    else:
        why = f"is not possible: {error.strerror or error}"
    return LogmetricsError(f"listening on {address} {why}")
