"""Where metrics go beside the server: target files, textfiles, pushes. With real servers: test_discovery."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import stat
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.cli.outputs import default_instance
from logmetrics.config.loading import parse_config
from logmetrics.config.outputs import check_advertise, check_instance, check_sd_file, check_textfile
from logmetrics.config.specs import Config, MetricSpec, RuleSet, SourceSpec
from logmetrics.engine import Engine
from logmetrics.errors import ConfigError, LogmetricsError, UsageError
from logmetrics.serve.targets import Targets
from logmetrics.service.output_file import OutputFile
from logmetrics.service.pushgateway import Pushgateway, group_path
from logmetrics.service.textfile import Textfile, labelled_pieces
from logmetrics.store.store import Store
from tests.daemon import Daemon, free_port, logmetrics, wait_until

CALL = '{"event": "tool_call", "agent": "coder", "tool_name": "python", "status": "success"}\n'


def some_log(directory: Path, calls: int = 3) -> Path:
    path = directory / "logs"
    path.mkdir(exist_ok=True)
    with (path / "a.log").open("a") as file:
        file.write(CALL * calls)
    return path


# -- targets


@pytest.mark.parametrize(
    ("bound", "advertise", "host_header", "target"),
    [
        (["127.0.0.1:8001"], None, None, "127.0.0.1:8001"),
        (["unix:/x", "10.0.0.5:9000", "127.0.0.1:8001"], None, None, "10.0.0.5:9000"),
        (["[::1]:8001"], None, None, "[::1]:8001"),
        (["unix:/x"], None, None, None),
        ([], None, None, None),
        (["0.0.0.0:8001"], None, None, f"{socket.gethostname()}:8001"),
        (["[::]:8001"], None, None, f"{socket.gethostname()}:8001"),
        (["[::]:8001"], "gpu1", None, "gpu1:8001"),
        (["[::]:8001"], "gpu1:443", None, "gpu1:443"),
        (["unix:/x"], "gpu1:443", None, "gpu1:443"),
        (["unix:/x"], "gpu1", None, None),
        (["[::]:8001"], "[fd00::1]", None, "[fd00::1]:8001"),
        # Only where the address says nothing, and the port is ours, a request's own words count.
        (["[::]:8001"], None, "gpu1.lan:8001", "gpu1.lan:8001"),
        (["[::]:8001"], None, "[fd00::1]:8001", "[fd00::1]:8001"),
        (["[::]:8001"], None, "gpu1.lan:80", f"{socket.gethostname()}:8001"),
        (["[::]:8001"], None, "gpu1.lan", f"{socket.gethostname()}:8001"),
        (["[::]:8001"], None, 'x"},{:8001', f"{socket.gethostname()}:8001"),
        (["[::]:8001"], None, "a@b:8001", f"{socket.gethostname()}:8001"),
        (["[::]:8001"], "gpu1", "other:8001", "gpu1:8001"),
        (["127.0.0.1:8001"], None, "other:8001", "127.0.0.1:8001"),
    ],
)
def test_target(bound: list[str], advertise: str | None, host_header: str | None, target: str | None) -> None:
    """One address, the first that can be scraped, as others know it."""
    assert Targets(bound, "a", advertise).target(host_header) == target


def test_target_document() -> None:
    """The JSON that file_sd and http_sd take; whatever is in a name cannot get out of its string."""
    assert json.loads(Targets(["127.0.0.1:1"], 'a"]}', is_https=lambda: True).document()) == [
        {"targets": ["127.0.0.1:1"], "labels": {"logmetrics_instance": 'a"]}', "__scheme__": "https"}}
    ]
    assert json.loads(Targets(["unix:/x"], "a").document()) == []


def test_sd_file_lives_as_long_as_the_daemon(tmp_path: Path) -> None:
    """The port that was really bound, readable for all whatever the umask, gone at the end; /sd says the same."""
    logs, file = some_log(tmp_path), tmp_path / "a.json"
    before = os.umask(0o077)
    try:
        daemon = Daemon(str(logs), "--sd-file", str(file), "--instance", "first")
    finally:
        os.umask(before)
    with daemon:
        daemon.wait_for_message("target .* in ")
        groups = json.loads(file.read_text())
        target = daemon.url.removeprefix("http://")
        assert groups == [{"targets": [target], "labels": {"logmetrics_instance": "first"}}]
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert json.loads(daemon.get("/sd")[1]) == groups
        assert sorted(tmp_path.iterdir()) == [file, logs]
        assert daemon.stop() == 0
    assert sorted(tmp_path.iterdir()) == [logs]


def test_sd_is_json(tmp_path: Path) -> None:
    """Prometheus refuses another content type."""
    with Daemon(str(some_log(tmp_path))) as daemon, urllib.request.urlopen(f"{daemon.url}/sd") as answer:
        assert answer.headers["Content-Type"] == "application/json"


def test_sd_file_after_kill_and_of_others(tmp_path: Path) -> None:
    """What a kill left is overwritten; what another program put there since stays."""
    logs, file = some_log(tmp_path), tmp_path / "a.json"
    with Daemon(str(logs), "--sd-file", str(file)) as killed:
        killed.wait_for_message("target .* in ")
        killed.stop(signal.SIGKILL)
    left = file.read_text()
    with Daemon(str(logs), "--sd-file", str(file)) as daemon:
        daemon.wait_for_message("target .* in ")
        assert file.read_text() != left
        other = tmp_path / "other"
        other.write_text(file.read_text())
        other.replace(file)
        assert daemon.stop() == 0
    assert file.exists()


def test_reload_writes_the_sd_file_anew(tmp_path: Path) -> None:
    """A config management that cleans the directory is no reason for a restart; what only a start reads is told."""
    logs, file, config = some_log(tmp_path), tmp_path / "a.json", tmp_path / "config.yaml"
    config.write_text(f"sd_file: {file}\n")
    with Daemon(str(logs), "--config", str(config)) as daemon:
        daemon.wait_for_message("target .* in ")
        before = file.read_text()
        file.unlink()
        config.write_text(f"sd_file: {file}\ntextfile_interval: 20s\ninstance: other\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_message("textfile_interval 15s -> 20s")
        daemon.wait_for_message("instance: logs until a restart, then other")
        wait_until(file.exists)
        assert file.read_text() == before
        daemon.stop()
        assert not file.exists()


@pytest.mark.parametrize("option", ["--sd-file", "--textfile"])
def test_directory_that_is_missing(tmp_path: Path, option: str) -> None:
    """The start fails with one line that says what to do."""
    file = tmp_path / "no" / f"a.{'json' if option == '--sd-file' else 'prom'}"
    done = logmetrics("watch", str(some_log(tmp_path)), "--no-state", "--listen", "127.0.0.1:0", option, str(file))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"logmetrics: {option} {file} cannot be written: No such file or directory; there is no directory "
        f"{file.parent}, make it first"
    )


# -- the file itself


def test_output_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A reader that has the old one open goes on to see all of it."""
    path = tmp_path / "x.prom"
    file = OutputFile(str(path), "--textfile")
    file.write(b"old")
    with path.open() as reader:
        file.write(b"new content")
        assert (reader.read(), path.read_bytes()) == ("old", b"new content")


