"""TLS: from what the web config asks to a context, and one connection's handshake."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from logmetrics.config.document import Document
from logmetrics.config.web_config import TlsSpec
from logmetrics.errors import ConfigError, Problem

_SECTION = "tls_server_config"
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    # A certificate that nobody looks at need not be asked for.
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
# The first byte of a TLS connection: the type of the record in which the client says hello.
_HANDSHAKE = b"\x16"
_TO_PLAIN_TEXT = b"this port speaks TLS; its address begins with https://\n"
_PLAIN_TEXT_REFUSED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_TO_PLAIN_TEXT), _TO_PLAIN_TEXT)
)


class PlainText(Exception):  # noqa: N818
    """The client sent something that is not TLS, and was told so."""


def server_context(spec: TlsSpec, document: Document) -> ssl.SSLContext:
    """What *spec* asks for, with its files read. Raises ConfigError; *document* tells where a key stands."""
    problems = list(_unusable_files(spec, document))
    if problems:
        raise ConfigError(problems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = _VERSIONS[spec.min_version], _VERSIONS[spec.max_version]
    # A client that asks for a new handshake again and again would keep a processor busy.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not spec.prefers_own_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if spec.ciphers:
        context.set_ciphers(":".join(spec.ciphers))
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = _CLIENTS[spec.client_auth]
    key = "curve_preferences"
    try:
        if spec.curve:
            context.set_ecdh_curve(spec.curve)
        key = "cert_file"
        # Without a password function OpenSSL would ask on the terminal.
        context.load_cert_chain(spec.cert_file, spec.key_file, password=lambda: b"")
        key = "client_ca_file"
        if spec.client_ca_file is not None:
            # As in Go, each certificate in the file is trusted, also one that another one signed.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(spec.client_ca_file)
    except OSError as error:
        raise ConfigError([_unusable(key, spec, document, error)]) from error
    return context


def _unusable(key: str, spec: TlsSpec, document: Document, error: OSError) -> Problem:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        key, what = "key_file", f"{spec.key_file} is not the key of the certificate {spec.cert_file}"
    elif key == "curve_preferences":
        what = f"this Python's TLS cannot be held to {spec.curve}; take CurveP256, or leave the key out"
    else:
        its_key = " or its key" if key == "cert_file" else ""
        what = f"{dict(spec.files)[key]}{its_key} cannot be used: {_reason(error)}"
    return document.problem((_SECTION, key), what)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error)


def _unusable_files(spec: TlsSpec, document: Document) -> Iterator[Problem]:
    for key, path in spec.files:
        mark = b"PRIVATE KEY-----" if key == "key_file" else b"-----BEGIN CERTIFICATE-----"
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            yield document.problem((_SECTION, key), f"{path} cannot be read: {error.strerror}")
            continue
        if mark not in content:
            what = "private key" if key == "key_file" else "certificate"
            yield document.problem((_SECTION, key), f"{path} holds no {what} in PEM form")
        elif key == "key_file" and b"ENCRYPTED" in content:
            what = f"{path} is encrypted, and nobody is there to type its passphrase"
            yield document.problem((_SECTION, key), f"{what}; `openssl pkey -in IT -out PLAIN` writes it without one")


def key_warning(spec: TlsSpec) -> str | None:
    """What is to be said about the rights on the key; None when it is kept well."""
    with suppress(OSError):
        if os.stat(spec.key_file).st_mode & 0o007:
            return f"everybody on this machine can get at the key {spec.key_file}; chmod o= takes that away"
    return None


def shake_hands(connection: ssl.SSLSocket, allowed_sans: frozenset[str]) -> bool:
    """Do the handshake; whoever drops the connection ends it by OSError.

    False when the client's certificate has none of the names that are allowed, if any are told. Raises PlainText.
    """
    # The methods of SSLSocket know only what is encrypted.
    first = socket.socket.recv(connection, 1, socket.MSG_PEEK)
    if not first:
        raise ConnectionResetError
    if first != _HANDSHAKE:
        socket.socket.sendall(connection, _PLAIN_TEXT_REFUSED)
        raise PlainText
    connection.do_handshake()
    return not allowed_sans or not allowed_sans.isdisjoint(_names(connection))


def _names(connection: ssl.SSLSocket) -> Iterator[str]:
    """The subject's alternative names in the client's certificate, as Go writes them."""
    names: Any = (connection.getpeercert() or {}).get("subjectAltName", ())
    for kind, name in names:
        with suppress(ValueError):
            yield str(ipaddress.ip_address(name.strip())) if kind == "IP Address" else name


def say_goodbye(connection: ssl.SSLSocket) -> None:
    """Tell the client that nothing more comes, and wait for it to say the same; whoever drops it ends that."""
    with suppress(OSError, ValueError):
        connection.unwrap()
