"""Basic authentication with bcrypt hashes, which cost a tenth of a second each by design."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping

# A flood of wrong passwords gets no more of the machine than this many threads, nor more of the connections than wait.
CHECKS_AT_ONCE = 1
WAITING_MAX = 8
WAITING_PER_CLIENT_MAX = 2
# Passwords of which the verdict is known.
RIGHT_MAX, WRONG_MAX = 256, 256
# bcrypt looks at no more of a password.
PASSWORD_BYTES_MAX = 72
# Any 22 letters of salt and 31 of digest; nobody knows what they would be the hash of.
_NOBODY = b"N0such0user0here00000" + b"." + b"0" * 31


class TooManyChecks(Exception):  # noqa: N818
    """So many passwords wait for their check that one more has to come again later."""


def credentials(header: str | None) -> tuple[str, bytes] | None:
    """User and password of an Authorization header; None when it holds none."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


class Passwords:
    """Says who may come in. Called by many threads at once; outlives a reload of the users.

    A verdict is remembered by a digest that only this process can make, so that a scraper costs one check and no
    password stays in memory. The stored hash is part of it: with a new one, the verdict is asked for anew.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(CHECKS_AT_ONCE)
        self._waiting: Counter[str] = Counter()

    def are_right(self, users: Mapping[str, bytes], user: str, password: bytes, client: str) -> bool:
        """Whether *password* is that of *user*; *client* is the address it comes from. Raises TooManyChecks.

        A user that is unknown costs what a known one does.
        """
        # The dearest, so that no user stands out by being dearer than nobody.
        cost = max(digest.split(b"$")[2] for digest in users.values())
        digest = users.get(user, b"$2b$%b$%b" % (cost, _NOBODY))
        mark = self._mark(user.encode(), digest, password)
        with self._lock:
            if mark in self._right:
                self._right.move_to_end(mark)
                return True
            if mark in self._wrong:
                return False
            if self._waiting.total() >= WAITING_MAX or self._waiting[client] >= WAITING_PER_CLIENT_MAX:
                raise TooManyChecks
            self._waiting[client] += 1
        try:
            with self._turn:
                right = _is_hash_of(digest, password) and user in users
        finally:
            with self._lock:
                self._waiting[client] -= 1
                self._waiting += Counter()  # drops those at zero
        self._remember(mark, right=right)
        return right

    def _mark(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key, framed, hashlib.sha256)

    def _remember(self, mark: bytes, *, right: bool) -> None:
        """Wrong ones have a place of their own: they are many, and must not displace a scraper's."""
        known, known_max = (self._right, RIGHT_MAX) if right else (self._wrong, WRONG_MAX)
        with self._lock:
            known[mark] = None
            if len(known) > known_max:
                known.popitem(last=False)


def _is_hash_of(digest: bytes, password: bytes) -> bool:
    import bcrypt

    return bcrypt.checkpw(password[:PASSWORD_BYTES_MAX], digest)
