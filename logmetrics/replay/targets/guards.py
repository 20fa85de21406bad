"""What would go wrong with a replay, found out before anything is written.

Prometheus refuses little: what is wrong here would be stored, or stored and deleted, or would take live samples with
it. Each rule was tried against 2.42; the reasons stand in the messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import WINDOW_S
from logmetrics.replay.targets.head import others_since, safe_end_s
from logmetrics.replay.targets.prometheus_api import PrometheusApi, selector
from logmetrics.replay.targets.promtool import Promtool
from logmetrics.replay.targets.verify import utc

Target = Literal["files", "blocks", "remote-write", "victoriametrics"]
# After so long without a sample a series is gone from instant queries.
_LOOKBACK_S = 300
# So much longer than now the out-of-order window should be: the replay itself takes time.
_SPARE_S = 3600
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay is about to write: samples from *start_s* up to and without *end_s*."""

    target: Target
    start_s: int
    end_s: int
    step_s: int
    # Those of --label, on all series.
    labels: Mapping[str, str]
    # All names of series: of a histogram those with _bucket, _sum and _count.
    names: tuple[str, ...]

    @property
    def behind_s(self) -> float:
        """Right behind the last sample: blocks end here, and live samples may begin."""
        return self.end_s - self.step_s + 0.001


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong. A replay that *refuses* must not go on; the others are told."""

    what: str
    why: str
    remedy: str
    refuses: bool = True

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.remedy}"


def violations(plan: Plan, api: PrometheusApi | None, now_s: float) -> list[Violation]:
    """All that is wrong with *plan*, what refuses it first. Without *api* only what needs no server is looked at."""
    found = [*_step(plan), *_labels(plan), *_future(plan, now_s)]
    if plan.target != "files":
        found += _retention(plan, api, now_s)
    first_s = first_live_s(plan, api) if api and plan.step_s > 0 else None
    limit_s = safe_end_s(api, now_s, plan.behind_s, plan.labels, plan.names) if plan.target == "blocks" else now_s
    if first_s is not None:
        found.append(_overlap(plan, first_s, limit_s))
    if plan.target == "blocks":
        found += _head_overlap(plan, api, limit_s if first_s is None else min(limit_s, first_s), limit_s)
        found += _versions(plan, api)
    if plan.target == "remote-write":
        found += _out_of_order(plan, api, now_s)
    return sorted(found, key=lambda violation: not violation.refuses)


def first_live_s(plan: Plan, api: PrometheusApi) -> float | None:
    """The time of the first sample within the history that this replay cannot have written: it is at no step's time.

    Samples at the times of steps are those of an earlier replay. Whether they are the very same is found window by
    window, when they are compared (``verify.missing``). What was scraped before the history begins does no harm: the
    history begins at 0, and that is a reset.
    """
    step_ms = plan.step_s * 1000
    series = selector(plan.labels, plan.names)
    for begin_s in range(_down(plan.start_s, WINDOW_S), plan.end_s, WINDOW_S):
        start_s, end_s = max(begin_s, plan.start_s), min(begin_s + WINDOW_S, plan.behind_s)
        if not api.query(f"count(last_over_time({series}[{math.ceil(end_s - start_s)}s]))", end_s):
            continue
        found = api.samples(plan.labels, plan.names, start_s, end_s)
        strange = [ms for samples in found.values() for ms, value in samples if ms % step_ms and not math.isnan(value)]
        if strange:
            return min(strange) / 1000
    return None


def goes_on(plan: Plan, api: PrometheusApi | None, now_s: float) -> bool:
    """Whether live samples take over before the series of *plan* are forgotten, or may still do that."""
    if now_s <= plan.end_s + _LOOKBACK_S:
        return True  # and marks of the future would keep live samples out
    later_s = _LOOKBACK_S + plan.step_s
    question = f"count(last_over_time({selector(plan.labels, plan.names)}[{later_s}s]))"
    return api is not None and bool(api.query(question, plan.behind_s + later_s))


def _step(plan: Plan) -> Iterator[Violation]:
    if plan.step_s <= 0 or WINDOW_S % plan.step_s:
        yield Violation(
            f"a step of {plan.step_s} s",
            "blocks are of two hours, and samples stand at multiples of the step in each",
            "give --step a divisor of two hours, such as 15s, 30s or 60s",
        )
    elif plan.step_s >= _LOOKBACK_S:
        yield Violation(
            f"a step of {plan.step_s} s",
            "a series without a sample for five minutes is gone, so graphs would have gaps",
            "give --step 60s or less; 15s, as scrapes do, costs two bytes a sample",
            refuses=False,
        )


def _labels(plan: Plan) -> Iterator[Violation]:
    lacking = [label for label in ("job", "instance") if not plan.labels.get(label)]
    if lacking:
        examples = {"job": "--label job=logmetrics", "instance": "--label instance=HOST:8001"}
        yield Violation(
            f"no label {' and no label '.join(lacking)}",
            "Prometheus gives these to what it scrapes, so live samples would be other series than their history",
            f"give {' '.join(examples[label] for label in lacking)}, as the scrape target is called in Prometheus",
            refuses=plan.target != "files",
        )


def _future(plan: Plan, now_s: float) -> Iterator[Violation]:
    if plan.end_s - plan.step_s > now_s:
        yield Violation(
            f"samples up to {utc(plan.end_s - plan.step_s)}",
            "that is in the future; Prometheus would refuse live samples of these series until then",
            f"end with --until {utc(_down(now_s, max(1, plan.step_s)))}",
        )


def _retention(plan: Plan, api: PrometheusApi | None, now_s: float) -> Iterator[Violation]:
    days = math.ceil((now_s - plan.start_s) / _DAY_S) + 1
    if plan.target == "victoriametrics":
        remedy = f"start VictoriaMetrics with -retentionPeriod={days}d or more"
    else:
        remedy = f"start Prometheus with --storage.tsdb.retention.time={days}d or more before"
    kept_s = api.retention_s() if api and plan.target != "victoriametrics" else None
    if kept_s is None:
        if now_s - plan.start_s > 14 * _DAY_S:
            yield Violation(
                f"history since {utc(plan.start_s)}",
                "how long samples are kept is not known; older ones are deleted without a word",
                remedy,
                refuses=False,
            )
    elif plan.start_s < now_s - kept_s:
        since = utc(_up(now_s - kept_s, WINDOW_S))
        yield Violation(
            f"history since {utc(plan.start_s)}",
            f"{api.url if api else ''} keeps samples for {kept_s / _DAY_S:g} days before its newest block, and would "
            "delete older ones as soon as it finds them",
            f"{remedy}, or begin with --since {since}",
        )


def _overlap(plan: Plan, first_s: float, limit_s: float) -> Violation:
    until_s = _up(min(first_s, limit_s), plan.step_s)
    remedy = f"end with --until {utc(until_s)}"
    if until_s <= plan.start_s + plan.step_s:  # but the zeros before the first increments
        remedy = "there is nothing left to replay, or give this history another job or instance with --label"
    return Violation(
        f"live samples of the same series since {utc(first_s)}",
        "history would lie over them, and each step from one to the other and back would count as an increase: "
        "hundreds of times the truth",
        remedy,
    )


def _head_overlap(plan: Plan, api: PrometheusApi | None, best_s: float, limit_s: float) -> Iterator[Violation]:
    """*best_s* is the end that offends no other rule either."""
    if plan.step_s <= 0 or plan.behind_s <= limit_s:
        return
    if api:
        why = f"{api.url} has live samples since {utc(limit_s)} that are in no block yet"
    else:
        why = "without the URL of Prometheus, all that it has of the last three hours may be in no block yet"
    until_s = _up(best_s, plan.step_s)
    remedy = (
        f"end with --until {utc(until_s)}, and then give --remote-write instead of --tsdb, without --until: "
        "it sends what is missing"
    )
    if until_s <= plan.start_s + plan.step_s:  # but the zeros before the first increments
        remedy = "write it with --remote-write, or wait until it is older"
    yield Violation(
        f"blocks up to {utc(plan.end_s)}",
        f"{why}; at its next restart it would drop those of all its targets that are older than the newest block's end",
        remedy,
    )


def _versions(plan: Plan, api: PrometheusApi | None) -> Iterator[Violation]:
    """Prometheus 3 writes le="4.194304e+06" for what 2 leaves as 4194304.0."""
    if api is None or not any(name.endswith("_bucket") for name in plan.names):
        return
    server, tool = api.version().removeprefix("v").partition(".")[0], Promtool().major_version()
    if tool is not None and server.isdigit() and int(server) != tool:
        yield Violation(
            f"promtool is of version {tool}, Prometheus of version {server}",
            "they spell the bounds of buckets from a million on in different ways, so those of history and live ones "
            "would be different series",
            f"put the promtool of version {server} first on the PATH",
            refuses=False,
        )


def _out_of_order(plan: Plan, api: PrometheusApi | None, now_s: float) -> Iterator[Violation]:
    if api is None:
        return
    window_s = api.out_of_order_window_s()
    start_s = _first_missing_s(plan, api)
    if start_s >= plan.end_s or (window_s is not None and window_s >= now_s - start_s):
        return
    if window_s is not None and others_since(api, plan.start_s, now_s, plan.labels, plan.names) is None:
        return  # history alone goes up in time
    hours = math.ceil((now_s - start_s + _SPARE_S) / 3600)
    remedy = (
        f"set storage: {{tsdb: {{out_of_order_time_window: {hours}h}}}} in its configuration and have it read again "
        "(SIGHUP, or POST /-/reload); no restart is needed"
    )
    if window_s is None:
        yield Violation(
            f"history since {utc(start_s)}",
            f"{api.url} does not tell how late samples may come; those that are too late are refused, and with them "
            "all that came along",
            f"if it is a Prometheus, {remedy}",
            refuses=False,
        )
        return
    late = (
        f"no samples that are late, unless they are {window_s / 3600:g} h late at most"
        if window_s
        else "no late samples"
    )
    yield Violation(
        f"history since {utc(start_s)}", f"{api.url} takes {late}, and refuses a whole request for one of them", remedy
    )


def _first_missing_s(plan: Plan, api: PrometheusApi) -> int:
    """From when on, about, samples are to be sent: those of an earlier replay, or in blocks, are not sent again."""
    series = selector(plan.labels, plan.names)
    for begin_s in range(_down(plan.start_s, WINDOW_S), plan.end_s, WINDOW_S):
        start_s, end_s = max(begin_s, plan.start_s), min(begin_s + WINDOW_S, plan.end_s)
        if not api.query(f"count(last_over_time({series}[{end_s - start_s}s]))", end_s - 0.001):
            return start_s
    return plan.end_s


def refuse(found: list[Violation]) -> None:
    """Fail with all of *found* that refuse, if there are any."""
    if told := [str(violation) for violation in found if violation.refuses]:
        raise ReplayError("nothing was written:\n" + "\n".join(f"- {line}" for line in told))


def _down(time_s: float, step_s: int) -> int:
    return int(time_s // step_s * step_s)


def _up(time_s: float, step_s: int) -> int:
    return -int(-time_s // step_s * step_s)
