"""Samples of a history on their way to whoever wants them, and what is looked at before the first one is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import Window
from logmetrics.replay.timeline import Samples

if TYPE_CHECKING:
    from logmetrics.replay.targets.blocks import TsdbBlocks
    from logmetrics.replay.targets.guards import Plan, Target
    from logmetrics.replay.targets.prometheus_api import PrometheusApi

# What a block has for each sample, as measured with counters of agents at 15 s.
_BLOCK_BYTES_PER_SAMPLE = 1.7


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where samples are to go; several at once are fine."""

    openmetrics: Path | None = None
    tsdb: Path | None = None
    remote_write: str | None = None
    victoriametrics: str | None = None
    # The server that reads the blocks, and the one that answers for what is sent, where that is another.
    prometheus: str | None = None
    query_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    send_anyway: bool = False

    def __bool__(self) -> bool:
        return any((self.openmetrics, self.tsdb, self.remote_write, self.victoriametrics))


@dataclass(slots=True)
class Delivered:
    """What became of the samples at one place."""

    where: str
    # Gives how many of a window's samples were not there yet.
    write: Callable[[Window], int]
    # Whether somebody was asked for them afterwards, and had them all.
    found: bool = False
    samples: int = 0


@dataclass(slots=True)
class Handed:
    """How much was handed over, or would be."""

    windows: int = 0
    samples: int = 0
    series: int = 0
    text_bytes: int = 0
    start_s: int | None = None
    end_s: int | None = None
    delivered: list[Delivered] = field(default_factory=list)
    # All that is wrong with it, in words; the first ones forbid it.
    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def block_bytes(self) -> int:
        """About how many bytes of blocks that is."""
        return int(self.samples * _BLOCK_BYTES_PER_SAMPLE)


def look_ahead(samples: Samples, to: Destinations, now_s: float) -> Handed:
    """What would go wrong with handing *samples* over, and how much it is. Raises ReplayError when nobody answers."""
    from logmetrics.replay.targets.guards import goes_on, violations

    handed = Handed()
    span = samples.span_s()
    if span is None:
        return handed
    handed.start_s, handed.end_s = span
    for target, api in _targets(to):
        plan = _plan(samples, target, span)
        samples.go_on |= goes_on(plan, api, now_s)
        for violation in violations(plan, api, now_s):
            told = handed.refusals if violation.refuses else handed.warnings
            if str(violation) not in told:
                told.append(str(violation))
    return handed


def _targets(to: Destinations) -> list[tuple[Target, PrometheusApi | None]]:
    found: list[tuple[Target, PrometheusApi | None]] = []
    if to.openmetrics:
        found.append(("files", None))
    if to.tsdb:
        found.append(("blocks", _api(to.prometheus, to)))
    if to.remote_write:
        from logmetrics.replay.targets.remote_write import query_url_of

        api = None if to.send_anyway else _api(to.query_url or query_url_of(to.remote_write), to)
        found.append(("victoriametrics" if api is not None and api.is_victoria() else "remote-write", api))
    if to.victoriametrics:
        found.append(
            ("victoriametrics", _api(to.query_url or to.victoriametrics.replace("/insert/", "/select/", 1), to))
        )
    return found


def _api(url: str | None, to: Destinations) -> PrometheusApi | None:
    if url is None:
        return None
    from logmetrics.replay.targets.prometheus_api import PrometheusApi

    return PrometheusApi(url, to.headers)


def _plan(samples: Samples, target: Target, span: tuple[int, int]) -> Plan:
    from logmetrics.replay.targets.guards import Plan

    return Plan(target, span[0], span[1], samples.job.step_s, dict(samples.extra), samples.names)


def hand_over(
    samples: Samples,
    to: Destinations,
    now_s: float,
    *,
    dry_run: bool,
    begin: Callable[[], None],
    show: Callable[[int, int], None],
    wait: Callable[[float], object],
) -> Handed:
    """Write all windows of *samples*, and make sure that they are there. Raises ReplayError.

    With *dry_run* they are only counted, else *begin* is called when nothing stands against writing them.
    """
    handed = look_ahead(samples, to, now_s) if to else Handed()
    if handed.refusals and not dry_run:
        raise ReplayError("nothing was written:\n" + "\n".join(f"  - {what}" for what in handed.refusals))
    if not dry_run:
        begin()
    with ExitStack() as stack:
        blocks = None if dry_run or to.tsdb is None else _blocks(to, stack, now_s)
        handed.delivered = [] if dry_run else _outputs(to, blocks)
        series: set[tuple[object, ...]] = set()
        for window in samples.windows():
            handed.windows += 1
            handed.samples += window.size
            series.update((each.name, each.labels) for family in window.families for each in family.series)
            if dry_run:
                handed.text_bytes += _text_bytes(window)
            for output in handed.delivered:
                output.samples += output.write(window)
            show(window.start_s, samples.end_tick * samples.job.step_s)
        handed.series = len(series)
        if blocks is not None and to.prometheus is not None:
            problems = blocks.verify(wait)
            if problems:
                raise ReplayError(f"not all of it is there: {'; '.join(problems)}")
    return handed


def _blocks(to: Destinations, stack: ExitStack, now_s: float) -> TsdbBlocks:
    from logmetrics.replay.targets.blocks import TsdbBlocks

    assert to.tsdb is not None
    return stack.enter_context(TsdbBlocks(to.tsdb, _api(to.prometheus, to), now_s))


def _outputs(to: Destinations, blocks: TsdbBlocks | None) -> list[Delivered]:
    outputs: list[Delivered] = []
    if to.openmetrics:
        from logmetrics.replay.targets.openmetrics import OpenMetricsFiles

        files = OpenMetricsFiles(to.openmetrics)
        outputs.append(Delivered(str(to.openmetrics), lambda window: window.size if files.write(window) else 0))
    if blocks is not None:
        outputs.append(Delivered(str(to.tsdb), partial(_write_block, blocks), found=to.prometheus is not None))
    if to.remote_write:
        from logmetrics.replay.targets.remote_write import RemoteWrite

        remote = RemoteWrite(to.remote_write, to.headers, query_url=to.query_url, unasked=to.send_anyway)
        outputs.append(Delivered(shown_url(to.remote_write), remote.write, found=not to.send_anyway))
    if to.victoriametrics:
        from logmetrics.replay.targets.victoria import VictoriaMetrics

        victoria = VictoriaMetrics(to.victoriametrics, to.headers, query_url=to.query_url)
        outputs.append(Delivered(shown_url(to.victoriametrics), victoria.write, found=True))
    return outputs


def _write_block(blocks: TsdbBlocks, window: Window) -> int:
    before = blocks.samples
    blocks.write(window)
    return blocks.samples - before


def shown_url(url: str) -> str:
    """*url* as it may be told to everybody."""
    from logmetrics.replay.targets.posting import split_auth

    return split_auth(url)[0]


def _text_bytes(window: Window) -> int:
    from logmetrics.replay.targets.openmetrics import texts

    return sum(map(len, texts(window)))
