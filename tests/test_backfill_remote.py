"""History over HTTP: what is on the wire, what happens when sending fails, and what real servers then hold."""

from __future__ import annotations

import math
import random
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cramjam import snappy
from hypothesis import given, settings
from hypothesis import strategies as st

from logmetrics.errors import ReplayError, UsageError
from logmetrics.replay.samples import WINDOW_S, FamilySamples, SampleSeries, Window
from logmetrics.replay.targets import posting, refusals
from logmetrics.replay.targets.batches import batches, tails
from logmetrics.replay.targets.posting import Patience, Poster, UnsureError, retry_after_s, split_auth
from logmetrics.replay.targets.remote_write import RemoteWrite, query_url_of
from logmetrics.replay.targets.victoria import VictoriaMetrics, gzip, text_of
from logmetrics.replay.targets.wire import Encoder, normalised, varint
from tests import remote_sender
from tests.daemon import ROOT
from tests.fake_store import FakeStore, decode, samples_of
from tests.servers import prometheus, query, victoria

START_S = 1_795_377_600
STALE_BITS = 0x7FF0000000000002


def window_of(*series: SampleSeries, step_s: int = 15, start_s: int = START_S) -> Window:
    return Window(start_s, step_s, [FamilySamples("calls_total", "counter", "Calls.", list(series))])


def counting(count: int, *, tool: str = "a", ends: bool = False, start_s: int = START_S) -> SampleSeries:
    times_s = range(start_s, start_s + 15 * count, 15)
    return SampleSeries("calls_total", (("tool", tool),), times_s, range(count), ends)


