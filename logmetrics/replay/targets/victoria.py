"""Windows -> VictoriaMetrics, as text to its import API.

It takes samples of any age in any order, with three traps: what is sent twice is stored twice, what is older than its
retention is dropped without a word, and what it took is not shown at once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping

import urllib3

from logmetrics.replay.samples import SampleSeries, Window
from logmetrics.replay.targets import refusals
from logmetrics.replay.targets.batches import Batch, batches, tails
from logmetrics.replay.targets.delivery import Asking, Delivery
from logmetrics.replay.targets.posting import Patience, Poster, split_auth
from logmetrics.replay.targets.prometheus_api import NoAnswerError, PrometheusApi
from logmetrics.replay.targets.remote_write import SAMPLES_MAX, WriteRequests
from logmetrics.store.spelling import escape

_GZIP = 16 + zlib.MAX_WBITS
_DAY_S = 86_400
_UNITS_S = {"h": 3600, "d": _DAY_S, "w": 7 * _DAY_S, "y": 365 * _DAY_S, "M": 31 * _DAY_S, "": 31 * _DAY_S}


class VictoriaMetrics:
    """Sends windows to the VictoriaMetrics at *url*: http://HOST:8428, or http://VMINSERT:8480/insert/0/prometheus.

    In a cluster *query_url* is http://VMSELECT:8481/select/0/prometheus.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        query_url: str | None = None,
        patience: Patience | None = None,
        samples_max: int = SAMPLES_MAX,
    ) -> None:
        patience, headers, url = patience or Patience(), headers or {}, url.rstrip("/")
        text = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
        self._poster = Poster(f"{url}/api/v1/import/prometheus", {**headers, **text}, refusals.victoria, patience)
        self._ends = WriteRequests(f"{url}/api/v1/write", headers, patience, samples_max)
        self._samples_max = samples_max
        asking = AskingVictoria(query_url or url.replace("/insert/", "/select/", 1), headers)
        self._delivery = Delivery(self._requests, asking, patience)

    def write(self, window: Window) -> int:
        """Send what of *window* is not there, and look whether it arrived; how many samples that were."""
        return self._delivery.write(window)

    def _requests(self, window: Window) -> Iterator[tuple[Poster, bytes]]:
        # Text has no word for the end of a series. So its last sample goes the other way, together with its end: where
        # the one is, there is the other.
        rest, last = tails(window)
        for batch in batches(rest, self._samples_max):
            yield self._poster, gzip(text_of(batch).encode(errors="replace"))
        yield from self._ends.of(last)


class AskingVictoria(Asking):
    """What to ask VictoriaMetrics."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        super().__init__(PrometheusApi(url, headers))
        _, auth = split_auth(url)
        self._headers = {**auth, **headers}
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=10, read=60), retries=False)
        self._can_flush = True

    def flush(self) -> bool:
        """Whether all that was received is shown from now on: a single node can be told to do that."""
        if self._can_flush:
            status, _ = self._page("internal/force_flush")
            self._can_flush = status in (200, 204)
        return self._can_flush

    def retention_s(self) -> float | None:
        """For how long it keeps samples, which a single node tells."""
        status, flags = self._page("flags")
        found = re.search(r'^-retentionPeriod="?(\d+(?:\.\d+)?)([hdwMy]?)"?$', flags, re.MULTILINE)
        return float(found[1]) * _UNITS_S[found[2]] if status == 200 and found else None

    def _page(self, path: str) -> tuple[int, str]:
        try:
            answer = self._pool.request("GET", f"{self.api.url}/{path}", headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(f"{self.api.url}/{path}: {error}") from error
        return answer.status, answer.data.decode(errors="replace")


def text_of(batch: Batch) -> str:
    """The samples of *batch* in Prometheus' text format, with milliseconds."""
    lines: list[str] = []
    for part in batch:
        head = f"{part.series.name}{_braces(part.series)} "
        times_s = part.series.times_s[part.low : part.high]
        values = part.series.values[part.low : part.high]
        lines += [f"{head}{value!r} {time_s}000\n" for time_s, value in zip(times_s, values, strict=True)]
    return "".join(lines)


def gzip(data: bytes) -> bytes:
    """Compressed at the least effort, which is enough for lines that all begin alike."""
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()


def _braces(series: SampleSeries) -> str:
    pairs = ",".join([f'{name}="{escape(value)}"' for name, value in series.labels if value])
    return f"{{{pairs}}}" if pairs else ""
