"""What an expression of the rule language is: a small tree of frozen nodes.

They are msgspec's Structs: rules are looked up by their trees all the time, and Structs are hashed and compared in C.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from msgspec import Struct

Scalar = str | int | float | bool


class Field(Struct, frozen=True):
    """A path into the record; the first step is a top-level key."""

    path: tuple[str | int, ...]


class Context(Struct, frozen=True):
    """What is known beside the record: ``path``, ``path.name``, ``path.stem``, ``path.parent``, ``source``, and
    ``source.agent``, the agent's name that the source gives to logs which have none.
    """

    name: str


class Local(Struct, frozen=True):
    """A name that the rule itself defines, such as one carried by ``pair: {keep: ...}``."""

    name: str


class Item(Struct, frozen=True):
    """One element of what ``each: NAME in ...`` goes through."""

    name: str
    of: Expr


class Let(Struct, frozen=True):
    """A value that a rule computes once, under a name of its own."""

    name: str
    value: Expr


class Part(Struct, frozen=True):
    """A path into something that is no field of the record: an element, a named value, what a function gives."""

    base: Expr
    path: tuple[str | int, ...]


class Literal(Struct, frozen=True, eq=False):
    """1, 1.0 and true are three literals."""

    value: Scalar

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash(repr(self.value))


class ListLiteral(Struct, frozen=True, eq=False):
    items: tuple[Scalar, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListLiteral) and repr(self.items) == repr(other.items)

    def __hash__(self) -> int:
        return hash(repr(self.items))


class MapLiteral(Struct, frozen=True):
    """``{"ok": "success"}``, only as the second argument of ``map``."""

    items: tuple[tuple[Scalar, Scalar], ...]


class Or(Struct, frozen=True):
    """In a condition: logical. As a value: the first operand that is present and not empty."""

    operands: tuple[Expr, ...]


class And(Struct, frozen=True):
    operands: tuple[Expr, ...]


class Not(Struct, frozen=True):
    operand: Expr


class Compare(Struct, frozen=True):
    """One of ``== != < <= > >= in``; false when a side is missing."""

    operator: str
    left: Expr
    right: Expr


class Arithmetic(Struct, frozen=True):
    """One of ``+ - * /``; missing unless both sides are numbers."""

    operator: str
    left: Expr
    right: Expr


class IfElse(Struct, frozen=True):
    test: Expr
    then: Expr
    otherwise: Expr


class Call(Struct, frozen=True):
    name: str
    arguments: tuple[Expr, ...]


Expr = (
    Field
    | Context
    | Local
    | Item
    | Let
    | Part
    | Literal
    | ListLiteral
    | MapLiteral
    | Or
    | And
    | Not
    | Compare
    | Arithmetic
    | IfElse
    | Call
)


NODES = get_args(Expr)
# What is known to be missing; no text of a config can give this literal.
MISSING = Literal(None)  # type: ignore[arg-type]
# What the source says that its logs' agent is.
SOURCE_AGENT = Context("source.agent")
# `line_time`: seconds since 1970, by whichever of the usual keys the record has.
_TIME_KEYS = ("timestamp", "time", "ts", "@timestamp", "asctime", "datetime")
LINE_TIME = Call("time", (Or(tuple(Field((key,)) for key in _TIME_KEYS)),))
# When the start of a pair was, and how long ago that is.
START_TIME = Local("__start")
ELAPSED = Call("between", (START_TIME, LINE_TIME))
# Those that know what came before, each log for itself.
STATEFUL = ("once", "rise", "delta", "remember")


_NODES = frozenset(NODES)
# Those without nodes below them.
_LEAVES = frozenset((Field, Context, Local, Literal, ListLiteral, MapLiteral))


def parts_of(expr: Expr) -> Iterator[Expr]:
    """*expr* and every node below it, those to the left first."""
    waiting = [expr]
    while waiting:
        part = waiting.pop()
        yield part
        if part.__class__ in _LEAVES:
            continue
        below: list[Expr] = []
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if value.__class__ is tuple:
                below += [one for one in value if one.__class__ in _NODES]
            elif value.__class__ in _NODES:
                below.append(value)
        waiting += reversed(below)


def mentions(expr: Expr, kinds: tuple[type, ...]) -> bool:
    """Whether *expr* has a node of one of *kinds* anywhere."""
    return any(isinstance(part, kinds) for part in parts_of(expr))


def has_memory(expr: Expr) -> bool:
    """Whether the value of *expr* depends on what came before."""
    return any(isinstance(part, Call) and part.name in STATEFUL for part in parts_of(expr))
