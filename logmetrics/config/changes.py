"""What a new config changes, in words for the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from logmetrics.config.specs import Config, MetricSpec

# So many names are told of each kind of change.
NAMES_TOLD_MAX = 12
# Only a start reads these.
AT_START_ONLY = ("listen", "web_config", "state_dir", "instance", "advertise", "sd_file", "textfile")
# A metric whose values go on has these as they were.
_MEANING = ("type", "labels", "buckets")
_TOLD_BY_NAME = ("sources", "rule_set", "packs")
# A daemon does not look at these.
_OF_OTHERS = ("alerts",)


def in_force(before: Config, after: Config) -> Config:
    """*after*, with what only a start can change as it is in *before*."""
    return replace(after, **{name: getattr(before, name) for name in AT_START_ONLY})


def changes(before: Config, after: Config) -> list[str]:
    """What becomes of *before* with *after*, a line for each kind of thing."""
    metrics_before, metrics_after = _metrics(before), _metrics(after)
    anew = {
        name: _why_anew(spec, metrics_after[name])
        for name, spec in metrics_before.items()
        if name in metrics_after and _why_anew(spec, metrics_after[name])
    }
    lines = [
        _compared("sources", _by_name(before.sources), _by_name(after.sources)),
        _compared("packs", dict.fromkeys(before.packs), dict.fromkeys(after.packs)),
        _compared("metrics", metrics_before, metrics_after, anew),
        _compared("rules", _rules(before), _rules(after)),
        _settings(before, after),
        *(
            f"{name}: {_text(getattr(before, name))} until a restart, then {_text(getattr(after, name))}"
            for name in AT_START_ONLY
            if getattr(before, name) != getattr(after, name)
        ),
    ]
    return [line for line in lines if line]


def _metrics(config: Config) -> dict[str, MetricSpec]:
    return dict(config.rule_set.metrics)


def _rules(config: Config) -> dict[str, Any]:
    """A user's own rules; several may have one name."""
    return _by_name(rule for rule in config.rule_set.rules if not rule.pack)


def _by_name(things: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, tuple[Any, ...]] = {}
    for thing in things:
        named[thing.name] = (*named.get(thing.name, ()), thing)
    return named


def _why_anew(before: MetricSpec, after: MetricSpec) -> str:
    """What of a metric is not what it was, so that its values mean nothing any more; empty when they go on."""
    return " and ".join(name for name in _MEANING if getattr(before, name) != getattr(after, name))


def _compared(
    what: str, before: Mapping[str, Any], after: Mapping[str, Any], anew: Mapping[str, str] | None = None
) -> str:
    """Which things came, went, and became others; empty when all are as they were."""
    anew = anew or {}
    common = [name for name in after if name in before]
    changed = [name for name in common if before[name] != after[name] and name not in anew]
    parts = [
        _named("added", [name for name in after if name not in before]),
        _named("ended", [name for name in before if name not in after]),
        _named("another one", [f"{name} (other {why})" for name, why in anew.items()]),
        _named("changed", changed),
    ]
    told = [part for part in parts if part]
    kept = len(common) - len(changed) - len(anew)
    return f"{what} {'; '.join([*told, f'as before: {kept:,}'])}" if told else ""


def _named(what: str, names: list[str]) -> str:
    more = f" and {len(names) - NAMES_TOLD_MAX:,} more" if len(names) > NAMES_TOLD_MAX else ""
    return f"{what}: {', '.join(names[:NAMES_TOLD_MAX])}{more}" if names else ""


def _settings(before: Config, after: Config) -> str:
    pairs = [
        (field.name, getattr(before, field.name), getattr(after, field.name))
        for field in fields(Config)
        if field.name not in (*_TOLD_BY_NAME, *AT_START_ONLY, *_OF_OTHERS, "limits")
    ]
    pairs += [
        (f"limits.{field.name}", getattr(before.limits, field.name), getattr(after.limits, field.name))
        for field in fields(before.limits)
    ]
    told = [f"{_key(name)} {_text(old)} -> {_text(new)}" for name, old, new in pairs if old != new]
    return f"settings changed: {', '.join(told)}" if told else ""


def _key(name: str) -> str:
    """A setting by its name in the file, where durations carry their unit in the value."""
    return name.removesuffix("_s")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}s"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
