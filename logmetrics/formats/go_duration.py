"""The texts that Go prints for a time.Duration."""

from __future__ import annotations

import re

# µ is the only character outside ASCII that Go prints here, so whatever wrong code pages made of its two bytes
# ("┬╡", "┬Á", "Âµ", "碌", U+FFFD, "?") still means µ.
_DURATION = re.compile(
    r"(-?)(?:(?:([0-9]{1,19})h)?([0-9]{1,19})m)?([0-9]{1,19}(?:\.[0-9]{1,9})?)(m|n|u|\?{1,4}|[^\x00-\x7f]{1,4})?s"
)
_UNITS_PER_S = {None: 1.0, "m": 1e3, "n": 1e9}
_MICROS_PER_S = 1e6


def parse_go_duration(text: str) -> float | None:
    """Seconds of a Go duration such as "82.985212ms", "713.052µs" or "1h38m42s"; None for any other text.

    Source: time.Duration.String() of Go's standard library, and the spellings of µ that real Ollama logs hold.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes, number, fraction = match.groups()
    duration_s = float(number) / _UNITS_PER_S.get(fraction, _MICROS_PER_S)
    if minutes:
        if fraction:
            return None
        duration_s += 60.0 * float(minutes) + 3600.0 * float(hours or 0)
    return -duration_s if sign else duration_s
