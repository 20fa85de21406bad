"""Before what time blocks must end.

At a start Prometheus takes the end of its newest block for the time up to which all is in blocks, and passes over
everything before it that its write-ahead log has: the newest samples of all targets, if an imported block is newer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import WINDOW_S
from logmetrics.replay.targets.prometheus_api import PrometheusApi, selector

# Without a server to ask, this much of the past is left to its head: it writes blocks that are up to three hours old.
_HEAD_S = 3 * 3600


def head_limit_s(api: PrometheusApi | None, now_s: float) -> float:
    """Up to this time all that Prometheus has is in blocks, as far as it tells."""
    if api is None:
        return float((now_s - _HEAD_S) // WINDOW_S * WINDOW_S)
    head_min_s = api.head_min_s()
    if head_min_s is None:
        raise ReplayError(f"{api.url} does not tell what it has in no block yet, so it is not a Prometheus with blocks")
    return min(head_min_s, now_s)


def safe_end_s(
    api: PrometheusApi | None, now_s: float, end_s: float, labels: Mapping[str, str], names: Sequence[str]
) -> float:
    """At what time blocks may end, if they are to end at *end_s*; no later, and maybe earlier.

    After a restart Prometheus tells that its head begins where the newest block ends, also if that is an imported one
    of last week. So it is asked whether there is a sample since then, besides those that have these *labels* and one
    of these *names*: what a replay wrote before. If there is none, none can be dropped.
    """
    begin_s = head_limit_s(api, now_s)
    if api is None:
        return min(begin_s, end_s)
    end_s = min(end_s, now_s)
    others_s = others_since(api, begin_s, end_s, labels, names)
    return end_s if others_s is None else others_s


def others_since(
    api: PrometheusApi, begin_s: float, end_s: float, labels: Mapping[str, str], names: Sequence[str]
) -> float | None:
    """From when on, at the earliest, there are samples besides those with these *labels* and one of these *names*.

    None if there are none from *begin_s* up to and without *end_s*.
    """
    while begin_s < end_s:
        until_s = min(begin_s // WINDOW_S * WINDOW_S + WINDOW_S, end_s)
        # From a millisecond before to a millisecond before, so that neither end depends on Prometheus' version.
        duration = f"{round((until_s - begin_s) * 1000)}ms"
        if _series(api, '{__name__!=""}', duration, until_s - 0.001) > _series(
            api, selector(labels, names), duration, until_s - 0.001
        ):
            return begin_s
        begin_s = until_s
    return None


def _series(api: PrometheusApi, series: str, duration: str, at_s: float) -> float:
    """How many of *series* have samples; more than any number if there are too many to ask for."""
    try:
        return sum(
            float(entry["value"][1]) for entry in api.query(f"count(last_over_time({series}[{duration}]))", at_s)
        )
    except ReplayError as error:
        if "too many samples" in str(error) or "HTTP status 503" in str(error):  # the latter after two minutes
            return float("inf")
        raise
