"""The query client: what it asks, what it makes of answers, and what it says when there is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from logmetrics.errors import ReplayError
from logmetrics.replay.targets.prometheus_api import PrometheusApi, duration_s, selector, split_credentials


class Fake:
    """A server that gives *answers* by path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
                fake.asked.append((self.path, form, dict(self.headers)))
                status, body = fake.answers.get(self.path.rpartition("/v1/")[2], (404, "nothing here"))
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.api = PrometheusApi(f"http://{self.host}/prefix/")

    def succeed(self, path: str, data: object) -> None:
        self.answers[path] = 200, {"status": "success", "data": data}


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15d", 15 * 86400.0),
        ("15d or 10GiB", 15 * 86400.0),
        ("1w2d3h", 788400.0),
        ("10GiB", None),
        ("", None),
    ],
)
def test_retention(fake: Fake, text: str, expected: float | None) -> None:
    """Time is understood in all spellings; a size alone is no time."""
    fake.succeed("status/runtimeinfo", {"storageRetention": text})
    assert fake.api.retention_s() == expected


def test_head_and_window(fake: Fake) -> None:
    """Unknown, empty and known are three things."""
    assert fake.api.head_min_s() is None
    assert fake.api.retention_s() is None
    assert fake.api.out_of_order_window_s() is None
    for oldest_ms, expected in ((1_795_399_200_123, 1_795_399_200.123), (2**63 - 1, float("inf"))):
        fake.succeed("status/tsdb", {"headStats": {"minTime": oldest_ms}})
        assert fake.api.head_min_s() == expected
    for text, window_s in (
        ("", None),
        ("global: {}", 0),
        ("storage: {tsdb: {out_of_order_time_window: 1d12h}}", 129600),
    ):
        fake.succeed("status/config", {"yaml": text})
        assert fake.api.out_of_order_window_s() == window_s


def test_samples_are_cut_at_both_ends(fake: Fake) -> None:
    """A second more is asked for than wanted; the start belongs to it and the end does not."""
    entry: dict[str, Any] = {
        "metric": {"job": "j", "__name__": "a_total"},
        "values": [[999, "1"], [1000, "2"], [1014.999, "+Inf"], [1015, "4"]],
    }
    fake.succeed("query", {"result": [entry, entry | {"metric": {}, "values": [[999, "1"]]}]})
    assert fake.api.samples({"job": 'j"\\\n'}, ["a_total", "b"], 1000, 1015) == {
        (("__name__", "a_total"), ("job", "j")): [(1_000_000, 2.0), (1_014_999, float("inf"))]
    }
    path, form, _ = fake.asked[-1]
    assert path == "/prefix/api/v1/query"
    assert form == {"query": ['{__name__=~"a_total|b",job="j\\"\\\\\\n"}[16s]'], "time": ["1015.000"]}
    assert selector({}, ["a"]) == '{__name__="a"}'


def test_who_it_is(fake: Fake) -> None:
    """VictoriaMetrics is known by its language; it is asked once."""
    fake.succeed("status/buildinfo", {"version": "3.1.0"})
    assert fake.api.version() == "3.1.0"
    fake.answers["query"] = 400, {"status": "error", "error": "unknown function"}
    assert not fake.api.is_victoria()
    fake.succeed("query", {"result": []})
    assert not fake.api.is_victoria()
    assert PrometheusApi(f"http://{fake.host}").is_victoria()


def test_credentials(fake: Fake) -> None:
    """They come from the URL or as headers, and are never shown."""
    assert split_credentials("https://me:s%40c:ret@host:9090/x/") == ("https://host:9090/x", "me:s@c:ret")
    assert split_credentials("host:9090") == ("http://host:9090", "")
    fake.answers["query"] = 401, "no"
    api = PrometheusApi(f"http://me:secret@{fake.host}")
    with pytest.raises(ReplayError) as caught:
        api.query("up", 0)
    assert "secret" not in str(caught.value)
    assert "HTTP status 401: no; give a user and password in the URL" in str(caught.value)
    assert fake.asked[-1][2]["Authorization"] == "Basic bWU6c2VjcmV0"
    with pytest.raises(ReplayError):
        PrometheusApi(f"http://{fake.host}", {"Authorization": "Bearer x"}).query("up", 0)
    assert fake.asked[-1][2]["Authorization"] == "Bearer x"


def test_errors_say_what_to_do(fake: Fake) -> None:
    """The URL, the server's own words, and the remedy."""
    for status, body, told in (
        (400, {"status": "error", "error": "parse error"}, r"/prefix/api/v1/query: HTTP status 400: parse error$"),
        (404, "", "status 404: Not Found; check the URL"),
        (503, "busy", "status 503: busy; try again when the server is less busy"),
        (200, "<html>", "not an answer of Prometheus' API: '<html>'; check that"),
        (200, {"status": "error"}, "not an answer"),
    ):
        fake.answers["query"] = status, body
        with pytest.raises(ReplayError, match=told):
            fake.api.query("up", 0)
    with pytest.raises(ReplayError, match="ftp://x: not the URL of a server"):
        PrometheusApi("ftp://x")
    fake.server.shutdown()
    fake.server.server_close()
    with pytest.raises(ReplayError, match=r"no answer: Failed.*refused; check that the server runs"):
        PrometheusApi(f"http://{fake.host}").query("up", 0)


def test_durations() -> None:
    """As Prometheus spells them, and nothing else."""
    assert [duration_s(text) for text in ("0", "0s", "90m", "1h30m", "500ms", "1y")] == [
        0,
        0,
        5400,
        5400,
        0.5,
        31536000,
    ]
    assert [duration_s(text) for text in ("", "None", "1", "5 m", "10GiB", "h")] == [None] * 6
