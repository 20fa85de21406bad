"""The state directory: what a start goes on with, and when it refuses to."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from logmetrics.errors import StateError
from logmetrics.store.state import CommitError, StateFile
from tests.daemon import ROOT, Daemon, wait_until
from tests.world import LINES_CONFIG, World

PAIRS_CONFIG = """
packs: []
metrics:
  tasks_total: {type: counter, help: Tasks that ended, labels: [kind]}
  seconds: {type: histogram, help: Durations, buckets: [0.1, 1]}
  level: {type: gauge, help: A level}
  agents: {type: active, help: Agents, window: 5m}
  version: {type: info, help: The version, labels: [v]}
rules:
  - name: task
    pair: {start: e == "start", end: e == "end", key: id, keep: {kind: kind}}
    labels: {kind: kind}
    update: {tasks_total: 1}
  - name: values
    when: has(s)
    labels: {v: v}
    update: {seconds: s, level: s, agents: a, version: 1}
"""


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, Path]:
    """Where logs are, and where state is."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs", tmp_path / "state"


def shown(world: World) -> str:
    """The exposition without what tells about the running process."""
    running = ("logmetrics_commit", "logmetrics_last_commit", "logmetrics_source_last_record")
    running += ("logmetrics_source_decisions", "logmetrics_open_files")
    return "\n".join(line for line in world.exposition().splitlines() if not line.startswith(running))


def test_every_kind_of_value_survives(directories: tuple[Path, Path]) -> None:
    """Counters, histograms, gauges, active keys, info, open pairs, self-metrics: as the last commit left them."""
    logs, state = directories
    world = World(logs, PAIRS_CONFIG, state)
    lines = ['{"e": "start", "id": "1", "kind": "\\u00fc\\"\\\\"}']
    lines += [f'{{"s": {value}, "a": "a{value}", "v": "{value}"}}' for value in (0.1, 0.2, 1e-9, 5, 10**25)]
    (logs / "a.log").write_text("\n".join(lines) + "\nnot json\n")
    world.poll()
    before = shown(world)
    world.kill()
    world.poll()
    assert shown(world) == before

    with (logs / "a.log").open("a") as file:
        file.write('{"e": "end", "id": "1"}\n{"s": 0.3, "a": "a5", "v": "5"}\n')
    world.poll()
    assert world.values("tasks_total") == {('ü"\\',): 1}
    (buckets, _, count) = world.values("seconds")[()]  # type: ignore[misc]
    assert (buckets, count) == ((2, 4, 6), 6)
    assert list(world.values("version")) == [("5",)]
    world.close()


def test_what_was_not_committed_is_read_again(directories: tuple[Path, Path]) -> None:
    """Lines that were counted but not committed are counted by the next run, once."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", 1, 2)
    world.poll()
    world.write("a.log", 3)
    world.now_s += 2
    while world.engine._pass(scrape_waits=False):
        pass
    assert world.counted() == {"1": 1, "2": 1}
    world.kill()
    assert world.counted() == {"1": 1, "2": 1}
    world.poll()
    assert world.counted() == {"1": 1, "2": 1, "3": 1}
    world.close()


def test_commit_writes_what_changed(directories: tuple[Path, Path]) -> None:
    """Nothing new, nothing written; one line, one series and one file beside the self-metrics."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", *range(50))
    world.write("b.log", *range(50))
    world.poll()
    written: list[dict[str, int]] = []
    assert world.state is not None
    write = world.state.write
    world.state.write = lambda batch: (  # type: ignore[method-assign]
        written.append({name: len(rows) for name, rows in batch.items()}),
        write(batch),
    )[1]
    world.poll()
    assert written == []
    world.write("a.log", 7)
    world.poll()
    assert [entry["files"] for entry in written] == [1]
    kept = len(world.engine.self_metrics.kept)
    assert written[0]["series"] <= 1 + kept
    world.close()


def test_two_daemons_cannot_share_a_state(directories: tuple[Path, Path]) -> None:
    """The second is told who holds it, with exit code 3."""
    logs, state = directories
    with Daemon(str(logs), "--state-dir", str(state)) as daemon:
        done = run("watch", str(logs), "--state-dir", str(state))
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
        assert f"is in use by the logmetrics with process id {daemon.process.pid}" in done.stderr


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logmetrics", *arguments, "--listen", "127.0.0.1:0"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)


