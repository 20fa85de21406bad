"""What may be wrong with files, and with the processes that read them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from logmetrics.errors import ReplayError
from logmetrics.replay.pool import Batch, Processes, Result, ThisProcess
from logmetrics.replay.run import Reading, logs_of, read_history
from logmetrics.replay.span import Job
from tests.replays import NOW_S, Replayed, Replays
from tests.test_replay_cuts import START_S
from tests.world import LINES_CONFIG, config_for

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture(scope="module")
def lines() -> Replays:
    return Replays(config_for(Path(), LINES_CONFIG, format="auto"))


def log(*numbers: int) -> bytes:
    return b"".join(b'{"time": %d, "n": "%c"}\n' % (START_S + number, 97 + number % 20) for number in numbers)


def count(replayed: Replayed) -> int:
    return sum(int(line.rsplit(" ", 1)[1]) for line in replayed.text.splitlines() if line.startswith("lines_total{"))


@pytest.mark.parametrize("kind", COMPRESS)
def test_compressed_logs(lines: Replays, kind: str, tmp_path: Path) -> None:
    """They are read whole, wherever plain ones would be cut; one that is cut off counts up to there and is told of."""
    data = log(*range(5_000))
    whole = COMPRESS[kind](data)
    path = tmp_path / f"x.log.{kind}"
    path.write_bytes(whole)
    made = lines.run(path, part_bytes=500)
    assert (count(made), made.history.problems) == (5_000, [])
    path.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "y.log").write_bytes(log(1))
    made = lines.run(path, tmp_path / "y.log")
    assert 1 <= count(made) < 5_001
    [problem] = made.history.problems
    assert problem == f"{path}: ends in the middle of what was compressed: it is cut off, or still being written"


@pytest.mark.parametrize("kind", COMPRESS)
def test_damaged_logs_are_told(lines: Replays, kind: str, tmp_path: Path) -> None:
    """And cost no generation behind them."""
    whole = bytearray(COMPRESS[kind](log(*range(5_000))))
    middle = len(whole) // 2
    whole[middle : middle + 40] = b"\xff\0" * 20
    (tmp_path / f"x.log.2.{kind}").write_bytes(whole)
    (tmp_path / "x.log.1").write_bytes(log(1, 2))
    (tmp_path / "x.log").write_bytes(log(3))
    for part_bytes in (20, 100_000):
        made = lines.run(tmp_path, part_bytes=part_bytes)
        assert count(made) >= 3
        [problem] = made.history.problems
        assert problem.startswith(str(tmp_path / f"x.log.2.{kind}"))


def test_generations_are_read_from_the_oldest_on(lines: Replays, tmp_path: Path) -> None:
    """Numbered or dated, plain or compressed, and one that is there in both forms once."""
    (tmp_path / "a.log").write_bytes(log(4))
    (tmp_path / "a.log.1").write_bytes(log(3))
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(log(2)))
    (tmp_path / "a.log.2").write_bytes(log(2))
    (tmp_path / "a.log.10.xz").write_bytes(lzma.compress(log(1)))
    (tmp_path / "b.log").write_bytes(log(7))
    (tmp_path / "b.log-20260102").write_bytes(log(6))
    (tmp_path / "b.log-20260101.gz").write_bytes(gzip.compress(log(5)))
    (tmp_path / "empty.log").touch()
    found = logs_of(Reading(lines.of(tmp_path)))
    names = [[Path(segment.path).name for segment in log.segments] for log in found.logs]
    assert names == [
        ["a.log.10.xz", "a.log.2", "a.log.1", "a.log"],
        ["b.log-20260101.gz", "b.log-20260102", "b.log"],
    ]
    assert found.left_out == [str(tmp_path / "a.log.2.gz")]
    assert count(lines.run(tmp_path)) == 7
    assert count(lines.run(tmp_path / "a.log")) == 1
    assert count(lines.run(f"{tmp_path}/*.log")) == 2
    assert count(lines.run(tmp_path / "a.log.2.gz")) == 1


def test_what_cannot_be_read_is_told(lines: Replays, tmp_path: Path) -> None:
    """A pipe, a directory without an end, a file that is gone when its turn comes."""
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "x.log").write_bytes(log(1))
    made = lines.run(tmp_path / "pipe.log", tmp_path / "x.log")
    assert (count(made), made.history.problems) == (1, [f"{tmp_path}/pipe.log: is not a regular file"])


class _Meddling(ThisProcess):
    """Does something to a file when so many parts are read."""

    def __init__(self, job: Job, after: int, meddle: Callable[[], object]) -> None:
        super().__init__(job)
        self._after, self._meddle = after, meddle

    def next(self) -> tuple[Batch, list[Result]]:
        if self._after == 0:
            self._meddle()
        self._after -= 1
        return super().next()


@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_is_written_meanwhile_does_not_count(lines: Replays, after: int, tmp_path: Path) -> None:
    """The end of a file is where it was when it was found, for each part; a line that was not complete waits."""
    path = tmp_path / "x.log"
    data = log(*range(60))
    path.write_bytes(data + b'{"n": ')

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b'"z"}\n' + log(1) * 100)

    made = lines.run(tmp_path, part_bytes=500, pool=lambda job: _Meddling(job, after, grow))
    assert (count(made), made.history.problems) == (60, [])
    [read] = made.history.logs
    assert (read.places[0].offset, read.rest_bytes) == (len(data), 6)


@pytest.mark.parametrize("meddle", [Path.unlink, lambda path: path.write_bytes(log(9))])
def test_a_file_that_is_taken_away_meanwhile_is_told(
    lines: Replays, meddle: Callable[[Path], object], tmp_path: Path
) -> None:
    """Once, and what is beside it is read."""
    path = tmp_path / "x.log"
    path.write_bytes(log(*range(60)))
    (tmp_path / "y.log").write_bytes(log(1))
    made = lines.run(tmp_path, part_bytes=500, pool=lambda job: _Meddling(job, 2, lambda: meddle(path)))
    assert 1 < count(made) < 61
    [problem] = made.history.problems
    assert problem.startswith(f"{path}: ")


@pytest.mark.parametrize("line", [b"x" * 20_000, b'{"n": "' + b"y" * 20_000 + b'"}'])
def test_one_line_over_many_parts(lines: Replays, line: bytes, tmp_path: Path) -> None:
    """Counts once; parts that end exactly at a newline lose nothing."""
    path = tmp_path / "x.log"
    path.write_bytes(log(1, 2) + line + b"\n" + log(3))
    watched = lines.watched(path)
    size = len(log(1))
    for part_bytes in (size, 2 * size, size - 1, size + 1, 999):
        assert lines.run(path, part_bytes=part_bytes, seed=1, wanted=9).text == watched


def test_many_small_files(lines: Replays, tmp_path: Path) -> None:
    """Thousands of them are read in one go."""
    for number in range(5_000):
        (tmp_path / f"{number:04}.log").write_bytes(log(number % 100))
    assert count(lines.run(tmp_path)) == 5_000


def test_a_flood_of_values_loses_no_measurement(tmp_path: Path) -> None:
    """Totals add up to the lines, overflows are measurements, and neither depends on cuts."""
    config = LINES_CONFIG.replace("idle: never", "idle: never, values_per_label: 50, admission: first")
    flood = Replays(config_for(Path(), config, format="auto"))
    path = tmp_path / "x.log"
    words = ["".join(chr(97 + number // 20**place % 20) for place in range(3)) for number in range(8_000)]
    records = [b'{"time": %d, "n": "%s"}\n' % (START_S + n, word.encode()) for n, word in enumerate(words)]
    path.write_bytes(b"".join(records))
    whole = flood.run(path, step_s=15)
    assert count(whole) == 8_000
    labels = 'metric="lines_total",label="text",level="values"'
    assert f"logmetrics_overflow_measurements_total{{{labels}}} 7950\n" in whole.text
    assert whole.text == flood.watched(path)
    for part_bytes in (4_000, 50_001):
        assert flood.run(path, step_s=15, part_bytes=part_bytes, seed=3, wanted=9).told == whole.told


# -- processes


class _Dying(Processes):
    """One of its processes is killed when it has read something."""

    def next(self) -> tuple[Batch, list[Result]]:
        answer = super().next()
        with suppress(ProcessLookupError):  # it was killed at the part before, and nobody has noticed yet
            os.kill(next(iter(self._executor._processes)), signal.SIGKILL)
        return answer


@pytest.mark.slow
def test_a_process_that_is_killed_is_told(lines: Replays, tmp_path: Path) -> None:
    """An error that says what to do, not a hang, whether it is noticed when a part is given or taken."""
    path = tmp_path / "x.log"
    path.write_bytes(log(*range(2_000)))
    reading = Reading(lines.of(path), part_bytes=1_000)
    with pytest.raises(ReplayError, match=r"a process that read logs was killed.*fewer --jobs"):
        read_history(reading, logs_of(reading), lambda *_: None, NOW_S, lambda job: _Dying(job, 2))


def is_running(pid: str) -> bool:
    """A process that only waits for its parent to ask how it ended is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    """At once, with 130 and without a word; nothing is written and no process is left."""
    path = tmp_path / "x.log"
    path.write_bytes(log(*range(20)) * 30_000)
    options = ["--jobs", "2", "--openmetrics", str(tmp_path / "out")]
    command = [sys.executable, "-m", "logmetrics", "replay", str(path), *options]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    stop = threading.Event()
    for _ in range(600):
        if len(children.read_text().split()) >= 3 or running.poll() is not None:  # one of them tracks what is shared
            break
        stop.wait(0.02)
    pids = children.read_text().split()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    _, told = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Traceback" not in told
    assert not list((tmp_path / "out").glob("*"))
    for _ in range(600):
        if not any(map(is_running, pids)):
            break
        stop.wait(0.02)
    assert [pid for pid in pids if is_running(pid)] == []
