"""A Debian in a directory, booted by its own systemd as process 1 of namespaces of its own, in some two seconds.

It has its own processes, mounts, network (nothing but lo) and control groups, so that nothing of it is seen outside and
all of it ends with its first process. What needs devices of its own (PrivateDevices=) does not work in there.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon import wait_until
from tests.debian_root import ENVIRONMENT, need_root_and

NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
# $1 is the root. A mere chroot would not do: systemd makes mount namespaces for its services, which start at the true
# root. Units that would change this machine's kernel are left out.
BOOT = """
set -e
cd "$1"
mount --bind . . && cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<<"$device"
    mknod -m 666 "dev/$name" c "$major" "$minor"
done
mkdir dev/shm dev/pts && mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd
mkdir -p oldroot etc/systemd/system
for unit in systemd-sysctl systemd-modules-load systemd-remount-fs getty@tty1 console-getty; do
    ln -sf /dev/null "etc/systemd/system/$unit.service"
done
hostname debian
pivot_root . oldroot
umount -l /oldroot
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target \
    --log-target=journal </dev/null
"""


# What booting needs of the kernel and of whoever confines this process.
PROBE = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/group && mount -t cgroup2 cgroup2 /mnt/group
mknod /mnt/null c 1 3 && : >/mnt/null
"""


class BootedSystemd:
    """The Debian in *root*, running; use it as a context manager. Skips the test where the kernel does not allow it."""

    def __init__(self, root: Path) -> None:
        need_root_and("unshare", "nsenter", "mount", "pivot_root")
        self.root = root
        self.output = root.parent / f"{root.name}-boot.log"
        # A group of its own, so that what systemd makes in there lies below it.
        self.group = _unified_cgroup() / f"logmetrics-test-{os.getpid()}"
        self._unshare: subprocess.Popen[bytes] | None = None
        self.first_process = 0

    def __enter__(self) -> BootedSystemd:
        _need_namespaces()
        self.group.mkdir(exist_ok=True)
        namespaces = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private"]
        enter = f'echo $$ >"{self.group}/cgroup.procs" && exec "$@"'
        command = ["sh", "-c", enter, "-", *namespaces, "bash", "-c", BOOT, "-", str(self.root)]
        with self.output.open("wb") as output:
            self._unshare = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_until(self._is_up, timeout_s=60, every_s=0.1)
        except BaseException:
            self.close()
            raise
        return self

    def _is_up(self) -> bool:
        assert self._unshare is not None
        assert self._unshare.poll() is None, self.output.read_text(errors="replace")
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
        if not children:
            return False
        self.first_process = int(children[0])
        if not Path(f"/proc/{self.first_process}/cmdline").read_bytes().startswith(b"/lib/systemd/systemd"):
            return False
        return self.call("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of it at once."""
        if self._unshare is None:
            return
        if self.first_process:
            with suppress(ProcessLookupError):
                os.kill(self.first_process, signal.SIGKILL)
        else:
            self._unshare.kill()
        self._unshare.wait(timeout=60)
        self._unshare = None
        for directory, _, _ in os.walk(self.group, topdown=False):
            with suppress(OSError):
                os.rmdir(directory)

    def call(self, *command: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run *command* in there, whatever comes of that."""
        enter = [
            "nsenter",
            f"--target={self.first_process}",
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            "--net",
            "--cgroup",
            "--root",
            "--wd",
        ]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=timeout_s, env=ENVIRONMENT)

    def run(self, *command: str) -> str:
        """What *command* prints; the test fails when it fails."""
        done = self.call(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}\n{self.journal()}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def journal(self, unit: str | None = None) -> str:
        """The last of what was logged."""
        of_unit = ["--unit", unit] if unit else []
        return self.call("journalctl", "--no-pager", "--lines=60", "--output=cat", *of_unit).stdout


def _need_namespaces() -> None:
    """Skip, in CI too: no package that is installed can change this."""
    command = ["unshare", *NAMESPACES, "--fork", "--propagation", "private", "sh", "-c", PROBE]
    probe = subprocess.run(command, capture_output=True, text=True)
    if probe.returncode or not os.access(_unified_cgroup(), os.W_OK):
        pytest.skip(f"namespaces for a systemd of its own are not allowed here: {probe.stderr.strip()}")


def _unified_cgroup() -> Path:
    """Where cgroup2 is mounted on this machine."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return Path(next((where for _, where, kind, *_ in mounts if kind == "cgroup2"), "/sys/fs/cgroup"))
