"""`logmetrics doctor` as people run it: with daemons, other programs, a real Prometheus, on terminals and in pipes."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from logmetrics.doctor.findings import Finding, Group, note, ok, problem, warning
from logmetrics.doctor.loopback import Reply, get
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.ollama import ollama
from logmetrics.doctor.ports import Listener, ports
from logmetrics.doctor.scraping import config_for, is_target, scrape, scraping
from logmetrics.doctor.text import write_group, write_summary
from logmetrics.serve.client import Endpoint, endpoint_at
from logmetrics.serve.holder import Holder
from logmetrics.store.state import SCHEMA_VERSION
from tests.daemon import ROOT, Daemon, free_port, wait_until
from tests.made_machine import NOBODY_LISTENS, machine, setup, told, worst
from tests.test_prometheus import prometheus


def doctor(*arguments: object, **environment: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    command = [sys.executable, "-m", "logmetrics", "doctor", "--prometheus", NOBODY_LISTENS, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})
    assert done.stderr == ""
    return done.returncode, done.stdout


def topic(output: str, title: str) -> str:
    """The lines of one topic."""
    return output.split(f"{title}\n")[1].split("\n\n")[0]


@contextmanager
def server(answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[Endpoint]:
    """A program on a free port that gives these answers, and 404 to all else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers.get(self.path, (404, {}, b"nothing here"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        try:
            yield Endpoint("127.0.0.1", made.server_address[1])
        finally:
            made.shutdown()
            thread.join()


def here(tmp_path: Path) -> Machine:
    """The machine that the tests run on, with users that are made."""
    made = machine(tmp_path)
    return Machine(made.users, made.account, ollama=NOBODY_LISTENS)


# -- the whole command


def test_a_running_daemon_is_well(tmp_path: Path) -> None:
    """It holds its state and its port, is scraped, and goes on as if nobody had looked."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.log").write_text('{"event": "tool_call", "agent": "a", "tool_name": "t"}\n')
    state = f"{tmp_path}/state"
    with Daemon("--state-dir", state, f"{tmp_path}/logs") as daemon:
        daemon.wait_until_ready()
        address = daemon.url.removeprefix("http://")
        code, output = doctor(tmp_path / "logs", "--state-dir", state, "--listen", address)

        assert f"in use by process {daemon.process.pid}: " in topic(output, "State")
        assert f"version {SCHEMA_VERSION}, sound" in topic(output, "State")
        assert f"{address}: logmetrics answers there: ok" in topic(output, "Addresses")
        assert re.search(rf"ok +{daemon.url}/metrics: \d+ samples in ", topic(output, "Prometheus"))
        assert "Nothing stands in the way" in output
        assert code == 0
        # New series were not shown to it in the scraper's endpoint.
        assert daemon.total("agent_tool_calls_total") == 1


def test_what_stands_in_the_way_is_exit_code_1(tmp_path: Path) -> None:
    """A config that is missing or wrong, a state that is damaged, a port that others have: never a traceback."""
    code, output = doctor("--config", tmp_path / "nix.yaml")
    assert code == 1
    assert "cannot be read: No such file or directory" in topic(output, "Config")

    (tmp_path / "state").mkdir()
    (tmp_path / "state/state.db").write_bytes(b"rubbish" * 1000)
    with server({}) as endpoint:
        address = f"127.0.0.1:{endpoint.port}"
        code, output = doctor(tmp_path, "--state-dir", tmp_path / "state", "--listen", address)
    assert code == 1
    assert "is damaged: file is not a database" in topic(output, "State")
    assert f"problem  {address} is in use by" in topic(output, "Addresses")
    assert f"(pid {os.getpid()})" in topic(output, "Addresses")
    assert "Something stands in the way: 2 problems" in output


def test_machines_without_anything(tmp_path: Path) -> None:
    """No programs on PATH, no home, no logs: still an answer, and within seconds."""
    code, output = doctor(PATH="", HOME="/nonexistent", XDG_STATE_HOME="/nonexistent")
    assert code == 1
    assert "problem  no config, and no logs are named: there is nothing to read" in topic(output, "Config")
    assert "journalctl is not there" in topic(output, "Journal")
    code, output = doctor("/nonexistent/\x1b[31m", "--listen", "nowhere", "--state-dir", "/dev/null")
    assert code == 1
    assert "\x1b" not in output
    assert "is no address to listen on" in topic(output, "Addresses")


def test_findings_as_json(tmp_path: Path) -> None:
    """The same for machines, with the same exit code."""
    code, output = doctor("--config", tmp_path / "nix.yaml", "--json")
    document = json.loads(output)
    assert code == 1
    assert document["healthy"] is False
    found = [finding for group in document["groups"] for finding in group["findings"]]
    assert {"mark", "what", "to_do"} == set(found[0])
    assert any(each["mark"] == "problem" and "nix.yaml" in each["what"] for each in found)
    assert [group["title"] for group in document["groups"]][:3] == ["Program", "Config", "Logs"]


def test_a_real_prometheus(tmp_path: Path) -> None:
    """One that scrapes it, and one that scrapes something else; the config to add is one that Prometheus takes."""
    (tmp_path / "a.log").write_text("{}\n")
    with Daemon(f"{tmp_path}/a.log") as daemon:
        daemon.wait_until_ready()
        address = daemon.url.removeprefix("http://")

        def findings(url: str) -> str:
            return topic(doctor(tmp_path / "a.log", "--listen", address, "--prometheus", url)[1], "Prometheus")

        with prometheus(address, tmp_path) as url:
            wait_until(lambda: "up, last in" in findings(url), every_s=0.5)
        with prometheus(f"127.0.0.1:{free_port()}", tmp_path) as url:
            wait_until(lambda: get(endpoint_at(url)[0], "/-/ready").status == 200)
            said = findings(url)
    assert f"warning  Prometheus at {url} does not scrape {daemon.url}" in said
    (tmp_path / "added.yml").write_text(re.findall(r"scrape_configs: .*", said)[0])
    command = ["promtool", "check", "config", str(tmp_path / "added.yml")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


# -- addresses


def test_addresses_that_cannot_be_had(tmp_path: Path) -> None:
    """A port below 1024, a socket file where there is no room for one, an address of another machine."""
    of = here(tmp_path)
    (tmp_path / "file").write_text("")
    taken = ["127.0.0.1:80", f"unix:{tmp_path}/nix/m.sock", f"unix:{tmp_path}/file", "203.0.113.7:8001", "x"]
    found = ports(of, setup(of, listen=tuple(taken)))
    assert [each.mark for each in found] == ["problem"] * 5 + ["note"]
    assert "CAP_NET_BIND_SERVICE" in found[0].to_do
    assert all(each.to_do for each in found)


def test_addresses_that_are_free(tmp_path: Path) -> None:
    """Also a socket file that a program left behind."""
    of = here(tmp_path)
    of = Machine(of.users, of.account.__class__("me", os.geteuid(), of.account.gids), ollama=NOBODY_LISTENS)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/left.sock")
    listen = (f"127.0.0.1:{free_port()}", f"unix:{tmp_path}/left.sock", f"unix:{tmp_path}/new.sock")
    found = ports(of, setup(of, listen=listen))
    assert [each.what for each in found] == [f"{address} is free" for address in listen]
    assert sorted(os.listdir(tmp_path)) == ["home", "left.sock"]


def test_an_address_that_others_reach(tmp_path: Path) -> None:
    """Without a password that is worth a note."""
    of = here(tmp_path)
    for listen, is_open in ((f":{free_port()}", True), (f"127.0.0.1:{free_port()}", False), ("unix:/tmp/x", False)):
        found = told(ports(of, setup(of, listen=(listen,))), "note")
        assert bool(found) == is_open
    web = setup(of, listen=(f"0.0.0.0:{free_port()}",), web_config="/x")
    assert told(ports(of, web), "note") == []


def test_a_port_that_systemd_holds_is_not_knocked_at(tmp_path: Path) -> None:
    """A connection would start what listens there."""
    asked = []

    class Answers(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            asked.append(path)
            return (200, {}, b"ok")

    with server(Answers()) as endpoint:
        of = machine(tmp_path, {"/etc/systemd/system/logmetrics.socket": "[Socket]\n"})
        [finding] = ports(of, setup(of, listen=(f"127.0.0.1:{endpoint.port}",)))
        assert finding.mark == "ok"
        assert "systemd listens there for logmetrics.socket" in finding.what
        assert asked == []
        bare = machine(tmp_path / "bare")
        [finding] = ports(bare, setup(bare, listen=(f"127.0.0.1:{endpoint.port}",)))
        assert finding.mark == "problem"
        assert "/healthz" in asked


# -- scrapes


OPENMETRICS = {"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "mark", "words"),
    [
        (200, {"Content-Type": "text/plain; version=0.0.4"}, b"a_total 1\nb 2\n", "ok", "2 samples in 14 B"),
        (200, OPENMETRICS, b"# TYPE a counter\na_total 1\n# EOF\n", "ok", "1 samples"),
        (200, OPENMETRICS, b"# TYPE a counter\na_total 1\n", "problem", "not to be parsed"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b"a 1\n", mtime=0), "ok", "1 samples in 4 B"),
        (200, {"Content-Encoding": "gzip"}, b"rubbish", "problem", "not to be parsed"),
        (503, {}, b"not ready: 10 % read\n", "note", "not ready: 10 % read"),
        (401, {}, b"", "note", "basic_auth"),
        (500, {}, b"", "problem", "answers 500"),
    ],
)
def test_what_a_scrape_gives(status: int, headers: dict[str, str], body: bytes, mark: str, words: str) -> None:
    """As Prometheus would see it."""
    with server({"/metrics": (status, headers, body)}) as endpoint:
        finding = scrape(endpoint)
    assert finding.mark == mark
    assert words in f"{finding.what} {finding.to_do}"


def target(url: str, **more: Any) -> dict[str, Any]:
    return {"scrapeUrl": url, "labels": {"job": "j"}, "health": "up", "lastError": "", **more}


def test_which_target_is_this_daemon() -> None:
    """The port, and any name of this machine."""
    endpoint = Endpoint("127.0.0.1", 8001)
    own = socket.gethostname()
    for url in ("http://127.0.0.1:8001/metrics", "http://localhost:8001/x", f"http://{own}:8001/metrics"):
        assert is_target(target(url), endpoint)
    assert is_target(target("http://127.0.0.5:8001/metrics"), endpoint)
    for url in (
        "http://203.0.113.7:8001/x",
        "http://127.0.0.1:8002/metrics",
        "http://elsewhere.example:8001/metrics",
        "http://[",
        "",
    ):
        assert not is_target(target(url), endpoint)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("server returned HTTP status 401 Unauthorized", "basic_auth"),
        ("server returned HTTP status 404 Not Found", "metrics_path"),
        ("context deadline exceeded", "scrape_timeout"),
        ("x509: certificate signed by unknown authority", "ca_file"),
    ],
)
def test_why_prometheus_is_not_served(tmp_path: Path, error: str, words: str) -> None:
    """Its lastError in its words, and what to do in ours."""
    ours = {"/healthz": (200, {}, b"ok\n"), "/": (200, {}, b"logmetrics"), "/metrics": (200, {}, b"a 1\n")}
    with server(ours) as endpoint:
        targets = [target(f"{endpoint.url}/metrics", health="down", lastError=error)]
        api = json.dumps({"status": "success", "data": {"activeTargets": targets}}).encode()
        with server({"/p/api/v1/targets?state=active": (200, {}, api)}) as where:
            of = here(tmp_path)
            asked = setup(of, listen=(f"127.0.0.1:{endpoint.port}",), prometheus=f"{where.url}/p/")
            [found] = told(scraping(of, asked), "problem")
    assert error in found
    assert words in found.partition(" -> ")[2]


def test_what_is_no_prometheus(tmp_path: Path) -> None:
    """Another program at its address is no problem of ours."""
    of = here(tmp_path)
    for body in (b"", b"[]", b'{"data": {"activeTargets": 5}}'):
        with server({"/api/v1/targets?state=active": (200, {}, body)}) as where:
            assert worst(scraping(of, setup(of, listen=(f":{free_port()}",), prometheus=where.url))) == "note"


@pytest.mark.parametrize("endpoint", [Endpoint("127.0.0.1", 1), Endpoint("::1", 1, is_tls=True)])
def test_the_config_to_add_is_yaml(endpoint: Endpoint) -> None:
    """With the address as Prometheus writes it."""
    [job] = yaml.safe_load(config_for(endpoint))["scrape_configs"]
    assert job["static_configs"] == [{"targets": [endpoint.url.partition("://")[2]]}]


@pytest.mark.parametrize(
    ("version", "debug", "mark", "words"),
    [
        ("0.12.3", "", "note", "OLLAMA_DEBUG=1"),
        ("0.12.3", "1", "ok", "prompt tokens are in its log"),
        ("0.31.0", "", "ok", "logs tokens without it"),
        ("0.31.0-rc1", "true", "note", "adds nothing"),
        ("0.12.3", "2", "note", "prompts may be in its log"),
    ],
)
def test_what_ollama_tells(tmp_path: Path, version: str, debug: str, mark: str, words: str) -> None:
    """Its version decides whether OLLAMA_DEBUG is of use."""
    unit = f"[Service]\nExecStart=ollama serve\nEnvironment=A=b 'OLLAMA_DEBUG={debug}'\n"
    with server({"/api/version": (200, {}, json.dumps({"version": version}).encode())}) as endpoint:
        of = machine(tmp_path, {"/etc/systemd/system/ollama.service": unit}, ollama=endpoint.url)
        found = ollama(of, setup(of, tmp_path))
    assert f"Ollama {version} answers at {endpoint.url}" in told(found, "ok")
    assert any(words in each for each in told(found, mark))


# -- how it looks


GROUP = Group(
    "Logs",
    (ok("all of it " * 12), note("a note"), warning("odd", "do this " * 12), problem("bad \x1b[31m\u202e", "mend")),
)


def written(width: int, *, terminal: bool, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    write_group(GROUP, console)
    write_summary([GROUP], console)
    file.flush()
    return raw.getvalue().decode(encoding)


def test_in_a_pipe_each_finding_is_a_line() -> None:
    """Whole, with its mark as a word, so that grep finds it."""
    lines = written(40, terminal=False).splitlines()
    assert lines[0] == "Logs"
    assert lines[1] == "  ok       " + ("all of it " * 12)
    assert lines[3:5] == ["  warning  odd", "           -> " + "do this " * 12]
    assert lines[5] == r"  problem  bad \x1b[31m\u202e"
    assert lines[-1] == "Something stands in the way: 1 problem, 1 warning, 1 note"


@pytest.mark.parametrize("width", [30, 60, 200])
def test_on_a_terminal_it_fits(width: int) -> None:
    """Wrapped, with what to do indented below what was found."""
    lines = written(width, terminal=True).splitlines()
    assert all(len(line) <= width for line in lines[:-1])
    assert " ✗ bad" in "\n".join(lines)
    below = [line for line in lines if "do this" in line]
    assert below[0].startswith("   → do this")
    assert all(line.startswith("     do this") for line in below[1:])


def test_where_only_ascii_can_be_written() -> None:
    """Other signs, the same findings."""
    text = written(60, terminal=True, encoding="ascii")
    assert " X bad" in text
    assert "-> mend" in text


def test_a_machine_without_faults() -> None:
    """One line says so."""
    raw = io.StringIO()
    write_summary([Group("x", (Finding("ok", "y"),))], Console(file=raw, width=80))
    assert raw.getvalue() == "Nothing stands in the way: all is well\n"


@pytest.mark.parametrize(
    "error", ["[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert", "sslv3 alert handshake failure"]
)
def test_who_wants_a_certificate_is_well(error: str) -> None:
    """Without one there is no answer, which is as it was asked for."""
    endpoint = Endpoint("127.0.0.1", 8001, is_tls=True)
    assert Listener("a", endpoint, Reply(error=error), Holder("logmetrics", 7)).is_logmetrics
    assert not Listener("a", endpoint, Reply(error=error), Holder("nginx", 7)).is_logmetrics
    assert not Listener("a", endpoint, Reply(error="Connection refused"), Holder("logmetrics", 7)).is_logmetrics
