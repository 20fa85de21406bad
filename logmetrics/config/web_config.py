"""The web config file -> a frozen spec: TLS, passwords and headers of what is served.

The format is that of Prometheus and its exporters, so that one file and `promtool check web-config` serve all of them:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from logmetrics.config.document import Document, KeyPath, parse_document
from logmetrics.config.expression import did_you_mean
from logmetrics.config.loading import read_text
from logmetrics.config.model import FileName
from logmetrics.config.shape import validate
from logmetrics.errors import ConfigError, Problem

# Go's names of the suites that may be chosen, and OpenSSL's. Those of TLS 1.3 are always on, there as here.
CIPHER_SUITES: Mapping[str, str] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
_CIPHER_SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES: Mapping[str, str] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
# What may be added to answers, and the values that are possible; empty: any.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
# The base-2 logarithm of a hash's work: 15 is some seconds, and each one more doubles them.
BCRYPT_COST_MAX = 15
# 22 letters of salt, of which the last one has only two bits, and 31 of digest.
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_HEADER_VALUE = re.compile(r"[ -~]*")


def _version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError(f"{value} is broken and is not offered; possible are TLS12 and TLS13")
    return value


def _client_auth(value: object) -> object:
    if value in ("RequireAnyClientCert", "RequireClientCert"):
        raise ValueError(
            f"{value} would let in whoever makes a certificate, and Python's TLS verifies each that it asks for; "
            "possible are RequireAndVerifyClientCert, VerifyClientCertIfGiven, RequestClientCert and NoClientCert"
        )
    return value


def _not_empty(names: list[str] | None) -> list[str] | None:
    if names is not None and not names:
        raise ValueError("an empty list would let nobody in; without the key any name will do")
    return names


_VERSION_SCHEMA = {"enum": ["TLS12", "TLS13"]}
Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version), WithJsonSchema(_VERSION_SCHEMA)]
ClientAuth = Annotated[
    Literal["NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert", ""],
    BeforeValidator(_client_auth),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _TlsModel(_Model):
    cert_file: FileName
    key_file: FileName
    client_auth_type: ClientAuth = "NoClientCert"
    client_ca_file: FileName | None = None
    client_allowed_sans: Annotated[list[str] | None, AfterValidator(_not_empty)] = None
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: list[str] = []
    prefer_server_cipher_suites: bool = True
    curve_preferences: list[str] = []


class _HttpModel(_Model):
    # Without effect: what is served is HTTP/1.1, which every client of HTTP/2 speaks too.
    http2: bool = True
    headers: dict[str, str] = {}


class _WebModel(_Model):
    tls_server_config: _TlsModel | None = None
    http_server_config: _HttpModel | None = None
    basic_auth_users: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """What is asked of connections. Paths are whole, names of suites and curves are OpenSSL's."""

    cert_file: str
    key_file: str
    # Go's name: NoClientCert, RequestClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert.
    client_auth: str
    client_ca_file: str | None
    # Names of which a client's certificate must have one; empty: any.
    client_allowed_sans: frozenset[str]
    min_version: str
    max_version: str
    # Of TLS 1.2; empty: OpenSSL's choice.
    ciphers: tuple[str, ...]
    prefers_own_ciphers: bool
    curve: str | None

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Each file with the key that names it."""
        named = (("cert_file", self.cert_file), ("key_file", self.key_file), ("client_ca_file", self.client_ca_file))
        return tuple((key, path) for key, path in named if path is not None)


@dataclass(frozen=True, slots=True)
class WebSpec:
    """A web config file. ``users`` are bcrypt hashes by name; without any, nobody is asked for a password."""

    document: Document
    tls: TlsSpec | None
    headers: tuple[tuple[str, str], ...]
    users: Mapping[str, bytes]


def load_web_config(path: str) -> WebSpec:
    """The web config in the file *path*. Raises ConfigError with all that is wrong in it; certificates are not read."""
    document = parse_document(read_text(path), path)
    if document.values is None:
        document.values = {}
    problems: list[Problem] = []
    model = validate(_WebModel, document, problems)
    if model is None:
        raise ConfigError(problems)
    tls = _tls(model.tls_server_config, document, problems) if model.tls_server_config else None
    headers = model.http_server_config.headers if model.http_server_config else {}
    users = model.basic_auth_users or {}
    _check_headers(headers, document, problems)
    _check_users(users, document, problems)
    if problems:
        raise ConfigError(problems)
    shown = tuple((name, value) for name, value in headers.items() if value)
    return WebSpec(document, tls, shown, {user: digest.encode("ascii") for user, digest in users.items()})


def _tls(model: _TlsModel, document: Document, problems: list[Problem]) -> TlsSpec:
    def bad(what: str, *path: str | int) -> None:
        problems.append(document.problem(("tls_server_config", *path), what))

    if model.min_version > model.max_version:
        bad(f"is above max_version, which is {model.max_version}", "min_version")
    _check_clients(model, bad)
    _check_offered("cipher_suites", model.cipher_suites, (*CIPHER_SUITES, *_CIPHER_SUITES_13), bad)
    ciphers = tuple(CIPHER_SUITES[name] for name in model.cipher_suites if name in CIPHER_SUITES)
    if model.cipher_suites and not ciphers and model.min_version == "TLS12":
        bad("has no suite of TLS 1.2; add one, or say min_version: TLS13", "cipher_suites")
    _check_offered("curve_preferences", model.curve_preferences, CURVES, bad)
    if len(model.curve_preferences) > 1:
        bad("Python's TLS can be held to one curve only; leave one, or leave the key out", "curve_preferences")
    here = os.path.dirname(os.path.abspath(document.file))
    return TlsSpec(
        cert_file=os.path.join(here, model.cert_file),
        key_file=os.path.join(here, model.key_file),
        client_auth=model.client_auth_type or "NoClientCert",
        client_ca_file=os.path.join(here, model.client_ca_file) if model.client_ca_file else None,
        client_allowed_sans=frozenset(model.client_allowed_sans or ()),
        min_version=model.min_version,
        max_version=model.max_version,
        ciphers=ciphers,
        prefers_own_ciphers=model.prefer_server_cipher_suites,
        curve=next((CURVES[name] for name in model.curve_preferences if name in CURVES), None),
    )


def _check_clients(model: _TlsModel, bad: Callable[..., None]) -> None:
    """A setting that lets in more than it seems to is an error."""
    wanted = "RequireAndVerifyClientCert"
    verifies = model.client_auth_type in ("VerifyClientCertIfGiven", wanted)
    if verifies and model.client_ca_file is None:
        bad(f"{model.client_auth_type} needs client_ca_file, the CA of the clients' certificates", "client_auth_type")
    if model.client_ca_file is not None and not verifies:
        bad(f"no client is asked for a certificate unless client_auth_type is {wanted}", "client_ca_file")
    if model.client_allowed_sans and model.client_auth_type != wanted:
        bad(f"keeps nobody out unless client_auth_type is {wanted}", "client_allowed_sans")


def _check_offered(key: str, names: Sequence[str], offered: Collection[str], bad: Callable[..., None]) -> None:
    for index, name in enumerate(names):
        if name not in offered:
            near = did_you_mean(name, list(offered)) or f"; possible are {', '.join(offered)}"
            bad(f"{name!r} is not offered{near}", key, index)


def _check_headers(headers: Mapping[str, str], document: Document, problems: list[Problem]) -> None:
    for name, value in headers.items():
        path: KeyPath = ("http_server_config", "headers", name)
        if name not in HEADERS:
            near = did_you_mean(name, HEADERS) or f"; possible are {', '.join(HEADERS)}"
            problems.append(document.problem(path, f"this header cannot be set{near}", of_key=True))
        elif value and HEADERS[name] and value not in HEADERS[name]:
            problems.append(document.problem(path, f"expected {' or '.join(HEADERS[name])}"))
        elif not _HEADER_VALUE.fullmatch(value):
            problems.append(document.problem(path, "a header is one line of ASCII"))


def _check_users(users: Mapping[str, str], document: Document, problems: list[Problem]) -> None:
    """What stands there instead of a hash is not repeated: it can be a password."""
    for user, digest in users.items():
        path: KeyPath = ("basic_auth_users", user)
        found = _BCRYPT.fullmatch(digest)
        if not user or ":" in user:
            problems.append(document.problem(path, "a user's name has at least one letter and no colon", of_key=True))
        elif not found:
            what = "is no bcrypt hash, which begins with $2y$ or $2b$; `htpasswd -nBC 10 NAME` asks for a password and"
            problems.append(document.problem(path, f"{what} prints its hash"))
        elif not 4 <= int(found[1]) <= BCRYPT_COST_MAX:
            what = f"a cost of {int(found[1])} is not possible here; from 4 to {BCRYPT_COST_MAX}, and 10 is usual"
            problems.append(document.problem(path, what))
