"""Who scrapes, and what each of them has seen: a series that is new to Prometheus is shown to it as 0 once.

Prometheus takes the first value of a series for where it began. ``increase()`` would never see the events before it:
of an error that happens once, nothing.
"""

from __future__ import annotations

from collections import OrderedDict

from logmetrics.serve.request import Request

SCRAPERS_MAX = 64
# After a restart a scraper that is not known in this process is taken for one of the last, for so long.
RESTART_GRACE_S = 300.0


def is_prometheus(request: Request) -> bool:
    """Whether it says so: Prometheus, or an agent that scrapes as Prometheus does. People and curl do not."""
    if "x-prometheus-scrape-timeout-seconds" in request.headers:
        return True
    return request.headers.get("user-agent", "").startswith("Prometheus/")


def first_seen(generation: int, resumed_ago_s: float) -> int:
    """The commit that who is not known here is taken to have seen: soon after a restart none of this run, else all."""
    return 0 if resumed_ago_s < RESTART_GRACE_S else generation


class Scrapers:
    """The commit that each scraper saw last. Not thread safe.

    Who asks cannot be known for sure: one server may come over two addresses, and two may share one. So nothing is 0
    for anybody any more once somebody was shown more; a second server that scrapes less often goes without.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()
        # What was born up to this commit, somebody has seen with its value.
        self._in_full = 0

    def zero_after(self, request: Request, generation: int, *, first: int) -> int:
        """What was born after this commit is 0 for the sender of *request*, who is shown *generation* now.

        *first* stands for the last commit that it saw when it is not known.
        """
        scraper = (request.client, request.headers.get("user-agent", ""))
        self._in_full = max(self._in_full, self._seen.pop(scraper, first))
        self._seen[scraper] = generation
        if len(self._seen) > SCRAPERS_MAX:
            self._seen.popitem(last=False)
        return self._in_full
