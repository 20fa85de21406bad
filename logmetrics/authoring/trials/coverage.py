"""What tests touch of the rules: which conditions were true and false, which alternatives were taken.

Each such possibility is an arm. A traced program notes the value of each expression; an arm is taken when such a
value says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from logmetrics.authoring.trials.definitions import Definitions, Owner
from logmetrics.authoring.trials.specs import TestFile
from logmetrics.config.expression import is_condition
from logmetrics.config.specs import PackSpec, RuleSpec
from logmetrics.config.tree import And, Call, Expr, IfElse, MapLiteral, Not, Or, parts_of
from logmetrics.present.amounts import cut
from logmetrics.rules.functions import label
from logmetrics.rules.trace import NO_RULE, Node, Traced

# Expressions, the innermost first, each with whether it is asked as a condition.
Chain = tuple[tuple[Expr | None, bool], ...]
_TRUE, _FALSE, _ENTRY, _LATE = "true", "false", "entry ", "counted late"
_TEXT_CHARACTERS_MAX = 80


class ArmKey(NamedTuple):
    """Where an arm is: the file, what it is of, what part of it, the expressions around it, and which one."""

    file: str
    owner: Owner
    part: tuple[object, ...]
    chain: Chain
    kind: str


@dataclass(frozen=True, slots=True)
class Arm:
    """A possibility. ``missed`` says that it was never taken, in words that follow on the name of what it is of."""

    line: int
    owner: Owner
    missed: str


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """What tests touched of one file: how many arms of how many, and those that they did not."""

    file: str
    taken: int
    total: int
    missed: tuple[Arm, ...]


@dataclass(slots=True)
class Coverage:
    """Collects the arms of all files under test, and which of them were taken."""

    packs: Mapping[str, PackSpec]
    arms: dict[ArmKey, Arm] = field(default_factory=dict)
    taken: set[ArmKey] = field(default_factory=set)
    _of_file: dict[str, Definitions] = field(default_factory=dict)

    def folder(self, file: TestFile, rules: Traced) -> Folder:
        """What folds the notes of *rules*, of those under test: the config's own, and packs that *file* names."""
        scope = {name: Definitions.of_pack(self.packs[name]) for name in file.pack_names or ()}
        if file.config_path is not None:
            scope[""] = Definitions(file.config_path, Path(file.config_path).read_text("utf-8-sig"))
        return Folder(self, rules, {pack: self._of_file.setdefault(one.file, one) for pack, one in scope.items()})

    def files(self) -> list[FileCoverage]:
        """The account of each file, by name; what is missing in the order of the file."""
        by_file: dict[str, list[ArmKey]] = {}
        for key in self.arms:
            by_file.setdefault(key[0], []).append(key)
        return [self._account(file, keys) for file, keys in sorted(by_file.items())]

    def _account(self, file: str, keys: Sequence[ArmKey]) -> FileCoverage:
        missed = [key for key in keys if key not in self.taken]
        told = sorted(_told(missed, self.arms), key=lambda arm: arm.line)
        return FileCoverage(file, len(keys) - len(missed), len(keys), tuple(told))


def _told(missed: Sequence[ArmKey], arms: Mapping[ArmKey, Arm]) -> Iterator[Arm]:
    """What is to be said of arms that were not taken; what follows from another one is left out."""
    unmatched = {key.owner for key in missed if key.kind == "matched"}
    in_time = {key.owner for key in missed if key.kind == "timeout"}
    untaken = {(key.owner, key.part, key.chain) for key in missed if key.kind == "alternative"}
    both = {key[:4] for key in missed if key.kind == _FALSE} & {key[:4] for key in missed if key.kind == _TRUE}
    entries: dict[tuple[object, ...], Arm] = {}
    for key in missed:
        around = ((key.owner, key.part, key.chain[outer:]) for outer in range(1, len(key.chain)))
        follows = key.owner in unmatched if key.kind != "matched" else False
        if follows or (key.kind == _LATE and key.owner in in_time) or any(one in untaken for one in around):
            continue
        arm = arms[key]
        if key.kind.startswith(_ENTRY):
            first = entries.get(key[:4])
            more = "" if first is None else f"{first.missed}, {key.kind.removeprefix(_ENTRY)!r}"
            entries[key[:4]] = arm if first is None else replace(first, missed=more)
        elif key[:4] not in both:
            yield arm
        elif key.kind == _TRUE:
            yield replace(arm, missed=f"{arm.missed.removesuffix('was never true')}was never asked")
    yield from entries.values()