def test_output_file_follows_no_link(tmp_path: Path) -> None:
    """In a directory where others write, a link for the temporary file leads nowhere."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".x.prom.tmp").symlink_to(victim)
    OutputFile(str(tmp_path / "x.prom"), "--textfile").write(b"new")
    assert (victim.read_text(), (tmp_path / "x.prom").read_text()) == ("precious", "new")


def test_output_file_of_another_is_not_removed(tmp_path: Path) -> None:
    """Nor is one removed that was never written, and one that is gone is no error."""
    path = tmp_path / "x.json"
    file = OutputFile(str(path), "--sd-file")
    path.write_text("theirs")
    file.remove()
    assert path.read_text() == "theirs"
    file.write(b"ours")
    path.unlink()
    file.remove()
    file.write(b"ours")
    file.remove()
    assert not path.exists()


def test_output_file_on_a_full_disk() -> None:
    """The reason comes with the name, and nothing stays behind."""
    directory = Path("/dev/shm")
    file = OutputFile(str(directory / "logmetrics-test-x.prom"), "--textfile")
    with pytest.MonkeyPatch.context() as patch:

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(LogmetricsError, match=r"x\.prom cannot be written: No space left on device$"):
            file.write(b"new")
    assert not list(directory.glob("*logmetrics-test-x*"))


# -- textfiles


def families(*values: str) -> list[Any]:
    store = Store(
        {
            "x_total": MetricSpec("x_total", "counter", "help\nof x", ("v",), raw=frozenset({"v"})),
            "plain_total": MetricSpec("plain_total", "counter", "h"),
            "h_seconds": MetricSpec("h_seconds", "histogram", "h", (), buckets=(1.0,)),
        },
        Config((), RuleSet({}, ()), ()).limits,
    )
    for value in values:
        store.families["x_total"].get((value,)).values.append(1)  # type: ignore[union-attr]
    store.families["h_seconds"].get(()).values.append(0.5)  # type: ignore[union-attr]
    store.commit(0.0)
    return store.view().families


@pytest.mark.parametrize("instance", ["a", 'quo"te', "back\\slash", "\\1", "{}"])
def test_every_sample_has_the_instance(instance: str) -> None:
    """Whatever is in the name and in the other labels; without it two textfiles of one host would clash."""
    values = ["plain", "a{b} 1", "x_total 5", "x_total{", 'q"', "\\"]
    text = "".join(labelled_pieces(families(*values), instance))
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert {sample.labels["logmetrics_instance"] for sample in samples} == {instance}
    assert [sample.labels["v"] for sample in samples if sample.name == "x_total"] == values
    assert len(samples) == len(values) + 1 + 4


def test_textfile_beside_a_port_has_its_values(tmp_path: Path) -> None:
    """What the file says is what a scrape says, without the process' own numbers."""
    logs, file = some_log(tmp_path), tmp_path / "a.prom"
    config = tmp_path / "config.yaml"
    config.write_text("textfile_interval: 100ms\n")
    with Daemon(str(logs), "--config", str(config), "--textfile", str(file), "--instance", "one") as daemon:
        assert daemon.total("agent_tool_calls_total") == 3
        wait_until(lambda: total(file, "agent_tool_calls_total") == 3)
        some_log(tmp_path, 2)
        wait_until(lambda: total(file, "agent_tool_calls_total") == 5)
        text = file.read_text()
        assert "process_" not in text
        assert "# EOF" not in text
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert daemon.stop() == 0
    assert not file.exists()


