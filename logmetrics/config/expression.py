"""The expression language of rules: text -> a small tree, checked against a white list.

It is a safe subset of Python's expressions: field paths (``usage.prompt_tokens``, ``a["x.y"]``, ``parts[0].name``),
literals, comparisons, ``and or not in``, ``x if c else y``, ``+ - * /`` and the functions of ``FUNCTIONS``. Nothing is
ever evaluated by Python itself: ``rules/`` writes new source from this tree.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from logmetrics.config.tree import (
    LINE_TIME,
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
    Scalar,
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language: how many arguments it takes, and what it gives ('number', 'text', 'bool', 'any')."""

    arguments_min: int
    arguments_max: int
    result: str
    help: str


FUNCTIONS: Mapping[str, Function] = {
    "has": Function(1, 1, "bool", "true when the field is there and not null"),
    "starts": Function(2, 2, "bool", "true when the text begins with the second argument"),
    "ends": Function(2, 2, "bool", "true when the text ends with the second argument"),
    "matches": Function(2, 2, "bool", "true when the regular expression (RE2) is found in the text"),
    "capture": Function(2, 2, "text", "the first group of the regular expression (RE2) in the text, or missing"),
    "lower": Function(1, 1, "text", "the text in lower case"),
    "map": Function(2, 3, "any", "the value looked up in a table; the third argument is for values not in it"),
    "number": Function(1, 1, "number", "a number, also from text such as '12' or '0.5'"),
    "duration": Function(1, 1, "number", "seconds of a duration text such as 1m2.3s, 850ms or 49µs"),
    "s": Function(1, 1, "number", "seconds, given in seconds"),
    "ms": Function(1, 1, "number", "seconds, given in milliseconds"),
    "us": Function(1, 1, "number", "seconds, given in microseconds"),
    "ns": Function(1, 1, "number", "seconds, given in nanoseconds"),
    "time": Function(1, 1, "number", "seconds since 1970 of a time: ISO text, or s, ms, us or ns since 1970"),
    "between": Function(2, 2, "number", "seconds from one time to another"),
    "kv": Function(1, 1, "object", "a list of {key, value} as one object, OpenTelemetry's typed values unwrapped"),
    "entries": Function(1, 1, "any", "an object as a list of {key, value}, for each"),
    "parse_json": Function(1, 1, "object", "the JSON in a text"),
    "count": Function(1, 1, "number", "how many elements a list or an object has"),
    "join": Function(2, 8, "text", "texts one after another; missing when one of them is"),
    "once": Function(1, 1, "bool", "true when the key comes for the first time in its log"),
    "rise": Function(2, 2, "number", "by how much a number is above the greatest so far for its key in its log"),
    "delta": Function(2, 3, "number", "by how much a counting number has grown for its key in its log"),
    "remember": Function(1, 2, "any", "the value, or the last one under this name in its log that was not missing"),
}


CONTEXT_NAMES = ("path", "path.name", "path.stem", "path.parent", "source", "source.agent")
_COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in"}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
EXPRESSION_LENGTH_MAX = 4096
DEPTH_MAX = 40


class ExpressionError(ValueError):
    """An expression cannot be used; ``offset`` is the place in its text, from 0."""

    def __init__(self, what: str, offset: int = 0) -> None:
        super().__init__(what)
        self.offset = offset


def parse_expression(text: str, names: Mapping[str, Expr] | None = None) -> Expr:
    """The checked tree of *text*. *names* are what ``define`` and ``keep`` add. Raises ExpressionError."""
    if len(text) > EXPRESSION_LENGTH_MAX:
        raise ExpressionError(f"longer than {EXPRESSION_LENGTH_MAX} characters")
    try:
        tree = _parsed(text.replace("\n", " ").lstrip())
    except SyntaxError as error:
        what = _foreign(text) or error.msg
        raise ExpressionError(f"not an expression: {what}", max((error.offset or 1) - 1, 0)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"not an expression: {error}") from None
    return _Checker(names or {}).check(tree.body, 0)


@lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Expression:
    """Labels of one pack are the same texts again and again."""
    return ast.parse(text, mode="eval")


_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
# What other languages write, and what is written here.
_FOREIGN = (
    (r"&&", "write and in place of &&"),
    (r"\|\|", "write or in place of ||"),
    (r"=~", "write matches(field, regex) in place of =~"),
    (r"!(?!=)", "write not in place of !"),
    (r"(?<![=!<>])=(?!=)", "a single = compares nothing; write =="),
)


