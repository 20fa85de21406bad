"""The last hour of a daemon in small steps, in memory: what charts and rates are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

STEP_S = 30.0
STEPS = 120
# A rate is the average over so many steps that are over and the one that is not.
RATE_STEPS = 2

# What is counted, and of what, such as ("logmetrics_source_lines_total", "agents").
Key = tuple[str, ...]


class History:
    """Counts and levels over the last ``STEPS`` steps, as of the last note. Not thread safe; times are monotonic.

    What is noted belongs to the step in which it is noted, so it must be noted when it changes, and may be left alone
    while it does not. Of a count that never grew nothing is kept.
    """

    def __init__(self, now_s: float, counts: Mapping[Key, float]) -> None:
        """*counts* stand at the start, such as those of earlier runs."""
        self._start_s = self._now_s = now_s
        self._counts = dict(counts)
        self._levels: dict[Key, float] = {}
        self._tracks: dict[Key, deque[float]] = {}
        self._grew_s: dict[Key, float] = {}
        # Since when each level is not zero.
        self._above_s: dict[Key, float] = {}

    def note(self, now_s: float, counts: Mapping[Key, float], levels: Mapping[Key, float]) -> None:
        """The counts and levels of now; those that are not there any more are forgotten."""
        self._advance(now_s)
        for key, count in counts.items():
            more = count - self._counts.get(key, 0)
            if more:
                # What went back was replaced, as by a rule of the same name, and began at zero.
                self._track(key)[-1] += more if more > 0 else count
                self._grew_s[key] = now_s
        for key, level in levels.items():
            track = self._track(key)
            track[-1] = max(track[-1], level)
            if level:
                self._above_s.setdefault(key, now_s)
            else:
                self._above_s.pop(key, None)
        self._counts, self._levels = dict(counts), dict(levels)
        for gone in [key for key in self._tracks if key not in counts and key not in levels]:
            for known in (self._tracks, self._grew_s, self._above_s):
                known.pop(gone, None)

    def steps(self, *keys: Key) -> tuple[float, ...]:
        """What came in each step, or the highest level in it, of all *keys* together; oldest first."""
        tracks = [self._tracks[key] for key in keys if key in self._tracks]
        return tuple(map(sum, zip(*tracks, strict=True))) if tracks else (0.0,) * STEPS

    def rate_per_s(self, *keys: Key) -> float:
        """How much came in a second, on average over the last minute or a little more."""
        began_s = max((self._now_s // STEP_S - RATE_STEPS) * STEP_S, self._start_s)
        return sum(self.steps(*keys)[-RATE_STEPS - 1 :]) / max(self._now_s - began_s, 1.0)

    def grew_ago_s(self, key: Key) -> float | None:
        """How long ago the count last grew; None when it never did."""
        grew_s = self._grew_s.get(key)
        return None if grew_s is None else self._now_s - grew_s

    def above_zero_s(self, key: Key) -> float:
        """For how long the level has been above zero."""
        return self._now_s - self._above_s.get(key, self._now_s)

    def _track(self, key: Key) -> deque[float]:
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = deque([0.0] * STEPS, maxlen=STEPS)
        return track

    def _advance(self, now_s: float) -> None:
        new = int(now_s // STEP_S - self._now_s // STEP_S)
        self._now_s = now_s
        if new > 0:
            for key, track in self._tracks.items():
                track.extend([self._levels.get(key, 0.0)] * min(new, STEPS))


def by_minute(steps: Iterable[float]) -> tuple[float, ...]:
    """*steps* in twos, which are minutes."""
    numbers = list(steps)
    return tuple(map(sum, zip(numbers[::2], numbers[1::2], strict=True)))
