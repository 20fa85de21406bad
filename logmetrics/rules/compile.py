"""All rules of one source -> one function for each format that takes a block of lines.

The text of the functions is registered with ``linecache``: tracebacks show its lines, and `logmetrics packs NAME
--source` prints it.
"""

from __future__ import annotations

import ctypes
import linecache
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from logmetrics.config.specs import FORMATS, Config, RuleSet, RuleSpec, SourceSpec
from logmetrics.config.tree import Expr, Field, Literal, Not, has_memory, parts_of
from logmetrics.errors import ConfigError, Problem
from logmetrics.formats import ollama_lines
from logmetrics.formats.json_lines import JsonFormat, can_be_known
from logmetrics.formats.kinds import ABSENT
from logmetrics.formats.routing import split_formats
from logmetrics.formats.text_fields import TextFieldsFormat, logfmt_format, pattern_format
from logmetrics.rules.bindings import LIVE, Bindings, Keepers, Sites
from logmetrics.rules.emit import BREAK, Emitter
from logmetrics.rules.kinds import ANYTHING, Fields
from logmetrics.rules.pack_rules import NumberedRule, PackRules, by_pack
from logmetrics.rules.program import Function, OtherRecords, Program, WhichPack
from logmetrics.rules.simplify import of_what_is_kept, simplified, simplified_rule
from logmetrics.rules.writer import LoopWriter

# A field that a decoder looks for costs some nanoseconds in each record, also where it is absent.
KEYS_LOOKED_FOR_MAX = 24


def compile_rules(
    rule_set: RuleSet,
    source: str,
    source_format: str,
    store: Sites,
    agent: Expr | None = None,
    *,
    pattern: str = "",
    keepers: Keepers = LIVE,
) -> Program:
    """Compile *rule_set* for the lines of one source, writing into *store*.

    *agent* is its `source.agent`, *pattern* what takes lines of the format regex apart, *keepers* remember for rules.
    """
    formats = FORMATS if source_format == "auto" else (source_format,)
    rules = [rule for rule in rule_set.rules if any(map(rule.is_for, formats))]
    bindings = Bindings(rules, store, keepers)
    program = Program(
        bindings.tallies,
        bindings.remembered,
        ProgramWriter(rules, rule_set, source, formats, bindings, agent, pattern),
    )
    bindings.names.update(program=program)
    return program


def compiled(config: Config, source: SourceSpec, store: Sites, keepers: Keepers = LIVE) -> Program:
    """The rules of *config* for *source*. Raises ConfigError when they are nested too deeply for Python."""
    program = compile_rules(
        config.rule_set, source.name, source.format, store, source.agent, pattern=source.pattern, keepers=keepers
    )
    program.exclude = tuple(text.encode() for text in source.exclude_lines)
    if program.has_own_rules:
        try:
            program.prepare()
        except (SyntaxError, RecursionError, MemoryError) as error:
            what = f"the rules are nested too deeply to be compiled ({error}); use let, or fewer steps"
            raise ConfigError([Problem(f"source {source.name}", 0, 0, "", what)]) from error
    return program