# -- the wire ----------------------------------------------------------------------------------------------------------


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Windows of any step, whose series begin and end anywhere, and have gaps where something is there already."""
    step_s = draw(st.sampled_from([1, 7, 15, 60, 1000]))
    grid = range(-(-START_S // step_s) * step_s, START_S + WINDOW_S, step_s)
    made = []
    for number in range(draw(st.integers(1, 4))):
        low = draw(st.integers(0, len(grid) - 1))
        times_s = list(grid[low : low + draw(st.integers(1, 300))])
        times_s = (
            [at for at in times_s if at == times_s[0] or draw(st.integers(0, 20))] if draw(st.booleans()) else times_s
        )
        some = draw(
            st.lists(st.one_of(st.integers(-(2**63), 2**63), st.floats(allow_nan=False)), min_size=1, max_size=9)
        )
        values = [some[index % len(some)] for index in range(len(times_s))]
        labels = (("zone", draw(st.text(max_size=3))), ("a", "é" * draw(st.integers(0, 100))), ("n", str(number)))
        made.append(SampleSeries(f"metric_{number}", labels, times_s, values, draw(st.booleans())))
    return window_of(*made, step_s=step_s)


@settings(deadline=None, max_examples=60)
@given(windows(), st.integers(1, 500))
def test_requests_hold_the_samples(window: Window, samples_max: int) -> None:
    """A decoder that knows only the protocol finds each sample once, in ascending order, and the ends."""
    encoder = Encoder()
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, bytes]]] = {}
    for batch in batches(window, samples_max):
        assert 0 < sum(part.high - part.low for part in batch) <= samples_max
        for labels, samples in decode(encoder.encode(batch, window.step_s)):
            assert [name for name, _ in labels] == sorted({name for name, _ in labels})
            assert all(value for _, value in labels)
            found.setdefault(labels, []).extend(samples)
    expected = {}
    for series in window.families[0].series:
        labels = tuple(sorted((("__name__", series.name), *(pair for pair in series.labels if pair[1]))))
        pairs = zip(series.times_s, series.values, strict=True)
        expected[labels] = [(at * 1000, struct.pack("<d", value)) for at, value in pairs]
        if series.ends:
            end_ms = (series.times_s[-1] + window.step_s) * 1000 - 1
            expected[labels].append((end_ms, struct.pack("<Q", STALE_BITS)))
    assert expected == found


def test_half_an_hour_of_all_before_the_next() -> None:
    """No sample is older than half an hour before one that was sent earlier: a Prometheus refuses an hour."""
    window = window_of(*[counting(480, tool=str(number)) for number in range(5)])
    newest_s = 0
    for batch in batches(window, 100):
        for part in batch:
            assert part.series.times_s[part.low] > newest_s - 1800
            newest_s = max(newest_s, part.series.times_s[part.high - 1])


def test_bounds_as_prometheus_3_spells_them() -> None:
    """Only `le` of buckets is spelt anew, as Go spells numbers in the shortest form."""
    told = {
        "4194304.0": "4.194304e+06",
        "1000000.0": "1e+06",
        "100000.0": "100000.0",
        "999999.5": "999999.5",
        "123456789.0": "1.23456789e+08",
        "0.005": "0.005",
        "0.0001": "0.0001",
        "0.00001": "1e-05",
        "1.0": "1.0",
        "0.0": "0.0",
        "1e+16": "1e+16",
        "+Inf": "+Inf",
    }
    assert {bound: normalised(bound) for bound in told} == told
    series = [
        SampleSeries("s_bucket", (("le", "4194304.0"),), [0], [1]),
        SampleSeries("other", (("le", "4194304.0"),), [0], [1]),
    ]
    [batch] = batches(window_of(*series, start_s=0), 9)
    spelt = [dict(labels)["le"] for labels, _ in decode(Encoder(normalises=True).encode(batch, 15))]
    assert spelt == ["4.194304e+06", "4194304.0"]
    assert [dict(labels)["le"] for labels, _ in decode(Encoder().encode(batch, 15))] == ["4194304.0"] * 2


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**21, 2**42 - 1])
def test_varint(number: int) -> None:
    """Groups of seven bits, the lowest first."""
    data = varint(number)
    assert number == sum((byte & 0x7F) << 7 * index for index, byte in enumerate(data))
    assert [byte >= 0x80 for byte in data] == [True] * (len(data) - 1) + [False]


def test_time_out_of_range() -> None:
    """What cannot be written in six bytes is refused with a word about it."""
    early = window_of(SampleSeries("m", (), [-15], [1]), start_s=-7200)
    with pytest.raises(ReplayError, match="from 1970 to 2109"):
        Encoder().encode(next(batches(early, 10)), 15)


def test_text() -> None:
    """VictoriaMetrics' text has milliseconds, escapes, and no empty labels."""
    labels = (("tool", 'a"b\\c\nd'), ("empty", ""))
    window = window_of(
        SampleSeries("x", labels, [START_S, START_S + 15], [1, 0.25]), SampleSeries("y", (), [START_S], [math.inf])
    )
    (batch,) = batches(window, 10)
    assert text_of(batch) == (
        f'x{{tool="a\\"b\\\\c\\nd"}} 1 {START_S}000\n'
        f'x{{tool="a\\"b\\\\c\\nd"}} 0.25 {START_S + 15}000\n'
        f"y inf {START_S}000\n"
    )
    assert zlib.decompress(gzip(b"some text"), 31) == b"some text"


def test_tails() -> None:
    """The last sample of a series that ends, and only that, goes with its end."""
    rest, last = tails(window_of(counting(3, ends=True), counting(2, tool="b"), counting(1, tool="c", ends=True)))
    times = [[list(series.times_s) for series in part.families[0].series] for part in (rest, last)]
    at = [START_S, START_S + 15, START_S + 30]
    assert times == [[at[:2], at[:2], []], [at[2:], at[:1]]]
    assert [series.ends for series in rest.families[0].series] == [False] * 3
    assert [series.ends for series in last.families[0].series] == [True] * 2


# -- failures ----------------------------------------------------------------------------------------------------------


class Calm:
    """Time that passes only by waiting; chance that always says one half."""

    def __init__(self, limit_s: float = 300) -> None:
        self.time_s = float(START_S + 10 * WINDOW_S)
        self.waits: list[float] = []
        self.patience = Patience(
            limit_s, clock=lambda: self.time_s, now=lambda: self.time_s, sleep=self.sleep, draw=lambda: 0.5
        )

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time_s += seconds


