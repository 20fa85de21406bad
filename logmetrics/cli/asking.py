"""What a running logmetrics answers, for the commands that look at one: over TCP, TLS or a unix socket."""

from __future__ import annotations

import http.client
import re
import ssl
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import unquote, urlsplit

import typer

from logmetrics import __version__
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.present.amounts import harmless
from logmetrics.serve.client import UNIX, Endpoint, endpoint_of, reason, trusting_anybody

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8001"
TIMEOUT_S = 10.0
WORDS_BYTES_MAX = 200
ANSWER_BYTES_MAX = 64 * 1024 * 1024

User = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Who asks, where a password is wanted.")]
PasswordFile = Annotated[
    str | None, typer.Option("--password-file", metavar="FILE", help="The first line of FILE is the user's password.")
]
CaFile = Annotated[
    str | None, typer.Option("--ca-file", metavar="FILE", help="Trust what the certificates in FILE have signed.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Trust any certificate.")]


# What --listen takes and watch prints: host and port, or the port alone.
_HOST_PORT = re.compile(r"(\[[^\s\[\]/]+\]|[^\s:\[\]/@]*):([0-9]{1,5})(/.*)?")


def is_address(where: str) -> bool:
    """Whether *where* is meant as the address of a running logmetrics."""
    return where.startswith(("http://", "https://", UNIX)) or bool(_HOST_PORT.fullmatch(where))


def _url(where: str) -> str:
    """*where* with its scheme; all interfaces are reached by this machine's own."""
    parts = _HOST_PORT.fullmatch(where)
    if not parts or where.startswith(UNIX):
        return where
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(parts[1], parts[1])  # noqa: S104
    return f"http://{host}:{parts[2]}{parts[3] or ''}"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a logmetrics runs, and as whom it is asked. ``shown`` is its address without a password."""

    shown: str
    endpoint: Endpoint
    # In front of what is asked for.
    prefix: str
    authorization: str | None
    ca_file: str | None
    insecure: bool

    @classmethod
    def of(
        cls,
        where: str,
        user: str | None = None,
        password_file: str | None = None,
        ca_file: str | None = None,
        *,
        insecure: bool = False,
    ) -> Server:
        """The server at *where*: ``http://[USER:PASSWORD@]HOST[:PORT]``, ``HOST:PORT``, ``:PORT`` or ``unix:/PATH``.

        Raises UsageError.
        """
        where = _url(where)
        if (user is None) != (password_file is None):
            raise UsageError("--user and --password-file go together")
        credentials = None if user is None or password_file is None else f"{user}:{_first_line(password_file)}"
        if where.startswith(UNIX):
            endpoint = Endpoint(socket_file=where.removeprefix(UNIX))
            return cls(where, endpoint, "", _basic(credentials), ca_file, insecure)
        try:
            parts = urlsplit(where)
            endpoint = endpoint_of(parts)
        except ValueError as error:
            raise UsageError(f"{where}: {error}; an address is like {DEFAULT_URL} or unix:/run/x.sock") from error
        if parts.scheme not in ("http", "https") or not endpoint.host:
            raise UsageError(f"{where} is no address; one is like {DEFAULT_URL} or unix:/run/x.sock")
        if parts.username is not None and credentials is None:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        prefix = parts.path.rstrip("/").removesuffix("/metrics")
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{prefix}"
        return cls(shown, endpoint, prefix, _basic(credentials), ca_file, insecure)

    def get(self, path: str) -> bytes:
        """The body of what is at *path*. Raises LogmetricsError, which says what to do."""
        headers = {"User-Agent": f"logmetrics/{__version__}"}
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        connection = self.endpoint.connection(TIMEOUT_S, self._context() if self.endpoint.is_tls else None)
        try:
            connection.request("GET", self.prefix + path, headers=headers)
            answer = connection.getresponse()
            body = answer.read(ANSWER_BYTES_MAX)
        except ssl.SSLCertVerificationError as error:
            what = f"its certificate is not trusted ({error.verify_message})"
            hint = "--ca-file FILE names who signed it, --insecure trusts anybody"
            raise LogmetricsError(f"{self.shown}: {what}; {hint}") from error
        except (OSError, http.client.HTTPException) as error:
            raise LogmetricsError(f"{self.shown}: {_why(error, self.endpoint)}; {_HINT}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise LogmetricsError(f"{self.shown} {self._refusal(answer.status, body)}")
        return body

    def get_as(self, kind: type[T], path: str) -> T:
        """What is at *path*, as JSON of that *kind*. Raises LogmetricsError."""
        import msgspec

        try:
            return msgspec.json.decode(self.get(path), type=kind)
        except msgspec.DecodeError as error:
            what = f"answers something else than this version knows ({error})"
            raise LogmetricsError(f"{self.shown} {what}; is it a logmetrics of another version?") from error

    def _refusal(self, status: int, body: bytes) -> str:
        """What an answer other than 200 means."""
        if status == 401 and self.authorization is not None:
            return "refused this user or password"
        words = body[:WORDS_BYTES_MAX].decode("utf-8", "replace").strip()
        if status in (400, 403) and words[:1].isalpha() and "\n" not in words:
            return f"refused the request: {harmless(words)}"
        return _ANSWERS.get(status, f"answers {status}; is it logmetrics?")

    def _context(self) -> ssl.SSLContext:
        if self.insecure:
            return trusting_anybody()
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise UsageError(f"{self.ca_file}: cannot be used as a file of certificates: {error}") from error


_HINT = "is logmetrics running? start it with logmetrics watch, or give its address"
_ANSWERS = {
    401: "wants a user and a password: http://USER:PASSWORD@HOST, or --user and --password-file",
    403: "lets nobody look who is not known to it",
    404: "answers 404; it is no logmetrics, or one of another version",
    503: "is busy; ask again in a moment",
}


def _why(error: Exception, endpoint: Endpoint) -> str:
    if isinstance(error, ssl.SSLError) and "WRONG_VERSION" in str(error):
        return "does not speak TLS; try http://"
    is_plain = not endpoint.is_tls and not endpoint.socket_file
    if is_plain and isinstance(error, http.client.BadStatusLine):
        return "does not answer in HTTP; try https://"
    return reason(error)


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


def _basic(credentials: str | None) -> str | None:
    return None if credentials is None else f"Basic {b64encode(credentials.encode()).decode()}"
