"""Logs that agents on this machine keep by themselves, and that no source names."""

from __future__ import annotations

import os

from logmetrics.doctor.findings import Finding, note, ok
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.ollama import is_named
from logmetrics.doctor.setup import Setup

# Below a home -> the pack that reads it; the packs' pages in docs/packs tell the same.
KEPT = {
    ".claude/projects": "claude-code",
    ".codex/sessions": "codex",
    ".copilot/session-state": "copilot-cli",
    ".factory/sessions": "droid",
    ".gemini/tmp": "gemini-cli",
    ".kimi-code/sessions": "kimi",
    ".kimi/sessions": "kimi",
    ".pi/agent/sessions": "pi",
    ".openclaw/agents": "pi",
    ".qwen/projects": "qwen",
}


def agents(machine: Machine, setup: Setup) -> list[Finding]:
    """Of the current user; of all users when root asks."""
    homes = {machine.account.home, *(machine.users.homes() if machine.account.uid == 0 else ())}
    named = [path for source in setup.config.sources for path in source.paths] if setup.config else []
    found = []
    for home in sorted(homes):
        for below, pack in KEPT.items():
            directory = os.path.join(home, below)
            if not os.path.isdir(directory):
                continue
            if is_named(directory, named):
                found.append(ok(f"{directory} ({pack}) is among the sources"))
            else:
                found.append(
                    note(f"{directory} ({pack}) is there, and no source reads it", _watch(machine, home, below))
                )
    return found or [note("no agent's own logs found in " + ("all homes" if machine.account.uid == 0 else "this home"))]


def _watch(machine: Machine, home: str, below: str) -> str:
    place = f"~/{below}" if home == machine.account.home else os.path.join(home, below)
    return f"logmetrics watch {place}"
