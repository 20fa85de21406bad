"""--journal: real journals, as systemd-journal-remote writes them, give what the plain log gives."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.errors import ReplayError, UsageError
from tests.journals import BEGIN_S, Journal, entry

DATA = Path(__file__).parent / "data" / "ollama"
LOG = DATA / "040-v0.9.0-plain.log"


def journal(directory: Path, *units: tuple[str, Path], begin_s: int = BEGIN_S) -> Path:
    """A journal of *units*, each with the lines of a log, one a second."""
    entries = [
        entry(line, begin_s + number, unit)
        for unit, log in units
        for number, line in enumerate(log.read_bytes().splitlines())
    ]
    Journal(directory).write(b"".join(entries))
    return directory


def replayed(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["replay", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def totals(*arguments: str | Path) -> str:
    """The totals, without what is told of lines: a journal has more."""
    text = replayed(*arguments, "--pack", "ollama", "--format", "prometheus")
    return "".join(line for line in text.splitlines(keepends=True) if "logmetrics_" not in line)


@pytest.mark.parametrize("unit", ["ollama.service", "ollama@gpu0.service", "llm-ollama\\x2d1.service"])
def test_a_unit_gives_what_its_log_gives(tmp_path: Path, unit: str) -> None:
    """Whatever the unit is called, and whoever else writes to the journal."""
    other = DATA / "123-v0.4.1-windows-startup.log"
    directory = journal(tmp_path / "journal", (unit, LOG), ("other.service", other))
    expected = totals(LOG)
    assert "ollama_requests_total{" in expected
    assert totals("--journal", unit, "--journal-dir", directory) == expected


def test_a_service_needs_no_ending_and_templates_are_globs(tmp_path: Path) -> None:
    """As journalctl has it: `ollama` is ollama.service, and ollama@* all of its instances, read together."""
    units = [(f"ollama@{number}.service", LOG) for number in (1, 2)]
    directory = journal(tmp_path / "journal", ("ollama.service", LOG), *units)
    one = totals("--journal", "ollama", "--journal-dir", directory)
    assert one == totals(LOG)
    two = totals("--journal", "ollama@1.service", "--journal", "ollama@2.service", "--journal-dir", directory)
    counts = [
        [float(n) for n in re.findall(r"^ollama_requests_total\{.*\} (.*)$", text, re.MULTILINE)] for text in (one, two)
    ]
    assert counts[1] == [2 * count for count in counts[0]]
    together = totals("--journal", "ollama@*.service", "--journal-dir", directory)
    assert re.findall("^ollama_requests_total.*", together, re.M) == re.findall("^ollama_requests_total.*", two, re.M)


def test_the_journal_tells_the_time_of_lines_without_a_zone(tmp_path: Path) -> None:
    """[GIN] lines have a local time; what journald put around them is better, whatever --timezone says."""
    log = tmp_path / "gin.log"
    log.write_text('[GIN] 2025/10/09 - 10:53:20 | 200 |  1.5s |  127.0.0.1 | POST     "/api/chat"\n' * 5)
    directory = journal(tmp_path / "journal", ("ollama.service", log))
    options = ["--journal", "ollama.service", "--journal-dir", directory, "--timezone", "Asia/Tokyo"]
    out = tmp_path / "out"
    replayed(*options, "--openmetrics", out, "--step", "15s", "--label", "job=j", "--label", "instance=i")
    times = re.findall(r"^ollama_requests_total\{.*\} (\S+) (\S+)$", next(out.iterdir()).read_text(), re.MULTILINE)
    first = min(float(time_s) for value, time_s in times if float(value) > 0)
    assert first == BEGIN_S // 15 * 15 + 15


def test_what_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No journalctl, no such unit, no such directory, no --journal."""
    directory = journal(tmp_path / "journal", ("ollama.service", LOG))
    with pytest.raises(UsageError, match=r"the journal has nothing of nope\.service"):
        replayed("--journal", "nope.service", "--journal-dir", directory)
    with pytest.raises(ReplayError, match=r"journal of ollama\.service: .*No such file or directory"):
        replayed("--journal", "ollama", "--journal-dir", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--journal-dir goes with --journal UNIT"):
        replayed("--journal-dir", directory, LOG)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs journalctl"):
        replayed("--journal", "ollama.service")


def test_who_may_not_read_is_told_which_group_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of journalctl, and then in ours."""
    fake = tmp_path / "journalctl"
    fake.write_text("#!/bin/sh\necho 'No journal files were opened due to insufficient permissions.' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ReplayError, match=r"insufficient permissions.*groups systemd-journal"):
        replayed("--journal", "a")


def test_journals_of_a_config(tmp_path: Path) -> None:
    """A config that watch follows can be replayed as it is."""
    directory = journal(tmp_path / "journal", ("ollama.service", LOG))
    config = tmp_path / "config.yaml"
    config.write_text(f"sources: [{{name: o, journald: {{unit: ollama, directory: {directory}}}}}]")
    assert totals("--config", config) == totals(LOG)
    for option in ("--seed-state", "--seed-offsets"):
        with pytest.raises(UsageError, match=r"a state has no place of history in a journal of ollama\.service"):
            replayed("--config", config, option, "--state-dir", tmp_path / "state")


def test_standard_input_is_replayed(tmp_path: Path) -> None:
    """`replay -` reads a pipe to its end, compressed or not."""
    for text in (LOG.read_bytes(), gzip.compress(LOG.read_bytes())):
        done = CliRunner().invoke(app, ["replay", "-", "--pack", "ollama", "--format", "prometheus"], input=text)
        lines = [line for line in done.stdout.splitlines(keepends=True) if "logmetrics_" not in line]
        assert "".join(lines) == totals(LOG)
