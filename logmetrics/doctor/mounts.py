"""Which file system a path is on: /proc/self/mounts, see proc(5) and fstab(5)."""

from __future__ import annotations

import os
import re

from logmetrics.doctor.machine import Machine

# Locks may not hold there, and no notification tells what other machines write.
_REMOTE = re.compile(r"nfs|nfs4|cifs|smb3?|smbfs|9p|afs|ceph|glusterfs|lustre|gpfs|fuse\.(sshfs|s3fs|gcsfuse|rclone)")
_VOLATILE = ("tmpfs", "ramfs")


def type_of(machine: Machine, path: str) -> str:
    """The type of the file system that holds *path*; empty when that cannot be told."""
    real = os.path.realpath(path)
    best, found = -1, ""
    for line in (machine.read("/proc/self/mounts") or "").splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), parts[1])
        inside = real == place or real.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= best:  # the last one mounted there is the one that is seen
            best, found = len(place), parts[2]
    return found


def is_remote(type_: str) -> bool:
    return bool(_REMOTE.fullmatch(type_))


def is_volatile(type_: str) -> bool:
    return type_ in _VOLATILE
