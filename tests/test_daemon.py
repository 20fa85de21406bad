"""The running daemon as a user and a scraper meet it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from tests.daemon import ROOT, Daemon, wait_until
from tests.world import LINES_CONFIG, World


def call(number: int, agent: str = "a") -> str:
    return json.dumps({"event": "tool_call", "agent": agent, "tool_name": "t", "status": "ok", "n": number}) + "\n"


def run(*arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logmetrics", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=timeout_s)


@pytest.mark.parametrize("flags", [(), ("--no-watchdog",)], ids=["watchdog", "polling"])
def test_line_is_in_the_next_scrape(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """What was written before a scrape began is in it, with and without file notification; new files soon are."""
    log = tmp_path / "a.log"
    log.write_text(call(0))
    with Daemon(str(tmp_path), *flags) as daemon:
        for number in range(1, 20):
            with log.open("a") as file:
                file.write(call(number))
            assert daemon.total("agent_tool_calls_total") == number + 1
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "b.log").write_text(call(0, "b"))
        wait_until(lambda: daemon.total("agent_tool_calls_total", agent="b") == 1)


def test_writer_with_rotation_and_truncation(tmp_path: Path) -> None:
    """50,000 lines in 20 files, renamed and truncated at quiet moments, are counted to the last one."""
    config = tmp_path / "config.yaml"
    logs = tmp_path / "logs"
    logs.mkdir()
    config.write_text(
        f"sources: [{{name: logs, paths: ['{logs}'], format: json}}]\npoll_interval: 100ms" + LINES_CONFIG
    )
    written = 0
    with Daemon("--config", str(config)) as daemon:
        for turn in range(50):
            for name in range(20):
                with (logs / f"{name}.log").open("a") as file:
                    for number in range(50):
                        file.write(json.dumps({"n": str(number), "pad": "x" * (number * 7 % 300)}) + "\n")
                written += 50
            # On a busy machine a scrape may not wait for all that was written just before.
            wait_until(lambda lines=written: daemon.total("lines_total") >= lines)
            assert daemon.total("lines_total") == written
            if turn % 10 == 4:  # a quiet moment: everything has been read
                for name in range(0, 20, 2):
                    os.rename(logs / f"{name}.log", logs / f"{name}.log.{turn}")
            if turn % 10 == 9:
                for name in range(1, 20, 2):
                    os.truncate(logs / f"{name}.log", 0)
                wait_until(lambda expected=10 * (turn // 10 + 1): truncations(daemon) == expected)
                assert daemon.total("lines_total") == written

    assert written == 50_000


def truncations(daemon: Daemon) -> float:
    return daemon.total("logmetrics_source_truncations_total")


def test_pages(tmp_path: Path) -> None:
    """/metrics in both formats, health, the page at /, and what is not there."""
    (tmp_path / "a.log").write_text(call(1))
    with Daemon(str(tmp_path)) as daemon:
        daemon.wait_until_ready()
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.get("/-/healthy") == (200, "ok\n")
        assert daemon.get("/-/ready")[0] == 200
        assert daemon.get("/nothing")[0] == 404
        status, page = daemon.get("/")
        assert (status, "/metrics" in page, str(tmp_path) in page) == (200, True, True)
        status, text = daemon.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
        names = {family.name for family in parse_openmetrics(text)}
        assert status == 200
        assert {"agent_tool_calls", "process_resident_memory_bytes", "logmetrics_commits"} <= names


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(tmp_path: Path, with_signal: signal.Signals) -> None:
    """Exit code 0, and no word about it."""
    (tmp_path / "a.log").write_text(call(1))
    with Daemon(str(tmp_path)) as daemon:
        daemon.wait_until_ready()
        assert daemon.stop(with_signal) == 0
        assert [line for line in daemon.stderr if "metrics at" not in line and ": agent" not in line] == []


def test_signal_during_a_large_backlog(tmp_path: Path) -> None:
    """It ends soon although there is much to read."""
    with (tmp_path / "a.log").open("w") as file:
        file.write(call(1) * 2_000_000)
    with Daemon(str(tmp_path)) as daemon:
        assert daemon.get("/metrics")[0] == 503
        assert daemon.get("/readyz")[0] == 503
        assert daemon.stop() == 0


def test_catching_up_is_told(tmp_path: Path) -> None:
    """Until what was there is read: 503 with Retry-After and how far it is, on the page too."""
    with (tmp_path / "a.log").open("w") as file:
        file.write(call(1) * 2_000_000)
    with Daemon(str(tmp_path)) as daemon:
        status, body = daemon.get("/metrics")
        assert status == 503
        assert re.fullmatch(r"not ready: reading what was there at the start: \d+%, [\d,]+ lines\n", body)
        request = urllib.request.Request(daemon.url + "/readyz")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        with caught.value as answer:
            assert int(answer.headers["Retry-After"]) > 0
        wait_until(lambda: "Reading what was there: " in daemon.get("/")[1])
        assert daemon.get("/healthz") == (200, "ok\n")


def test_serve_early(tmp_path: Path) -> None:
    """Metrics are served while what was there is still being read."""
    with (tmp_path / "a.log").open("w") as file:
        file.write(call(1) * 1_000_000)
    with Daemon(str(tmp_path), "--serve-early") as daemon:
        first = daemon.total("agent_tool_calls_total")
        assert first < 1_000_000
        wait_until(lambda: daemon.total("agent_tool_calls_total") == 1_000_000)


def test_stop_under_load_saves_what_was_read(tmp_path: Path) -> None:
    """SIGTERM in the middle of a backlog ends it within five seconds, and the next run goes on from there."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / "a.log").open("w") as file:
        file.write(call(1) * 1_500_000)
    arguments = (str(logs), "--state-dir", str(tmp_path / "state"))
    with Daemon(*arguments) as daemon:
        wait_until(lambda: "0 lines" not in daemon.get("/metrics")[1])
        started_s = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - started_s < 5
    with Daemon(*arguments) as daemon:
        daemon.wait_for_message("going on where")
        assert daemon.total("agent_tool_calls_total") == 1_500_000
        assert daemon.total("logmetrics_source_lines_total") == 1_500_000


