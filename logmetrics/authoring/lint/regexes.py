"""Regular expressions that match nothing or everything, or are dearer than what they find."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.subject import Subject, told
from logmetrics.config.document import KeyPath
from logmetrics.config.tree import LINE_TIME, Call, Field, Literal, parts_of

if sys.version_info >= (3, 11):
    from re import _constants as sre
    from re import _parser as sre_parse
else:
    import sre_constants as sre
    import sre_parse

_STARTS = (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)
_ENDS = (sre.AT_END, sre.AT_END_STRING)
_PLAIN = re.compile(r"[A-Za-z0-9 _:;,/=<>@#%&!'~-]+")
_CAPITAL = re.compile(r"[A-Z]")


def findings(subject: Subject) -> Iterator[Finding]:
    """What is to be said about the patterns of the file's rules and sources."""
    told_of = set()
    for place in subject.expressions():
        for part in parts_of(place.expr):
            if isinstance(part, Call) and part.name in ("matches", "capture") and (place.path, part) not in told_of:
                told_of.add((place.path, part))
                yield from _of_call(subject, place.path, part)
    yield from _of_sources(subject)


def _of_call(subject: Subject, path: KeyPath, call: Call) -> Iterator[Finding]:
    literal = call.arguments[1]
    assert isinstance(literal, Literal)
    pattern = str(literal.value)
    parsed = _parsed(pattern)
    if parsed is None:
        return
    why = _never(parsed)
    subject_of_call = call.arguments[0]
    if why:
        yield subject.finding("regex-never", path, f"{pattern!r} matches no text: {why}", "mend the pattern")
    elif isinstance(subject_of_call, Call) and subject_of_call.name == "lower" and _wants_capital(parsed):
        what = f"{pattern!r} wants capitals, and lower() leaves none"
        yield subject.finding("regex-never", path, what, "write it in small letters, or take lower() away")
    elif call.name == "matches" and _is_always(parsed):
        what = f"{pattern!r} is found in every text, also in an empty one"
        yield subject.finding("regex-always", path, what, f"has({told(subject_of_call)}) asks whether it is there")
    elif call.name == "matches" and _PLAIN.fullmatch(pattern):
        what = f"{pattern!r} is no pattern but a plain text, and a search for one costs a tenth"
        yield subject.finding("regex-plain", path, what, f'write "{pattern}" in {told(subject_of_call)}')
    elif call.name == "matches" and pattern.startswith((".*", "^.*")):
        what = f"{pattern!r} begins with .*, and a pattern is looked for anywhere in the text without that"
        yield subject.finding("regex-cost", path, what, f"write {pattern.removeprefix('^').lstrip('.*?')!r}")
    if call.name == "capture" and parsed.state.groups - 1 > 1:
        what = f"capture() gives the first group of {pattern!r}, and it has {parsed.state.groups - 1}"
        yield subject.finding("regex-groups", path, what, "write (?:...) for the others")


def _parsed(pattern: str) -> Any:
    """The pattern as `re` reads it; None for what only RE2 knows, of which nothing is said."""
    if "[[" in pattern or "\\Q" in pattern or "(?-" in pattern:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what later versions of `re` might take for something else
            parsed = sre_parse.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
    return None if parsed.state.flags & (re.MULTILINE | re.VERBOSE) else parsed


def _never(items: Sequence[Any]) -> str:
    """Why *items* match no text."""
    before = 0  # so many characters stand before at the least
    for index, (operator, argument) in enumerate(items):
        if operator is sre.AT and argument in _STARTS and before:
            return "^ stands behind something, and is the start of the text"
        if operator is sre.AT and argument in _ENDS and _width(items[index + 1 :]):
            return "something stands behind $, which is the end of the text"
        if operator is sre.IN and _is_empty(argument):
            return "a class has no characters"
        why = _never_inside(operator, argument, before)
        if why:
            return why
        before += _width([(operator, argument)])
    return ""


def _never_inside(operator: Any, argument: Any, before: int) -> str:
    """Why a group, a choice or a repetition with so many characters before it matches no text."""
    if operator is sre.SUBPATTERN:
        why = _never(list(argument[3]))
        is_start = bool(before) and _is_at_start(list(argument[3]))
        return why or ("^ stands behind something, and is the start of the text" if is_start else "")
    if operator is sre.BRANCH:
        reasons = [_never(list(branch)) for branch in argument[1]]
        return reasons[0] if all(reasons) else ""
    is_needed = operator in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[0]
    return _never(list(argument[2])) if is_needed else ""


