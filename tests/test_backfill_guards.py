"""What would lose or spoil samples is refused before anything is written, with the remedy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logmetrics.errors import ReplayError
from logmetrics.replay.targets.blocks import TsdbBlocks
from logmetrics.replay.targets.guards import Plan, Violation, refuse, violations
from logmetrics.replay.targets.prometheus_api import PrometheusApi, RawSamples, SeriesKey
from logmetrics.replay.targets.promtool import Promtool
from tests.daemon import wait_until
from tests.history import TARGET, History
from tests.live import Live

START_S = 1_795_399_200  # 2026-11-23T02:00:00Z, a multiple of two hours
HOUR_S = 3600
NOW_S = START_S + 30 * HOUR_S  # 2026-11-24T08:00:00Z
PLAN = Plan("blocks", START_S, START_S + 24 * HOUR_S, 15, dict(TARGET), ("calls_total", "active"))


class Told(PrometheusApi):
    """A server that is as it is told to be."""

    def __init__(
        self,
        *,
        head_min_s: float | None = NOW_S - 2 * HOUR_S,
        retention_s: float | None = 15 * 24 * HOUR_S,
        out_of_order_s: float | None = 48 * HOUR_S,
        live_s: Sequence[float] = (),
        version: str = "2.42.0",
    ) -> None:
        super().__init__("http://told:9090")
        self._told = head_min_s, retention_s, out_of_order_s
        self._live_s, self._version = live_s, version

    def head_min_s(self) -> float | None:
        return self._told[0]

    def retention_s(self) -> float | None:
        return self._told[1]

    def out_of_order_window_s(self) -> float | None:
        return self._told[2]

    def version(self) -> str:
        return self._version

    def query(self, promql: str, at_s: float) -> list[dict[str, Any]]:
        """Others have a series at all times; ours is there when it has samples."""
        if "__name__!=" in promql:
            return [{"value": [at_s, "2"]}]
        return [{"value": [at_s, "1"]}] if self._live_s else []

    def samples(
        self, matchers: Mapping[str, str], names: Sequence[str], start_s: float, end_s: float
    ) -> dict[SeriesKey, RawSamples]:
        assert matchers == PLAN.labels
        return {(): [(round(at_s * 1000), 1.0) for at_s in self._live_s if start_s <= at_s < end_s]}


def test_nothing_is_wrong() -> None:
    """A plan that keeps all rules has no violations, with each target and without a server."""
    remote: Plan = replace(PLAN, target="remote-write")
    for plan in (PLAN, remote, replace(PLAN, target="files"), replace(PLAN, target="victoriametrics")):
        assert violations(plan, Told(), NOW_S) == []
        assert violations(plan, None, NOW_S) == []
    # Samples at the times of steps are those of an earlier replay: compared one by one later.
    assert violations(PLAN, Told(live_s=[START_S, START_S + 15]), NOW_S) == []
    # Before the history and behind its last sample they do no harm.
    assert violations(PLAN, Told(live_s=[START_S - 0.5, PLAN.end_s - 14.9]), NOW_S) == []
    # Nor is a step too much when blocks end right before the first live sample of all.
    assert violations(PLAN, Told(head_min_s=PLAN.end_s - 14.9), NOW_S) == []


CASES: dict[str, tuple[Plan, Told | None, str]] = {
    "head": (
        PLAN,
        Told(head_min_s=START_S + 23 * HOUR_S + 7.5),
        "refuses: blocks up to 2026-11-24T02:00:00Z: http://told:9090 has live samples since 2026-11-24T01:00:07.500Z "
        "that are in no block yet; at its next restart it would drop those of all its targets that are older than the "
        "newest block's end; end with --until 2026-11-24T01:00:15Z, and then give --remote-write instead of "
        "--tsdb, without --until: it sends what is missing",
    ),
    "head alone": (
        PLAN,
        Told(head_min_s=START_S),
        "refuses: *; write it with --remote-write, or wait until it is older",
    ),
    "no server": (
        replace(PLAN, end_s=START_S + 28 * HOUR_S),
        None,
        "refuses: blocks up to 2026-11-24T06:00:00Z: without the URL of Prometheus, all that it has of the last three "
        "hours may be in no block yet; *; end with --until 2026-11-24T04:00:00Z, and then give --remote-write "
        "instead of --tsdb, without --until: it sends what is missing",
    ),
    "retention": (
        PLAN,
        Told(retention_s=24 * HOUR_S),
        "refuses: history since 2026-11-23T02:00:00Z: http://told:9090 keeps samples for 1 days before its newest "
        "block, and would delete older ones as soon as it finds them; start Prometheus with "
        "--storage.tsdb.retention.time=3d or more before, or begin with --since 2026-11-23T08:00:00Z",
    ),
    "retention of remote write": (
        replace(PLAN, target="remote-write"),
        Told(retention_s=24 * HOUR_S),
        "refuses: history since *--storage.tsdb.retention.time=3d*",
    ),
    "retention not known": (
        replace(PLAN, start_s=START_S - 14 * 24 * HOUR_S),
        Told(retention_s=None),
        "tells: history since 2026-11-09T02:00:00Z: how long samples are kept is not known; older ones are deleted "
        "without a word; start Prometheus with --storage.tsdb.retention.time=17d or more before",
    ),
    "retention of VictoriaMetrics": (
        replace(PLAN, start_s=START_S - 14 * 24 * HOUR_S, target="victoriametrics"),
        Told(),
        "tells: *; start VictoriaMetrics with -retentionPeriod=17d or more",
    ),
    "live samples": (
        PLAN,
        Told(live_s=[START_S, START_S + 22 * HOUR_S + 61.123]),
        "refuses: live samples of the same series since 2026-11-24T00:01:01.123Z: history would lie over them, and "
        "each step from one to the other and back would count as an increase: hundreds of times the truth; end with "
        "--until 2026-11-24T00:01:15Z",
    ),
    "live samples from the start": (
        PLAN,
        Told(live_s=[START_S + 0.5]),
        "refuses: live samples *; there is nothing left to replay, or give this history another job or instance with "
        "--label",
    ),
    "live samples of remote write": (
        replace(PLAN, target="remote-write"),
        Told(live_s=[START_S + 100]),
        "refuses: live samples *; end with --until 2026-11-23T02:01:45Z",
    ),
    "out-of-order window": (
        replace(PLAN, target="remote-write"),
        Told(out_of_order_s=2 * HOUR_S),
        "refuses: history since 2026-11-23T02:00:00Z: http://told:9090 takes no samples that are late, unless they are "
        "2 h late at most, and refuses a whole request for one of them; set storage: {tsdb: {out_of_order_time_window: "
        "31h}} in its configuration and have it read again (SIGHUP, or POST /-/reload); no restart is needed",
    ),
    "out-of-order window not known": (
        replace(PLAN, target="remote-write"),
        Told(out_of_order_s=None),
        "tells: *; if it is a Prometheus, set storage: {tsdb: {out_of_order_time_window: 31h}} *",
    ),
    "future": (
        replace(PLAN, target="remote-write", end_s=NOW_S + 60),
        Told(),
        "refuses: samples up to 2026-11-24T08:00:45Z: that is in the future; Prometheus would refuse live samples of "
        "these series until then; end with --until 2026-11-24T08:00:00Z",
    ),
    "no job": (
        replace(PLAN, labels={"instance": "host:8001"}),
        None,
        "refuses: no label job: Prometheus gives these to what it scrapes, so live samples would be other series than "
        "their history; give --label job=logmetrics, as the scrape target is called in Prometheus",
    ),
    "no labels in files": (
        replace(PLAN, target="files", labels={"job": ""}),
        None,
        "tells: no label job and no label instance: *; give --label job=logmetrics --label instance=HOST:8001, *",
    ),
    "coarse step": (replace(PLAN, step_s=600), None, "tells: a step of 600 s: *; give --step 60s or less; *"),
    "odd step": (replace(PLAN, step_s=7), None, "refuses: a step of 7 s: *; give --step a divisor of two hours, *"),
    "no step": (replace(PLAN, step_s=0), Told(), "refuses: a step of 0 s: *"),
    "versions": (
        replace(PLAN, names=("seconds_bucket", "seconds_sum", "seconds_count")),
        Told(version=f"{(Promtool().major_version() or 0) + 1}.1.0"),
        "tells: promtool is of version *put the promtool of version * first on the PATH",
    ),
}


def text_of(violation: Violation) -> str:
    return f"{'refuses' if violation.refuses else 'tells'}: {violation}"


@pytest.mark.parametrize(("plan", "api", "expected"), CASES.values(), ids=CASES)
def test_each_guard(plan: Plan, api: Told | None, expected: str) -> None:
    """Each rule has its message, with the remedy in figures; a * stands for what another case has in full."""
    [found] = violations(plan, api, NOW_S)
    place = 0
    text = text_of(found)
    for part in expected.split("*"):
        place = text.find(part, place)
        assert place >= 0, (part, text)
        place += len(part)
    assert expected.endswith("*") or text.endswith(expected.split("*")[-1])


def test_remedies_agree() -> None:
    """Where two rules ask for an earlier end, both name the one that is enough for both."""
    api = Told(head_min_s=START_S + 23 * HOUR_S, live_s=[START_S + 22 * HOUR_S + 1])
    found = violations(PLAN, api, NOW_S)
    assert len(found) == 2
    assert all("--until 2026-11-24T00:00:15Z" in violation.remedy for violation in found)
    with pytest.raises(ReplayError, match=r"nothing was written:\n- .*\n- "):
        refuse(found)
    refuse([replace(violation, refuses=False) for violation in found])


@pytest.mark.slow
def test_a_real_server(tmp_path: Path) -> None:
    """A Prometheus with live samples is asked for its head, retention, window and samples; remedies then suffice."""
    with Live(tmp_path, out_of_order="2h", flags=("--storage.tsdb.retention.time=2d",)) as live:
        wait_until(lambda: live.api.query("calls_total > 1", time.time()))
        head_s = live.api.head_min_s()
        assert head_s
        end_s = int(-(-head_s // 5) * 5)
        wait_until(lambda: time.time() > end_s)
        now_s = time.time()
        good = Plan("blocks", end_s - 6 * HOUR_S, end_s, 5, dict(TARGET), ("calls_total",))
        assert violations(good, live.api, now_s) == []
        for bad, told in (
            (replace(good, end_s=end_s + 5), ["live samples of the same series since", "blocks up to"]),
            (replace(good, end_s=end_s + 5, names=("other_total",)), ["blocks up to"]),
            (replace(good, start_s=end_s - 50 * HOUR_S), ["history since"]),
            (replace(good, target="remote-write"), ["history since"]),
            (
                replace(good, target="remote-write", end_s=end_s + 7200),
                ["samples up to", "live samples", "history since"],
            ),
        ):
            found = violations(bad, live.api, now_s)
            assert [text.what[: len(start)] for text, start in zip(found, told, strict=True)] == told
        # Half of a replay is there, and Prometheus was started again: what it tells of its head is that half's end.
        history = History(good.start_s, good.end_s, good.step_s)
        windows = list(history.windows())
        with TsdbBlocks(live.data, live.api, now_s) as blocks:
            for window in windows[:2]:
                blocks.write(window)
        live.restart()
        told_s = live.api.head_min_s()
        assert told_s
        assert told_s < end_s - HOUR_S
        names = {series.name for window in windows for family in window.families for series in family.series}
        plan = replace(good, names=tuple(sorted(names)))
        assert violations(plan, live.api, time.time()) == []
        late = replace(plan, end_s=end_s + 5)
        assert [violation.what[:12] for violation in violations(late, live.api, time.time())] == [
            "live samples",
            "blocks up to",
        ]
        # So the rest goes in too, and nothing that was scraped is lost by that.
        with TsdbBlocks(live.data, live.api, time.time()) as blocks:
            assert [bool(blocks.write(window)) for window in windows] == [number >= 2 for number in range(len(windows))]
            seen_s = time.time()
            scraped = "count_over_time(up[60s])"
            before = live.value(scraped, seen_s)
            live.restart()
            assert blocks.verify(lambda _: None, 0) == []
            assert live.value(scraped, seen_s) >= before > 3
            assert live.api.head_min_s() == pytest.approx(end_s - 5, abs=1)
        # Nor does a block go in that ends after the first scrape, whatever the guards were not asked.
        [late_window] = History(end_s, end_s + 5, 5).windows()
        with (
            TsdbBlocks(live.data, live.api, time.time()) as blocks,
            pytest.raises(ReplayError, match="at its next restart it would drop all of them before the block's end"),
        ):
            blocks.write(late_window)