@pytest.fixture
def store() -> Iterator[FakeStore]:
    with FakeStore() as made:
        yield made


def test_pauses_grow(store: FakeStore) -> None:
    """Each failure doubles the pause, up to the longest; a success starts anew; Retry-After is heeded."""
    calm = Calm()
    there = RemoteWrite(f"{store.url}/api/v1/write", unasked=True, patience=calm.patience)
    store.script = [*[503] * 8, (429, "40"), 204, 500, 204]
    assert there.write(window_of(counting(3))) == 3
    assert there.write(window_of(counting(3))) == 3
    assert calm.waits == [0.375, 0.75, 1.5, 3, 6, 12, 22.5, 22.5, 40, 0.375]


def test_patience_ends(store: FakeStore) -> None:
    """After the limit the last answer is told, and how to go on."""
    calm = Calm(limit_s=20)
    there = RemoteWrite(f"{store.url}/api/v1/write", unasked=True, patience=calm.patience)
    store.script = [503] * 99
    with pytest.raises(ReplayError, match=r"answered 503: scripted; given up after 6 tries in 12 s; the same command"):
        there.write(window_of(counting(3)))
    assert sum(calm.waits) <= 20


def test_nobody_listens() -> None:
    """A refused connection is tried again as well."""
    calm = Calm(limit_s=5)
    poster = Poster("http://user:secret@127.0.0.1:1/api/v1/write", {}, refusals.remote_write, calm.patience)
    with pytest.raises(ReplayError, match="no connection") as told:
        poster.post(b"")
    assert len(calm.waits) == 3
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("after", ["nothing", "half", "all"])
@pytest.mark.parametrize("kind", ["remote", "victoria"])
def test_connection_breaks(store: FakeStore, after: str, kind: str) -> None:
    """Whether nothing, a part, or all of a request arrived before the connection broke: each sample is sent once."""
    calm = Calm()
    there: RemoteWrite | VictoriaMetrics
    if kind == "remote":
        there = RemoteWrite(f"{store.url}/api/v1/write", patience=calm.patience, samples_max=100)
    else:
        there = VictoriaMetrics(store.url, patience=calm.patience, samples_max=100)
    store.script = [204, f"break after {after}", 204, 503, 204, f"break after {after}"]
    window = window_of(counting(300), counting(200, tool="b", ends=True))
    assert there.write(window) == 500
    assert samples_of(window) == store.samples
    assert len(calm.waits) == 3
    requests = store.requests
    assert there.write(window) == 0
    assert store.requests == requests


@pytest.mark.parametrize("lost", [[10, 11], [299]])
def test_holes_are_filled(store: FakeStore, lost: list[int]) -> None:
    """What a server lost, as VictoriaMetrics can when it is killed, comes again; an end only behind the last."""
    calm = Calm()
    window = window_of(counting(300, ends=True))
    RemoteWrite(f"{store.url}/api/v1/write", patience=calm.patience).write(window)
    whole = dict(store.samples)
    for index in lost:
        del store.samples[
            (("__name__", "calls_total"), ("tool", "a")), (START_S + 15 * index) * 1000, struct.pack("<d", index)
        ]
    assert VictoriaMetrics(store.url, patience=calm.patience).write(window) == len(lost)
    assert whole.keys() == store.samples.keys()


