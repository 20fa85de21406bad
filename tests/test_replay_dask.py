"""--dask: workers in processes of their own give what one process gives, byte for byte, whatever becomes of them."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import zstandard
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.cli.options import resolve_config
from logmetrics.errors import ReplayError, UsageError
from logmetrics.replay.cluster import DaskCluster
from logmetrics.replay.run import Reading, job_of, logs_of
from logmetrics.replay.span import Job
from tests.daemon import free_port, wait_until

ROOT = Path(__file__).parent.parent
LOGS = ROOT / "examples" / "logs"
# A worker that finds $HOLD/hold writes its own id there when it gets work, and then waits for the end.
HOLD = """
import os, threading
import logmetrics.replay.cluster as cluster
from logmetrics.replay.pool import read_batch as read

def held(reader, batch):
    place = os.environ["HOLD"]
    if os.path.exists(place + "/hold"):
        with open(place + "/held", "w") as file:
            file.write(str(os.getpid()))
        os.remove(place + "/hold")
        threading.Event().wait()
    return read(reader, batch)

cluster.read_batch = held
"""


class Cluster:
    """A scheduler and workers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start("scheduler", "--port", self.address.rpartition(":")[2], "--no-dashboard")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOLD": str(self.directory)}
        environment |= {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(self.directory / "hold.py")}
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"]
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def worker(self) -> None:
        """One without a nanny: nobody starts it again."""
        self.start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")

    def __enter__(self) -> Cluster:
        (self.directory / "hold.py").write_text(HOLD)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.worker()
        made.worker()
        wait_until(lambda: "2" in workers_of(made.address), timeout_s=60)
        yield made


def workers_of(address: str) -> str:
    """How many workers a scheduler has; empty while it does not answer."""
    code = "import sys, distributed; print(len(distributed.Client(sys.argv[1], timeout='10s').nthreads()))"
    done = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, check=False)
    return done.stdout


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain and compressed ones."""
    directory = tmp_path_factory.mktemp("logs")
    shutil.copytree(LOGS, directory, dirs_exist_ok=True)
    data = (LOGS / "agents" / "coder.log").read_bytes()
    (directory / "app.log").write_bytes(data)
    (directory / "app.log.1").write_bytes(data)
    (directory / "app.log.2.gz").write_bytes(gzip.compress(data))
    (directory / "app.log.3.zst").write_bytes(zstandard.compress(data))
    return directory


def command_of(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "logmetrics", "replay", *map(str, arguments)]


def replay(*arguments: str | Path, cwd: Path = ROOT) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command_of(*arguments), capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    return done.returncode, done.stdout, done.stderr


def result(directory: Path, *arguments: str | Path, cwd: Path = ROOT) -> dict[str, str]:
    """Totals and OpenMetrics files."""
    options = ["--openmetrics", directory, "--label", "job=j", "--label", "instance=i"]
    code, out, told = replay(*arguments, *options, "--totals", "--format", "prometheus", cwd=cwd)
    assert code == 0, told
    assert told.count("\n") == 2, told  # what was written and where, and nothing of Dask's
    assert "logmetrics_source_lines_total" in out
    return {"totals": out, **{path.name: path.read_text() for path in directory.iterdir()}}


def totals(path: str | Path) -> str:
    """Those of *path*, without a process of its own."""
    done = CliRunner().invoke(app, ["replay", str(path), "--format", "prometheus"])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_cluster_gives_what_one_process_gives(cluster: Cluster, logs: Path, tmp_path: Path) -> None:
    """Files of any kind, by a path that only means something in our own directory, and by URL."""
    expected = result(tmp_path / "local", logs)
    assert len(expected) > 1
    assert result(tmp_path / "dask", ".", "--dask", cluster.address, cwd=logs) == expected
    assert result(tmp_path / "url", f"file://{logs}", "--dask", cluster.address) == expected


@pytest.mark.parametrize("path", ["app.*", "*.zst", "**/*.log", "app.log", "agents/"])
def test_urls_mean_what_paths_mean(logs: Path, path: str) -> None:
    """A glob and a file what they name, a directory everything."""
    assert totals(f"file://{logs}/{path}") == totals(logs / path)


def test_a_worker_that_is_killed_changes_nothing(cluster: Cluster, logs: Path, tmp_path: Path) -> None:
    """What it was at is done again by another."""
    expected = result(tmp_path / "local", logs)
    held = cluster.directory / "held"

    def kill() -> None:
        wait_until(lambda: held.exists() and held.read_text() != "", timeout_s=60)
        os.kill(int(held.read_text()), signal.SIGKILL)
        cluster.worker()

    (cluster.directory / "hold").touch()
    killer = threading.Thread(target=kill)
    killer.start()
    assert result(tmp_path / "dask", logs, "--dask", cluster.address) == expected
    killer.join()
    held.unlink()


def test_ctrl_c_ends_it(cluster: Cluster, logs: Path) -> None:
    """At once and without a word."""
    held = cluster.directory / "held"
    (cluster.directory / "hold").touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = command_of(logs, "--dask", cluster.address)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    wait_until(lambda: held.exists() and held.read_text() != "", timeout_s=60)
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=30)
    os.kill(int(held.read_text()), signal.SIGKILL)
    assert (process.returncode, out, told) == (130, b"", b"")


def job() -> Job:
    reading = Reading(resolve_config([str(LOGS)], None, ["agent"]))
    return job_of(reading, logs_of(reading), 0)


def test_no_workers(tmp_path: Path) -> None:
    """The message says how to start some."""
    with Cluster(tmp_path) as empty:
        wait_until(lambda: "0" in workers_of(empty.address), timeout_s=60)
        code, out, told = replay(LOGS, "--dask", empty.address)
    assert (code, out) == (1, "")
    what = f"logmetrics: the Dask scheduler at {empty.address} has no workers"
    assert told == f"{what}; start some: dask worker {empty.address}\n"


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "tls://127.0.0.1:1"])
def test_an_address_that_is_none(address: str) -> None:
    """All that can be wrong with one is told in one line."""
    with pytest.raises(ReplayError, match=f"no Dask scheduler at {address}: "):
        DaskCluster(job(), address)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it wait for ever."""
    monkeypatch.setattr("logmetrics.replay.cluster._ANSWER_S", 1)
    with pytest.raises(ReplayError, match=r"no Dask scheduler at .* is it running"):
        DaskCluster(job(), f"tcp://127.0.0.1:{free_port()}")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    imported = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name in ("distributed", "fsspec"):
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"--dask needs the extra: pip install 'logmetrics\[dask\]'"):
        DaskCluster(job(), "tcp://127.0.0.1:8786")
    with pytest.raises(UsageError, match=r"URLs need the extra: pip install 'logmetrics\[dask\]'"):
        logs_of(Reading(resolve_config(["s3://bucket/a.log"], None, None)))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web(directory: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_web(logs: Path, tmp_path: Path) -> None:
    """Files that a web server has, compressed too; this one gives only all of a file. A page that is not there."""
    data = (LOGS / "agents" / "planner.log").read_bytes() * 15  # more than is fetched at a time
    (tmp_path / "large.log").write_bytes(data)
    shutil.copy(logs / "app.log.2.gz", tmp_path)
    with web(tmp_path) as url:
        for name in ("large.log", "app.log.2.gz"):
            assert totals(f"{url}/{name}") == totals(tmp_path / name)
        with pytest.raises(UsageError, match=f"nothing is there: {url}/nothing.log"):
            totals(f"{url}/nothing.log")
