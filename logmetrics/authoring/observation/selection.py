"""PromQL of panels: what is chosen above them, and the usual ways to look at counters and histograms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from logmetrics.config.specs import MetricSpec

# Each has a variable above the panels; what every series has, and what some metrics have.
_ALWAYS = ("job", "instance")
SOMETIMES = ("agent", "model")
RANGE = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Selection:
    """Series of metrics, as far as they are chosen."""

    shapes: Mapping[str, MetricSpec]

    def __call__(self, name: str, *conditions: str, part: str = "") -> str:
        """A selector; *part* is what stands behind the name of a histogram."""
        shape = self.shapes.get(name)
        labels = (*_ALWAYS, *(label for label in SOMETIMES if shape is not None and label in shape.labels))
        chosen = [f'{label}=~"${label}"' for label in labels]
        return f"{name}{part}{{{','.join([*chosen, *conditions])}}}"

    def rate(self, name: str, *conditions: str, by: str = "") -> str:
        """How much a counter grows in a second."""
        return _sum(f"rate({self(name, *conditions)}[{RANGE}])", by)

    def per_minute(self, name: str, *conditions: str, by: str = "") -> str:
        """The same for a minute: of what happens now and then."""
        return f"60 * {self.rate(name, *conditions, by=by)}"

    def total(self, name: str, *conditions: str, by: str = "") -> str:
        """How much it grew in the time shown."""
        return _sum(f"increase({self(name, *conditions)}[$__range])", by)

    def share(self, name: str, condition: str, *others: str, by: str = "") -> str:
        """Which share of a counter's growth has *condition*: 0 without any, nothing where nothing happens."""
        all_of_it = self.rate(name, *others, by=by)
        return f"({self.rate(name, condition, *others, by=by)} or 0 * {all_of_it}) / ({all_of_it} > 0)"

    def quantile(self, share: float, name: str, *conditions: str, by: str = "") -> str:
        """The value of a histogram below which this share of what was observed is; nothing where nothing was."""
        buckets = _sum(f"rate({self(name, *conditions, part='_bucket')}[{RANGE}])", f"le, {by}" if by else "le")
        # Of no observations it is no number, and a legend of those that have none helps nobody.
        return f"histogram_quantile({share}, {buckets}) > -Inf"

    def buckets(self, name: str, *conditions: str) -> str:
        """What a heat map is made of."""
        return _sum(f"increase({self(name, *conditions, part='_bucket')}[{RANGE}])", "le")


def _sum(what: str, by: str) -> str:
    return f"sum by ({by}) ({what})" if by else f"sum({what})"
