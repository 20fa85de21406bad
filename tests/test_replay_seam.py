"""Where history ends and the daemon begins: no line is in both, none in neither, whatever happens in between."""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.cli.options import resolve_config
from logmetrics.replay.history import History
from logmetrics.replay.run import Reading, logs_of, now, read_history
from logmetrics.replay.seam import Seam, Seeding
from logmetrics.replay.timeline import Samples
from tests.daemon import ROOT, Daemon, wait_until

DATA = sorted(path for path in (ROOT / "tests/data").iterdir() if path.is_dir() and not path.name.startswith("_"))
EXAMPLES = sorted((ROOT / "examples/logs").iterdir())
CONFIG = """
packs: []
sources: [{{name: logs, paths: ['{path}'], from: {begin}}}]
metrics:
  lines_total: {{type: counter, help: h, labels: [log]}}
  numbers_total: {{type: counter, help: h}}
rules:
  - {{name: line, when: has(n), labels: {{log: path.name}}, update: {{lines_total: 1, numbers_total: n}}}}
"""


class Done(NamedTuple):
    code: int
    out: str
    told: str


def run(*arguments: str | Path) -> Done:
    """The command in this process; the exit code that its error stands for."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    error = result.exception
    code = getattr(error, "exit_code", result.exit_code)
    return Done(code, result.stdout, result.stderr + (str(error) if error else ""))


def series_of(text: str) -> dict[str, str]:
    """The lines of an exposition by series, without what goes by the time at which a line is read."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: value for name, _, value in lines if not name.startswith("agent_active_count")}


def counts_of(series: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in series.items() if re.search(r"_(total|bucket|sum|count)\b", name)}


def once(logs: Path | str, state: Path, *more: str) -> dict[str, str]:
    done = run("watch", logs, "--once", "--state-dir", state, *more)
    assert done.code == 0, done.told
    return series_of(done.out)


def seed(logs: Path | str, state: Path, *more: str) -> Done:
    done = run("replay", logs, "--seed-state", "--state-dir", state, "--format", "prometheus", *more)
    assert done.code == 0, done.told
    return done


def numbers(first: int, end: int) -> str:
    return "".join(f'{{"time": "2026-11-25T10:{n // 60 % 60:02}:{n % 60:02}Z", "n": {n}}}\n' for n in range(first, end))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    (tmp_path / "logs").mkdir()
    path.write_text(CONFIG.format(path=tmp_path / "logs", begin="start"))
    return path


def counted(series: dict[str, str]) -> tuple[int, float]:
    """How many numbers were counted, and their sum."""
    lines = [float(value) for name, value in series.items() if name.startswith("lines_total")]
    return int(sum(lines)), float(series.get("numbers_total", 0))


def expected(end: int, first: int = 0) -> tuple[int, float]:
    return end - first, float(sum(range(first, end)))


# -- A: with values


@pytest.mark.parametrize("folder", [*EXAMPLES, *DATA], ids=lambda folder: folder.name)
def test_a_seeded_state_is_that_of_a_daemon(folder: Path, tmp_path: Path) -> None:
    """Cut anywhere: replayed, seeded and read on is the same as watched twice, in all but times."""
    logs, draw, whole = tmp_path / "logs", random.Random(folder.name), {}
    shutil.copytree(folder, logs, ignore=shutil.ignore_patterns("*.py", "expected*", "*.md", "__pycache__"))
    for path in sorted(path for path in logs.rglob("*") if path.is_file()):
        whole[path] = data = path.read_bytes()
        cut = draw.randrange(len(data) + 1)
        path.write_bytes(data[: data.rfind(b"\n", 0, cut) + 1 if draw.random() < 0.5 else cut])
    replayed = series_of(seed(logs, tmp_path / "seeded").out)
    watched = once(logs, tmp_path / "watched")
    # Gauges have the value that was last by time, or that was read last.
    assert counts_of(replayed) == counts_of(watched)
    for path, data in whole.items():
        path.write_bytes(data)
    assert counts_of(once(logs, tmp_path / "seeded")) == counts_of(once(logs, tmp_path / "watched"))


