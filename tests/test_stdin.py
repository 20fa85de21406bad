"""`... | logmetrics watch -`: what comes through a pipe, in any pieces, and after its end."""

from __future__ import annotations

import gzip
import os
import pty
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.records import Records
from tests.daemon import ROOT, Daemon, wait_until

DATA = Path(__file__).parent / "data"
LINE = '{"event": "tool_call", "agent": "a", "tool_name": "t", "status": "success"}'


def watch_once(text: bytes, *arguments: str) -> str:
    """What `watch - --once` prints."""
    command = [sys.executable, "-m", "logmetrics", "watch", "-", "--once", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def samples(text: str) -> dict[str, float]:
    """All samples, without what only files or only pipes have."""
    lines = [line for line in text.splitlines() if not line.startswith(("#", "logmetrics_source_files"))]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@contextmanager
def piped(*arguments: str) -> Iterator[tuple[Daemon, int]]:
    """A daemon that reads from the other end of a pipe."""
    read_fd, write_fd = os.pipe()
    stdin = os.dup(0)
    os.dup2(read_fd, 0)
    os.close(read_fd)
    try:
        daemon = Daemon("-", *arguments)
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
    try:
        with daemon:
            yield daemon, write_fd
    finally:
        os.close(write_fd)


def test_a_pipe_gives_what_a_file_gives(tmp_path: Path) -> None:
    """All self-metrics included; the last line counts without its newline."""
    log = tmp_path / "a.log"
    text = (LINE + "\nnonsense\n" + LINE + "\n").encode()
    log.write_bytes(text)
    command = [sys.executable, "-m", "logmetrics", "watch", str(log), "--once"]
    of_file = subprocess.run(command, capture_output=True, cwd=ROOT, check=True).stdout.decode()
    expected = {
        name: value
        for name, value in samples(of_file.replace('source="logs"', 'source="stdin"')).items()
        if "decisions" not in name
    }
    assert expected['agent_tool_calls_total{agent="a",tool_name="t",status="success"}'] == 2
    assert samples(watch_once(text)) == expected
    name = 'logmetrics_source_bytes_total{source="stdin"}'
    assert samples(watch_once(text[:-1])) == {**expected, name: expected[name] - 1}


def test_lines_count_as_they_come() -> None:
    """A slow writer, half a line, an end without a newline; then it goes on serving, and says so."""
    with piped() as (daemon, pipe):
        daemon.wait_until_ready()
        for number in range(1, 4):
            os.write(pipe, (LINE + "\n").encode())
            wait_until(lambda number=number: daemon.total("agent_tool_calls_total") == number)  # type: ignore[misc]
        os.write(pipe, LINE[:20].encode())
        assert daemon.total("agent_tool_calls_total") == 3
        assert daemon.total("logmetrics_source_files", source="stdin") == 1
        os.write(pipe, LINE[20:].encode())
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, pipe)  # the end of the pipe
        os.close(null)
        daemon.wait_for_message("standard input has ended; what was counted stays, until a signal ends this")
        assert daemon.total("agent_tool_calls_total") == 4
        assert daemon.total("logmetrics_source_files", source="stdin") == 0
        assert daemon.stop() == 0


def test_files_beside_it_go_on(tmp_path: Path) -> None:
    """`watch - PATH` reads both, and the file after the pipe's end."""
    log = tmp_path / "a.log"
    log.write_text(LINE + "\n")
    with piped(str(log)) as (daemon, pipe):
        os.write(pipe, (LINE + "\n").encode())
        wait_until(lambda: daemon.total("logmetrics_source_lines_total", source="stdin") == 1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, pipe)
        os.close(null)
        daemon.wait_for_message("standard input has ended")
        with log.open("a") as file:
            file.write(LINE + "\n")
        wait_until(lambda: daemon.total("agent_tool_calls_total") == 3)


