"""Expression trees -> Python source, for one record format.

Only ``repr()`` of checked literals and names of our own ever enter the text. Every text that comes out gives a value
or None, or a truth, and never raises.
"""

from __future__ import annotations

from collections.abc import Callable

from logmetrics.config.expression import is_condition
from logmetrics.config.tree import (
    MISSING,
    SOURCE_AGENT,
    STATEFUL,
    And,
    Arithmetic,
    Call,
    Compare,
    Context,
    Expr,
    Field,
    IfElse,
    Item,
    Let,
    ListLiteral,
    Literal,
    Local,
    MapLiteral,
    Not,
    Or,
    Part,
    has_memory,
)
from logmetrics.formats.kinds import ABSENT, NUMBER, TEXT
from logmetrics.rules.functions import label
from logmetrics.rules.kinds import ANYTHING, Fields, kind_of

_CONTEXT = {
    "path": "log.path",
    "path.name": "log.name",
    "path.stem": "log.stem",
    "path.parent": "log.parent",
    "source": "log.source",
}

# A place where a long statement may be broken into lines; no literal's repr() can hold it.
BREAK = "\x1f"
# A value, or a value made a label's text.
Known = Expr | tuple[str, Expr]
_OF_TEXT = {"starts": "startswith", "ends": "endswith"}
_PER_SECOND = {"number": "", "s": "", "ms": " / 1000", "us": " / 1000000", "ns": " / 1000000000"}