def _foreign(text: str) -> str:
    """How to write what is no expression here, but is one in other languages."""
    bare = _QUOTED.sub("", text)
    return next((instead for pattern, instead in _FOREIGN if re.search(pattern, bare)), "")


class _Checker:
    def __init__(self, names: Mapping[str, Expr]) -> None:
        self.names = names

    def check(self, node: ast.expr, depth: int) -> Expr:
        if depth > DEPTH_MAX:
            raise ExpressionError("nested too deeply", node.col_offset)
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None:
            what = f"{type(node).__name__} is not part of the rule language"
            raise ExpressionError(what, node.col_offset)
        result: Expr = handler(node, depth + 1)
        return result

    def _constant(self, node: ast.Constant, _depth: int) -> Expr:
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise ExpressionError("this number is too large", node.col_offset)
        if isinstance(node.value, (str, int, float, bool)):
            return Literal(node.value)
        raise ExpressionError(f"{node.value!r} is not a literal of the rule language; use has(x)", node.col_offset)

    def _name(self, node: ast.Name, _depth: int) -> Expr:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in CONTEXT_NAMES:
            return Context(node.id)
        if node.id == "line_time":
            return LINE_TIME
        if node.id == "root":
            raise ExpressionError('root needs a key: root["key"]', node.col_offset)
        constant = {"true": True, "false": False}.get(node.id)
        return Field((node.id,)) if constant is None else Literal(constant)

    def _attribute(self, node: ast.Attribute, depth: int) -> Expr:
        return self._step(node, node.value, node.attr, depth)

    def _subscript(self, node: ast.Subscript, depth: int) -> Expr:
        key: object = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(node.slice, ast.UnaryOp) and isinstance(node.slice.op, ast.USub):
            inner = node.slice.operand
            key = -inner.value if isinstance(inner, ast.Constant) and isinstance(inner.value, int) else None
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise ExpressionError('an index is a number or a quoted key: a[0], a["x.y"]', node.col_offset)
        return self._step(node, node.value, key, depth)

    def _step(self, node: ast.expr, base_node: ast.expr, key: str | int, depth: int) -> Expr:
        if isinstance(base_node, ast.Name) and base_node.id == "root":
            if isinstance(key, int):
                raise ExpressionError('root takes a key, not an index: root["key"]', node.col_offset)
            if not key.isprintable() or "\\" in key or '"' in key:
                # The decoder that takes single fields out of a record cannot look for these.
                raise ExpressionError("a top-level key cannot hold quotes, backslashes or controls", node.col_offset)
            return Field((key,))
        base = self.check(base_node, depth)
        if isinstance(base, Field):
            return Field((*base.path, key))
        if isinstance(base, Part):
            return Part(base.base, (*base.path, key))
        if isinstance(base, (Item, Let, Local, Or, IfElse)) or (
            isinstance(base, Call) and FUNCTIONS[base.name].result in ("object", "any")
        ):
            return Part(base, (key,))
        if isinstance(base, Context) and f"{base.name}.{key}" in CONTEXT_NAMES:
            return Context(f"{base.name}.{key}")
        raise ExpressionError(f"no .{key} here: it is no field of the record and no object", node.col_offset)

    def _boolop(self, node: ast.BoolOp, depth: int) -> Expr:
        operands = tuple(self.check(value, depth) for value in node.values)
        return Or(operands) if isinstance(node.op, ast.Or) else And(operands)

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Expr:
        operand = self.check(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return Not(operand)
        if isinstance(node.op, ast.USub):
            if isinstance(operand, Literal) and isinstance(operand.value, (int, float)):
                return Literal(-operand.value)
            return Arithmetic("-", Literal(0), operand)
        raise ExpressionError("this operator is not part of the rule language", node.col_offset)

    def _compare(self, node: ast.Compare, depth: int) -> Expr:
        sides = [self.check(side, depth) for side in (node.left, *node.comparators)]
        tests: list[Expr] = []
        for index, operator in enumerate(node.ops):
            left, right = sides[index], sides[index + 1]
            if isinstance(operator, ast.NotIn):
                tests.append(Not(Compare("in", left, right)))
            elif type(operator) in _COMPARISONS:
                tests.append(Compare(_COMPARISONS[type(operator)], left, right))
            else:
                raise ExpressionError("'is' is not part of the rule language; use == or has(x)", node.col_offset)
        return tests[0] if len(tests) == 1 else And(tuple(tests))

    def _binop(self, node: ast.BinOp, depth: int) -> Expr:
        operator = _ARITHMETIC.get(type(node.op))
        if operator is None:
            raise ExpressionError("only + - * / are part of the rule language", node.col_offset)
        return Arithmetic(operator, self.check(node.left, depth), self.check(node.right, depth))

    def _ifexp(self, node: ast.IfExp, depth: int) -> Expr:
        return IfElse(self.check(node.test, depth), self.check(node.body, depth), self.check(node.orelse, depth))

    def _list(self, node: ast.List | ast.Tuple | ast.Set, depth: int) -> Expr:
        return ListLiteral(tuple(self._scalar(item, depth) for item in node.elts))

    _tuple = _list
    _set = _list

    def _dict(self, node: ast.Dict, depth: int) -> Expr:
        if any(key is None for key in node.keys):
            raise ExpressionError("** is not part of the rule language", node.col_offset)
        pairs = zip((key for key in node.keys if key is not None), node.values, strict=True)
        return MapLiteral(tuple((self._scalar(key, depth), self._scalar(value, depth)) for key, value in pairs))

    def _scalar(self, node: ast.expr, depth: int) -> Scalar:
        item = self.check(node, depth)
        if not isinstance(item, Literal):
            raise ExpressionError('only literals can stand here, such as "text" or 5', node.col_offset)
        return item.value

    def _call(self, node: ast.Call, depth: int) -> Expr:
        if not isinstance(node.func, ast.Name):
            raise ExpressionError("only the functions of the rule language can be called", node.col_offset)
        name = node.func.id
        function = FUNCTIONS.get(name)
        if function is None:
            near = did_you_mean(name, FUNCTIONS) or f"; there are: {', '.join(sorted(FUNCTIONS))}"
            raise ExpressionError(f"unknown function {name!r}{near}", node.col_offset)
        if node.keywords:
            raise ExpressionError(f"{name}() takes no named arguments", node.col_offset)
        least, most = function.arguments_min, function.arguments_max
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} or {most}"
            raise ExpressionError(f"{name}() takes {wanted} arguments, not {len(node.args)}", node.col_offset)
        arguments = tuple(self.check(argument, depth) for argument in node.args)
        _check_arguments(name, arguments, node.col_offset)
        return Call(name, arguments)


