"""Series, sums, budgets and what a commit shows."""

from __future__ import annotations

import math
import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.guard import OVERFLOW, clean
from logmetrics.store.series import ExactSum, HistogramSeries
from logmetrics.store.store import Store


def store_with(*metrics: MetricSpec, **limits: int) -> Store:
    return Store({metric.name: metric for metric in metrics}, LimitsSpec(**limits))


def shown(store: Store, metric: str) -> dict[tuple[str, ...], object]:
    return {series.labels: frozen for spec, rows in store.view()[1] for series, frozen in rows if spec.name == metric}


CALLS = MetricSpec("calls_total", "counter", "h", ("agent", "tool"))


@given(st.lists(st.lists(st.floats(0, 1e12), max_size=20), max_size=8))
def test_exact_sum_does_not_depend_on_batches(batches: list[list[float]]) -> None:
    """However values are cut into batches, the total is the double nearest to the true sum."""
    total = ExactSum()
    for batch in batches:
        total.add(list(batch))
    true_sum = sum((Fraction(value) for batch in batches for value in batch), Fraction(0))

    assert total.total == float(true_sum)


def test_nothing_is_shown_before_a_commit() -> None:
    """A view holds the last commit only."""
    store = store_with(CALLS)
    site = store.site("calls_total", {}, count_only=True)
    site["a", "x"].count += 1
    store.commit(0)
    site["a", "x"].count += 1

    assert shown(store, "calls_total") == {("a", "x"): 1}
    store.commit(0)
    assert shown(store, "calls_total") == {("a", "x"): 2}


def test_series_born_since_the_last_commit_are_not_shown() -> None:
    """Not even as 0."""
    store = store_with(CALLS)
    store.site("calls_total", {}, count_only=True)["a", "x"].count += 1

    assert shown(store, "calls_total") == {}


def test_views_while_series_are_born() -> None:
    """A scrape in the middle of a flood of new series sees a whole commit."""
    store = store_with(CALLS, series=10**6, series_per_metric=10**6, values_per_label=10**6)
    site = store.site("calls_total", {}, count_only=True)
    seen: list[int] = []
    stop = threading.Event()

    def scrape() -> None:
        while not stop.is_set():
            seen.append(len(shown(store, "calls_total")))

    scraper = threading.Thread(target=scrape)
    scraper.start()
    for number in range(60_000):
        site["a", str(number)].count += 1
        if number % 10_000 == 9_999:
            store.commit(0)
    stop.set()
    scraper.join()

    assert set(seen) <= {0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000}
    assert len(seen) > 3


def test_sites_meet_in_one_series() -> None:
    """Fixed and varying labels lead to the same series."""
    store = store_with(CALLS)
    store.site("calls_total", {}, count_only=True)["a", "x"].count += 1
    store.site("calls_total", {"tool": "x"}, count_only=True)["a"].count += 1
    store.site("calls_total", {"tool": "x", "agent": "a"}, count_only=True)[()].count += 1
    store.site("calls_total", {"tool": "x"}, count_only=False)["a"](0.5)
    store.commit(0)

    assert shown(store, "calls_total") == {("a", "x"): 3.5}


@pytest.mark.parametrize(
    ("limits", "calls", "expected", "refused"),
    [
        (
            {"values_per_label": 2},
            [("a", "1"), ("a", "2"), ("a", "3"), ("b", "3"), ("a", "1")],
            {("a", "1"): 2, ("a", "2"): 1, ("a", OVERFLOW): 1, ("b", OVERFLOW): 1},
            {("tool", "values"): 2},
        ),
        (
            {"series_per_metric": 2},
            [("a", "1"), ("b", "2"), ("c", "3"), ("c", "3"), ("a", "1")],
            {("a", "1"): 2, ("b", "2"): 1, (OVERFLOW, OVERFLOW): 2},
            {("*", "metric"): 2},
        ),
        (
            {"series": 1},
            [("a", "1"), ("b", "2")],
            {("a", "1"): 1, (OVERFLOW, OVERFLOW): 1},
            {("*", "process"): 1},
        ),
        (
            {"label_value_bytes": 4},
            [("a", "µµ"), ("a", "µµµ"), ("a", "12345")],
            {("a", "µµ"): 1, ("a", OVERFLOW): 2},
            {("tool", "bytes"): 2},
        ),
    ],
    ids=["values per label", "series per metric", "series per process", "bytes of a value"],
)
def test_budgets(
    limits: dict[str, int],
    calls: list[tuple[str, str]],
    expected: dict[tuple[str, ...], int],
    refused: dict[tuple[str, str], int],
) -> None:
    """Past a budget a measurement goes to the overflow series, each refusal is counted, and none is lost."""
    store = store_with(CALLS, **limits)
    site = store.site("calls_total", {}, count_only=True)
    for call in calls:
        site[call].count += 1
    store.commit(0)

    assert shown(store, "calls_total") == expected
    assert store.families["calls_total"].guard.overflows == refused
    assert sum(expected.values()) == len(calls)


