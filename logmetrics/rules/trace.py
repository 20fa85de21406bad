"""Rules at work with nothing hidden: the functions that count, written so that they note each value as it comes up.

What a traced program counts and remembers is what the ordinary one does: its source is written by the same code, and
every expression is evaluated once, where the ordinary one evaluates it. Only what makes that one fast is left out:
look-ups that rules share, and functions for records of a known shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from logmetrics.config.specs import FORMATS, Config, MetricSpec, RuleSpec, SourceSpec, UpdateSpec
from logmetrics.config.tree import LINE_TIME, Expr, Item, Let
from logmetrics.formats import ollama_lines
from logmetrics.rules.bindings import LIVE, Bindings, Keepers, Sites
from logmetrics.rules.compile import ProgramWriter
from logmetrics.rules.emit import Emitter
from logmetrics.rules.kinds import ANYTHING, Fields
from logmetrics.rules.log import Log
from logmetrics.rules.pack_rules import NumberedRule, PackRules
from logmetrics.rules.program import Function, Program, skip_reason
from logmetrics.rules.writer import LoopWriter
from logmetrics.store.family import Family
from logmetrics.store.guard import Refusal
from logmetrics.store.series import Labels
from logmetrics.store.site import Site

NO_RULE = -1


@dataclass(frozen=True, slots=True)
class Node:
    """What a note is about.

    ``role`` is what happens, or what part of its rule an expression is:

    - ``record`` a record comes up; ``recognise`` what tells the records of ``pack`` (these two are of no rule)
    - ``rule`` the rule is reached; ``when``, ``each``, ``let``, ``start``, ``end``, ``key``, ``keep``, ``time``,
      ``remember``, ``label``, ``value``: an expression of it, with the value that it has; ``element`` what a loop is at
    - ``matched`` the rule counts; ``timeout`` a start of it was given up
    - ``update`` one of its updates is reached; ``skipped`` its value cannot be used, for the reason noted; ``counted``
      it is used, as the noted ``Counted`` says
    """

    number: int
    rule: int
    role: str
    expr: Expr | None = None
    # The node of the expression that this one stands in.
    parent: int = -1
    # Whether it is asked as a condition; then what is noted is true or false in Python's sense.
    is_test: bool = False
    pack: str = ""
    update: UpdateSpec | None = None


class Note(NamedTuple):
    """At the node of this number, this value came up."""

    node: int
    value: Any


@dataclass(frozen=True, slots=True)
class Counted:
    """Where a measurement went: the labels that the rule gave, those of its series, and what the guard refused."""

    metric: MetricSpec
    given: Labels
    labels: Labels
    refusal: Refusal
    # Whether the series was not there before.
    is_new: bool
    # What a counter that goes up by one takes; None when the amount is that of the last node of role ``value``.
    amount: int | None


@dataclass(slots=True)
class Trace:
    """All nodes of a program's rules so far, and what was noted since somebody took the notes."""

    nodes: list[Node] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    _known: dict[tuple[object, ...], Node] = field(default_factory=dict)

    def node(
        self,
        rule: int,
        role: str,
        expr: Expr | None = None,
        parent: int = -1,
        *,
        is_test: bool = False,
        pack: str = "",
        update: UpdateSpec | None = None,
    ) -> Node:
        """The node for this part of a rule: always the same, in whichever functions the rule is written."""
        key = (rule, role, expr, parent, is_test, pack, update)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Node(len(self.nodes), rule, role, expr, parent, is_test, pack, update)
            self.nodes.append(found)
        return found

    def note(self, number: int, value: Any) -> Any:
        """Note *value*, and give it."""
        self.notes.append(Note(number, value))
        return value

    def take(self) -> list[Note]:
        """The notes, which are forgotten here."""
        taken, self.notes = self.notes, []
        return taken


@dataclass(frozen=True, slots=True)
class Traced:
    """The compiled rules of a source, what they are, and what they note. ``rules[n]`` is the rule that nodes call n."""

    program: Program
    rules: tuple[RuleSpec, ...]
    trace: Trace

    def prepare_all(self) -> None:
        """Write all functions, so that there is a node for each expression of each rule."""
        functions = self.program.functions
        assert isinstance(functions, _TracingProgramWriter)
        for name in functions.formats:
            if name != "json":
                functions.of_text(name)
                continue
            functions.which_pack()
            for pack in functions.packs:
                functions.of_pack(pack.name)
        for number, rule in enumerate(self.rules):
            if rule.pair is not None:
                functions.of_timeout(number)


