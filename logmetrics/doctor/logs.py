"""The sources: what each matches, and whether who runs it may read that."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from functools import lru_cache
from glob import has_magic
from typing import TYPE_CHECKING

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.machine import Account, Machine
from logmetrics.doctor.permissions import (
    READ,
    SEARCH,
    Look,
    Obstacle,
    groups_that_may,
    obstacles,
    permissions_of,
)
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.units import Unit
from logmetrics.present.amounts import number_of, seconds, size

if TYPE_CHECKING:
    from logmetrics.config.specs import SourceSpec
    from logmetrics.sources.discovery import Discovery, FoundFile

# A log that nobody wrote to for so long is worth a note.
STILL_S = 86_400.0
# Files of one source whose permissions are looked at, the newest first.
FILES_MAX = 2_000
_HIDING = {"ProtectHome": ("/home", "/root", "/run/user"), "PrivateTmp": ("/tmp", "/var/tmp")}  # noqa: S108


def logs(machine: Machine, setup: Setup) -> list[Finding]:
    """What each source matches."""
    if setup.config is None:
        return [note("not looked at: there is no config to tell which")]
    return [finding for source in setup.config.sources for finding in _matches(machine, setup, source)]


def access(machine: Machine, setup: Setup, look: Look = permissions_of) -> list[Finding]:
    """Whether each user who is to read the logs may, what denies it, and what would help."""
    if setup.config is None:
        return [note("not looked at: there is no config to tell which")]
    found: list[Finding] = []
    for source in setup.config.sources:
        files = setup.files_of(source)
        places = _places(source, files)
        if setup.unit is not None and not setup.asked.user and not setup.unit.is_of_user:
            found += hidden_by(setup.unit, source.paths)
        for account in setup.accounts:
            found += _access_of(machine, setup, source, places, account, look)
    return found or [note("no source has files")]


def _matches(machine: Machine, setup: Setup, source: SourceSpec) -> list[Finding]:
    if not source.paths:
        return [ok(f"source {source.name}: {', '.join(source.places)}")]
    files = setup.files_of(source)
    found = [_problem_of(path, why) for path, why in sorted(files.problems.items())[:5]]
    if len(files.problems) > 5:
        found.append(note(f"source {source.name}: {len(files.problems) - 5:,} more that could not be looked at"))
    if any(path.startswith("~") for path in source.paths):
        here = ", ".join(os.path.expanduser(path) for path in source.paths if path.startswith("~"))
        found.append(note(f"source {source.name}: ~ is the home of whoever runs it, here {here}"))
    mine = [file for file in files.files.values() if file.role == "log"]
    if not mine:
        return found or [_nothing(source, files)]
    newest = max(mine, key=lambda file: file.signature[1])
    age_s = machine.now_s() - newest.signature[1] / 1e9
    generations = sum(file.role == "generation" for file in files.files.values())
    what = f"source {source.name}: {number_of('file', len(mine))}, {size(sum(file.signature[0] for file in mine))}"
    what += f" and {generations:,} rotated" if generations else ""
    when = f"written {seconds(age_s)} ago" if age_s >= 1 else "written just now"
    what += f"; newest {newest.path}, {when}"
    if age_s > STILL_S:
        to_do = "is the agent running, and does it still log there? if it does not run, all is well"
        return [*found, note(what, to_do)]
    return [*found, ok(what)]


def _problem_of(path: str, why: str) -> Finding:
    if why == "Permission denied":
        return unseen(path, why, "run logmetrics doctor as root, or see the permissions below")
    if why == "No such file or directory":
        to_do = "it is read as soon as it is there; is the path spelt right, and is the agent running?"
        return warning(f"{path} is not there", to_do)
    return warning(f"{path}: {why}", "name a file or a directory that can be read")


def _nothing(source: SourceSpec, files: Discovery) -> Finding:
    excluded = sum(file.role == "excluded" for file in files.files.values())
    roots = ", ".join(source.paths)
    if excluded:
        why, to_do = f"exclude leaves out all {excluded:,} files", f"look at exclude of {source.name}"
    elif files.files:
        why, to_do = (
            "there are only rotated ones, which are not read by themselves",
            "is the agent still logging there?",
        )
    elif any(has_magic(path) for path in source.paths):
        why, to_do = f"no file matches {roots}", f"compare with: ls -d {roots}; ** stands for any directories"
    else:
        why, to_do = f"{roots} holds no files", "is the agent running, and does it log there?"
    return warning(f"source {source.name}: nothing to read: {why}", to_do)


def _places(source: SourceSpec, files: Discovery) -> list[tuple[str, int]]:
    """What has to be open, and how far: the directories that are looked through, and the files."""
    places: dict[str, int] = {}
    for path in source.paths:
        plain = os.path.expanduser(path)
        if has_magic(plain) and not os.path.lexists(plain):
            from logmetrics.sources.discovery import plain_directory

            plain = plain_directory(plain)
        if os.path.isdir(plain):
            places[plain] = READ | SEARCH
        elif os.path.lexists(plain) or not os.access(os.path.dirname(os.path.abspath(plain)), os.X_OK):
            places[plain] = READ
    newest = sorted(files.files.values(), key=_written, reverse=True)[:FILES_MAX]
    directories = {os.path.dirname(file.path) for file in newest}
    places.update({directory: READ | SEARCH for directory in sorted(directories) if directory})
    places.update({file.path: READ for file in newest if file.role == "log"})
    return list(places.items())


def _written(file: FoundFile) -> int:
    return file.signature[1]


def _access_of(
    machine: Machine, setup: Setup, source: SourceSpec, places: Sequence[tuple[str, int]], account: Account, look: Look
) -> list[Finding]:
    denied: dict[str, Obstacle] = {}
    unknown: list[Finding] = []
    look_once = lru_cache(maxsize=None)(look)
    for path, wanted in places:
        try:
            on_the_way = obstacles(path, account, wanted, look_once)
        except OSError as error:
            unknown.append(unseen(f"source {source.name}: whether user {account.name} may read {path}", error))
            continue
        for obstacle in on_the_way:
            denied.setdefault(obstacle.place.path, obstacle)
    if denied:
        return _told(machine, setup, source, account, list(denied.values()))
    if unknown:
        return unknown[:1]
    if account == machine.account:
        refused = [finding for path, _ in places if (finding := _refused(path)) is not None]
        if refused:
            return refused[:1]
    return [ok(f"source {source.name}: user {account.name} may read all of it")] if places else []


def _refused(path: str) -> Finding | None:
    """Modes are not everything: security modules, network file systems. For the user who runs this, try it."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        to_do = "its mode allows it; look for SELinux, AppArmor, or a network file system that maps users"
        return problem(f"{path} cannot be opened: {error.strerror}", to_do)
    return None


