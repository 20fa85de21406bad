"""Blocks of history in a real Prometheus: all of it is there, nobody loses anything, and twice is as once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import Window
from logmetrics.replay.targets.blocks import STAGING, TsdbBlocks
from logmetrics.replay.targets.promtool import Promtool
from logmetrics.replay.targets.verify import Comparison, compare_found, span_of, verify
from tests.daemon import ROOT, wait_until
from tests.history import History
from tests.live import Live

pytestmark = pytest.mark.slow

START_S = 1_795_399_200  # a multiple of two hours
NOW_S = START_S + 30 * 3600


def blocks_of(data: Path) -> list[Path]:
    """The directories whose names are those of blocks."""
    return sorted(path for path in data.iterdir() if len(path.name) == 26)


def differences(data: Path, history: History) -> list[str]:
    """How what promtool reads in *data* differs from *history*."""
    found = Promtool().dump(data)
    told = []
    for window in history.windows():
        span, comparison = span_of(window), Comparison(Window(window.start_s, window.step_s))
        assert span
        compare_found(window, found, span, 0.0, comparison)
        told += comparison.problems()
    return told


def test_a_day_beside_live_samples(tmp_path: Path) -> None:
    """A day goes in beside live samples of the same series; increases are the truth, across the seam too."""
    with Live(tmp_path, agents=2) as live:
        wait_until(lambda: live.api.query("calls_total > 3", time.time()))
        head_s = live.api.head_min_s()
        assert head_s
        end_s = int(head_s // 15 * 15)
        history = History(end_s - 86400, end_s, agents=3)
        with TsdbBlocks(live.data, live.api, time.time()) as blocks:
            written = [blocks.write(window) for window in history.windows()]
            assert all(written)
            assert [blocks.write(window) for window in history.windows()] == [None] * len(written)  # not seen yet
            seen_s = time.time()
            before = live.value("sum(count_over_time(calls_total[1h]))", seen_s)
            live.restart()
            assert blocks.verify(lambda _: None, 0) == []
        assert not (live.data / STAGING).exists()
        assert live.value(f"sum(count_over_time(calls_total[{seen_s - end_s:.0f}s]))", seen_s) >= before
        assert before >= 8

        last_s = end_s - 15
        for agent, totals in history.calls.items():
            series = f"calls_total{{agent={json.dumps(agent)}}}"
            assert live.value(f"increase({series}[24h])", last_s) == totals[-1]
            for hour in (5, 13, 22):
                place = hour * 240
                truth = totals[place] - totals[place - 240]
                at_s = history.times_s[place]
                assert live.value(f"increase({series}[1h])", at_s) == pytest.approx(truth)
        first = next(iter(history.calls))
        series = f"calls_total{{agent={json.dumps(first)}}}"
        live_s = live.value(f"timestamp({series})", time.time())
        now = live.value(series, live_s)
        assert live.value(f"resets({series}[25h])", live_s) == 1
        assert live.value(f"increase({series}[25h])", live_s) == pytest.approx(history.calls[first][-1] + now, rel=1e-3)

        there = blocks_of(live.data)
        with TsdbBlocks(live.data, live.api, time.time()) as blocks:
            assert [blocks.write(window) for window in history.windows()] == [None] * len(written)
        assert len(blocks_of(live.data)) <= len(there)


def test_later_history_goes_on(tmp_path: Path) -> None:
    """A window of which a part is there gets the rest; other values for what is there are refused."""
    whole = History(START_S, START_S + 7200)
    [half] = History(START_S, START_S + 3600).windows()
    with Live(tmp_path, flags=("--storage.tsdb.retention.time=10y",)) as live:
        wait_until(lambda: (live.api.head_min_s() or 0) < float("inf"))
        [window] = whole.windows()
        for written in (half, window):
            with TsdbBlocks(live.data, live.api, time.time()) as blocks:
                assert blocks.write(written)
                live.restart()
                assert blocks.verify(lambda _: None, 0) == []
        [other] = History(START_S, START_S + 7200, seed=2).windows()
        [finer] = History(START_S, START_S + 7200, step_s=30).windows()
        with TsdbBlocks(live.data, live.api, time.time()) as blocks:
            with pytest.raises(ReplayError, match=r"has other samples of the same series.*Z: \d+ instead of"):
                blocks.write(other)
            with pytest.raises(ReplayError, match=r"not expected in these series.*--label replay=2"):
                blocks.write(finer)
        window.families[0].series.pop()
        assert "are of series that were not expected, such as calls_total" in "".join(verify(window, live.api))


def test_another_directory(tmp_path: Path) -> None:
    """Blocks that the server does not find are missed, with a hint at why."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Live(tmp_path, flags=("--storage.tsdb.retention.time=10y",)) as live:
        with TsdbBlocks(elsewhere, live.api, NOW_S) as blocks:
            wait_until(lambda: (live.api.head_min_s() or 0) < float("inf"))
            for window in History(START_S + 7170, START_S + 7230, agents=1).windows():
                assert blocks.write(window)
            waited: list[float] = []
            problems = blocks.verify(waited.append, 4)
        assert [": 16 samples are missing" in problem for problem in problems] == [True, True, False]
        assert f"is {elsewhere} what {live.url} has as --storage.tsdb.path" in problems[2]
        assert sum(waited) == 4  # once for all


