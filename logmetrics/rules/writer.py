"""Rules -> the source of one loop over the records of one format.

Each rule becomes a few plain statements. Consecutive rules that ask one field for equality share one look-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Protocol

from logmetrics.config.specs import MetricSpec, PairSpec, UpdateSpec
from logmetrics.config.tree import (
    LINE_TIME,
    STATEFUL,
    And,
    Call,
    Compare,
    Expr,
    Item,
    Let,
    ListLiteral,
    Literal,
    has_memory,
    mentions,
)
from logmetrics.formats.kinds import ABSENT, NUMBER, TEXT
from logmetrics.rules.conditions import all_of, always_asked, before_loops, leading, without
from logmetrics.rules.emit import BREAK, Emitter
from logmetrics.rules.functions import VALUE_MAX, label
from logmetrics.rules.pack_rules import NumberedRule, PackRules

# Up to this many values are told apart by ==; more by a dictionary.
COMPARISONS_MAX = 4
LINE_LENGTH_MAX = 110


@dataclass(frozen=True, slots=True)
class _Subject:
    """A condition that begins with an equality: ``of == one of values``, and what else it asks."""

    of: Expr
    values: tuple[str, ...]
    rest: Expr | None


class Bindings(Protocol):
    """Gives names, in the generated text, to things that live outside it."""

    def constant(self, stem: str, value: object) -> str: ...
    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> str: ...
    def open_pairs(self, rule_number: int) -> str: ...
    def memory(self, rule_number: int, call: Call) -> str: ...
    def skip(self, rule_number: int) -> str: ...
    def matches(self, rule_number: int) -> str: ...


class LoopWriter:
    """Writes the body of ``for rec in records:``. What the text needs beside names of ours is asked of *bind*."""

    def __init__(
        self,
        emitter: Emitter,
        metrics: Mapping[str, MetricSpec],
        bind: Bindings,
        indent: int,
    ) -> None:
        self.emitter = emitter
        self.metrics = metrics
        self.bind = bind
        self.indent = indent
        self.lines: list[str] = []
        # Whether it is not known beforehand that each record matches a rule.
        self._counts_hits = True

    def write(self, packs: Sequence[PackRules], own: Sequence[NumberedRule]) -> list[str]:
        """The statements for the rules of whichever of *packs* the record is of, then for *own*.

        The pack is the first whose condition holds; the last one may have none, and takes what is left.
        """
        self._counts_hits = not _always_hits(packs, own)
        if self._counts_hits:
            self._line("hit = False")
        # Of what came before a pack's condition can only ask `remember`, which belongs to no rule.
        self.emitter.memory = lambda call: self.bind.memory(-1, call)
        for place, pack in enumerate(packs):
            self.emitter.pack = pack.name
            if pack.recognise is not None:
                with self._block(f"{'el' if place else ''}if {self.emitter.test(pack.recognise)}:"):
                    self._line(f"seen_{pack.number} += 1")
                    self._write_rules(pack.rules)
                continue
            with self._block("else:") if place else nullcontext():
                self._write_rules(pack.rules)
                if pack.rules:
                    self._line(f"seen_{pack.number} += {'hit' if self._counts_hits else 1}")
                elif place:
                    self._line("pass")
        self._write_rules(own)
        if self._counts_hits:
            self._line("if not hit:")
            self._line("    unmatched += 1")
        return self.lines

    def _hit(self) -> None:
        if self._counts_hits:
            self._line("hit = True")

    def _write_rules(self, rules: Sequence[NumberedRule]) -> None:
        position = 0
        while position < len(rules):
            group = self._group(rules[position:])
            if group:
                self._write_group(group)
                position += len(group)
            else:
                run = list(takewhile(lambda rule: _subject(rule.spec.when) is None, rules[position:]))
                self._write_body([(rule, rule.spec.when) for rule in run])
                position += len(run)

    def _line(self, text: str) -> None:
        margin = "    " * self.indent
        if len(margin) + len(text) > LINE_LENGTH_MAX:
            text = text.replace(BREAK, f"\n{margin}        ")
        self.lines.append(margin + text.replace(f"({BREAK}", "(").replace(f"{BREAK})", ")").replace(BREAK, " "))

    @contextmanager
    def _block(self, head: str) -> Iterator[None]:
        """An indented block; what is computed inside is not known after it."""
        self._line(head)
        self.indent += 1
        self.emitter.known.append({})
        yield
        self.emitter.known.pop()
        self.indent -= 1

    def _variable(self, expr: Expr, stem: str) -> str:
        """A local variable that holds *expr*, made now unless there is one."""
        known = self.emitter.lookup(expr)
        if known is None:
            known = self.emitter.temporary(stem)
            self._line(f"{known} = {self.emitter.value(expr)}")
            self.emitter.known[-1][expr] = known
        return known

    # -- rules that share a subject

    def _group(self, rules: Sequence[NumberedRule]) -> list[tuple[NumberedRule, _Subject]]:
        """The longest run of rules at the start of *rules* with one subject."""
        group: list[tuple[NumberedRule, _Subject]] = []
        for rule in rules:
            subject = _subject(rule.spec.when)
            if subject is None or (group and subject.of != group[0][1].of):
                break
            group.append((rule, subject))
        return group

    def _write_group(self, group: list[tuple[NumberedRule, _Subject]]) -> None:
        subject = self._variable(group[0][1].of, "subject")
        cases: dict[str, list[tuple[NumberedRule, _Subject]]] = {}
        for value in dict.fromkeys(value for _, asked in group for value in asked.values):
            cases[value] = [(rule, asked) for rule, asked in group if value in asked.values]
        bodies: list[list[tuple[NumberedRule, _Subject]]] = []
        case_numbers: dict[str, int] = {}
        for value, body in cases.items():
            if body not in bodies:
                bodies.append(body)
            case_numbers[value] = bodies.index(body)
        if len(cases) <= COMPARISONS_MAX:
            for number, body in enumerate(bodies):
                values = tuple(value for value, case in case_numbers.items() if case == number)
                test = f"{subject} == {values[0]!r}" if len(values) == 1 else f"{subject} in {values!r}"
                with self._block(f"{'el' if number else ''}if {test}:"):
                    self._write_body([(rule, asked.rest) for rule, asked in body])
            return
        table = self.bind.constant("cases", case_numbers)
        case = self.emitter.temporary("case")
        look_up = f"{table}.get({subject}, -1)"
        is_text = self.emitter.is_only(group[0][1].of, TEXT | ABSENT)
        self._line(f"{case} = {look_up}" if is_text else f"{case} = {look_up} if {subject}.__class__ is str else -1")
        with self._block(f"if {case} >= 0:"):
            self._write_tree(case, bodies, 0, len(bodies))

    def _write_tree(self, case: str, bodies: list[list[tuple[NumberedRule, _Subject]]], first: int, end: int) -> None:
        """Find the case by halving, so that 500 cases cost nine comparisons."""
        if end - first > 3:
            middle = (first + end) // 2
            with self._block(f"if {case} < {middle}:"):
                self._write_tree(case, bodies, first, middle)
            with self._block("else:"):
                self._write_tree(case, bodies, middle, end)
            return
        for number in range(first, end):
            head = f"{'el' if number > first else ''}if {case} == {number}:" if number < end - 1 else "else:"
            body = [(rule, asked.rest) for rule, asked in bodies[number]]
            if end - first == 1:
                self._write_body(body)
                return
            with self._block(head):
                self._write_body(body)

    def _write_body(self, body: Sequence[tuple[NumberedRule, Expr | None]]) -> None:
        """Rules with what is left to ask of each; neighbours that go through the same lists share the loops."""
        for (each, outer), run in groupby(body, lambda pair: (pair[0].spec.each, before_loops(pair[0].spec, pair[1]))):
            if not each:
                for rule, when in run:
                    self._write_rule(rule, when)
                continue
            inner = [(rule, without(when, outer)) for rule, when in run]
            with ExitStack() as blocks:
                if outer:
                    blocks.enter_context(self._block(f"if {self.emitter.test(all_of(outer))}:"))
                for loop in each:
                    blocks.enter_context(self._loop(loop))
                for rule, when in inner:
                    self._write_rule(rule, when)

    def _loop(self, loop: Item) -> AbstractContextManager[None]:
        return self._block(f"for item_{loop.name} in items({self.emitter.value(loop.of)}):")

    # -- one rule

    def _write_rule(self, rule: NumberedRule, when: Expr | None) -> None:
        self._line(f"# {rule.number}: {_comment(rule.spec.name)}")
        self.emitter.memory = lambda call: self.bind.memory(rule.number, call)
        self.emitter.pack = rule.spec.pack
        self.emitter.forget_the_past()
        with ExitStack() as blocks:
            if rule.spec.let:
                outer = leading(when, (Let,))
                if outer:
                    blocks.enter_context(self._block(f"if {self.emitter.test(all_of(outer))}:"))
                    when = without(when, outer)
                for let in rule.spec.let:
                    self._variable(let, f"let_{let.name}_")
            if when is not None:
                blocks.enter_context(self._block(f"if {self.emitter.test(when)}:"))
            self._write_pair_or_updates(rule)

    def _write_pair_or_updates(self, rule: NumberedRule) -> None:
        pair = rule.spec.pair
        if pair is None:
            self._write_updates(rule)
            return
        key = self.emitter.value(pair.key)
        open_pairs = self.bind.open_pairs(rule.number)
        with self._block(f"if {self.emitter.test(pair.end)}:"):
            self._write_end(rule, pair, open_pairs, key)
        with self._block(f"elif {self.emitter.test(pair.start)}:"):
            self._hit()
            kept = "".join(f"scalar({self.emitter.value(tree)}), " for _, tree in pair.keep)
            times = "" if pair.timeout_s is None else f", log.path, {self.emitter.value(LINE_TIME)}, now_s"
            self._line(f"{open_pairs}.start(key_text({key}), ({kept}){times})")

    def write_timeout(self, rule: NumberedRule) -> list[str]:
        """The statements for a start of *rule* that was given up, with what it kept in ``kept``."""
        assert rule.spec.pair is not None
        self._line(f"({''.join(f'kept_{name}, ' for name, _ in rule.spec.pair.keep)}) = kept")
        for update in rule.spec.on_timeout:
            self._write_update(rule, update)
        return self.lines

    def _write_end(self, rule: NumberedRule, pair: PairSpec, open_pairs: str, key: str) -> None:
        kept = self.emitter.temporary("kept")
        self._hit()
        ended = "" if pair.timeout_s is None else f", log.path, {self.emitter.value(LINE_TIME)}"
        self._line(f"{kept} = {open_pairs}.end(key_text({key}){ended})")
        with self._block(f"if {kept} is not None:"):
            if pair.keep:
                names = "".join(f"kept_{name}, " for name, _ in pair.keep)
                self._line(f"({names}) = {kept}")
            self._write_updates(rule)

    def _write_updates(self, rule: NumberedRule) -> None:
        self._hit()
        self._line(f"{self.bind.matches(rule.number)} += 1")
        for call in rule.spec.remember:
            self._line(self.emitter.value(call))
        for update in rule.spec.updates:
            # What has a past is asked once, in whatever number of updates it stands.
            for part in reversed(list(always_asked(update.value))):
                if isinstance(part, Call) and part.name in STATEFUL:
                    self._variable(part, part.name)
            self._write_update(rule, update)

    def _write_update(self, rule: NumberedRule, update: UpdateSpec) -> None:
        metric = self.metrics[update.metric]
        constants = dict(update.constants)
        varying = []
        for name in metric.labels:
            tree = rule.spec.labels.get(name)
            if name in constants or tree is None:
                continue
            if isinstance(tree, Literal):
                constants[name] = label(tree.value)
            else:
                varying.append(self._label(tree))
        key = varying[0] if len(varying) == 1 else f"({', '.join(varying)})"
        amount = update.value
        by_count = metric.type == "counter" and isinstance(amount, Literal) and _is_one(amount.value)
        site = self.bind.site(update.metric, constants, count_only=by_count)
        if by_count:
            self._line(f"{site}[{key}].count += 1")
            return
        value = self._variable(amount, "value")
        if metric.type == "active":
            text = value if self.emitter.is_only(amount, TEXT | ABSENT) else f"label({value})"
            test, update_text = f"{value} is not None", f"{site}[{key}][{text}] = now_s"
        else:
            test, update_text = self._is_usable(metric, amount, value), f"{site}[{key}]({value})"
        if metric.type == "active" and not self.emitter.can_be(amount, ABSENT):
            self._line(update_text)
            return
        self._line(f"if {test}:")
        self._line(f"    {update_text}")
        self._line("else:")
        self._line(f"    {self.bind.skip(rule.number)}({value})")

    def _is_usable(self, metric: MetricSpec, amount: Expr, value: str) -> str:
        """Whether *amount*, which is in the variable *value*, is a number that *metric* can take."""
        least = "0" if metric.type in ("counter", "histogram") else f"-{VALUE_MAX!r}"
        within = f"{least} <= {value} <= {VALUE_MAX!r}"
        if self.emitter.is_only(amount, NUMBER):
            return within
        if self.emitter.is_only(amount, NUMBER | ABSENT):
            return f"{value} is not None and {within}"
        return f"({value}.__class__ is int or {value}.__class__ is float) and {within}"

    def _label(self, tree: Expr) -> str:
        """A variable that holds the label's text."""
        known = self.emitter.lookup(("label", tree))
        if known is None:
            known = self.emitter.temporary("label")
            self._line(f"{known} = {self.emitter.value(tree)}")
            if not self.emitter.is_only(tree, TEXT | ABSENT):  # a site knows what is missing
                self._line(f"if {known}.__class__ is not str:")
                self._line(f"    {known} = label({known})")
            self.emitter.known[-1]["label", tree] = known
        return known


