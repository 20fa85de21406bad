"""`logmetrics replay` as a command: what it refuses and why, what it prints, and what it writes."""

from __future__ import annotations

import html.parser
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LABELS = ("--label", "job=logmetrics", "--label", "instance=here:8001")


def replay(*arguments: str, code: int = 0, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command, which ends with *code*."""
    command = [sys.executable, "-m", "logmetrics", "replay", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three tool calls within two minutes, one line that is nothing, and one that no rule counts."""
    path = tmp_path / "logs" / "agent.log"
    path.parent.mkdir()
    lines = [
        _call("2026-03-01T10:00:01Z", "grep"),
        _call("2026-03-01T10:00:02Z", "grep"),
        "{not json",
        '{"ts": "2026-03-01T10:01:00Z", "what": "nothing that anybody knows"}',
        _call("2026-03-01T10:01:30Z", "diff"),
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _call(at: str, tool: str) -> str:
    fields = {"ts": at, "level": "INFO", "agent": "coder", "event": "tool_call", "tool_name": tool}
    return json.dumps({**fields, "status": "ok", "duration_ms": 20})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "xml"], "--format is one of table, prometheus, json, not 'xml'"),
        (["--jobs", "0"], "--jobs is 1 or more"),
        (
            ["--step", "7s", "--dry-run"],
            "--step must divide two hours, so that windows begin with a sample: try --step ",
        ),
        (["--step", "15", "--dry-run"], "--step: expected a duration such as"),
        (["--since", "yesterday"], "--since is a time such as 2026-01-31"),
        (["--since", "1d", "--until", "2d"], "--since is not before --until"),
        (["--timezone", "Mars/Phobos"], "there is no time zone 'Mars/Phobos'"),
        (["--label", "job"], "--label is NAME=VALUE, not 'job'"),
        (["--label", "agent=x"], "--label agent: agent_"),
        (["--label", "le=1"], "has a label of that name"),
        (["--header", "x"], "--header is 'NAME: VALUE', not 'x'"),
        (["--prometheus", "http://127.0.0.1:9"], "--prometheus goes with --tsdb"),
        (["--seed-state", "--seed-offsets"], "--seed-state has the offsets in it"),
        (["--seed-state", "--since", "1d"], "a state is seeded with all of the logs"),
        (["--state-dir", "x"], "--state-dir goes with --seed-state or --seed-offsets"),
    ],
)
def test_wrong_options_are_explained(log: Path, arguments: list[str], message: str) -> None:
    """Exit code 2 and what to do, before anything is read."""
    assert message in replay(str(log), *arguments, code=2).stderr


def test_a_report_shows_what_was_read(log: Path) -> None:
    """What was counted, what nobody counts with its shape, and what is no record with its place."""
    told = replay(str(log)).stdout

    assert "grep" in told
    assert "agent_tool_calls_total" in told
    assert f"{log}:3" in told
    assert f"{log}:4" in told


def test_the_page_is_one_file(log: Path, tmp_path: Path) -> None:
    """It loads nothing from anywhere, and holds what the report tells."""
    page = tmp_path / "report.html"
    replay(str(log), "--report", str(page))

    class Links(html.parser.HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe")
            self.found += [value or "" for name, value in attrs if name in ("href", "src")]

    Links().feed(page.read_text())
    assert all(link.startswith("#") for link in Links.found)
    assert "grep" in page.read_text()


def test_a_dry_run_writes_nothing_and_tells_all(log: Path, tmp_path: Path) -> None:
    """Range, series, samples, bytes, and what stands against it."""
    told = replay(str(log), "--dry-run", "--tsdb", str(tmp_path)).stderr

    assert "would write" in told
    assert "from 2026-03-01 10:00:00 to 2026-03-01 10:01:59 UTC" in told
    assert "as OpenMetrics, about" in told
    assert "would be refused: no label job and no label instance" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]


def test_samples_stand_where_scrapes_would(log: Path, tmp_path: Path) -> None:
    """At multiples of the step, beginning with 0, one for each step to the end."""
    replay(str(log), "--openmetrics", str(tmp_path / "om"), *LABELS)
    [file] = (tmp_path / "om").iterdir()
    name = (
        'agent_tool_calls_total{agent="coder",tool_name="grep",status="success",job="logmetrics",instance="here:8001"}'
    )
    found = [line.removeprefix(name).split() for line in file.read_text().splitlines() if line.startswith(name)]

    begin_s = 1772359200  # 10:00:00
    assert found == [["0", str(begin_s)], *(["2", str(begin_s + 15 * number)] for number in range(1, 8))]


def test_since_and_until_share_the_samples(log: Path, tmp_path: Path) -> None:
    """What is before the one time and what is from it on is everything, and nothing is in both."""
    border = "2026-03-01T10:01:00Z"
    for name, options in {"all": [], "before": ["--until", border], "after": ["--since", border]}.items():
        replay(str(log), "--openmetrics", str(tmp_path / name), *LABELS, *options)
    counts = {name: _last_counts(tmp_path / name) for name in ("all", "before", "after")}

    assert counts["all"] == {"grep": 2, "diff": 1}
    assert counts["before"] == {"grep": 2}
    assert counts["after"] == {"diff": 1}


def _last_counts(directory: Path) -> dict[str, int]:
    counts = {}
    for file in sorted(directory.iterdir()):
        for line in file.read_text().splitlines():
            if line.startswith("agent_tool_calls_total{"):
                counts[line.split('tool_name="')[1].split('"')[0]] = int(line.split()[-2])
    return counts


def test_totals_of_a_part(log: Path) -> None:
    """Without samples, times are those of records."""
    told = replay(str(log), "--since", "2026-03-01T10:01:30Z", "--format", "json").stdout
    calls = next(family for family in json.loads(told) if family["name"] == "agent_tool_calls_total")

    assert [series["labels"]["tool_name"] for series in calls["series"]] == ["diff"]
