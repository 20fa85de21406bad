"""Limits of the system: notification, open files."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from typing import TYPE_CHECKING

from logmetrics.doctor.findings import Finding, note, ok, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.mounts import is_remote, type_of
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.units import Unit

if TYPE_CHECKING:
    from logmetrics.config.specs import SourceSpec

_INOTIFY = "/proc/sys/fs/inotify/"
# Of the open files that the system allows, logs may take half; the rest is for the state, connections and scans.
_LOGS_OF_OPEN_FILES = 2


def limits(machine: Machine, setup: Setup) -> list[Finding]:
    """Watches against directories, instances, open files against logs. None of it stops logmetrics."""
    sources = setup.config.sources if setup.config else ()
    if setup.config is None:
        found = [instances(machine)]
    elif not setup.config.watchdog:
        found = [note("no file notification: watchdog is false in the config; files are looked at by polling")]
    else:
        found = [watches(machine, sources), instances(machine)]
    found += _remote(machine, sources)
    if setup.config is not None:
        found.append(_open_files(setup))
    return found


def watches(machine: Machine, sources: Iterable[SourceSpec]) -> Finding:
    """max_user_watches against the directories of the sources."""
    from logmetrics.sources.wake import count_directories, watched_directories

    told = machine.read(f"{_INOTIFY}max_user_watches")
    if told is None or not told.strip().isdigit():
        return unseen("inotify", "this system has no /proc/sys/fs/inotify; files are looked at by polling")
    allowed = int(told)
    wanted = sum(count_directories(root) if deep else 1 for root, deep in watched_directories(sources).items())
    shown = f"{wanted:,} {'directory' if wanted == 1 else 'directories'} to watch, {allowed:,} inotify watches allowed"
    if 2 * wanted > allowed:  # for a moment there are an old and a new watch for each
        more = max(524_288, 4 * wanted)
        to_do = f"sysctl -w fs.inotify.max_user_watches={more} and put it into /etc/sysctl.d/; polling works, too"
        return warning(f"{shown}: too few, so files are looked at by polling only", to_do)
    return ok(shown)


def instances(machine: Machine) -> Finding:
    """max_user_instances against those that the user has."""
    told = machine.read(f"{_INOTIFY}max_user_instances")
    if told is None or not told.strip().isdigit():
        return unseen("inotify instances", "this system does not tell")
    allowed, used = int(told), _instances_of(machine, machine.account.uid)
    shown = f"{used:,} of {allowed:,} inotify instances of {machine.account.name} in use"
    if used >= allowed:
        to_do = f"sysctl -w fs.inotify.max_user_instances={max(1_024, 2 * allowed)}; polling works, too"
        return warning(f"{shown}: none is left, so files are looked at by polling only", to_do)
    return ok(shown)


def _instances_of(machine: Machine, uid: int) -> int:
    count = 0
    for name in machine.names_in("/proc"):
        directory = machine.path(f"/proc/{name}/fd")
        if not name.isdigit():
            continue
        try:
            if os.stat(machine.path(f"/proc/{name}")).st_uid != uid:
                continue
            for fd in os.listdir(directory):
                count += os.readlink(os.path.join(directory, fd)) in ("anon_inode:inotify", "inotify")
        except OSError:  # it ended, or is somebody else's
            continue
    return count


def _remote(machine: Machine, sources: Iterable[SourceSpec]) -> list[Finding]:
    found = []
    for source in sources:
        kinds = {type_of(machine, os.path.expanduser(path)) for path in source.paths}
        for kind in sorted(filter(is_remote, kinds)):
            what = f"source {source.name} is on a network file system ({kind}): no notification of what others write"
            found.append(note(what, "nothing has to be done: files are looked at by polling"))
    return found


def _open_files(setup: Setup) -> Finding:
    assert setup.config is not None
    logs = sum(len(setup.files_of(source).files) for source in setup.config.sources)
    hard, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[1], "of this shell"
    if setup.unit is not None and (told := setup.unit.last("LimitNOFILE").rpartition(":")[2]):
        hard, whose = _number(told, hard), f"LimitNOFILE= of {setup.unit.name}"
    room = min(hard // _LOGS_OF_OPEN_FILES, setup.config.open_files_max)
    shown = f"{logs:,} log files, {room:,} may be open at once ({hard:,}, {whose})"
    if logs > room:
        to_do = (
            f"raise {_what_to_raise(setup.unit, hard, setup.config.open_files_max)}; all are read either way, in turns"
        )
        return note(f"{shown}: those that are still are closed", to_do)
    return ok(shown)


def _what_to_raise(unit: Unit | None, hard: int, open_files_max: int) -> str:
    if hard // _LOGS_OF_OPEN_FILES >= open_files_max:
        return "open_files_max of the config"
    return "LimitNOFILE= of the unit" if unit is not None else "ulimit -n"


def _number(told: str, otherwise: int) -> int:
    if told == "infinity":
        return 2**20
    return int(told) if told.isdigit() else otherwise