@dataclass(slots=True)
class _Watch:
    """What a note of one node tells: arms that are taken by it, and who waits for it. What was taken is forgotten."""

    # Taken whenever it is noted; taken when its value is true, or not.
    always: ArmKey | None = None
    if_true: ArmKey | None = None
    if_false: ArmKey | None = None
    # Taken when it is the alternative that its parent, an `or` or `if`, comes to.
    as_alternative: ArmKey | None = None
    # The parent that waits for its value, -1 for none.
    waiting: int = -1
    # It waits for the values of its parts itself: of alternatives for the last one, of a look-up for the first.
    chooses: bool = False
    # An alternative that is missing is none.
    of_present: bool = False
    entries: dict[str | None, ArmKey | None] | None = None
    default: ArmKey | None = None


class Folder:
    """Folds the notes of one traced program."""

    def __init__(self, coverage: Coverage, rules: Traced, scope: Mapping[str, Definitions]) -> None:
        self.coverage = coverage
        self.rules = rules
        self.scope = scope
        self._watches: list[_Watch | None] = []
        # Of nodes that wait: the values of their parts so far, each with the number of its node.
        self._parts: dict[int, list[tuple[int, Any]]] = {}
        # The expressions that a rule has in its file; functions for special cases have others.
        self._own: dict[int | str, frozenset[Expr]] = {}

    def fold(self) -> None:
        """Take all notes so far."""
        taken = self.coverage.taken
        for number, value in self.rules.trace.take():
            while len(self._watches) <= number:
                self._watches.append(self._watch(self.rules.trace.nodes[len(self._watches)]))
            watch = self._watches[number]
            if watch is None:
                continue
            if watch.always is not None:
                taken.add(watch.always)
                watch.always = None
            if value and watch.if_true is not None:
                taken.add(watch.if_true)
                watch.if_true = None
            elif not value and watch.if_false is not None:
                taken.add(watch.if_false)
                watch.if_false = None
            if watch.chooses:
                self._choose(number, watch)
            if watch.waiting >= 0:
                self._parts.setdefault(watch.waiting, []).append((number, value))

    def _choose(self, number: int, watch: _Watch) -> None:
        parts = self._parts.pop(number, ())
        if not parts:
            return
        if watch.entries is None:
            last, value = parts[-1]
            chosen = self._watches[last]
            if chosen is not None and chosen.as_alternative is not None and not (watch.of_present and value is None):
                self.coverage.taken.add(chosen.as_alternative)
                chosen.as_alternative = None
            return
        looked_up = parts[0][1]
        text = None if looked_up is None or isinstance(looked_up, (dict, list)) else label(looked_up)
        if text in watch.entries:
            arm, watch.entries[text] = watch.entries[text], None
        else:
            arm, watch.default = watch.default, None
        if arm is not None:
            self.coverage.taken.add(arm)

    def prepare_all(self) -> None:
        """Make known the arms of rules that no record came near."""
        self.rules.prepare_all()
        for node in self.rules.trace.nodes[len(self._watches) :]:
            self._watches.append(self._watch(node))

    # -- which arms a node has

    def _watch(self, node: Node) -> _Watch | None:
        rule = None if node.rule == NO_RULE else self.rules.rules[node.rule]
        defined = self.scope.get(node.pack if rule is None else rule.pack)
        if defined is None or (node.expr is not None and node.expr not in self._expressions(node, rule)):
            return None
        return _Arms(self, defined, node, rule).watch()

    def _expressions(self, node: Node, rule: RuleSpec | None) -> frozenset[Expr]:
        key = node.pack if rule is None else node.rule
        known = self._own.get(key)
        if known is None:
            known = self._own[key] = frozenset(
                _recognising(self.rules.rules, node.pack) if rule is None else rule.parts()
            )
        return known


def _recognising(rules: Iterable[RuleSpec], pack: str) -> Iterator[Expr]:
    recognise = next((rule.recognise for rule in rules if rule.pack == pack), None)
    return iter(()) if recognise is None else parts_of(recognise)


