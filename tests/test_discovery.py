"""Real Prometheus, node_exporter and Pushgateway find and take what the real daemon tells them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from logmetrics.errors import LogmetricsError
from logmetrics.service.pushgateway import Pushgateway
from tests.daemon import ROOT, Daemon, Samples, logmetrics, wait_until
from tests.servers import node_exporter, prometheus, pushgateway, query

CALL = '{"event": "tool_call", "agent": "%s", "tool_name": "python", "status": "success"}\n'
CALLS = "sum by (logmetrics_instance) (agent_tool_calls_total)"


def write(directory: Path, name: str, calls: int) -> Path:
    """A log of its own for the instance *name*, with so many more calls."""
    path = directory / f"{name}.log"
    with path.open("a") as file:
        file.write(CALL % name * calls)
    return path


def by_instance(url: str, expression: str) -> dict[str, float]:
    """What each instance has, as of now."""
    with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.request.quote(expression)}") as answer:  # type: ignore[attr-defined]
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return {entry["metric"].get("logmetrics_instance", ""): float(entry["value"][1]) for entry in result}


def scraping(how: str) -> str:
    return f"global: {{scrape_interval: 500ms}}\nscrape_configs: [{{job_name: logmetrics, {how}}}]\n"


def secure(directory: Path) -> tuple[str, str]:
    """A web config with a certificate for 127.0.0.1 and a password, and what a scraper is told of them."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=logmetrics", "-days", "1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    web_config = directory / "web.yml"
    web_config.write_text(
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
        "basic_auth_users: {prom: $2b$04$xSjjdj6MkQS.jN4d2bPjGOcZS.6jDeV3t9SMvTONc2fkH2tig5H6a}\n"  # of "secret"
    )
    tls = f"tls_config: {{ca_file: {directory}/cert.pem}}"
    return str(web_config), f", basic_auth: {{username: prom, password: secret}}, {tls}"


@pytest.mark.slow
@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls-and-password"])
def test_three_instances_come_and_go(tmp_path: Path, over_tls: bool) -> None:
    """Each on a port that the system chose: found, scraped, forgotten when stopped, and found anew after a kill."""
    web_config, credentials = secure(tmp_path) if over_tls else ("", "")
    more = ("--web-config", web_config) if over_tls else ()
    targets = tmp_path / "targets"
    targets.mkdir()
    logs = {name: write(tmp_path, name, calls) for name, calls in (("a", 1), ("b", 2), ("c", 3))}

    def watch(name: str) -> Daemon:
        state = str(tmp_path / f"state-{name}")
        return Daemon(
            str(logs[name]), "--instance", name, "--sd-file", f"{targets}/{name}.json", "--state-dir", state, *more
        )

    config = scraping(f"file_sd_configs: [{{files: ['{targets}/*.json'], refresh_interval: 1h}}]{credentials}")
    with prometheus(tmp_path, config) as url, ExitStack() as stack:
        a, b = stack.enter_context(watch("a")), stack.enter_context(watch("b"))
        wait_until(lambda: by_instance(url, CALLS) == {"a": 1, "b": 2})
        c = stack.enter_context(watch("c"))
        wait_until(lambda: by_instance(url, CALLS) == {"a": 1, "b": 2, "c": 3})
        assert {entry["metric"]["instance"] for entry in query_now(url, "up")} == {
            daemon.url.partition("//")[2] for daemon in (a, b, c)
        }

        assert c.stop() == 0
        assert b.stop(signal.SIGKILL) != 0
        wait_until(lambda: by_instance(url, "up") == {"a": 1, "b": 0})  # one is stopped, the other is missed

        write(tmp_path, "b", 5)
        stack.enter_context(watch("b"))
        wait_until(lambda: by_instance(url, CALLS) == {"a": 1, "b": 7})
        wait_until(lambda: by_instance(url, "min by (logmetrics_instance) (up)") == {"a": 1, "b": 1})


def query_now(url: str, expression: str) -> list[dict[str, Any]]:
    import time

    return query(url, expression, time.time())


@pytest.mark.slow
def test_http_sd(tmp_path: Path) -> None:
    """Whoever knows one address asks for the target there, also where all addresses of the machine are listened on."""
    log = write(tmp_path, "a", 4)
    with Daemon(str(log), listen="0.0.0.0:0") as daemon:
        url_sd = daemon.url.replace("0.0.0.0", "127.0.0.1")
        with prometheus(tmp_path, scraping(f"http_sd_configs: [{{url: '{url_sd}/sd'}}]")) as url:
            wait_until(lambda: by_instance(url, CALLS) == {"a.log": 4})
            [up] = query_now(url, "up")
            assert up["metric"]["instance"] == url_sd.removeprefix("http://")


