"""Files of history: spelt as the live exposition spells it, and what promtool and strict parsers take."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import FamilySamples, SampleSeries, Window
from logmetrics.replay.targets.openmetrics import OpenMetricsFiles, texts
from logmetrics.serve.exposition import render
from logmetrics.store.store import FamilyView
from tests.history import History
from tests.test_exposition import families, finite, label_values

START_S = 1_795_399_200  # a multiple of two hours


def shown_at(view: list[FamilyView], time_s: int) -> Window:
    """What *view* shows, as samples of one time."""
    window = Window(time_s - time_s % 7200, 15)
    for spec, rows in view:
        family = FamilySamples(spec.name, spec.type, spec.help)
        window.families.append(family)
        for row, frozen in rows:
            labels = tuple(zip(spec.labels, row.labels, strict=True))
            shown: list[tuple[str, tuple[tuple[str, str], ...], float]] = [(spec.name, labels, frozen)]  # type: ignore[list-item]
            if isinstance(frozen, tuple):
                bounds = [*map(repr, spec.buckets), "+Inf"]
                shown = [
                    (f"{spec.name}_bucket", (*labels, ("le", bound)), count)
                    for bound, count in zip(bounds, frozen[0], strict=True)
                ]
                shown += [(f"{spec.name}_sum", labels, frozen[1]), (f"{spec.name}_count", labels, frozen[2])]
            family.series += [SampleSeries(name, pairs, [time_s], [value]) for name, pairs, value in shown]
    return window


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.tuples(label_values, label_values), finite, min_size=1, max_size=5))
def test_spelling_is_that_of_a_scrape(counts: dict[tuple[str, str], float]) -> None:
    """A file of one time is the page of that time with the time behind each value, to the byte."""
    view = families(counts)
    lines = render(view, openmetrics=True).split("\n")
    timed = "\n".join(f"{line} {START_S + 30}" if line and line[0] != "#" else line for line in lines)
    assert "".join(texts(shown_at(view, START_S + 30))) == timed


def read_back(text: str) -> dict[tuple[str, frozenset[tuple[str, str]], int], float]:
    """What the strict parser of prometheus_client reads.

    In 0.26 it takes all but the first line of a histogram's second moment for duplicates, and then misses them; so
    it is given histograms moment by moment.
    """
    kept: list[str] = []
    moments: dict[str, list[str]] = {}
    histogram: list[str] = []
    for line in text.splitlines():
        name = line.split(" ")[2] if line.startswith("# ") and line != "# EOF" else line
        if not name.startswith("call_seconds"):
            kept.append(line)
        elif line.startswith("#"):
            histogram.append(line)
        else:
            moments.setdefault(line.rpartition(" ")[2], []).append(line)
    pages = ["\n".join(kept), *("\n".join([*histogram, *lines, "# EOF"]) for lines in moments.values())]
    return {
        (sample.name, frozenset(sample.labels.items()), int(float(sample.timestamp))): sample.value
        for page in pages
        for family in text_string_to_metric_families(page + "\n")
        for sample in family.samples
    }


def test_a_file_for_each_window(tmp_path: Path) -> None:
    """Files are named by their windows; strict parsers read back each sample; written again they hold the same."""
    history = History(START_S + 3600, START_S + 9000)
    files = OpenMetricsFiles(tmp_path / "made" / "here")
    names = ["logmetrics-20261123T0200Z.om", "logmetrics-20261123T0400Z.om"]
    for window, name in zip(history.windows(), names, strict=True):
        path = files.write(window)
        assert path is not None
        assert path.name == name
        text = path.read_text()
        assert read_back(text) == {
            (series.name, frozenset(series.labels), time_s): value
            for family in window.families
            for series in family.series
            for time_s, value in zip(series.times_s, series.values, strict=True)
        }
        last: dict[str, int] = {}
        for line in text.splitlines()[:-1]:
            if not line.startswith("#"):
                series, _, time_s = line.rsplit(" ", 2)
                assert last.get(series, 0) < int(time_s)
                last[series] = int(time_s)
        assert files.write(window) == path
        assert path.read_text() == text
    assert sorted(path.name for path in files.directory.iterdir()) == names
    assert files.write(Window(START_S, 15)) is None


@pytest.mark.slow
def test_promtool_takes_each_sample(tmp_path: Path) -> None:
    """promtool makes one block of a window's file, with as many samples as there were, gaps and all."""
    [window] = History(START_S + 3600, START_S + 7200).windows()
    window.families[0].series[0].times_s = [*range(START_S, START_S + 3585, 15), START_S + 5400]  # 239 and one
    path = OpenMetricsFiles(tmp_path / "files").write(window)
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing; make test installs Debian's package")
    blocks = tmp_path / "blocks"
    (blocks / "wal").mkdir(parents=True)  # else dump refuses
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", str(path), str(blocks)], check=True)
    dump = subprocess.run([promtool, "tsdb", "dump", str(blocks)], check=True, capture_output=True, text=True).stdout
    assert len(list(blocks.glob("01*"))) == 1
    assert dump.count("\n") == window.size
    assert f" {window.families[0].series[0].values[-1]} {START_S + 5400}000\n" in dump


def test_an_unusable_directory_is_told(tmp_path: Path) -> None:
    """A path that cannot be a directory is an error that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(ReplayError, match="file/x: cannot be made"):
        OpenMetricsFiles(tmp_path / "file" / "x")
    files = OpenMetricsFiles(tmp_path / "gone")
    files.directory.rmdir()
    with pytest.raises(ReplayError, match="cannot be written: No such file or directory"):
        files.write(next(History(START_S, START_S + 30).windows()))
