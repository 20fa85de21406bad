"""What the doctor says of machines that are made for it: state, limits, journal, clock, service, Ollama, agents."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from logmetrics.config.journals import journal_logs
from logmetrics.config.specs import SourceSpec
from logmetrics.doctor.agents import KEPT, agents
from logmetrics.doctor.clock import clock
from logmetrics.doctor.examination import examine
from logmetrics.doctor.journal import journal
from logmetrics.doctor.limits import instances, limits
from logmetrics.doctor.machine import Answer, Machine
from logmetrics.doctor.mounts import type_of
from logmetrics.doctor.ollama import is_named, ollama
from logmetrics.doctor.service import service
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.state import holder_of_lock, state
from logmetrics.store.state import SCHEMA_VERSION, StateFile
from tests.made_machine import UNIT, looks, machine, setup, told, worst
from tests.test_doctor_setup import UNIT_FILE

DOCS = Path(__file__).parent.parent / "docs/packs"
BOOTED = {"/run/systemd/system/.keep": ""}
NOW_S = 1_900_000_000.0  # 2030-03-17 17:46:40 UTC


# -- state


def findings_of_state(of: Machine, directory: Path) -> list[str]:
    """All that is said, each with its mark."""
    return [f"{each.mark}: {each.what}" for each in state(of, setup(of, state_dir=str(directory)))]


def mine(tmp_path: Path, **others: object) -> Machine:
    """A machine whose user is the one that runs the tests."""
    of = machine(tmp_path, **others)  # type: ignore[arg-type]
    return replace(of, account=replace(of.account, uid=os.geteuid()))


def test_a_state_that_is_sound(tmp_path: Path) -> None:
    """Its version and size; looking leaves no trace, and the next start finds all as it was."""
    StateFile(str(tmp_path / "state")).close()
    before = sorted(os.listdir(tmp_path / "state"))
    said = findings_of_state(mine(tmp_path), tmp_path / "state")

    assert any(each.startswith(f"ok: version {SCHEMA_VERSION}, sound, ") for each in said)
    assert not any(each.startswith("problem") for each in said)
    assert sorted(os.listdir(tmp_path / "state")) == before
    StateFile(str(tmp_path / "state")).close()


def test_what_was_not_checkpointed_counts(tmp_path: Path) -> None:
    """After a kill the newest commits are in the WAL only; a reader that left it out could see rubbish."""
    StateFile(str(tmp_path / "state")).close()
    path = tmp_path / "state/state.db"
    script = """if True:  # a process that ends without closing
        import os, sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("INSERT INTO series VALUES (1, 1, '', 0, '', 0, 0, 0, 0)")
        os._exit(0)"""
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert (tmp_path / "state/state.db-wal").stat().st_size > 0
    assert any("0 logs, 1 series" in each for each in findings_of_state(mine(tmp_path), tmp_path / "state"))


def test_states_that_cannot_be_used(tmp_path: Path) -> None:
    """Damaged, of a newer version, no state at all, half gone: each with the way out."""
    of = mine(tmp_path)
    for name in ("damaged", "newer", "other", "half"):
        StateFile(str(tmp_path / name)).close()
    (tmp_path / "damaged/state.db").write_bytes(os.urandom(4096))
    with sqlite3.connect(tmp_path / "newer/state.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with sqlite3.connect(tmp_path / "other/state.db") as connection:
        connection.execute("PRAGMA application_id = 1")
    connection.close()
    (tmp_path / "half/state.db").rename(tmp_path / "half/state.db-wal")
    (tmp_path / "file").write_text("")
    expected = {
        "damaged": "is damaged: file is not a database",
        "newer": "is of version 99",
        "other": "is no state of logmetrics",
        "half": "state.db is missing, but its log state.db-wal is there",
        "file": "is not a directory",
    }
    for name, what in expected.items():
        problems = told(state(of, setup(of, state_dir=f"{tmp_path}/{name}")), "problem")
        assert len(problems) == 1, problems
        assert what in problems[0], problems
        assert " -> " in problems[0]


def test_whose_the_state_is(tmp_path: Path) -> None:
    """A directory of somebody else is refused by the daemon, one that all may write to is a danger."""
    (tmp_path / "state").mkdir(mode=0o700)
    of = machine(tmp_path)
    other = replace(of, account=replace(of.account, uid=os.geteuid() + 1))
    if os.geteuid() != 0:  # root's are anybody's to use, if the mode lets them
        assert "belongs to" in told(state(other, setup(other, state_dir=f"{tmp_path}/state")), "problem")[0]
    else:
        assert "may not write" in told(state(other, setup(other, state_dir=f"{tmp_path}/state")), "problem")[0]
    (tmp_path / "state").chmod(0o777)
    of = mine(tmp_path)
    assert "chmod o-w" in told(state(of, setup(of, state_dir=f"{tmp_path}/state")), "warning")[0]


def test_a_state_that_is_not_there_yet(tmp_path: Path) -> None:
    """The first start makes it, systemd makes it, or nobody may."""
    of = mine(tmp_path)
    assert any("the first start makes it" in each for each in findings_of_state(of, tmp_path / "new/state"))
    root = machine(tmp_path, {UNIT_FILE: UNIT, "/etc/logmetrics/config.yaml": "sources: [{name: s, paths: [/x]}]"})
    command = UNIT.replace("/etc/logmetrics", f"{tmp_path}/etc/logmetrics")
    root = machine(tmp_path, {UNIT_FILE: command}, user="root")
    assert any("systemd makes it" in each.what for each in state(root, setup(root)))
    (tmp_path / "closed").mkdir(mode=0o700)
    stranger = machine(tmp_path)
    stranger = replace(stranger, account=replace(stranger.account, uid=4_000_000))
    problems = told(state(stranger, setup(stranger, state_dir=f"{tmp_path}/closed/state")), "problem")
    assert "may not make it in" in problems[0]


@pytest.mark.parametrize(
    ("kind", "mark", "words"),
    [("nfs4", "warning", "network file system (nfs4)"), ("tmpfs", "warning", "in memory"), ("ext4", "ok", "on ext4")],
)
def test_the_file_system_of_the_state(tmp_path: Path, kind: str, mark: str, words: str) -> None:
    """Locks and commits are not to be trusted everywhere."""
    (tmp_path / "state").mkdir()
    of = mine(tmp_path, files={"/proc/self/mounts": f"/dev/x / xfs rw 0 0\nsrv {tmp_path} {kind} rw 0 0\n"})
    assert any(each.startswith(mark) and words in each for each in findings_of_state(of, tmp_path / "state"))


def test_mounts_are_found_by_the_longest_name(tmp_path: Path) -> None:
    """The last of those mounted at one place is the one that is seen; blanks are written as octal."""
    text = f"a / ext4 rw 0 0\nb {tmp_path} nfs rw 0 0\nb {tmp_path} tmpfs rw 0 0\nc {tmp_path}/a\\040b xfs rw 0 0\n"
    of = machine(tmp_path, {"/proc/self/mounts": text})
    assert [type_of(of, f"{tmp_path}/{name}") for name in ("x", "a b/c", "a")] == ["tmpfs", "xfs", "tmpfs"]
    assert type_of(of, "/elsewhere") == "ext4"
    assert type_of(machine(tmp_path / "no"), "/") == ""


def test_who_holds_the_lock(tmp_path: Path) -> None:
    """/proc/locks is asked, because asking the lock would take it; nobody holds it after that."""
    real = replace(machine(tmp_path), root="/")
    held = StateFile(str(tmp_path / "state"))
    try:
        found = holder_of_lock(real, str(tmp_path / "state"))
        assert found is not None
        assert found[0] == os.getpid()
        assert "python" in found[1] or "pytest" in found[1]
    finally:
        held.close()
    assert holder_of_lock(real, str(tmp_path / "state")) is None


# -- limits


def logs_of(tmp_path: Path, directories: int) -> Path:
    for number in range(directories):
        (tmp_path / f"logs/{number}").mkdir(parents=True)
        (tmp_path / f"logs/{number}/a.log").write_text("")
    return tmp_path / "logs"


def test_inotify_watches(tmp_path: Path) -> None:
    """Too few for the directories is a warning, because polling does without."""
    logs = logs_of(tmp_path, 5)
    limit = "/proc/sys/fs/inotify/max_user_watches"
    few = machine(tmp_path, {limit: "10\n"})
    assert "sysctl -w fs.inotify.max_user_watches=" in told(limits(few, setup(few, logs)), "warning")[0]
    enough = machine(tmp_path, {limit: "12\n"})
    assert "6 directories to watch, 12 inotify watches allowed" in told(limits(enough, setup(enough, logs)), "ok")[0]
    none = machine(tmp_path / "none")
    assert worst(limits(none, setup(none, logs))) == "note"


def test_inotify_instances(tmp_path: Path) -> None:
    """Counted in /proc, of the same user."""
    (tmp_path / "proc/7/fd").mkdir(parents=True)
    for fd in range(3):
        (tmp_path / f"proc/7/fd/{fd}").symlink_to("anon_inode:inotify")
    limit = "/proc/sys/fs/inotify/max_user_instances"
    of = mine(tmp_path, files={limit: "128"})
    assert instances(of).what.startswith("3 of 128 inotify instances")
    assert instances(mine(tmp_path, files={limit: "3"})).mark == "warning"


def test_open_files_against_logs(tmp_path: Path) -> None:
    """The unit's limit counts when there is a unit; too few is a note: files take turns."""
    logs = logs_of(tmp_path, 6)
    config = f"sources: [{{name: s, paths: [{logs}]}}]\n"
    unit = UNIT.replace("/etc/logmetrics/config.yaml", f"{tmp_path}/etc/logmetrics/config.yaml")
    files = {"/etc/logmetrics/config.yaml": config, UNIT_FILE: unit.replace("LimitNOFILE=8192", "LimitNOFILE=8:10")}
    of = machine(tmp_path, files)
    [note] = [each for each in told(limits(of, setup(of)), "note") if "log files" in each]
    assert "6 log files, 5 may be open at once (10, LimitNOFILE= of logmetrics.service)" in note
    assert "raise LimitNOFILE= of the unit" in note


