"""A Debian 12 of its own in a directory, and our package for it; each is made once and kept in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logmetrics-tests"
RELEASE = "bookworm"
# systemd for booting it, venv for `make install` in it; the rest is what every Debian has.
PACKAGES = "python3,python3-venv,systemd,systemd-sysv"
# What the package is made of.
SOURCES = ("pyproject.toml", "logmetrics", "systemd", "scripts", "docs", "examples", "README.md", "CHANGELOG.md")
MAKE_S_MAX = 900
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}


def cannot(reason: str) -> NoReturn:
    """Skip the test, or fail where nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_root_and(*programs: str) -> None:
    """Skip unless this is root with *programs* on its path."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a root directory for another system")
    for program in programs:
        if shutil.which(program) is None:
            cannot(f"{program} is missing")


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Tests run in several processes: the first makes what all need, the others wait for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: object, **options: object) -> str:
    """What the command prints. It fails the test when the command fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=MAKE_S_MAX, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    printed: str = done.stdout
    return printed


def _mirror() -> str:
    """Where this machine has its Debian packages from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {RELEASE}"]
    return next(iter(run(*command).split()), "") if shutil.which("apt-get") else ""


def _root_archive() -> Path:
    archive = CACHE / f"{RELEASE}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}.tar"
    with only_one(archive.name):
        if not archive.exists():
            if not (mirror := _mirror()):
                cannot(f"this machine has no packages of Debian {RELEASE}")
            making = CACHE / f"making-{RELEASE}"
            shutil.rmtree(making, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(making), mirror]
            made = subprocess.run(command, capture_output=True, text=True, timeout=MAKE_S_MAX)
            if made.returncode:
                cannot(f"debootstrap failed: {made.stdout[-500:]}{made.stderr[-500:]}")
            shutil.rmtree(making / "var/cache/apt", ignore_errors=True)
            run("tar", "-C", making, "-cf", f"{archive}.new", ".")
            os.rename(f"{archive}.new", archive)
            shutil.rmtree(making)
    return archive


def unpack_root(directory: Path) -> Path:
    """A plain Debian in *directory*, which is made."""
    need_root_and("debootstrap", "tar")
    archive = _root_archive()
    directory.mkdir()
    run("tar", "-C", directory, "-xf", archive)
    return directory


def package() -> Path:
    """Our .deb, built from the source as it is now."""
    need_root_and("dpkg-deb")
    digest = hashlib.sha256()
    for source in SOURCES:
        below = ROOT / source
        for path in sorted(below.rglob("*")) if below.is_dir() else [below]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    kept = CACHE / "packages"
    deb = kept / f"logmetrics-{digest.hexdigest()[:16]}.deb"
    with only_one("package"):
        if not deb.exists():
            kept.mkdir(exist_ok=True)
            for old in sorted(kept.iterdir(), key=lambda path: path.stat().st_mtime)[:-2]:
                old.unlink()
            places = {"BUILD": str(CACHE / "build"), "DIST": str(CACHE / "built")}
            settings = {"PYTHON": sys.executable, "DEB_COMPRESSION": "none"}
            run("bash", "scripts/build_deb.sh", cwd=ROOT, env={**os.environ, **places, **settings})
            (built,) = (CACHE / "built").glob("*.deb")
            os.rename(built, deb)
    return deb


def newer_package(directory: Path) -> Path:
    """The same with a higher version, made in *directory*."""
    run("dpkg-deb", "--raw-extract", package(), directory / "newer")
    control = directory / "newer" / "DEBIAN" / "control"
    control.write_text(re.sub("(?m)^Version: .*$", "Version: 99.0", control.read_text()))
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", directory / "newer", directory / "newer.deb")
    shutil.rmtree(directory / "newer")
    return directory / "newer.deb"


def wheels(directory: Path) -> Path:
    """All that `pip install` of our source needs on that Debian without a network, in *directory*."""
    package()  # fetches the libraries
    with only_one("wheels"):
        builder = CACHE / "build" / "wheels" / "builder"
        if not builder.exists():
            run(sys.executable, "-m", "pip", "download", "-qq", "--dest", f"{builder}.new", "hatchling")
            os.rename(f"{builder}.new", builder)
    directory.mkdir()
    for wheel in [*(CACHE / "build" / "wheels").glob("*/3.11/*.whl"), *builder.glob("*.whl")]:
        shutil.copy(wheel, directory)
    return directory


class Chroot:
    """Commands inside *root*, with a /proc of their own while it is open."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Chroot:
        run("mount", "-t", "proc", "proc", self.root / "proc")
        return self

    def __exit__(self, *_error: object) -> None:
        run("umount", self.root / "proc")

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of that."""
        words = ["chroot", str(self.root), *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=MAKE_S_MAX, env=ENVIRONMENT)

    def run(self, *command: str) -> str:
        """What it prints; the test fails when it fails."""
        done = self.call(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout
