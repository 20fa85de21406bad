"""What the options of `logmetrics replay` amount to."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo

from logmetrics.cli.options import require_paths, state_directory
from logmetrics.cli.replay_options import ReplayOptions
from logmetrics.config.specs import Config
from logmetrics.config.time_zones import zone_of
from logmetrics.config.units import parse_duration
from logmetrics.errors import UsageError
from logmetrics.replay.handing_over import Destinations
from logmetrics.replay.remote_files import is_remote
from logmetrics.replay.run import Reading, default_jobs
from logmetrics.replay.seam import Seam, ends_before, seam_of

_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)")
# Two hours have so many steps exactly.
_WINDOW_S = 7200


@dataclass(frozen=True, slots=True)
class Order:
    """A replay as it was asked for."""

    reading: Reading
    to: Destinations
    labels: dict[str, str]
    # The state to seed.
    seam: Seam | None


def order_of(options: ReplayOptions, config: Config) -> Order:
    """What *options* ask for with *config*. Raises UsageError and StateError."""
    require_paths((path for source in config.sources for path in source.paths), lambda path: not is_remote(path))
    now_s = time.time()
    since_s, until_s = _time(options.since, "--since", now_s), _time(options.until, "--until", now_s)
    if since_s is not None and until_s is not None and since_s >= until_s:
        raise UsageError("--since is not before --until")
    to = Destinations(
        options.openmetrics,
        options.tsdb,
        options.remote_write,
        options.victoriametrics,
        options.prometheus,
        options.query_url,
        _headers(options.header or ()),
        options.send_anyway,
    )
    seam = ends = None
    if options.seed_state or options.seed_offsets:
        seam = seam_of(options.state_dir or state_directory(config, options.paths, options.config_file))
        ends = seam.ends
    elif options.before_state is not None:
        ends = ends_before(options.before_state)
    reading = Reading(
        config,
        _step(options.step) if options.wants_samples else None,
        since_s,
        until_s,
        options.jobs or default_jobs(),
        _zone(options.zone),
        ends,
        with_last_step=seam is not None or ends is not None,
    )
    return Order(reading, to, _labels(options.label or (), config), seam)


def _time(text: str | None, option: str, now_s: float) -> int | None:
    """A moment, or a duration before now."""
    if text is None:
        return None
    try:
        return int(now_s - parse_duration(text.removesuffix("ago").strip()))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        what = f"{option} is a time such as 2026-01-31, 2026-01-31T12:00:00Z, or 7d for seven days ago, not {text!r}"
        raise UsageError(what) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def _step(text: str) -> int:
    try:
        step_s = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--step: {error}") from error
    if step_s != int(step_s) or step_s < 1 or _WINDOW_S % step_s:
        near = min((n for n in range(1, _WINDOW_S + 1) if _WINDOW_S % n == 0), key=lambda n: abs(n - step_s))
        raise UsageError(f"--step must divide two hours, so that windows begin with a sample: try --step {near}s")
    return int(step_s)


def _zone(name: str | None) -> tzinfo | None:
    try:
        return None if name is None else zone_of(name)
    except ValueError as error:
        raise UsageError(f"--timezone: {error}") from error


def _labels(texts: Sequence[str], config: Config) -> dict[str, str]:
    labels = {}
    for text in texts:
        found = _LABEL.fullmatch(text)
        if found is None or found[1].startswith("__"):
            raise UsageError(f"--label is NAME=VALUE, not {text!r}")
        labels[found[1]] = found[2]
    for metric in config.rule_set.metrics.values():
        both = labels.keys() & {*metric.labels, *(["le"] if metric.type == "histogram" else [])}
        if both:
            raise UsageError(f"--label {min(both)}: {metric.name} has a label of that name")
    return labels


def _headers(texts: Sequence[str]) -> dict[str, str]:
    headers = {}
    for text in texts:
        found = _HEADER.fullmatch(text)
        if found is None:
            raise UsageError(f"--header is 'NAME: VALUE', not {text!r}")
        headers[found[1]] = found[2]
    return headers
