"""A machine in a directory, for the doctor: files of the system, users and answers of commands as a test says."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from logmetrics.cli.doctor import _config, _state
from logmetrics.doctor.findings import Finding
from logmetrics.doctor.machine import Account, Answer, Machine, Users
from logmetrics.doctor.permissions import Look, Permissions
from logmetrics.doctor.setup import Asked, Setup, make_setup

GROUPS = {"root": 0, "adm": 4, "systemd-journal": 190, "logmetrics": 600, "ann": 1000, "agents": 700}
NOBODY_LISTENS = "http://127.0.0.1:9"
UNIT = """[Service]
Type=notify
ExecStart=/usr/local/bin/logmetrics watch --config /etc/logmetrics/config.yaml
User=logmetrics
Group=logmetrics
SupplementaryGroups=adm systemd-journal
StateDirectory=logmetrics
ProtectHome=read-only
PrivateTmp=yes
LimitNOFILE=8192
"""


class MadeUsers(Users):
    """ann, who runs things, and logmetrics, who has no groups but its own."""

    def __init__(self, home: str) -> None:
        self.known = {
            "root": Account("root", 0, frozenset({0}), "/root"),
            "ann": Account("ann", 1000, frozenset({1000}), home),
            "logmetrics": Account("logmetrics", 600, frozenset({600})),
        }

    def account(self, name: str) -> Account | None:
        return self.known.get(name)

    def user_name(self, uid: int) -> str:
        return next((name for name, each in self.known.items() if each.uid == uid), str(uid))

    def group_name(self, gid: int) -> str:
        return next((name for name, each in GROUPS.items() if each == gid), str(gid))

    def group_id(self, name: str) -> int | None:
        return GROUPS.get(name)

    def homes(self) -> list[str]:
        return [self.known["ann"].home]


def machine(
    root: Path,
    files: Mapping[str, str] | None = None,
    answers: Mapping[str, Answer] | None = None,
    *,
    user: str = "ann",
    programs: Iterable[str] = ("journalctl", "systemctl"),
    **others: Any,
) -> Machine:
    """A machine whose system's *files* are below *root*; *answers* are by the beginning of a command."""
    for path, text in (files or {}).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    home = root / "home/ann"
    home.mkdir(parents=True, exist_ok=True)
    users = MadeUsers(str(home))
    account = users.account(user)
    assert account is not None

    def run(command: Sequence[str]) -> Answer:
        words = " ".join(command)
        return next((each for start, each in (answers or {}).items() if words.startswith(start)), Answer(127))

    facts: dict[str, Any] = {
        "run": run,
        "which": lambda name: f"/usr/bin/{name}" if name in set(programs) else None,
        "environ": {},
        "clock_is_synchronised": lambda: True,
        "ollama": NOBODY_LISTENS,
    }
    return Machine(users, account, root=str(root), **{**facts, **others})


def setup(of: Machine, *paths: object, **asked: Any) -> Setup:
    """What is in force there, as the command makes it."""
    asked.setdefault("prometheus", NOBODY_LISTENS)
    told = Asked(paths=tuple(map(str, paths)), **asked)
    return make_setup(of, told, _config, _state)


def looks(root: Path, modes: Mapping[str, tuple[int, int, int]]) -> Look:
    """Owner, group and mode of some places below *root*; all else is root's and open to all."""

    def look(path: str) -> Permissions:
        below = path.removeprefix(str(root)) or "/"
        uid, gid, mode = modes.get(below, (0, 0, 0o755))
        kind = stat.S_IFDIR if Path(path).is_dir() else stat.S_IFREG
        return Permissions(path, kind | mode, uid, gid)

    return look


def told(findings: Iterable[Finding], mark: str) -> list[str]:
    """The findings of one kind, each with what to do."""
    return [f"{each.what} -> {each.to_do}" if each.to_do else each.what for each in findings if each.mark == mark]


def worst(findings: Iterable[Finding]) -> str:
    """The mark of the worst of them."""
    marks = {each.mark for each in findings}
    return next(mark for mark in ("problem", "warning", "note", "ok") if mark in marks)