def test_lines_between_and_afterwards_count_once(config: Path, tmp_path: Path) -> None:
    """What is appended after the replay, a line that was not complete, and a rotation: all are the daemon's."""
    log, state = tmp_path / "logs/a.log", tmp_path / "state"
    text = numbers(0, 100)
    log.write_text(text[:-20])
    done = run("replay", "-c", config, "--seed-state", "--state-dir", state)
    assert "1 log with a last line that is not complete" in done.told
    assert f"{state}: the daemon goes on at the next byte of 1 file, with the values at that place" in done.told
    with log.open("a") as file:
        file.write(text[-20:] + numbers(100, 150))
    log.rename(tmp_path / "logs/a.log.1")
    log.write_text(numbers(150, 200))
    with Daemon("-c", str(config), "--state-dir", str(state)) as daemon:
        daemon.wait_until_ready()
        assert daemon.total("lines_total") == 200
        with log.open("a") as file:
            file.write(numbers(200, 250))
        wait_until(lambda: daemon.total("numbers_total") == sum(range(250)))
        assert daemon.total("logmetrics_source_lines_total") == 250


def read(config: Path) -> History:
    reading = Reading(resolve_config(None, str(config), None))
    return read_history(reading, logs_of(reading), lambda *_: None, now())


def test_rotation_while_history_is_written(config: Path, tmp_path: Path) -> None:
    """Files are told by what they are: the log that was read has another name by the time its place is noted."""
    log, state = tmp_path / "logs/a.log", tmp_path / "state"
    log.write_text(numbers(0, 100))
    history = read(config)
    with log.open("a") as file:
        file.write(numbers(100, 110))
    log.rename(tmp_path / "logs/a.log.1")
    log.write_text(numbers(110, 120))
    with closing(Seeding(Seam(str(state)), lambda _: None)) as seeding, closing(history.spool):
        seeding.begin(history)
        samples = Samples(history, {}, wanted=False)
        list(samples.windows())
        samples.finish()
        seeding.finish(history)
    assert counted(once(log.parent, state, "-c", str(config))) == expected(120)


def test_truncated_while_history_is_written(config: Path, tmp_path: Path) -> None:
    """A log that was copied and truncated meanwhile is read from its start."""
    log, state = tmp_path / "logs/a.log", tmp_path / "state"
    log.write_text(numbers(0, 100))
    history = read(config)
    with log.open("r+") as file:
        file.truncate()
        file.write(numbers(100, 110))
    with closing(Seeding(Seam(str(state)), lambda _: None)) as seeding, closing(history.spool):
        seeding.begin(history)
    assert counted(once(log.parent, state, "-c", str(config))) == expected(110, 100)


def test_logs_that_are_read_from_their_end(tmp_path: Path) -> None:
    """A seeded place goes before `from: end`, in the log and in its generations, however small they are."""
    logs, state, config = tmp_path / "logs", tmp_path / "state", tmp_path / "config.yaml"
    logs.mkdir()
    config.write_text(CONFIG.format(path=logs, begin="end"))
    (logs / "a.log.1").write_text(numbers(0, 5))
    (logs / "a.log").write_text(numbers(5, 10))
    assert run("replay", "-c", config, "--seed-state", "--state-dir", state).code == 0
    with (logs / "a.log").open("a") as file:
        file.write(numbers(10, 15))
    for _ in range(2):
        done = run("watch", "-c", config, "--once", "--state-dir", state)
        assert counted(series_of(done.out)) == expected(15)


def test_more_files_than_may_be_open(config: Path, tmp_path: Path) -> None:
    """Each gets its place, though most are closed again as soon as they were looked at."""
    config.write_text(config.read_text() + "\nopen_files_max: 16\n")
    for number in range(60):
        (tmp_path / f"logs/{number}.log").write_text(numbers(number * 10, number * 10 + 10))
    done = run("replay", "-c", config, "--seed-state", "--state-dir", tmp_path / "state")
    assert done.code == 0, done.told
    assert "of 60 files" in done.told
    assert counted(once(tmp_path / "logs", tmp_path / "state", "-c", str(config))) == expected(600)