# -- journal


def with_journal(there: Setup, *units: str) -> Setup:
    """The same with a source that reads these units' journal."""
    assert there.config is not None
    source = SourceSpec("j", (), journals=journal_logs(units))
    return replace(there, config=replace(there.config, sources=(source,)))


JOURNAL = {"/etc/machine-id": "abc\n", "/var/log/journal/abc/system.journal": ""}


def test_a_journal_that_can_be_read(tmp_path: Path) -> None:
    """Who may, where it is kept, and whether the unit has entries."""
    of = machine(tmp_path, JOURNAL, {"journalctl": Answer(0, "hello\n")})
    there = with_journal(setup(of, tmp_path), "ollama.service")
    found = journal(of, there, looks(tmp_path, {}))
    assert worst(found) == "ok"
    assert "the journal has entries of ollama.service" in told(found, "ok")
    silent = machine(tmp_path, JOURNAL, {"journalctl": Answer(1)})
    assert "could not be looked at" in told(journal(silent, there, looks(tmp_path, {})), "note")[0]
    hint = "Hint: You are currently not seeing messages from other users and the system."
    closed = machine(tmp_path, JOURNAL, {"journalctl": Answer(0, "", hint)})
    assert "not seeing messages" in told(journal(closed, there, looks(tmp_path, {})), "note")[0]
    empty = machine(tmp_path, JOURNAL, {"journalctl": Answer(0, "")})
    assert "no entries of ollama.service" in told(journal(empty, there, looks(tmp_path, {})), "warning")[0]


