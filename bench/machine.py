"""What the numbers were measured on. Nothing that tells whose machine it is."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from bench import systems

PACKAGES = ["msgspec", "orjson"]


def describe() -> dict[str, str]:
    """Machine and versions, by name."""
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{memory_kib / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {_origin()}",
        **{package: version(package) for package in PACKAGES},
        **systems.versions(),
    }


def _origin() -> str:
    """Distributions build Python with a profile of its use, which makes it up to twice as fast."""
    return "the distribution's" if sys.base_prefix == "/usr" else "not the distribution's"


def load() -> float:
    """How many processes ran or waited in the last minute: others than the benchmark are not on a quiet machine."""
    return os.getloadavg()[0]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
