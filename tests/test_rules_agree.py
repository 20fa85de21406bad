"""The generated function and the plain interpreter agree on every rule and every record."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logmetrics.config.expression import ExpressionError, parse_expression
from logmetrics.config.specs import LimitsSpec, MetricSpec, PairSpec, RuleSet, RuleSpec, UpdateSpec
from logmetrics.config.tree import Local
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.log import Log
from logmetrics.store.store import Store
from tests.reference import Interpreter

# The language is compared here, not the guard: numbers are label values as they are.
RAW = frozenset("ab")
METRICS = {
    "c_total": MetricSpec("c_total", "counter", "h", ("a", "b"), raw=RAW),
    "one_total": MetricSpec("one_total", "counter", "h", ("a",), raw=RAW),
    "h_seconds": MetricSpec("h_seconds", "histogram", "h", ("a",), (0.5, 1.0, 10.0), raw=RAW),
    "g": MetricSpec("g", "gauge", "h", ("a",), raw=RAW),
    "live": MetricSpec("live", "active", "h", ("a",), raw=RAW),
}
LIMITS = LimitsSpec(10**6, 10**6, 10**6, 10**6)

fields = st.sampled_from(
    ["event", "kind", "x", "y", "n", "o.k", "o.n", "o.o.k", "l[0]", "l[-1].k", 'o["a.b"]', 'root["x-y"]']
)
texts = st.sampled_from(["tool", "llm", "a", "", "12", "1m2.3s", "ERROR", "0.5"])
numbers = st.sampled_from([0, 1, -1, 2.5, 1000, 1e300, 10**20])


def literal(value: Any) -> str:
    return json.dumps(value)


FLAT_VALUES = st.one_of(fields, st.builds(literal, texts), st.builds(repr, numbers))
FLAT_CONDITIONS = st.one_of(
    st.builds("{} == {}".format, fields, st.builds(literal, texts)),
    st.builds("{} in {}".format, fields, st.builds(literal, st.lists(texts, min_size=1, max_size=6))),
)


def deeper(
    values: st.SearchStrategy[str], conditions: st.SearchStrategy[str]
) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str]]:
    """Values and conditions made of these, one level deeper."""
    comparison = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
    mixed = st.lists(st.one_of(texts, st.sampled_from([1, 5])), max_size=3)
    return st.one_of(
        values,
        st.builds("({} or {})".format, values, values),
        st.builds("({} or {} or {})".format, fields, fields, st.builds(literal, texts)),
        st.builds("({} {} {})".format, values, st.sampled_from("+-*/"), values),
        st.builds("({} if {} else {})".format, values, conditions, values),
        st.builds("{}({})".format, st.sampled_from(["ms", "s", "ns", "number", "lower", "duration"]), values),
        st.builds('capture({}, "(l+)")'.format, values),
        st.builds('map({}, {{"tool": "t", "12": 5, True: "yes"}}, {})'.format, values, values),
        st.builds('map({}, {{"tool": "t", 12: "twelve"}})'.format, values),
    ), st.one_of(
        conditions,
        st.builds("{} in {}".format, values, st.builds(literal, mixed)),
        st.builds("({} {} {})".format, values, comparison, values),
        st.builds("({} {} {})".format, conditions, st.sampled_from(["and", "or"]), conditions),
        st.builds("(not {})".format, conditions),
        st.builds("has({})".format, values),
        st.builds("(has({}) or {})".format, fields, fields),
        st.builds('{}({}, "l")'.format, st.sampled_from(["starts", "ends", "matches"]), values),
    )


values, conditions = deeper(*deeper(FLAT_VALUES, FLAT_CONDITIONS))
updates = st.sampled_from(
    [("c_total", {}), ("c_total", {"b": "fixed"}), ("one_total", {}), ("h_seconds", {}), ("g", {}), ("live", {})]
)


@st.composite
def rules(draw: st.DrawFn, number: int) -> RuleSpec:
    pair = None
    if draw(st.integers(0, 5)) == 0:
        pair = PairSpec(
            *(parse_expression(draw(part)) for part in (conditions, conditions, values)),
            (("k", parse_expression(draw(values))),),
        )
    names = {"k": parse_expression("x")} if pair is None else {"k": Local("k")}
    labels = {name: parse_expression(draw(st.one_of(values, st.just("k"))), names) for name in ("a", "b")}
    chosen = draw(st.lists(updates, min_size=1, max_size=3))
    specs = [
        UpdateSpec(metric, tuple(constants.items()), parse_expression(draw(st.one_of(st.just("1"), values)), names))
        for metric, constants in chosen
    ]
    when = draw(st.one_of(st.none(), conditions))
    return RuleSpec(
        f"rule {number}", None, None if when is None else parse_expression(when), labels, tuple(specs), pair
    )


scalars = st.one_of(texts, numbers, st.booleans(), st.none(), st.sampled_from(["tool", "llm"]))
inner = st.fixed_dictionaries(
    {}, optional={"k": scalars, "n": scalars, "a.b": scalars, "o": st.fixed_dictionaries({"k": scalars})}
)
records = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: st.one_of(scalars, inner, st.lists(scalars, max_size=2))
            for name in ("event", "kind", "x", "y", "n", "x-y")
        },
        "o": st.one_of(inner, scalars),
        "l": st.one_of(st.lists(st.one_of(scalars, inner), max_size=3), scalars),
    },
)


RULES = st.lists(st.integers(0, 9), min_size=1, max_size=6).flatmap(
    lambda numbers: st.tuples(*(rules(number) for number in range(len(numbers))))
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_list=RULES, batch=st.lists(records, max_size=12), cut=st.integers(1, 12))
def test_generated_function_equals_the_interpreter(
    rule_list: tuple[RuleSpec, ...], batch: list[dict[str, Any]], cut: int
) -> None:
    """For random rules and records, cut into blocks anywhere, all series, matches and unmatched counts are equal."""
    check(rule_list, batch, cut, RuleSet(METRICS, rule_list))


OTHER_PACK = RuleSpec(
    "other", "json", None, {}, (), pack="a", recognise=parse_expression('has(nope) or kind == "nope" and has(x.y)')
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_list=RULES, batch=st.lists(records, max_size=30), cut=st.integers(1, 12))
def test_functions_for_known_keys_equal_the_interpreter(
    rule_list: tuple[RuleSpec, ...], batch: list[dict[str, Any]], cut: int
) -> None:
    """So do those of a log whose keys are known, beside a pack that might recognise its records."""
    of_pack = [replace(rule, pack="z") for rule in rule_list]
    check(rule_list, batch, cut, RuleSet(METRICS, (OTHER_PACK, *of_pack)))


@st.composite
def alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records whose fields are each of one kind, most always there; and perhaps one that is not like them."""
    kinds = (texts, numbers, st.booleans(), inner, st.lists(scalars, max_size=2), st.sampled_from(["tool", "llm", ""]))
    names = draw(st.lists(st.sampled_from(("event", "kind", "x", "y", "n", "x-y", "o", "l")), unique=True))
    fields = {name: draw(st.sampled_from(kinds)) for name in names}
    always = {name: field for name, field in fields.items() if draw(st.integers(0, 3))}
    some = {name: field for name, field in fields.items() if name not in always}
    same = st.lists(st.fixed_dictionaries(always, optional=some), min_size=2, max_size=12)
    return [*draw(same), *draw(st.lists(records, max_size=2)), *draw(same)]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(rule_list=RULES, batch=alike(), cut=st.integers(1, 4), by_pack=st.booleans())