def traced(config: Config, source: SourceSpec, store: Sites, keepers: Keepers = LIVE) -> Traced:
    """The rules of *config* for *source*, which count in *store* and note how.

    The one who lets them count takes the notes now and then.
    """
    formats = FORMATS if source.format == "auto" else (source.format,)
    rules = [rule for rule in config.rule_set.rules if any(map(rule.is_for, formats))]
    trace = Trace()
    bindings = _TracingBindings(rules, store, keepers, trace)
    writer = _TracingProgramWriter(rules, config.rule_set, source.name, formats, bindings, source.agent, source.pattern)
    writer.trace = trace
    program = _TracedProgram(bindings.tallies, bindings.remembered, writer)
    bindings.names.update(program=program, note=trace.note)
    program.exclude = tuple(text.encode() for text in source.exclude_lines)
    return Traced(program, tuple(rules), trace)


class _TracedProgram(Program):
    """Never takes a block for what others were: a function for a known shape asks only part of the rules."""

    def _of_likely(self, log: Log) -> Function | None:  # noqa: ARG002
        return None


class _NotedSite(Site):
    """A site without a memo, so that each measurement is told of."""

    __slots__ = ("amount", "note", "of")

    def __init__(self, site: Site, amount: int | None, note: Callable[[Counted], object]) -> None:
        dict.__init__(self)
        self.of = site
        self.amount = amount
        self.note = note

    def __getitem__(self, key: Any) -> Any:
        family = self.of.family
        assert isinstance(family, Family)
        labels = self.of.labels(key)
        kept, refusal = family.guard.judge(labels)
        is_new = kept not in family.series
        if is_new and not refusal:
            refusal = family.guard.full()
        series = family.get(labels)
        is_new = is_new and not refusal
        self.note(Counted(family.spec, labels, series.labels, refusal if series.overflow else [], is_new, self.amount))
        return self.of.take(series)


class _TracingBindings(Bindings):
    def __init__(self, rules: Sequence[RuleSpec], store: Sites, keepers: Keepers, trace: Trace) -> None:
        super().__init__(rules, store, keepers)
        self.trace = trace
        # The rule and the update that are being written.
        self.rule = NO_RULE
        self.update: UpdateSpec | None = None

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> str:
        node = self.trace.node(self.rule, "counted", update=self.update)
        site = self.store.site(metric, constants, count_only=count_only)
        noted = _NotedSite(site, 1 if count_only else None, lambda counted: self.trace.note(node.number, counted))
        return self.constant(f"site_{metric}", noted)

    def skip(self, rule_number: int) -> str:
        node = self.trace.node(self.rule, "skipped", update=self.update)
        skip = self.tallies[rule_number].skip

        def noted(value: object) -> None:
            self.trace.note(node.number, skip_reason(value))
            skip(value)

        return self.constant("skip", noted)


class _TracingEmitter(Emitter):
    """Has each value noted under the node of its expression."""

    def __init__(
        self,
        trace: Trace,
        field: Callable[[str], str],
        constant: Callable[[str, object], str],
        agent: Expr | None,
        fields: Fields,
    ) -> None:
        super().__init__(field, constant, agent, fields)
        self.trace = trace
        # The rule that is being written, and what of it.
        self.rule = NO_RULE
        self.role = "recognise"
        # What single expressions of the rule are, by their identity: the parts of a pair, what is remembered.
        self.roles: dict[int, str] = {}
        # The expressions around the one that is being written, the innermost last.
        self._around: list[Node] = []

    def value(self, expr: Expr) -> str:
        """See Emitter."""
        return self._noted(expr, super().value, is_test=False)

    def test(self, expr: Expr) -> str:
        """See Emitter."""
        return self._noted(expr, super().test, is_test=True)

    def _noted(self, expr: Expr, write: Callable[[Expr], str], *, is_test: bool) -> str:
        around = self._around[-1] if self._around else None
        if around is not None and around.expr is expr:  # a value that is written as a condition, or the reverse
            return write(expr)
        role = self.role if around is None else around.role
        node = self.trace.node(
            self.rule,
            self.roles.get(id(expr), role) if around is None and role == "when" else role,
            expr,
            -1 if around is None else around.number,
            is_test=is_test,
            pack=self.pack if self.rule == NO_RULE else "",
        )
        self._around.append(node)
        text = write(expr)
        self._around.pop()
        return f"note({node.number}, {text})"


