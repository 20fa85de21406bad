"""Certificates, web config files and hostile clients for the tests of what is served."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType

import bcrypt
import trustme

PASSWORD = "correct horse"


@cache
def hash_of(password: str = PASSWORD, cost: int = 4) -> str:
    """A hash that costs next to nothing, unless asked for more."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def basic(user: str = "prom", password: str = PASSWORD) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Certificates:
    """A CA of its own in *directory*, with ``server.pem`` and ``server.key`` for 127.0.0.1 and localhost."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = trustme.CA()
        self.ca.cert_pem.write_to_path(str(directory / "ca.pem"))
        self.renew()

    def renew(self) -> None:
        """Another certificate and key of the same CA."""
        certificate, key = self.issue("127.0.0.1", "localhost")
        os.replace(certificate, self.directory / "server.pem")
        os.replace(key, self.directory / "server.key")

    def issue(self, *names: str, ca: trustme.CA | None = None) -> tuple[Path, Path]:
        """Certificate and key for *names*, in files of their own."""
        issued = (ca or self.ca).issue_cert(*names)
        certificate, key = self.directory / f"{names[0]}.pem", self.directory / f"{names[0]}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        key.chmod(0o600)
        return certificate, key

    def client(self, *chain: Path) -> ssl.SSLContext:
        """What a client that trusts the CA connects with; *chain* is its own certificate and key, if any."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        if chain:
            context.load_cert_chain(*chain)
        return context

    def web_config(self, tls: str = "", users: bool = False, **more: str) -> Path:
        """A web config file with *tls* added to the section of that name."""
        text = f"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{tls}"
        if users:
            text += f"basic_auth_users:\n  prom: {hash_of()}\n"
        path = self.directory / "web.yaml"
        path.write_text(text + "".join(f"{key}: {value}\n" for key, value in more.items()))
        return path


class Drips:
    """Many clients that each send one byte now and then, and come again as soon as they are dropped.

    ``begin`` is what each sends at first; ``ended`` counts those that the server dropped.
    """

    def __init__(self, address: tuple[str, int], clients: int, begin: bytes, byte: bytes, every_s: float = 0.2) -> None:
        self.ended = 0
        self._address, self._clients, self._begin, self._byte, self._every_s = address, clients, begin, byte, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        # Each client, and what it sends next.
        open_: dict[socket.socket, bytes] = {}
        try:
            while not self._stop.wait(self._every_s):
                while len(open_) < self._clients:
                    client = socket.socket()
                    client.setblocking(False)
                    client.connect_ex(self._address)
                    open_[client] = self._begin + self._byte
                for client in list(open_):
                    with suppress(OSError):
                        client.send(open_[client])
                        open_[client] = self._byte
                    if _has_ended(client):
                        self.ended += 1
                        client.close()
                        del open_[client]
        finally:
            for client in open_:
                client.close()

    def __enter__(self) -> Drips:
        self._thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()


def _has_ended(client: socket.socket) -> bool:
    try:
        return not client.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextmanager
def in_background(work: Callable[[threading.Event], None], threads: int) -> Iterator[None]:
    """Run *work* in several threads until the block is over."""
    stop = threading.Event()
    running = [threading.Thread(target=work, args=(stop,)) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join()


def rss_bytes(pid: int, peak: bool = False) -> int:
    """Memory of a process that is in RAM; the most that it ever had with *peak*."""
    name = "VmHWM" if peak else "VmRSS"
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name))) * 1024
