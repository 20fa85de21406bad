"""YAML text -> plain values, with the line and column of every key and value.

YAML 1.1's surprises are turned off: only ``true`` and ``false`` are booleans, ``12:30:45`` and dates are text, ``1e3``
is a number, and a key that stands twice in a mapping is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from logmetrics.errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalar types of YAML 1.2's core schema."""


# libyaml is eight times as fast, and its messages are worse: it is for texts that are known to be right.
class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same, by libyaml where there is one."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|false|False)$", "tTfF"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9_]*)$", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:(?:[0-9][0-9_]*\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf))$",
        "-+.0123456789",
    ),
    ("tag:yaml.org,2002:merge", r"^(?:<<)$", "<"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    """PyYAML's own float constructor does not know ``1e3``."""
    return float(loader.construct_scalar(node).replace("_", "").replace(".inf", "inf").replace(".Inf", "inf"))


_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_FastLoader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_CONSTRUCTOR = _Loader("")
# JSON writes characters as two such halves; in YAML they stay what they are, and no file can hold them.
_HALF_OF_A_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the text; both count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """The values of one YAML file and where each stands."""

    file: str
    values: Any = None
    _keys: dict[KeyPath, Place] = field(default_factory=dict)
    _values: dict[KeyPath, Place] = field(default_factory=dict)

    def __contains__(self, path: KeyPath) -> bool:
        return path in self._values

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place:
        """The place of the value (or key) at *path*, or of the nearest thing around it that exists."""
        first, second = (self._keys, self._values) if of_key else (self._values, self._keys)
        while path not in first and path not in second and path:
            path = path[:-1]
        return first.get(path) or second.get(path) or Place(1, 1)

    def problem(self, path: KeyPath, what: str, *, of_key: bool = False, column_offset: int = 0) -> Problem:
        """A problem at *path*; *column_offset* points into a one-line value."""
        place = self.place(path, of_key=of_key)
        return Problem(self.file, place.line, place.column + column_offset, dotted(path), what)


def dotted(path: KeyPath) -> str:
    """``("rules", 0, "when")`` -> ``rules[0].when``, as people write it."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def parse_document(text: str, file: str, *, fast: bool = False) -> Document:
    """Parse YAML *text* that came from *file*. Raises ConfigError for broken YAML and for duplicate keys."""
    try:
        return _parsed(text, Document(file), _FastLoader if fast else _Loader)
    except RecursionError:
        raise ConfigError([Problem(file, 1, 1, "", "not usable: it is nested too deeply")]) from None


def _parsed(text: str, document: Document, loader: type[_Loader | _FastLoader]) -> Document:
    file = document.file
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"not valid YAML: {error.problem or error.context}"
        raise ConfigError([Problem(file, line, column, "", what)]) from error
    except yaml.YAMLError as error:  # characters that YAML forbids
        raise ConfigError([Problem(file, 1, 1, "", f"not valid YAML: {error}")]) from error
    problems: list[Problem] = []
    document.values = None if node is None else _plain(node, (), document, problems)
    if problems:
        raise ConfigError(problems)
    return document


def _plain(node: yaml.Node, path: KeyPath, document: Document, problems: list[Problem]) -> Any:
    offset = 2 if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"') else 1
    document._values[path] = Place(node.start_mark.line + 1, node.start_mark.column + offset)
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            key_path = (*path, key)
            first = document._keys.setdefault(
                key_path, Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            )
            if key in values:
                line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
                what = f"the key {key!r} stands here a second time; the first is on line {first.line}"
                problems.append(Problem(document.file, line, column, dotted(path) or key, what))
                continue
            values[key] = _plain(value_node, key_path, document, problems)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), document, problems) for index, item in enumerate(node.value)]
    is_quoted = isinstance(node, yaml.ScalarNode) and node.style == '"'
    if is_quoted and (half := _HALF_OF_A_CHARACTER.search(node.value)):
        what = f"{half[0]!r} is half of a character; one beyond \\uFFFF is written as \\U and eight digits"
        problems.append(document.problem(path, what))
    return _CONSTRUCTOR.construct_document(node)  # unlike construct_object it keeps nothing of it