def test_a_journal_that_is_closed_to_the_user(tmp_path: Path) -> None:
    """A problem where a source reads it, else worth a note; the group is the one that the file names."""
    of = machine(tmp_path, JOURNAL, {"journalctl": Answer(0, "x")})
    look = looks(tmp_path, {"/var/log/journal/abc/system.journal": (0, 190, 0o640)})
    closed = journal(of, with_journal(setup(of, tmp_path), "x.service"), look)
    assert "-> usermod -aG systemd-journal ann" in told(closed, "problem")[0]
    assert worst(journal(of, setup(of, tmp_path), look)) == "note"


def test_no_journal_at_all(tmp_path: Path) -> None:
    """Without journalctl or without files; and one in memory is lost at a reboot."""
    bare = machine(tmp_path, programs=())
    assert (
        "journalctl is not there" in told(journal(bare, with_journal(setup(bare, tmp_path), "x.service")), "problem")[0]
    )
    assert worst(journal(bare, setup(bare, tmp_path))) == "note"
    none = machine(tmp_path)
    assert "there is no journal" in told(journal(none, with_journal(setup(none, tmp_path), "x")), "problem")[0]
    volatile = machine(tmp_path, {"/run/log/journal/abc/system.journal": ""}, {"journalctl": Answer(0, "x")})
    found = journal(volatile, with_journal(setup(volatile, tmp_path), "x"), looks(tmp_path, {}))
    assert "kept in memory only" in told(found, "warning")[0]


# -- clock


