"""Requests to servers on this machine: short, without proxies, and never an exception."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from logmetrics.serve.client import Endpoint, reason, trusting_anybody

TIMEOUT_S = 2.0
BODY_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or in ``error`` why there is none; then ``status`` is 0."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    took_s: float = 0.0


def get(endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Reply:
    """GET *path*. Who answers is on this machine, so its certificate proves nothing that would be of use."""
    started_s = time.monotonic()
    connection = endpoint.connection(timeout_s, trusting_anybody() if endpoint.is_tls else None)
    try:
        connection.request("GET", path, headers={"User-Agent": "logmetrics-doctor", **(headers or {})})
        answer = connection.getresponse()
        body = answer.read(BODY_BYTES_MAX)
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, body, told, took_s=time.monotonic() - started_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(error=reason(error), took_s=time.monotonic() - started_s)
    finally:
        connection.close()
