"""What is there is compared sample by sample with what was expected, and what is missing is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import Window
from logmetrics.replay.targets import verify as module
from logmetrics.replay.targets.prometheus_api import PrometheusApi, RawSamples, SeriesKey
from logmetrics.replay.targets.verify import compare, missing, span_of, verify
from tests.history import TARGET, History

START_S = 1_795_399_200
Place = tuple[SeriesKey, int]


class Holding(PrometheusApi):
    """A server that has some samples."""

    def __init__(self, *windows: Window, victoria: bool = False, normal_le: bool = False) -> None:
        super().__init__("http://holding:9090")
        self._victoria = victoria
        self.asked: list[Sequence[str]] = []
        self.there: dict[SeriesKey, RawSamples] = {}
        for window in windows:
            for family in window.families:
                for series in family.series:
                    labels = dict(series.labels)
                    if normal_le and labels.get("le") == "10.0":
                        labels["le"] = "1e+01"
                    key = tuple(sorted([("__name__", series.name), *labels.items()]))
                    pairs = zip(series.times_s, series.values, strict=True)
                    self.there.setdefault(key, []).extend((time_s * 1000, float(value)) for time_s, value in pairs)

    def samples(
        self, matchers: Mapping[str, str], names: Sequence[str], start_s: float, end_s: float
    ) -> dict[SeriesKey, RawSamples]:
        self.asked.append(names)
        assert dict(matchers).items() >= dict(TARGET).items()
        found = {}
        for key, pairs in self.there.items():
            inside = [pair for pair in pairs if start_s * 1000 <= pair[0] < end_s * 1000]
            if dict(key)["__name__"] in names and inside:
                found[key] = inside
        return found


def made() -> Window:
    [window] = History(START_S, START_S + 300, agents=2).windows()
    return window


def places(window: Window) -> set[tuple[str, tuple[tuple[str, str], ...], int]]:
    return {
        (series.name, series.labels, time_s)
        for family in window.families
        for series in family.series
        for time_s in series.times_s
    }


@pytest.mark.parametrize("normal_le", [False, True])
def test_all_is_there(normal_le: bool) -> None:
    """Nothing is wrong with what is complete, however the server spells the bounds of buckets."""
    assert verify(made(), Holding(made(), normal_le=normal_le)) == []
    assert missing(made(), Holding(made(), normal_le=normal_le)).size == 0
    assert verify(Window(START_S, 15), Holding()) == []


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 319)))
def test_what_is_missing(gone: set[int]) -> None:
    """Of a server that lacks any samples, exactly those are missing."""
    window, api = made(), Holding(made())
    number = 0
    lacking: set[tuple[SeriesKey, int]] = set()
    for key, pairs in api.there.items():
        kept = [pair for place, pair in enumerate(pairs, number) if place not in gone]
        lacking |= {(key, ms // 1000) for ms, _ in set(pairs) - set(kept)}
        number += len(pairs)
        api.there[key] = kept
    assert number == 320
    rest = missing(window, api)
    found = {(tuple(sorted([("__name__", name), *labels])), time_s) for name, labels, time_s in places(rest)}
    assert found == lacking
    assert rest.size == len(lacking)
    assert all(series.times_s for family in rest.families for series in family.series)
    assert bool(verify(window, api)) == bool(lacking)


def changed(change: Callable[[RawSamples], object], victoria: bool = False) -> Holding:
    """A server on which the first counter's samples are not what they were."""
    api = Holding(made(), victoria=victoria)
    change(next(iter(api.there.values())))
    return api


SERIES = "calls_total{agent='agent \"0\"',job='logmetrics',instance='host:8001'}"
HEAD = "window 2026-11-23T02:00:00Z: "


def test_other_samples() -> None:
    """Another value, another time and another series are told with an example, and the first two stop a replay."""
    other = changed(lambda pairs: pairs.__setitem__(1, (pairs[1][0], 77.0)))
    [told] = verify(made(), other)
    assert told == f"{HEAD}1 samples have another value, such as {SERIES} at 2026-11-23T02:00:15Z: 77 instead of 1"
    extra = changed(lambda pairs: pairs.insert(1, (pairs[0][0] + 7500, 1.0)))
    [told] = verify(made(), extra)
    assert told.endswith("were not expected in these series, such as " + told.partition("such as ")[2])
    assert told.endswith("at 2026-11-23T02:00:07.500Z")
    for api in (other, extra):
        with pytest.raises(ReplayError, match="has other samples of the same series: window"):
            missing(made(), api)
    later = changed(lambda pairs: pairs.append((pairs[-1][0] + 7500, 1.0)))
    assert verify(made(), later) == []  # the live series goes on
    window = made()
    window.families[0].series.pop()
    [told] = verify(window, Holding(made()))
    assert "20 samples are of series that were not expected, such as calls_total{agent='agent \"1\"'" in told
    assert missing(window, Holding(made())).size == 0


def test_victoria_metrics() -> None:
    """It keeps decimals, marks ends by NaN, and keeps what is sent twice twice."""
    nearly = changed(lambda pairs: pairs.__setitem__(-1, (pairs[-1][0], pairs[-1][1] * (1 + 1e-15))), victoria=True)
    assert verify(made(), nearly) == []
    marked = changed(lambda pairs: pairs.append((pairs[-1][0] + 1, float("nan"))), victoria=True)
    assert verify(made(), marked) == []
    [told] = verify(made(), Holding(made(), made(), victoria=True))
    assert "320 samples are there twice, such as" in told
    assert missing(made(), Holding(made(), made(), victoria=True)).size == 0


def test_patience() -> None:
    """What is missing may come; what is wrong is told at once; at the end of patience it is missing."""
    window, api = made(), Holding()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            api.there = Holding(window).there

    assert verify(window, api, wait=wait) == []
    assert len(waited) == 3
    api.there, waited[:] = {}, []
    problems = verify(window, api, wait=waited.append, patience_s=9)
    assert sum(waited) == 10
    assert problems == [problems[0]]
    assert problems[0].startswith(f"{HEAD}320 samples are missing, such as {SERIES} at 2026-11-23T02:00:00Z; ")


def test_large_windows_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are for as many metrics as have not too many samples."""
    monkeypatch.setattr(module, "_QUERY_SAMPLES", 90)
    api = Holding(made())
    assert verify(made(), api) == []
    buckets = ["call_seconds_bucket", "call_seconds_sum", "call_seconds_count"]
    assert api.asked == [["calls_total", "active"], buckets]
    gone = deepcopy(made())
    gone.families = gone.families[1:]
    assert compare(made(), Holding(gone)).missing.size == 40
    assert span_of(made()) == (START_S, START_S + 285)