@pytest.mark.parametrize(("told_by_kernel", "mark"), [(True, "ok"), (False, "note"), (None, "note")])
def test_whether_the_clock_is_kept_right(tmp_path: Path, told_by_kernel: bool | None, mark: str) -> None:
    """timesyncd's file speaks where the kernel does not."""
    of = machine(tmp_path, clock_is_synchronised=lambda: told_by_kernel)
    assert worst(clock(of, setup(of))) == mark
    by_file = machine(
        tmp_path, {"/run/systemd/timesync/synchronized": ""}, clock_is_synchronised=lambda: told_by_kernel
    )
    assert worst(clock(by_file, setup(by_file))) == ("note" if told_by_kernel is False else "ok")


@pytest.mark.parametrize(
    ("time", "written_ago_s", "mark", "words"),
    [
        ("2030-03-17T17:46:00Z", 0, "ok", "its last record is of 2030-03-17 17:46:00 UTC"),
        ("2030-03-17T19:46:00", 0, "warning", "2.0 h in the future"),
        ("2031-01-01T00:00:00Z", 0, "warning", "compare the clocks of the machines"),
        ("2030-03-17T12:46:40", 0, "note", "timezone: of source logs (now UTC)"),
        ("2030-03-17T12:20:00Z", 0, "ok", "its last record"),
        ("2029-01-01T00:00:00Z", 400 * 86_400, "ok", "its last record"),
    ],
)
def test_times_in_logs(tmp_path: Path, time: str, written_ago_s: float, mark: str, words: str) -> None:
    """Far in the future, or whole hours before it was written: a clock or a zone."""
    log = tmp_path / "logs/a.log"
    log.parent.mkdir()
    log.write_text(f'{{"time": "{time}", "msg": "x"}}\n{{"half": ')
    os.utime(log, (NOW_S - written_ago_s,) * 2)
    of = machine(tmp_path, now_s=lambda: NOW_S)
    found = [each for each in clock(of, setup(of, log.parent)) if "it is 2030" not in each.what]

    assert [each.mark for each in found] == [mark]
    assert words in f"{found[0].what} {found[0].to_do}"


def test_a_log_without_times(tmp_path: Path) -> None:
    """Nothing can be said, and nothing is."""
    (tmp_path / "a.log").write_bytes(b"\xff\x00rubbish\n\n")
    of = machine(tmp_path)
    assert len(clock(of, setup(of, tmp_path / "a.log"))) == 1


# -- service


def shown(**properties: str) -> dict[str, Answer]:
    told = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}
    told |= {"NRestarts": "0", "NeedDaemonReload": "no", **properties}
    return {"systemctl show": Answer(0, "\n".join(f"{key}={value}" for key, value in told.items()))}


@pytest.mark.parametrize(
    ("properties", "mark", "words"),
    [
        ({"StatusText": "4 logs"}, "ok", "it is active, running (4 logs)"),
        ({"UnitFileState": "disabled"}, "note", "systemctl enable logmetrics.service"),
        ({"UnitFileState": "masked"}, "problem", "systemctl unmask logmetrics.service"),
        ({"ActiveState": "inactive"}, "note", "systemctl start logmetrics.service"),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "2"},
            "problem",
            "exit code 2: the command line or the config is wrong",
        ),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "ExecMainStatus": "3"},
            "problem",
            "it ends again and again (exit-code), exit code 3: the state cannot be used",
        ),
        ({"ActiveState": "activating", "SubState": "start"}, "note", "it is activating, start"),
        ({"NRestarts": "7"}, "warning", "it was started again 7 times"),
        ({"NeedDaemonReload": "yes"}, "warning", "systemctl daemon-reload"),
    ],
)
def test_how_the_unit_is(tmp_path: Path, properties: dict[str, str], mark: str, words: str) -> None:
    """What systemctl shows, in words, with what to do."""
    of = machine(tmp_path, {UNIT_FILE: UNIT, **BOOTED}, shown(**properties))
    found = service(of, setup(of))
    assert worst(found) == mark
    assert any(words in each for each in told(found, mark))


def test_units_without_systemd(tmp_path: Path) -> None:
    """A container has none; and a systemctl that hangs is no reason to fail."""
    of = machine(tmp_path)
    assert "is not installed, and systemd does not run here" in told(service(of, setup(of)), "note")[0]
    there = machine(tmp_path, {UNIT_FILE: UNIT.replace("Type=notify", "Type=exec")})
    notes = told(service(there, setup(there)), "note")
    assert "Type=exec" in notes[0]
    assert "systemd does not run here" in notes[1]
    stuck = machine(tmp_path, {UNIT_FILE: UNIT, **BOOTED}, {"systemctl": Answer(124, err="no answer in 3 s")})
    assert "could not be looked at: no answer in 3 s" in told(service(stuck, setup(stuck)), "note")[0]


