"""The addresses to listen on: free, in use by logmetrics itself, or by somebody else."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass, replace

from logmetrics.doctor.findings import Finding, ok, problem, unseen
from logmetrics.doctor.loopback import Place, Reply, get
from logmetrics.doctor.machine import Account, Machine
from logmetrics.doctor.permissions import SEARCH, WRITE, obstacles
from logmetrics.doctor.setup import Setup
from logmetrics.errors import LogmetricsError
from logmetrics.serve.addresses import explain, resolve
from logmetrics.serve.holders import holder_of, holder_of_socket


@dataclass(frozen=True, slots=True)
class Listener:
    """Who answers at one of the addresses: ``health`` is what /healthz said."""

    address: str
    place: Place
    health: Reply
    holder: tuple[int, str] | None

    @property
    def is_logmetrics(self) -> bool:
        """A command line can be hidden, an answer can want a password: one of the two must tell."""
        if not self.health.status:
            return False
        by_answer = self.health.status == 200 and self.health.body.startswith(b"ok")
        return by_answer and (self.holder is None or "logmetrics" in self.holder[1] or _has_our_page(self.place))


def _has_our_page(place: Place) -> bool:
    page = get(place, "/")
    return page.status == 401 or b"logmetrics" in page.body


def listener_at(machine: Machine, address: str) -> Listener | None:
    """Who listens at *address*, as far as it can be told; None when nobody does. Raises LogmetricsError."""
    family, where = resolve(address)
    proc = machine.path("/proc")
    if family == socket.AF_UNIX:
        place, holder = Place(socket_file=str(where)), holder_of_socket(str(where), proc)
        health = get(place, "/healthz")
        return Listener(address, place, health, holder) if health.status or holder else None
    host, port = where[:2]
    place = Place({"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104
    if port == 0 or not _accepts(place):
        return None
    health = get(place, "/healthz")
    if health.status in (0, 400):  # TLS?
        safe = replace(place, is_tls=True)
        encrypted = get(safe, "/healthz")
        if encrypted.status:
            place, health = safe, encrypted
    return Listener(address, place, health, holder_of(port, proc))


def _accepts(place: Place) -> bool:
    with suppress(OSError):
        socket.create_connection((place.host, place.port), timeout=1.0).close()
        return True
    return False


def ports(machine: Machine, setup: Setup) -> list[Finding]:
    """Whether each address can be had by the user who runs it."""
    return [_at(machine, setup.reader, address) for address in setup.listen]


def _at(machine: Machine, reader: Account, address: str) -> Finding:
    try:
        listener = listener_at(machine, address)
        return _of_listener(listener) if listener else _free(machine, reader, address)
    except LogmetricsError as error:
        what, _, to_do = str(error).partition("; ")
        return problem(what, to_do or "give another with --listen or listen of the config")


def _of_listener(listener: Listener) -> Finding:
    holder = f"process {listener.holder[0]}: {listener.holder[1]}" if listener.holder else ""
    if listener.is_logmetrics:
        said = listener.health.body.decode("utf-8", "replace").strip()
        return ok(f"{listener.address}: logmetrics answers there ({said})" + (f"; {holder}" if holder else ""))
    if listener.health.status == 401 and "logmetrics" in holder:
        return ok(f"{listener.address}: logmetrics answers there, and wants a password; {holder}")
    if "logmetrics" in holder:
        why = listener.health.error or f"status {listener.health.status}"
        return problem(f"{listener.address}: logmetrics listens there and is not well ({why}); {holder}", "see its log")
    who = holder or "another program; root can see which"
    return problem(f"{listener.address} is in use by {who}", _elsewhere(listener))


def _elsewhere(listener: Listener) -> str:
    address = listener.address
    if listener.place.socket_file:
        return f"stop it, or listen elsewhere: --listen {address}.2, or listen of the config"
    host, _, port = address.rpartition(":")
    return f"stop it, or listen elsewhere: --listen {host}:{(int(port) + 1) % 65_536}, or listen of the config"


def _free(machine: Machine, reader: Account, address: str) -> Finding:
    family, where = resolve(address)
    if family == socket.AF_UNIX:
        return _free_socket(reader, address, str(where))
    first = machine.read("/proc/sys/net/ipv4/ip_unprivileged_port_start") or "1024"
    if where[1] and where[1] < int(first) and reader.uid != 0:
        to_do = "take a port above that, or for the unit AmbientCapabilities=CAP_NET_BIND_SERVICE and PrivateUsers=no"
        return problem(f"{address}: ports below {first.strip()} are not for {reader.name}", to_do)
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            if error.errno == errno.EACCES and reader.uid == 0 and machine.account.uid != 0:
                return unseen(address, error, "run logmetrics doctor as root")
            raise explain(address, family, error) from error
    return ok(f"{address} is free")


def _free_socket(reader: Account, address: str, path: str) -> Finding:
    directory = os.path.dirname(os.path.abspath(path))
    try:
        denied = obstacles(directory, reader, WRITE | SEARCH)
    except FileNotFoundError:
        return problem(f"{address}: there is no directory {directory}", f"install -d -o {reader.name} {directory}")
    if denied:
        to_do = f"chown {reader.name} {directory}, or RuntimeDirectory= of the unit and a path below it"
        return problem(f"{address}: {reader.name} may not make a socket in {directory}", to_do)
    if os.path.lexists(path) and not _is_socket(path):
        return problem(f"{address}: there is a file that is not a socket", "take another name, or move that file away")
    return ok(f"{address} is free")


def _is_socket(path: str) -> bool:
    return stat.S_ISSOCK(os.lstat(path).st_mode)
