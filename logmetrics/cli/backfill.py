"""A replay carried out, and what is said while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from logmetrics.cli import collect_garbage_from_now_on
from logmetrics.cli.messages import progress_line, say, steps_line
from logmetrics.cli.replay_inputs import config_of
from logmetrics.cli.replay_options import ReplayOptions
from logmetrics.cli.replay_order import Order, order_of
from logmetrics.errors import ReplayError
from logmetrics.present.amounts import moment, number_of, size
from logmetrics.replay.account import report_of
from logmetrics.replay.handing_over import Delivered, Handed, hand_over
from logmetrics.replay.history import History
from logmetrics.replay.logs import FoundLogs
from logmetrics.replay.pool import Pool
from logmetrics.replay.report.data import Report
from logmetrics.replay.run import logs_of, read_history
from logmetrics.replay.seam import Seam, Seeding
from logmetrics.replay.span import Job
from logmetrics.replay.timeline import Samples
from logmetrics.replay.view import view_of
from logmetrics.sources.progress import Progress

if TYPE_CHECKING:
    from logmetrics.store.store import FamilyView


def carry_out(
    options: ReplayOptions, clock: Callable[[], float] = time.time, wait: Callable[[float], object] = time.sleep
) -> tuple[list[FamilyView], Report]:
    """Read, hand over, seed; the totals and the report. Raises UsageError, ReplayError and StateError."""
    with config_of(options) as config:
        return _carry_out(options, order_of(options, config), clock, wait)


def _carry_out(
    options: ReplayOptions, order: Order, clock: Callable[[], float], wait: Callable[[float], object]
) -> tuple[list[FamilyView], Report]:
    found = logs_of(order.reading)
    collect_garbage_from_now_on()
    started_s = time.monotonic()
    with progress_line() as show:

        def progress(bytes_read: int, bytes_total: int, lines: int) -> None:
            show(Progress(bytes_read, bytes_total, lines))

        history = read_history(order.reading, found, progress, int(clock()), _pool_of(options))
    elapsed_s = time.monotonic() - started_s
    with closing(history.spool):
        notes = _notes(history, found, order)
        for note in notes:
            say(note)
        if history.problems and order.to and not options.skip_unreadable and not options.dry_run:
            raise ReplayError("nothing was written, since some logs could not be read; mend that, or --skip-unreadable")
        samples = Samples(history, order.labels, wanted=options.wants_samples)
        with closing(Seeding(order.seam or Seam(""), say)) as seeding:
            handed = _hand_over(options, order, samples, seeding, clock, wait)
            samples.finish()
            if options.wants_samples:
                _tell(options, handed)
            families = view_of(history)
            if order.seam is not None and not options.dry_run:
                _seed(options, order.seam, seeding, history)
    return families, report_of(history, families, samples.timeline(), elapsed_s, notes)


def _pool_of(options: ReplayOptions) -> Callable[[Job], Pool] | None:
    if options.dask is None:
        return None
    from logmetrics.replay.cluster import DaskCluster

    address = options.dask
    return lambda job: DaskCluster(job, address)


def _notes(history: History, found: FoundLogs, order: Order) -> list[str]:
    notes = list(history.problems)
    if found.left_out:
        notes.append(
            f"not read: {number_of('log', len(found.left_out))} rotated or compressed, such as {found.left_out[0]}; "
            "give their directory, or a path that names them"
        )
    rest = [read for read in history.logs if read.rest_bytes]
    if rest:
        notes.append(
            f"{number_of('log', len(rest))} with a last line that is not complete and not counted, such as "
            f"{rest[0].log.segments[-1].path}"
        )
    outside = sum(source.tally.outside for source in history.sources)
    if outside and order.reading.since_s is None and order.reading.until_s is None:
        notes.append(f"{outside:,} records of the step that is not over yet were left out")
    return notes


def _hand_over(
    options: ReplayOptions,
    order: Order,
    samples: Samples,
    seeding: Seeding,
    clock: Callable[[], float],
    wait: Callable[[float], object],
) -> Handed:
    def begin() -> None:
        if order.seam is not None and not order.seam.has_values:
            seeding.begin(samples.history)

    span = samples.span_s() if options.wants_samples else None
    if span is not None and not options.dry_run:
        ahead_s = span[1] - samples.job.step_s - clock()
        if 0 < ahead_s <= samples.job.step_s:  # samples of the future are refused, or refuse live ones
            say(f"waiting for {ahead_s:.0f} s, until the last step is over")
            wait(ahead_s)
    with steps_line("writing" if order.to and not options.dry_run else "adding up") as show:
        return hand_over(samples, order.to, clock(), dry_run=options.dry_run, begin=begin, show=show, wait=wait)


def _tell(options: ReplayOptions, handed: Handed) -> None:
    if not handed.samples:
        say("there is nothing to write: no record that a rule counts")
        return
    what = f"{handed.samples:,} samples of {handed.series:,} series"
    if handed.start_s is not None and handed.end_s is not None:
        what += f" from {moment(handed.start_s)} to {moment(handed.end_s - 1)} UTC"
    for warning in handed.warnings:
        say(f"warning: {warning}")
    if not options.dry_run:
        say(what)
        for place in handed.delivered:
            say(f"{place.where}: {_became(place, handed.samples)}")
        return
    sizes = f"{size(handed.text_bytes)} as OpenMetrics, about {size(handed.block_bytes)} as blocks"
    say(f"would write {what} in {handed.windows:,} windows: {sizes}")
    for refusal in handed.refusals:
        say(f"would be refused: {refusal}")


def _became(place: Delivered, samples: int) -> str:
    """What became of *samples* at *place*, in words."""
    if place.samples == samples:
        return "written, and all found there" if place.found else "written"
    if not place.samples:
        return "all of it was there already; nothing was written"
    return f"{place.samples:,} samples written, the others were there already"


def _seed(options: ReplayOptions, seam: Seam, seeding: Seeding, history: History) -> None:
    if seam.has_values:
        say(f"{seam.directory}: the daemon's next values are there already; nothing was changed")
        return
    if options.seed_state:
        seeding.finish(history)
    values = "with the values at that place" if options.seed_state else "from zero"
    files = number_of("file", seeding.files)
    say(f"{seam.directory}: the daemon goes on at the next byte of {files}, {values}")
