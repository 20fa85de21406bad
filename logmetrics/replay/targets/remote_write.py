"""Windows -> a server that takes Prometheus' remote write 1.0: Prometheus itself, Mimir, Thanos, VictoriaMetrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

from logmetrics.errors import ReplayError, UsageError
from logmetrics.replay.samples import Window
from logmetrics.replay.targets import refusals
from logmetrics.replay.targets.batches import batches
from logmetrics.replay.targets.delivery import Asking, Delivery
from logmetrics.replay.targets.posting import Patience, Poster
from logmetrics.replay.targets.prometheus_api import NoAnswerError, PrometheusApi
from logmetrics.replay.targets.wire import NORMALISES_SINCE, Encoder

SAMPLES_MAX = 10_000
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
# Where samples are written -> where they are queried.
_PATHS = {
    "/api/v1/write": "",  # Prometheus, VictoriaMetrics
    "/api/v1/push": "/prometheus",  # Mimir
    "/api/prom/push": "/api/prom",  # Cortex, Grafana Cloud
}


class RemoteWrite:
    """Sends windows to *url*, and asks at *query_url* for what is there; *headers* go along with both.

    Where nothing can be asked, ``unasked`` sends everything: whatever is sent twice is then the server's to sort out.
    Prometheus does that within its out-of-order window.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        query_url: str | None = None,
        unasked: bool = False,
        patience: Patience | None = None,
        samples_max: int = SAMPLES_MAX,
    ) -> None:
        patience = patience or Patience()
        asking = None if unasked else _asking(query_url or query_url_of(url), headers or {})
        normalises = asking is not None and _normalises(asking.api)
        self._requests = WriteRequests(url, headers or {}, patience, samples_max, normalises=normalises)
        self._delivery = Delivery(self._requests.of, asking, patience)

    def write(self, window: Window) -> int:
        """Send what of *window* is not there, and look whether it arrived; how many samples that were."""
        return self._delivery.write(window)


class WriteRequests:
    """A window -> the bodies to post, and where."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        patience: Patience,
        samples_max: int,
        *,
        normalises: bool = False,
    ) -> None:
        self._poster = Poster(url, {**headers, **_HEADERS}, refusals.remote_write, patience)
        self._encoder = Encoder(normalises=normalises)
        self._samples_max = samples_max

    def of(self, window: Window) -> Iterator[tuple[Poster, bytes]]:
        """The requests for *window*."""
        from cramjam import snappy

        for batch in batches(window, self._samples_max):
            yield self._poster, bytes(snappy.compress_raw(self._encoder.encode(batch, window.step_s)))


def query_url_of(url: str) -> str:
    """Where the samples that are written to *url* can be asked for, up to /api/v1."""
    parts = urlsplit(url)
    for written, queried in _PATHS.items():
        if parts.path.rstrip("/").endswith(written):
            path = parts.path.rstrip("/").removesuffix(written)
            path = path.replace("/insert/", "/select/", 1) + queried  # VictoriaMetrics' cluster, behind vmauth
            return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    raise UsageError(
        f"{url}: no URL to ask for what is there already can be derived from this one. Give it, up to /api/v1: "
        "--query-url URL; or send without asking: --send-anyway (what is there already is then sent again)"
    )


def _asking(query_url: str, headers: Mapping[str, str]) -> Asking:
    from logmetrics.replay.targets.victoria import AskingVictoria

    api = PrometheusApi(query_url, headers)
    try:
        return AskingVictoria(query_url, headers) if api.is_victoria() else Asking(api)
    except ReplayError as error:
        hint = refusals.query(str(error))
        raise ReplayError(f"{error}\n{hint}") from error


def _normalises(api: PrometheusApi) -> bool:
    """Whether what scrapes bring to that server has bounds in its own spelling."""
    if api.is_victoria():
        return False
    try:
        major = api.version().removeprefix("v").partition(".")[0]
    except NoAnswerError:
        raise
    except ReplayError:
        return False  # whoever does not tell a version is no Prometheus
    return major.isdigit() and int(major) >= NORMALISES_SINCE