def damage_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def of_a_newer_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def of_another_program(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b""), "is no state of logmetrics"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "is damaged"),
        (lambda path: path.write_bytes(b"hello" * 1000), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "is damaged"),
        (damage_middle, "is damaged"),
        (of_a_newer_version, "is of version 99, and this logmetrics knows up to 5"),
        (of_another_program, "is no state of logmetrics"),
    ],
    ids=["empty", "zeros", "text", "cut", "damaged", "newer", "another"],
)
def test_a_state_that_cannot_be_trusted_is_left_alone(directories: tuple[Path, Path], damage, words: str) -> None:  # type: ignore[no-untyped-def]
    """Exit code 3, one message with the way out, not a byte changed; --reset-state begins anew and keeps the old."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", *range(100))
    world.poll()
    world.close()
    damage(state / "state.db")
    before = (state / "state.db").read_bytes()
    with pytest.raises(StateError, match=words) as caught:
        World(logs, state_dir=state)
    assert (caught.value.exit_code, "--reset-state" in str(caught.value)) == (3, True)
    assert (state / "state.db").read_bytes() == before

    StateFile(str(state), reset=True).close()
    assert (state / "state.db.old").read_bytes() == before
    again = StateFile(str(state), reset=True)
    again.close()
    assert again.set_aside == f"{state}/state.db.old.2"
    assert (state / "state.db.old").read_bytes() == before
    world = World(logs, state_dir=state)
    world.poll()
    assert len(world.counted()) == 100
    world.close()


def test_a_log_of_changes_without_its_database_is_not_used(directories: tuple[Path, Path]) -> None:
    """Someone removed state.db alone: what is left belongs to nothing."""
    logs, state = directories
    StateFile(str(state)).close()
    (state / "state.db").rename(state / "state.db-wal")
    with pytest.raises(StateError, match="is missing, but its log"):
        World(logs, state_dir=state)


def test_damaged_values_are_refused(directories: tuple[Path, Path]) -> None:
    """A row that makes no sense is an error with its place, not a traceback."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", 1)
    world.poll()
    world.close()
    for statement in ("UPDATE series SET value = 'x'", "UPDATE fingerprints SET marks = '7'"):
        connection = sqlite3.connect(state / "state.db")
        connection.execute(statement)
        connection.commit()
        connection.close()
        with pytest.raises(StateError, match="is damaged"):
            World(logs, state_dir=state)
        connection = sqlite3.connect(state / "state.db")
        connection.execute("DELETE FROM series")
        connection.commit()
        connection.close()


def test_state_is_for_its_owner_only(directories: tuple[Path, Path]) -> None:
    """Log contents end up in it."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", 1)
    world.poll()
    assert oct(state.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o077) for path in state.iterdir()} == {"0o0"}
    world.close()


def test_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A clear message that names the way out; exit code 3."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="--no-state"):
        StateFile(str(tmp_path / "file" / "state"))


def test_state_inside_the_watched_tree_is_not_read(tmp_path: Path) -> None:
    """Reading it would make it grow, and be read again."""
    world = World(tmp_path, state_dir=tmp_path / "state")
    world.write("a.log", 1)
    world.poll()
    assert world.values("logmetrics_source_files") == {("test",): 1}
    world.close()


# -- changes of the config


def test_changed_config_keeps_what_is_the_same(directories: tuple[Path, Path]) -> None:
    """A metric of the same shape goes on, another one begins at zero and that is said; files are not read again."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", 1)
    world.poll()
    more = LINES_CONFIG.replace("labels: [text]}", "labels: [text]}\n  other_total: {type: counter, help: h}")
    world.restart(more)
    world.write("a.log", 1)
    world.poll()
    assert world.counted() == {"1": 2}

    changed = LINES_CONFIG.replace("labels: [text]}", "labels: [text, more]}").replace(
        "{text: n}", "{text: n, more: n}"
    )
    world.restart(changed)
    assert "lines_total begins at zero: its type, labels or buckets are not what they were" in world.messages
    world.write("a.log", 2)
    world.poll()
    assert world.values("lines_total") == {("2", "2"): 1}

    world.restart(LINES_CONFIG)  # a rollback finds the values of before
    world.poll()
    assert world.counted() == {"1": 2}
    world.close()


def test_values_of_a_removed_metric_are_forgotten_in_the_end(directories: tuple[Path, Path]) -> None:
    """Two starts without it, and it begins at zero."""
    logs, state = directories
    world = World(logs, state_dir=state)
    world.write("a.log", 1)
    world.poll()
    other = LINES_CONFIG.replace("lines_total", "other_total")
    world.restart(other)
    world.restart(other)
    world.restart(LINES_CONFIG)
    world.poll()
    assert world.counted() == {}
    world.close()


# -- commits that fail


def test_failed_commit_shows_the_last_one_and_loses_nothing(directories: tuple[Path, Path]) -> None:
    """While the disk is full, scrapes see the last commit, and a self-metric says so; then all is there, once."""
    logs, state = directories
    world = World(logs, PAIRS_CONFIG.replace("packs", "commit_interval: 1s\npacks"), state)
    (logs / "a.log").write_text('{"s": 1, "a": "x", "v": "1"}\n')
    world.poll()
    before = world.values("seconds")
    assert world.state is not None
    write = world.state.write

    def full(_batch: object) -> None:
        raise CommitError("database or disk is full")

    world.state.write = full  # type: ignore[method-assign]
    for value in range(2, 6):
        with (logs / "a.log").open("a") as file:
            file.write(f'{{"s": {value}, "a": "x", "v": "{value}"}}\n')
        world.poll()
        assert world.values("seconds") == before
        assert list(world.values("version")) == [("1",)]
        assert world.values("logmetrics_commit_ok") == {(): 0}
    assert world.values("logmetrics_commit_failures_total") == {(): 4}
    assert world.engine.commit_problem == "database or disk is full"
    assert [m for m in world.messages if "cannot commit" in m] == [
        "cannot commit: database or disk is full; scrapes see the last commit until this succeeds"
    ]

    world.state.write = write  # type: ignore[method-assign]
    world.poll()
    assert world.values("seconds") == {(): ((0, 1, 5), 15.0, 5)}
    assert list(world.values("version")) == [("5",)]
    assert world.values("logmetrics_commit_ok") == {(): 1}
    assert world.messages[-1] == "commits succeed again; nothing was lost"
    world.kill()
    assert world.values("seconds") == {(): ((0, 1, 5), 15.0, 5)}
    world.close()


