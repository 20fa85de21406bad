"""journalctl: its command line, its words explained, and a run of it that is read without waiting."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress

from logmetrics.errors import UsageError

# All that is asked of an entry; the journal's own fields (cursor, times, boot) come with it.
FIELDS = ("MESSAGE", "_PID", "SYSLOG_IDENTIFIER", "_LINE_BREAK")
# What it said last is kept.
_TOLD_BYTES = 4096
# A run that closed its output ends at once; else it is ended.
_END_S_MAX = 2.0
# As many as anybody may have by default.
_PIPE_BYTES = 1024 * 1024


def require_journalctl() -> None:
    """Raise UsageError unless journalctl is on this machine."""
    if shutil.which("journalctl") is None:
        raise UsageError("a journal needs journalctl, which comes with systemd; it is not on this machine's PATH")


def command(
    matches: Sequence[str],
    directory: str | None = None,
    *,
    cursor: str = "",
    newest: bool = False,
    follow: bool = False,
    fields: Sequence[str] = FIELDS,
) -> list[str]:
    """The command that prints the entries with all of *matches*, oldest first, in the export format.

    With *cursor* they begin with the entry that it names if that is still there, else with the one that comes next,
    which `--after-cursor` would leave out. *newest*: only the last. To *follow* means entries of the running boot only,
    unless *directory* is given, so it comes behind a run that does not follow.
    """
    made = ["journalctl", "--output=export", "--no-pager", f"--output-fields={','.join(fields)}"]
    if directory is not None:
        made += [f"--directory={directory}", "--merge"]  # with that, following means all boots
    if cursor:
        made.append(f"--cursor={cursor}")
    if newest:
        made.append("--lines=1")
    if follow:
        made += ["--follow", "--no-tail"]
    return [*made, "--", *matches]


def environment() -> dict[str, str]:
    """What journalctl runs with, so that its words can be understood."""
    return {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"}


def field_values(field: str, directory: str | None) -> list[str]:
    """All values that entries have of *field*, such as the units that ever wrote. None when it cannot be read."""
    where = [] if directory is None else [f"--directory={directory}"]
    words = ["journalctl", *where, f"--field={field}"]
    done = subprocess.run(words, capture_output=True, check=False, env=environment())  # noqa: S603
    return sorted(done.stdout.decode("utf-8", "replace").splitlines())


def explain(told: str, code: int) -> str:
    """Why journalctl, which said *told* and ended with *code*, did not do as it was asked."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    if may_not_read(told):
        return f"{_first_sentence(lines)} {WHO_MAY}"
    if lines:
        return lines[-1]
    return f"journalctl was ended by signal {-code}" if code < 0 else f"journalctl ended with exit code {code}"


WHO_MAY = "Members of the groups systemd-journal and adm may read it; `logmetrics doctor` says more."


def may_not_read(told: str) -> bool:
    """Whether journalctl said that some or all of the journal is not for this user."""
    return "permission" in told or "not seeing messages" in told


def _first_sentence(lines: list[str]) -> str:
    about = next(line for line in lines if may_not_read(line))
    return about.removeprefix("Hint: ")


def waiting_bytes(fd: int) -> int:
    """How many bytes can be read from a pipe at once; 0 where that is not known."""
    number = bytearray(4)
    with suppress(OSError):
        fcntl.ioctl(fd, termios.FIONREAD, number)
    return int.from_bytes(number, sys.byteorder)


class Run:
    """A process whose output is read by whoever owns it, as it comes. Raises OSError when it cannot be started.

    It has a session of its own, so that Ctrl-C is left to us. When we are killed it ends by itself: it watches its
    output, and nobody else has the other end.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.fd = self._process.stdout.fileno()
        self._told_fd = self._process.stderr.fileno()
        self._told = b""
        for fd in (self.fd, self._told_fd):
            os.set_blocking(fd, False)
        with suppress(OSError):  # the usual 64 KiB do, too
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def waiting_bytes(self) -> int:
        """How much of its output is there to be read."""
        return waiting_bytes(self.fd)

    def read(self, size_bytes: int) -> bytes | None:
        """What is there; None when there is nothing now, empty when there will be nothing more."""
        self._listen()
        try:
            return os.read(self.fd, size_bytes)
        except BlockingIOError:
            return None

    @property
    def told(self) -> str:
        """What it said on its standard error."""
        self._listen()
        return self._told.decode("utf-8", "replace")

    def end(self) -> int:
        """End it if need be, and give its exit code, or the signal's number with a minus."""
        try:
            return self._process.wait(0 if self._is_running_on() else _END_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._listen()
            for pipe in (self._process.stdout, self._process.stderr):
                assert pipe is not None
                pipe.close()

    def _is_running_on(self) -> bool:
        """Whether it still has its output open."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))

    def _listen(self) -> None:
        with suppress(BlockingIOError, OSError, ValueError):
            while data := os.read(self._told_fd, _TOLD_BYTES):
                self._told = (self._told + data)[-_TOLD_BYTES:]
