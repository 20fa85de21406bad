"""What a service manager is told, by sd_notify(3)'s protocol: lines of NAME=value in one datagram.

The protocol is stable and small (https://systemd.io/PORTABILITY_AND_STABILITY), so that it needs no library. Without
NOTIFY_SOCKET in the environment nothing is told to anybody.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import closing

from logmetrics.engine import Engine
from logmetrics.present.amounts import number_of

# `systemctl status` is told this often at the most, and only what changed; a quiet engine looks whether something did.
STATUS_INTERVAL_S = 2.0
STATUS_SLEEP_S_MAX = 5.0
# A start that moves is given so much more time with each beat, whatever the unit's TimeoutStartSec= says.
START_S_MORE = 90.0
# The manager reads quickly; the engine waits no longer than this for one that does not.
SEND_S_MAX = 1.0


class Notify:
    """Tells the service manager named in *environ*. Its names leave *environ*: they are not meant for children.

    ``beat`` and ``ready`` are called by the engine's thread only, so that a ping means that the engine moves: no timer
    stands behind it. *monotonic* is in seconds, on the system's monotonic clock.
    """

    def __init__(
        self,
        environ: MutableMapping[str, str] = os.environ,
        *,
        say: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = environ.pop("NOTIFY_SOCKET", "")
        watchdog_us, watchdog_pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        # Gives the one line that `systemctl status` shows.
        self.status: Callable[[], str] = lambda: ""
        self._say = say
        self._monotonic = monotonic
        # Within so many seconds a ping must come; None when nobody waits for one.
        self.watchdog_s: float | None = None
        if self.address and watchdog_us.isdecimal() and int(watchdog_us) and watchdog_pid in ("", str(os.getpid())):
            self.watchdog_s = int(watchdog_us) / 1e6
        self._started = False
        self._stopping = self._told_stopping = False
        self._beat_due_s = self._status_due_s = float("-inf")
        self._shown = ""
        self._failed = False

    @property
    def sleep_s_max(self) -> float:
        """The engine must not sleep longer, or its ping comes too late, and its status is an old one."""
        if not self.address:
            return float("inf")
        return min(STATUS_SLEEP_S_MAX, self.watchdog_s / 2 if self.watchdog_s is not None else STATUS_SLEEP_S_MAX)

    def beat(self) -> None:
        """The engine moves. Cheap enough for every turn and every megabyte; most calls only look at the clock."""
        if not self.address:
            return
        now_s = self._monotonic()
        lines = []
        if self._stopping and not self._told_stopping:
            self._told_stopping = True
            lines += ["STOPPING=1", "STATUS=stopping: saving what was read"]
        if now_s >= self._beat_due_s:
            if not self._started:
                self._beat_due_s = now_s + START_S_MORE / 4
                lines.append(f"EXTEND_TIMEOUT_USEC={START_S_MORE * 1e6:.0f}")
            elif self.watchdog_s is not None:
                self._beat_due_s = now_s + self.watchdog_s / 4
                lines.append("WATCHDOG=1")
        if self._started and now_s >= self._status_due_s:
            lines += self._status_lines(now_s)
        if lines:
            self._send(lines)

    def ready(self) -> None:
        """It serves, and the engine is about to turn; also after a reload, whatever came of that."""
        self._started = True
        self._beat_due_s = float("-inf")
        self._shown = ""
        self._send(["READY=1", *self._status_lines(self._monotonic())])

    def reloading(self) -> None:
        """A reload begins; ``ready`` must follow. The time stamp is for units of Type=notify-reload."""
        self._send(["RELOADING=1", f"MONOTONIC_USEC={self._monotonic() * 1e6:.0f}", "STATUS=reloading the config"])

    def stopping(self) -> None:
        """The end has begun; the next beat tells. For a signal handler, which may come in the middle of a message."""
        self._stopping = True

    def _status_lines(self, now_s: float) -> list[str]:
        self._status_due_s = now_s + STATUS_INTERVAL_S
        text = self.status()
        if not self.address or self._told_stopping or text == self._shown:  # the last word is that it stops
            return []
        self._shown = text
        # A message may quote a file's name, and a line break would begin another field.
        return [f"STATUS={text if text.isprintable() else text.encode('unicode_escape').decode()}"]

    def _send(self, lines: list[str]) -> None:
        if not self.address:
            return
        # A name that begins with @ is one in Linux' abstract name space, which is written with NUL.
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as to_manager:
                to_manager.settimeout(SEND_S_MAX)
                to_manager.sendto("\n".join(lines).encode(), address)
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._say(f"cannot tell the service manager at {self.address} about this service: {error}")
            self._failed = True


class StatusLine:
    """How *engine* is doing, in one line. Only the engine's thread calls it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._before = self._lines_and_time()

    def __call__(self) -> str:
        engine, (lines_before, s_before) = self._engine, self._before
        lines, now_s = self._before = self._lines_and_time()
        # Lines of a source that a reload ended are not in the sum any more.
        rate = max(lines - lines_before, 0) / max(now_s - s_before, 1e-3)
        doing = f"{number_of('file', len(engine.files.known.tails))}, {rate:,.0f} lines/s, {engine.store.size:,} series"
        if engine.commit_problem is not None:
            return f"{doing}; cannot save: {engine.commit_problem}"
        return f"{doing}; ready" if engine.caught_up else f"{doing}; {engine.progress.words}"

    def _lines_and_time(self) -> tuple[int, float]:
        return sum(reader.lines for reader in self._engine.readers), self._engine.monotonic()
