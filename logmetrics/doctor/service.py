"""The systemd unit: installed, enabled, active, and how it fared."""

from __future__ import annotations

import os

from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.setup import Setup
from logmetrics.doctor.units import Unit

_SHOWN = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "StatusText",
    "NeedDaemonReload",
)
# Exit code of logmetrics -> what it means.
_CODES = {
    "1": "something failed while running",
    "2": "the command line or the config is wrong",
    "3": "the state cannot be used",
}


def service(machine: Machine, setup: Setup) -> list[Finding]:
    """What files and systemd tell of the unit."""
    unit = setup.unit
    if unit is None:
        where = "" if machine.has_systemd() else ", and systemd does not run here"
        to_do = "" if where else "to have it started with the machine, see systemd/logmetrics.service"
        return [note(f"{setup.asked.unit} is not installed{where}", to_do)]
    found = [ok(f"{unit.name}: {unit.path}{' of the user' if unit.is_of_user else ''}")]
    found += [note(f"a drop-in changes it: {path}") for path in unit.drop_ins]
    if unit.last("Type") not in ("notify", "notify-reload"):
        what = f"Type={unit.last('Type') or 'simple'}: systemd does not learn when it is ready"
        found.append(note(what, "a newer unit has Type=notify; install it anew"))
    if unit.is_of_user:
        found += _linger(machine)
    if not machine.has_systemd():
        return [*found, note("systemd does not run here (a container?), so nothing starts it")]
    return found + _running(machine, unit)


def _linger(machine: Machine) -> list[Finding]:
    name = machine.account.name
    if os.path.exists(machine.path(f"/var/lib/systemd/linger/{name}")):
        return [ok(f"linger is on for {name}: it runs while nobody is logged in")]
    return [warning(f"it ends when {name} logs out", f"loginctl enable-linger {name}")]


def _running(machine: Machine, unit: Unit) -> list[Finding]:
    scope = ["--user"] if unit.is_of_user else []
    systemctl = " ".join(["systemctl", *scope])
    answer = machine.run(["systemctl", *scope, "show", unit.name, f"--property={','.join(_SHOWN)}"])
    if answer.code or not answer.out:
        return [unseen(f"how {unit.name} is", answer.err or f"systemctl ended with {answer.code}")]
    told = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    found = [_enabled(unit, told.get("UnitFileState", ""), systemctl), _active(unit, told, systemctl)]
    restarts = told.get("NRestarts", "0")
    if restarts not in ("", "0"):
        found.append(warning(f"it was started again {restarts} times", f"journalctl -u {unit.name} -n 50 says why"))
    if told.get("NeedDaemonReload") == "yes":
        found.append(warning("its files were changed since systemd read them", f"{systemctl} daemon-reload"))
    return found


def _enabled(unit: Unit, state: str, systemctl: str) -> Finding:
    if state in ("enabled", "enabled-runtime", "static", "alias", "generated", "indirect"):
        return ok(f"it is {state}")
    if state == "masked":
        return problem("it is masked: nothing can start it", f"{systemctl} unmask {unit.name}")
    return note(
        f"it is {state or 'not enabled'}: nothing starts it with the machine", f"{systemctl} enable {unit.name}"
    )


def _active(unit: Unit, told: dict[str, str], systemctl: str) -> Finding:
    active, code = told.get("ActiveState", "unknown"), told.get("ExecMainStatus", "0")
    status = f" ({told['StatusText']})" if told.get("StatusText") else ""
    if active == "active":
        return ok(f"it is active, {told.get('SubState', '')}{status}")
    meaning = f": {_CODES[code]}" if code in _CODES else ""
    to_do = f"journalctl -u {unit.name} -n 50 says why; mend it, then {systemctl} restart {unit.name}"
    if told.get("SubState") == "auto-restart":
        what = f"it ends again and again ({told.get('Result', 'unknown')}), exit code {code}{meaning}"
        return problem(what, to_do)
    if active in ("activating", "reloading", "deactivating"):
        return note(f"it is {active}, {told.get('SubState', '')}{status}", f"{systemctl} status {unit.name}")
    if active == "failed":
        what = f"it has failed ({told.get('Result', 'unknown')}), exit code {code}{meaning}"
        return problem(what, to_do)
    return note(f"it is {active}", f"{systemctl} start {unit.name}")
