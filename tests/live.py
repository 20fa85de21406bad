"""A real Prometheus that scrapes a target of ours, and can be stopped and started again over the same data."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

import pytest

from logmetrics.errors import ReplayError
from logmetrics.replay.targets.prometheus_api import PrometheusApi
from tests.daemon import free_port, wait_until
from tests.history import TARGET

CONFIG = """
global: {{scrape_interval: 500ms}}
storage: {{tsdb: {{out_of_order_time_window: {out_of_order}}}}}
scrape_configs:
- job_name: {job}
  static_configs: [{{targets: ['{target}'], labels: {{instance: '{instance}'}}}}]
"""


def tool(name: str) -> str:
    """The path of a program that Debian's package has."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing; make test installs Debian's package")
    return found


class Live:
    """The server, and a target with one counter for each of *agents* that goes up by one with each scrape."""

    def __init__(
        self, directory: Path, *, agents: int = 1, out_of_order: str = "0s", flags: tuple[str, ...] = ()
    ) -> None:
        self.data, self.flags = directory / "tsdb", flags
        self._directory = directory
        self._agents, self._out_of_order = agents, out_of_order
        self.url = f"http://127.0.0.1:{free_port()}"
        self.api = PrometheusApi(self.url)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Live:
        scrapes, agents = iter(range(10**9)), self._agents

        class Target(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                count = next(scrapes)
                lines = [f'calls_total{{agent="agent \\"{agent}\\""}} {count}' for agent in range(agents)]
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(("# TYPE calls_total counter\n" + "\n".join(lines) + "\n").encode())

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A Prometheus that is stopped hangs up on us."""

        self._target = Server(("127.0.0.1", 0), Target)
        threading.Thread(target=self._target.serve_forever, daemon=True).start()
        self.start()
        return self

    def start(self) -> None:
        """Run Prometheus, until it answers."""
        labels = dict(TARGET)
        target = f"127.0.0.1:{self._target.server_port}"
        config = self._directory / "prometheus.yml"
        config.write_text(
            CONFIG.format(
                out_of_order=self._out_of_order, job=labels["job"], target=target, instance=labels["instance"]
            )
        )
        self._process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={self.data}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                *self.flags,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def answers() -> bool:
            try:
                return bool(self.api.query("vector(1)", 0))
            except ReplayError:
                return False

        wait_until(answers)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def restart(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """New blocks are seen at once then, and not within a minute; what the head has in them is gone."""
        self.stop()
        meanwhile()
        self.start()

    def value(self, promql: str, at_s: float) -> float:
        """The one value that *promql* has."""
        [entry] = self.api.query(promql, at_s)
        return float(entry["value"][1])

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        self._target.shutdown()
        self._target.server_close()
