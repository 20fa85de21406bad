"""A server that takes samples as remote write and as text, keeps each as often as it comes, and fails as it is told."""

from __future__ import annotations

import json
import re
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from cramjam import snappy

from logmetrics.replay.samples import Window

Labels = tuple[tuple[str, str], ...]
# Labels, milliseconds, the eight bytes of the value.
Sample = tuple[Labels, int, bytes]
_STALE = struct.pack("<Q", 0x7FF0000000000002)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: number and content."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            yield tag >> 3, number()
        else:
            length = {1: 8, 2: -1, 5: 4}[tag & 7]
            if length < 0:
                length = number()
            assert at + length <= len(data)
            yield tag >> 3, data[at : at + length]
            at += length


def decode(data: bytes) -> Iterator[tuple[Labels, list[tuple[int, bytes]]]]:
    """The series of a WriteRequest."""
    for tag, series in _fields(data):
        assert tag == 1
        assert isinstance(series, bytes)
        labels: list[tuple[str, str]] = []
        samples: list[tuple[int, bytes]] = []
        for kind, content in _fields(series):
            assert isinstance(content, bytes)
            parts = dict(_fields(content))
            if kind == 1:
                name, value = parts[1], parts[2]
                assert isinstance(name, bytes)
                assert isinstance(value, bytes)
                labels.append((name.decode(), value.decode()))
            else:
                at, raw = parts[2], parts[1]
                assert isinstance(at, int)
                assert isinstance(raw, bytes)
                samples.append((at, raw))
        yield tuple(labels), samples


def _of_text(text: str) -> Iterator[Sample]:
    for line in text.splitlines():
        found = re.fullmatch(r'(\w+)\{tool="([^"\\]*)"\} (\S+) (\d+)', line)
        assert found, line
        yield (("__name__", found[1]), ("tool", found[2])), int(found[4]), struct.pack("<d", float(found[3]))


def samples_of(window: Window) -> Counter[Sample]:
    """What a server holds that got *window* once."""
    found: Counter[Sample] = Counter()
    for family in window.families:
        for series in family.series:
            labels = (("__name__", series.name), *series.labels)
            for at, value in zip(series.times_s, series.values, strict=True):
                found[labels, at * 1000, struct.pack("<d", value)] += 1
            if series.ends:
                found[labels, (series.times_s[-1] + window.step_s) * 1000 - 1, _STALE] += 1
    return found


class FakeStore:
    """``script`` and ``query_script`` tell what requests get: a status, one with a text, or a broken connection."""

    def __init__(self) -> None:
        self.script: list[int | str | tuple[int, str]] = []
        self.samples: Counter[Sample] = Counter()
        self.requests = 0
        self.seen: list[tuple[str, Message]] = []
        self.flushes = True
        self.forgets = False
        self.query_script: list[int | str | tuple[int, str]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                store.get(self)

            def do_POST(self) -> None:
                store.post(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._over = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeStore:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def get(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append((request.path, request.headers))
        if request.path == "/internal/force_flush" and self.flushes:
            _answer(request, 200, "")
        else:
            _answer(request, 404, "404 page not found")

    def post(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append((request.path, request.headers))
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.path == "/api/v1/query":
            return self._query(request, parse_qs(body.decode())["query"][0])
        self.requests += 1
        step = self.script.pop(0) if self.script else 204
        if step == "silence":
            self._over.wait(10)
            request.close_connection = True
            return None
        if request.path == "/api/v1/write":
            series = decode(bytes(snappy.decompress_raw(body)) if body else b"")
            got = [(labels, at, value) for labels, samples in series for at, value in samples]
        else:
            got = list(_of_text(zlib.decompress(body, 31).decode()))
        if isinstance(step, str):
            share = {"nothing": 0, "half": len(got) // 2, "all": len(got)}[step.split()[-1]]
            # Remote write is all or nothing.
            if request.path != "/api/v1/write" or share == len(got):
                self.samples.update(got[:share])
            request.close_connection = True
            return None
        if step == 204 and not self.forgets:
            self.samples.update(got)
        status, text = step if isinstance(step, tuple) else (step, "scripted" if step >= 300 else "")
        return _answer(request, status, text)

    def _query(self, request: BaseHTTPRequestHandler, promql: str) -> None:
        if self.query_script:
            step = self.query_script.pop(0)
            if isinstance(step, str):
                request.close_connection = True
                return None
            return _answer(request, *(step if isinstance(step, tuple) else (step, "scripted")))
        if "[" not in promql:
            # Whether it is a VictoriaMetrics.
            return _answer(request, 200 if self.flushes else 422, '{"status":"success","data":{"result":[]}}')
        found: dict[Labels, list[list[object]]] = {}
        for (labels, at, value), number in sorted(self.samples.items()):
            if value != _STALE:
                found.setdefault(labels, []).extend([[at / 1000, repr(struct.unpack("<d", value)[0])]] * number)
        result = [{"metric": dict(labels), "values": pairs} for labels, pairs in found.items()]
        return _answer(
            request, 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})
        )


def _answer(request: BaseHTTPRequestHandler, status: int, text: str) -> None:
    request.send_response(status)
    if status == 429:
        request.send_header("Retry-After", text)
    body = b"" if status == 204 else text.encode()
    if status != 204:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