def test_flood_of_values_keeps_memory_and_sums() -> None:
    """An endless stream of new values in both labels leaves a bounded number of series and an exact sum."""
    store = store_with(CALLS, series_per_metric=100, values_per_label=50)
    site = store.site("calls_total", {}, count_only=True)
    for number in range(20_000):
        site[f"agent-{number % 3000}", f"tool-{number}"].count += 1
    store.commit(0)

    values = shown(store, "calls_total")
    assert sum(value for value in values.values() if isinstance(value, int)) == 20_000
    assert len(values) < 1200
    assert len(site) == 0


def test_metric_and_label_limits_override() -> None:
    """A metric's own budgets take the place of the general ones."""
    metric = MetricSpec("calls_total", "counter", "h", ("agent", "tool"), series_max=3, values_max={"tool": 1})
    store = store_with(metric)
    site = store.site("calls_total", {}, count_only=True)
    for call in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("d", "1")]:
        site[call].count += 1
    store.commit(0)

    assert shown(store, "calls_total") == {
        ("a", "1"): 1,
        ("b", "1"): 1,
        ("a", OVERFLOW): 1,
        ("c", "1"): 1,
        (OVERFLOW, OVERFLOW): 1,
    }


def test_histogram_counts_its_buckets_in_the_process_budget() -> None:
    """A histogram series is as dear as its samples."""
    metric = MetricSpec("x_seconds", "histogram", "h", ("a",), (1.0, 2.0))
    store = store_with(metric, series=9)
    site = store.site("x_seconds", {}, count_only=False)
    site["a"](0.5)
    site["b"](0.5)
    store.commit(0)

    assert set(shown(store, "x_seconds")) == {("a",), (OVERFLOW,)}


def test_histogram_edges() -> None:
    """A value equal to a bound belongs to that bucket."""
    series = HistogramSeries((), (0.1, 1.0))
    series.values.extend([0.1, 0.1000001, 1.0, 1.5, 0, 1])

    assert series.present() == ((2, 5, 6), math.fsum([0.1, 0.1000001, 1.0, 1.5, 0, 1]), 6)


def test_init_and_label_free_series_exist_from_the_start() -> None:
    """What is known to exist is shown as 0 before anything happened."""
    store = store_with(
        MetricSpec("a_total", "counter", "h"),
        MetricSpec("b_total", "counter", "h", ("x",), init=(("1",),)),
        MetricSpec("c_seconds", "histogram", "h", (), (1.0,)),
        MetricSpec("g", "gauge", "h"),
    )
    store.commit(0)

    assert shown(store, "a_total") == {(): 0}
    assert shown(store, "b_total") == {("1",): 0}
    assert shown(store, "c_seconds") == {(): ((0, 0), 0.0, 0)}
    assert shown(store, "g") == {}


@pytest.mark.parametrize("versions", [["1"], ["1", "2"], ["1", "2", "1"]])
def test_info_shows_the_last_label_set_only(versions: list[str]) -> None:
    """An info metric replaces its series at the commit, also within one commit and back again."""
    store = store_with(MetricSpec("build_info", "info", "h", ("version",)))
    site = store.site("build_info", {}, count_only=False)
    for version in versions:
        site[version](1)
        before = shown(store, "build_info")
        store.commit(0)
        assert len(before) <= 1
        assert shown(store, "build_info") == {(version,): 1}
    for version in versions:
        site[version](1)
    store.commit(0)

    assert shown(store, "build_info") == {(versions[-1],): 1}


def test_active_keys_expire_with_time_alone() -> None:
    """A key counts until its window is over, whether or not anything else happens."""
    store = store_with(MetricSpec("active", "active", "h", ("type",), window_s=300))
    site = store.site("active", {}, count_only=False)
    site["llm"]["a"] = 0.0
    site["llm"]["b"] = 100.0
    results = []
    for now_s in (100.0, 300.0, 301.0, 401.0):
        store.commit(now_s)
        results.append(shown(store, "active")["llm",])

    assert results == [2, 2, 1, 0]


def test_active_keys_are_bounded() -> None:
    """A flood of keys forgets the oldest."""
    store = store_with(MetricSpec("active", "active", "h", ("type",), window_s=1e9))
    site = store.site("active", {}, count_only=False)
    for number in range(30_000):
        site["llm"][str(number)] = float(number)
    store.commit(30_000.0)

    assert shown(store, "active") == {("llm",): 10_000}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("", "unknown"),
        ("a\nb\x00", "a\ufffdb\ufffd"),
        ("\ud800x", "\\ud800x"),
        ("ünï 日本", "ünï 日本"),
    ],
)
def test_label_values_are_made_clean(raw: str, expected: str) -> None:
    """Every value that is admitted can be shown: no control characters, no lone surrogates, never empty."""
    assert clean(raw) == expected
    clean(raw).encode("utf-8")