def samples(url: str) -> Samples:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.slow
def test_node_exporter_reads_the_textfiles_of_two_instances(tmp_path: Path) -> None:
    """No port, no error, and the values of the logs: they do not clash though they have the same series."""
    directory = tmp_path / "textfiles"
    directory.mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("textfile_interval: 200ms\n")

    def watch(name: str, log: Path) -> Daemon:
        file = str(directory / f"{name}.prom")
        return Daemon(str(log), "--config", str(config), "--textfile", file, "--instance", name, listen="")

    def calls(name: str) -> float:
        labels = {"agent": "agent", "tool_name": "python", "status": "success", "logmetrics_instance": name}
        return samples(url).get(("agent_tool_calls_total", frozenset(labels.items())), -1)

    logs = {name: tmp_path / f"{name}.log" for name in ("one", "two")}
    logs["one"].write_text(CALL % "agent" * 3)
    logs["two"].write_text(CALL % "agent" * 4)
    with node_exporter(directory) as url, watch("one", logs["one"]) as one, watch("two", logs["two"]):
        wait_until(lambda: (calls("one"), calls("two")) == (3, 4))
        with logs["one"].open("a") as file:
            file.write(CALL % "agent" * 10)
        wait_until(lambda: calls("one") == 13)
        shown = samples(url)
        assert shown["node_textfile_scrape_error", frozenset()] == 0
        told = {key: value for key, value in shown.items() if ("logmetrics_instance", "two") in key[1]}
        in_file = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families((directory / "two.prom").read_text())
            for sample in family.samples
        }
        moving = {"logmetrics_commits_total", "logmetrics_commit_duration_seconds"}
        moving.add("logmetrics_last_commit_timestamp_seconds")
        assert {k: v for k, v in told.items() if k[0] not in moving} == {
            k: v for k, v in in_file.items() if k[0] not in moving
        }
        files = {dict(labels)["file"] for name, labels in shown if name == "node_textfile_mtime_seconds"}
        assert {Path(file).name for file in files} == {"one.prom", "two.prom"}
        assert one.stop() == 0
        assert calls("one") == -1


def once(*arguments: str) -> subprocess.CompletedProcess[str]:
    return logmetrics("watch", "--once", *arguments)


@pytest.mark.slow
def test_pushgateway_takes_a_run_and_its_successor(tmp_path: Path) -> None:
    """The second push replaces the first; another instance is another group; labels come through."""
    log = write(tmp_path, "a", 3)
    with pushgateway() as url:

        def calls() -> dict[str, float]:
            return {
                dict(labels)["instance"]: value
                for (name, labels), value in samples(url).items()
                if name == "agent_tool_calls_total"
            }

        arguments = ("--push", url, "--push-label", "instance=a/b ü")
        first = once(str(log), *arguments)
        assert (first.returncode, first.stdout) == (0, "")
        assert calls() == {"a/b ü": 3}
        write(tmp_path, "a", 2)
        assert once(str(log), *arguments, "--push-job", "logmetrics").returncode == 0
        assert calls() == {"a/b ü": 5}
        assert once(str(log), "--push", f"{url}/", "--instance", "other").returncode == 0
        assert sorted(calls().values()) == [5, 5]
        [job] = {dict(labels)["job"] for name, labels in samples(url) if name == "push_time_seconds"}
        assert job == "logmetrics"


@pytest.mark.slow
def test_pushgateway_says_why_it_refuses(tmp_path: Path) -> None:
    """Its words reach the user, and the exit code tells."""
    log = write(tmp_path, "a", 3)
    with pushgateway() as url:
        Pushgateway(url, {"job": "other"}).push("# TYPE agent_tool_calls_total gauge\nagent_tool_calls_total 1\n")
        done = once(str(log), "--push", url)
        assert done.returncode == 1
        assert "agent_tool_calls_total" in done.stderr.splitlines()[-1]
        assert "it answered 400: " in done.stderr.splitlines()[-1]
        with pytest.raises(LogmetricsError, match="it answered 400"):
            Pushgateway(url, {"job": "other"}).push("x 1 1000\n")


SCRAPE_CONFIGS = re.findall(r"```yaml\n(scrape_configs:.*?)```", (ROOT / "docs" / "outputs.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("text", SCRAPE_CONFIGS)
def test_scrape_configs_of_the_docs_are_sound(tmp_path: Path, text: str) -> None:
    """Prometheus itself says so."""
    config = tmp_path / "prometheus.yml"
    config.write_text(text)
    command = ["promtool", "check", "config", "--syntax-only", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_docs_have_scrape_configs() -> None:
    """For target files, with credentials, over HTTP, and of the Pushgateway."""
    assert len(SCRAPE_CONFIGS) == 4
