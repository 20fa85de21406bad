"""Notes of a traced program -> how far each rule got with a record: once, or once for each element of its loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from logmetrics.config.specs import UpdateSpec
from logmetrics.config.tree import Expr, Item, Let
from logmetrics.rules.trace import Counted, Node, Note, Trace


@dataclass(slots=True)
class Measured:
    """An update of a match: where it was counted, or why its value was skipped."""

    update: UpdateSpec
    value: Any = None
    # Whether there is a value at all: an update of 1 has none of its own.
    has_value: bool = False
    counted: Counted | None = None
    skipped: str = ""


@dataclass(slots=True)
class Attempt:
    """A rule at one element of its loops, or at the record. ``values`` are those noted last, by node."""

    elements: list[tuple[Item, int, Any]] = field(default_factory=list)
    values: dict[int, Any] = field(default_factory=dict)
    # The expressions that stand in no other, in the order in which they were asked.
    roots: list[Node] = field(default_factory=list)
    is_match: bool = False
    is_timeout: bool = False
    measured: list[Measured] = field(default_factory=list)

    def root(self, role: str) -> Node | None:
        """The last one of its kind."""
        return next((node for node in reversed(self.roots) if node.role == role), None)

    @property
    def failed(self) -> Node | None:
        """The condition that failed, if one did: of ``when``, or a loop over what has no elements."""
        for node in reversed(self.roots):
            if node.role == "when" and not self.values[node.number]:
                return node
            if node.role == "each" and not _elements(self.values[node.number]):
                return node
        return None

    def value_of(self, expr: Expr, role: str) -> Any:
        """What *expr* gave as a whole expression of this *role*; None when it was not asked."""
        node = next((node for node in reversed(self.roots) if node.role == role and node.expr == expr), None)
        return None if node is None else self.values[node.number]

    def measured_by(self, update: UpdateSpec) -> Node | None:
        """Where the value of *update* was noted; one that is a name of the rule's own was noted with that."""
        wanted = ("let", update.value) if isinstance(update.value, Let) else ("value", update.value)
        return next((node for node in reversed(self.roots) if (node.role, node.expr) == wanted), None)


@dataclass(slots=True)
class Asked:
    """What was asked about a record: whose it is (``recognition`` has all conditions of packs), and its rules by their
    number.
    """

    recognition: Attempt = field(default_factory=Attempt)
    rules: dict[int, list[Attempt]] = field(default_factory=dict)


class Family:
    """Which nodes stand in which, for those who look into a condition."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._children: dict[int, list[Node]] = {}
        self._seen = 0

    def children(self, node: Node, attempt: Attempt) -> list[Node]:
        """The parts of *node* that were evaluated, in the order of the text."""
        for new in self._trace.nodes[self._seen :]:
            self._children.setdefault(new.parent, []).append(new)
        self._seen = len(self._trace.nodes)
        return [child for child in self._children.get(node.number, ()) if child.number in attempt.values]


def asked_of(trace: Trace, notes: Sequence[Note]) -> Asked:
    """What *notes*, those of one record, tell."""
    asked = Asked()
    for rule, run in _by_rule(trace, notes):
        if rule < 0:
            for node, value in run:
                _note(asked.recognition, node, value)
        else:
            asked.rules.setdefault(rule, []).extend(_attempts(run))
    return asked


def _by_rule(trace: Trace, notes: Sequence[Note]) -> Iterator[tuple[int, list[tuple[Node, Any]]]]:
    """Runs of notes of one rule, or of none."""
    run: list[tuple[Node, Any]] = []
    rule = -1
    for number, value in notes:
        node = trace.nodes[number]
        if run and node.rule != rule:
            yield rule, run
            run = []
        rule = node.rule
        run.append((node, value))
    if run:
        yield rule, run


def _attempts(run: Sequence[tuple[Node, Any]]) -> list[Attempt]:
    outer = attempt = now = Attempt()
    attempts = [outer]
    # What the loops are at, the outermost first.
    around: list[tuple[Item, int, Any]] = []
    for node, value in run:
        if node.role == "timeout":  # within the question for a start or an end
            now = Attempt(is_timeout=True)
            attempts.append(now)
        elif node.role == "element" and isinstance(node.expr, Item):
            loops = [item for item, _, _ in around]
            depth = loops.index(node.expr) if node.expr in loops else len(around)
            index = around[depth][1] + 1 if depth < len(around) else 0
            around = [*around[:depth], (node.expr, index, value)]
            attempt = now = Attempt(list(around), dict(outer.values), list(outer.roots))
            attempts.append(now)
        else:
            if node.role == "matched":
                now = attempt
            _note(now, node, value)
    return [one for one in attempts if not _is_passage(one, attempts)]


def _is_passage(attempt: Attempt, attempts: Sequence[Attempt]) -> bool:
    """Whether it only led to elements."""
    if attempt.is_match or attempt.is_timeout:
        return False
    depth = len(attempt.elements)
    return any(
        len(other.elements) > depth and other.elements[:depth] == attempt.elements for other in attempts
    ) and not any(node.role in ("start", "end") for node in attempt.roots)


def _note(attempt: Attempt, node: Node, value: Any) -> None:
    if node.role == "matched":
        attempt.is_match = True
    elif node.role == "update" and node.update is not None:
        attempt.measured.append(Measured(node.update))
    elif node.role == "counted" and attempt.measured:
        _take_value(attempt)
        attempt.measured[-1].counted = value
    elif node.role == "skipped" and attempt.measured:
        _take_value(attempt)
        attempt.measured[-1].skipped = value
    elif node.expr is not None:
        attempt.values[node.number] = value
        if node.parent < 0:
            attempt.roots.append(node)


def _take_value(attempt: Attempt) -> None:
    measured = attempt.measured[-1]
    node = attempt.measured_by(measured.update)
    measured.has_value = node is not None
    measured.value = None if node is None else attempt.values[node.number]


def _elements(value: Any) -> bool:
    return value.__class__ is list and bool(value)
