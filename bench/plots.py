"""Plots as SVG: the same bytes from the same numbers, readable on a page that is light or dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.model import Plot

WIDTH_IN, HEIGHT_IN = 6.4, 3.2


def draw(plot: Plot, directory: Path) -> None:
    """Write *plot* to `FILE.svg` in *directory*."""
    # Only here, so that measuring needs no matplotlib.
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullLocator

    # Ids in the file come from the salt, else from a random number.
    style: Any = {"svg.hashsalt": plot.file, "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        # White below the letters too: a dark page would hide them.
        figure.set_facecolor("white")
        for name, points in plot.lines.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        if plot.log_x:
            axes.set_xscale("log")
            axes.set_xticks(sorted({x for points in plot.lines.values() for x, _ in points}))
            axes.xaxis.set_minor_locator(NullLocator())
        if plot.log_y:
            axes.set_yscale("log")
        else:
            # Room above, so that a line that is flat but for noise looks flat.
            axes.set_ylim(0, 1.25 * max(y for points in plot.lines.values() for _, y in points))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        if len(plot.lines) > 1:
            axes.legend(frameon=False)
        directory.mkdir(exist_ok=True)
        figure.savefig(directory / f"{plot.file}.svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
