"""What a Prometheus, or another server with its query API, tells about itself and its samples.

Works with Prometheus 2.42 and later, Mimir and VictoriaMetrics. Raw samples come from an instant query for a range
selector, which all of them answer without interpolation.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

import orjson

from logmetrics.errors import ReplayError

if TYPE_CHECKING:
    import urllib3

# Sorted, with __name__.
SeriesKey: TypeAlias = tuple[tuple[str, str], ...]
# (Unix time in ms, value), ascending.
RawSamples: TypeAlias = list[tuple[int, float]]

# What Prometheus shows as the time of the first sample while there is none (the greatest int64), or anything near it.
_NEVER_MS = 2**62
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_CONNECTION = re.compile(r"^(?:<[^>]*>|HTTPS?Connection\(.*?\)): ")
_DURATION_PART = re.compile(r"(\d+)(ms|[smhdwy])")


class NoAnswerError(ReplayError):
    """The server does not answer, or is in trouble: it may be well again in a while."""


class PrometheusApi:
    """Queries to the server at *url*, the part before /api/v1; a user and password may stand in it.

    *headers* go along with each request, such as ``Authorization: Bearer ...`` or Mimir's ``X-Scope-OrgID``.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout_s: float = 130) -> None:
        import urllib3

        self.url, credentials = split_credentials(url)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "logmetrics"}
        if credentials:
            self._headers["Authorization"] = urllib3.make_headers(basic_auth=credentials)["authorization"]
        self._headers |= dict(headers or {})
        # Longer than the two minutes after which Prometheus gives up a query, so that its reason arrives.
        self._pool = urllib3.PoolManager(
            maxsize=2,
            timeout=urllib3.Timeout(connect=10, read=timeout_s),
            retries=urllib3.Retry(connect=2, redirect=3, read=False, status=0, other=0, backoff_factor=0.2),
        )
        self._victoria: bool | None = None

    def version(self) -> str:
        """What the server calls its version; VictoriaMetrics names one of Prometheus'."""
        return str(self._get("status/buildinfo").get("version", ""))

    def is_victoria(self) -> bool:
        """Whether it speaks MetricsQL. Its build info does not tell, and its headers do not pass every proxy."""
        if self._victoria is None:
            status, _ = self._ask("POST", "query", {"query": "now()"}, accepted=(200, 400, 422))
            self._victoria = status == 200
        return self._victoria

    def head_min_s(self) -> float | None:
        """The time of the oldest sample that is in no block yet: infinity while there is none, None if not told."""
        head = self._get("status/tsdb", optional=True).get("headStats")
        if not isinstance(head, dict) or "minTime" not in head:
            return None
        oldest_ms = int(head["minTime"])
        return inf if oldest_ms >= _NEVER_MS else oldest_ms / 1000

    def retention_s(self) -> float | None:
        """For how long blocks are kept; None if that is not told, or goes by size only."""
        text = str(self._get("status/runtimeinfo", optional=True).get("storageRetention", ""))
        found = [seconds for part in text.split(" or ") if (seconds := duration_s(part.strip()))]
        return found[0] if found else None

    def out_of_order_window_s(self) -> float | None:
        """How far behind the newest sample an older one may come; None if not told."""
        import yaml

        text = self._get("status/config", optional=True).get("yaml")
        config: Any = yaml.safe_load(text) if isinstance(text, str) else None
        if not config:
            return None
        for key in ("storage", "tsdb", "out_of_order_time_window"):
            config = config.get(key) if isinstance(config, dict) else None
        return duration_s(str(config)) or 0.0

    def query(self, promql: str, at_s: float) -> list[dict[str, Any]]:
        """The ``result`` of an instant query: of a vector or matrix a dictionary for each series, of a scalar none."""
        data = self._post("query", {"query": promql, "time": f"{at_s:.3f}"})
        result = data.get("result")
        return [entry for entry in result if isinstance(entry, dict)] if isinstance(result, list) else []

    def samples(
        self, matchers: Mapping[str, str], names: Sequence[str], start_s: float, end_s: float
    ) -> dict[SeriesKey, RawSamples]:
        """All samples from *start_s* up to and without *end_s* of the series with these labels and one of these names.

        Ranges are open at the left in Prometheus 3 and VictoriaMetrics, and closed at both ends in Prometheus 2, so
        a second more is asked for, and cut off here.
        """
        seconds = max(1, round(end_s - start_s)) + 1
        start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
        found: dict[SeriesKey, RawSamples] = {}
        for entry in self.query(f"{selector(matchers, names)}[{seconds}s]", end_s):
            pairs = [(round(at * 1000), float(value)) for at, value in entry["values"]]
            pairs = pairs[bisect_left(pairs, (start_ms, -inf)) : bisect_left(pairs, (end_ms, -inf))]
            if pairs:
                found[tuple(sorted(entry["metric"].items()))] = pairs
        return found

    def _get(self, path: str, *, optional: bool = False) -> dict[str, Any]:
        """What a page about the server says; nothing if it is *optional* and the server does not have it."""
        missing = (400, 404, 405, 422, 501) if optional else ()
        status, body = self._ask("GET", path, None, accepted=(200, *missing))
        return self._data(path, body) if status == 200 else {}

    def _post(self, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        _, body = self._ask("POST", path, fields, accepted=(200,))
        return self._data(path, body)

    def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None, accepted: tuple[int, ...]
    ) -> tuple[int, bytes]:
        import urllib3

        url = f"{self.url}/api/v1/{path}"
        form = {"fields": dict(fields), "encode_multipart": False} if fields else {}
        try:
            answer = self._pool.request(method, url, headers=self._headers, **form)  # type: ignore[arg-type]
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(
                f"{url}: no answer: {_reason(error)}; check that the server runs and that {self.url} is its address, "
                "with the prefix under which it is served if there is one"
            ) from error
        if answer.status not in accepted:
            kind = NoAnswerError if answer.status in (429, 502, 503, 504) else ReplayError
            raise kind(f"{url}: HTTP status {answer.status}: {_said(answer)}{_remedy(answer.status)}")
        return answer.status, answer.data

    def _data(self, path: str, body: bytes) -> dict[str, Any]:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict) or document.get("status") != "success":
            raise ReplayError(
                f"{self.url}/api/v1/{path}: not an answer of Prometheus' API: {body[:100].decode(errors='replace')!r}; "
                f"check that {self.url} is the address of Prometheus and not of a page in front of it"
            )
        data = document.get("data")
        return data if isinstance(data, dict) else {}


