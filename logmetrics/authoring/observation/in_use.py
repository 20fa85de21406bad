"""Which metrics a config has, and which expressions ask for them only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from logmetrics.config.specs import MetricSpec, PackSpec, RuleSet

# What Prometheus makes of a histogram.
_PARTS = re.compile(r"_(?:bucket|sum|count)$")
_WORDS = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")
_TEXTS_AND_RANGES = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]')
# Target labels are Prometheus' own: it renames those of metrics that are called so.
_OF_TARGETS = ("job", "instance")


@dataclass(frozen=True, slots=True)
class InUse:
    """The metrics that the rules of a config feed.

    ``known`` are shaped as the built-in packs define them, so that what is made for these holds; ``own`` are all
    others. ``absent`` are those of packs that no rule here feeds, or that have another shape here.
    """

    known: Mapping[str, MetricSpec]
    own: Mapping[str, MetricSpec]
    absent: Mapping[str, MetricSpec]

    @classmethod
    def of(cls, rule_set: RuleSet, packs: Mapping[str, PackSpec]) -> InUse:
        """What *rule_set* feeds, beside all that is built in."""
        built_in = {name: spec for pack in packs.values() for name, spec in pack.rule_set.metrics.items()}
        fed = {update.metric for rule in rule_set.rules for update in (*rule.updates, *rule.on_timeout)}
        used = {name: spec for name, spec in rule_set.metrics.items() if name in fed}
        known = {name: spec for name, spec in used.items() if name in built_in and _alike(spec, built_in[name])}
        return cls(
            known,
            {name: spec for name, spec in used.items() if name not in known},
            {name: spec for name, spec in built_in.items() if name not in known},
        )

    @property
    def shapes(self) -> dict[str, MetricSpec]:
        """All metrics by name, those that are not in use as their packs define them."""
        return {**self.absent, **self.known, **self.own}

    def has_all_of(self, expression: str) -> bool:
        """Whether all that PromQL asks for of packs is in use."""
        return not any(name in self.absent for name in names_in(expression))

    def with_label(self, label: str) -> list[str]:
        """The names of metrics that have *label*."""
        return [name for name, spec in {**self.known, **self.own}.items() if label in spec.labels]


def _alike(spec: MetricSpec, built_in: MetricSpec) -> bool:
    return spec.type == built_in.type and set(built_in.labels) <= set(spec.labels)


def names_in(expression: str) -> Iterator[str]:
    """Names of metrics, of labels and functions, too, in PromQL; a histogram's without what is put behind it."""
    for word in _WORDS.findall(_TEXTS_AND_RANGES.sub("", expression)):
        yield _PARTS.sub("", word)
        # There are counters and gauges that are called so.
        yield word


def scraped(label: str) -> str:
    """What *label* of a metric is called in Prometheus."""
    return f"exported_{label}" if label in _OF_TARGETS else label
