"""The Debian package, installed and removed in a plain Debian 12 by Debian's own tools."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debian_root import Chroot, cannot, newer_package, package, unpack_root

ROOT = Path(__file__).parent.parent
CONFIG = "etc/logmetrics/config.yaml"

pytestmark = pytest.mark.slow


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Chroot]:
    """A plain Debian with our package lying in it, and the example logs in their place."""
    root = unpack_root(tmp_path / "debian")
    shutil.copy(package(), root / "logmetrics.deb")
    shutil.copytree(ROOT / "examples" / "logs" / "agents", root / "var/log/agents")
    with Chroot(root) as chroot:
        yield chroot
    shutil.rmtree(root)  # pytest would keep it


def calls_counted(exposition: str) -> float:
    values = re.findall(r"^agent_tool_calls_total\{.*\} (\S+)$", exposition, re.MULTILINE)
    return sum(map(float, values))


def test_life_of_the_package(debian: Chroot) -> None:
    """Install, use, upgrade over a config that was edited, remove, purge: each leaves what Debian's policy says."""
    root = debian.root
    debian.run("dpkg", "-i", "/logmetrics.deb")
    assert re.fullmatch(r"logmetrics \S+\n", debian.run("logmetrics", "--version"))
    by_hand = debian.run("logmetrics", "watch", "--once", "/var/log/agents")
    assert calls_counted(by_hand) > 500
    assert debian.run("systemctl", "is-enabled", "logmetrics").strip() == "enabled"
    user = re.search(r"^logmetrics:x:(\d+):", (root / "etc/passwd").read_text(), re.MULTILINE)
    assert user
    config, state = (root / CONFIG).stat(), (root / "var/lib/logmetrics").stat()
    assert (config.st_mode & 0o777, config.st_uid, config.st_gid) == (0o640, 0, int(user[1]))
    assert (state.st_mode & 0o777, state.st_uid) == (0o750, int(user[1]))
    # As the service would: its user, its config, and nothing that it may write to below /usr.
    share = root / "usr/share"
    for page in ("bash-completion/completions/logmetrics", "zsh/vendor-completions/_logmetrics"):
        assert "_LOGMETRICS_COMPLETE" in (share / page).read_text()
    assert "_LOGMETRICS_COMPLETE" in (share / "fish/vendor_completions.d/logmetrics.fish").read_text()
    assert gzip.decompress((share / "man/man1/logmetrics.1.gz").read_bytes()).startswith(b".TH LOGMETRICS 1 ")
    assert (share / "doc/logmetrics/guides/docker.md").exists()
    as_service = ("setpriv", f"--reuid={user[1]}", f"--regid={user[1]}", "--clear-groups", "logmetrics", "watch")
    assert calls_counted(debian.run(*as_service, "--once", "--config", f"/{CONFIG}")) == calls_counted(by_hand)

    (root / CONFIG).write_text((root / CONFIG).read_text() + "# ours\n")
    newer_package(root)
    debian.run("dpkg", "--force-confdef", "--force-confold", "-i", "/newer.deb")
    assert "99.0" in debian.run("dpkg-query", "--show", "logmetrics")
    assert (root / CONFIG).read_text().endswith("# ours\n")
    assert ((root / CONFIG).stat().st_mode, (root / CONFIG).stat().st_gid) == (config.st_mode, config.st_gid)

    debian.run("dpkg", "--remove", "logmetrics")
    assert not (root / "usr/lib/logmetrics").exists()
    assert (root / CONFIG).exists() and (root / "var/lib/logmetrics").exists()
    debian.run("dpkg", "--purge", "logmetrics")
    left = debian.run(
        "find", "/etc", "/usr", "/lib", "/var/lib", "-name", "*logmetrics*", "-not", "-path", "/var/lib/dpkg/*"
    )
    assert left == ""
    assert "logmetrics" in (root / "etc/passwd").read_text()


def test_replay_in_several_processes(debian: Chroot) -> None:
    """The processes that it starts find the libraries of the package, too."""
    debian.run("dpkg", "-i", "/logmetrics.deb")
    report = debian.run("logmetrics", "replay", "--jobs", "2", "/var/log/agents")
    assert "4 files" in report


def other_pythons() -> dict[str, Path]:
    """Pythons of other versions on this machine, by version, each with the directory that it lives in."""
    found = {}
    for version in ("3.12", "3.13"):
        for directory in Path.home().glob(f".pyenv/versions/{version}.*"):
            found[version] = directory
    return found


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_pythons(debian: Chroot, version: str) -> None:
    """The package has libraries for the Pythons of Ubuntu 24.04 and Debian 13; the launcher finds them."""
    if version not in other_pythons():
        cannot(f"there is no Python {version} here to try")
    debian.run("dpkg", "-i", "/logmetrics.deb")
    with_3_11 = debian.run("logmetrics", "watch", "--once", "/var/log/agents")
    home = other_pythons()[version]
    inside = debian.root / home.relative_to("/")
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(home, inside, symlinks=True, ignore=shutil.ignore_patterns("test", "site-packages"))
    (debian.root / "usr/bin/python3").unlink()
    (debian.root / "usr/bin/python3").symlink_to(home / "bin" / f"python{version}")
    assert debian.run("python3", "--version").startswith(f"Python {version}.")
    assert debian.run("logmetrics", "watch", "--once", "/var/log/agents") == with_3_11


def test_a_python_that_it_has_no_libraries_for(debian: Chroot) -> None:
    """It says so, and what to do; apt would not have let it come that far."""
    debian.run("dpkg", "-i", "/logmetrics.deb")
    (debian.root / "usr/lib/logmetrics/python3.11").rename(debian.root / "usr/lib/logmetrics/python3.9")
    refused = debian.call("logmetrics", "--version")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "is Python 3.11, and this package has libraries for 3.9, 3.12, 3.13; install" in refused.stderr


def test_every_library_brings_its_licence() -> None:
    """The copyright file names the licence's text of each, and the text is there."""
    files = subprocess.run(["dpkg-deb", "--contents", package()], capture_output=True, text=True, check=True).stdout
    told = subprocess.run(
        ["sh", "-c", 'dpkg-deb --fsys-tarfile "$0" | tar -xO ./usr/share/doc/logmetrics/copyright', str(package())],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    libraries = set(re.findall(r"/([^/]+)\.dist-info/METADATA$", files, re.MULTILINE))
    texts = re.findall(r"^  (/usr/lib/logmetrics/\S+)$", told, re.MULTILINE)
    assert all(f".{text}\n" in files for text in texts)
    named = {match[1] for text in texts if (match := re.search(r"/([^/]+)\.dist-info/", text))}
    assert libraries - named == {next(name for name in libraries if name.startswith("logmetrics-"))}
