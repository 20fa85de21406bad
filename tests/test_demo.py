"""`make demo` as on a fresh machine: a clean copy of the tree, an empty HOME, no environment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.daemon import ROOT, free_port, wait_until

LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", ".*_cache", "__pycache__", ".hypothesis", "dist", "build", "*.egg-info"
)
FAMILIES = {
    "agent_tool_calls",
    "agent_llm_latency_seconds",
    "agent_token_usage",
    "agent_active_count",
    "agent_tasks",
    "agent_task_duration_seconds",
}


@pytest.mark.slow
def test_make_demo(tmp_path: Path) -> None:
    """One command installs and serves the guide's six families, and Ctrl-C ends it cleanly."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    (tmp_path / "home").mkdir()
    listen = f"127.0.0.1:{free_port()}"
    environment = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "LISTEN": listen}
    with (tmp_path / "out").open("w") as out:
        demo = subprocess.Popen(
            ["make", "demo"], cwd=tree, env=environment, stdout=out, stderr=out, start_new_session=True
        )
        try:
            wait_until(lambda: demo.poll() is not None or ready(listen), timeout_s=180, every_s=0.1)
            assert demo.poll() is None, (tmp_path / "out").read_text()
            with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
                families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            code = demo.wait(timeout=20)

    assert set(families) >= FAMILIES
    assert all(families[name].samples for name in FAMILIES)
    said = (tmp_path / "out").read_text()
    assert f"http://{listen}/metrics" in said
    assert "Traceback" not in said
    assert code in (0, -signal.SIGINT), said  # make itself ends by the signal that the terminal sends to both


def ready(listen: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{listen}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
