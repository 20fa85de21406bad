"""Where Prometheus finds this process: a list of targets, as file_sd reads it from a file and http_sd over HTTP.

The format: https://prometheus.io/docs/prometheus/latest/http_sd/
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logmetrics.config.outputs import ADVERTISE

# What ``HttpServer.bound`` shows for all addresses of the machine.
_WILDCARDS = ("0.0.0.0", "[::]")  # noqa: S104
INSTANCE_LABEL = "logmetrics_instance"
_HOST_HEADER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Targets:
    """One process is one target, however many addresses it listens on: scraped at two, everything would count twice.

    ``bound`` are the addresses that the server really has. ``advertise`` is HOST or HOST:PORT in place of them.
    """

    bound: Sequence[str] = ()
    instance: str = ""
    advertise: str | None = None
    # Whether it answers over TLS now.
    is_https: Callable[[], bool] = lambda: False

    def target(self, host_header: str | None = None) -> str | None:
        """HOST:PORT of the first address that is no Unix socket; None when there is none.

        For all addresses of the machine stands its host name, or in the answer to a request, what that one called us:
        a Host header can mislead nobody but its sender. Its port must be ours, else a proxy is between.
        """
        advertised = ADVERTISE.fullmatch(self.advertise or "")
        if advertised and advertised[2]:
            return self.advertise
        address = next((each for each in self.bound if not each.startswith("unix:")), None)
        if address is None:
            return None
        host, _, port = address.rpartition(":")
        if advertised:
            return f"{advertised[1]}:{port}"
        if host not in _WILDCARDS:
            return address
        asked = _HOST_HEADER.fullmatch(host_header or "")
        return f"{asked[1]}:{port}" if asked and asked[2] == port else f"{socket.gethostname()}:{port}"

    def document(self, host_header: str | None = None) -> bytes:
        """The list as JSON; it is empty when there is nothing to scrape."""
        import orjson

        target = self.target(host_header)
        labels = {INSTANCE_LABEL: self.instance} | ({"__scheme__": "https"} if self.is_https() else {})
        groups = [{"targets": [target], "labels": labels}] if target else []
        return orjson.dumps(groups, option=orjson.OPT_INDENT_2) + b"\n"
