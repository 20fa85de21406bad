"""What is wrong with a config that can be loaded: it will not do what is meant, or will be regretted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from logmetrics.authoring.lint import conditions, labels, metrics, names, regexes, rules, units
from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.ignoring import accepted
from logmetrics.authoring.lint.subject import Subject
from logmetrics.config.document import parse_document
from logmetrics.config.loading import parse_config, read_text
from logmetrics.config.specs import Config, PackSpec, SourceSpec
from logmetrics.rules.compile import compiled
from logmetrics.store.store import Store

_FAMILIES = (names, units, labels, conditions, rules, metrics, regexes)


def lint(path: str, packs: Mapping[str, PackSpec]) -> tuple[Config, list[Finding]]:
    """The config in the file *path* and what is to be said about it, in file order. Raises ConfigError."""
    config, found = hints(path, packs)
    store = Store(config.rule_set.metrics, config.limits)
    for source in config.sources or (SourceSpec("none", ()),):
        compiled(config, source, store)
    return config, found


def hints(path: str, packs: Mapping[str, PackSpec]) -> tuple[Config, list[Finding]]:
    """The same without a try whether the rules can be compiled: for those who are about to do that anyway."""
    text = read_text(path)
    config = parse_config(text, path, packs)
    return config, accepted(text, path, _found(subject_of(config, text, path)))


def subject_of(config: Config, text: str, path: str) -> Subject:
    """What there is to look at in *config*, which is in the *text* of the file *path*."""
    document = parse_document(text, path, fast=True)  # it was loaded, so there is nothing wrong with it
    declared = (document.values or {}).get("metrics") or {}
    all_metrics, all_rules = config.rule_set.metrics, config.rule_set.rules
    return Subject(
        document=document,
        own_metrics={name: all_metrics[name] for name in declared},
        metrics=all_metrics,
        own_rules=[rule for rule in all_rules if not rule.pack],
        rules=all_rules,
        sources=config.sources,
        limits=config.limits,
    )


def lint_pack(pack: PackSpec) -> list[Finding]:
    """What is to be said about a built-in pack: for those who write one, users can do nothing about it."""
    file = f"{pack.name}.yaml"
    document = parse_document(pack.text, file, fast=True)
    own = {name: pack.rule_set.metrics[name] for name in document.values.get("metrics", {})}
    rules_of = pack.rule_set.rules
    subject = Subject(document, own, pack.rule_set.metrics, rules_of, rules_of)
    return accepted(pack.text, file, _found(subject))


def _found(subject: Subject) -> Iterator[Finding]:
    for family in _FAMILIES:
        yield from family.findings(subject)
