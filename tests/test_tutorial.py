"""The tutorial, as a newcomer does it: every block of commands in order, in an empty directory, with what it prints."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon import free_port

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TIMEOUT_S = 60
# Listens where nobody else does in place of the usual address.
COMMAND = """#!/bin/sh
case "$*" in
watch*--once* | watch*--listen*) ;;
watch*) set -- "$@" --listen {listen} ;;
esac
exec {python} -m logmetrics "$@"
"""

pytestmark = pytest.mark.slow


def steps() -> Iterator[tuple[str, str]]:
    """Commands, each with what stands below them; the empty text where nothing does."""
    for number, (language, text) in enumerate(BLOCKS):
        if language == "sh":
            follows = BLOCKS[number + 1] if number + 1 < len(BLOCKS) else ("", "")
            yield text, follows[1] if follows[0] == "text" else ""


def looks_like(told: str, shown: str) -> bool:
    """Whether *shown* is *told*, in which a line of three dots stands for any lines; nothing told is anything."""
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", told, flags=re.MULTILINE)]
    without_ends = "".join(f"{line.rstrip()}\n" for line in shown.splitlines())
    return not told or re.fullmatch(r"(?:.*\n)*?".join(parts), without_ends) is not None


class Newcomer:
    """Somebody with an empty directory, a shell, and addresses that nobody else has."""

    def __init__(self, directory: Path) -> None:
        self.home = directory
        self.addresses = {f"127.0.0.1:{port}": f"127.0.0.1:{free_port()}" for port in (8001, 8002, 9090)}
        command = directory / "bin" / "logmetrics"
        command.parent.mkdir()
        command.write_text(COMMAND.format(listen=self.addresses["127.0.0.1:8001"], python=sys.executable))
        command.chmod(0o755)
        self.environment = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "PYTHONPATH": str(ROOT),
            "SOURCE": str(ROOT),
            "COLUMNS": "100",
        }
        self.work = directory / "try-logmetrics"
        self.work.mkdir()
        self.groups: list[int] = []

    def here(self, text: str) -> str:
        """The same with the addresses of this machine."""
        for usual, free in self.addresses.items():
            text = text.replace(usual, free)
        return text

    def does(self, block: str) -> str:
        """Standard output and error of a block."""
        output = self.home / "output"
        with output.open("w") as file:
            shell = subprocess.Popen(
                ["bash", "-euc", self.here(block)],
                cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip
        self.groups.append(shell.pid)
        code = shell.wait(TIMEOUT_S)
        assert code == 0, f"{block}\nended with {code}:\n{output.read_text()}"
        return output.read_text()

    def leaves(self) -> None:
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    for program in ("curl", "prometheus", "promtool"):
        if shutil.which(program) is None:
            reason = f"{program} is missing"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    newcomer = Newcomer(tmp_path)
    yield newcomer
    newcomer.leaves()


def test_tutorial(newcomer: Newcomer) -> None:
    """What the page says is what happens."""
    for block, told in steps():
        shown = newcomer.does(block)
        assert looks_like(newcomer.here(told), shown), f"{block}\nThe page has:\n{told}\nThere was:\n{shown}"


def test_installing_is_the_only_block_that_is_not_run() -> None:
    """tests/test_install.py installs."""
    (bash,) = [text for language, text in BLOCKS if language == "bash"]
    assert "pipx install ." in bash
    assert {language for language, _ in BLOCKS} == {"bash", "sh", "text"}
