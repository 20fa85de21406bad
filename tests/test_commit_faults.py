"""A commit is disturbed at each of its system calls, one after the other: the old state or the new one, never neither.

strace makes the n-th call fail, or kills the process there, for n = 1, 2, 3 ... until none is left to disturb.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from logmetrics.store.state import StateFile
from tests.committer import batch, numbers
from tests.daemon import ROOT

CALLS_MAX = 400
WRITES = ("pwrite64", "fdatasync", "fsync", "ftruncate")


def disturbed(directory: Path, call: str, number: int, fault: str) -> tuple[bool, str]:
    """Run the committer with its call *number* disturbed; whether there was such a call, and what it printed."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.fail("strace is missing; make test installs Debian's package")
    log = directory.with_suffix(".strace")
    command = [strace, "-f", "-qq", "-o", str(log), "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:{fault}:when={number}"]
    command += [sys.executable, "-m", "tests.committer", str(directory), "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    calls = len(re.findall(rf"\b{call}\(", log.read_text()))
    return calls >= number, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO", "error=ENOSPC"])
@pytest.mark.parametrize("call", WRITES)
def test_disturbed_at_each_call(tmp_path: Path, call: str, fault: str) -> None:
    """Whole, and never older than what was said to be committed; a retry after an error succeeds."""
    template = tmp_path / "template"
    state = StateFile(str(template))
    state.write(batch(1))
    state.close()
    for number in range(1, CALLS_MAX):
        directory = tmp_path / f"run{number}"
        shutil.copytree(template, directory)
        hit, said = disturbed(directory, call, number, fault)
        found = numbers(str(directory))
        assert found in ({1}, {2}), f"{call} {number}: {found}"
        if "committed" in said:
            assert found == {2}, f"{call} {number}: said to be committed, but it is not"
        if fault != "signal=KILL":
            # The fault strikes once: one of the two tries succeeds, unless the state could not even be opened.
            assert "committed" in said or "failed" not in said
        shutil.rmtree(directory)
        if not hit:
            return
    pytest.fail(f"more than {CALLS_MAX} calls of {call}")