def test_open_pairs_stay_bounded_while_commits_fail(directories: tuple[Path, Path]) -> None:
    """A million pairs opened and closed since the last commit leave nothing behind."""
    logs, state = directories
    world = World(logs, PAIRS_CONFIG, state)
    pairs = world.engine.readers[0].program.rules[0].open_pairs
    assert pairs is not None
    for number in range(20_000):
        pairs.start(str(number), ())
        pairs.end(str(number))
    assert pairs.changes() == ([], [])
    world.close()


def test_real_full_disk(tmp_path: Path) -> None:
    """A process that may not write a byte more keeps serving, says what is wrong, and recovers by itself."""
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    log = logs / "a.log"

    def call(count: int) -> None:
        with log.open("a") as file:
            file.write('{"event": "tool_call", "agent": "a", "tool_name": "t", "status": "ok"}\n' * count)

    call(10)
    with Daemon(str(logs), "--state-dir", str(state)) as daemon:
        assert daemon.total("agent_tool_calls_total") == 10
        limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1024, limits[1]))
        call(7)
        assert daemon.total("agent_tool_calls_total") == 10
        assert daemon.total("logmetrics_commit_ok") == 0
        assert "cannot commit" in daemon.get("/healthz")[1]
        assert daemon.get("/healthz")[0] == 200
        call(5)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limits)
        wait_until(lambda: daemon.total("agent_tool_calls_total") == 22)
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.total("logmetrics_commit_failures_total") > 0
    with Daemon(str(logs), "--state-dir", str(state)) as daemon:
        assert daemon.total("agent_tool_calls_total") == 22


def test_stop_tells_when_the_last_commit_fails(tmp_path: Path) -> None:
    """Exit code 3, and the next start reads what was not saved."""
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    (logs / "a.log").write_text('{"event": "tool_call", "agent": "a", "tool_name": "t"}\n')
    with Daemon(str(logs), "--state-dir", str(state)) as daemon:
        daemon.wait_until_ready()
        limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1024, limits[1]))
        with (logs / "a.log").open("a") as file:
            file.write('{"event": "tool_call", "agent": "a", "tool_name": "t"}\n')
        assert daemon.total("logmetrics_commit_ok") == 0
        assert daemon.stop() == 3
        assert "will be read again" in daemon.stderr[-1]
    with Daemon(str(logs), "--state-dir", str(state)) as daemon:
        assert daemon.total("agent_tool_calls_total") == 2


# -- the command line


def test_restart_goes_on(tmp_path: Path) -> None:
    """The second run says what it goes on with, and counts new lines only; --no-state begins anew."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    line = '{"event": "tool_call", "agent": "a", "tool_name": "t"}\n'
    log.write_text(line * 3)
    arguments = (str(tmp_path / "logs"), "--state-dir", str(tmp_path / "state"))
    with Daemon(*arguments) as daemon:
        assert daemon.total("agent_tool_calls_total") == 3
    log.write_text(line * 5)
    with Daemon(*arguments) as daemon:
        daemon.wait_for_message(r"going on where .*state\.db ends: 1 file, ")
        assert daemon.total("agent_tool_calls_total") == 5
        assert daemon.total("logmetrics_source_lines_total") == 5


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "{home}/given"}, "given"),
        ({"XDG_STATE_HOME": "{home}/xdg"}, "xdg/logmetrics/logs-*"),
        ({}, ".local/state/logmetrics/logs-*"),
    ],
    ids=["systemd", "xdg", "home"],
)
def test_where_state_is_kept(tmp_path: Path, environment: dict[str, str], expected: str) -> None:
    """As systemd says, else in the user's own directory, one for each set of paths."""
    (tmp_path / "logs").mkdir()
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    env |= {name: value.format(home=tmp_path) for name, value in environment.items()}
    command = [sys.executable, "-m", "logmetrics", "watch", str(tmp_path / "logs"), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "metrics at" in line:
            break
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert [path.name for path in tmp_path.glob(f"{expected}/state.db")] == ["state.db"]


def test_once_leaves_the_state_alone(tmp_path: Path) -> None:
    """A look at what is there must not disturb a daemon, unless it is asked to."""
    (tmp_path / "a.log").write_text('{"event": "tool_call", "agent": "a", "tool_name": "t"}\n')
    env = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "logmetrics", "watch", str(tmp_path / "a.log"), "--once"]
    for _ in range(2):
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
        assert 'agent_tool_calls_total{agent="a",tool_name="t",status="unknown"} 1' in done.stdout
    assert not (tmp_path / "home").exists()