def total(file: Path, name: str) -> float:
    text = file.read_text() if file.exists() else ""
    return sum(s.value for f in text_string_to_metric_families(text) for s in f.samples if s.name == name)


def test_textfile_alone(tmp_path: Path) -> None:
    """Without any port; what a kill left is gone until all has been read again, and counters go on."""
    logs, file = some_log(tmp_path), tmp_path / "a.prom"
    arguments = (str(logs), "--textfile", str(file), "--state-dir", str(tmp_path / "state"))
    with Daemon(*arguments, listen="") as killed:
        wait_until(file.exists)
        assert total(file, "agent_tool_calls_total") == 3
        assert not [line for line in killed.stderr if "http" in line]
        killed.stop(signal.SIGKILL)
    assert total(file, "agent_tool_calls_total") == 3
    some_log(tmp_path, 1)
    with Daemon(*arguments, listen="") as daemon:
        daemon.wait_for_message("a.log: agent")  # is told when it has caught up
        wait_until(file.exists)
        assert total(file, "agent_tool_calls_total") == 4
        assert daemon.stop() == 0


class _FakeEngine:
    """As much of an engine as a textfile asks."""

    def __init__(self) -> None:
        self.config = Config((), RuleSet({}, ()), (), textfile_interval_s=0.01)
        self.store = Store({"x_total": MetricSpec("x_total", "counter", "h", ("v",))}, self.config.limits)
        self.caught_up = True
        self.answers = True
        self.resumed_ago_s = float("inf")

    def count(self, value: str) -> None:
        self.store.families["x_total"].get((value,)).values.append(1)  # type: ignore[union-attr]

    def refresh(self, _timeout_s: float) -> bool:
        self.store.commit(0.0)
        return self.answers

    def view(self) -> Any:
        return self.store.view()