class ProgramWriter:
    """Writes the functions of one source: one for each format of text, and one for each pack of JSON records."""

    def __init__(
        self,
        rules: Sequence[RuleSpec],
        rule_set: RuleSet,
        source: str,
        formats: Sequence[str],
        bindings: Bindings,
        agent: Expr | None,
        pattern: str,
    ) -> None:
        self.pattern = pattern
        self.rules = [NumberedRule(number, rule) for number, rule in enumerate(rules)]
        self.metrics = rule_set.metrics
        self.source = source
        self.formats = formats
        self.bindings = bindings
        self.agent = agent
        self.packs, self.own = by_pack(rule for rule in self.rules if rule.spec.is_for("json"))
        # What was written so far, by the name that tracebacks give it.
        self.texts: dict[str, str] = {}

    @property
    def is_of_one_pack(self) -> bool:
        """Whether no record of JSON has to be asked for its pack."""
        return len(self.packs) == 1

    @property
    def others(self) -> OtherRecords:
        """What becomes of the records of JSON that no pack has for its own."""
        rules = [rule.spec for rule in (*self.packs[-1].rules, *self.own)]
        keys = {str(part.path[0]) for rule in rules for part in rule.parts() if isinstance(part, Field)}
        return OtherRecords(self.packs[-1].name, frozenset(keys))

    def split(self, lines: list[bytes]) -> list[tuple[str, list[bytes]]]:
        """*lines* in runs of one format."""
        return split_formats(lines) if len(self.formats) > 1 else [(self.formats[0], lines)]

    def of_text(self, name: str) -> Function:
        """The function for lines of the format *name*, which asks each for the pack that it is of."""
        packs, own = by_pack(rule for rule in self.rules if rule.spec.is_for(name))
        decode: Callable[[list[bytes]], Any]
        if name == "ollama":
            head = f"    for {', '.join(ollama_lines.PARTS)} in records:"
            body, decode = self.of_ollama_lines(packs, own), ollama_lines.decode
        else:
            packs = packs[-1:]  # packs know their records of JSON, not what else has fields
            record_format = self._text_fields(name)
            head = "    for rec in records:"
            body, decode = self._writer(record_format.field).write(packs, own), record_format.decoder()
        seen = [f"seen_{pack.number}" for pack in packs]
        counts = ", ".join(f"{pack.name!r}: {count}" for pack, count in zip(packs, seen, strict=True))
        lines = [
            *self._head(f"apply_{name}", name),
            f"    {' = '.join(seen)} = unmatched = 0",
            "    records, refused, continued = decode(lines)",
            head,
            *body,
            "    program.unmatched += unmatched",
            "    program.unparsable += refused",
            "    program.continued += continued",
            f"    log.saw({{{counts}}})",
        ]
        return self._made(f"apply_{name}", name, lines, decode=decode)

    def of_ollama_lines(self, packs: Sequence[PackRules], own: Sequence[NumberedRule]) -> list[str]:
        """The statements for a record, written anew for each kind of line: most rules are for one."""
        body: list[str] = []
        for kind in ollama_lines.KINDS:
            kinds, others = ollama_lines.fields_of(kind)
            fields = Fields(kinds, others, {"kind": kind}, self.agent)
            known = [pack for pack in (self._of_fields(pack, fields) for pack in packs) if pack is not None]
            body.append(f"        {'el' if body else ''}if kind == {kind!r}:")
            writer = self._writer(ollama_lines.field, fields, indent=3)
            body += writer.write(known, self._simplified(own, fields))
        return body

    def _of_fields(self, pack: PackRules, fields: Fields) -> PackRules | None:
        """*pack* for records of *fields*; None when these cannot be of it."""
        recognise = None if pack.recognise is None else simplified(pack.recognise, fields)
        if recognise == Literal(value=False):
            return None
        return replace(pack, recognise=recognise, rules=self._simplified(pack.rules, fields))

    def _text_fields(self, name: str) -> TextFieldsFormat:
        return logfmt_format() if name == "logfmt" else pattern_format(self.pattern)

    def of_pack(self, name: str) -> Function:
        """The function for records of JSON that are of the pack *name*."""
        pack = next(pack for pack in self.packs if pack.name == name)
        record_format = JsonFormat()
        body = self._writer(record_format.field).write([replace(pack, recognise=None, number=0)], self.own)
        function = f"apply_{_identifier(name)}"
        lines = [
            *self._head(function, name or "no pack"),
            "    records, refused = decode(lines)",
            *self._loop(pack, body),
        ]
        what = f"pack {name}" if name else "json"
        return self._made(function, what, lines, decode=record_format.decoder())

    def of_shape(self, name: str, kinds: Mapping[str, int]) -> Function:
        """The same for records whose top-level fields are of *kinds*, of which most spellings in a pack are not one.

        It finds out whether all records are such, and of this pack; if not it does nothing and gives False.
        """
        fields = Fields(kinds, ABSENT, agent=self.agent)
        position = [pack.name for pack in self.packs].index(name)
        pack = self.packs[position]
        rules, own = self._simplified(pack.rules, fields), self._simplified(self.own, fields)
        record_format = JsonFormat()

        def field(key: str) -> str:
            return "None" if fields.kind(key) == ABSENT else record_format.field(key)

        body = self._writer(field, fields).write([PackRules(name, None, rules)], own)
        emitter = self.emitter(field, fields, self.agent)
        emitter.memory = self.bindings.shared_memory
        misfit: list[tuple[str, Expr]] = [(name, Not(pack.recognise))] if pack.recognise is not None else []
        misfit += [(one.name, one.recognise) for one in self.packs[:position] if one.recognise is not None]
        misfits = []
        for emitter.pack, condition in misfit:
            test = simplified(condition, fields)
            if test != Literal(value=False):
                misfits.append(emitter.test(test))
        function = f"apply_{_identifier(name)}_known"
        lines = [
            *self._head(function, f"{name or 'no pack'}, with known fields"),
            "    try:",
            "        records, refused = decode(lines)",
            "    except ValidationError:",
            "        return False",
            *(["    for rec in records:", f"        if {' or '.join(misfits)}:"] if misfits else ()),
            *(["            return False"] if misfits else ()),
            *self._loop(pack, body),
        ]
        read = self._keys_read_by(pack)
        for key in read if self.is_open else kinds.keys() & read:  # what one decoder refuses all must refuse
            record_format.field(key)
        names = {
            "decode": record_format.decoder(kinds, closed=not self.is_open),
            "ValidationError": msgspec.ValidationError,
        }
        digest = sha256(repr(sorted(kinds.items())).encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return self._made(function, f"pack {name}, fields {digest}", lines, **names)

    @property
    def is_open(self) -> bool:
        """Whether so few keys are read that a decoder can look for each, and pass over any others."""
        return len(self.keys_read) <= KEYS_LOOKED_FOR_MAX and can_be_known(self.keys_read)

    @cached_property
    def keys_read(self) -> frozenset[str]:
        """The top-level keys that are decoded of records of JSON."""
        return self._keys_of_conditions.union(
            *(self._keys_of(pack.rules) for pack in self.packs), self._keys_of(self.own)
        )

    def _keys_read_by(self, pack: PackRules) -> frozenset[str]:
        """The top-level keys that are decoded to tell a record's pack, and by the rules of *pack*."""
        return self._keys_of_conditions | self._keys_of((*pack.rules, *self.own))

    @cached_property
    def _keys_of_conditions(self) -> frozenset[str]:
        return _top_level(
            part for pack in self.packs if pack.recognise is not None for part in parts_of(pack.recognise)
        )

    def _keys_of(self, rules: Iterable[NumberedRule]) -> frozenset[str]:
        return _top_level(part for rule in rules for part in rule.spec.parts())

    def _simplified(self, rules: Sequence[NumberedRule], fields: Fields) -> list[NumberedRule]:
        pairs = ((rule.number, simplified_rule(rule.spec, fields)) for rule in rules)
        return [NumberedRule(number, spec) for number, spec in pairs if spec is not None]

    def _loop(self, pack: PackRules, body: Sequence[str]) -> list[str]:
        return [
            "    seen_0 = unmatched = 0",
            "    for rec in records:",
            *body,
            "    program.unmatched += unmatched",
            "    program.unparsable += refused",
            f"    log.packs[{pack.name!r}] += {'seen_0' if pack.recognise is None else 'len(records)'}",
            "    return True",
        ]

    def which_pack(self) -> WhichPack:
        """Tells which pack a record of JSON is of: the first whose condition holds."""
        record_format = JsonFormat()
        emitter = self.emitter(record_format.field, agent=self.agent)
        emitter.memory = self.bindings.shared_memory
        lines = ["def pack_of(rec, log):", '    """The pack that the record is of."""']
        for pack in self.packs:
            emitter.pack = pack.name
            test = "True" if pack.recognise is None else emitter.test(pack.recognise)
            lines += [f"    if {test}:", f"        return {pack.name!r}"]
        pack_of = self._made("pack_of", "which pack", lines)
        return WhichPack(
            record_format.decoder(),
            pack_of,
            frozenset(pack.name for pack in self.packs if pack.recognise is not None and has_memory(pack.recognise)),
        )

    def of_timeout(self, rule_number: int) -> Function:
        """The function for a start of a rule that was given up; of its record only what it kept is known."""
        rule = self.rules[rule_number]
        agent = self.agent if isinstance(self.agent, Literal) else None
        emitter = self.emitter(lambda _: "None", agent=agent)
        kept = NumberedRule(rule_number, of_what_is_kept(rule.spec))
        body = self.loop_writer(emitter, indent=1).write_timeout(kept)
        return self._made("timed_out", f"timeout of {rule.spec.name}", ["def timed_out(kept):", *body])

    def _head(self, function: str, what: str) -> list[str]:
        told = f"The rules of source {self.source!r}: {what}.".replace("\\", "")
        return [f"def {function}(lines, log, now_s):", f'    """{told}"""']

    def emitter(self, field: Callable[[str], str], fields: Fields = ANYTHING, agent: Expr | None = None) -> Emitter:
        """Writes expressions over records of *fields*, whose top-level ones are found as *field* says."""
        return Emitter(field, self.bindings.constant, agent, fields)

    def loop_writer(self, emitter: Emitter, indent: int) -> LoopWriter:
        """Writes rules, their expressions as *emitter* does."""
        return LoopWriter(emitter, self.metrics, self.bindings, indent)

    def _writer(self, field: Callable[[str], str], fields: Fields = ANYTHING, *, indent: int = 2) -> LoopWriter:
        return self.loop_writer(self.emitter(field, fields, self.agent), indent)

    def _made(self, function: str, what: str, lines: Sequence[str], **names: Any) -> Function:
        """The function in *lines*, whose text is kept for tracebacks."""
        text = "\n".join(lines).replace(BREAK, " ") + "\n"
        filename = f"<rules of source {self.source}, {what}>"
        self.texts[filename] = text
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        namespace = {**self.bindings.names, **names}
        with warnings.catch_warnings():
            # A rule may ask what is always so, such as has("x"); Python warns of its own words for that.
            warnings.simplefilter("ignore", SyntaxWarning)
            code = compile(text, filename, "exec")
        exec(code, namespace)  # noqa: S102 - written above from checked trees
        del code
        _give_memory_back()
        made: Function = namespace[function]
        return made


def _top_level(parts: Iterable[Expr]) -> frozenset[str]:
    return frozenset(str(part.path[0]) for part in parts if isinstance(part, Field))


def _identifier(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)


def _give_memory_back() -> None:
    """Compiling takes some megabytes for a moment, which glibc would keep."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
