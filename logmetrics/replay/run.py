"""A replay from its start to its end: logs are found, read, and put together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import tzinfo

from logmetrics.config.specs import Config
from logmetrics.config.time_zones import zone_of
from logmetrics.replay.history import Gatherer, History, Show
from logmetrics.replay.logs import Ends, FoundLogs, find_logs
from logmetrics.replay.pool import Pool, Processes, ThisProcess
from logmetrics.replay.reader import PART_BYTES, range_of
from logmetrics.replay.samples import WINDOW_S, nice_step_s
from logmetrics.replay.span import Job
from logmetrics.replay.spool import Spool

# Less is read sooner than processes are started.
_WORTH_PROCESSES_BYTES = 2 * PART_BYTES
# Without samples nobody sees a finer time than this share of the whole.
_STEPS_OF_REPORT = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """What is asked of a replay. Times are Unix times: those of samples, and of what happened where no samples are
    wanted and ``step_s`` is None.
    """

    config: Config
    step_s: int | None = None
    since_s: int | None = None
    until_s: int | None = None
    jobs: int = 1
    # In place of those of the sources.
    zone: tzinfo | None = None
    # Only these files are read, and up to there; None: all there are.
    ends: Ends | None = None
    # Whether what happened in the step that is not over yet counts. Of logs that grow more would be found of it later,
    # and the last samples would have other values.
    with_last_step: bool = True
    part_bytes: int = PART_BYTES
    spool_directory: str | None = None


def job_of(reading: Reading, found: FoundLogs, now_s: int) -> Job:
    """What all processes need to know."""
    zones = tuple(reading.zone or zone_of(source.timezone) for source in reading.config.sources)
    step_s, since_s, until_s = reading.step_s, reading.since_s, reading.until_s
    if step_s is None:
        step_s = _step_of_report(found, zones, now_s)
    else:
        # A sample shows what happened in the step before it; those from the one time on are wanted, before the other.
        since_s, until_s = (
            None if time_s is None else (-(-time_s // step_s) - 1) * step_s for time_s in (since_s, until_s)
        )
        if until_s is None and not reading.with_last_step:
            until_s = now_s // step_s * step_s
    window_ticks = max(WINDOW_S // step_s, 1)
    fills = reading.until_s is not None
    return Job(reading.config, zones, step_s, window_ticks, now_s, since_s, until_s, fills)


def _step_of_report(found: FoundLogs, zones: tuple[tzinfo, ...], now_s: int) -> int:
    """A step for a replay of which no samples are wanted, by the first and the last records of each log."""
    ranges = [known for log in found.logs if (known := range_of(log, zones[log.source], now_s)) is not None]
    if not ranges:
        return nice_step_s(1)
    range_s = max(last for _, last in ranges) - min(first for first, _ in ranges)
    return nice_step_s(range_s / _STEPS_OF_REPORT)


def read_history(
    reading: Reading, found: FoundLogs, show: Show, now_s: int, pool_of: Callable[[Job], Pool] | None = None
) -> History:
    """Read all logs of *reading*. Raises ReplayError."""
    job = job_of(reading, found, now_s)
    history = History(job, Spool(reading.spool_directory))
    for path, what in found.problems.items():
        history.problems.append(f"{path}: {what}")
    try:
        with closing(pool_of(job) if pool_of else _pool(reading, found, job)) as pool:
            Gatherer(job, found, pool, history, show, reading.part_bytes).run()
    except BaseException:
        history.spool.close()
        raise
    return history


def _pool(reading: Reading, found: FoundLogs, job: Job) -> Pool:
    if reading.jobs == 1 or found.size_bytes < _WORTH_PROCESSES_BYTES:
        return ThisProcess(job)
    return Processes(job, reading.jobs)


def logs_of(reading: Reading) -> FoundLogs:
    """The logs of *reading*."""
    return find_logs(reading.config.sources, reading.ends, reading.part_bytes)


def default_jobs() -> int:
    """As many processes as there are processors that this one may use."""
    return len(os.sched_getaffinity(0))


def now() -> int:
    """The time at which a replay begins."""
    return int(time.time())
