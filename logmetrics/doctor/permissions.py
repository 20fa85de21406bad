"""May this user read that file? Computed from modes and access lists, so that root can ask for somebody else.

Rules and order: acl(5), "ACCESS CHECK ALGORITHM". The format of the attribute: linux/posix_acl_xattr.h.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from logmetrics.doctor.machine import Account

READ, WRITE, SEARCH = 4, 2, 1
_ATTRIBUTE = "system.posix_acl_access"
_VERSION = 2
_ENTRY = struct.Struct("<HHI")
_USER, _GROUP_OWNER, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10


@dataclass(frozen=True, slots=True)
class Permissions:
    """Owner, mode and access list of a file. ``entries`` are (tag, bits, id), empty without an access list."""

    path: str
    mode: int
    uid: int
    gid: int
    entries: tuple[tuple[int, int, int], ...] = ()

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_governed_by_list(self) -> bool:
        """Linux does not look at a list whose mask allows nothing; so such a list does not deny either."""
        return bool(self.entries) and bool(self.mode & 0o070)

    def bits_of_groups(self) -> list[tuple[int, int]]:
        """(group id, bits) of each group that the file names, as the mask leaves them."""
        if not self.is_governed_by_list:
            return [(self.gid, self.mode >> 3 & 7)]
        mask = next((bits for tag, bits, _ in self.entries if tag == _MASK), 7)
        groups = [(self.gid, bits & mask) for tag, bits, _ in self.entries if tag == _GROUP_OWNER]
        return groups + [(gid, bits & mask) for tag, bits, gid in self.entries if tag == _GROUP]


Look = Callable[[str], Permissions]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A place that denies *wanted* (READ, SEARCH) on the way to a log."""

    place: Permissions
    wanted: int


def permissions_of(path: str) -> Permissions:
    """What is written at *path*. Raises OSError."""
    status = os.stat(path)
    return Permissions(path, status.st_mode, status.st_uid, status.st_gid, _access_list(path))


def _access_list(path: str) -> tuple[tuple[int, int, int], ...]:
    try:
        raw = os.getxattr(path, _ATTRIBUTE)
    except (OSError, AttributeError):  # none, or no such thing here
        return ()
    if len(raw) < 4 or struct.unpack_from("<I", raw)[0] != _VERSION or (len(raw) - 4) % _ENTRY.size:
        return ()
    return tuple(_ENTRY.iter_unpack(raw[4:]))


def may(account: Account, place: Permissions, wanted: int) -> bool:
    """Whether the kernel would let *account* do all of *wanted* there."""
    if account.uid == 0:
        return True
    if account.uid == place.uid:
        return (place.mode >> 6 & wanted) == wanted
    mask = next((bits for tag, bits, _ in place.entries if tag == _MASK), 7)
    for tag, bits, uid in place.entries if place.is_governed_by_list else ():
        if tag == _USER and uid == account.uid:
            return (bits & mask & wanted) == wanted
    mine = [bits for gid, bits in place.bits_of_groups() if gid in account.gids]
    if mine:  # one group must have all of it; others' bits are not asked any more
        return any((bits & wanted) == wanted for bits in mine)
    return (place.mode & wanted) == wanted


def obstacles(path: str, account: Account, wanted: int, look: Look = permissions_of) -> list[Obstacle]:
    """What denies *account* the way to *path*, from the root down, and *wanted* there. Raises OSError.

    Both the way to a symbolic link and the way to what it leads to have to be open.
    """
    absolute = os.path.abspath(path)
    real = os.path.realpath(absolute)
    way = _components(real)
    if real != absolute:
        to_the_link = takewhile(lambda component: not os.path.islink(component), _components(absolute))
        way = list(dict.fromkeys([*to_the_link, *way]))
    found = []
    for component in way:
        needed = wanted if component == real else SEARCH
        place = look(component)
        if not may(account, place, needed):
            found.append(Obstacle(place, needed))
    return found


def groups_that_may(place: Permissions, wanted: int) -> list[int]:
    """The groups whose members are let in."""
    return [gid for gid, bits in place.bits_of_groups() if (bits & wanted) == wanted]


def _components(path: str) -> list[str]:
    """/, /var, /var/log for /var/log."""
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: index + 1]) for index in range(len(parts)))]