def test_records_ahead_of_an_incomplete_one(config: Path, tmp_path: Path) -> None:
    """Docker: a prompt without a newline holds up nobody, not even at the first byte of a log."""
    log, state = tmp_path / "logs/a-json.log", tmp_path / "state"

    def wrapped(text: str, stream: str) -> str:
        return json.dumps({"log": text, "stream": stream, "time": "2026-11-25T10:00:00.0Z"}) + "\n"

    log.write_text(wrapped('{"n": ', "stdout") + "".join(wrapped(line + "\n", "stderr") for line in ('{"n": 1}',) * 9))
    assert run("replay", "-c", config, "--seed-state", "--state-dir", state).code == 0
    assert counted(once(log.parent, state, "-c", str(config))) == (9, 9)
    with log.open("a") as file:
        file.write(wrapped("5}\n", "stdout") + wrapped('{"n": 1}\n', "stderr"))
    assert counted(once(log.parent, state, "-c", str(config))) == (11, 15)


def test_again(config: Path, tmp_path: Path) -> None:
    """The same command seeds nothing twice; it reads what it read then, whatever was written since."""
    log, state, out = tmp_path / "logs/a.log", tmp_path / "state", tmp_path / "om"
    log.write_text(numbers(0, 100))
    command = ("replay", "-c", config, "--seed-state", "--state-dir", state, "--openmetrics", out, "--totals")
    first = run(*command, "--format", "prometheus")
    files = {path: path.read_bytes() for path in out.iterdir()}
    with log.open("a") as file:
        file.write(numbers(100, 150))
    again = run(*command, "--format", "prometheus")
    assert again.code == 0, again.told
    assert f"{state}: the daemon's next values are there already; nothing was changed" in again.told
    assert again.out == first.out
    assert {path: path.read_bytes() for path in out.iterdir()} == files
    assert counted(once(log.parent, state, "-c", str(config))) == expected(150)
    used = run(*command)
    assert used.code == 3
    assert re.search(r"state\.db is in use already: .*--before-state .*/state, or", used.told)


def test_ended_before_the_values_were_there(config: Path, tmp_path: Path) -> None:
    """Places without values, as a kill leaves them: the next run counts up to these places, and puts values there."""
    log, state = tmp_path / "logs/a.log", tmp_path / "state"
    log.write_text(numbers(0, 100))
    assert run("replay", "-c", config, "--seed-offsets", "--state-dir", state).code == 0
    with log.open("a") as file:
        file.write(numbers(100, 150))
    log.rename(tmp_path / "logs/a.log.1")
    log.write_text(numbers(150, 160))
    again = run("replay", "-c", config, "--seed-state", "--state-dir", state, "--format", "prometheus")
    assert counted(series_of(again.out)) == expected(100)
    assert counted(once(log.parent, state, "-c", str(config))) == expected(160)


def test_a_state_in_use_is_refused(config: Path, tmp_path: Path) -> None:
    """Of a daemon that runs, whatever it has counted; nothing is written then."""
    (tmp_path / "logs/a.log").write_text(numbers(0, 10))
    state, out = tmp_path / "state", tmp_path / "om"
    with Daemon("-c", str(config), "--from", "end", "--state-dir", str(state)) as daemon:
        daemon.wait_until_ready()
        done = run("replay", "-c", config, "--seed-offsets", "--state-dir", state, "--openmetrics", out)
    assert done.code == 3
    assert re.search(r"in use by the logmetrics with process id \d+; stop that one", done.told)
    assert not out.exists()
    missing = run("replay", "-c", config, "--before-state", tmp_path / "other")
    assert missing.code == 3
    assert "holds no state of logmetrics" in missing.told


# -- B: from zero


def test_offsets_alone(config: Path, tmp_path: Path) -> None:
    """The daemon counts from zero what comes after the place."""
    log, state = tmp_path / "logs/a.log", tmp_path / "state"
    log.write_text(numbers(0, 100))
    done = run("replay", "-c", config, "--seed-offsets", "--state-dir", state)
    assert "the daemon goes on at the next byte of 1 file, from zero" in done.told
    with log.open("a") as file:
        file.write(numbers(100, 130))
    series = once(log.parent, state, "-c", str(config))
    assert counted(series) == expected(130, 100)
    assert series['logmetrics_source_lines_total{source="logs"}'] == "30"


