"""The state directory: sound, on a disk that can be trusted, and of the user who will write it."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from urllib.parse import quote

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.mounts import is_remote, is_volatile, type_of
from logmetrics.doctor.permissions import SEARCH, WRITE, obstacles
from logmetrics.doctor.setup import Setup
from logmetrics.errors import StateError
from logmetrics.present.amounts import seconds, size
from logmetrics.store.state import FILE_NAME, LOCK_NAME, SCHEMA_VERSION, check

# Below this, commits are about to fail.
FREE_BYTES_MIN = 64 * 1024 * 1024


def state(machine: Machine, setup: Setup) -> list[Finding]:
    """Where the state is and why, and how it is."""
    directory = setup.state_dir
    if directory is None:
        return [note(f"no state is looked at: {setup.state_why}")]
    where = f"state: {directory} ({setup.state_why})"
    if not os.path.lexists(directory):
        try:
            os.stat(directory)
        except PermissionError as error:
            return [unseen(where, error, "run logmetrics doctor as root or as the user who runs it")]
        except OSError:
            return [*_to_be_made(setup, directory, where), *_place(machine, os.path.dirname(directory))]
    if not os.path.isdir(directory):
        return [problem(f"{where} is not a directory", "name another with --state-dir")]
    found = [ok(where), *_owner(machine, setup, directory), *_place(machine, directory)]
    try:
        names = os.listdir(directory)
    except OSError as error:
        return [*found, unseen("what is in it", error, "run logmetrics doctor as root or as the user who runs it")]
    holder = holder_of_lock(machine, directory)
    if holder is not None:
        found.append(ok(f"in use by process {holder[0]}: {holder[1]}"))
    if FILE_NAME in names:
        found.append(_health(machine, directory, is_held=holder is not None))
    elif f"{FILE_NAME}-wal" in names:
        what = f"{FILE_NAME} is missing, but its log {FILE_NAME}-wal is there"
        found.append(problem(what, "put it back, or start once with --reset-state, which counts from zero"))
    else:
        found.append(note("it holds no state yet; the first start makes one"))
    return found


def _to_be_made(setup: Setup, directory: str, where: str) -> list[Finding]:
    if setup.state_why.startswith("StateDirectory="):
        return [ok(f"{where}: not there yet; systemd makes it")]
    parent = os.path.dirname(os.path.abspath(directory))
    while not os.path.isdir(parent) and parent != "/":
        parent = os.path.dirname(parent)
    reader = setup.reader
    if obstacles(parent, reader, WRITE | SEARCH):
        to_do = f"name another with --state-dir, or: install -d -m 0700 -o {reader.name} {directory}"
        return [problem(f"{where}: not there, and user {reader.name} may not make it in {parent}", to_do)]
    return [ok(f"{where}: not there yet; the first start makes it")]


def _owner(machine: Machine, setup: Setup, directory: str) -> list[Finding]:
    status = os.stat(directory)
    reader, owner = setup.reader, machine.users.user_name(status.st_uid)
    mode = f"{owner}, {status.st_mode & 0o7777:04o}"
    found = []
    if status.st_uid not in (reader.uid, 0):
        to_do = f"chown -R {reader.name} {directory}, or run logmetrics as {owner}"
        found.append(problem(f"it belongs to {owner}, and user {reader.name} is to use it ({mode})", to_do))
    elif obstacles(directory, reader, WRITE | SEARCH):
        found.append(problem(f"user {reader.name} may not write to it ({mode})", f"chown -R {reader.name} {directory}"))
    else:
        found.append(ok(f"user {reader.name} may write to it ({mode})"))
    if status.st_mode & stat.S_IWOTH:
        found.append(warning("everybody may write to it, and so change what is counted", f"chmod o-w {directory}"))
    return found


def _place(machine: Machine, directory: str) -> list[Finding]:
    while not os.path.isdir(directory) and directory not in ("/", ""):
        directory = os.path.dirname(directory)
    found = []
    kind = type_of(machine, directory)
    if is_remote(kind):
        what = f"it is on a network file system ({kind}), where locks and commits are not to be trusted"
        found.append(warning(what, "put the state on a local disk with state_dir or --state-dir"))
    elif is_volatile(kind):
        what = f"it is in memory ({kind}): a reboot of the machine sets all counters to zero"
        found.append(warning(what, "put the state on a disk with state_dir or --state-dir"))
    room = os.statvfs(directory or ".")
    free = room.f_bavail * room.f_frsize
    told = f"{size(free)} free" + (f" on {kind}" if kind else "")
    if free < FREE_BYTES_MIN or (room.f_files and not room.f_favail):
        told += "" if room.f_favail or not room.f_files else ", and no inodes"
        found.append(problem(f"the disk is full: {told}", "make room: while it is full, commits fail"))
    else:
        found.append(ok(told))
    return found


def _health(machine: Machine, directory: str, *, is_held: bool) -> Finding:
    path = os.path.join(directory, FILE_NAME)
    wal = f"{path}-wal"
    # A reader leaves files beside a state that nobody uses; with immutable it does not, but would not see a WAL.
    still = not is_held and not (os.path.exists(wal) and os.path.getsize(wal))
    uri = f"file:{quote(os.path.abspath(path))}?mode=ro{'&immutable=1' if still else ''}"
    reset = f"restore a backup, or start once with --reset-state --state-dir {directory}, which counts from zero"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as connection:
            check(connection, path)
            (files,) = connection.execute("SELECT count(*) FROM files").fetchone()
            (series,) = connection.execute("SELECT count(*) FROM series").fetchone()
    except StateError as error:
        return problem(" ".join(str(error).partition(";")[0].split()), reset)
    except sqlite3.OperationalError as error:
        return unseen(path, error, "run logmetrics doctor as root or as the user who runs it")
    except sqlite3.Error as error:
        return problem(f"{path} is damaged: {error}", reset)
    whole = sum(os.path.getsize(each) for each in (path, wal) if os.path.exists(each))
    age_s = machine.now_s() - max(os.path.getmtime(each) for each in (path, wal) if os.path.exists(each))
    when = f"{seconds(max(age_s, 0))} ago" if age_s >= 1 else "just now"
    what = f"version {SCHEMA_VERSION}, sound, {size(whole)}: {files:,} logs, {series:,} series, written {when}"
    return ok(what)


def holder_of_lock(machine: Machine, directory: str) -> tuple[int, str] | None:
    """Process id and command of the one that holds the lock, from /proc/locks; asking the lock itself would take it."""
    try:
        status = os.stat(os.path.join(directory, LOCK_NAME))
        with open(os.path.join(directory, LOCK_NAME), "rb") as file:
            noted = file.read(20).strip()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in (machine.read("/proc/locks") or "").splitlines():
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK" or not words[5].endswith(f":{status.st_ino}"):
            continue
        # btrfs and overlays show another device than stat() does; then the number in the file has to agree.
        if words[5] == device or words[4].encode() == noted:
            pid = int(words[4])
            return pid, command_of(pid, machine.path("/proc")) or "a process of another container"
    return None


def command_of(pid: int, proc: str) -> str:
    """The command line of a process; empty when there is no such process."""
    try:
        with open(os.path.join(proc, str(pid), "cmdline"), "rb") as file:
            words = file.read(4096).split(b"\0")
    except OSError:
        return ""
    return b" ".join(words).decode("utf-8", "backslashreplace").strip()
