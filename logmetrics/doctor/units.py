"""systemd's units as they stand in files, drop-ins included. Works without a running systemd.

Format: systemd.syntax(7); search order and drop-ins: systemd.unit(5).
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from logmetrics.doctor.machine import Machine

SYSTEM = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_TRUE = ("1", "yes", "true", "on", "y", "t")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``settings`` are all values of a key in order, an empty one having removed those before it."""

    name: str
    path: str
    drop_ins: tuple[str, ...] = ()
    settings: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    is_of_user: bool = False

    def all(self, key: str, section: str = "Service") -> list[str]:
        """The values of a key that may be given several times."""
        return [_expanded(value, self.name) for value in self.settings.get((section, key), [])]

    def last(self, key: str, default: str = "", section: str = "Service") -> str:
        """The value of a key that counts once: the last one."""
        return (self.all(key, section) or [default])[-1]

    def words(self, key: str) -> list[str]:
        """The words of a key that is a list."""
        return [word for value in self.all(key) for word in value.split()]

    def is_on(self, key: str) -> bool:
        return self.last(key).lower() in _TRUE

    def command(self) -> list[str]:
        """The words of the last ExecStart=."""
        try:
            return shlex.split(self.last("ExecStart").lstrip("@-:+!"))
        except ValueError:
            return []

    def environment(self) -> dict[str, str]:
        """What Environment= sets."""
        found: dict[str, str] = {}
        for value in self.all("Environment"):
            try:
                words = shlex.split(value)
            except ValueError:
                continue
            for word in words:
                key, equals, text = word.partition("=")
                if equals:
                    found[key] = text
        return found


def find_unit(machine: Machine, name: str) -> Unit | None:
    """The unit *name* (logmetrics.service, logmetrics@a.service) of the system, else of the user who runs this."""
    home = machine.account.home
    of_user = (os.path.join(home, ".config/systemd/user"), "/etc/systemd/user", "/usr/lib/systemd/user")
    return _find(machine, name, SYSTEM, is_of_user=False) or _find(machine, name, of_user, is_of_user=True)


def _find(machine: Machine, name: str, directories: tuple[str, ...], *, is_of_user: bool) -> Unit | None:
    names = [name]
    if found := re.fullmatch(r"([^@]+@)[^@]+(\.\w+)", name):
        names.append(found[1] + found[2])
    path = next(
        (
            path
            for each in names
            for directory in directories
            if machine.read(path := os.path.join(directory, each)) is not None
        ),
        None,
    )
    if path is None:
        return None
    drop_ins: dict[str, str] = {}
    for each in reversed(names):
        for directory in reversed(directories):
            place = os.path.join(directory, f"{each}.d")
            drop_ins.update({name: os.path.join(place, name) for name in machine.names_in(place)})
    files = [drop_ins[name] for name in sorted(drop_ins) if name.endswith(".conf")]
    settings: dict[tuple[str, str], list[str]] = {}
    for file in (path, *files):
        for section, key, value in parse(machine.read(file) or ""):
            settings.setdefault((section, key), []).append(value)
            if not value:
                settings[section, key] = []
    return Unit(name, path, tuple(files), settings, is_of_user)


def parse(text: str) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) for each assignment of a unit file. What is no assignment is passed over."""
    section = ""
    lines = [line.strip() for line in text.splitlines()]
    joined = re.sub(r"\\\n(?:[#;].*\n)*", " ", "\n".join(lines))
    for line in joined.splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and line[0] not in "#;" and "=" in line:
            key, _, value = line.partition("=")
            yield section, key.strip(), value.strip()


def _expanded(value: str, name: str) -> str:
    """*value* with the specifiers that the name alone tells."""
    stem = name.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {"%i": instance, "%I": instance, "%n": name, "%N": stem, "%p": prefix, "%%": "%"}
    return re.sub("%[iInNp%]", lambda found: known[found[0]], value)
