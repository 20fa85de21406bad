"""When directories are looked through and files are looked at: a table of times."""

from __future__ import annotations

from typing import cast

from logmetrics.sources import pace as pace_module
from logmetrics.sources.pace import Pace
from logmetrics.sources.wake import DirectoryWatch


class Watch:
    """File notification that works, and what it was asked for."""

    works = True

    def __init__(self) -> None:
        self.growth: list[bool] = []

    def watch_growth(self, wanted: bool) -> None:
        self.growth.append(wanted)


def told() -> tuple[Pace, Watch]:
    pace, watch = Pace(0.25), Watch()
    pace.watch = cast(DirectoryWatch, watch)
    return pace, watch


def rests(pace: Pace, times: int, *, took_s: float = 0.0, news: bool = False) -> list[float]:
    """How long after each of so many discoveries the next one is due."""
    found = []
    for _ in range(times):
        pace.hinted = False
        pace.discovered(100.0, took_s, news=news)
        found.append(pace._discover_after_s - 100.0)
    return found


def test_directories_are_looked_through_less_often_while_nothing_comes() -> None:
    """Half as often each time, down to a limit; news brings back the poll interval."""
    pace = Pace(0.25)
    assert rests(pace, 5) == [0.5, 1.0, 2.0, 2.0, 2.0]
    assert rests(pace, 1, news=True) == [0.25]
    assert rests(Pace(5.0), 2) == [5.0, 5.0]
    assert rests(told()[0], 8) == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_what_takes_long_is_done_seldom() -> None:
    """A look at ten thousand files takes a share of the time that does not depend on their number."""
    assert rests(Pace(0.25), 1, took_s=0.2) == [0.2 * pace_module.REST]
    assert rests(told()[0], 1, took_s=0.2) == [0.2 * pace_module.REST_WHEN_TOLD]
    pace = Pace(0.25)
    pace.looked_at_all(100.0, 0.1, idle=True)
    pace.look_at_all = False
    assert not pace.take_look_at_all(100.0 + 14.9, scrape_waits=False)
    assert pace.take_look_at_all(100.0 + 15.1, scrape_waits=False)


def test_a_scrape_looks_at_all_files_and_for_new_ones_if_that_is_cheap() -> None:
    """Whatever is planned."""
    pace = Pace(0.25)
    for took_s, looked in ((0.0005, True), (0.05, False)):
        pace.hinted = False
        pace.discovered(100.0, took_s, news=False)
        assert pace.discovery_is_due(100.1, scrape_waits=True) is looked
        assert not pace.discovery_is_due(100.1, scrape_waits=False)
    pace.looked_at_all(100.0, 0.0, idle=False)
    pace.look_at_all = False
    assert pace.take_look_at_all(100.1, scrape_waits=True)


def test_hints_are_followed_soon_but_not_all_the_time() -> None:
    """Scans that hints cause take a twentieth of the time."""
    pace = Pace(1.0)
    pace.discovered(100.0, 0.02, news=False)
    pace.hinted = True
    assert not pace.discovery_is_due(100.3, scrape_waits=False)
    assert pace.discovery_is_due(100.3, scrape_waits=True)
    assert pace.discovery_is_due(100.41, scrape_waits=False)


def test_growth_is_told_while_nothing_grows() -> None:
    """One more look closes the gap; then looks are rare, until a file grows."""
    pace, watch = told()
    pace.looked_at_all(100.0, 0.0, idle=False)
    assert watch.growth == [False]
    pace.look_at_all = False
    pace.looked_at_all(110.0, 0.0, idle=True)
    assert watch.growth == [False, True]
    assert pace.take_look_at_all(110.0, scrape_waits=False)
    pace.looked_at_all(110.0, 0.0, idle=True)
    assert not pace.take_look_at_all(124.9, scrape_waits=False)
    assert pace.take_look_at_all(125.1, scrape_waits=False)
    pace.looked_at_all(126.0, 0.0, idle=False)
    assert watch.growth[-1] is False
