"""The package as a service of a real systemd, booted in namespaces of its own: every line counts, whatever happens."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.booted_systemd import BootedSystemd
from tests.daemon import wait_until
from tests.debian_root import Chroot, newer_package, package, unpack_root

pytestmark = pytest.mark.slow

# The units as they are installed, but for what these namespaces cannot do, and for tests that wait less.
DROP_IN = "[Service]\nPrivateDevices=no\nWatchdogSec=3s\nRestartSec=100ms\n[Unit]\nStartLimitIntervalSec=0\n"
SCRAPE = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
ADM = 4  # the number of Debian's group adm


class Writer:
    """Writes lines into a log that only root and the group adm may read, all the time until ``stop``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._stop = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o750)
        shutil.chown(path.parent, 0, ADM)
        path.touch(mode=0o640)
        path.chmod(0o640)
        shutil.chown(path, 0, ADM)
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        with self.path.open("a") as log:
            while not self._stop.wait(0.005):
                for _ in range(20):
                    call = {"event": "tool_call", "agent": "a", "tool_name": "t", "status": "ok", "n": self.lines}
                    log.write(json.dumps(call) + "\n")
                    self.lines += 1
                log.flush()

    def stop(self) -> int:
        """How many lines there are in the end."""
        self._stop.set()
        self._thread.join()
        return self.lines