class _TracingWriter(LoopWriter):
    """Writes each rule by itself, with notes of how far it gets."""

    emitter: _TracingEmitter
    bind: _TracingBindings

    def write(self, packs: Sequence[PackRules], own: Sequence[NumberedRule]) -> list[str]:
        """See LoopWriter."""
        self._note("record")
        return super().write(packs, own)

    def write_timeout(self, rule: NumberedRule) -> list[str]:
        """See LoopWriter."""
        with self._writing(rule):
            self._note("timeout")
            return super().write_timeout(rule)

    def _note(self, role: str, value: str = "None", expr: Expr | None = None, update: UpdateSpec | None = None) -> None:
        node = self.emitter.trace.node(self.emitter.rule, role, expr, update=update)
        self._line(f"note({node.number}, {value})")

    @contextmanager
    def _writing(self, rule: NumberedRule) -> Iterator[None]:
        """*rule* is written here; it shares no variable with others, so that each value of it is noted."""
        self.emitter.rule = self.bind.rule = rule.number
        self.emitter.known.append({})
        with self._as("when"):
            yield
        self.emitter.known.pop()
        self.emitter.rule = self.bind.rule = NO_RULE

    @contextmanager
    def _as(self, role: str) -> Iterator[None]:
        before, self.emitter.role = self.emitter.role, role
        yield
        self.emitter.role = before

    def _write_rules(self, rules: Sequence[NumberedRule]) -> None:
        for rule in rules:
            with self._writing(rule):
                self._note("rule")
                self._write_body([(rule, rule.spec.when)])

    @contextmanager
    def _loop(self, loop: Item) -> Iterator[None]:
        with self._as("each"):
            inside = super()._loop(loop)
        with inside:
            self._note("element", f"item_{loop.name}", expr=loop)
            yield

    def _variable(self, expr: Expr, stem: str) -> str:
        with self._as("let" if isinstance(expr, Let) else "value"):
            return super()._variable(expr, stem)

    def _write_pair_or_updates(self, rule: NumberedRule) -> None:
        pair = rule.spec.pair
        parts: list[tuple[Expr, str]] = [(call, "remember") for call in rule.spec.remember]
        if pair is not None:
            parts += [(LINE_TIME, "time"), *((tree, "keep") for _, tree in pair.keep)]
            parts += [(pair.start, "start"), (pair.end, "end"), (pair.key, "key")]
        self.emitter.roles = {id(expr): role for expr, role in parts}
        super()._write_pair_or_updates(rule)
        self.emitter.roles = {}

    def _write_updates(self, rule: NumberedRule) -> None:
        self._note("matched")
        super()._write_updates(rule)

    def _write_update(self, rule: NumberedRule, update: UpdateSpec) -> None:
        self.bind.update = update
        self._note("update", update=update)
        super()._write_update(rule, update)

    def _label(self, tree: Expr) -> str:
        with self._as("label"):
            return super()._label(tree)


class _TracingProgramWriter(ProgramWriter):
    trace: Trace
    bindings: _TracingBindings

    def emitter(self, field: Callable[[str], str], fields: Fields = ANYTHING, agent: Expr | None = None) -> Emitter:
        """See ProgramWriter."""
        return _TracingEmitter(self.trace, field, self.bindings.constant, agent, fields)

    def loop_writer(self, emitter: Emitter, indent: int) -> LoopWriter:
        """See ProgramWriter."""
        return _TracingWriter(emitter, self.metrics, self.bindings, indent)

    def of_ollama_lines(self, packs: Sequence[PackRules], own: Sequence[NumberedRule]) -> list[str]:
        """One loop for all kinds of lines, so that each rule is asked about each."""
        return self.loop_writer(self.emitter(_ollama_field, agent=self.agent), indent=2).write(packs, own)


def _ollama_field(key: str) -> str:
    text = ollama_lines.field(key)
    return f"(None if request_path is None else {text})" if key == "route" else text
