"""The addresses to listen on: free, in use by logmetrics itself, or by somebody else."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass, replace

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen
from logmetrics.doctor.loopback import Reply, get
from logmetrics.doctor.machine import Account, Machine
from logmetrics.doctor.permissions import SEARCH, WRITE, obstacles
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.units import find_unit
from logmetrics.errors import LogmetricsError
from logmetrics.serve.addresses import beside, explain, is_local, resolve, shown
from logmetrics.serve.client import Endpoint
from logmetrics.serve.holder import Holder, holder_of


@dataclass(frozen=True, slots=True)
class Listener:
    """Who answers at one of the addresses: ``health`` is what /healthz said, ``holder`` who it seems to be."""

    address: str
    endpoint: Endpoint
    health: Reply
    holder: Holder | None
    # systemd listens there, and starts logmetrics when somebody connects; so nobody was asked.
    is_activated: bool = False

    @property
    def is_logmetrics(self) -> bool:
        """A command can be hidden, and others have a /healthz, too; one of the two must tell."""
        if self.wants_certificate:
            return self.is_held_by_logmetrics
        by_answer = self.health.status == 200 and self.health.body.startswith(b"ok")
        return by_answer and (self.is_held_by_logmetrics or _has_our_page(self.endpoint))

    @property
    def is_held_by_logmetrics(self) -> bool:
        """Whether the holder is known, and is one."""
        return self.holder is not None and self.holder.is_logmetrics

    @property
    def wants_certificate(self) -> bool:
        """Of the client: then there is no answer, and that is as it was asked for."""
        error = self.health.error.lower().replace("_", " ")
        return "certificate required" in error or "handshake failure" in error


def _has_our_page(endpoint: Endpoint) -> bool:
    page = get(endpoint, "/")
    return page.status == 401 or b"logmetrics" in page.body


def listener_at(machine: Machine, unit_name: str, address: str) -> Listener | None:
    """Who listens at *address*, as far as it can be told; None when nobody does. Raises LogmetricsError."""
    family, where = resolve(address)
    holder = holder_of(family, where)
    if family == socket.AF_UNIX:
        endpoint = Endpoint(socket_file=str(where))
    else:
        host, port = where[:2]
        endpoint = Endpoint({"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104
    if holder and not holder.is_logmetrics and find_unit(machine, _socket_of(unit_name)) is not None:
        return Listener(address, endpoint, Reply(), holder, is_activated=True)
    health = get(endpoint, "/healthz") if endpoint.socket_file or (endpoint.port and _accepts(endpoint)) else None
    if health is None or not (health.status or holder or not endpoint.socket_file):
        return None
    if health.status in (0, 400) and not endpoint.socket_file:  # TLS?
        safe = replace(endpoint, is_tls=True)
        encrypted = get(safe, "/healthz")
        found = Listener(address, safe, encrypted, holder)
        if encrypted.status or found.wants_certificate:
            return found
    return Listener(address, endpoint, health, holder)


def _socket_of(unit_name: str) -> str:
    return unit_name.removesuffix(".service") + ".socket"


def _accepts(endpoint: Endpoint) -> bool:
    with suppress(OSError):
        socket.create_connection((endpoint.host, endpoint.port), timeout=1.0).close()
        return True
    return False


def ports(machine: Machine, setup: Setup) -> list[Finding]:
    """Whether each address can be had by the user who runs it."""
    found = [_at(machine, setup, address) for address in setup.listen]
    if setup.web_config is None and any(map(_is_open, setup.listen)):
        what = "other machines reach it, and nobody is asked for a password"
        found.append(note(what, "--web-config brings TLS and passwords; else listen on 127.0.0.1"))
    return found


def _is_open(address: str) -> bool:
    """Whether more than this machine reaches it."""
    try:
        family, where = resolve(address)
        return family != socket.AF_UNIX and not (where[0] and is_local(shown(family, where)))
    except LogmetricsError:
        return False


def _at(machine: Machine, setup: Setup, address: str) -> Finding:
    try:
        listener = listener_at(machine, setup.asked.unit, address)
        return _of_listener(setup, listener) if listener else _free(machine, setup.reader, address)
    except LogmetricsError as error:
        what, _, to_do = str(error).partition("; ")
        return problem(what, to_do or "give another with --listen or listen of the config")


def _of_listener(setup: Setup, listener: Listener) -> Finding:
    holder, address, health = str(listener.holder or ""), listener.address, listener.health
    if listener.is_activated:
        return ok(f"{address}: systemd listens there for {_socket_of(setup.asked.unit)} ({holder})")
    if listener.wants_certificate and listener.is_logmetrics:
        return ok(f"{address}: logmetrics answers there, to those who have a certificate: {holder}")
    if listener.is_logmetrics:
        said = health.body.decode("utf-8", "replace").strip()
        return ok(f"{address}: logmetrics answers there: {', '.join(filter(None, (said, holder)))}")
    if listener.is_held_by_logmetrics:
        why = health.error or f"status {health.status}"
        return problem(f"{address}: logmetrics listens there and is not well: {why}, {holder}", "see its log")
    to_do = f"stop it, or listen elsewhere: --listen {beside(address)}, or listen of the config"
    return problem(f"{address} is in use by {holder or 'another program; root can see which'}", to_do)


def _free(machine: Machine, reader: Account, address: str) -> Finding:
    family, where = resolve(address)
    if family == socket.AF_UNIX:
        return _free_socket(reader, address, str(where))
    first = machine.read("/proc/sys/net/ipv4/ip_unprivileged_port_start") or "1024"
    if where[1] and where[1] < int(first) and reader.uid != 0:
        to_do = "take a port above that, or for the unit AmbientCapabilities=CAP_NET_BIND_SERVICE and PrivateUsers=no"
        return problem(f"{address}: ports below {first.strip()} are not for user {reader.name}", to_do)
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
        return problem(f"{address}: user {reader.name} may not make a socket in {directory}", to_do)
    if os.path.lexists(path) and not _is_socket(path):
        return problem(f"{address}: there is a file that is not a socket", "take another name, or move that file away")
    return ok(f"{address} is free")


def _is_socket(path: str) -> bool:
    return stat.S_ISSOCK(os.lstat(path).st_mode)