class Emitter:
    """Writes the expressions of one loop over records. ``field`` gives the source text of a top-level field."""

    def __init__(
        self,
        field: Callable[[str], str],
        constant: Callable[[str, object], str],
        agent: Expr | None = None,
        fields: Fields = ANYTHING,
    ) -> None:
        self.field = field
        # What is known of the records.
        self.fields = fields
        self.constant = constant
        # What `source.agent` stands for.
        self.agent = agent
        # Names the memory behind a stateful call of the rule that is being written.
        self.memory: Callable[[Call], str] = lambda call: call.name
        # Whose rule that is; what packs remember has names of their own.
        self.pack = ""
        # What a local variable holds already; one dict for each open block, the innermost last.
        self.known: list[dict[Known, str]] = [{}]
        self._temporaries = 0

    def temporary(self, stem: str = "t") -> str:
        self._temporaries += 1
        return f"{stem}{self._temporaries}"

    def lookup(self, known: Known) -> str | None:
        """The variable that already holds *known* here."""
        for block in reversed(self.known):
            if known in block:
                return block[known]
        return None

    def forget_the_past(self) -> None:
        """Each rule asks for itself what depends on what came before: its memory is its own, or changed since."""
        for block in self.known:
            for known in [known for known in block if has_memory(known[1] if isinstance(known, tuple) else known)]:
                del block[known]

    def can_be(self, expr: Expr, kinds: int) -> bool:
        """Whether *expr* can be of one of *kinds*."""
        return bool(kind_of(expr, self.fields) & kinds)

    def is_only(self, expr: Expr, kinds: int) -> bool:
        """Whether *expr* is always of one of *kinds*."""
        return not kind_of(expr, self.fields) & ~kinds

    def value(self, expr: Expr) -> str:
        """Source whose result is the value, or None."""
        return self.lookup(expr) or self._value(expr)

    def _value(self, expr: Expr) -> str:  # noqa: C901 - one line for each kind of node
        if isinstance(expr, Literal):
            return repr(expr.value)
        if expr == SOURCE_AGENT:
            return "None" if self.agent is None else self.value(self.agent)
        if isinstance(expr, Context):
            return _CONTEXT[expr.name]
        if isinstance(expr, Local):
            return f"kept_{expr.name}"
        if isinstance(expr, Item):
            return f"item_{expr.name}"
        if isinstance(expr, Let):
            return self.value(expr.value)
        if isinstance(expr, Part):
            return self._steps(self.value(expr.base), expr.path)
        if isinstance(expr, Field):
            return self._field(expr)
        if isinstance(expr, Or) and not is_condition(expr):
            return self._coalesce(expr)
        if isinstance(expr, IfElse):
            return f"({self.value(expr.then)} if {self.test(expr.test)} else {self.value(expr.otherwise)})"
        if isinstance(expr, Arithmetic):
            return f"arithmetic({expr.operator!r}, {self.value(expr.left)}, {self.value(expr.right)})"
        if isinstance(expr, Call) and not is_condition(expr):
            return self._call(expr)
        if isinstance(expr, (ListLiteral, MapLiteral)):
            return "None"  # a list alone is no value; it has a meaning to the right of `in` only
        return self.test(expr)

    def test(self, expr: Expr) -> str:
        """Source whose truth is the condition's."""
        if isinstance(expr, (And, Or)):
            word = " and " if isinstance(expr, And) else " or "
            return "(" + word.join(self.test(operand) for operand in expr.operands) + ")"
        if isinstance(expr, Not):
            return f"(not {self.test(expr.operand)})"
        if isinstance(expr, Compare):
            return self._compare(expr)
        if isinstance(expr, Call) and is_condition(expr):
            return self._condition(expr)
        if isinstance(expr, Literal):
            return repr(bool(expr.value))
        return f"bool({self.value(expr)})"

    def _condition(self, expr: Call) -> str:
        subject, *others = expr.arguments
        if expr.name == "has":
            return f"({self.value(subject)} is not None)"
        if expr.name in _OF_TEXT and self.is_only(subject, TEXT | ABSENT) and _is_some_text(others[0]):
            return f"{self._text(subject)}.{_OF_TEXT[expr.name]}({self.value(others[0])})"
        return self._call(expr)

    def _text(self, expr: Expr) -> str:
        """The value of *expr*, a text, which is empty when it is missing."""
        return f"({self.value(expr)} or '')" if self.can_be(expr, ABSENT) else self.value(expr)

    def _field(self, expr: Field) -> str:
        top, *rest = expr.path
        code = self.field(str(top))
        if not rest:
            return code
        return self._steps(self.lookup(Field((top,))) or code, tuple(rest))

    def _steps(self, code: str, path: tuple[str | int, ...]) -> str:
        if len(path) == 1 and isinstance(path[0], str):
            inner = self.temporary()
            return f"({inner}.get({path[0]!r}) if ({inner} := {code}).__class__ is dict else None)"
        return f"dig({code}, {', '.join(map(repr, path))})"

    def _coalesce(self, expr: Or) -> str:
        """One variable serves the whole chain: it holds the operand that is being looked at."""
        name = self.temporary()
        operands = [operand for operand in _flat(expr) if operand != SOURCE_AGENT or self.agent is not None]
        *firsts, last = operands or [MISSING]
        operands = [*(operand for operand in firsts if operand != MISSING), last]
        if len(operands) == 1:
            return self.value(operands[0])
        *firsts, last = operands
        if all(self.is_only(operand, TEXT | ABSENT) for operand in firsts):
            return f"({BREAK}{f' or{BREAK}'.join(map(self.value, operands))}{BREAK})"
        tried = [f"{name} if {self._is_present(name, operand)}" for operand in firsts]
        return f"({BREAK}{f' else{BREAK}'.join((*tried, self.value(last)))}{BREAK})"

    def _is_present(self, name: str, operand: Expr) -> str:
        """Whether *operand*, which becomes *name*, is neither missing nor empty."""
        taken = f"({name} := {self.value(operand)})"
        if self.is_only(operand, TEXT | ABSENT):
            return taken
        return f"{taken} is not None and {name} != ''" if self.can_be(operand, TEXT) else f"{taken} is not None"

    def _compare(self, expr: Compare) -> str:
        left, right, operator = expr.left, expr.right, expr.operator
        if operator == "in":
            return self._in(left, right)
        if operator == "==":
            if isinstance(right, Literal) and isinstance(right.value, str):
                return f"({self.value(left)} == {right.value!r})"
            return f"same({self.value(left)}, {self.value(right)})"
        if operator == "!=":
            a, b = self.temporary(), self.temporary()
            present = f"({a} := {self.value(left)}) is not None and ({b} := {self.value(right)}) is not None"
            return f"({present} and not same({a}, {b}))"
        if operator in (">", ">="):
            left, right, operator = right, left, "<" if operator == ">" else "<="
        a, b = self.value(left), self.value(right)
        if self.is_only(left, NUMBER) and self.is_only(right, NUMBER):
            return f"({a} {operator} {b})"
        return f"{'less' if operator == '<' else 'at_most'}({a}, {b})"

    def _in(self, left: Expr, right: Expr) -> str:
        if _is_some_text(left) and self.is_only(right, TEXT | ABSENT):
            return f"({self.value(left)} in {self._text(right)})"
        if not isinstance(right, ListLiteral):
            return f"contains({self.value(left)}, {self.value(right)})"
        if right.items and all(isinstance(item, str) for item in right.items):
            return f"({self.value(left)} in {right.items!r})"
        return f"contains({self.value(left)}, {list(right.items)!r})"

    def _call(self, expr: Call) -> str:
        if expr.name in _PER_SECOND:
            return self._scaled(expr)
        if expr.name == "map":
            return self._map(expr)
        if expr.name in STATEFUL:
            return self._stateful(expr)
        return f"fn_{expr.name}({', '.join(map(self.value, expr.arguments))})"

    def _stateful(self, expr: Call) -> str:
        """A call of the memory behind it, which is told which log this is; keys are texts there."""
        first, *others = expr.arguments
        if expr.name == "once":
            arguments = [f"key_text({self.value(first)})"]
        elif expr.name == "remember":
            assert isinstance(first, Literal)
            name = f"{self.pack}/{first.value}" if self.pack else first.value
            arguments = [repr(name), *map(self.value, others)]
        else:
            arguments = [self.value(first), f"key_text({self.value(others[0])})", *map(self.value, others[1:])]
        return f"{self.memory(expr)}(log.path, {', '.join(arguments)})"

    def _map(self, expr: Call) -> str:
        """The look-up inline for a text; any other value goes the long way."""
        value, table, *default = expr.arguments
        assert isinstance(table, MapLiteral)
        by_label = {label(key): found for key, found in table.items}
        bound = self.constant("table", by_label)
        name = self.temporary()
        if self.is_only(value, TEXT | ABSENT):
            if not default:
                taken = f"{name} := {self.value(value)}"
                return f"({bound}.get(({taken}), {name}))"
            if isinstance(value, Or) and value.operands[-1] == MISSING and "" not in by_label:
                value = Or(value.operands[:-1]) if len(value.operands) > 2 else value.operands[0]
            return f"{bound}.get({self.value(value)}, {self.value(default[0])})"
        otherwise = self.value(default[0]) if default else name
        text = f"{bound}.get({name}, {otherwise}) if ({name} := {self.value(value)}).__class__ is str"
        return f"({text} else{BREAK}fn_map({name}, {bound}{''.join(f', {self.value(tree)}' for tree in default)}))"

    def _scaled(self, expr: Call) -> str:
        """Units, inline for the two common cases: a float or int (small enough not to overflow), and nothing."""
        name = self.temporary()
        if self.is_only(expr.arguments[0], NUMBER | ABSENT):
            return self._scaled_number(expr, name)
        number = f"({name} := {self.value(expr.arguments[0])}).__class__ is float or {name}.__class__ is int"
        if _PER_SECOND[expr.name]:
            number = f"({number}) and -1e300 < {name} < 1e300"
        scaled = f"{name}{_PER_SECOND[expr.name]} if {number}"
        return f"({scaled} else None if {name} is None else fn_{expr.name}({name}))"

    def _scaled_number(self, expr: Call, name: str) -> str:
        taken = f"{name} := {self.value(expr.arguments[0])}"
        if not _PER_SECOND[expr.name]:
            return f"({taken})"
        scaled = f"{name}{_PER_SECOND[expr.name]} if -1e300 < ({taken}) < 1e300 else fn_{expr.name}({name})"
        if self.can_be(expr.arguments[0], ABSENT):
            inner = f"{name}{_PER_SECOND[expr.name]} if -1e300 < {name} < 1e300 else fn_{expr.name}({name})"
            scaled = f"None if ({taken}) is None else {inner}"
        return f"({scaled})"


def _is_some_text(expr: Expr) -> bool:
    return isinstance(expr, Literal) and isinstance(expr.value, str) and expr.value != ""


def _flat(expr: Or) -> list[Expr]:
    """The operands of a chain of ``or``, those of inner chains included; what follows a literal is never reached."""
    operands: list[Expr] = []
    for operand in expr.operands:
        operands += _flat(operand) if isinstance(operand, Or) and not is_condition(operand) else [operand]
        if isinstance(operands[-1], Literal) and operands[-1].value not in ("", None):
            break
    return operands
