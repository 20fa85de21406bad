"""Where the parts of rules stand: files of configs and packs, with lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from logmetrics.config.document import Document, KeyPath, parse_document
from logmetrics.config.expression_text import Wording, definitions
from logmetrics.config.specs import PackSpec, RuleSpec, UpdateSpec
from logmetrics.config.tree import Expr, parts_of

# Of what a node of a trace is: a rule, a definition that rules share, or what tells a pack's records.
Owner = tuple[str, str]


@dataclass(frozen=True)
class Definitions:
    """The YAML file of a config or a pack. ``pack`` is empty for a config."""

    file: str
    text: str
    pack: str = ""

    @classmethod
    def of_pack(cls, pack: PackSpec) -> Definitions:
        """Those of a built-in pack."""
        return cls(f"packs/{pack.name}.yaml", pack.text, pack.name)

    @cached_property
    def document(self) -> Document:
        """The file's values and their places."""
        return parse_document(self.text, self.file, fast=True)

    @cached_property
    def names(self) -> Mapping[Expr, str]:
        """What ``define`` names."""
        return definitions(self.text, self.file)

    @cached_property
    def wording(self) -> Wording:
        """Writes expressions as the file does."""
        return Wording(self.names)

    @cached_property
    def _rules(self) -> dict[str, tuple[int, Mapping[str, Any]]]:
        rules = self.document.values.get("rules") or ()
        return {rule["name"]: (number, rule) for number, rule in enumerate(rules)}

    def own_name(self, rule: RuleSpec) -> str:
        """What *rule* is called in the file."""
        return rule.name.removeprefix(f"{self.pack}/") if self.pack else rule.name

    def line(self, owner: Owner, rule: RuleSpec | None, role: str, root: Expr | None, update: UpdateSpec | None) -> int:
        """The line of a part: of the expression *root* of *rule*, which is *role* there, or of one of its updates."""
        kind, name = owner
        if kind == "define":
            return self._line(("define", name))
        if rule is None:
            return self._line(("recognise",))
        number, given = self._rules[self.own_name(rule)]
        return self._line(("rules", number, *self._steps(given, rule, role, root, update)))

    def _line(self, path: KeyPath) -> int:
        return self.document.place(path, of_key=True).line

    def _steps(
        self, given: Mapping[str, Any], rule: RuleSpec, role: str, root: Expr | None, update: UpdateSpec | None
    ) -> KeyPath:
        if role in ("start", "end", "key"):
            return ("pair", role)
        if role == "timeout":
            return ("pair", "timeout")
        if role == "label":
            return ("labels", next((label for label, tree in rule.labels.items() if _has(tree, root)), ""))
        if role == "let":
            return ("let", next((let.name for let in rule.let if _has(let, root)), ""))
        if role in ("value", "counted"):
            return self._update_steps(given, rule, root, update)
        return (role,) if role in given else ()

    def _update_steps(
        self, given: Mapping[str, Any], rule: RuleSpec, root: Expr | None, update: UpdateSpec | None
    ) -> KeyPath:
        """One of the updates: *update*, or the first in whose value *root* is."""
        for key, updates in (("update", rule.updates), ("on_timeout", rule.on_timeout)):
            for template, each in zip(given.get(key) or (), updates, strict=False):
                if each == update or (update is None and _has(each.value, root)):
                    return (key, template)
        return ()


def _has(expr: Expr, part: Expr | None) -> bool:
    return part is not None and any(one == part for one in parts_of(expr))
