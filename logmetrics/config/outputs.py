"""What may be said about outputs, in a config as on the command line: names of files, addresses, names."""

from __future__ import annotations

import os
import re

# A host, and perhaps a port; an IPv6 address stands in brackets.
ADVERTISE = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_HOST_PORT = re.compile(r"(\[[^\s\[\]]+\]|[^\s:\[\]]*):([0-9]{1,5})")
# What Prometheus' file_sd and node_exporter's textfile collector take for theirs; they pass over all other names.
SD_FILE_SUFFIX, TEXTFILE_SUFFIX = ".json", ".prom"


def real_path(path: str) -> str:
    """Where the file that the user calls *path* is."""
    return os.path.abspath(os.path.expanduser(path))


def temporary_path(path: str) -> str:
    """Where the file at *path* is written before it takes that name.

    The same each time, so that kills leave one behind at the most; no program takes such a name for its own.
    """
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.tmp")


def check_sd_file(path: str) -> str:
    """*path*. Raises ValueError unless Prometheus would read a file of this name."""
    return _with_suffix(path, SD_FILE_SUFFIX, "Prometheus' file_sd passes over other files")


def check_textfile(path: str) -> str:
    """*path*. Raises ValueError unless node_exporter would read a file of this name."""
    return _with_suffix(path, TEXTFILE_SUFFIX, "node_exporter's textfile collector passes over other files")


def host_and_port(address: str) -> tuple[str, int] | None:
    """Where ``host:port``, ``:port`` or ``[ipv6]:port`` is; None for a unix socket. Raises ValueError."""
    if address.startswith("unix:") and len(address) > len("unix:") and "\0" not in address:
        return None
    parts = _HOST_PORT.fullmatch(address)
    if not parts or int(parts[2]) > 65_535:
        raise ValueError(
            f"{address!r} is no address to listen on; possible are 127.0.0.1:8001, :8001 (all interfaces), "
            "[::1]:8001, localhost:8001 and unix:/path/metrics.sock"
        )
    return parts[1].strip("[]"), int(parts[2])


def check_advertise(address: str) -> str:
    """*address*. Raises ValueError unless it is HOST or HOST:PORT."""
    parts = ADVERTISE.fullmatch(address)
    if not parts or not 0 < int(parts[2] or 1) <= 65_535:
        raise ValueError(f"expected HOST or HOST:PORT, such as gpu1.example.org or 10.0.0.5:8001, not {address!r}")
    return address


def check_instance(name: str) -> str:
    """*name*. Raises ValueError unless it can be told apart when it is printed."""
    if not name.strip() or not name.isprintable():
        raise ValueError(f"expected a name such as gpu1-agents, not {name!r}")
    return name


def _with_suffix(path: str, suffix: str, why: str) -> str:
    if not path.endswith(suffix) or path.endswith(f"/{suffix}") or path == suffix:
        raise ValueError(f"the file's name must end in {suffix}, as {why}, not {path!r}")
    return path