def split_credentials(url: str) -> tuple[str, str]:
    """*url* without the user and password in it and without a slash at its end, and these as ``user:password``."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ReplayError(f"{url}: not the URL of a server; give one like http://localhost:9090")
    before, _, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), unquote(before)


def selector(matchers: Mapping[str, str], names: Sequence[str]) -> str:
    """The PromQL selector of all series with these labels and one of these names."""
    parts = [f'__name__=~"{"|".join(names)}"'] if len(names) > 1 else [f'__name__="{name}"' for name in names]
    parts += [f'{label}="{_escape(value)}"' for label, value in matchers.items()]
    return f"{{{','.join(parts)}}}"


def duration_s(text: str) -> float | None:
    """The seconds of a duration as Prometheus spells it (``15d``, ``1h30m``); None if it is not one."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        return None
    return float(sum(int(number) * _UNITS_S[unit] for number, unit in _DURATION_PART.findall(text)))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _said(answer: urllib3.BaseHTTPResponse) -> str:
    """The server's own words, short."""
    try:
        document = orjson.loads(answer.data)
    except orjson.JSONDecodeError:
        document = None
    text = document.get("error") if isinstance(document, dict) else None
    return str(text or answer.data[:200].decode(errors="replace").strip() or answer.reason or "no reason given")


def _reason(error: Exception) -> str:
    """What lies beneath urllib3's wrappers, without the connection that these name."""
    return _CONNECTION.sub("", str(getattr(error, "reason", None) or error))


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "; give a user and password in the URL (http://user:password@host) or an Authorization header"
    if status == 404:
        return "; check the URL: it is what stands before /api/v1, with the prefix under which the server is served"
    if status in (429, 502, 503, 504):
        return "; try again when the server is less busy"
    return ""