def _always_hits(packs: Sequence[PackRules], own: Sequence[NumberedRule]) -> bool:
    """Whether some rule matches each record; with packs that have rules, one of the only pack's."""
    rules = packs[0].rules if packs[0].rules else own
    return len(packs) == 1 and any(
        rule.spec.when is None and rule.spec.pair is None and not rule.spec.each for rule in rules
    )


def _is_one(value: object) -> bool:
    return value.__class__ is int and value == 1


def _subject(when: Expr | None) -> _Subject | None:
    """The equality that *when* begins with, if it is about the record alone."""
    rest: Expr | None = None
    if isinstance(when, And):
        when, *others = when.operands
        rest = others[0] if len(others) == 1 else And(tuple(others))
    if when is None or mentions(when, (Item, Let)) or has_memory(when):
        return None
    if isinstance(when, Compare) and when.operator == "==" and isinstance(when.right, Literal):
        value = when.right.value
        return _Subject(when.left, (value,), rest) if isinstance(value, str) else None
    if isinstance(when, Compare) and when.operator == "in" and isinstance(when.right, ListLiteral):
        texts = tuple(item for item in when.right.items if isinstance(item, str))
        return _Subject(when.left, texts, rest) if texts and len(texts) == len(when.right.items) else None
    return None


def _comment(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name)