def fake_textfile(path: Path, engine: Any, told: list[str], *, early: bool = False) -> Textfile:
    file = OutputFile(str(path), "--textfile")
    return Textfile(file, engine, threading.Lock(), instance="i", early=early, say=told.append)


def shown(path: Path) -> list[str]:
    return [line.rpartition('v="')[2].replace('"}', "") for line in path.read_text().splitlines() if line[0] != "#"]


def test_what_is_new_is_0_once(tmp_path: Path) -> None:
    """So increase() sees its first event; what was there at the first writing is no increase."""
    engine, path = _FakeEngine(), tmp_path / "x.prom"
    textfile = fake_textfile(path, engine, [])
    engine.count("a")
    textfile.write()
    assert shown(path) == ["a 1"]
    engine.count("a")
    engine.count("b")
    textfile.write()
    assert shown(path) == ["a 2", "b 0"]
    textfile.write()
    assert shown(path) == ["a 2", "b 1"]


def test_engine_that_does_not_answer_lets_the_file_grow_old(tmp_path: Path) -> None:
    """node_textfile_mtime_seconds tells; a new time on old values would hide it."""
    engine, path = _FakeEngine(), tmp_path / "x.prom"
    textfile = fake_textfile(path, engine, [])
    textfile.write()
    before = path.stat()
    engine.answers = False
    textfile.write()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("early", [False, True])
def test_nothing_is_written_before_it_has_caught_up(tmp_path: Path, early: bool) -> None:
    """As /metrics answers 503 until then; unless it is served early."""
    engine, path = _FakeEngine(), tmp_path / "x.prom"
    engine.caught_up = False
    path.write_text("of a run that was killed")
    asked = threading.Event()
    engine.refresh = lambda _timeout_s: asked.set() or True  # type: ignore[assignment, func-returns-value]
    textfile = fake_textfile(path, engine, [], early=early)
    textfile.start()
    assert not path.exists() or early
    assert asked.wait(0.5 if not early else 10) is early
    engine.caught_up = True
    wait_until(path.exists)
    textfile.remove()
    assert not path.exists()


def test_textfile_that_cannot_be_written_for_a_while(tmp_path: Path) -> None:
    """It is told once, and once more when it is over."""
    engine, path, told = _FakeEngine(), tmp_path / "gone" / "x.prom", list[str]()
    path.parent.mkdir()
    textfile = fake_textfile(path, engine, told)
    textfile.write()
    path.unlink()
    path.parent.rmdir()
    textfile.write()
    textfile.write()
    path.parent.mkdir()
    textfile.write()
    assert [message.replace(str(path), "X") for message in told] == [
        "--textfile X cannot be written: No such file or directory; there is no directory "
        f"{path.parent}, make it first; it stays as it is until that succeeds",
        "--textfile X is written again",
    ]


def test_own_files_are_no_logs(tmp_path: Path) -> None:
    """A textfile in a directory that is read would be counted each time it is written."""
    config = parse_config(f"textfile: {tmp_path}/logs/x.prom\nsd_file: ~/t.json\n", "c", {})
    assert config.owns(str(tmp_path / "logs" / "x.prom"))
    assert config.owns(str(tmp_path / "logs" / ".x.prom.tmp"))
    assert config.owns(os.path.expanduser("~/t.json"))
    assert not config.owns(str(tmp_path / "logs" / "a.log"))
    logs = some_log(tmp_path)
    (logs / "x.prom").write_text(CALL)
    engine = Engine(replace(config, sources=(SourceSpec("s", (str(logs),)),)))
    engine.run_once()
    assert engine.readers[0].lines == 3


# -- `--once`


