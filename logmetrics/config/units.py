"""Durations and sizes as people write them in a config: ``250ms``, ``1h30m``, ``64KiB``, ``1MiB``."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMG]?i?B)")


def parse_duration(text: object) -> float:
    """Seconds of ``5m``, ``1h30m`` or ``250ms``. A bare number is refused, because it does not say its unit.

    Raises ValueError with a message for the user.
    """
    if isinstance(text, str):
        parts = _DURATION_PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    raise ValueError(f"expected a duration such as 250ms, 30s, 5m, 1h30m or 7d, not {text!r}")


def parse_size(text: object) -> int:
    """Bytes of ``1MiB``, ``64KiB`` or ``500B`` (KiB is 1024, kB is 1000). Raises ValueError for the user."""
    if isinstance(text, str) and (match := _SIZE.fullmatch(text)) and match[2] in _BYTES:
        return int(float(match[1]) * _BYTES[match[2]])
    raise ValueError(f"expected a size such as 64KiB, 1MiB or 500B, not {text!r}")
