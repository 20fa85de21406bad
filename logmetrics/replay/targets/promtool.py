"""promtool, which makes blocks of text and tells what is in them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

from logmetrics.errors import ReplayError
from logmetrics.replay.targets.prometheus_api import RawSamples, SeriesKey

_PAIR = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)=("(?:[^"\\]|\\.)*")')
_VERSION = re.compile(r"version (\d+)\.")


class Promtool:
    """The promtool on the PATH."""

    def __init__(self) -> None:
        found = shutil.which("promtool")
        if found is None:
            raise ReplayError(
                "promtool: not found on the PATH, and only it can make blocks; install Debian's or Ubuntu's package "
                "prometheus, or put the promtool of https://prometheus.io/download/ there"
            )
        self._path = found

    def major_version(self) -> int | None:
        """2 or 3."""
        result = self._run("--version")
        found = _VERSION.search(result.stdout or result.stderr)
        return int(found.group(1)) if found else None

    def create_blocks(self, text: Path, directory: Path) -> list[Path]:
        """Make blocks of the OpenMetrics file *text* in *directory*, which must be empty, and give theirs."""
        result = self._run("tsdb", "create-blocks-from", "openmetrics", str(text), str(directory))
        if result.returncode:
            raise ReplayError(f"promtool: no block made of {text}: {_last(result)}; is there room on that disk?")
        return sorted(path.parent for path in directory.glob("*/meta.json"))

    def dump(self, directory: Path, first_s: int = -(10**12), last_s: int = 10**12) -> dict[SeriesKey, RawSamples]:
        """The samples of the blocks in *directory* from *first_s* to *last_s*, some 100,000 a second."""
        (directory / "wal").mkdir(exist_ok=True)  # or it takes the directory for no database
        result = self._run(
            "tsdb", "dump", f"--min-time={first_s * 1000}", f"--max-time={last_s * 1000}", str(directory)
        )
        if result.returncode:
            raise ReplayError(f"promtool: cannot read the blocks in {directory}: {_last(result)}")
        found: dict[str, RawSamples] = {}
        for line in filter(None, result.stdout.split("\n")):
            labels, value, time_ms = line.rsplit(" ", 2)
            found.setdefault(labels, []).append((int(time_ms), float(value)))
        return {_labels(text): samples for text, samples in found.items()}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Label values are data that never reach the arguments.
        return subprocess.run([self._path, *arguments], capture_output=True, text=True, check=False)  # noqa: S603


def _labels(text: str) -> SeriesKey:
    """Go quotes as Python does."""
    return tuple(sorted((name, str(ast.literal_eval(quoted))) for name, quoted in _PAIR.findall(text)))


def _last(result: subprocess.CompletedProcess[str]) -> str:
    lines = (result.stderr or result.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {result.returncode}"
