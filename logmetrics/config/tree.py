"""What an expression of the rule language is: a small tree of frozen nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Field:
    """A path into the record; the first step is a top-level key."""

    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the record: ``path``, ``path.name``, ``path.stem``, ``path.parent``, ``source``, and
    ``source.agent``, the agent's name that the source gives to logs which have none.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Local:
    """A name that the rule itself defines, such as one carried by ``pair: {keep: ...}``."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """One element of what ``each: NAME in ...`` goes through."""

    name: str
    of: Expr


@dataclass(frozen=True, slots=True)
class Let:
    """A value that a rule computes once, under a name of its own."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Part:
    """A path into something that is no field of the record: an element, a named value, what a function gives."""

    base: Expr
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """1, 1.0 and true are three literals."""

    value: Scalar

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash(repr(self.value))


@dataclass(frozen=True, slots=True, eq=False)
class ListLiteral:
    items: tuple[Scalar, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListLiteral) and repr(self.items) == repr(other.items)

    def __hash__(self) -> int:
        return hash(repr(self.items))


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """``{"ok": "success"}``, only as the second argument of ``map``."""

    items: tuple[tuple[Scalar, Scalar], ...]


@dataclass(frozen=True, slots=True)
class Or:
    """In a condition: logical. As a value: the first operand that is present and not empty."""

    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expr


@dataclass(frozen=True, slots=True)
class Compare:
    """One of ``== != < <= > >= in``; false when a side is missing."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One of ``+ - * /``; missing unless both sides are numbers."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class IfElse:
    test: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Call:
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


def parts_of(expr: Expr) -> Iterator[Expr]:
    """*expr* and every node below it."""
    yield expr
    for name in type(expr).__slots__:
        value = getattr(expr, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, NODES):
                yield from parts_of(part)


def mentions(expr: Expr, kinds: tuple[type, ...]) -> bool:
    """Whether *expr* has a node of one of *kinds* anywhere."""
    return any(isinstance(part, kinds) for part in parts_of(expr))


def has_memory(expr: Expr) -> bool:
    """Whether the value of *expr* depends on what came before."""
    return any(isinstance(part, Call) and part.name in STATEFUL for part in parts_of(expr))
