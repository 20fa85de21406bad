"""What rotation programs call the generations of a log."""

from __future__ import annotations

import pytest

from logmetrics.sources.names import is_successor, log_name, names_of_originals


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("agent.log", "agent.log"),
        ("agent.log.1", "agent.log"),
        ("agent.log.12.gz", "agent.log"),
        ("agent.log-20260101", "agent.log"),
        ("agent.log-20260101.xz", "agent.log"),
        ("agent.log-20260101-1767225600.bz2", "agent.log"),
        ("agent.log.2026-01-01", "agent.log"),
        ("agent.log.2026-01-01T10:30:00.zst", "agent.log"),
        ("agent.log.20260101-103000", "agent.log"),
        ("agent-2026-01-01T10-30-00.000.log", "agent.log"),
        ("agent-2026-01-01T10-30-00.000.log.gz", "agent.log"),
        ("agent.2026-01-01.log", "agent.log"),
        ("agent.log.old", "agent.log"),
        ("agent.log.gz", "agent.log"),
        ("worker-1.log", "worker-1.log"),
        ("server.jsonl", "server.jsonl"),
        ("1", "1"),
        (".1", ".1"),
    ],
)
def test_log_name(name: str, log: str) -> None:
    """The name without what rotation put behind it or into it."""
    assert log_name(name) == log


@pytest.mark.parametrize(
    ("path", "original", "may"),
    [
        ("/l/a.log.1", "/l/a.log", True),
        ("/l/a.log.bak", "/l/a.log", True),
        ("/l/backup/a.log", "/l/a.log", True),
        ("/l/a.log", "/l/a.log.1", False),  # the new log after a rotation
        ("/l/b.log", "/l/a.log", False),
        ("/l/b.log.1", "/l/a.log", False),
    ],
)
def test_names_of_copies(path: str, original: str, *, may: bool) -> None:
    """Logs of different names are different logs, even if they begin alike."""
    log = log_name(original.rpartition("/")[2])
    assert (log in names_of_originals(path) and not is_successor(path, original)) is may
