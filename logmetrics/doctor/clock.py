"""The clock, and the times in the logs against it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from logmetrics.doctor.findings import Finding, note, ok, unseen, warning
from logmetrics.doctor.machine import Machine
from logmetrics.doctor.setup import Setup
from logmetrics.present.amounts import moment, seconds

if TYPE_CHECKING:
    from logmetrics.config.specs import SourceSpec
    from logmetrics.sources.discovery import FoundFile

TAIL_BYTES = 65_536
# Clocks of two machines differ by less; so does the time of a record from when it was written.
DIFFERENCE_MAX_S = 300
# Logs of one source that are looked at, the newest first.
LOGS_MAX = 3
_SYNCHRONISED = "/run/systemd/timesync/synchronized"
# Far enough that no record is refused as of the future here.
_AHEAD_S = 20 * 366 * 86_400


def clock(machine: Machine, setup: Setup) -> list[Finding]:
    """Whether something keeps the clock right, and the last record of the newest logs."""
    found = [_synchronised(machine)]
    for source in setup.config.sources if setup.config else ():
        if source.paths:
            found += _records(machine, setup, source)
    return found


def _synchronised(machine: Machine) -> Finding:
    now = f"it is {moment(machine.now_s())} UTC"
    told = machine.clock_is_synchronised()
    if told is None and os.path.exists(machine.path(_SYNCHRONISED)):
        told = True
    if told is None:
        return unseen(f"{now}; whether the clock is kept right", "the kernel does not tell")
    if told:
        return ok(f"{now}; the clock is synchronised")
    to_do = "timedatectl set-ntp true, or start chrony or ntpd; in a container or VM the host may keep it right"
    return note(f"{now}; the kernel's clock is not synchronised by anything here", to_do)


def _records(machine: Machine, setup: Setup, source: SourceSpec) -> list[Finding]:
    logs = [file for file in setup.files_of(source).files.values() if file.role == "log"]
    logs.sort(key=lambda file: file.signature[1], reverse=True)
    found: list[Finding] = []
    for file in logs[:LOGS_MAX]:
        try:
            last_s = last_record_s(file, source.timezone, machine.now_s())
        except OSError as error:
            found.append(unseen(f"the times in {file.path}", error))
            continue
        if last_s is not None and (finding := _judged(source, file, last_s, machine.now_s())) is not None:
            found.append(finding)
        elif last_s is not None and not found:
            found.append(ok(f"source {source.name}: its last record is of {moment(last_s)} UTC"))
    # One good log tells nothing that matters when another is off.
    wrong = [finding for finding in found if finding.mark != "ok"]
    return wrong or found[:1]


def _judged(source: SourceSpec, file: FoundFile, last_s: int, now_s: float) -> Finding | None:
    written_s = file.signature[1] / 1e9
    if last_s > now_s + DIFFERENCE_MAX_S:
        what = f"the last record of {file.path} is {seconds(last_s - now_s)} in the future: {moment(last_s)} UTC"
        return warning(what, _zone_hint(source, last_s - now_s))
    # What was written within the last day has times of that day: else a zone or a clock is off.
    behind_s = written_s - last_s
    if behind_s > DIFFERENCE_MAX_S and now_s - written_s < 86_400:
        hours = behind_s / 3600
        if abs(hours - round(hours)) * 3600 < DIFFERENCE_MAX_S and 1 <= round(hours) <= 14:
            what = f"{file.path} was written {seconds(behind_s)} after the time of its last record"
            return note(f"{what}, {moment(last_s)} UTC", _zone_hint(source, behind_s))
    return None


def _zone_hint(source: SourceSpec, off_s: float) -> str:
    hint = f"timezone: of source {source.name} (now {source.timezone}) is for times without a zone"
    return (
        f"{hint}; else compare the clocks of the machines"
        if off_s < 15 * 3600
        else "compare the clocks of the machines"
    )


def last_record_s(file: FoundFile, zone: str, now_s: float) -> int | None:
    """The time of the last whole line that tells one; None when the end of the log tells none. Raises OSError."""
    from logmetrics.config.time_zones import zone_of
    from logmetrics.replay.times.moments import Moments

    fd = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        end = os.fstat(fd).st_size
        tail = os.pread(fd, TAIL_BYTES, max(0, end - TAIL_BYTES))
    finally:
        os.close(fd)
    lines = tail.split(b"\n")
    whole = lines[:-1] if end <= TAIL_BYTES else lines[1:-1]
    moments = Moments(zone_of(zone), int(file.signature[1] / 1e9), int(now_s) + _AHEAD_S)
    moments.seconds_of([line for line in whole if line.strip()][-200:])
    return moments.last_s