def test_functions_for_known_kinds_equal_the_interpreter(
    rule_list: tuple[RuleSpec, ...], batch: list[dict[str, Any]], cut: int, by_pack: bool
) -> None:
    """And those of a log whose fields have been of one kind so far."""
    of_pack = [replace(rule, pack="z") for rule in rule_list]
    check(rule_list, batch, cut, RuleSet(METRICS, (OTHER_PACK, *of_pack) if by_pack else rule_list))


def check(rule_list: tuple[RuleSpec, ...], batch: list[dict[str, Any]], cut: int, rule_set: RuleSet) -> None:
    store = Store(METRICS, LIMITS)
    program = compile_rules(rule_set, "test", "json", store)
    lines = [json.dumps(record).encode() for record in batch]
    log = Log("/logs/x.log", "test")
    for start in range(0, len(lines), cut):
        program.apply(lines[start : start + cut], log, 0.0)
        store.fold()
    store.commit(0.0)

    expected = Interpreter(RuleSet(METRICS, rule_list))
    for line in lines:
        expected.feed(json.loads(line))

    assert program.unparsable == 0
    assert program.unmatched == expected.unmatched
    assert {rule.name: rule.matches for rule in program.rules if rule.matches} == dict(expected.matches)
    assert shown(store) == wanted(expected)


def shown(store: Store) -> dict[str, Any]:
    _, families, _ = store.view()
    return {spec.name: {series.labels: exposed(frozen) for series, frozen in rows} for spec, rows in families if rows}


def exposed(value: Any) -> Any:
    """A number as a scraper reads it: a double."""
    return value if isinstance(value, tuple) else float(value)


def wanted(expected: Interpreter) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, counters in expected.counters.items():
        result[name] = {labels: float(value) for labels, value in counters.items()}
    for name, observed in expected.observed.items():
        bounds = METRICS[name].buckets
        result[name] = {
            labels: (
                (*(sum(value <= bound for value in values) for bound in bounds), len(values)),
                float(sum(map(Fraction, values))),
                len(values),
            )
            for labels, values in observed.items()
        }
    result.update(
        {name: {labels: float(value) for labels, value in gauges.items()} for name, gauges in expected.gauges.items()}
    )
    result.update(
        {name: {labels: float(len(keys)) for labels, keys in live.items()} for name, live in expected.active.items()}
    )
    return result


def test_expressions_outside_the_white_list_are_refused() -> None:
    """Nothing that Python could do beyond the language gets through."""
    for text in (
        "__import__('os')",
        "x.__class__()",
        "[i for i in x]",
        "lambda: 1",
        "x := 1",
        "f'{x}'",
        "x ** 2",
        "x is None",
        "open(x)",
        "a[b]",
        "a[1:2]",
        "*x",
        "None",
    ):
        try:
            tree = parse_expression(text)
        except ExpressionError:
            continue
        raise AssertionError(f"{text} was taken as {tree}")
