"""One source at work: which files it has, what became of them, and its compiled rules."""

from __future__ import annotations

import errno
import resource
from collections import deque

from logmetrics.config.specs import SourceSpec
from logmetrics.rules.program import Program
from logmetrics.sources.discovery import Discovery, FileId
from logmetrics.sources.tail import Tail

# A file that lost its name may still be written to by a program that holds it open.
ROTATED_IDLE_S = 60.0
# So much of one file is read before the next has its turn: a large backlog must not starve a small live file.
BLOCKS_PER_TURN = 8


def raise_open_files_limit() -> None:
    """Let the process open as many files as the system allows it; the usual soft limit of 1,024 is for select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class SourceReader:
    """Reads one source's files. Only the engine's thread touches it."""

    def __init__(self, spec: SourceSpec, program: Program) -> None:
        self.spec = spec
        self.program = program
        # In the order of their turns.
        self.tails: deque[Tail] = deque()
        self._by_id: dict[FileId, Tail] = {}
        # Tails whose name is gone, since when (monotonic).
        self._nameless: dict[FileId, float] = {}
        # Path -> why it cannot be read; the reasons seen last, for messages and a gauge.
        self.problems: dict[str, str] = {}
        self.first_scan = True
        self.lines = 0
        self.bytes = 0
        self.oversize = 0
        self.rotations = 0
        self.truncations = 0

    def adopt(self, found: Discovery, now_s: float) -> list[str]:
        """Bring the tails in line with what is on the disk; returns messages about what is new and wrong."""
        problems = dict(found.problems)
        for file_id, file in found.files.items():
            tail = self._by_id.get(file_id)
            if tail is None:
                self._open(file.path, problems, now_s)
            else:
                tail.path = file.path
                self._nameless.pop(file_id, None)
        names = {file.path for file in found.files.values()}
        for tail in list(self.tails):
            if tail.file_id not in found.files:
                self._lost_name(tail, now_s, replaced=tail.path in names)
        messages = [f"{path}: {why}" for path, why in problems.items() if self.problems.get(path) != why]
        if self.first_scan and not self.tails and not problems:
            messages.append(f"no files there yet: {', '.join(self.spec.paths)}")
        self.problems = problems
        self.first_scan = False
        return messages

    def _open(self, path: str, problems: dict[str, str], now_s: float) -> None:
        try:
            tail = Tail(path, self.spec.name, self.spec.max_line_bytes)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return  # gone again since the look at the directory
            why = error.strerror or str(error)
            if error.errno == errno.EMFILE:
                why += "; raise the limit of open files (systemd: LimitNOFILE=, shell: ulimit -n)"
            problems[path] = why
            return
        if tail.file_id in self._by_id:  # replaced between the look and the opening by a file that is known
            tail.close()
            return
        if self.first_scan and self.spec.start_at_end:
            tail.start_at_end()
        tail.grown_s = now_s
        self._by_id[tail.file_id] = tail
        self.tails.append(tail)

    def _lost_name(self, tail: Tail, now_s: float, *, replaced: bool) -> None:
        """Read on for a while, then close: the descriptor keeps the inode from being used for another file."""
        since_s = self._nameless.get(tail.file_id)
        if since_s is None:
            self._nameless[tail.file_id] = now_s
            self.rotations += replaced
        elif tail.lag_bytes == 0 and now_s - max(since_s, tail.grown_s) > ROTATED_IDLE_S:
            self._drop(tail)

    def _drop(self, tail: Tail) -> None:
        tail.close()
        self.tails.remove(tail)
        del self._by_id[tail.file_id]
        self._nameless.pop(tail.file_id, None)

    def read_turn(self, tail: Tail, clock_s: float, now_s: float) -> bool:
        """Give *tail* its turn: apply the rules to some blocks. True when there is more to read.

        *clock_s* is wall time, for `active` metrics; *now_s* is monotonic.
        """
        if tail.look():
            self.truncations += 1
        if not tail.lag_bytes:
            return False
        tail.grown_s = now_s
        before = tail.offset
        apply, log = self.program.apply, tail.log
        for _ in range(BLOCKS_PER_TURN):
            lines = tail.read_lines()
            if lines is None:
                break
            if lines:
                self.lines += len(lines)
                apply(lines, log, clock_s)
        self.lines += tail.oversize
        self.oversize += tail.oversize
        tail.oversize = 0
        self.bytes += tail.offset - before
        return tail.lag_bytes > 0

    @property
    def lag_bytes(self) -> int:
        return sum(tail.lag_bytes for tail in self.tails)

    def close(self) -> None:
        for tail in list(self.tails):
            self._drop(tail)