def _is_at_start(items: Sequence[Any]) -> bool:
    return bool(items) and items[0][0] is sre.AT and items[0][1] in _STARTS


def _width(items: Sequence[Any]) -> int:
    """How many characters a match of *items* has at the least."""
    width = 0
    for operator, argument in items:
        if operator in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            width += 1
        elif operator is sre.SUBPATTERN:
            width += _width(list(argument[3]))
        elif operator is sre.BRANCH:
            width += min(_width(list(branch)) for branch in argument[1])
        elif operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            width += argument[0] * _width(list(argument[2]))
    return width


def _is_empty(argument: Sequence[Any]) -> bool:
    """Whether a class such as [^\\s\\S] leaves nothing."""
    if not argument or argument[0][0] is not sre.NEGATE:
        return False
    categories = {value for kind, value in argument[1:] if kind is sre.CATEGORY}
    pairs = (
        (sre.CATEGORY_SPACE, sre.CATEGORY_NOT_SPACE),
        (sre.CATEGORY_WORD, sre.CATEGORY_NOT_WORD),
        (sre.CATEGORY_DIGIT, sre.CATEGORY_NOT_DIGIT),
    )
    return any(set(pair) <= categories for pair in pairs)


def _wants_capital(parsed: Any) -> bool:
    """Whether each match has a capital letter of ASCII."""
    if parsed.state.flags & re.IGNORECASE:
        return False
    return _needs_capital(list(parsed))


def _needs_capital(items: Sequence[Any]) -> bool:
    for operator, argument in items:
        if operator is sre.LITERAL and _CAPITAL.fullmatch(chr(argument)):
            return True
        if operator is sre.IN and _are_capitals(argument):
            return True
        if operator is sre.SUBPATTERN and not argument[1] & re.IGNORECASE and _needs_capital(list(argument[3])):
            return True
        if operator is sre.BRANCH and all(_needs_capital(list(branch)) for branch in argument[1]):
            return True
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[0] and _needs_capital(list(argument[2])):
            return True
    return False


def _are_capitals(argument: Sequence[Any]) -> bool:
    def is_capital(kind: Any, value: Any) -> bool:
        ends = value if kind is sre.RANGE else (value,) if kind is sre.LITERAL else (0,)
        return all(_CAPITAL.fullmatch(chr(code)) for code in ends)

    return all(is_capital(kind, value) for kind, value in argument)


def _is_always(parsed: Any) -> bool:
    """Whether it is found in each text: nothing of it must be there, and nothing says where."""
    return all(_needs_nothing(item) for item in parsed)


def _needs_nothing(item: Any) -> bool:
    operator, argument = item
    if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return bool(argument[0] == 0)
    if operator is sre.SUBPATTERN:
        return all(_needs_nothing(each) for each in argument[3])
    if operator is sre.BRANCH:
        return any(all(_needs_nothing(each) for each in branch) for branch in argument[1])
    return operator is sre.AT and argument in _STARTS


def _of_sources(subject: Subject) -> Iterator[Finding]:
    """Named groups of a source's pattern that no rule reads."""
    read = {str(part.path[0]) for rule in subject.rules for part in rule.parts() if isinstance(part, Field)}
    read |= {str(part.path[0]) for part in parts_of(LINE_TIME) if isinstance(part, Field)}  # replay goes by these
    for index, source in enumerate(subject.sources):
        parsed = _parsed(source.pattern) if source.format == "regex" else None
        if parsed is None:
            continue
        at = ("sources", index, "format", "regex")
        why = _never(parsed)
        if why:
            yield subject.finding("regex-never", at, f"the pattern matches no line: {why}", "mend the pattern")
        asked = (
            {str(part.path[0]) for part in parts_of(source.agent) if isinstance(part, Field)} if source.agent else set()
        )
        unread = [name for name in parsed.state.groupdict if name not in read | asked]
        if unread:
            what = f"no rule reads {', '.join(unread)}"
            yield subject.finding("unread-field", at, what, "write (?:...) in place of (?P<name>...), or use it")
