"""Who listens on a port or a socket file, from /proc: see proc(5). Others' processes are only seen by root."""

from __future__ import annotations

import os
from collections.abc import Iterator

_LISTEN = "0A"


def holder_of(port: int, proc: str = "/proc") -> tuple[int, str] | None:
    """Process id and command of one that listens on TCP *port*; None when that cannot be told."""
    wanted = f":{port:04X}"
    sockets = set()
    for table in ("tcp", "tcp6"):
        for words in _rows(os.path.join(proc, "net", table)):
            if len(words) > 9 and words[1].endswith(wanted) and words[3] == _LISTEN:
                sockets.add(words[9])
    return _process_with(sockets, proc)


def holder_of_socket(path: str, proc: str = "/proc") -> tuple[int, str] | None:
    """Process id and command of one that has the socket file *path*; None when that cannot be told."""
    rows = _rows(os.path.join(proc, "net", "unix"))
    return _process_with({words[6] for words in rows if len(words) > 7 and words[7] == path}, proc)


def command_of(pid: int, proc: str = "/proc") -> str:
    """The command line of a process; empty when there is no such process."""
    try:
        with open(os.path.join(proc, str(pid), "cmdline"), "rb") as file:
            words = file.read(4096).split(b"\0")
        if not any(words):  # a kernel thread, or one that ended
            with open(os.path.join(proc, str(pid), "comm"), "rb") as file:
                words = [file.read(64).strip()]
    except OSError:
        return ""
    return b" ".join(words).decode("utf-8", "backslashreplace").strip()


def _rows(table: str) -> Iterator[list[str]]:
    try:
        with open(table, encoding="utf-8", errors="backslashreplace") as file:
            yield from (line.split() for line in file)
    except OSError:
        return


def _process_with(sockets: set[str], proc: str) -> tuple[int, str] | None:
    wanted = {f"socket:[{inode}]" for inode in sockets}
    if not wanted:
        return None
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError:
        return None
    for pid in pids:
        directory = os.path.join(proc, str(pid), "fd")
        try:
            for fd in os.listdir(directory):
                if os.readlink(os.path.join(directory, fd)) in wanted:
                    return pid, command_of(pid, proc)
        except OSError:  # it ended, or is somebody else's
            continue
    return None
