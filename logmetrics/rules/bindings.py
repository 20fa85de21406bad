"""What the generated functions of a source call and count with, by the names that their text has for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from logmetrics.config.specs import RuleSpec
from logmetrics.config.tree import STATEFUL, Call
from logmetrics.formats import ollama_lines
from logmetrics.rules import functions
from logmetrics.rules.memory import Memory
from logmetrics.rules.pairs import OpenPairs
from logmetrics.rules.program import RuleTally
from logmetrics.store.site import Site


class Keepers(NamedTuple):
    """What makes the objects that remember for rules."""

    memory: Callable[[], Memory] = Memory
    pairs: Callable[[tuple[str, ...], float | None], OpenPairs] = OpenPairs


# Those of the daemon.
LIVE = Keepers()


def _tally(rule: RuleSpec, keepers: Keepers) -> RuleTally:
    """All that *rule* will know is there from the start, for what an earlier run saved of it."""
    calls = (part for part in rule.parts() if isinstance(part, Call) and part.name in STATEFUL)
    names = dict.fromkeys(_memory_name(rule.name, call) for call in calls if call.name != "remember")
    memories = {name: keepers.memory() for name in names}
    pairs = keepers.pairs(tuple(name for name, _ in rule.pair.keep), rule.pair.timeout_s) if rule.pair else None
    return RuleTally(rule.name, bool(rule.pack), open_pairs=pairs, memories=memories)


def _memory_name(rule: str, call: Call) -> str:
    """The name in state.db of what is behind *call*; it is another one when the call is."""
    digest = sha256(repr(call).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{rule}#{call.name}:{digest}"


class Sites(Protocol):
    """Where measurements go: the store, or what stands in its place."""

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site: ...


class Bindings:
    """The names that the generated text uses, and what they stand for."""

    def __init__(self, rules: Sequence[RuleSpec], store: Sites, keepers: Keepers) -> None:
        self.store = store
        self.remembered = keepers.memory()
        self.tallies = [_tally(rule, keepers) for rule in rules]
        self.names: dict[str, Any] = {
            **functions.HELPERS,
            **ollama_lines.NAMES,
            **{f"fn_{name}": function for name, function in functions.IMPLEMENTATIONS.items()},
        }

    def constant(self, stem: str, value: object) -> str:
        name = f"{stem}_{len(self.names)}"
        self.names[name] = value
        return name

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> str:
        return self.constant(f"site_{metric}", self.store.site(metric, constants, count_only=count_only))

    def open_pairs(self, rule_number: int) -> str:
        self.names[f"open_{rule_number}"] = self.tallies[rule_number].open_pairs
        return f"open_{rule_number}"

    def shared_memory(self, _call: Call) -> str:
        """What `remember` knows, which belongs to no rule."""
        self.names["remember"] = self.remembered.remember
        return "remember"

    def memory(self, rule_number: int, call: Call) -> str:
        """The memory behind a stateful *call*: one for each different call in a rule; what is remembered, all share."""
        if call.name == "remember":
            return self.shared_memory(call)
        tally = self.tallies[rule_number]
        key = _memory_name(tally.name, call)
        name = f"{call.name}_{rule_number}_{list(tally.memories).index(key)}"
        self.names[name] = getattr(tally.memories[key], call.name)
        return name

    def matches(self, rule_number: int) -> str:
        """What counts how often a rule matched. Not a local variable: most rules match nothing in a block."""
        self.names[f"tally_{rule_number}"] = self.tallies[rule_number]
        return f"tally_{rule_number}.matches"

    def skip(self, rule_number: int) -> str:
        self.names[f"skip_{rule_number}"] = self.tallies[rule_number].skip
        return f"skip_{rule_number}"