def test_units_of_users_end_with_their_login(tmp_path: Path) -> None:
    """Unless linger is on."""
    files = {"/home/ann/.config/systemd/user/logmetrics.service": UNIT}
    of = machine(tmp_path, files)
    of = replace(of, account=replace(of.account, home="/home/ann"))
    assert "loginctl enable-linger ann" in told(service(of, setup(of)), "warning")[0]
    lingers = machine(tmp_path, {"/var/lib/systemd/linger/ann": ""})
    lingers = replace(lingers, account=of.account)
    assert worst(service(lingers, setup(lingers))) != "warning"


# -- Ollama and agents


OLLAMA = "[Service]\nExecStart=/usr/local/bin/ollama serve\n"


def test_where_ollama_logs(tmp_path: Path) -> None:
    """The journal, files that the unit names, a container's log, the desktop app's."""
    log, container = tmp_path / "ollama.log", "/var/lib/docker/containers/f00"
    log.write_text("")
    unit = f"{OLLAMA}StandardOutput=append:{log}\n"
    files = {"/etc/systemd/system/ollama.service": unit, "/home/ann/.ollama/logs/server.log": ""}
    files |= {f"{container}/config.v2.json": json.dumps({"Config": {"Image": "ollama/ollama:0.30"}})}
    files |= {f"{container}/f00-json.log": "", "/var/lib/docker/containers/bad/config.v2.json": "{"}
    of = machine(tmp_path, files)
    found = ollama(of, setup(of, log))

    assert any(f"it logs to {log}" in each for each in told(found, "ok"))
    assert f"its log {log} is among the sources" in told(found, "ok")
    notes = told(found, "note")
    assert any(f"logmetrics watch {tmp_path}/home/ann/.ollama/logs/server.log" in each for each in notes)
    assert any(f"logmetrics watch {tmp_path}{container}/f00-json.log" in each for each in notes)


def test_ollama_in_the_journal(tmp_path: Path) -> None:
    """It is told whether a source reads it, and how one would."""
    of = machine(tmp_path, {"/etc/systemd/system/ollama.service": OLLAMA})
    assert "logmetrics watch --journal ollama.service" in told(ollama(of, setup(of, tmp_path)), "note")[0]
    there = with_journal(setup(of, tmp_path), "ollama.service")
    assert "its journal is among the sources" in told(ollama(of, there), "ok")
    nothing = machine(tmp_path / "none")
    assert "no Ollama found" in told(ollama(nothing, setup(nothing)), "note")[0]


def test_what_sources_name(tmp_path: Path) -> None:
    """A directory, what is in it, a glob's files, and a place that a source is a part of."""
    (tmp_path / "a/b").mkdir(parents=True)
    log = tmp_path / "a/b/x.log"
    log.write_text("")
    assert is_named(str(log), [f"{tmp_path}/a"])
    assert is_named(str(log), [str(log)])
    assert is_named(str(log), [f"{tmp_path}/a/**/*.log"])
    assert not is_named(str(log), [f"{tmp_path}/a/**/*.txt"])
    assert not is_named(str(log), [f"{tmp_path}/a/c"])
    assert is_named(f"{tmp_path}/a", [f"{tmp_path}/a/b"])


def test_agents_that_nobody_watches(tmp_path: Path) -> None:
    """Each with the command; one that a source names is no news."""
    home = tmp_path / "home/ann"
    for below in (".claude/projects", ".codex/sessions"):
        (home / below).mkdir(parents=True)
    of = machine(tmp_path)
    found = agents(of, setup(of, home / ".codex"))
    assert [each.partition(" -> ")[2] for each in told(found, "note")] == ["logmetrics watch ~/.claude/projects"]
    assert len(told(found, "ok")) == 1


@pytest.mark.parametrize("below", KEPT)
def test_agents_are_those_of_the_packs(below: str) -> None:
    """Each place stands in the page of its pack."""
    assert f"~/{below}" in (DOCS / f"{KEPT[below]}.md").read_text()


def test_sources_without_paths(tmp_path: Path) -> None:
    """Those of a journal have none, and no topic stumbles over that."""
    of = machine(tmp_path, {}, {"journalctl": Answer(0, "x")})
    for there in (with_journal(setup(of, tmp_path), "x.service"), setup(of, "-"), setup(of, journal=("x",))):
        assert there.config is not None
        for topic in examine(of, there):
            first = topic.findings[0].what
            assert not first.startswith(f"{topic.title.lower()} could not be looked at"), topic
    assert setup(of, "-").state_dir is None
