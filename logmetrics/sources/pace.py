"""When directories are looked through, and when files that are still are looked at. Nothing here is I/O.

Files that grow are looked at every poll interval; they are no concern of this module.
"""

from __future__ import annotations

from logmetrics.sources.wake import DirectoryWatch

# What is looked at again after so many times the time that it took the last time costs 0.7 % of a core at the most, and
# 0.05 % while file notification tells what happens.
REST = 150
REST_WHEN_TOLD = 2_000
# After a hint, directories are not looked through again for this many times the time that it took, or a poll interval.
HINT_REST = 20
# While nothing comes or goes, directories are looked through half as often each time, down to these intervals.
CALM_S_MAX = 2.0
CALM_S_MAX_WHEN_TOLD = 15.0
# Files that are still are looked at this often.
LOOK_S = 1.0
LOOK_S_WHEN_TOLD = 15.0
# A scrape looks for new files too, when that is so cheap that nobody notices: notification may be a moment late.
DISCOVERY_S_MAX_WITH_SCRAPE = 0.001


class Pace:
    """Plans looks. Times are monotonic; all is of the engine's thread, but ``hinted`` and ``look_at_all`` may be set by
    any, and are all that crosses.
    """

    def __init__(self, poll_interval_s: float) -> None:
        self.poll_interval_s = poll_interval_s
        # Something may have come or gone; something may have been written to any file.
        self.hinted = self.look_at_all = True
        # Tells of files that come, go and grow; None when nobody does.
        self.watch: DirectoryWatch | None = None
        self._growth_is_told = False
        self._look_after_s = 0.0
        self._discover_after_s = 0.0
        self._hint_after_s = 0.0
        self._discovery_s = 0.0
        self._calm_s = poll_interval_s

    @property
    def is_told(self) -> bool:
        """Whether file notification is at work."""
        return self.watch is not None and self.watch.works

    def discovery_is_due(self, now_s: float, *, scrape_waits: bool) -> bool:
        """Whether directories are to be looked through now."""
        if self.hinted and (scrape_waits or now_s >= self._hint_after_s):
            return True
        if now_s >= self._discover_after_s:
            return True
        return scrape_waits and self._discovery_s <= DISCOVERY_S_MAX_WITH_SCRAPE

    def discovered(self, started_s: float, took_s: float, *, news: bool) -> None:
        """Directories were looked through."""
        self._discovery_s = took_s
        calm_s_max = CALM_S_MAX_WHEN_TOLD if self.is_told else CALM_S_MAX
        self._calm_s = self.poll_interval_s if news else max(min(2 * self._calm_s, calm_s_max), self.poll_interval_s)
        rest = REST_WHEN_TOLD if self.is_told else REST
        self._discover_after_s = started_s + max(self._calm_s, rest * took_s)
        self._hint_after_s = started_s + min(self.poll_interval_s, HINT_REST * took_s)

    def take_look_at_all(self, now_s: float, *, scrape_waits: bool) -> bool:
        """Whether all files are to be looked at now; whoever asks does so."""
        due = scrape_waits or self.look_at_all or now_s >= self._look_after_s
        self.look_at_all = False
        return due

    def looked_at_all(self, now_s: float, took_s: float, *, idle: bool) -> None:
        """All files were looked at, which took so long, reading not counted.

        *idle* when none of them grew lately. Then writes are told from now on.
        """
        rest_s = max(self.poll_interval_s, LOOK_S, took_s * REST)
        if self.watch is not None and self.is_told:
            if idle and not self._growth_is_told:
                self.look_at_all = True  # once more, for what was written before the watch was there
            self.watch.watch_growth(idle)
            self._growth_is_told = idle and self.is_told
            if self._growth_is_told:
                rest_s = max(LOOK_S_WHEN_TOLD, took_s * REST_WHEN_TOLD)
        self._look_after_s = now_s + rest_s

    @property
    def wake_s(self) -> float:
        """When something is due next."""
        return min(self._hint_after_s if self.hinted else self._discover_after_s, self._look_after_s)
