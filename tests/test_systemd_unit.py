"""The systemd units, checked by systemd itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from logmetrics.authoring.lint import lint
from logmetrics.packs import builtin_packs

UNITS = Path(__file__).parent.parent / "systemd"
SERVICES = ("logmetrics.service", "logmetrics@.service")
# What differs between the two; all the rest is one text.
OF_AN_INSTANCE = ("Description=", "ExecStart=", "StateDirectory=", "RuntimeDirectory=")


@pytest.fixture
def units(tmp_path):
    """Copies of the units that start a command that is there, the template as its instance i."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing; Debian's package is systemd")
        pytest.skip("systemd-analyze is missing; Debian's package is systemd")
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
        text, starts = re.subn("(?m)^ExecStart=.*$", "ExecStart=/bin/true", unit.read_text("utf-8"))
        assert starts == (unit.suffix == ".service")
        (tmp_path / unit.name.replace("@", "@i")).write_text(text, "utf-8")
    return tmp_path


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["logmetrics.service", "logmetrics@i.service", "logmetrics.socket"])
def test_systemd_understands_every_line(units, name):
    """An unknown key or a bad value is a line on stderr and no failure, so that nothing at all may stand there."""
    verified = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(units / name))

    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("name", ["logmetrics.service", "logmetrics@i.service"])
def test_exposure_is_at_most_one_and_a_half(units, name):
    """The hardening stays as strict as it is."""
    rated = run("systemd-analyze", "security", "--offline=true", "--threshold=15", str(units / name))

    assert rated.returncode == 0, rated.stdout + rated.stderr


def settings(name):
    """The lines of a unit without its comments."""
    return [line for line in (UNITS / name).read_text("utf-8").splitlines() if line and not line.startswith("#")]


def test_instances_are_as_closed_as_the_one():
    """systemd cannot include a file, so that both have all of it."""
    one, several = ([line for line in settings(name) if not line.startswith(OF_AN_INSTANCE)] for name in SERVICES)

    assert one == several


def test_instances_keep_out_of_each_others_way():
    """Config, state and runtime directory have the instance's name, and no runtime directory lies within another."""
    lines = dict(line.split("=", 1) for line in settings("logmetrics@.service") if line.startswith(OF_AN_INSTANCE))

    assert all("%i" in value for value in lines.values())
    assert "/" not in lines["RuntimeDirectory"]


@pytest.mark.parametrize("way", ["systemd-sysusers", "systemd-tmpfiles"])
def test_user_and_directories_are_made(tmp_path, way):
    """The files for sysusers.d and tmpfiles.d do what they are for, in a root of their own."""
    if shutil.which("systemd-sysusers") is None or os.geteuid() != 0:
        pytest.skip("only root can make users and give directories away")
    (tmp_path / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={tmp_path}", str(UNITS / "logmetrics.sysusers.conf"))
    assert (made.returncode, "logmetrics" in (tmp_path / "etc" / "passwd").read_text()) == (0, True), made.stderr
    if way == "systemd-tmpfiles":
        user_id = int(re.search(r"^logmetrics:x:(\d+):", (tmp_path / "etc" / "passwd").read_text(), re.M).group(1))
        made = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", str(UNITS / "logmetrics.tmpfiles.conf"))
        assert made.returncode == 0, made.stderr
        state, config = (tmp_path / "var/lib/logmetrics").stat(), (tmp_path / "etc/logmetrics").stat()
        assert (state.st_mode & 0o777, state.st_uid, state.st_gid) == (0o750, user_id, user_id)
        assert (config.st_mode & 0o777, config.st_uid, config.st_gid) == (0o750, 0, user_id)


def test_config_to_begin_with_is_sound():
    """What an installation puts in place loads, and `logmetrics check` has nothing to say."""
    assert lint(str(UNITS / "config.yaml"), builtin_packs())[1] == []
