"""All rules of one source -> one function for each format that takes a block of lines.

The text of the functions is registered with ``linecache``: tracebacks show its lines, and `logmetrics packs NAME
--source` prints it.
"""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec

from logmetrics.config.specs import FORMATS, RuleSet, RuleSpec
from logmetrics.config.tree import Call, Expr, Field
from logmetrics.formats import ollama_lines
from logmetrics.formats.json_lines import JsonFormat
from logmetrics.formats.routing import split_formats
from logmetrics.rules import functions
from logmetrics.rules.emit import Emitter
from logmetrics.rules.markers import markers_of
from logmetrics.rules.memory import Memory
from logmetrics.rules.pairs import OpenPairs
from logmetrics.rules.program import Function, OtherRecords, Program, RuleTally
from logmetrics.rules.writer import LoopWriter, NumberedRule, PackRules, by_pack
from logmetrics.store.store import Store


def compile_rules(
    rule_set: RuleSet, source: str, source_format: str, store: Store, agent: Expr | None = None
) -> Program:
    """Compile *rule_set* for the lines of one source, writing into *store*; *agent* is its `source.agent`."""
    formats = FORMATS if source_format == "auto" else (source_format,)
    rules = [rule for rule in rule_set.rules if rule.format is None or rule.format in formats]
    bindings = _Bindings(rules, store)
    writer = ProgramWriter(rules, rule_set, source, formats, bindings, agent)
    return Program(bindings.tallies, bindings.remembered, writer)


