"""The journal: is there one, may it be read, and do the units that the config names write to it?"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.permissions import READ, SEARCH, Look, groups_that_may, obstacles, permissions_of
from logmetrics.doctor.setup import Setup

PERSISTENT, VOLATILE = "/var/log/journal", "/run/log/journal"


def journal(machine: Machine, setup: Setup, look: Look = permissions_of) -> list[Finding]:
    """Matters only where a source reads the journal; else it is told in passing."""
    units = units_of(setup.config.sources if setup.config else ())
    if machine.which("journalctl") is None:
        if units:
            to_do = "install systemd's journalctl, or read a log file instead"
            return [problem(f"journalctl is not there, and {', '.join(units)} is read from the journal", to_do)]
        return [note("journalctl is not there: sources of the journal are not possible, and none is asked for")]
    directory = _directory(machine)
    if directory is None:
        what = "there is no journal: neither /var/log/journal nor /run/log/journal holds one"
        return [problem(what, "is systemd-journald running?") if units else note(what)]
    found = [_storage(directory, wanted=bool(units))]
    found += _access(machine, setup, directory, units, look)
    return found + [_entries(machine, unit) for unit in units]


def units_of(sources: Iterable[Any]) -> list[str]:
    """The units whose journal the sources read; empty for a source of the whole journal."""
    found: list[str] = []
    for source in sources:
        told = getattr(source, "journald", None) or getattr(source, "journal", None)
        if told is None:
            continue
        names = told if isinstance(told, (str, list, tuple)) else _units_in(told)
        found += [names] if isinstance(names, str) else [str(name) for name in names or ("",)]
    return list(dict.fromkeys(found))


def _units_in(told: Any) -> Any:
    for key in ("units", "unit"):
        value = told.get(key) if isinstance(told, dict) else getattr(told, key, None)
        if value:
            return value
    return ()


def _directory(machine: Machine) -> str | None:
    """The directory of this machine's journal."""
    machine_id = (machine.read("/etc/machine-id") or "").strip()
    for place in (PERSISTENT, VOLATILE):
        names = [name for name in machine.names_in(place) if not machine_id or name.partition(".")[0] == machine_id]
        if names:
            return f"{place}/{names[0]}"
    return None


def _storage(directory: str, *, wanted: bool) -> Finding:
    if directory.startswith(PERSISTENT):
        return ok(f"the journal is kept on the disk: {directory}")
    what = f"the journal is kept in memory only: {directory}; a reboot loses what was not read yet"
    to_do = "mkdir /var/log/journal && systemctl restart systemd-journald (Storage=auto)"
    return warning(what, to_do) if wanted else note(what)


def _access(machine: Machine, setup: Setup, directory: str, units: list[str], look: Look) -> list[Finding]:
    names = machine.names_in(directory)
    place = os.path.join(directory, "system.journal") if "system.journal" in names else directory
    found: list[Finding] = []
    for account in setup.accounts:
        try:
            denied = obstacles(machine.path(place), account, READ if place != directory else READ | SEARCH, look)
        except OSError as error:
            found.append(unseen(f"whether {account.name} may read the journal", error))
            continue
        if not denied:
            found.append(ok(f"{account.name} may read the journal"))
            continue
        gids = [gid for each in denied for gid in groups_that_may(each.place, each.wanted) if gid]
        group = machine.users.group_name(gids[0]) if gids else "systemd-journal"
        what = f"{account.name} may not read the system's journal ({denied[0].place.path})"
        to_do = f"usermod -aG {group} {account.name}, then start it again; for the unit, SupplementaryGroups={group}"
        found.append(problem(what, to_do) if units else note(what, to_do))
    return found


def _entries(machine: Machine, unit: str) -> Finding:
    which = [f"_SYSTEMD_UNIT={unit}"] if unit else []
    answer = machine.run(["journalctl", "--no-pager", "-q", "-n", "1", "-o", "cat", *which])
    name = unit or "the journal"
    if answer.code and not answer.out:
        return unseen(name, answer.err.splitlines()[0] if answer.err else f"journalctl ended with {answer.code}")
    if not answer.out.strip():
        to_do = f"is the name right, and did it ever run? systemctl status {unit}" if unit else "does anything log?"
        return warning(f"the journal has no entries of {name}", to_do)
    return ok(f"the journal has entries of {name}")