def test_values_are_kept_when_a_state_is_given(tmp_path: Path) -> None:
    """There is no position; counters go on. Without --state-dir nothing is kept."""
    state = ("--state-dir", str(tmp_path / "state"))
    for number in (1, 2):
        text = watch_once((LINE + "\n").encode(), *state)
        assert samples(text)['agent_tool_calls_total{agent="a",tool_name="t",status="success"}'] == number
    home = tmp_path / "home"
    command = [sys.executable, "-m", "logmetrics", "watch", "-", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "XDG_STATE_HOME": str(home)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.close()
        while "has ended" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert not home.exists()


@pytest.mark.slow
def test_a_hundred_megabytes() -> None:
    """A pipe is read as fast as a file, and holds no more in memory than a moment's worth."""
    block = (LINE + "\n").encode() * 1_000
    blocks = 100_000_000 // len(block) + 1
    with piped() as (daemon, pipe):
        for _ in range(blocks):
            rest = block
            while rest:
                rest = rest[os.write(pipe, rest) :]
        wait_until(lambda: daemon.total("agent_tool_calls_total") == blocks * 1_000, timeout_s=120)
        assert daemon.total("logmetrics_source_bytes_total") == blocks * len(block)
        assert daemon.total("process_resident_memory_bytes") < 100 * 1024 * 1024


def test_stop_in_the_middle_of_a_flood() -> None:
    """A signal ends it although more comes all the time."""
    read_fd, write_fd = os.pipe()
    with subprocess.Popen(["yes", LINE], stdout=write_fd) as yes:
        os.close(write_fd)
        command = [sys.executable, "-m", "logmetrics", "watch", "-", "--listen", "127.0.0.1:0", "--no-state"]
        with subprocess.Popen(command, stdin=read_fd, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
            os.close(read_fd)
            assert process.stderr is not None
            assert "metrics at" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        yes.wait(timeout=10)


def test_closed_standard_input() -> None:
    """A clear word; exit code 2."""
    command = f"{sys.executable} -m logmetrics watch - --once <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_input_that_can_only_be_written() -> None:
    """What cannot be read is told."""
    command = f"{sys.executable} -m logmetrics watch - --once 0>/dev/null"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "logmetrics: standard input: cannot be read: Bad file descriptor\n"


def test_a_compressed_log_is_told() -> None:
    """It is not for us to guess; the hint names the way."""
    command = [sys.executable, "-m", "logmetrics", "watch", "-", "--once"]
    text = gzip.compress(LINE.encode() * 100)
    done = subprocess.run(command, input=text, capture_output=True, cwd=ROOT, timeout=30)
    assert done.stderr.startswith(b"logmetrics: standard input is compressed")


def test_a_terminal_is_told_what_to_do() -> None:
    """Who types `logmetrics watch -` waits for nothing without a word."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "logmetrics", "watch", "-", "--once"]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        os.close(terminal)
        assert process.stderr is not None
        assert b"Ctrl-D ends it" in process.stderr.readline()
        os.write(controller, LINE.encode() + b"\n\x04")
        assert process.stdout is not None
        assert b'status="success"} 1' in process.stdout.read()
    os.close(controller)


@pytest.mark.parametrize("log", sorted(DATA.glob("ollama/*.log"))[::7], ids=lambda log: log.stem)
def test_any_pieces_give_the_same_records(log: Path) -> None:
    """Wherever the reads end; so do those of UTF-16, of Docker, and of indented objects."""
    text = log.read_bytes()[:20_000]
    indented = b"".join(b'{\n  "n": %d\n}\n' % number for number in range(50))
    docker = b"".join(b'{"log":"%d\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n' % n for n in range(50))
    for data in (text, text.decode("utf-8", "replace").encode("utf-16"), indented, docker, b"\xef\xbb\xbf" + indented):
        whole = read_in_pieces(data, len(data))
        assert len(whole[0]) > 2
        draw = random.Random(1)
        for size in (1, 7, 4096):
            assert read_in_pieces(data, size) == whole
        assert read_in_pieces(data, partial(draw.randrange, 1, 300)) == whole


def read_in_pieces(data: bytes, size: object, max_line_bytes: int = 1024 * 1024) -> tuple[list[bytes], int, int]:
    """Records, bytes and records that were too long."""
    records = Records(SourceSpec("s", (), is_stdin=True, max_line_bytes=max_line_bytes))
    found: list[bytes] = []
    place = 0
    while place < len(data):
        step: int = size() if callable(size) else size  # type: ignore[assignment]
        found += records.take(data[place : place + step])
        place += step
    found += records.rest()
    return found, records.bytes, records.oversize


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("size", [1, 100, 5_000])
def test_lines_that_are_too_long(encoding: str, size: int) -> None:
    """They are passed over in bounded memory, whatever the pieces; those around them count."""
    text = "a1\n" + "x" * 3_000 + "\nb1\n" + "y" * 20_000 + "\nc1\n"
    records, size_bytes, oversize = read_in_pieces(text.encode(encoding), size, max_line_bytes=1_000)
    assert ([bytes(record) for record in records], oversize) == ([b"a1", b"b1", b"c1"], 2)
    assert size_bytes == len(text.encode(encoding))
