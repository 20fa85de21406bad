"""Names of time zones -> zones."""

from __future__ import annotations

from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from logmetrics.config.expression import did_you_mean


def zone_of(name: str) -> tzinfo:
    """The zone called *name*. Raises ValueError, which says what to do."""
    if name == "UTC":  # needs no data
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        known = available_timezones()
        if not known:
            what = "this system has no data of time zones; install its package tzdata, or pip install tzdata"
            raise ValueError(f"{name!r}: {what}") from error
        near = did_you_mean(name, sorted(known)) or "; names are like Europe/Berlin or UTC"
        raise ValueError(f"there is no time zone {name!r}{near}") from error
