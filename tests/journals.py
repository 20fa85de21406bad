"""Real journals for tests, written by systemd-journal-remote: no daemon, no files of the system."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WRITER = Path("/lib/systemd/systemd-journal-remote")
BEGIN_S = 1_760_000_000
BOOT, OTHER_BOOT = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def entry(
    message: bytes, time_s: float, unit: str = "ollama.service", pid: int = 7, boot: str = BOOT, **fields: str
) -> bytes:
    """One entry in the export format, its message as a binary field."""
    lines = [
        b"__REALTIME_TIMESTAMP=%d" % (time_s * 1_000_000),
        b"__MONOTONIC_TIMESTAMP=%d" % ((time_s - BEGIN_S) * 1_000_000),
        b"_BOOT_ID=" + boot.encode(),
        b"_SYSTEMD_UNIT=" + unit.encode(),
        b"_PID=%d" % pid,
        b"PRIORITY=6",
        *(f"{name}={value}".encode() for name, value in fields.items()),
        b"MESSAGE\n" + len(message).to_bytes(8, "little") + message,
    ]
    return b"\n".join(lines) + b"\n\n"


def numbered(*numbers: int, **more: object) -> bytes:
    """An entry for each number, which says it, at that second."""
    return b"".join(entry(b'{"n": "%d"}' % number, BEGIN_S + number, **more) for number in numbers)  # type: ignore[arg-type]


class Journal:
    """A directory of journal files; one of them is written to."""

    def __init__(self, directory: Path) -> None:
        if not WRITER.exists() or shutil.which("journalctl") is None:
            pytest.fail("systemd-journal-remote is missing; make test installs Debian's package")
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self._rotations = 0

    @property
    def path(self) -> Path:
        return self.directory / "system.journal"

    def write(self, entries: bytes) -> None:
        """Append *entries*."""
        subprocess.run([WRITER, "-o", self.path, "-"], input=entries, check=True, capture_output=True)

    def rotate(self) -> None:
        """What was written is archived; a new file is begun with the next entries."""
        self._rotations += 1
        name = f"system@{'a' * 32}-{self._rotations:016x}-{self._rotations:016x}.journal"
        self.path.rename(self.directory / name)

    def vacuum(self) -> None:
        """Archived files are deleted."""
        command = ["journalctl", "--directory", str(self.directory), "--vacuum-files=1"]
        subprocess.run(command, check=True, capture_output=True)

    def as_own(self, directory: Path) -> Path:
        """A directory with a journalctl in it that takes this journal for this machine's own."""
        fake = directory / "journalctl"
        fake.write_text(f'#!/bin/sh\nexec {shutil.which("journalctl")} --directory={self.directory} "$@"\n')
        fake.chmod(0o755)
        return directory

    def read_back(self) -> int:
        """How many entries there are."""
        command = ["journalctl", "--directory", str(self.directory), "--output=export", "--no-pager"]
        return subprocess.run(command, check=True, capture_output=True).stdout.count(b"__CURSOR=")
