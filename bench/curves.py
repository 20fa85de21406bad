"""How the cost of a line grows: with lines, series, rules, files, and its length. Each should stay flat, or nearly.

The CPU of whole runs of `logmetrics watch --once` with a config, values checked. A run over a log's first lines is
taken off, so that a curve is of lines and not of the start; what that takes stands beside it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import figures, growth
from bench.growth import Point
from bench.heads import rest_s
from bench.measure import Outcome, interleave
from bench.model import Plot, Raw, Section, Size, Table


@dataclass(frozen=True)
class Curve:
    title: str
    x: str
    points: Callable[[Size, Path], Iterator[tuple[int, Point]]]
    per_megabyte: bool = False
    # Off where the cost may grow with the number itself, which shows as a straight line.
    log_x: bool = True
    # The start is shown as its share of each line too.
    with_start: bool = False


CURVES = {
    "lines": Curve("Lines of the log", "lines", growth.lines, with_start=True),
    "series": Curve("Series", "series of one metric", growth.series),
    "rules-one-field": Curve("Rules that ask one field", "rules", growth.rules_of_one_field, log_x=False),
    "rules-all-kinds": Curve("Rules that have nothing in common", "rules", growth.rules_of_all_kinds, log_x=False),
    "files": Curve("Files", "files", growth.files),
    "line-bytes": Curve("Length of lines", "bytes a line", growth.line_bytes, per_megabyte=True),
}


def run(size: Size, directory: Path) -> Raw:
    return {name: _curve(name, curve, size, directory / name) for name, curve in CURVES.items()}


def _curve(name: str, curve: Curve, size: Size, directory: Path) -> Raw:
    """All points in turn, then all of them again. Their logs are removed afterwards: some are large."""
    directory.mkdir()
    points = dict(curve.points(size, directory))
    runs: dict[str, Callable[[], Outcome]] = {}
    head_lines = {}
    for x, point in points.items():
        place = directory / f"head-{x}"
        place.mkdir()
        runs[f"{name} {x:,}, first lines"], head_lines[x] = point.head(place)
        runs[f"{name} {x:,}"] = partial(point.run, directory)
    outcomes = interleave(runs, size.curve_rounds)
    raw = [
        {
            "x": x,
            "lines": point.lines,
            "head_lines": head_lines[x],
            "megabytes": point.megabytes(),
            "head": outcomes[f"{name} {x:,}, first lines"],
            "outcomes": outcomes[f"{name} {x:,}"],
        }
        for x, point in points.items()
    ]
    shutil.rmtree(directory)
    return raw


def show(raw: Raw) -> Section:
    parts: list[str | Table | Plot] = [
        "CPU of a line: that of the whole log less that of its first lines, which is shown as the start."
    ]
    for name, points in raw.items():
        curve = CURVES[name]
        line: list[tuple[float, float]] = []
        with_start: list[tuple[float, float]] = []
        rows = []
        for point in points:
            if told := figures.trouble(point["outcomes"]) or figures.trouble(point["head"]):
                rows.append([f"{point['x']:,}", told, "", "", ""])
                continue
            line_s = rest_s(point["outcomes"], point["head"]) / (point["lines"] - point["head_lines"])
            ms_a_megabyte = 1e3 * line_s * point["lines"] / point["megabytes"]
            if not math.isnan(line_s):
                line.append((point["x"], ms_a_megabyte if curve.per_megabyte else 1e6 * line_s))
            with_start.append((point["x"], 1e6 * figures.median(point["outcomes"]) / point["lines"]))
            rows.append(
                [
                    f"{point['x']:,}",
                    figures.number(1e6 * line_s),
                    figures.number(ms_a_megabyte),
                    figures.number(figures.median(point["head"])),
                    figures.number(figures.median(point["outcomes"], "rss_mib")),
                ]
            )
        what = " ".join((curve.points.__doc__ or "").split())
        lines = {"lines alone": line, "with the start": with_start} if curve.with_start else {"logmetrics": line}
        unit = "ms a MB" if curve.per_megabyte else "µs a line"
        parts += [
            f"### {curve.title}",
            what,
            Table([curve.x, "µs a line", "ms a MB", "start, CPU-s", "peak MiB"], rows),
            Plot(name, curve.title, curve.x, f"CPU, {unit}", lines, log_x=curve.log_x, log_y=curve.with_start),
        ]
    return Section("Growth", parts)
