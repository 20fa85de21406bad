"""What is looked at: one file's metrics and rules, with the places where they stand, among all others of the config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from logmetrics.authoring.lint.findings import Finding
from logmetrics.config.document import Document, KeyPath, dotted
from logmetrics.config.expression_text import Wording
from logmetrics.config.specs import LimitsSpec, MetricSpec, RuleSpec, SourceSpec, UpdateSpec
from logmetrics.config.tree import Expr
from logmetrics.present.amounts import cut

_TEXT_CHARACTERS_MAX = 80
_WORDING = Wording()


@dataclass(frozen=True, slots=True)
class Place:
    """An expression of a rule and where it stands."""

    rule: RuleSpec
    path: KeyPath
    expr: Expr


@dataclass(frozen=True)
class Subject:
    """A config, or a built-in pack by itself, that can be loaded."""

    document: Document
    # Those that the file defines, and all that its rules can feed.
    own_metrics: Mapping[str, MetricSpec]
    metrics: Mapping[str, MetricSpec]
    # Those of the file, in its order; and all that feed its metrics.
    own_rules: Sequence[RuleSpec]
    rules: Sequence[RuleSpec]
    # Empty: it does not say what is read.
    sources: Sequence[SourceSpec] = ()
    limits: LimitsSpec = field(default_factory=LimitsSpec)

    def finding(self, rule: str, path: KeyPath, what: str, remedy: str, *, of_key: bool = False) -> Finding:
        """A finding of the kind *rule* at *path*."""
        place = self.document.place(path, of_key=of_key)
        return Finding(self.document.file, place.line, place.column, rule, dotted(path), what, remedy)

    def line(self, path: KeyPath) -> int:
        """On which line of the file that is."""
        return self.document.place(path).line

    def rule_paths(self) -> Iterator[tuple[KeyPath, RuleSpec]]:
        """The file's rules and where they stand."""
        for index, rule in enumerate(self.own_rules):
            yield ("rules", index), rule

    def updates(self, path: KeyPath, rule: RuleSpec) -> Iterator[tuple[KeyPath, UpdateSpec]]:
        """The updates of *rule*, which stands at *path*, and where they stand."""
        values = self._values(path)
        for key, updates in (("update", rule.updates), ("on_timeout", rule.on_timeout)):
            for template, update in zip(values.get(key, {}), updates, strict=True):
                yield (*path, key, template), update

    def conditions(self, path: KeyPath, rule: RuleSpec) -> Iterator[Place]:
        """What decides whether *rule* counts."""
        if rule.when is not None:
            yield Place(rule, (*path, "when"), rule.when)
        if rule.pair is not None:
            yield Place(rule, (*path, "pair", "start"), rule.pair.start)
            yield Place(rule, (*path, "pair", "end"), rule.pair.end)

    def expressions(self) -> Iterator[Place]:
        """All expressions of the file's rules, each where it stands. What `define` gives is in each that uses it."""
        for path, rule in self.rule_paths():
            yield from self.conditions(path, rule)
            if rule.pair is not None:
                yield Place(rule, (*path, "pair", "key"), rule.pair.key)
                kept = self._values((*path, "pair")).get("keep", {})
                for name, expr in zip(kept, (expr for _, expr in rule.pair.keep), strict=False):
                    yield Place(rule, (*path, "pair", "keep", name), expr)
            for index, item in enumerate(rule.each):
                yield Place(rule, (*path, "each", index), item.of)
            for let in rule.let:
                yield Place(rule, (*path, "let", let.name), let.value)
            for label, expr in rule.labels.items():
                yield Place(rule, (*path, "labels", label), expr)
            for call in rule.remember:
                name = getattr(call.arguments[0], "value", "")
                yield Place(rule, (*path, "remember", name), call.arguments[1])
            for place, update in self.updates(path, rule):
                yield Place(rule, place, update.value)

    def _values(self, path: KeyPath) -> dict[str, Any]:
        values = self.document.values
        for step in path:
            values = values[step]
        return values if isinstance(values, dict) else {}

    def feeders(self, metric: str) -> Sequence[tuple[RuleSpec, UpdateSpec]]:
        """All updates of *metric*, those of packs too."""
        return self._feeders.get(metric, ())

    @cached_property
    def _feeders(self) -> Mapping[str, list[tuple[RuleSpec, UpdateSpec]]]:
        found: dict[str, list[tuple[RuleSpec, UpdateSpec]]] = {}
        for rule in self.rules:
            for update in (*rule.updates, *rule.on_timeout):
                found.setdefault(update.metric, []).append((rule, update))
        return found

    def label_of(self, rule: RuleSpec, update: UpdateSpec, label: str) -> Expr | str:
        """What *update* puts into *label*: a text that stands in its template, or an expression."""
        constants = dict(update.constants)
        return constants[label] if label in constants else rule.labels[label]


def told(expr: Expr) -> str:
    """*expr* as people write it, the beginning where it is long; for messages."""
    return cut(_WORDING.text(expr), _TEXT_CHARACTERS_MAX)