def test_once_writes_the_textfile_in_place_of_stdout(tmp_path: Path) -> None:
    """It stays: its age tells when it was."""
    logs, file = some_log(tmp_path), tmp_path / "a.prom"
    done = logmetrics("watch", str(logs), "--once", "--textfile", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert total(file, "agent_tool_calls_total") == 3
    assert set(re.findall(r'logmetrics_instance="(\w+)"', file.read_text())) == {"logs"}


def test_once_leaves_the_daemons_textfile_alone(tmp_path: Path) -> None:
    """A look with the daemon's config prints, and writes nothing where the daemon writes."""
    file, config = tmp_path / "a.prom", tmp_path / "config.yaml"
    config.write_text(f"textfile: {file}\nsources: [{{name: s, paths: [{some_log(tmp_path)}]}}]\n")
    done = logmetrics("watch", "--config", str(config), "--once")
    assert "agent_tool_calls_total" in done.stdout
    assert not file.exists()


@pytest.mark.parametrize("output", ["stdout", "textfile", "push"])
def test_once_tells_that_a_log_could_not_be_read(tmp_path: Path, output: str) -> None:
    """The totals of the rest are printed; where totals replace older ones, a part of them does not."""
    log, file, fifo = some_log(tmp_path), tmp_path / "a.prom", tmp_path / "fifo"
    os.mkfifo(fifo)
    with answering((200, "")) as (url, got):
        options = {"stdout": [], "textfile": ["--textfile", str(file)], "push": ["--push", url]}[output]
        done = logmetrics("watch", str(log), str(fifo), "--once", *options)
    assert done.returncode == 1
    assert f"{fifo}: is not a regular file" in done.stderr
    assert f"{fifo} could not be read; " in done.stderr.splitlines()[-1]
    assert ("agent_tool_calls_total" in done.stdout) is (output == "stdout")
    assert (file.exists(), got) == (False, [])


# -- what goes together


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--push", "http://x:1"], "--push goes with --once only: what a daemon pushes stays"),
        (["--once", "--sd-file", "a.json"], "--sd-file does not go with --once"),
        (["--once", "--no-listen"], "--no-listen does not go with --once"),
        (["--no-listen"], "it needs --textfile FILE.prom"),
        (["--no-listen", "--listen", ":0", "--textfile", "a.prom"], "--no-listen and --listen"),
        (["--push-job", "x", "--once"], "there is no --push"),
        (["--push-label", "a=b", "--once"], "there is no --push"),
        (["--sd-file", "a.json", "--listen", "unix:/x/s"], "--advertise HOST:PORT"),
        (["--sd-file", "a.json", "--listen", "unix:/x/s", "--advertise", "gpu1"], "--advertise HOST:PORT"),
        (["--sd-file", "a.json", "--no-listen", "--textfile", "a.prom"], "--advertise HOST:PORT"),
        (["--sd-file", "a.txt"], "must end in .json"),
        (["--sd-file", "dir/.json"], "must end in .json"),
        (["--textfile", "a.txt"], "must end in .prom"),
        (["--advertise", "http://x:1"], "expected HOST or HOST:PORT"),
        (["--advertise", "x:70000"], "expected HOST or HOST:PORT"),
        (["--instance", "a\nb"], "expected a name such as"),
        (["--once", "--push", "pushgateway:9091"], "no URL of a Pushgateway"),
        (["--once", "--push", "http://u:secret@h:x/"], "--push http://h:x/ is no URL of a Pushgateway"),
        (["--once", "--push", "http://x:1", "--push-label", "a"], "expected KEY=VALUE"),
        (["--once", "--push", "http://x:1", "--push-label", "a-b=c"], "expected KEY=VALUE"),
        (["--once", "--push", "http://x:1", "--push-label", "a=b", "--push-label", "a=c"], "expected KEY=VALUE"),
        (["--once", "--push", "http://x:1", "--push-label", "job=c"], "--push-job gives the job"),
        (["--once", "--push", "http://x:1", "--push-label", "agent=a"], "--push-label: agent is a label of agent_"),
        (["--once", "--push", "http://x:1", "--push-label", "source=a"], "source is a label of logmetrics_"),
        (["--once", "--listen", ":0"], "--listen does not go with --once"),
        (["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"], "127.0.0.1:1 is named twice"),
        (["--listen", "127.0.0.1:1", "--listen", "localhost:1"], "localhost:1 is named twice, also as 127.0.0.1:1"),
        (["--once", "--push", "http://x:1", "--push-job", ""], "--push-job is empty"),
    ],
)
def test_command_lines_that_make_no_sense(tmp_path: Path, arguments: list[str], message: str) -> None:
    """One line, exit code 2, and nothing has been read or listened on."""
    state = tmp_path / "state"
    done = CliRunner().invoke(app, ["watch", str(tmp_path), "--state-dir", str(state), *arguments])
    assert isinstance(done.exception, UsageError)
    assert (done.output, str(done.exception).count("\n"), state.exists()) == ("", 0, False)
    assert message in str(done.exception)