def _told(
    machine: Machine, setup: Setup, source: SourceSpec, account: Account, denied: Sequence[Obstacle]
) -> list[Finding]:
    """One finding for each kind of obstacle: a thousand files of the same mode are one."""
    kinds: dict[tuple[object, ...], list[Obstacle]] = {}
    for each in denied:
        place = each.place
        kind = (each.wanted, place.uid, place.gid, place.mode, place.entries, os.path.dirname(place.path))
        kinds.setdefault(kind if not place.is_directory else (place.path,), []).append(each)
    found = []
    for obstacles_of_kind in kinds.values():
        first, others = obstacles_of_kind[0], len(obstacles_of_kind) - 1
        place = first.place
        verb = "pass through" if first.wanted == SEARCH else "list" if place.is_directory else "read"
        owner = f"{machine.users.user_name(place.uid)}:{machine.users.group_name(place.gid)}"
        what = (
            f"source {source.name}: user {account.name} may not {verb} {place.path} ({owner}, {place.mode & 0o7777:04o}"
        )
        what += ", access list)" if place.entries else ")"
        what += f" and {others:,} beside it" if others else ""
        found.append(problem(what, remedy(machine, setup.unit, source, account, first)))
    return found


def remedy(machine: Machine, unit: Unit | None, source: SourceSpec, account: Account, obstacle: Obstacle) -> str:
    """The group that would help, as a command; else an access list."""
    place = obstacle.place
    gids = [gid for gid in groups_that_may(place, obstacle.wanted) if gid not in account.gids and gid != 0]
    if gids:
        group = machine.users.group_name(gids[0])
        to_do = f"usermod -aG {group} {account.name}, then start it again"
        if unit is not None and unit.last("User") == account.name:
            to_do += f" (or SupplementaryGroups={group} with `systemctl edit {unit.name}`)"
        return to_do
    package = "" if machine.which("setfacl") else " (setfacl is of the package acl)"
    if obstacle.wanted == SEARCH:
        return f"setfacl -m u:{account.name}:x {shlex.quote(place.path)}{package}"
    where = place.path if place.is_directory else os.path.dirname(place.path)
    if any(os.path.abspath(os.path.expanduser(path)) == place.path for path in source.paths) and not place.is_directory:
        return f"setfacl -m u:{account.name}:r {shlex.quote(place.path)}{package}"
    where = shlex.quote(where)
    return f"setfacl -R -m u:{account.name}:rX -m d:u:{account.name}:rX {where}{package}"


def hidden_by(unit: Unit, paths: Sequence[str]) -> list[Finding]:
    """Logs that the unit's sandbox does not show to it, whatever their permissions are."""
    hidden: list[tuple[str, tuple[str, ...], str]] = []
    if unit.last("ProtectHome").lower() in ("yes", "true", "on", "1", "tmpfs"):
        hidden.append(("ProtectHome", _HIDING["ProtectHome"], "ProtectHome=read-only"))
    if unit.last("PrivateTmp").lower() in ("yes", "true", "on", "1", "disconnected"):
        hidden.append(("PrivateTmp", _HIDING["PrivateTmp"], "PrivateTmp=no"))
    if places := tuple(word.lstrip("-+") for word in unit.words("InaccessiblePaths")):
        hidden.append(("InaccessiblePaths", places, "InaccessiblePaths="))
    found = []
    for path in paths:
        real = os.path.realpath(os.path.expanduser(path))
        for key, directories, instead in hidden:
            if any(real == each or real.startswith(f"{each}/") for each in directories):
                what = f"{path} is hidden from {unit.name} by {key}={unit.last(key)}"
                found.append(problem(what, f"systemctl edit {unit.name}: [Service] {instead}; then restart it"))
    return found