class ProgramWriter:
    """Writes the functions of one source: one for each format, and one for each pack of JSON records."""

    def __init__(
        self,
        rules: Sequence[RuleSpec],
        rule_set: RuleSet,
        source: str,
        formats: Sequence[str],
        bindings: _Bindings,
        agent: Expr | None,
    ) -> None:
        self.rules = [NumberedRule(number, rule) for number, rule in enumerate(rules)]
        self.metrics = rule_set.metrics
        self.source = source
        self.formats = formats
        self.bindings = bindings
        self.agent = agent

    @property
    def others(self) -> OtherRecords:
        """What becomes of the records of JSON that no pack has for its own."""
        packs, own = by_pack(rule for rule in self.rules if rule.spec.format in (None, "json"))
        last = packs[-1:] if packs and packs[-1].recognise is None else []
        rules = [rule.spec for pack in last for rule in pack.rules] + [rule.spec for rule in own]
        keys = {str(part.path[0]) for rule in rules for part in rule.parts() if isinstance(part, Field)}
        return OtherRecords("".join(pack.name for pack in last), frozenset(keys))

    def split(self, lines: list[bytes]) -> list[tuple[str, list[bytes]]]:
        """*lines* in runs of one format."""
        return split_formats(lines) if len(self.formats) > 1 else [(self.formats[0], lines)]

    def for_any_pack(self, program: Program) -> tuple[str, dict[str, Function]]:
        """The text and the functions for each format, which look at each record for the pack that it is of."""
        self.bindings.names.update(program=program, tallies=self.bindings.tallies)
        lines: list[str] = []
        for name in self.formats:
            packs, own = by_pack(rule for rule in self.rules if rule.spec.format in (None, name))
            lines += self._function(name, packs, own)
        text = "\n".join(lines) + "\n"
        namespace = _evaluate(text, f"<rules of source {self.source}>", self.bindings.names)
        return text, {name: namespace[f"apply_{name}"] for name in self.formats}

    def _function(self, name: str, packs: Sequence[PackRules], own: Sequence[NumberedRule]) -> list[str]:
        record_format = JsonFormat() if name == "json" else ollama_lines.OllamaFormat()
        body = self._writer(record_format.field, indent=2).write(packs, own)
        self.bindings.names[f"decode_{name}"] = record_format.decoder()
        numbers = [rule.number for pack in packs for rule in pack.rules] + [rule.number for rule in own]
        seen = [f"seen_{number}" for number in range(len(packs))]
        lines = [
            *self._head(f"apply_{name}", name),
            *_counters(numbers, seen),
            f"    records, refused = decode_{name}(lines)",
            "    for rec in records:",
            *body,
            *_tallied(numbers),
        ]
        if seen:
            counts = ", ".join(f"{pack.name!r}: {count}" for pack, count in zip(packs, seen, strict=True))
            lines.append(f"    log.saw{'_json' if name == 'json' else ''}({{{counts}}})")
        return [*lines, ""]

    def for_pack(self, name: str) -> Function:
        """The function for blocks of JSON records that are all of the pack *name*; it gives False for others.

        It does what the function for any pack does, without asking each record which pack it is of.
        """
        packs, own = by_pack(rule for rule in self.rules if rule.spec.format in (None, "json"))
        position = next(number for number, pack in enumerate(packs) if pack.name == name)
        pack = packs[position]
        record_format = JsonFormat()
        body = self._writer(record_format.field, indent=2).write([replace(pack, recognise=None)], own)
        numbers = [rule.number for rule in (*pack.rules, *own)]
        function = f"apply_{name.replace('-', '_')}"
        lines = [
            *self._head(function, name),
            "    try:",
            "        records, refused = decode(lines)",
            "    except ValidationError:",
            "        return False",
            *self._test_of_all(pack, packs[:position], record_format),
            *_counters(numbers, ["seen_0"]),
            "    for rec in records:",
            *body,
            *_tallied(numbers),
            f"    log.packs[{name!r}] += {'seen_0' if pack.recognise is None else 'len(records)'}",
            "    return True",
        ]
        names = {**self.bindings.names, "decode": record_format.decoder(), "ValidationError": msgspec.ValidationError}
        text = "\n".join(lines) + "\n"
        made: Function = _evaluate(text, f"<rules of source {self.source}, pack {name}>", names)[function]
        return made

    def _test_of_all(self, pack: PackRules, earlier: Sequence[PackRules], record_format: JsonFormat) -> list[str]:
        """Statements that give up when a record is not of *pack*, or of one that comes before it."""
        emitter = Emitter(record_format.field, self.bindings.constant, self.agent)
        misfits = [] if pack.recognise is None else [f"not {emitter.test(pack.recognise)}"]
        conditions = [one.recognise for one in earlier if one.recognise is not None]
        while True:
            markers = markers_of(conditions, record_format.fields)
            tests = list(map(emitter.test, markers.tests))
            # A test may read what was a marker: then that one needs a test too.
            if not markers.keys & record_format.fields:
                break
        record_format.refuse(markers.keys)
        if not misfits + tests:
            return []
        return ["    for rec in records:", f"        if {' or '.join(misfits + tests)}:", "            return False"]

    def _head(self, function: str, what: str) -> list[str]:
        source = repr(self.source).replace("\\", "")
        return [f"def {function}(lines, log, now_s):", f'    """The rules of source {source}: {what}."""']

    def _writer(self, field: Callable[[str], str], indent: int) -> LoopWriter:
        emitter = Emitter(field, self.bindings.constant, self.agent)
        return LoopWriter(emitter, self.metrics, self.bindings, indent)


def _counters(numbers: Sequence[int], others: Sequence[str] = ()) -> list[str]:
    return [f"    {' = '.join((*(f'n{number}' for number in numbers), *others, 'unmatched'))} = 0"]


def _tallied(numbers: Sequence[int]) -> list[str]:
    return [
        *(f"    tallies[{number}].matches += n{number}" for number in numbers),
        "    program.unmatched += unmatched",
        "    program.unparsable += refused",
    ]


def _evaluate(text: str, filename: str, names: Mapping[str, Any]) -> dict[str, Any]:
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace = dict(names)
    with warnings.catch_warnings():
        # A rule may ask what is always so, such as has("x"); Python warns of its own words for that.
        warnings.simplefilter("ignore", SyntaxWarning)
        code = compile(text, filename, "exec")
    exec(code, namespace)  # noqa: S102 - written above from checked trees
    return namespace


class _Bindings:
    """The names that the generated text uses, and what they stand for."""

    def __init__(self, rules: Sequence[RuleSpec], store: Store) -> None:
        self.store = store
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