def test_config_keys() -> None:
    """The same as on the command line, and the same mistakes are told with their place."""
    text = "listen: []\ninstance: a b\nadvertise: gpu1\nsd_file: t.json\ntextfile: x.prom\ntextfile_interval: 1m\n"
    config = parse_config(text, "c.yaml", {})
    assert (config.listen, config.instance, config.advertise) == ((), "a b", "gpu1")
    assert (config.sd_file, config.textfile, config.textfile_interval_s) == ("t.json", "x.prom", 60.0)
    with pytest.raises(ConfigError) as caught:
        parse_config("sd_file: t.yaml\ntextfile: x\nadvertise: a b\ninstance: ''\n", "c.yaml", {})
    assert [(problem.line, problem.key_path) for problem in caught.value.problems] == [
        (1, "sd_file"),
        (2, "textfile"),
        (3, "advertise"),
        (4, "instance"),
    ]


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (check_sd_file, "/etc/x.json"),
        (check_textfile, "x.y.prom"),
        (check_advertise, "[::1]:8001"),
        (check_instance, "größer 1"),
    ],
)
def test_sound_values_are_taken(check: Any, good: str) -> None:
    """As they are."""
    assert check(good) == good


@pytest.mark.parametrize(
    ("cgroup", "paths", "config_file", "name"),
    [
        ("0::/system.slice/system-logmetrics.slice/logmetrics@gpu-a.service\n", None, "/etc/x.yaml", "gpu-a"),
        ("1:name=systemd:/s/logmetrics@a\\x2db.service\n0::/x\n", None, "/etc/x.yaml", "a-b"),
        ("0::/system.slice/logmetrics.service\n", None, "/etc/logmetrics/agents.yaml", "agents"),
        ("0::/user.slice/user@1000.service/app.slice/x.scope\n", ["/var/log/agents/"], None, "agents"),
        ("0::/user.slice/user@1000.service\n", ["/var/log/a.b"], "c.yaml", "a.b"),
        ("0::/\n", ["/"], None, "root"),
        ("0::/\n", ["-"], "/etc/x.yaml", "first"),
        ("0::/\n", None, None, "first"),
    ],
)
def test_names_of_instances(
    monkeypatch: pytest.MonkeyPatch, cgroup: str, paths: list[str] | None, config_file: str | None, name: str
) -> None:
    """Of the systemd instance, else of the first path or the config; standard input has that of its source."""
    monkeypatch.setattr(Path, "read_text", lambda _path: cgroup)
    config = Config((SourceSpec("first", ()), SourceSpec("second", ())), RuleSet({}, ()), ())
    assert default_instance(config, paths, config_file) == name


# -- pushes


def decoded(path: str) -> dict[str, str]:
    """What a Pushgateway makes of a path, by its documentation."""
    parts = path.split("/")
    labels = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        plain, coded, _ = name.partition("@base64")
        text = value.rstrip("=")
        labels[plain] = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode() if coded else value
    return labels


