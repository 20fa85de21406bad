"""Made-up history for tests: windows of counters, gauges and histograms."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from logmetrics.replay.samples import WINDOW_S, FamilySamples, SampleSeries, Window

TARGET = (("job", "logmetrics"), ("instance", "host:8001"))
BOUNDS = ("0.1", "1.0", "10.0", "+Inf")


class History:
    """Counters and a histogram of some agents, who begin at 0 and do something now and then, each at its own pace."""

    def __init__(self, start_s: int, end_s: int, step_s: int = 15, agents: int = 5, seed: int = 1) -> None:
        self.start_s, self.end_s, self.step_s = start_s, end_s, step_s
        self.times_s = range(start_s, end_s, step_s)
        # Of each agent the calls before each time: 0 at the first.
        self.calls: dict[str, list[int]] = {}
        for agent in range(agents):
            draw = random.Random(f"{seed} {agent}")
            total, totals, pace = 0, [], draw.random() / 4
            for _ in self.times_s:
                totals.append(total)
                total += draw.random() < pace
            self.calls[f'agent "{agent}"'] = totals

    def windows(self) -> Iterator[Window]:
        """All windows, ascending."""
        for begin_s in range(self.start_s - self.start_s % WINDOW_S, self.end_s, WINDOW_S):
            first = max(0, (begin_s - self.start_s) // self.step_s)
            last = min(len(self.times_s), (begin_s + WINDOW_S - self.start_s) // self.step_s)
            yield Window(begin_s, self.step_s, list(self._families(first, last)))

    def _families(self, first: int, last: int) -> Iterator[FamilySamples]:
        times_s = self.times_s[first:last]

        def series(name: str, agent: str, values: Sequence[int | float], *more: tuple[str, str]) -> SampleSeries:
            return SampleSeries(name, (("agent", agent), *more, *TARGET), times_s, values)

        calls = FamilySamples("calls_total", "counter", "Calls.")
        active = FamilySamples("active", "gauge", "Half of the calls.")
        seconds = FamilySamples("call_seconds", "histogram", "How long calls took.")
        for agent, all_totals in self.calls.items():
            totals = all_totals[first:last]
            calls.series.append(series("calls_total", agent, totals))
            active.series.append(series("active", agent, [total / 2 for total in totals]))
            for share, bound in enumerate(BOUNDS, 1):
                shares = [total * share // len(BOUNDS) for total in totals]
                seconds.series.append(series("call_seconds_bucket", agent, shares, ("le", bound)))
            seconds.series.append(series("call_seconds_sum", agent, [total * 0.1 for total in totals]))
            seconds.series.append(series("call_seconds_count", agent, totals))
        yield from (calls, active, seconds)