def _check_arguments(name: str, arguments: tuple[Expr, ...], offset: int) -> None:
    if name in ("starts", "ends", "matches", "capture"):
        pattern = arguments[1]
        if not (isinstance(pattern, Literal) and isinstance(pattern.value, str)):
            raise ExpressionError(f"the second argument of {name}() is a quoted text", offset)
        if name in ("matches", "capture"):
            groups = check_pattern(pattern.value, offset)
            if name == "capture" and groups < 1:
                what = f"capture() needs a group in parentheses, and {pattern.value!r} has none"
                raise ExpressionError(what, offset)
    if name == "remember" and not (isinstance(arguments[0], Literal) and isinstance(arguments[0].value, str)):
        raise ExpressionError('remember() takes a quoted name first: remember("model", payload.model)', offset)
    if name == "map" and not isinstance(arguments[1], MapLiteral):
        raise ExpressionError('the second argument of map() is a table: map(x, {"ok": "success"}, "unknown")', offset)
    if name != "map" and any(isinstance(argument, (MapLiteral, ListLiteral)) for argument in arguments):
        raise ExpressionError(f"{name}() does not take a list or a table", offset)


def check_pattern(pattern: str, offset: int = 0) -> int:
    """The number of groups in *pattern*. Raises ExpressionError when it is no pattern of RE2's."""
    import re2  # costs 10 ms and 3 MB; only configs with patterns pay

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else "bad pattern"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ExpressionError(f"{pattern!r} is not a regular expression that RE2 takes: {text}", offset) from None
    return int(compiled.groups)


def did_you_mean(name: str, known: Mapping[str, object] | list[str] | tuple[str, ...]) -> str:
    """`` (did you mean 'labels'?)`` when something near *name* is known, else an empty text."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def is_condition(expr: Expr) -> bool:
    """True when *expr* can only be true or false, so that ``or`` and ``and`` around it are logical."""
    if isinstance(expr, Call):
        return FUNCTIONS[expr.name].result == "bool"
    if isinstance(expr, (Or, And)):
        return any(map(is_condition, expr.operands))
    if isinstance(expr, Literal):
        return isinstance(expr.value, bool)
    return isinstance(expr, (Not, Compare))
