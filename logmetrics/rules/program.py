"""All rules of one source -> ONE function that takes a block of lines.

The text of the function is registered with ``linecache``: tracebacks show its lines, and `logmetrics packs NAME
--source` prints it.
"""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from logmetrics.config.specs import FORMATS, RuleSet, RuleSpec
from logmetrics.config.tree import Call, Expr
from logmetrics.formats import ollama_lines
from logmetrics.formats.json_lines import JsonFormat
from logmetrics.formats.routing import split_formats
from logmetrics.rules import functions
from logmetrics.rules.emit import Emitter
from logmetrics.rules.keyed import KeyedState
from logmetrics.rules.memory import Memory
from logmetrics.rules.pairs import OpenPairs
from logmetrics.rules.writer import LoopWriter, NumberedRule
from logmetrics.store.store import Store


@dataclass(slots=True)
class Log:
    """What rules can ask about the file that a block comes from."""

    path: str
    source: str
    name: str = field(init=False)
    stem: str = field(init=False)
    parent: str = field(init=False)

    def __post_init__(self) -> None:
        directory, _, self.name = self.path.rpartition("/")
        self.stem = self.name.partition(".")[0] or self.name
        self.parent = directory.rpartition("/")[2]


@dataclass(slots=True)
class RuleTally:
    """What became of one rule: how often it matched, and updates that gave no usable value, by reason."""

    name: str
    # A pack's rule is told of from its first match on: most logs concern few packs.
    of_pack: bool = False
    matches: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    open_pairs: OpenPairs | None = None
    # What its stateful functions know, by the name of each in state.db.
    memories: dict[str, Memory] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to tell of it."""
        return self.of_pack and not self.matches and not (self.open_pairs and self.open_pairs.was_used)

    @property
    def states(self) -> Iterator[tuple[str, KeyedState]]:
        """All that it remembers, each under its name in state.db."""
        if self.open_pairs is not None:
            yield self.name, self.open_pairs
        yield from self.memories.items()

    def skip(self, value: object) -> None:
        """Count an update whose *value* cannot be used."""
        if value is None:
            reason = "missing"
        elif value.__class__ is bool or not isinstance(value, (int, float)):
            reason = "not_a_number"
        elif value < 0:
            reason = "negative"
        else:
            reason = "not_finite"
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


@dataclass(slots=True)
class Program:
    """The compiled rules of one source. ``apply`` counts a block of lines; the tallies grow with it."""

    source_text: str
    rules: list[RuleTally]
    # What `remember` knows of each log, for all rules.
    remembered: Memory
    apply: Callable[[list[bytes], Log, float], None] = field(init=False)
    unmatched: int = 0
    unparsable: int = 0

    def collect(self, source: str, batch: dict[str, list[tuple[Any, ...]]]) -> None:
        """Add to *batch* what the next commit must write of the state behind the rules."""
        cleared = batch.setdefault("pairs_cleared", [])
        rows, gone = batch.setdefault("pairs", []), batch.setdefault("pairs_gone", [])
        for name, state in self._states():
            if state.must_clear:
                cleared.append((source, name))
            changed, closed = state.changes()
            rows += [(source, name, *row) for row in changed]
            gone += [(source, name, key) for key in closed]

    def _states(self) -> Iterator[tuple[str, KeyedState]]:
        yield "#remember", self.remembered
        for rule in self.rules:
            yield from rule.states

    def committed(self) -> None:
        """What ``collect`` gave is durable."""
        for _, state in self._states():
            state.committed()

    def commit_failed(self) -> None:
        """What ``collect`` gave may be durable or not."""
        for _, state in self._states():
            state.commit_failed()

    def restore(self, source: str, rows: Iterable[tuple[str, str, str, int, str]]) -> None:
        """Take over the rows of an earlier run; those of other sources and rules are passed over."""
        by_name: dict[str, list[tuple[str, int, str]]] = {}
        for row_source, name, *row in rows:
            if row_source == source:
                by_name.setdefault(name, []).append(tuple(row))  # type: ignore[arg-type]
        for name, state in self._states():
            state.restore(by_name.get(name, ()))


def compile_rules(
    rule_set: RuleSet, source: str, source_format: str, store: Store, agent: Expr | None = None
) -> Program:
    """Compile *rule_set* for the lines of one source, writing into *store*; *agent* is its `source.agent`."""
    formats = FORMATS if source_format == "auto" else (source_format,)
    rules = [rule for rule in rule_set.rules if rule.format is None or rule.format in formats]
    bindings = _Bindings(rules, store, agent)
    lines = [
        "def apply(lines, log, now_s):",
        f'    """The rules of source {source!r}, for a block of whole lines."""'.replace("\\", ""),
        f"    unmatched = unparsable = {''.join(f'n{number} = ' for number in range(len(rules)))}0",
    ]
    if len(formats) == 1:
        lines += _loop(formats[0], rules, rule_set, bindings, indent=1)
    else:
        lines.append("    for format_name, lines in split_formats(lines):")
        for position, name in enumerate(formats):
            lines.append(f"        {'el' if position else ''}if format_name == {name!r}:")
            lines += _loop(name, rules, rule_set, bindings, indent=3)
    lines.append("    program.unmatched += unmatched")
    lines.append("    program.unparsable += unparsable")
    lines += [f"    tallies[{number}].matches += n{number}" for number in range(len(rules))]
    text = "\n".join(lines) + "\n"
    program = Program(text, bindings.tallies, bindings.remembered)
    bindings.names.update(program=program, tallies=bindings.tallies, split_formats=split_formats)
    program.apply = _evaluate(text, f"<rules of source {source}>", bindings.names)
    return program


def _loop(name: str, rules: Sequence[RuleSpec], rule_set: RuleSet, bindings: _Bindings, indent: int) -> list[str]:
    record_format = JsonFormat() if name == "json" else ollama_lines.OllamaFormat()
    numbered = [NumberedRule(n, rule) for n, rule in enumerate(rules) if rule.format in (None, name)]
    emitter = Emitter(record_format.field, bindings.constant, bindings.agent)
    writer = LoopWriter(emitter, rule_set.metrics, bindings, indent + 1)
    body = writer.write(numbered)
    bindings.names[f"decode_{name}"] = record_format.decoder()
    margin = "    " * indent
    return [
        f"{margin}records, refused = decode_{name}(lines)",
        f"{margin}unparsable += refused",
        f"{margin}for rec in records:",
        *body,
    ]


def _evaluate(text: str, filename: str, names: Mapping[str, Any]) -> Callable[[list[bytes], Log, float], None]:
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace = dict(names)
    with warnings.catch_warnings():
        # A rule may ask what is always so, such as has("x"); Python warns of its own words for that.
        warnings.simplefilter("ignore", SyntaxWarning)
        code = compile(text, filename, "exec")
    exec(code, namespace)  # noqa: S102 - written above from checked trees
    function: Callable[[list[bytes], Log, float], None] = namespace["apply"]
    return function


class _Bindings:
    """The names that the generated text uses, and what they stand for."""

    def __init__(self, rules: Sequence[RuleSpec], store: Store, agent: Expr | None) -> None:
        self.store = store
        self.agent = agent
        self.remembered = Memory()
        self.tallies = [
            RuleTally(rule.name, bool(rule.pack), open_pairs=OpenPairs() if rule.pair else None) for rule in rules
        ]
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
        return self.constant(metric, self.store.site(metric, constants, count_only=count_only))

    def open_pairs(self, rule_number: int) -> str:
        self.names[f"open_{rule_number}"] = self.tallies[rule_number].open_pairs
        return f"open_{rule_number}"

    def memory(self, rule_number: int, call: Call) -> str:
        """The memory behind a stateful *call*: one for each different call in a rule; what is remembered, all share."""
        if call.name == "remember":
            self.names["remember"] = self.remembered.remember
            return "remember"
        tally = self.tallies[rule_number]
        digest = sha256(repr(call).encode("utf-8", "surrogatepass")).hexdigest()[:12]
        memory = tally.memories.setdefault(f"{tally.name}#{call.name}:{digest}", Memory())
        number = list(tally.memories.values()).index(memory)
        name = f"{call.name}_{rule_number}_{number}"
        self.names[name] = getattr(memory, call.name)
        return name

    def skip(self, rule_number: int) -> str:
        self.names[f"skip_{rule_number}"] = self.tallies[rule_number].skip
        return f"skip_{rule_number}"
