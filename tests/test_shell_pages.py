"""The man page and the completion of shells, which are made from the commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from logmetrics.cli.app import app
from logmetrics.packs import builtin_packs

ROOT = Path(__file__).parent.parent
COMMANDS = [str(command.callback.__name__) for command in app.registered_commands if command.callback]


def written(script: str, *arguments: str) -> str:
    """What a script of ours prints."""
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def need(program: str) -> None:
    if shutil.which(program) is None:
        reason = f"{program} is missing"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds a command logmetrics."""
    command = tmp_path / "bin" / "logmetrics"
    command.parent.mkdir()
    start = "import sys; sys.argv[0] = 'logmetrics'; from logmetrics.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{start}" "$@"\n')
    command.chmod(0o755)
    return {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


def said(environment: dict[str, str], *command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_logmetrics_completion logmetrics
printf '%s\\n' "${COMPREPLY[@]}"
complete -p logmetrics
"""


def test_bash(shell: dict[str, str], tmp_path: Path) -> None:
    """Commands, packs, options; where it knows nothing, bash goes on with files."""
    script = tmp_path / "logmetrics.bash"
    script.write_text(written("completion.py", "bash"))
    rule = "complete -o default -F _logmetrics_completion logmetrics"
    assert said(shell, "bash", "-c", BASH, "bash", str(script), "logmetrics", "") == [*COMMANDS, rule]
    claude = [name for name in builtin_packs() if name.startswith("cl")]
    for words in (["watch", "--pack", "cl"], ["packs", "cl"]):
        assert said(shell, "bash", "-c", BASH, "bash", str(script), "logmetrics", *words) == [*claude, rule]
    options = said(shell, "bash", "-c", BASH, "bash", str(script), "logmetrics", "watch", "--no-")
    assert options == ["--no-state", "--no-watchdog", "--no-listen", rule]
    assert said(shell, "bash", "-c", BASH, "bash", str(script), "logmetrics", "watch", "--config", "") == ["", rule]


ZSH = """
fpath=("$1" $fpath); shift
autoload -Uz compinit; compinit -D -u
print -r -- $_comps[logmetrics]
_arguments() { print -r -- "$@" }
words=("$@"); CURRENT=$#
_logmetrics
"""


def test_zsh(shell: dict[str, str], tmp_path: Path) -> None:
    """The file of its fpath is found, and completes the first time, too."""
    need("zsh")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_logmetrics").write_text(written("completion.py", "zsh"))
    found, offered = said(shell, "zsh", "-fc", ZSH, "zsh", str(tmp_path / "functions"), "logmetrics", "packs", "cl")
    assert found == "_logmetrics"
    assert all(f'"{name}"' in offered for name in builtin_packs() if name.startswith("cl"))


def test_fish(shell: dict[str, str], tmp_path: Path) -> None:
    """Commands and packs, and files elsewhere."""
    need("fish")
    script = tmp_path / "logmetrics.fish"
    script.write_text(written("completion.py", "fish"))

    def offered(line: str) -> list[str]:
        told = said(shell, "fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
        return [each.split("\t")[0] for each in told]

    assert offered("logmetrics wa") == ["watch"]
    assert offered("logmetrics packs cl") == [name for name in builtin_packs() if name.startswith("cl")]
    assert offered(f"logmetrics watch {script}") == [str(script)]


def test_man_page(tmp_path: Path) -> None:
    """It is sound, and names every command with its options."""
    text = written("man_page.py", "1764000000")
    assert text.startswith('.TH LOGMETRICS 1 2025-11-24 "logmetrics ')
    need("mandoc")
    page = tmp_path / "logmetrics.1"
    page.write_text(text)
    linted = subprocess.run(["mandoc", "-Tlint", page], capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")
    shown = subprocess.run(["mandoc", "-Tascii", "-O", "width=120", page], capture_output=True, text=True, check=True)
    plain = re.sub(r".\x08", "", shown.stdout)
    for name in COMMANDS:
        assert f"\n   logmetrics {name}" in plain, name
    assert "--pack NAME" in plain
    assert "What a command was asked for goes to standard output" in plain