class _Arms:
    """Finds the arms of one node, and makes them known."""

    def __init__(self, folder: Folder, defined: Definitions, node: Node, rule: RuleSpec | None) -> None:
        self.nodes = folder.rules.trace.nodes
        self.coverage = folder.coverage
        self.defined = defined
        self.node = node
        self.rule = rule
        above = [node]
        while above[-1].parent >= 0:
            above.append(self.nodes[above[-1].parent])
        root = above[-1]
        # A part of a definition is the definition's, whichever rules use it.
        inside = next((place for place, one in enumerate(above) if one.expr in defined.names), None)
        if inside is not None:
            above = above[: inside + 1]
            self.owner: Owner = ("define", defined.names[above[-1].expr])  # type: ignore[index]
            self.part: tuple[object, ...] = ()
        else:
            self.owner = ("rule", defined.own_name(rule)) if rule is not None else ("recognise", defined.pack)
            self.part = (node.role, node.update)
        self.chain: Chain = tuple((one.expr, one.is_test) for one in above)
        self.line = defined.line(self.owner, rule, node.role, root.expr, node.update)

    def _arm(self, kind: str, missed: str) -> ArmKey:
        key = ArmKey(self.defined.file, self.owner, self.part, self.chain, kind)
        self.coverage.arms.setdefault(key, Arm(self.line, self.owner, missed))
        return key

    def watch(self) -> _Watch | None:
        """What a note of the node tells; None when nothing."""
        expr = self.node.expr
        if expr is None or self.node.role == "element":
            return self._event()
        watch = _Watch()
        text = self._text(expr)
        if (self.node.is_test or is_condition(expr)) and not isinstance(expr, (And, Or, Not)):
            watch.if_true = self._arm(_TRUE, f"{text} was never true")
            watch.if_false = self._arm(_FALSE, f"{text} was never false")
        elif _has_alternatives(self.node):
            watch.chooses, watch.of_present = True, isinstance(expr, Or)
        elif isinstance(expr, Call) and expr.name == "map":
            self._look_up(expr, watch)
        self._as_part(text, watch)
        return watch

    def _event(self) -> _Watch | None:
        if self.node.role == "matched":
            return _Watch(always=self._arm("matched", "never matched"))
        if self.node.role == "timeout" and self.rule is not None and self.rule.pair and self.rule.pair.timeout_s:
            return _Watch(always=self._arm("timeout", "no start timed out"))
        if self.node.role == "counted" and self.node.update is not None:
            late = self.rule is not None and self.node.update in self.rule.on_timeout
            kind = _LATE if late else "counted"
            return _Watch(always=self._arm(kind, f"{self.node.update.metric} never got a value"))
        return None

    def _look_up(self, expr: Call, watch: _Watch) -> None:
        value, table, *default = expr.arguments
        assert isinstance(table, MapLiteral)
        name = f"map({self._text(value)})"
        watch.chooses = True
        watch.entries = {
            label(key): self._arm(f"{_ENTRY}{label(key)}", f"{name} never met {label(key)!r}") for key, _ in table.items
        }
        if default:
            watch.default = self._arm("default", f"{name} never took its default, {self._text(default[0])}")

    def _as_part(self, text: str, watch: _Watch) -> None:
        """Of an alternative, or of what is looked up, the node around it waits for the value."""
        if self.node.parent < 0:
            return
        around = self.nodes[self.node.parent]
        expr = around.expr
        if isinstance(expr, Call) and expr.name == "map":
            watch.waiting = around.number
        elif _has_alternatives(around) and not (
            self.node.is_test and isinstance(expr, IfElse) and self.node.expr == expr.test
        ):
            assert expr is not None
            watch.waiting = around.number
            watch.as_alternative = self._arm("alternative", f"{text} was never taken in {self._text(expr, whole=True)}")

    def _text(self, expr: Expr, *, whole: bool = False) -> str:
        return cut(self.defined.wording.text(expr, whole=whole), _TEXT_CHARACTERS_MAX)


def _has_alternatives(node: Node) -> bool:
    """Whether a value is one of several, and which one is not told by a single condition alone."""
    expr = node.expr
    if isinstance(expr, IfElse):
        test = expr.test.operand if isinstance(expr.test, Not) else expr.test
        return isinstance(test, (And, Or))
    return isinstance(expr, Or) and not is_condition(expr) and not node.is_test
