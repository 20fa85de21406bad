"""Real servers that take samples or pass them on, as processes of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import free_port, wait_until

OUT_OF_ORDER = "storage: {tsdb: {out_of_order_time_window: 48h}}\n"


@contextmanager
def prometheus(directory: Path, config: str = OUT_OF_ORDER, *, receiver: bool = True) -> Iterator[str]:
    """A Prometheus that takes remote write, and scrapes what *config* says; gives its URL."""
    path = directory / "prometheus.yml"
    path.write_text(config)
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        f"--config.file={path}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    if receiver:
        arguments.append("--web.enable-remote-write-receiver")
    with _server("prometheus", arguments, f"http://{address}/-/ready"):
        yield f"http://{address}"


@contextmanager
def victoria(directory: Path, retention: str = "1") -> Iterator[str]:
    """A VictoriaMetrics; gives its URL."""
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        f"-storageDataPath={directory / 'victoria'}",
        f"-httpListenAddr={address}",
        f"-retentionPeriod={retention}",
    ]
    with _server("victoria-metrics", arguments, f"http://{address}/health"):
        yield f"http://{address}"


@contextmanager
def pushgateway(*arguments: str) -> Iterator[str]:
    """A Pushgateway that keeps nothing; gives its URL."""
    address = f"127.0.0.1:{free_port()}"
    # Debian's would write into /var/lib/prometheus.
    arguments = (f"--web.listen-address={address}", "--persistence.file=", *arguments)
    with _server("prometheus-pushgateway", list(arguments), f"http://{address}/-/ready"):
        yield f"http://{address}"


@contextmanager
def node_exporter(textfiles: Path) -> Iterator[str]:
    """A node_exporter with nothing but the textfile collector; gives its URL."""
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        f"--web.listen-address={address}",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={textfiles}",
    ]
    with _server("prometheus-node-exporter", arguments, f"http://{address}/"):
        yield f"http://{address}"


@contextmanager
def _server(name: str, arguments: list[str], ready: str) -> Iterator[None]:
    binary = shutil.which(name)
    if binary is None:
        pytest.fail(f"{name} is missing; make test installs Debian's package")
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None, f"{name} ended"
        try:
            with urllib.request.urlopen(ready) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(answers)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def query(url: str, expression: str, at_s: float) -> list[dict[str, Any]]:
    """The vector that an instant query gives."""
    fields = urllib.parse.urlencode({"query": expression, "time": at_s, "nocache": 1})
    with urllib.request.urlopen(f"{url}/api/v1/query?{fields}") as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result