def test_time_out(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come leaves open what happened."""
    monkeypatch.setattr(posting, "_TIMEOUT", 0.1)
    store.script = ["silence"]
    poster = Poster(f"{store.url}/api/v1/write", {}, refusals.remote_write, Calm().patience)
    with pytest.raises(UnsureError, match="timed out"):
        poster.post(b"")


def test_refused_for_good(store: FakeStore) -> None:
    """What the server will never take is told at once, with the server's words and what to do."""
    calm = Calm()
    there = RemoteWrite(f"{store.url}/api/v1/write", unasked=True, patience=calm.patience)
    store.script = [(400, "out of bounds")]
    with pytest.raises(ReplayError, match=r"(?s)answered 400: out of bounds.*out_of_order_time_window"):
        there.write(window_of(counting(3)))
    assert not calm.waits


def test_future(store: FakeStore) -> None:
    """Samples of the future would keep out those of the present."""
    calm = Calm()
    calm.time_s = START_S + 20
    there = RemoteWrite(f"{store.url}/api/v1/write", unasked=True, patience=calm.patience)
    with pytest.raises(ReplayError, match="in the future"):
        there.write(window_of(counting(3)))
    assert not store.requests


def test_taken_but_not_there(store: FakeStore) -> None:
    """A server that says yes and keeps nothing is found out."""
    calm = Calm()
    store.forgets = True
    with pytest.raises(ReplayError, match=r"took all samples, but 3 of 3, from .*, cannot be found there"):
        RemoteWrite(f"{store.url}/api/v1/write", patience=calm.patience).write(window_of(counting(3)))
    assert len(calm.waits) == 61


def test_questions_are_tried_again(store: FakeStore) -> None:
    """A server that restarts while it is asked gets time; what was told of each pause names it."""
    calm = Calm()
    told: list[str] = []
    calm.patience.tell = told.append
    there = RemoteWrite(f"{store.url}/api/v1/write", patience=calm.patience)
    assert there.write(window_of(counting(3))) == 3
    store.query_script = [503, 503, "break", 503]
    assert there.write(window_of(counting(5))) == 2
    assert calm.waits == [0.375, 0.75, 1.5, 3]
    assert re.fullmatch(r"http://.*/api/v1/query: HTTP status 503: .*; next try in 0.4 s", told[0])


def test_victoria_that_cannot_flush(store: FakeStore) -> None:
    """Without force_flush, as in a cluster, half a minute passes before the first question."""
    calm = Calm()
    store.flushes = False
    there = VictoriaMetrics(store.url, patience=calm.patience)
    assert there.write(window_of(counting(3))) == 3
    assert there.write(window_of(counting(5))) == 2
    assert calm.waits == [31]


def test_headers(store: FakeStore) -> None:
    """User and password of the URL, a tenant and the protocol's headers go along, with samples and with questions."""
    url = store.url.replace("http://", "http://me:p%40ss@")
    RemoteWrite(f"{url}/api/v1/write", {"X-Scope-OrgID": "team"}, patience=Calm().patience).write(
        window_of(counting(3))
    )
    assert {path for path, _ in store.seen} >= {"/api/v1/write", "/api/v1/query"}
    for path, headers in store.seen:
        assert headers["Authorization"] == "Basic bWU6cEBzcw=="
        assert headers["X-Scope-OrgID"] == "team"
        if path == "/api/v1/write":
            assert headers["Content-Encoding"] == "snappy"
            assert headers["Content-Type"] == "application/x-protobuf"
            assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


ANSWERS = {
    "out of bounds": (400, "out of bounds\n", "out_of_order_time_window"),
    "too old, which Prometheus 2.42 calls an error of its own": (500, "too old sample\n", "out_of_order_time_window"),
    "out of order": (400, "out of order sample\n", "out_of_order_time_window"),
    "duplicate": (400, "duplicate sample for timestamp\n", "--until"),
    "no receiver": (404, "remote write receiver needs to be enabled with x", "--web.enable-remote-write-receiver"),
    "wrong path": (404, "404 page not found", "/api/v1/push for Mimir"),
    "no tenant": (401, "no org id", "X-Scope-OrgID"),
    "no login": (401, "Unauthorized", "USER:PASSWORD"),
    "overloaded": (500, "context deadline exceeded", ""),
}


@pytest.mark.parametrize(("status", "text", "hint"), ANSWERS.values(), ids=ANSWERS)
def test_explained(status: int, text: str, hint: str) -> None:
    """Each answer that people meet comes with what to do."""
    told = refusals.remote_write(status, text)
    assert (hint in told) if hint else not told


URLS = {
    "http://h:9090/api/v1/write": "http://h:9090",
    "https://u:p@h/prom/api/v1/write/": "https://u:p@h/prom",
    "http://mimir/api/v1/push": "http://mimir/prometheus",
    "https://g.net/api/prom/push": "https://g.net/api/prom",
    "http://vmauth:8427/insert/0/prometheus/api/v1/write": "http://vmauth:8427/select/0/prometheus",
}


@pytest.mark.parametrize(("url", "expected"), URLS.items())
def test_query_url(url: str, expected: str) -> None:
    """Where the samples can be asked for follows from where they are sent."""
    assert query_url_of(url) == expected


def test_query_url_unknown() -> None:
    """Thanos takes samples in one place and shows them in another."""
    with pytest.raises(UsageError, match="--query-url"):
        query_url_of("http://thanos:19291/api/v1/receive")
    with pytest.raises(UsageError, match="no URL of the form"):
        split_auth("localhost:9090/api/v1/write")


def test_cannot_be_asked(store: FakeStore) -> None:
    """Before anything is sent, a server that cannot be asked is told, and the way around."""
    store.query_script = [(404, "404 page not found")]
    with pytest.raises(ReplayError, match="--query-url URL; or send without asking: --send-anyway"):
        RemoteWrite(f"{store.url}/api/v1/write").write(window_of(counting(3)))
    store.query_script = [(401, "no org id")]
    with pytest.raises(ReplayError, match="Name the tenant: --header"):
        RemoteWrite(f"{store.url}/api/v1/push", query_url=store.url).write(window_of(counting(3)))
    assert not store.requests


def test_retry_after() -> None:
    """Seconds, or a date."""
    assert retry_after_s("17", 0) == 17
    assert retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 20) == 40
    assert retry_after_s("soon", 0) == retry_after_s("", 0) == 0