def test_port_in_use(tmp_path: Path) -> None:
    """One line that names the port and the way out; exit code 1."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = run("watch", str(tmp_path), "--listen", f"127.0.0.1:{port}")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--listen" in done.stderr


def test_bad_input_does_not_stop_the_rest(tmp_path: Path) -> None:
    """A binary file, a 100 MB line, deep JSON, NULs, a FIFO and an empty directory; the good lines count."""
    (tmp_path / "binary.log").write_bytes(bytes(range(256)) * 4000)
    with (tmp_path / "long.log").open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + call(1).encode())
    (tmp_path / "deep.log").write_text('{"event":' + "[" * 200_000 + "\n" + call(2))
    (tmp_path / "nul.log").write_bytes(b"\0" * 100_000 + call(3).encode() + b"\0\n")
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.log").write_text(call(4))
    done = run("watch", str(tmp_path), "--once")

    assert done.returncode == 0
    assert all(line.startswith(f"logmetrics: {tmp_path}/") for line in done.stderr.splitlines())
    assert 'agent_tool_calls_total{agent="a",tool_name="t",status="success"} 4' in done.stdout
    assert 'logmetrics_source_oversize_lines_total{source="logs"} 1' in done.stdout
    assert 'logmetrics_source_unparsable_lines_total{source="logs"} 1' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("watch", "/no/such/dir", "--once"), 2, "no such file or directory: /no/such/dir"),
        (("replay", "/no/*.log"), 2, "no file matches /no/*.log"),
        (("watch",), 2, "nothing to read"),
        (("watch", ".", "--pack", "agnet", "--once"), 2, "did you mean 'agent'?"),
        (("watch", ".", "--from", "middle"), 2, "--from is start or end"),
        (("watch", ".", "--listen", "nonsense"), 2, "nonsense"),
        (("watch", ".", "--once", "--reset-state"), 2, "--state-dir"),
        (("watch", "--config", "/no/config.yaml"), 2, "/no/config.yaml: cannot be read"),
        (("watch", "--config", "tests/config_bad/misspelt_key.yaml"), 2, "did you mean 'labels'?"),
        (("packs", "olama"), 2, "did you mean 'ollama'?"),
        (("replay", ".", "--format", "xml"), 2, "--format is one of"),
        (("wach",), 2, "watch"),
    ],
)
def test_wrong_usage_is_explained(arguments: tuple[str, ...], code: int, words: str) -> None:
    """A clear message on stderr, nothing on stdout, no traceback, the exit code that was promised."""
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_directory_is_awaited(tmp_path: Path) -> None:
    """watch says that it waits, and reads the files when they come."""
    with Daemon(str(tmp_path / "later")) as daemon:
        daemon.wait_for_message("later: No such file or directory")
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "a.log").write_text(call(1))
        wait_until(lambda: daemon.total("agent_tool_calls_total") == 1)


def test_later_logs_are_told_of(tmp_path: Path) -> None:
    """What they were taken for, once; those of a moment together."""
    world = World(tmp_path, "packs: [agent]\n")
    world.engine.caught_up = True
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(call(3))
        for _ in range(3):
            world.poll(30)
            world.engine._reached_the_end()
    world.close()

    told = [message for message in world.messages if ".log: " in message]
    assert [message.split("/")[-1].partition(";")[0] for message in told] == ["a.log: agent", "b.log: agent"]


@pytest.mark.parametrize("command", ["watch examples/logs --once", "check examples/logs", "doctor"])
def test_broken_pipe_is_no_error(command: str) -> None:
    """`logmetrics packs ollama | head -1` ends quietly, and so does what writes by rich."""
    command = f"{sys.executable} -u -m logmetrics {command} | sleep 0"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=60
    )

    assert done.returncode == 0
    assert "rror" not in done.stderr
    assert "Traceback" not in done.stderr


def test_help_imports_nothing_heavy() -> None:
    """--help is quick because what is heavy is imported by the command that needs it."""
    command = [sys.executable, "-X", "importtime", "-m", "logmetrics", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert done.returncode == 0
    assert not imported & {"pydantic", "yaml", "prometheus_client", "watchdog.events", "msgspec", "orjson", "re2"}


def test_idle_daemon_is_small_and_quiet() -> None:
    """Over the example logs it stays under 60 MB, and does not keep a processor busy."""
    with Daemon("examples/logs") as daemon:
        before = daemon.scrape()
        threading.Event().wait(1.5)  # what it does when nobody asks is what is measured
        after = daemon.scrape()

    cpu, rss = ("process_cpu_seconds_total", frozenset[tuple[str, str]]()), "process_resident_memory_bytes"
    assert before["agent_active_count", frozenset({("agent_type", "coding")})] == 1
    assert after[rss, frozenset()] < 60 * 1024 * 1024
    assert after[cpu] - before[cpu] < 0.3  # a loop that never sleeps would take all of the 1.5 seconds
