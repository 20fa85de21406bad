"""All that `logmetrics check` has to say about one config."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Sized
from dataclasses import asdict, dataclass
from typing import Any

from logmetrics.authoring.lint import lint, subject_of
from logmetrics.authoring.lint.findings import Finding, Severity, weighed
from logmetrics.authoring.lint.forecast import Forecast, forecast, section, summary
from logmetrics.authoring.lint.ignoring import accepted
from logmetrics.authoring.lint.observed import findings
from logmetrics.authoring.lint.samples import Observed, observe
from logmetrics.config.loading import parse_config, read_text
from logmetrics.config.specs import Config
from logmetrics.errors import ConfigError
from logmetrics.packs import builtin_packs
from logmetrics.present.amounts import number_of
from logmetrics.present.blocks import Section

# In the place of a finding's name: mistakes for which a config cannot be loaded have none.
UNLOADED = "config"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in the config *file*, and in samples if there are any; without a file, of the built-in packs."""

    file: str | None
    config: Config
    findings: Sequence[Finding]
    observed: Observed | None
    forecasts: Sequence[Forecast]

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings of each severity there are."""
        return weighed(list(self.findings))

    def lines(self) -> Iterator[str]:
        """The findings, in file order."""
        for each in self.findings:
            yield f"{each.place}: {each.severity}: {each.key_path}: {each.what} [{each.rule}]"
            yield f"    {each.remedy}"

    def sections(self) -> list[Section]:
        """What the samples showed."""
        if self.observed is None:
            return []
        return [summary(self.observed, self.file), *([section(list(self.forecasts))] if self.forecasts else [])]

    @property
    def verdict(self) -> str:
        """All of it in a line."""
        rules = self.config.rule_set
        parts: dict[str, Sized] = {"source": self.config.sources, "metric": rules.metrics, "rule": rules.rules}
        has = ", ".join(number_of(noun, len(part)) for noun, part in parts.items())
        found = [number_of(severity, number) for severity, number in self.counts.items() if number]
        name = self.file or "built-in packs"
        is_good = not (self.counts["error"] or self.counts["warning"])
        told = ", ".join([*(["good"] if is_good else []), *found])
        return f"{name}: {told}; {has}, those of packs included"

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        document: dict[str, Any] = {
            "config": self.file,
            "counts": self.counts,
            "findings": [{**asdict(each), "severity": each.severity} for each in self.findings],
        }
        if self.observed is not None:
            seen = self.observed
            document["samples"] = {
                name: getattr(seen, name)
                for name in ("files", "records", "unmatched", "unparsable", "unmatched_place", "unparsable_place")
            }
            document["rules"] = {name: asdict(rule) for name, rule in seen.rules.items()}
            document["forecast"] = [asdict(each) for each in self.forecasts]
            document["unread"] = seen.problems
        return document


def unloaded(file: str | None, error: ConfigError) -> dict[str, Any]:
    """The report for programs on a config that cannot be loaded, in the form of others."""
    found = [{**asdict(each), "rule": UNLOADED, "remedy": "", "severity": "error"} for each in error.problems]
    return {"config": file, "counts": {"error": len(found), "warning": 0, "note": 0}, "findings": found}


def report_on(file: str | None, samples: Sequence[str]) -> Report:
    """The report on the config *file* with *samples* of logs. Raises ConfigError."""
    packs = builtin_packs()
    text = "" if file is None else read_text(file)
    config, found = (parse_config(text, "", packs), []) if file is None else lint(file, packs)
    if not samples:
        return Report(file, config, found, None, ())
    observed = observe(config, samples, time.time())
    subject = subject_of(config, text, file or "")
    forecasts = forecast(subject, observed)
    more = list(findings(subject, observed, forecasts)) if file is not None else []
    return Report(file, config, accepted(text, file or "", [*found, *more]), observed, forecasts)
