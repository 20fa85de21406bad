"""Ollama's server: is it here, where does it log, and is that log among the sources?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from logmetrics.doctor.findings import Finding, note, ok
from logmetrics.doctor.journal import wanted_by
from logmetrics.doctor.loopback import get
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.units import Unit, find_unit
from logmetrics.serve.client import endpoint_at

UNIT = "ollama.service"
# Docker's json-file logs: below this is a directory for each container.
_CONTAINERS = "/var/lib/docker/containers"
# Up to 0.29 tokens are in the log only with OLLAMA_DEBUG=1; since 0.30 they are always.
_TOKENS_SINCE = (0, 30)


def ollama(machine: Machine, setup: Setup) -> list[Finding]:
    """Findings about the server and its logs."""
    unit = find_unit(machine, UNIT)
    version = _version(machine)
    logs = log_files(machine, unit)
    found = []
    if version is not None:
        found.append(ok(f"Ollama {version} answers at {machine.ollama}"))
    if unit is not None:
        found.append(ok(f"its unit: {unit.path}; it logs to {_where(unit)}"))
    if unit is None and version is None and not logs:
        return [note("no Ollama found: no unit, no log, and nobody answers at " + machine.ollama)]
    found += _among_sources(setup, unit, logs)
    if unit is None and version is not None and not logs:
        to_do = "start it with its output in a file: ollama serve >> /var/log/ollama.log 2>&1, and watch that"
        found.append(note("its log was not found: it has no unit, and no file where it usually is", to_do))
    return found + _debug(unit, version)


def log_files(machine: Machine, unit: Unit | None) -> list[str]:
    """Files that hold its log: of the unit, of the desktop app, of a container."""
    places = [_output(unit, key)[1] for key in ("StandardOutput", "StandardError")] if unit else []
    homes = {machine.account.home, *(machine.users.homes() if machine.account.uid == 0 else ())}
    places += [os.path.join(home, ".ollama/logs/server.log") for home in sorted(homes)]
    places += _of_containers(machine)
    return [place for place in dict.fromkeys(filter(None, places)) if os.path.exists(place)]


def _of_containers(machine: Machine) -> list[str]:
    found = []
    for name in machine.names_in(_CONTAINERS):
        try:
            config = json.loads(machine.read(f"{_CONTAINERS}/{name}/config.v2.json") or "{}")
            image = str(config.get("Config", {}).get("Image", ""))
        except (ValueError, AttributeError):
            continue
        if "ollama/ollama" in image:
            found.append(machine.path(f"{_CONTAINERS}/{name}/{name}-json.log"))
    return found


def _output(unit: Unit, key: str) -> tuple[str, str]:
    """Where a stream of the unit goes, in words, and the file if it is one; see systemd.exec(5)."""
    told = unit.last(key) or ("inherit" if key == "StandardError" else "journal")
    if told == "inherit" and key == "StandardError":
        return _output(unit, "StandardOutput")
    kind, _, path = told.partition(":")
    if kind in ("file", "append", "truncate"):
        return path, path
    return ("nowhere" if kind == "null" else "the journal" if kind.startswith("journal") else kind), ""


def _where(unit: Unit) -> str:
    out, err = (_output(unit, key)[0] for key in ("StandardOutput", "StandardError"))
    return out if out == err else f"{out} (requests) and {err} (all else)"


def _among_sources(setup: Setup, unit: Unit | None, logs: Iterable[str]) -> list[Finding]:
    sources = setup.config.sources if setup.config else ()
    found = []
    if unit is not None and "the journal" in _where(unit):
        if any(each.name == UNIT or f"_SYSTEMD_UNIT={UNIT}" in each.matches for each in wanted_by(sources)):
            found.append(ok("its journal is among the sources"))
        else:
            to_do = (
                f"logmetrics watch --journal {UNIT}, or in the config: - {{name: ollama, journald: {{unit: {UNIT}}}}}"
            )
            found.append(note("no source reads its journal", to_do))
    named = [path for source in sources for path in source.paths]
    for path in logs:
        if is_named(path, named):
            found.append(ok(f"its log {path} is among the sources"))
        else:
            found.append(note(f"no source reads its log {path}", f"logmetrics watch {path}"))
    return found


def is_named(path: str, named: Iterable[str]) -> bool:
    """Whether one of the paths of sources is *path*, leads to it, or lies in it."""
    from logmetrics.sources.discovery import absolute, fits, plain_directory

    real = os.path.realpath(path)
    for each in map(absolute, named):
        plain = os.path.realpath(plain_directory(each))
        is_glob = plain != os.path.realpath(each)
        below = real.startswith(f"{plain.rstrip('/')}/") and (not is_glob or fits(real, each))
        if real == plain or below or plain.startswith(f"{real}/"):
            return True
    return False


def _version(machine: Machine) -> str | None:
    endpoint, prefix = endpoint_at(machine.ollama)
    reply = get(endpoint, f"{prefix}/api/version")
    try:
        told = json.loads(reply.body) if reply.status == 200 else None
    except ValueError:
        return None
    version = told.get("version") if isinstance(told, dict) else None
    return version if isinstance(version, str) else None


def _debug(unit: Unit | None, version: str | None) -> list[Finding]:
    told = unit.environment().get("OLLAMA_DEBUG", "") if unit else ""
    is_on = told.lower() not in ("", "0", "false")
    numbers = tuple(int(part) for part in (version or "").split("-")[0].split(".")[:2] if part.isdigit())
    if is_on and told.lower() not in ("1", "true"):
        return [note(f"OLLAMA_DEBUG={told}: prompts may be in its log", "OLLAMA_DEBUG=1 is enough for token metrics")]
    if not numbers or (0, 0) < numbers < (0, 1):
        return []
    if numbers >= _TOKENS_SINCE:
        if is_on:
            return [note("OLLAMA_DEBUG is on and adds nothing that is counted", "take it out: its log gets shorter")]
        return [ok("OLLAMA_DEBUG is not needed: this version logs tokens without it")]
    if is_on:
        return [ok("OLLAMA_DEBUG is on: prompt tokens are in its log")]
    to_do = f"systemctl edit {UNIT}: [Service] Environment=OLLAMA_DEBUG=1; prompts may then be in its log"
    return [note(f"tokens are not in the log of {version} without OLLAMA_DEBUG=1; since 0.30 they always are", to_do)]
