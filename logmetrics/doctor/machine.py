"""The machine as the doctor sees it: files, commands, users, clock. Tests build one in a temporary directory."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

COMMAND_S_MAX = 3.0
# What adjtimex() returns while nothing keeps the clock right; see adjtimex(2).
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the kernel sees one: ``gids`` are all groups that its processes have."""

    name: str
    uid: int
    gids: frozenset[int]
    home: str = "/nonexistent"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said. Code 127: there is no such command; 124: it took too long."""

    code: int
    out: str = ""
    err: str = ""


class Users:
    """The user database."""

    def account(self, name: str) -> Account | None:
        """The user called *name* with the groups that a login would give."""
        import pwd

        try:
            entry = pwd.getpwnam(name)
            gids = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
        except (KeyError, OSError, ValueError):
            return None
        return Account(entry.pw_name, entry.pw_uid, gids, entry.pw_dir)

    def user_name(self, uid: int) -> str:
        import pwd

        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return str(uid)

    def group_name(self, gid: int) -> str:
        import grp

        try:
            return grp.getgrgid(gid).gr_name
        except (KeyError, OverflowError):
            return str(gid)

    def group_id(self, name: str) -> int | None:
        import grp

        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            return int(name) if name.isdigit() else None

    def homes(self) -> list[str]:
        """The homes of all people, and root's."""
        import pwd

        return sorted({entry.pw_dir for entry in pwd.getpwall() if entry.pw_uid == 0 or entry.pw_uid >= 1000} - {"/"})


def current_account(users: Users) -> Account:
    """Who runs this, with the groups that this process has."""
    uid = os.geteuid()
    gids = frozenset({os.getegid(), *os.getgroups()})
    return Account(users.user_name(uid), uid, gids, os.path.expanduser("~"))


def run_command(command: Sequence[str]) -> Answer:
    """Run *command* in the C locale, for COMMAND_S_MAX at most."""
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    try:
        done = subprocess.run(  # noqa: S603
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_S_MAX,
            env=environment,
            encoding="utf-8",
            errors="backslashreplace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(124, err=f"no answer in {COMMAND_S_MAX:.0f} s")
    except OSError as error:
        return Answer(127, err=error.strerror or str(error))
    return Answer(done.returncode, done.stdout, done.stderr.strip())


def clock_is_synchronised() -> bool | None:
    """Whether the kernel's clock is kept right by something; None where the kernel does not tell."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


@dataclass(frozen=True)
class Machine:
    """``root`` stands in front of the paths of /proc, /etc, /run and the like, never of those of logs."""

    users: Users
    account: Account
    root: str = "/"
    run: Callable[[Sequence[str]], Answer] = run_command
    which: Callable[[str], str | None] = shutil.which
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now_s: Callable[[], float] = time.time
    clock_is_synchronised: Callable[[], bool | None] = clock_is_synchronised
    ollama: str = "http://127.0.0.1:11434"

    def path(self, path: str) -> str:
        """Where *path* of the system is."""
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str | None:
        """The text of a file of the system; None when it is not there or not to be read."""
        try:
            with open(self.path(path), encoding="utf-8", errors="backslashreplace") as file:
                return file.read()
        except OSError:
            return None

    def names_in(self, path: str) -> list[str]:
        """The names in a directory of the system, sorted; none when it cannot be looked into."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def has_systemd(self) -> bool:
        """Whether systemd runs this machine, and not only its files are here; see sd_booted(3)."""
        return os.path.isdir(self.path("/run/systemd/system"))


def this_machine() -> Machine:
    """The machine that this runs on."""
    users = Users()
    return Machine(users, current_account(users))
