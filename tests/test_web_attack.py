"""Hostile clients of the real daemon: scrapes answer within a second throughout, and memory stays bounded."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.daemon import Daemon, wait_until
from tests.web import Certificates, Drips, basic, hash_of, in_background, rss_bytes

pytestmark = pytest.mark.slow
SCRAPE_S_MAX = 1.0
GROWTH_BYTES_MAX = 32 * 1024 * 1024
SERIES = 2_000


class Scraper:
    """Scrapes as Prometheus does, each time over a new connection, and knows how long each took."""

    def __init__(self, daemon: Daemon, *, tls: ssl.SSLContext | None = None) -> None:
        self.daemon, self.tls = daemon, tls
        url = urlsplit(daemon.url)
        self.address = (str(url.hostname), int(url.port or 0))
        self.took_s: list[float] = []
        self.bytes = 0

    def scrape(self) -> None:
        began_s = time.perf_counter()
        headers = {"Authorization": basic(), "Accept-Encoding": "gzip"}
        connection = (
            http.client.HTTPConnection(*self.address, timeout=30)
            if self.tls is None
            else http.client.HTTPSConnection(*self.address, timeout=30, context=self.tls)
        )
        with closing(connection):
            connection.request("GET", "/metrics", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        assert answer.status == 200, body
        self.bytes = len(body)
        self.took_s.append(time.perf_counter() - began_s)

    def for_s(self, seconds: float) -> None:
        """Scrape four times a second for so long."""
        pause = threading.Event()
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.scrape()
            pause.wait(0.25)

    @property
    def worst_s(self) -> float:
        return max(self.took_s)


@contextmanager
def daemon(tmp_path: Path, *arguments: str) -> Iterator[Daemon]:
    """One over a log with many series that goes on growing."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / "agent.log").open("w") as log:
        for number in range(SERIES):
            record = {
                "event": "tool_call",
                "agent": f"a{number % 40}",
                "tool_name": f"t{number // 40}",
                "status": "success",
            }
            log.write(json.dumps(record) + "\n")
    with Daemon(str(logs), *arguments) as running:
        yield running


@contextmanager
def secured(tmp_path: Path) -> Iterator[tuple[Daemon, Scraper]]:
    certificates = Certificates(tmp_path)
    with daemon(tmp_path, "--web-config", str(certificates.web_config(users=True))) as running:
        running.context = certificates.client()
        running.wait_until_ready()
        yield running, Scraper(running, tls=running.context)


@contextmanager
def holds_out(running: Daemon, scraper: Scraper) -> Iterator[None]:
    """Whatever happens inside, scrapes were quick and memory did not grow."""
    scraper.for_s(1.0)
    before = rss_bytes(running.process.pid)
    scraper.took_s.clear()
    yield
    assert scraper.worst_s < SCRAPE_S_MAX, sorted(scraper.took_s)[-5:]
    assert rss_bytes(running.process.pid, peak=True) - before < GROWTH_BYTES_MAX
    assert [line for line in running.stderr if " http: " in line and "told once" not in line] == []


def test_two_hundred_slow_clients(tmp_path: Path) -> None:
    """Each sends one byte five times a second, and comes again when it is dropped."""
    with daemon(tmp_path) as running:
        running.wait_until_ready()
        scraper = Scraper(running)
        with (
            holds_out(running, scraper),
            Drips(scraper.address, 200, b"GET /metrics HTTP/1.1\r\nX-Drip: ", b"x") as drips,
        ):
            scraper.for_s(12.0)
            assert drips.ended > 200


def test_silent_and_slow_clients_of_tls(tmp_path: Path) -> None:
    """Fifty say nothing, and fifty send their hello byte by byte."""
    hello = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x").do_handshake()
    with (
        secured(tmp_path) as (running, scraper),
        holds_out(running, scraper),
        Drips(scraper.address, 50, b"", b"") as silent,
    ):
        scraper.for_s(8.0)
        with Drips(scraper.address, 50, hello.read(50), b"\0"):
            scraper.for_s(8.0)
        assert silent.ended > 50


def test_clients_that_take_no_answer(tmp_path: Path) -> None:
    """Sixty ask for all metrics, more than the kernel keeps for them, and read nothing."""

    def ask(stop: threading.Event) -> None:
        stop.wait(random.uniform(0, 4.0))  # else it would be a flood of requests, and not of slow clients
        while not stop.is_set():
            with suppress(OSError), socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(scraper.address)
                client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 20)
                stop.wait(4.0)

    with daemon(tmp_path) as running:
        running.wait_until_ready()
        scraper = Scraper(running)
        with holds_out(running, scraper), in_background(ask, 60):
            scraper.for_s(8.0)


def test_ten_thousand_requests_of_nonsense(tmp_path: Path) -> None:
    """Random bytes, random headers, and headers without end."""
    left = iter(range(10_000))
    lock = threading.Lock()

    def attack(stop: threading.Event) -> None:
        draw = random.Random(threading.get_ident())
        while not stop.is_set():
            with lock:
                number = next(left, None)
            if number is None:
                return
            noise = draw.randbytes(draw.randrange(1, 600))
            data = (
                noise,
                b"GET /" + noise.replace(b"\n", b"") + b" HTTP/1.1\r\n\r\n",
                b"GET /metrics HTTP/1.1\r\n" + noise + b"\r\n\r\n",
                b"GET /metrics HTTP/1.1\r\nX: " + noise * 100,
                b"GET /" + b"x" * 20_000,
            )[number % 5]
            with suppress(OSError), socket.create_connection(scraper.address, timeout=10) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

    with daemon(tmp_path) as running:
        running.wait_until_ready()
        scraper = Scraper(running)
        with holds_out(running, scraper), in_background(attack, 8):
            while left.__length_hint__():
                scraper.for_s(1.0)


def test_flood_of_wrong_passwords(tmp_path: Path) -> None:
    """Thirty clients try passwords as fast as they can, each of which costs the server a bcrypt check."""
    web = tmp_path / "web.yaml"
    web.write_text(f"basic_auth_users:\n  prom: {hash_of(cost=10)}\n")
    tried: list[int] = []

    def guess(stop: threading.Event) -> None:
        while not stop.is_set():
            with suppress(OSError), closing(http.client.HTTPConnection(*scraper.address, timeout=30)) as client:
                client.request("GET", "/metrics", headers={"Authorization": basic(password=os.urandom(8).hex())})
                tried.append(client.getresponse().status)

    with daemon(tmp_path, "--web-config", str(web)) as running:
        wait_until(lambda: running.get("/readyz")[0] == 200)
        scraper = Scraper(running)
        with holds_out(running, scraper), in_background(guess, 30):
            scraper.for_s(8.0)
        assert set(tried) == {401, 429}
