"""What `pip install logmetrics` gives: the package without its tests, its development tools or this directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FAMILIES = (
    "agent_tool_calls_total",
    "agent_llm_latency_seconds",
    "agent_token_usage_total",
    "agent_active_count",
    "agent_tasks_total",
    "agent_task_duration_seconds",
)

pytestmark = pytest.mark.slow


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def logmetrics(tmp_path_factory):
    """Runs the command of a wheel that is installed in an environment of its own."""
    directory = tmp_path_factory.mktemp("install")
    # A user's "user = true" would refuse to install into any virtual environment.
    pip = ("env", "PIP_USER=0", "PIP_DISABLE_PIP_VERSION_CHECK=1", sys.executable, "-m", "pip")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", directory, ROOT)
    (wheel,) = directory.glob("logmetrics-*.whl")
    # Without a pip of its own, because Debian's Python cannot give it one; --python needs none.
    venv.create(directory / "env", with_pip=False, symlinks=True)
    run(*pip, "--python", directory / "env" / "bin" / "python", "install", wheel)

    def command(*arguments):
        environment = {"PATH": os.defpath, "HOME": str(directory)}
        return run(directory / "env" / "bin" / "logmetrics", *arguments, cwd=directory, env=environment)

    return command


def test_help_of_the_installed_command(logmetrics):
    """The command starts with nothing but its dependencies around it."""
    assert "watch" in logmetrics("--help")


def test_installed_command_reads_the_examples(logmetrics):
    """`watch examples/logs --once` prints samples of all six families; the built-in packs are in the wheel."""
    exposition = logmetrics("watch", ROOT / "examples" / "logs", "--once")

    # A histogram's samples carry a suffix.
    samples = {family: re.search(rf"(?m)^{family}(_count)?[{{ ]", exposition) for family in FAMILIES}
    assert [family for family, sample in samples.items() if sample is None] == []