# -- C: before a daemon that runs


@pytest.mark.parametrize("named", ["directory", "file"])
def test_before_a_daemon(named: str, tmp_path: Path) -> None:
    """Only what stood there before it began, also in compressed generations, and in files rotated since."""
    logs, state, config = tmp_path / "logs", tmp_path / "state", tmp_path / "config.yaml"
    logs.mkdir()
    path = logs if named == "directory" else logs / "a.log"
    config.write_text(CONFIG.format(path=path, begin="end"))
    with gzip.open(logs / "a.log.3.gz", "wt") as packed:
        packed.write(numbers(0, 4_000))
    (logs / "a.log.2").write_text(numbers(4_000, 4_100))
    (logs / "a.log").write_text(numbers(4_100, 4_200) + '{"time": "2026-11-25T11:10:00Z", ')
    with Daemon("-c", str(config), "--state-dir", str(state)) as daemon:
        daemon.wait_until_ready()
        for number in (3, 2):
            ending = ".gz" if number == 3 else ""
            (logs / f"a.log.{number}{ending}").rename(logs / f"a.log.{number + 1}{ending}")
        with (logs / "a.log").open("a") as file:
            file.write('"n": 4200}\n' + numbers(4_201, 4_300))
        wait_until(lambda: daemon.total("lines_total") == 100)
        (logs / "a.log").rename(logs / "a.log.1")
        (logs / "a.log").write_text(numbers(4_300, 4_400))
        wait_until(lambda: daemon.total("lines_total") == 200)
        done = run("replay", "-c", config, "--before-state", state, "--format", "prometheus")
        assert counted(series_of(done.out)) == expected(4_200), done.told
        assert {name for name in series_of(done.out) if name.startswith("lines_total")} == {'lines_total{log="a.log"}'}
    # The log that it began in the middle of, compressed since.
    with gzip.open(logs / "a.log.1.gz", "wb") as packed:
        packed.write((logs / "a.log.1").read_bytes())
    (logs / "a.log.1").unlink()
    with Daemon("-c", str(config), "--state-dir", str(state)) as daemon:
        daemon.wait_until_ready()
        assert daemon.total("numbers_total") == sum(range(4_200, 4_400))
    done = run("replay", "-c", config, "--before-state", state, "--format", "prometheus")
    assert counted(series_of(done.out)) == expected(4_200), done.told


def test_before_a_daemon_that_was_seeded(config: Path, tmp_path: Path) -> None:
    """What the replay that seeded it read is what stood there before."""
    log, state = tmp_path / "logs/a.log", tmp_path / "state"
    log.write_text(numbers(0, 100))
    assert run("replay", "-c", config, "--seed-state", "--state-dir", state).code == 0
    with log.open("a") as file:
        file.write(numbers(100, 130))
    assert counted(once(log.parent, state, "-c", str(config))) == expected(130)
    done = run("replay", "-c", config, "--before-state", state, "--format", "prometheus")
    assert counted(series_of(done.out)) == expected(100)


def test_the_step_that_is_not_over(config: Path, tmp_path: Path) -> None:
    """Of a log that grows it is left out, so that a second replay finds the same samples; totals alone have all."""
    begin_s = now() // 7200 * 7200
    times = [datetime.fromtimestamp(at_s, timezone.utc).isoformat() for at_s in (begin_s - 20, begin_s - 10, now())]
    (tmp_path / "logs/a.log").write_text("".join(f'{{"time": "{time}", "n": 1}}\n' for time in times))
    done = run("replay", "-c", config, "--openmetrics", tmp_path / "om", "--step", "2h", "--totals", "--format", "json")
    assert done.code == 0, done.told
    assert "1 records of the step that is not over yet were left out" in done.told
    assert "2 series" in done.told
    text = "".join(path.read_text() for path in sorted((tmp_path / "om").iterdir()))
    assert [line for line in text.splitlines() if line.startswith("lines_total")] == [
        f'lines_total{{log="a.log"}} 0 {begin_s - 7200}',
        f'lines_total{{log="a.log"}} 2 {begin_s}',
    ]
    totals = run("replay", "-c", config, "--format", "prometheus")
    assert counted(series_of(totals.out))[0] == 3
