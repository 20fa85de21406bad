"""The journal: is there one, may it be read, and do the units that the config names write to it?"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.permissions import READ, SEARCH, Look, groups_that_may, obstacles, permissions_of
from logmetrics.doctor.setup import Setup
from logmetrics.sources.journalctl import command, explain, may_not_read

if TYPE_CHECKING:
    from logmetrics.config.specs import JournalLogSpec, SourceSpec

PERSISTENT, VOLATILE = "/var/log/journal", "/run/log/journal"


def journal(machine: Machine, setup: Setup, look: Look = permissions_of) -> list[Finding]:
    """Matters only where a source reads the journal; else it is told in passing."""
    wanted = wanted_by(setup.config.sources if setup.config else ())
    here = [each for each in wanted if each.directory is None]
    if machine.which("journalctl") is None:
        if wanted:
            names = ", ".join(each.name for each in wanted)
            to_do = "install systemd's journalctl, or read a log file instead"
            return [problem(f"journalctl is not there, and {names} is read from the journal", to_do)]
        return [note("journalctl is not there: sources of the journal are not possible, and none is asked for")]
    directory = _directory(machine)
    if directory is None:
        what = "there is no journal: neither /var/log/journal nor /run/log/journal holds one"
        found = [problem(what, "is systemd-journald running?") if here else note(what)]
    else:
        found = [_storage(directory, wanted=bool(here))]
        found += _access(machine, setup, directory, look, wanted=bool(here))
    return found + [_entries(machine, each) for each in wanted if each.directory or directory]


def wanted_by(sources: Iterable[SourceSpec]) -> list[JournalLogSpec]:
    """What the sources read of journals."""
    return [log for source in sources for log in source.journals]


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


def _access(machine: Machine, setup: Setup, directory: str, look: Look, *, wanted: bool) -> list[Finding]:
    names = machine.names_in(directory)
    place = os.path.join(directory, "system.journal") if "system.journal" in names else directory
    found: list[Finding] = []
    for account in setup.accounts:
        try:
            denied = obstacles(machine.path(place), account, READ if place != directory else READ | SEARCH, look)
        except OSError as error:
            found.append(unseen(f"whether user {account.name} may read the journal", error))
            continue
        if not denied:
            found.append(ok(f"user {account.name} may read the journal"))
            continue
        gids = [gid for each in denied for gid in groups_that_may(each.place, each.wanted) if gid]
        group = machine.users.group_name(gids[0]) if gids else "systemd-journal"
        what = f"user {account.name} may not read the system's journal ({denied[0].place.path})"
        to_do = f"usermod -aG {group} {account.name}, then start it again; for the unit, SupplementaryGroups={group}"
        found.append(problem(what, to_do) if wanted else note(what, to_do))
    return found


def _entries(machine: Machine, wanted: JournalLogSpec) -> Finding:
    answer = machine.run(command(wanted.matches, wanted.directory, newest=True))
    if not answer.out and (answer.code or may_not_read(answer.err)):
        return unseen(f"the journal of {wanted.name}", explain(answer.err, answer.code))
    if not answer.out.strip():
        to_do = f"is the name right, and did it ever run? journalctl {' '.join(wanted.matches)}"
        return warning(f"the journal has no entries of {wanted.name}", to_do)
    return ok(f"the journal has entries of {wanted.name}")