# -- real servers ------------------------------------------------------------------------------------------------------


def now_s() -> int:
    return int(time.time()) // 15 * 15


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Both servers, by kind."""
    with prometheus(tmp_path_factory.mktemp("prometheus")) as one, victoria(tmp_path_factory.mktemp("victoria")) as two:
        yield {"prometheus": one, "victoria": two}


def assert_holds(url: str, instance: str, end_s: int, *, decimal: bool = False) -> None:
    """*url* holds the history of *instance*: the number of samples, the last values, the increase, and the ends."""
    count: dict[str, int] = {}
    last: dict[str, tuple[int, float]] = {}
    for window in remote_sender.history(instance, end_s):
        for series in window.families[0].series:
            tool = series.labels[0][1]
            count[tool] = count.get(tool, 0) + len(series.times_s)
            last[tool] = (series.times_s[-1], float(series.values[-1]))
    selector = f'calls_total{{instance="{instance}"}}'

    def ask(expression: str, at_s: int) -> dict[str, float]:
        return {entry["metric"]["tool"]: float(entry["value"][1]) for entry in query(url, expression, at_s)}

    assert ask(f"count_over_time({selector}[1d])", end_s + 3600) == count
    # VictoriaMetrics cuts fractions to the digits that the greatest value near them leaves: there a drop of 1e-12 is a
    # reset, by which increase() is not misled.
    resets = ask(f"resets({selector}[1d])", end_s)
    fractions = {f'a "{number}"' for number in range(0, remote_sender.SERIES, 3)} if decimal else set()
    assert {tool for tool, number in resets.items() if number} <= fractions
    for at_s in {at for at, _ in last.values()}:
        mine = {tool: value for tool, (last_s, value) in last.items() if last_s == at_s}
        shown, grown = ask(selector, at_s), ask(f"increase({selector}[3h])", at_s)
        for tool, value in mine.items():
            assert shown[tool] == pytest.approx(value, rel=1e-12)
            assert grown[tool] == pytest.approx(value, rel=1e-12)
        gone = ask(selector, at_s + 15)
        assert not mine.keys() & gone.keys(), "the stale marker ends a series"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["prometheus", "victoria", "victoria by remote write"])
def test_real_server(servers: dict[str, str], kind: str) -> None:
    """What a server holds is the history; a second run sends nothing."""
    url, instance, end_s = servers[kind.split()[0]], kind.replace(" ", "-"), now_s() - 600
    there = remote_sender.target("remote" if kind.endswith("write") else kind, url)
    sent = [there.write(window) for window in remote_sender.history(instance, end_s)]
    assert sent == [window.size for window in remote_sender.history(instance, end_s)]
    decimal = kind.startswith("victoria")
    assert_holds(url, instance, end_s, decimal=decimal)
    again = remote_sender.target("remote" if kind.endswith("write") else kind, url)
    assert [again.write(window) for window in remote_sender.history(instance, end_s)] == [0] * len(sent)
    assert_holds(url, instance, end_s, decimal=decimal)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["prometheus", "victoria"])
def test_killed_in_the_middle(servers: dict[str, str], kind: str) -> None:
    """Killed within requests, anywhere, and run again: the server holds what it would hold without the kills."""
    end_s, draw = now_s() - 600, random.Random(11)
    command = [sys.executable, "-m", "tests.remote_sender", kind, servers[kind], "killed", str(end_s)]
    # From one run to the next some requests more get through; of the last one nothing, a part, or all of it.
    for share in (0.0, 0.3, draw.random(), 0.95, 1.0, 1.0):
        ended = subprocess.run([*command, str(draw.randrange(1, 4)), str(share)], cwd=ROOT, stdout=subprocess.PIPE)
        assert ended.returncode == -9
    rest = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    size = sum(window.size for window in remote_sender.history("killed", end_s))
    assert 0 < int(rest.stdout) < size
    assert_holds(servers[kind], "killed", end_s, decimal=kind == "victoria")


@pytest.mark.slow
def test_prometheus_without_window(tmp_path: Path) -> None:
    """An idle Prometheus without an out-of-order window takes history once, and says why it takes nothing older."""
    with prometheus(tmp_path, "") as url:
        end_s = now_s() - 600
        there = remote_sender.target("prometheus", url)
        for window in remote_sender.history("first", end_s):
            there.write(window)
        assert_holds(url, "first", end_s)
        with pytest.raises(ReplayError, match=r"(?s)out of bounds.*out_of_order_time_window: 30d"):
            there.write(next(remote_sender.history("second", end_s)))
        with pytest.raises(ReplayError, match=r"keeps samples for 15 days only.*--since"):
            remote_sender.target("prometheus", url).write(next(remote_sender.history("old", end_s - 86400 * 20)))


@pytest.mark.slow
def test_prometheus_without_receiver(tmp_path: Path) -> None:
    """A Prometheus that takes no remote write says how it would."""
    with prometheus(tmp_path, receiver=False) as url:
        there = remote_sender.target("prometheus", url)
        with pytest.raises(ReplayError, match=r"Start Prometheus with --web\.enable-remote-write-receiver"):
            there.write(next(remote_sender.history("any", now_s() - 600)))


@pytest.mark.slow
def test_victoria_retention(tmp_path: Path) -> None:
    """What VictoriaMetrics would drop with 204 is not sent."""
    with victoria(tmp_path, retention="2d") as url:
        for there in (VictoriaMetrics(url), RemoteWrite(f"{url}/api/v1/write")):
            with pytest.raises(ReplayError, match="keeps samples for 2 days only"):
                there.write(next(remote_sender.history("old", now_s() - 86400 * 3)))
        with pytest.raises(ReplayError, match="http://HOST:8428"):
            VictoriaMetrics(f"{url}/wrong", query_url=url).write(next(remote_sender.history("x", now_s())))


def test_snappy_is_the_block_format() -> None:
    """Not the framing format, which begins with its name."""
    data = b"sample" * 100
    assert bytes(snappy.decompress_raw(bytes(snappy.compress_raw(data)))) == data
