"""What a workload amounts to, and whether an exposition says so.

Expected values are counted from what the generator drew, before it was written as text, so that no parser's mistake can
hide in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

# A sample's name and its labels, ordered by name; `le` as Python writes the number.
Key = tuple[str, tuple[tuple[str, str], ...]]
# Sums of a million floats in another order differ in their last digits.
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Alias:
    """Under which name and labels a sample counts, where a program cannot give it the name of the workload.

    Labels are added where the program has none of that name, or an empty one.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Expected:
    """The samples of an exposition that is right."""

    def __init__(self) -> None:
        self.samples: dict[Key, float] = {}

    def add(self, name: str, labels: Mapping[str, str], by: float) -> None:
        """Add *by* to a sample."""
        key = name, tuple(sorted(labels.items()))
        self.samples[key] = self.samples.get(key, 0) + by

    def count(self, name: str, **labels: str) -> None:
        """Count one."""
        self.add(name, labels, 1)

    def observe(self, name: str, value: float, buckets: Iterable[float] = (), **labels: str) -> None:
        """Give *value* to a histogram; *buckets* are those of its buckets that are compared."""
        for bound in buckets:
            self.add(f"{name}_bucket", {**labels, "le": repr(float(bound))}, 1 if value <= bound else 0)
        self.add(f"{name}_count", labels, 1)
        self.add(f"{name}_sum", labels, value)

    def save(self, path: Path) -> None:
        """Write all samples."""
        path.write_text(json.dumps([[name, labels, value] for (name, labels), value in self.samples.items()]))

    @classmethod
    def load(cls, path: Path) -> Expected:
        """What `save` wrote."""
        expected = cls()
        for name, labels, value in json.loads(path.read_text()):
            expected.samples[name, tuple((label, text) for label, text in labels)] = value
        return expected

    def times(self, factor: int) -> Expected:
        """Of a log that is this one so many times."""
        expected = Expected()
        expected.samples = {key: value * factor for key, value in self.samples.items()}
        return expected


def wrong(exposition: str, expected: Expected, aliases: Mapping[str, Alias] | None = None) -> str:
    """What is wrong with an exposition, or nothing. Labels that are not expected (file, job) are summed over."""
    try:
        found = _samples(exposition, expected, aliases or {})
    except ValueError as error:
        return f"WRONG: no exposition: {error}"
    differing = [
        key
        for key, value in expected.samples.items()
        if not math.isclose(found.get(key, 0.0), value, rel_tol=SUM_TOLERANCE, abs_tol=SUM_TOLERANCE)
    ]
    if not differing:
        return ""
    name, labels = differing[0]
    told = ",".join(f'{label}="{value}"' for label, value in labels)
    return (
        f"WRONG: {len(differing)} of {len(expected.samples)} values, such as {name}{{{told}}}: "
        f"{found.get(differing[0], 0.0):g} for {expected.samples[differing[0]]:g}"
    )


def _samples(exposition: str, expected: Expected, aliases: Mapping[str, Alias]) -> dict[Key, float]:
    known: dict[str, Sequence[str]] = {name: [label for label, _ in labels] for name, labels in expected.samples}
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            alias = aliases.get(sample.name, Alias(sample.name))
            labels = {**alias.labels, **{name: value for name, value in sample.labels.items() if value}}
            if "le" in labels:
                labels["le"] = repr(float(labels["le"]))
            names = known.get(alias.name, ())
            key = alias.name, tuple(sorted((name, labels[name]) for name in names if name in labels))
            found[key] = found.get(key, 0.0) + sample.value
    return found
