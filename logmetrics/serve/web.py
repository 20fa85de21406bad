"""The web config in force: who may ask, over what, and the same again when its files have changed."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logmetrics.config.web_config import WebSpec, load_web_config
from logmetrics.errors import ConfigError
from logmetrics.serve.addresses import is_local
from logmetrics.serve.passwords import Passwords, TooManyChecks, credentials
from logmetrics.serve.request import Request, Response
from logmetrics.serve.tls import key_warning, server_context

# Answered to everybody: they tell nothing but whether it works.
OPEN_PATHS = frozenset(("/healthz", "/readyz", "/-/healthy", "/-/ready"))
# Files are looked at for changes no more often.
LOOK_INTERVAL_S = 3.0
_UNAUTHORIZED = Response(
    401,
    b"this needs a user and a password\n",
    headers=(("WWW-Authenticate", 'Basic realm="logmetrics", charset="UTF-8"'),),
)
_LATER = Response(
    429, b"too many passwords wait for their check; ask again in a moment\n", headers=(("Retry-After", "1"),)
)


@dataclass(frozen=True, slots=True)
class _InForce:
    """What one reading of the files gave; it changes as a whole."""

    spec: WebSpec
    context: ssl.SSLContext | None
    # Of each file, what changes when it does.
    stamps: tuple[tuple[int, ...], ...]


class Web:
    """The web config file, as it was when all of it was last sound. Used by many threads at once."""

    def __init__(self, file: str, say: Callable[[str], None]) -> None:
        """Raises ConfigError. *say* gets warnings, and what became of files that changed."""
        self.file = file
        self._say = say
        # Called when ``look`` has put something else in force, by whatever thread.
        self.on_change: Callable[[], None] = lambda: None
        self._passwords = Passwords()
        self._reading = threading.Lock()
        self._look_at_s = 0.0
        # What was said last about files that are not sound, so that it is said once.
        self._unsound: str | None = None
        self._warned: str | None = None
        self._now = self._read()

    @property
    def has_tls(self) -> bool:
        """Whether connections over TCP are encrypted."""
        return self._now.context is not None

    @property
    def has_access_control(self) -> bool:
        """Whether a password or a client's certificate is asked for."""
        tls = self._now.spec.tls
        return bool(self._now.spec.users) or (tls is not None and tls.client_auth == "RequireAndVerifyClientCert")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """To be sent with each answer."""
        return self._now.spec.headers

    @property
    def allowed_sans(self) -> frozenset[str]:
        """Names of which a client's certificate must have one; empty: any."""
        tls = self._now.spec.tls
        return tls.client_allowed_sans if tls is not None else frozenset()

    def wrapped(self, connection: socket.socket) -> socket.socket:
        """The connection as one of TLS whose handshake is still to come, or as it is. May raise OSError."""
        context = self._now.context
        if context is None:
            return connection
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def refusal(self, request: Request) -> Response | None:
        """What somebody is told who may not ask this; None for those who may."""
        users = self._now.spec.users
        if not users or request.path in OPEN_PATHS:
            return None
        given = credentials(request.headers.get("authorization"))
        try:
            if given is not None and self._passwords.are_right(users, *given, request.client):
                return None
        except TooManyChecks:
            return _LATER
        return _UNAUTHORIZED

    def reload(self) -> None:
        """Read everything again: all of it is in force afterwards, or, with a ConfigError, nothing of it."""
        with self._reading:
            self._now, self._unsound = self._read(), None

    def look(self) -> None:
        """Reload when a file has changed, such as a certificate that was renewed; not too often, and never raising."""
        now_s = time.monotonic()
        if now_s < self._look_at_s or not self._reading.acquire(blocking=False):
            return
        try:
            self._look_at_s = now_s + LOOK_INTERVAL_S
            if _stamps(self._now.spec) == self._now.stamps:
                return
            try:
                self._now, self._unsound = self._read(), None
            except ConfigError as error:
                if self._unsound != str(error):
                    self._unsound = str(error)
                    for problem in error.problems:
                        self._say(f"{problem}; what was there before stays in force")
            else:
                self._say(f"{self.file}: what changed is in force")
                self.on_change()
        finally:
            self._reading.release()

    def _read(self) -> _InForce:
        # Before it is read: a file that changes meanwhile differs from its stamp and is read again.
        stamp = _stamp(self.file)
        spec = load_web_config(self.file)
        stamps = (stamp, *_stamps(spec)[1:])
        context = None if spec.tls is None else server_context(spec.tls, spec.document)
        warning = None if spec.tls is None else key_warning(spec.tls)
        if warning is not None and warning != self._warned:
            self._say(f"warning: {warning}")
        self._warned = warning
        return _InForce(spec, context, stamps)


def exposure(bound: Sequence[str], web: Web | None) -> str | None:
    """What others on the network can do at the addresses *bound*, in one line; None when nothing is to be said."""
    missing = [] if web is not None and web.has_tls else ["TLS"]
    if web is None or not web.has_access_control:
        missing.append("a password")
    reachable = ", ".join(address for address in bound if not is_local(address))
    if not missing or not reachable:
        return None
    return f"{reachable} can be reached from other machines without {' and '.join(missing)}; --web-config adds them"


def _stamps(spec: WebSpec) -> tuple[tuple[int, ...], ...]:
    paths = [spec.document.file, *(path for _, path in (spec.tls.files if spec.tls is not None else ()))]
    return tuple(map(_stamp, paths))


def _stamp(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
