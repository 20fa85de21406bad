"""The web config file: what it may say, and what is said about one that may not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from logmetrics.config.web_config import CURVES, HEADERS, load_web_config
from logmetrics.errors import ConfigError
from logmetrics.serve.web import Web
from tests.daemon import ROOT
from tests.web import Certificates, hash_of

EXAMPLE = ROOT / "examples" / "web-config.yaml"
TLS = "tls_server_config:\n  cert_file: c.pem\n  key_file: k.pem\n"
NO_HASH = (
    "is no bcrypt hash, which begins with $2y$ or $2b$; `htpasswd -nBC 10 NAME` asks for a password and prints its hash"
)
BAD = {
    "misspelt key": (
        "tls_server_config:\n  cert_file: c.pem\n  key_fil: k.pem\n",
        [
            "2:3: tls_server_config: the key 'key_file' is missing",
            "3:3: tls_server_config.key_fil: unknown key (did you mean 'key_file'?)",
        ],
    ),
    "misspelt section": (
        "basic_auth_user: {}\n",
        ["1:1: basic_auth_user: unknown key (did you mean 'basic_auth_users'?)"],
    ),
    "old version": (
        TLS + "  min_version: TLS11\n",
        ["4:16: tls_server_config.min_version: TLS11 is broken and is not offered; possible are TLS12 and TLS13"],
    ),
    "unknown version": (
        TLS + "  max_version: TLS14\n",
        ["4:16: tls_server_config.max_version: expected 'TLS12' or 'TLS13'"],
    ),
    "versions in the wrong order": (
        TLS + "  min_version: TLS13\n  max_version: TLS12\n",
        ["4:16: tls_server_config.min_version: is above max_version, which is TLS12"],
    ),
    "verification without a CA": (
        TLS + "  client_auth_type: RequireAndVerifyClientCert\n",
        [
            "4:21: tls_server_config.client_auth_type: RequireAndVerifyClientCert needs client_ca_file, the CA of the "
            "clients' certificates"
        ],
    ),
    "a CA that nobody is held to": (
        TLS + "  client_ca_file: ca.pem\n",
        [
            "4:19: tls_server_config.client_ca_file: no client is asked for a certificate unless client_auth_type is "
            "RequireAndVerifyClientCert"
        ],
    ),
    "names that keep nobody out": (
        TLS + "  client_ca_file: ca.pem\n  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [prom]\n",
        [
            "6:24: tls_server_config.client_allowed_sans: keeps nobody out unless client_auth_type is "
            "RequireAndVerifyClientCert"
        ],
    ),
    "no name at all": (
        TLS + "  client_allowed_sans: []\n",
        [
            "4:24: tls_server_config.client_allowed_sans: an empty list would let nobody in; without the key any name "
            "will do"
        ],
    ),
    "odd file names": (
        'tls_server_config: {cert_file: "", key_file: "a\\0b"}\n',
        [
            "1:33: tls_server_config.cert_file: not a valid name: ''",
            "1:47: tls_server_config.key_file: not a valid name: 'a\\x00b'",
        ],
    ),
    "any certificate": (
        TLS + "  client_auth_type: RequireAnyClientCert\n",
        [
            "4:21: tls_server_config.client_auth_type: RequireAnyClientCert would let in whoever makes a certificate, "
            "and Python's TLS verifies each that it asks for; possible are RequireAndVerifyClientCert, "
            "VerifyClientCertIfGiven, RequestClientCert and NoClientCert"
        ],
    ),
    "suites": (
        TLS + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA25]\n",
        [
            "4:18: tls_server_config.cipher_suites: has no suite of TLS 1.2; add one, or say min_version: TLS13",
            "4:19: tls_server_config.cipher_suites[0]: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA25' is not offered "
            "(did you mean 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'?)",
        ],
    ),
    "curves": (
        TLS + "  curve_preferences: [X25519, CurveP256]\n",
        [
            "4:22: tls_server_config.curve_preferences: Python's TLS can be held to one curve only; leave one, "
            "or leave the key out"
        ],
    ),
    "headers": (
        "http_server_config:\n  headers:\n    X-Frame-Option: deny\n    X-Frame-Options: no\n    X-XSS-Protection: ü\n",
        [
            "3:5: http_server_config.headers.X-Frame-Option: this header cannot be set "
            "(did you mean 'X-Frame-Options'?)",
            "4:22: http_server_config.headers.X-Frame-Options: expected deny or sameorigin",
            "5:23: http_server_config.headers.X-XSS-Protection: a header is one line of ASCII",
        ],
    ),
    "passwords": (
        f"basic_auth_users:\n  a: hunter2\n  'b:c': {hash_of()}\n  d: {hash_of().replace('$04$', '$31$')}\n"
        f"  e: $2b$10${'x' * 53}\n",
        [
            "2:6: basic_auth_users.a: " + NO_HASH,
            "3:3: basic_auth_users.b:c: a user's name has at least one letter and no colon",
            "4:6: basic_auth_users.d: a cost of 31 is not possible here; from 4 to 15, and 10 is usual",
            "5:6: basic_auth_users.e: " + NO_HASH,
        ],
    ),
    "not YAML": ("basic_auth_users: [", ["1:20: not valid YAML: expected the node content, but found '<stream end>'"]),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_bad_file_is_explained(text: str, expected: list[str], tmp_path: Path) -> None:
    """All that is wrong is told at once, with line and column."""
    path = tmp_path / "web.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_web_config(str(path))
    assert str(caught.value).splitlines() == [f"{path}:{line}" for line in expected]
    assert caught.value.exit_code == 2


def test_a_password_in_the_place_of_its_hash_is_not_repeated(tmp_path: Path) -> None:
    """Errors go to logs."""
    path = tmp_path / "web.yaml"
    path.write_text("basic_auth_users: {prom: hunter2, other: [hunter2], third: {x: hunter2}}")
    with pytest.raises(ConfigError) as caught:
        load_web_config(str(path))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n"])
def test_empty_file_asks_for_nothing(text: str, tmp_path: Path) -> None:
    """Neither TLS nor passwords."""
    path = tmp_path / "web.yaml"
    path.write_text(text)
    web = Web(str(path), print)
    assert (web.has_tls, web.has_access_control, web.headers) == (False, False, ())


def _broken(certificates: Certificates, how: str) -> tuple[str, str]:
    """Break a file; gives the key that is complained about, and what is said."""
    directory = certificates.directory
    certificate, key = directory / "server.pem", directory / "server.key"
    if how == "missing":
        certificate.unlink()
        return "cert_file", f"{certificate} cannot be read: No such file or directory"
    if how == "swapped":
        content = certificate.read_bytes()
        certificate.write_bytes(key.read_bytes())
        key.write_bytes(content)
        return "cert_file", f"{certificate} holds no certificate in PEM form"
    if how == "other key":
        key.write_bytes(certificates.issue("other")[1].read_bytes())
        return "key_file", f"{key} is not the key of the certificate {certificate}"
    if how == "encrypted":
        command = ["openssl", "pkey", "-aes128", "-passout", "pass:x", "-in", str(key), "-out", str(directory / "e")]
        subprocess.run(command, check=True)
        shutil.move(directory / "e", key)
        return "key_file", f"{key} is encrypted, and nobody is there to type its passphrase"
    certificate.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    return "cert_file", f"{certificate} or its key cannot be used: "


@pytest.mark.parametrize("how", ["missing", "swapped", "other key", "encrypted", "damaged"])
def test_unusable_files_are_explained(how: str, tmp_path: Path) -> None:
    """The message names the key of the web config, the file, and what is wrong with it."""
    certificates = Certificates(tmp_path)
    path = certificates.web_config()
    key, what = _broken(certificates, how)
    with pytest.raises(ConfigError) as caught:
        Web(str(path), print)
    assert f"web.yaml:{2 if key == 'cert_file' else 3}:" in str(caught.value)
    assert f"tls_server_config.{key}: {what}" in str(caught.value)


def test_key_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    """It works all the same."""
    certificates = Certificates(tmp_path)
    (tmp_path / "server.key").chmod(0o644)
    said: list[str] = []
    assert Web(str(certificates.web_config()), said.append).has_tls
    key = tmp_path / "server.key"
    assert said == [f"warning: everybody on this machine can get at the key {key}; chmod o= takes that away"]


def test_example_is_understood_here_and_by_promtool(tmp_path: Path) -> None:
    """promtool looks at keys, hashes and certificates as Prometheus does."""
    if shutil.which("promtool") is None:
        pytest.fail("promtool is missing; make test installs Debian's package prometheus")
    Certificates(tmp_path)
    copy = tmp_path / "web-config.yaml"
    shutil.copy(EXAMPLE, copy)
    web = Web(str(copy), print)
    assert (web.has_tls, web.has_access_control) == (True, True)
    subprocess.run(["promtool", "check", "web-config", str(copy)], check=True, capture_output=True)


EVERYTHING = """
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Content-Type-Options: nosniff
    X-Frame-Options: sameorigin
    X-XSS-Protection: "1"
    Content-Security-Policy: frame-ancestors 'none'
