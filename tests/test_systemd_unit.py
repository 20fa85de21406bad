"""The systemd unit, checked by systemd itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "systemd" / "logmetrics.service"


@pytest.fixture
def unit(tmp_path):
    """A copy of the unit that starts a command that is there."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing; Debian's package is systemd")
        pytest.skip("systemd-analyze is missing; Debian's package is systemd")
    text, starts = re.subn("(?m)^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text("utf-8"))
    assert starts == 1
    copy = tmp_path / UNIT.name
    copy.write_text(text, "utf-8")
    return copy


def systemd_analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def test_systemd_understands_every_line(unit):
    """An unknown key or a bad value is a line on stderr; lines about other units of this machine do not count."""
    verified = systemd_analyze("verify", "--man=no", "--recursive-errors=no", str(unit))

    assert [line for line in verified.stderr.splitlines() if unit.name in line] == []
    assert verified.returncode == 0, verified.stderr


def test_exposure_is_at_most_one_and_a_half(unit):
    """The hardening stays as strict as it is."""
    rated = systemd_analyze("security", "--offline=true", "--threshold=15", str(unit))

    assert rated.returncode == 0, rated.stdout + rated.stderr
