"""Where a reload meets the other parts: journals, pipes, the status, the web config, what is told."""

from __future__ import annotations

import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from logmetrics.config.loading import parse_config
from logmetrics.errors import ConfigError
from tests.daemon import ROOT, Daemon, Samples, wait_until
from tests.journals import Journal, numbered
from tests.web import Certificates

RULES = """
packs: []
metrics:
  lines_total: {type: counter, help: Lines by number, labels: [number]}
rules:
  - {name: line, when: has(n), labels: {number: n}, update: {lines_total: 1}}
"""
PROMETHEUS = {"User-Agent": "Prometheus/3.0.0"}


class World:
    """A config file over a directory of logs and a journal, and the daemon that goes by it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "config.yaml"
        self.logs, self.other = directory / "logs", directory / "other"
        self.logs.mkdir()
        self.other.mkdir()
        (self.logs / "a.log").touch()
        self.journal = Journal(directory / "journal")
        self.of_logs = f"{{name: logs, paths: {self.logs}, format: json}}"
        self.of_other = f"{{name: other, paths: {self.other}, format: json}}"
        self.of_journal = f"{{name: journal, journald: {{unit: ollama.service, directory: {self.journal.directory}}}}}"

    def write(self, *sources: str, more: str = "") -> None:
        """Sources of the config; and *more* of its settings."""
        lines = "".join(f"  - {source}\n" for source in sources)
        self.config.write_text(f"sources:\n{lines}{RULES}{more}")

    def daemon(self, *arguments: str) -> Daemon:
        return Daemon("--config", str(self.config), "--state-dir", str(self.directory / "state"), *arguments)


def reload(daemon: Daemon) -> list[str]:
    """Have it reloaded; what it says about that."""
    said = len(daemon.stderr)
    reloads = daemon.total("logmetrics_config_reloads_total")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.total("logmetrics_config_reloads_total") > reloads)
    wait_until(lambda: any("reloaded" in line for line in daemon.stderr[said:]))
    return [line.removeprefix("logmetrics: ") for line in daemon.stderr[said:] if "warning" not in line]


def shown_to_prometheus(daemon: Daemon) -> dict[str, float]:
    """Lines by their number, as one that scrapes again and again sees them."""
    samples = parsed(daemon.get("/metrics", **PROMETHEUS)[1])
    return {dict(labels)["number"]: value for (name, labels), value in samples.items() if name == "lines_total"}


def parsed(text: str) -> Samples:
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path)


def test_what_a_new_journal_held_is_no_news(world: World) -> None:
    """Prometheus sees its old entries at once with their values, as at a start, and a new one as 0 first."""
    world.journal.write(numbered(*range(50)))
    world.write(world.of_logs)
    with world.daemon() as daemon:
        daemon.wait_until_ready()
        shown_to_prometheus(daemon)
        world.write(world.of_logs, world.of_journal)
        reload(daemon)
        shown: dict[str, float] = {}
        wait_until(lambda: shown.update(shown_to_prometheus(daemon)) or len(shown) == 50)
        assert set(shown.values()) == {1}

        world.journal.write(numbered(100))
        wait_until(lambda: "100" in (seen := shown_to_prometheus(daemon)) and (shown.update(seen) or True))
        assert shown["100"] == 0
        assert shown_to_prometheus(daemon)["100"] == 1


def test_a_reload_is_no_sign_of_life_of_a_journal(world: World) -> None:
    """When its last entry came is told as before: an alert waits for a source that went silent."""
    world.journal.write(numbered(1))
    world.write(world.of_journal)
    last_record = "logmetrics_source_last_record_timestamp_seconds"
    with world.daemon() as daemon:
        wait_until(lambda: daemon.total("lines_total") == 1)
        before_s = daemon.total(last_record, source="journal")
        world.write(world.of_journal, more="commit_interval: 1s\n")
        reload(daemon)
        assert daemon.total(last_record, source="journal") == before_s


def test_lines_that_new_rules_count_are_no_examples_any_more(world: World) -> None:
    """Who wrote a rule for what the status shows sees that it works."""
    (world.logs / "a.log").write_text('{"k": 1}\n')
    (world.other / "b.log").write_text('{"k": 1}\n')
    world.write(world.of_logs, world.of_other)
    with world.daemon() as daemon:
        daemon.wait_until_ready()
        assert examples(daemon) == {"logs": ["{k}"], "other": ["{k}"]}
        reload(daemon)
        assert examples(daemon) == {"logs": ["{k}"], "other": ["{k}"]}
        world.write(world.of_logs)
        wait_until(lambda: reload(daemon) and examples(daemon) == {"logs": ["{k}"]})
        more = "  - {name: another, when: k == 1, labels: {number: k}, update: {lines_total: 1}}\n"
        world.write(world.of_logs, more=more)
        reload(daemon)
        wait_until(lambda: examples(daemon) == {})


def examples(daemon: Daemon) -> dict[str, list[str]]:
    """The shapes that the status shows, by source."""
    found: dict[str, list[str]] = {}
    for example in json.loads(daemon.get("/api/status")[1])["examples"]:
        found.setdefault(example["source"], []).append(example["shape"])
    return found


@pytest.mark.parametrize("option", ["--state-dir", "--no-state"])
def test_what_the_command_line_says_is_no_change(world: World, option: str) -> None:
    """A restart would not change it either."""
    world.write(world.of_logs)
    given = ("--state-dir", str(world.directory / "state")) if option == "--state-dir" else ()
    with Daemon("--config", str(world.config), *given) as daemon:
        world.write(world.of_logs, more="state_dir: /elsewhere\nlisten: 127.0.0.1:1\n")
        assert reload(daemon) == ["the config was reloaded; it is as it was"]


def test_the_target_file_tells_of_tls_at_once(world: World) -> None:
    """Files of the web config are noticed without a reload, and Prometheus must find its way."""
    certificates = Certificates(world.directory)
    web, targets = world.directory / "web.yaml", world.directory / "targets.json"
    web.write_text("{}")
    world.write(world.of_logs)
    with world.daemon("--web-config", str(web), "--sd-file", str(targets)) as daemon:
        daemon.wait_until_ready()
        assert "__scheme__" not in targets.read_text()
        web.write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}")
        wait_until(lambda: daemon.get("/healthz")[0] == 400)
        wait_until(lambda: json.loads(targets.read_text())[0]["labels"].get("__scheme__") == "https")
        daemon.url, daemon.context = daemon.url.replace("http:", "https:"), certificates.client()
        web.write_text("{}")
        wait_until(lambda: "__scheme__" not in targets.read_text() or knocked(daemon))


def knocked(daemon: Daemon) -> bool:
    """Ask, so that it looks at its files; it may not speak TLS any more."""
    with suppress(OSError):
        daemon.get("/healthz")
    return False


def test_a_reload_that_comes_too_early_waits(world: World) -> None:
    """While the state is opened, here held up by another program, there is nobody yet to do it."""
    world.write(world.of_logs)
    with world.daemon() as daemon:
        daemon.wait_until_ready()
    world.write(world.of_logs, more="limits: {series: 77}\n")
    state = world.directory / "state" / "state.db"
    holder = sqlite3.connect(state, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-m", "logmetrics", "watch", "--config", str(world.config), "--listen", "127.0.0.1:0"]
    command += ["--state-dir", str(state.parent)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        wait_until(lambda: str(state) in opened_by(process.pid))
        process.send_signal(signal.SIGHUP)
        holder.close()
        said = iter(process.stderr.readline, "")
        assert any("the config was reloaded; it is as it was" in line for line in said)
        process.terminate()


def opened_by(process_id: int) -> set[str]:
    """The files that a process has open."""
    found = set()
    for link in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(OSError):
            found.add(os.readlink(link))
    return found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths", r'"a\0b"'),
        ("paths", r'""'),
        ("paths", r'"\ud800"'),
        ("journald", r'{unit: a, directory: "a\0b"}'),
        ("journald", r'{match: "A=\0"}'),
        ("exclude", r'["\udc00"]'),
    ],
)
def test_names_that_no_system_takes(key: str, value: str) -> None:
    """They are told with their place, before anything is looked at by them."""
    with pytest.raises(ConfigError, match=rf"config.yaml:1:\d+: sources\[0\]\.{key}"):
        parse_config(f"sources: [{{name: a, {key}: {value}}}]", "config.yaml", {})


def test_nothing_of_a_config_that_was_read_stays() -> None:
    """A daemon reads its config again and again."""
    parse_config("sources: [{name: a, paths: /tmp}]\nwatchdog: true\ncommit_interval: 2s\n", "config.yaml", {})
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, yaml.Node)]