basic_auth_users:
  prom: HASH
"""


def test_whole_file_is_understood_here_and_by_promtool(tmp_path: Path) -> None:
    """Every key that both know."""
    Certificates(tmp_path)
    path = tmp_path / "web.yaml"
    path.write_text(EVERYTHING.replace("HASH", hash_of()))
    subprocess.run(["promtool", "check", "web-config", str(path)], check=True, capture_output=True)
    web = Web(str(path), print)
    assert [name for name, _ in web.headers] == list(HEADERS)
    tls = load_web_config(str(path)).tls
    assert tls is not None
    assert tls.ciphers == ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA")
    assert (tls.curve, tls.prefers_own_ciphers) == ("prime256v1", False)
    assert tls.client_ca_file == str(tmp_path / "ca.pem")


def test_every_key_is_documented() -> None:
    """All that the example and this file use, and what is offered for each."""
    page = (ROOT / "docs" / "web.md").read_text()
    named = {*re.findall(r"^ *([a-z_0-9]+):", EVERYTHING, re.MULTILINE), "client_allowed_sans", *HEADERS, *CURVES}
    assert {name for name in named - {"prom"} if f"`{name}`" not in page} == set()


def test_mistake_ends_the_command(tmp_path: Path) -> None:
    """With exit code 2, one line on stderr, and before the state is looked at; the config may name the file as well."""
    (tmp_path / "web.yaml").write_text("basic_auth: {}")
    config = tmp_path / "config.yaml"
    config.write_text(f"web_config: web.yaml\nstate_dir: {tmp_path}/state\nsources: [{{name: a, paths: {tmp_path}}}]")
    for arguments in (
        ["watch", "--config", str(config)],
        ["watch", str(tmp_path), "--web-config", str(tmp_path / "web.yaml")],
        ["check", "--config", str(config)],
    ):
        command = [sys.executable, "-m", "logmetrics", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert (ended.returncode, ended.stdout) == (2, "")
        [line] = ended.stderr.splitlines()
        assert line == (
            f"logmetrics: {tmp_path}/web.yaml:1:1: basic_auth: unknown key (did you mean 'basic_auth_users'?)"
        )
    assert not (tmp_path / "state").exists()
