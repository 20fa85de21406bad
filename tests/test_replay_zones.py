"""Times without a zone: of the source's, unless the command line says otherwise."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.config import time_zones
from logmetrics.config.time_zones import zone_of
from logmetrics.errors import UsageError

CONFIG = """\
sources:
  - {name: berlin, paths: DIR/berlin.log, timezone: Europe/Berlin}
  - {name: utc, paths: DIR/utc.log}
"""
LINE = '{"timestamp": "2026-07-01 12:00:00", "event": "tool_call", "agent": "NAME", "tool": "t"}\n'


def times(tmp_path: Path, *options: str) -> dict[str, int]:
    """The first sample above 0 of each agent's calls."""
    for name in ("berlin", "utc"):
        (tmp_path / f"{name}.log").write_text(LINE.replace("NAME", name))
    (tmp_path / "config.yaml").write_text(CONFIG.replace("DIR", str(tmp_path)))
    out = tmp_path / "out"
    arguments = ["replay", "--config", str(tmp_path / "config.yaml"), "--openmetrics", str(out), "--step", "60s"]
    done = CliRunner().invoke(app, [*arguments, "--label", "job=j", "--label", "instance=i", *options])
    assert done.exit_code == 0, done.output
    firsts: dict[str, int] = {}
    for file in sorted(out.iterdir()):
        for line in file.read_text().splitlines():
            if line.startswith("agent_tool_calls_total{"):
                series, value, time_s = line.rsplit(" ", 2)
                agent = series.partition('agent="')[2].partition('"')[0]
                if float(value) > 0:
                    firsts.setdefault(agent, int(float(time_s)))
    return firsts


NOON = 1_782_907_200  # 2026-07-01T12:00:00Z


def test_each_source_has_its_zone(tmp_path: Path) -> None:
    """In summer Berlin is two hours ahead of UTC, which is the default."""
    assert times(tmp_path) == {"berlin": NOON - 7_200 + 60, "utc": NOON + 60}


def test_the_option_overrides_all(tmp_path: Path) -> None:
    """--timezone is for every source."""
    zone = "America/New_York"
    assert times(tmp_path, "--timezone", zone) == {"berlin": NOON + 4 * 3_600 + 60, "utc": NOON + 4 * 3_600 + 60}


def test_a_system_without_zones_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC is there always."""

    def nothing(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(time_zones, "ZoneInfo", nothing)
    monkeypatch.setattr(time_zones, "available_timezones", set)
    assert zone_of("UTC") is timezone.utc
    with pytest.raises(ValueError, match="pip install tzdata"):
        zone_of("Europe/Berlin")


def test_a_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    """The nearest name is told."""
    (tmp_path / "a.log").write_text(LINE)
    done = CliRunner().invoke(app, ["replay", str(tmp_path / "a.log"), "--timezone", "Europe/Berlim"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "--timezone: there is no time zone 'Europe/Berlim' (did you mean 'Europe/Berlin'?)"
