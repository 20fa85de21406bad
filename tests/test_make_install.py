"""`make install` and `make uninstall`, in a Debian 12 that its own systemd has booted, without a network."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.booted_systemd import BootedSystemd
from tests.daemon import wait_until
from tests.debian_root import unpack_root, wheels

ROOT = Path(__file__).parent.parent
SOURCE = ("logmetrics", "systemd", "scripts", "pyproject.toml", "README.md", "LICENSE")
CONFIG = "etc/logmetrics/config.yaml"
# What man and shells know of the command.
PAGES = (
    "usr/local/share/man/man1/logmetrics.1",
    "usr/local/share/bash-completion/completions/logmetrics",
    "usr/local/share/zsh/site-functions/_logmetrics",
    "usr/local/share/fish/vendor_completions.d/logmetrics.fish",
)

pytestmark = pytest.mark.slow


class Machine(BootedSystemd):
    """A booted Debian with our source in /src."""

    def make(self, what: str, *settings: str) -> subprocess.CompletedProcess[str]:
        """`make install` or `make uninstall`, with nothing but what lies in /wheels."""
        return self.call(
            "env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels", *settings, "bash", "/src/scripts/install.sh", what
        )

    def done(self, what: str, *settings: str) -> str:
        """The same; what it says when it succeeds."""
        done = self.make(what, *settings)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def environments(self) -> list[str]:
        return sorted(path.name for path in (self.root / "opt/logmetrics").glob("env-*"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    root = unpack_root(tmp_path / "debian")
    wheels(root / "wheels")
    (root / "src").mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / "src")
    (root / "var/log/agents").mkdir()
    drop_in = root / "etc/systemd/system/logmetrics.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "test.conf").write_text("[Service]\nPrivateDevices=no\n")  # which these namespaces cannot give
    with Machine(root) as machine:
        yield machine
    shutil.rmtree(root)  # pytest would keep it


def test_install_upgrade_uninstall(machine: Machine) -> None:
    """Each can be said again; what an administrator wrote stays; an upgrade that fails leaves the old one at work."""
    root = machine.root
    said = machine.done("install")
    assert said.splitlines()[-1].endswith("then: systemctl enable --now logmetrics")
    machine.run("systemctl", "enable", "--now", "logmetrics")
    wait_until(lambda: machine.show("logmetrics", "StatusText").endswith("; ready"), every_s=0.2)
    assert machine.show("logmetrics", "FragmentPath") == "/usr/local/lib/systemd/system/logmetrics.service"
    assert machine.run("stat", "-c", "%a %U %G", f"/{CONFIG}").strip() == "640 root logmetrics"
    (first,) = machine.environments()
    for page in PAGES:
        assert "logmetrics" in (root / page).read_text(), page

    with (root / CONFIG).open("a") as config:
        config.write("# ours\n")
    (root / "nothing").mkdir()
    failed = machine.make("install", "PIP_FIND_LINKS=/nothing")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].endswith("What was installed before is as it was")
    assert machine.environments() == [first]
    assert machine.run("logmetrics", "--version")

    said = machine.done("install")
    assert "/etc/logmetrics/config.yaml stays as it is" in said
    assert said.splitlines()[-1].endswith("nothing is lost by: systemctl restart logmetrics.service")
    assert (root / CONFIG).read_text().endswith("# ours\n")
    assert (root / f"{CONFIG}.example").read_text() == (ROOT / "systemd/config.yaml").read_text()
    assert len(machine.environments()) == 2  # what runs was started from the first
    assert machine.show("logmetrics", "ActiveState") == "active"
    machine.run("systemctl", "restart", "logmetrics")
    machine.done("install")
    assert first not in machine.environments()
    assert len(machine.environments()) == 2

    machine.done("uninstall")
    assert machine.call("systemctl", "cat", "logmetrics.service").returncode != 0
    assert not any((root / page).exists() for page in PAGES)
    left = machine.run("find", "/opt", "/usr/local", "/etc/systemd", "-name", "*logmetrics*").split()
    assert left == ["/etc/systemd/system/logmetrics.service.d"]  # the administrator's
    assert (root / CONFIG).exists() and (root / "var/lib/logmetrics/state.db").exists()
    machine.done("uninstall", "PURGE=1")
    assert not (root / CONFIG).exists() and not (root / "var/lib/logmetrics").exists()


def test_what_is_missing_is_told(machine: Machine) -> None:
    """venv, a Python that is new enough, root: one line says what to do, and nothing is left behind."""
    machine.run("mv", "/usr/lib/python3.11/ensurepip", "/usr/lib/python3.11/no-ensurepip")
    refused = machine.make("install")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
        1,
        "logmetrics: /usr/bin/python3 cannot make an environment; on Debian and Ubuntu this helps: "
        "apt-get install python3.11-venv",
    )
    assert machine.environments() == []
    refused = machine.make("install", "PYTHON=python2")
    assert "Python 3.10 or newer is needed, and python2 is none" in refused.stderr
    as_user = ("setpriv", "--reuid=65534", "--clear-groups", "bash", "/src/scripts/install.sh", "install")
    refused = machine.call(*as_user)
    assert (refused.returncode, refused.stderr) == (1, "logmetrics: this needs root: sudo make install\n")
    private = machine.root / "root/python"
    private.mkdir()
    shutil.copy(machine.root / "usr/bin/python3.11", private / "python3.11")
    machine.run("mv", "/usr/lib/python3.11/no-ensurepip", "/usr/lib/python3.11/ensurepip")
    refused = machine.make("install", "PYTHON=/root/python/python3.11")
    assert "only root can run /root/python/python3.11" in refused.stderr
    assert machine.environments() == []


def test_a_directory_for_packaging(tmp_path: Path, machine: Machine) -> None:
    """With DESTDIR everything lies below it, and works when it is moved to where it says that it is."""
    machine.done("install", "DESTDIR=/staged", "PREFIX=/usr")
    assert machine.call("id", "logmetrics").returncode != 0
    assert machine.call("grep", "-rl", "--exclude-dir=site-packages", "/staged", "/staged").stdout == ""
    machine.run("cp", "-a", "/staged/.", "/")
    assert machine.run("/usr/bin/logmetrics", "--version").startswith("logmetrics ")
    assert "ExecStart=/usr/bin/logmetrics " in machine.run("systemctl", "cat", "logmetrics@a.service")