def test_without_a_server(tmp_path: Path) -> None:
    """Blocks are read back by promtool, are there once however often they are written, and keep away from the head."""
    history = History(START_S + 3600, START_S + 6 * 3600)
    for _ in range(2):
        with TsdbBlocks(tmp_path, None, NOW_S) as blocks:
            for window in history.windows():
                blocks.write(window)
        assert len(blocks_of(tmp_path)) == 3
    assert differences(tmp_path, history) == []
    with TsdbBlocks(tmp_path, None, START_S + 4 * 3600) as blocks:
        with pytest.raises(
            ReplayError, match=r"drop all of them before the block's end; end with --until 2026-11-23T02:00:00Z"
        ):
            blocks.write(next(History(START_S, START_S + 30).windows()))
        with pytest.raises(ReplayError, match="another replay writes blocks there"):
            TsdbBlocks(tmp_path, None, NOW_S)


def test_compacted_blocks_are_known(tmp_path: Path) -> None:
    """What Prometheus made one block of is not written again; what was deleted is."""
    history = History(START_S, START_S + 6 * 3600)
    windows = list(history.windows())
    with TsdbBlocks(tmp_path, None, NOW_S) as blocks:
        ulids = [blocks.write(window) for window in windows]
        # As a compaction leaves them: one block, which names those that went into it.
        big = blocks_of(tmp_path)[0]
        meta = json.loads((big / "meta.json").read_text())
        meta["compaction"]["sources"] = ulids[:2]
        (big / "meta.json").write_text(json.dumps(meta))
        for path in blocks_of(tmp_path)[1:]:
            path.rename(tmp_path / f"{path.name}.gone")
        assert [bool(blocks.write(window)) for window in windows] == [False, False, True]


WRITER = """
import sys
from pathlib import Path
from logmetrics.replay.targets.blocks import TsdbBlocks
from tests.history import History
start_s, now_s = int(sys.argv[2]), int(sys.argv[3])
with TsdbBlocks(Path(sys.argv[1]), None, now_s) as blocks:
    for window in History(start_s, start_s + 6 * 3600).windows():
        blocks.write(window)
"""


def test_killed_anywhere(tmp_path: Path) -> None:
    """Killed while text is written, while promtool works, between blocks: the next run makes it whole, and once."""
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(START_S), str(NOW_S)]
    staging = f"{STAGING}/"
    for pattern in (f"{staging}*", f"{staging}*.om", f"{staging}tmp*/*", f"{staging}tmp*/01*/meta.json", "01*"):
        process = subprocess.Popen(command, cwd=ROOT)
        wait_until(lambda: any(tmp_path.glob(pattern)) or process.poll() is not None, every_s=0.001)  # noqa: B023
        process.kill()
        assert process.wait() == -signal.SIGKILL, pattern
        for block in blocks_of(tmp_path):  # whole
            assert json.loads((block / "meta.json").read_text())["ulid"] == block.name
    subprocess.run(command, cwd=ROOT, check=True)
    identities = [block.name[10:] for block in blocks_of(tmp_path)]
    assert len(identities) == len(set(identities)) == 3
    assert differences(tmp_path, History(START_S, START_S + 6 * 3600)) == []
    assert not (tmp_path / STAGING).exists()


def test_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root gives blocks to the owner of the directory; others than that owner are told who to be."""
    data = tmp_path / "data"
    data.mkdir()
    if os.geteuid() == 0:
        os.chown(data, 65534, 65534)
        with TsdbBlocks(data, None, NOW_S) as blocks:
            assert blocks.write(next(History(START_S, START_S + 60).windows()))
        assert {path.stat().st_uid for path in data.rglob("*")} == {65534}
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ReplayError, match="run this as that user"):
        TsdbBlocks(data, None, NOW_S)


def test_what_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No promtool, and no such directory, are told with what to do."""
    with pytest.raises(ReplayError, match=r"give the directory that Prometheus has as --storage\.tsdb\.path"):
        TsdbBlocks(tmp_path / "none", None, NOW_S)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReplayError, match=r"promtool: not found on the PATH.*package prometheus"):
        TsdbBlocks(tmp_path, None, NOW_S)


def test_what_promtool_drops_is_noticed(tmp_path: Path) -> None:
    """A sample that goes back in time is dropped by promtool without a word, but not by us."""
    [window] = History(START_S, START_S + 60).windows()
    window.families[0].series[0].times_s = [START_S + 15, START_S, START_S + 30, START_S + 45]
    with (
        TsdbBlocks(tmp_path, None, NOW_S) as blocks,
        pytest.raises(ReplayError, match="promtool took 159 of 160 samples"),
    ):
        blocks.write(window)
    assert blocks_of(tmp_path) == []
