"""The page in a real browser: nothing in it runs that should not, everybody can use it, and it keeps up to date."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, wait_until
from tests.test_report import HOSTILE

BROWSER = Path(__file__).parent / "browser"
METRICS = 40
CONFIG = "packs: []\nlimits: {{values_per_label: 5}}\nmetrics:\n{metrics}\nrules:\n{rules}\n"
pytestmark = pytest.mark.slow


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(autouse=True)
def browser() -> None:
    """Node, Chromium and the two packages, which scripts/test_tools.sh installs."""
    there = shutil.which("node") and chromium() and (BROWSER / "node_modules" / "axe-core").is_dir()
    if not there:
        assert os.environ.get("CI") != "true", "node, chromium or tests/browser/node_modules is missing"
        pytest.skip("node, chromium or tests/browser/node_modules is missing; scripts/test_tools.sh installs them")


def start(what: str, url: str) -> subprocess.Popen[str]:
    """`look.cjs` at work."""
    return subprocess.Popen(
        ["node", str(BROWSER / "look.cjs"), what, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CHROMIUM": chromium() or ""},
    )


def look(what: str, url: str) -> Any:
    """What `look.cjs` saw."""
    told, trouble = start(what, url).communicate(timeout=120)
    assert told, trouble
    return json.loads(told)


def write_config(directory: Path) -> str:
    names = [f"metric_{number:02}_total" for number in range(METRICS)]
    metrics = "\n".join(f"  {name}: {{type: counter, help: h, labels: [agent]}}" for name in names)
    rules = "\n".join(
        f"  - {{name: rule {number}, when: n == {number}, labels: {{agent: agent}}, update: {{{name}: 1}}}}"
        for number, name in enumerate(names)
    )
    path = directory / "config.yaml"
    path.write_text(CONFIG.format(metrics=metrics, rules=rules))
    return str(path)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Every metric with hostile label values, more of them than there may be, and lines that nobody counts."""
    directory = tmp_path / "logs"
    directory.mkdir()
    records: list[object] = [{"n": number, "agent": text} for number in range(METRICS) for text in HOSTILE]
    records += [{"event": text, text: 1} for text in HOSTILE]
    lines = [json.dumps(record) for record in records] + ["<script>alert(2)</script> " + "w" * 400, '{"broken']
    (directory / "<img src=x onerror=alert(3)>.log").write_text("\n".join(lines) + "\n")
    return directory


def test_everybody_can_use_it(logs: Path, tmp_path: Path) -> None:
    """axe finds nothing, light and dark, on a phone and on a wide screen, with everything unfolded."""
    with Daemon(str(logs), str(tmp_path / "missing.log"), "-c", write_config(tmp_path)) as daemon:
        daemon.wait_until_ready()
        for seen in look("accessible", daemon.url):
            assert seen["violations"] == []
            assert seen["overflow"] <= 0
            assert seen["passes"] > 20


def test_it_keeps_up_to_date_in_place(logs: Path, tmp_path: Path) -> None:
    """New numbers come; what is open, looked for, focused and in sight stays. When nobody answers, it says so."""
    with Daemon(str(logs), "-c", write_config(tmp_path)) as daemon:
        daemon.wait_until_ready()
        looking = start("refreshed", daemon.url)
        assert looking.stdin and looking.stderr
        assert looking.stderr.readline() == "ready\n"
        with (logs / "b.log").open("w") as file:
            file.write('{"n": 1, "agent": "new"}\n' * 7)
        read = METRICS * len(HOSTILE) + len(HOSTILE) + 2
        wait_until(lambda: daemon.total("logmetrics_source_lines_total") == read + 7)
        looking.stdin.write("go on\n")
        looking.stdin.flush()
        assert looking.stderr.readline() == "stop\n"
    told, trouble = looking.communicate("go on\n", timeout=60)
    assert told, trouble
    seen = json.loads(told)
    before, after = seen["before"], seen["after"]
    assert (before["rows"], before["open"]) == (10, ["more-metrics", "more-rules"])
    same = ("rows", "open", "wanted", "focus", "scrolled")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (before["lines"], after["lines"]) == (f"{read:,} in all", f"{read + 7:,} in all")
    assert before["focus"] == "find-metrics"
    assert "No answer since" in seen["silent"]
    assert seen["title"].startswith("No answer")
    # The browser's own word for a server that is gone; nothing ran, and nothing was against the policy.
    assert [line for line in seen["said"] if "ERR_CONNECTION" not in line] == []


def test_it_works_without_its_script(logs: Path, tmp_path: Path) -> None:
    """All is there; what needs the script is not."""
    with Daemon(str(logs), "-c", write_config(tmp_path)) as daemon:
        daemon.wait_until_ready()
        assert look("plain", daemon.url) == {"rows": METRICS, "box": False}
