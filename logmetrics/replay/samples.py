"""Time-stamped samples of the past, as outputs take them: one aligned window of two hours after the other.

A sample at time T tells what had happened before T, as a scrape at T would have shown it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# Blocks of Prometheus are of this length and begin at multiples of it.
WINDOW_S = 7200
# Steps that people think in.
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_NICE_STEPS_S = (
    *(15, 30),
    *(_MINUTE_S * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR_S * hours for hours in (1, 2, 3, 4, 6, 12)),
    *(_DAY_S * days for days in (1, 2, 7)),
)


def nice_step_s(least_s: float, of_s: int = 1) -> int:
    """A step of *least_s* or a bit more, a multiple of *of_s*, that people can read a time axis by."""
    nice = (step for step in _NICE_STEPS_S if step >= least_s and step % of_s == 0)
    whole = _NICE_STEPS_S[-1] * of_s
    return next(nice, max(-int(-least_s // whole), 1) * whole)


@dataclass(slots=True)
class SampleSeries:
    """The samples of one series in one window, none of which is missing between the first and the last.

    ``times_s`` are Unix times, multiples of the step, ascending; ``values`` stand beside them. ``labels`` are in the
    order of the live exposition (a bucket's ``le`` behind them, spelt as there), then those of `--label`.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    times_s: Sequence[int]
    values: Sequence[int | float]
    # Nothing of it follows one step behind the last sample: right before that it becomes stale.
    ends: bool = False


@dataclass(slots=True)
class FamilySamples:
    """A metric's series in one window; ``name`` is the metric's, with _total for a counter; ``type`` is Prometheus'."""

    name: str
    type: str
    help: str
    series: list[SampleSeries] = field(default_factory=list)


@dataclass(slots=True)
class Window:
    """All samples from ``start_s``, a multiple of WINDOW_S, up to and without ``start_s + WINDOW_S``."""

    start_s: int
    step_s: int
    families: list[FamilySamples] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many samples there are."""
        return sum(len(series.times_s) for family in self.families for series in family.series)