class Machine(BootedSystemd):
    """A booted Debian with logmetrics as a service, and logs that grow."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.writers: dict[str, Writer] = {}

    def configure(self, name: str = "config", port: int = 8001) -> str:
        """A config *name* for logs of its own, whose writer begins; gives the URL."""
        logs = f"/var/log/agents-{name}"
        config = f"listen: 127.0.0.1:{port}\nsources: [{{name: logs, paths: [{logs}]}}]\n"
        (self.root / f"etc/logmetrics/{name}.yaml").write_text(config)
        self.writers[name] = Writer(self.root / logs.lstrip("/") / "a.log")
        return f"http://127.0.0.1:{port}/metrics"

    def calls(self, url: str = "http://127.0.0.1:8001/metrics") -> float:
        """What is counted; -1 while it does not answer."""
        command = ["nsenter", f"--target={self.first_process}", "--net", sys.executable, "-S", "-c", SCRAPE, url]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return -1
        families = {family.name: family for family in text_string_to_metric_families(done.stdout)}
        calls = families.get("agent_tool_calls")
        return sum(s.value for s in calls.samples if s.name.endswith("_total")) if calls else 0

    def all_is_counted(self, name: str = "config", url: str = "http://127.0.0.1:8001/metrics") -> None:
        """The log ends, and the counter is as high as it has lines: no more, and no less."""
        lines = self.writers.pop(name).stop()
        assert lines > 100
        wait_until(lambda: self.calls(url) >= lines, every_s=0.2)
        assert self.calls(url) == lines

    def grows(self, url: str = "http://127.0.0.1:8001/metrics") -> None:
        """Lines that are written from now on are counted."""
        before = sum(writer.lines for writer in self.writers.values())
        wait_until(lambda: self.calls(url) > before / len(self.writers), every_s=0.2)

    def process(self, unit: str = "logmetrics") -> int:
        """The number of the unit's main process outside of the namespaces."""
        inside = self.show(unit, "MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                numbers = re.search(r"^NSpid:\s+(\d+)\s+(\d+)$", status.read_text(), re.MULTILINE)
                ours = (
                    numbers and Path(status.parent / "root").stat() == Path(f"/proc/{self.first_process}/root").stat()
                )
            except OSError:  # ended meanwhile
                continue
            if numbers and ours is not None and numbers[2] == inside:
                return int(numbers[1])
        raise AssertionError(f"{unit} does not run: {self.journal(unit)}")

    def restarts(self, unit: str = "logmetrics") -> int:
        return int(self.show(unit, "NRestarts"))

    def reset(self) -> None:
        """Nothing runs, nothing is remembered, no log is left."""
        for writer in self.writers.values():
            writer.stop()
        self.writers.clear()
        units = ["logmetrics.socket", "logmetrics.service", "logmetrics@*.service"]
        self.run("systemctl", "stop", *units)
        self.call("systemctl", "reset-failed")
        for path in [*self.root.glob("var/lib/logmetrics/*"), *self.root.glob("var/log/agents-*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    root = unpack_root(tmp_path_factory.mktemp("boot") / "debian")
    shutil.copy(package(), root / "logmetrics.deb")
    with Chroot(root) as chroot:
        chroot.run("dpkg", "-i", "/logmetrics.deb")
        chroot.run("systemctl", "disable", "logmetrics")
    for unit in ("logmetrics.service.d", "logmetrics@.service.d"):
        (root / "etc/systemd/system" / unit).mkdir()
        (root / "etc/systemd/system" / unit / "test.conf").write_text(DROP_IN)
    with Machine(root) as machine:
        yield machine
    shutil.rmtree(root)


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    booted.reset()
    yield booted
    booted.reset()


def test_start_ready_status_reload_stop(machine: Machine) -> None:
    """`systemctl start` returns when it serves; the status is told; a reload leaves the process; a stop is clean."""
    machine.configure()
    machine.run("systemctl", "start", "logmetrics")
    wait_until(lambda: machine.calls() > 0, every_s=0.1)
    wait_until(lambda: machine.show("logmetrics", "StatusText").endswith("; ready"), every_s=0.1)
    status = machine.run("systemctl", "status", "--no-pager", "logmetrics")
    assert re.search(r'Status: "1 file, [\d,]+ lines/s, \d+ series; ready"', status), status
    process = machine.show("logmetrics", "MainPID")
    for _ in range(5):
        machine.run("systemctl", "reload", "logmetrics")
        machine.grows()
    assert (machine.show("logmetrics", "MainPID"), machine.restarts()) == (process, 0)
    wait_until(lambda: machine.show("logmetrics", "ActiveState") == "active", every_s=0.1)
    machine.all_is_counted()
    machine.run("systemctl", "stop", "logmetrics")
    assert machine.show("logmetrics", "Result") == "success"


def test_its_rights_are_those_of_the_unit(machine: Machine) -> None:
    """Its own user, no capability, no way to gain one, the groups that may read logs."""
    machine.configure()
    machine.run("systemctl", "start", "logmetrics")
    status = Path(f"/proc/{machine.process()}/status").read_text()
    user = machine.run("id", "-u", "logmetrics").strip()
    assert re.search(rf"^Uid:\s+{user}\s+{user}\s", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    machine.all_is_counted()


def test_a_process_that_stands_still_is_started_again(machine: Machine) -> None:
    """No ping comes, so that the watchdog ends it; the next one goes on where the last commit was."""
    machine.configure()
    machine.run("systemctl", "start", "logmetrics")
    machine.grows()
    subprocess.run(["kill", "-STOP", str(machine.process())], check=True)
    wait_until(lambda: machine.restarts() == 1, timeout_s=60, every_s=0.2)
    wait_until(lambda: machine.show("logmetrics", "ActiveState") == "active", every_s=0.2)
    assert "Watchdog timeout" in machine.journal()
    assert "engine.py" in machine.journal()  # where it stood
    machine.grows()
    machine.all_is_counted()


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_starts_without_end(machine: Machine, how: str) -> None:
    """kill -9 or a restart, time and again under load: a line counts once."""
    machine.configure()
    machine.run("systemctl", "start", "logmetrics")
    for turn in range(1, 6):
        machine.grows()
        if how == "killed":
            machine.run("systemctl", "kill", "--signal", str(signal.SIGKILL.value), "logmetrics")
            wait_until(lambda turn=turn: machine.restarts() == turn, every_s=0.1)
        else:
            machine.run("systemctl", "restart", "logmetrics")
    machine.grows()
    machine.all_is_counted()


def test_two_instances_side_by_side(machine: Machine) -> None:
    """Each with its config, state and address; the plain service comes and goes beside them."""
    urls = {name: machine.configure(name, port) for name, port in (("a", 8101), ("b", 8102), ("config", 8001))}
    machine.run("systemctl", "start", "logmetrics@a", "logmetrics@b", "logmetrics")
    for url in urls.values():
        wait_until(lambda url=url: machine.calls(url) > 0, every_s=0.1)
    machine.all_is_counted("config")
    machine.run("systemctl", "stop", "logmetrics")
    assert machine.run("ls", "/run").count("logmetrics-") == 2
    machine.run("systemctl", "kill", "--signal=KILL", "logmetrics@a")
    wait_until(lambda: machine.restarts("logmetrics@a") == 1, every_s=0.1)
    machine.all_is_counted("a", urls["a"])
    machine.all_is_counted("b", urls["b"])
    assert machine.restarts("logmetrics@b") == 0
    assert sorted(path.name for path in machine.root.glob("var/lib/logmetrics/*/state.db")) == 2 * ["state.db"]


def test_a_mistake_in_the_config_is_not_tried_again(machine: Machine) -> None:
    """The start fails, and the journal says where the mistake is."""
    (machine.root / "etc/logmetrics/config.yaml").write_text("sources: [{name: a, pahts: [/var/log]}]\n")
    assert machine.call("systemctl", "start", "logmetrics").returncode != 0
    assert (machine.show("logmetrics", "ExecMainStatus"), machine.restarts()) == ("2", 0)
    assert "unknown key (did you mean 'paths'?)" in machine.journal("logmetrics")


def test_the_journal_of_a_unit(machine: Machine) -> None:
    """journalctl is a child of the service and as confined as it is; entries count once over kills, too."""
    lines = 'import json\nfor n in range(400): print(json.dumps({"event": "tool_call", "agent": "j", "n": n}))'
    (machine.root / "usr/local/bin/agent").write_text(f"#!/usr/bin/python3\n{lines}\n")
    (machine.root / "usr/local/bin/agent").chmod(0o755)
    unit = machine.root / "etc/systemd/system/agent.service"
    unit.write_text("[Service]\nType=oneshot\nExecStart=/usr/local/bin/agent\n")
    config = "listen: 127.0.0.1:8001\nsources: [{name: journal, journald: {unit: agent.service}}]\n"
    (machine.root / "etc/logmetrics/config.yaml").write_text(config)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "agent", "logmetrics")
    wait_until(lambda: machine.calls() == 400, every_s=0.2)
    machine.run("systemctl", "start", "agent")
    machine.run("systemctl", "kill", "--signal=KILL", "logmetrics")
    machine.run("systemctl", "start", "agent")
    wait_until(lambda: machine.calls() >= 1200, every_s=0.2)
    assert (machine.calls(), machine.restarts()) == (1200, 1)


def test_no_connection_is_refused_during_a_restart(machine: Machine) -> None:
    """systemd opens the address of logmetrics.socket; who connects while nothing runs waits, and is answered."""
    machine.configure()
    machine.run("systemctl", "start", "logmetrics.socket")
    assert machine.calls() >= 0 or machine.show("logmetrics", "ActiveState") == "active"  # the connection started it
    wait_until(lambda: machine.calls() > 0, every_s=0.1)
    for _ in range(3):
        restart = threading.Thread(target=machine.run, args=("systemctl", "restart", "logmetrics"))
        restart.start()
        answers = []
        while restart.is_alive():
            answers.append(machine.call("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8001").returncode)
        restart.join()
        assert set(answers) == {0}
    machine.grows()
    machine.all_is_counted()


def test_upgrade_and_removal_of_a_running_service(machine: Machine) -> None:
    """dpkg restarts it into the new version without losing a line, and stops it when it goes."""
    machine.configure()
    (machine.root / "etc/logmetrics/config.yaml").chmod(0o644)
    machine.run("systemctl", "start", "logmetrics")
    machine.grows()
    process = machine.show("logmetrics", "MainPID")
    newer_package(machine.root)
    machine.run("dpkg", "--force-confold", "-i", "/newer.deb")
    assert machine.show("logmetrics", "MainPID") not in (process, "0")
    machine.grows()
    machine.all_is_counted()
    machine.run("dpkg", "--remove", "logmetrics")
    assert machine.call("systemctl", "is-active", "logmetrics").stdout.strip() == "inactive"
    machine.run("dpkg", "-i", "/logmetrics.deb")  # for the other tests
    machine.run("systemctl", "disable", "--now", "logmetrics")
