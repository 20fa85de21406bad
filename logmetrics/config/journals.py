"""Names of systemd's units, and what is asked of a journal for them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from logmetrics.config.specs import JournalLogSpec

# systemd.unit(5).
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
_ENDINGS = tuple(".service .socket .device .mount .automount .swap .target .path .timer .slice .scope".split())  # noqa: SIM905
_MATCH = re.compile(r"[A-Z_][A-Z0-9_]*=[^\0]+")


def mistake_in_unit(text: str) -> str:
    """What is wrong with *text* as the name of a unit; empty when nothing is."""
    if _UNIT.fullmatch(text):
        return ""
    more = "; name each unit: a glob would not see one that comes later" if set(text) & set("*?[") else ""
    return f"{text!r} is no name of a unit, such as ollama.service{more}"


def mistake_in_match(text: str) -> str:
    """The same for a match, FIELD=value."""
    return "" if _MATCH.fullmatch(text) else f"{text!r} is no match of a field, such as SYSLOG_IDENTIFIER=ollama"


def unit_name(text: str) -> str:
    """The whole name of a unit, as journalctl has it: `ollama` is ollama.service."""
    return text if text.endswith(_ENDINGS) else f"{text}.service"


def journal_logs(
    units: Sequence[str] = (),
    user_units: Sequence[str] = (),
    matches: Sequence[str] = (),
    directory: str | None = None,
) -> tuple[JournalLogSpec, ...]:
    """The logs of *units* and *user_units*, each of its own and only what has all of *matches*, too; without a unit
    that is one log. There are no mistakes in them.
    """
    where = None if directory is None else os.path.abspath(os.path.expanduser(directory))
    above = where or "journal"
    asked = [(unit_name(unit), above, "_SYSTEMD_UNIT") for unit in units]
    asked += [(unit_name(unit), f"{above}/user", "_SYSTEMD_USER_UNIT") for unit in user_units]
    logs = [
        JournalLogSpec(name, f"{place}/{name}", (f"{field}={name}", *matches), where)
        for name, place, field in dict.fromkeys(asked)
    ]
    if not logs and matches:
        name = matches[0].partition("=")[2].replace("/", "-")
        logs = [JournalLogSpec(name, f"{above}/{name}", tuple(matches), where)]
    return tuple(logs)
