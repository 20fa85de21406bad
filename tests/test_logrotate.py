"""Debian's logrotate does the rotating: each of its modes, while logmetrics runs and while it is down."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.daemon import wait_until
from tests.world import World

# Mode -> directives beside `rotate 9`, `missingok` and `nomail`.
MODES = {
    "create": "create",
    "nocreate": "nocreate",
    "copytruncate": "copytruncate",
    "copytruncate compress": "copytruncate\ncompress",
    "compress": "create\ncompress",
    "delaycompress": "create\ncompress\ndelaycompress",
    "dateext": "create\ndateext\ndateformat -%Y%m%d-%s",
    "dateext compress": "create\ndateext\ndateformat -%Y%m%d-%s\ncompress\ndelaycompress",
    "xz": "create\ncompress\ncompresscmd /usr/bin/xz\ncompressext .xz",
    "bzip2": "create\ncompress\ncompresscmd /usr/bin/bzip2\ncompressext .bz2",
    "zstd": "create\ncompress\ncompresscmd /usr/bin/zstd\ncompressoptions --quiet --rm\ncompressext .zst",
    "olddir": "create\nolddir {logs}/old\ncreateolddir 0755",
}


class Logrotate:
    """The program with a config and a state of its own."""

    def __init__(self, directory: Path, logs: Path, directives: str) -> None:
        self.binary = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin")
        if self.binary is None:
            pytest.fail("logrotate is missing; make test installs Debian's package")
        self.state = directory / "logrotate.state"
        self.config = directory / "logrotate.conf"
        common = "rotate 9\nmissingok\nnomail\nweekly"
        self.config.write_text(f"{logs}/*.log {{\n{common}\n{directives.format(logs=logs)}\n}}\n")
        self.config.chmod(0o644)
        self.logs = logs

    def rotate(self) -> None:
        """Rotate now; with dateext, names are free again only when the second has passed."""
        before = self._names()
        command = [str(self.binary), "--force", "--state", str(self.state), str(self.config)]
        said: list[str] = []

        def done() -> bool:
            said.append(subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stderr)
            return self._names() != before

        try:
            wait_until(done, timeout_s=10, every_s=0.2)
        except AssertionError:
            pytest.fail(f"logrotate rotates nothing: {said[-1]}")

    def _names(self) -> list[str]:
        return sorted(str(path) for path in self.logs.rglob("*") if path.is_file() and path.suffix != ".log")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    made = tmp_path / "logs"
    made.mkdir(mode=0o755)
    return made


@pytest.mark.parametrize("mode", MODES)
def test_rotation_while_it_runs(tmp_path: Path, logs: Path, mode: str) -> None:
    """Lines written before and after each rotation count once, read before it or not."""
    logrotate = Logrotate(tmp_path, logs, MODES[mode])
    world = World(logs, state_dir=tmp_path / "state")
    world.poll()  # what is compressed before the first look is not read
    number = 0
    for turn in range(6):
        for _ in range(7):
            world.write("agent.log", number)
            world.write("other.log", number + 1)
            number += 2
        if turn % 2:
            world.poll()
            world.write("agent.log", number)
            number += 1
        logrotate.rotate()
        if turn != 3:  # and once two rotations between two looks
            world.poll()
    settle(world)

    assert world.counted() == {str(n): 1 for n in range(number)}
    assert world.lost() == {}
    world.close()


@pytest.mark.parametrize("mode", MODES)
def test_rotations_while_it_is_down(tmp_path: Path, logs: Path, mode: str) -> None:
    """Lines of every generation that came while it was down count once, also those of one that it never saw."""
    logrotate = Logrotate(tmp_path, logs, MODES[mode])
    world = World(logs, state_dir=tmp_path / "state")
    world.write("agent.log", *range(10))
    world.poll()
    world.write("agent.log", *range(10, 20))
    world.close()
    for generation in range(3):
        logrotate.rotate()
        first = 20 + 10 * generation
        world.write("agent.log", *range(first, first + 10))
    world.engine = world._start()
    settle(world)

    assert world.counted() == {str(n): 1 for n in range(50)}
    assert world.lost() == {}
    world.kill()
    settle(world)
    assert world.counted() == {str(n): 1 for n in range(50)}
    world.close()


def settle(world: World) -> None:
    """A compressed file is read when it was still for one scan, and a deleted one is let go after a minute."""
    for seconds in (2, 2, 70, 70, 2):
        world.poll(seconds)


def test_generation_that_only_one_glob_names(tmp_path: Path, logs: Path) -> None:
    """The source names agent.log alone; its generations belong to it all the same."""
    logrotate = Logrotate(tmp_path, logs, MODES["compress"])
    world = World(logs / "agent.log", state_dir=tmp_path / "state")
    world.directory = logs
    world.write("agent.log", 1, 2)
    world.poll()
    world.write("agent.log", 3)
    world.close()
    logrotate.rotate()
    world.write("agent.log", 4)
    world.directory = logs / "agent.log"
    world.engine = world._start()
    settle(world)

    assert world.counted() == {str(n): 1 for n in range(1, 5)}
    world.close()


def test_history_from_before_the_first_start(tmp_path: Path, logs: Path) -> None:
    """Compressed generations that were there first are not read, not even when they are rotated further or restored."""
    logrotate = Logrotate(tmp_path, logs, MODES["compress"])
    world = World(logs, state_dir=tmp_path / "state")
    for number in range(3):
        world.write("agent.log", number)
        logrotate.rotate()
    world.write("agent.log", 3)
    settle(world)
    assert world.counted() == {"3": 1}
    logrotate.rotate()
    world.write("agent.log", 4)
    settle(world)
    world.restart()
    settle(world)
    assert world.counted() == {"3": 1, "4": 1}

    copy = tmp_path / "restored"
    shutil.copytree(logs, copy)  # from a backup: other inodes, the same content
    world.close()
    shutil.rmtree(logs)
    copy.rename(logs)
    world.engine = world._start()
    settle(world)
    assert world.counted() == {"3": 1, "4": 1}
    assert world.lost() == {}
    world.close()