def test_labels_of_every_push_are_no_labels_of_metrics(tmp_path: Path) -> None:
    """A Pushgateway would overwrite them, without a --push-label too."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "packs: []\nmetrics: {x_total: {type: counter, help: X, labels: [job]}}\n"
        "rules: [{name: r, labels: {job: name}, update: {x_total: 1}}]\n"
    )
    done = CliRunner().invoke(app, ["watch", str(tmp_path), "-c", str(path), "--once", "--push", "http://x:1"])
    assert isinstance(done.exception, UsageError)
    assert "--push: job is a label of x_total, which" in str(done.exception)


@pytest.mark.parametrize("value", ["a", "h:1", "a/b", "", "größe", "..", ".", "a b", "?", "%41", "x" * 300, "=", "+"])
def test_group_paths(value: str) -> None:
    """Any value comes through, in a path that no proxy changes."""
    path = group_path({"job": value, "instance": "i"})
    assert decoded(path) == {"job": value, "instance": "i"}
    assert re.fullmatch(r"[A-Za-z0-9._:~@/=-]+", path)
    assert not {"", ".", ".."} & set(path.split("/"))


Answer = tuple[int, str]


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[tuple[str, str, str | None, bytes]]]]:
    """A server that gives these answers, one for each request, the last one again and again; and what it got."""
    got: list[tuple[str, str, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.command, self.path, self.headers["Authorization"], body))
            status, text = answers[min(len(got), len(answers)) - 1]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", text)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_push_is_tried_again_while_the_server_is_busy() -> None:
    """The same body each time; user and password of the URL go in a header."""
    with answering((503, "starting"), (500, ""), (200, "")) as (url, got):
        named = url.replace("http://", "http://us%40er:pass%2Fword@")
        said: list[str] = []
        labels = {"job": "j", "instance": "a/b"}
        Pushgateway(f"{named}/prefix/", labels, backoff_s=0.01, say=said.append).push("x 1\n")
    auth = "Basic " + base64.b64encode(b"us@er:pass/word").decode()
    assert got == [("PUT", "/prefix/metrics/job/j/instance@base64/YS9i", auth, b"x 1\n")] * 3
    assert said == [
        f"{url}/prefix answers 503; the push is tried again, 6 times in all",
        f"pushed to {url}/prefix/metrics/job/j/instance@base64/YS9i",
    ]


@pytest.mark.parametrize(
    ("answer", "tries", "said"),
    [
        ((400, "pushed metrics are\ninvalid: type"), 1, "it answered 400: pushed metrics are invalid: type"),
        ((401, "who?"), 1, "give a user and password in the URL"),
        ((404, "no"), 1, "the prefix that the server has"),
        ((302, "http://elsewhere/"), 1, "it wants to be called as http://elsewhere/"),
        ((503, "still starting"), 6, "it answered 503: still starting"),
    ],
)
def test_push_that_is_refused(answer: Answer, tries: int, said: str) -> None:
    """The server's words, and what to do; never the password."""
    with answering(answer) as (url, got), pytest.raises(LogmetricsError) as caught:
        Pushgateway(url.replace("//", "//user:secret@"), {"job": "j"}, backoff_s=0.001).push("x 1\n")
    assert len(got) == tries
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_push_to_nobody() -> None:
    """Bounded, and told in one line."""
    said: list[str] = []
    url = f"http://127.0.0.1:{free_port()}"
    what = f"nothing answers at {url}: connection refused"
    with pytest.raises(LogmetricsError) as caught:
        Pushgateway(url, {"job": "j"}, backoff_s=0.001, say=said.append).push("x 1\n")
    assert str(caught.value) == f"push to {url}/metrics/job/j: {what}; is a Pushgateway there?"
    assert said == [f"{what}; the push is tried again, 6 times in all"]


def test_push_to_an_unknown_host() -> None:
    """Its name is told."""
    with pytest.raises(LogmetricsError, match=r": there is no host nobody\.invalid; is a"):
        Pushgateway("http://nobody.invalid:9091", {"job": "j"}, backoff_s=0.001).push("x 1\n")


@pytest.mark.parametrize("url", ["h:9091", "ftp://h", "http://", "http://h:x", "http://h/?q=1", "http://h/#x"])
def test_urls_that_are_none(url: str) -> None:
    """Are told before anything is read."""
    with pytest.raises(UsageError, match="no URL of a Pushgateway"):
        Pushgateway(url, {"job": "j"})
