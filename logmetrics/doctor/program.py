"""The command that runs, the Python and the packages under it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from importlib import metadata

from logmetrics import __version__
from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.units import Unit

# Shown even when all is well: what reports of trouble are asked for.
_SHOWN = ("msgspec", "orjson", "watchdog", "pydantic")
PYTHON_MIN, PYTHON_MAX = (3, 10), (3, 13)


def program(machine: Machine, unit: Unit | None, command: str = sys.argv[0]) -> list[Finding]:
    """Findings about the binary *command*, which runs this, and others of its name."""
    return [*binaries(machine, unit, command), python(sys.version_info[:3]), *packages(required())]


def binaries(machine: Machine, unit: Unit | None, command: str) -> list[Finding]:
    """Which logmetrics this is, and which one a shell and the unit would start."""
    is_module = os.path.basename(command) in ("__main__.py", "-m")
    active = f"{sys.executable} -m logmetrics" if is_module else _resolved(machine, command)
    found = [ok(f"logmetrics {__version__}: {active}")]
    on_path = _all_on_path(machine)
    first = on_path[0] if on_path else None
    if first and not is_module and os.path.realpath(first) != os.path.realpath(active):
        found.append(warning(f"a shell would start another one: {first}", f"call {active}, or put it first on PATH"))
    others = {os.path.realpath(path): path for path in on_path[1:]}
    for real, path in others.items():
        if first and real != os.path.realpath(first):
            found.append(note(f"{path} is shadowed by {first}", "remove the one that is not wanted"))
    words = unit.command() if unit else []
    if unit and words:
        binary = machine.path(words[0])
        if not os.path.exists(binary):
            to_do = f"install it there, or mend ExecStart= with `systemctl edit --full {unit.name}`"
            found.append(problem(f"{unit.name} starts {words[0]}, which is not there", to_do))
        elif not os.access(binary, os.X_OK):
            found.append(problem(f"{unit.name} starts {words[0]}, which is not executable", f"chmod 755 {words[0]}"))
        elif not is_module and os.path.realpath(binary) != os.path.realpath(active):
            found.append(note(f"{unit.name} starts another one: {words[0]}", f"ask it, too: {words[0]} doctor"))
    return found


def _resolved(machine: Machine, command: str) -> str:
    where = command if os.sep in command else machine.which(command) or command
    return os.path.realpath(where)


def _all_on_path(machine: Machine) -> list[str]:
    paths = [os.path.join(each, "logmetrics") for each in machine.environ.get("PATH", "").split(os.pathsep) if each]
    return [path for path in dict.fromkeys(paths) if os.path.isfile(path) and os.access(path, os.X_OK)]


def python(version: tuple[int, ...]) -> Finding:
    """Whether logmetrics is made for this Python."""
    shown = ".".join(map(str, version))
    if version[:2] < PYTHON_MIN:
        return problem(f"Python {shown} is too old", "install logmetrics with Python 3.10 to 3.13")
    if version[:2] > PYTHON_MAX:
        return note(f"Python {shown}: newer than what logmetrics is tested with", "use 3.10 to 3.13 if it fails")
    return ok(f"Python {shown} at {sys.executable}")


def required() -> Mapping[str, str]:
    """Package -> the least version that logmetrics needs, as its own metadata say. Raises nothing."""
    try:
        told = metadata.requires("logmetrics") or []
    except metadata.PackageNotFoundError:
        return {}
    parts = [re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", line) for line in told if "extra ==" not in line]
    return {part[1]: part[2] for part in parts if part}


def packages(wanted: Mapping[str, str]) -> list[Finding]:
    """Those that are missing or too old; else one line with some of them."""
    if not wanted:
        return [unseen("its packages", "logmetrics runs from a directory and is not installed")]
    found = []
    versions = {}
    for name, least in wanted.items():
        to_do = f"{sys.executable} -m pip install '{name}>={least}'"
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(problem(f"the package {name} is missing", to_do))
            continue
        if _numbers(versions[name]) < _numbers(least):
            found.append(problem(f"{name} {versions[name]} is too old", to_do))
    shown = ", ".join(f"{name} {versions[name]}" for name in _SHOWN if name in versions)
    return found or [ok(f"all {len(versions)} packages are there: {shown}, ...")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
