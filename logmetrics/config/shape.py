"""The shape of a config: pydantic's findings, told with line, column and the nearest valid key."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from logmetrics.config.document import Document, KeyPath
from logmetrics.config.expression import did_you_mean
from logmetrics.config.model import METRIC_NAME
from logmetrics.errors import Problem

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], document: Document, problems: list[Problem]) -> _Model | None:
    """The document as *model*; None, with what is wrong added to *problems*, when its shape is not that."""
    try:
        return model.model_validate(document.values)
    except ValidationError as error:
        problems.extend(_shape_problem(model, document, details) for details in error.errors())
        return None


def _shape_problem(model: type[BaseModel], document: Document, details: ErrorDetails) -> Problem:
    path: KeyPath = tuple(step for step in details["loc"] if step != "[key]")
    kind, message = details["type"], details["msg"]
    if kind == "extra_forbidden":
        known = _known_keys(model, path[:-1])
        near = did_you_mean(str(path[-1]), known) or f"; known keys: {', '.join(known)}"
        return document.problem(path, f"unknown key{near}", of_key=True)
    if kind == "missing":
        return document.problem(path[:-1], f"the key {path[-1]!r} is missing")
    if details["loc"] and details["loc"][-1] == "[key]":
        if details.get("ctx", {}).get("pattern") == METRIC_NAME:
            message = f"{path[-1]!r}; write letters, digits and _, a digit not first"
        return document.problem(path, f"not a valid name: {message}", of_key=True)
    message = _in_plain_words(path, details) or message
    message = message.removeprefix("Value error, ").replace("Input should be", "expected")
    while path and _lookup(document.values, path) is None and kind.endswith("_type"):
        path = path[:-1]  # pydantic appends the member of a union that it tried
    return document.problem(path, message)


def _in_plain_words(path: KeyPath, details: ErrorDetails) -> str:
    """What is wrong with a value, where pydantic's own words are not plain; else nothing."""
    kind, given = details["type"], details["input"]
    if kind == "string_pattern_mismatch":
        return f"not a valid name: {given!r}"
    if kind == "list_type":
        if path[-1:] in (("listen",), ("paths",), ("exclude",)):
            return "expected a text, or a list of texts"
        is_of_texts = path[-1:] in (("packs",), ("labels",), ("raw",), ("exclude_lines",))
        return f"expected a list, such as [{given}]" if is_of_texts and isinstance(given, str) else "expected a list"
    if kind == "model_type" and not path:
        return "a config is a mapping of keys such as sources and rules"
    if kind in ("model_type", "dict_type"):
        return "expected a mapping of keys to values"
    return "at least one is needed" if kind == "too_short" and details["ctx"]["actual_length"] == 0 else ""


def _lookup(values: Any, path: KeyPath) -> Any:
    for step in path:
        if isinstance(values, dict):
            values = values.get(step)
        else:
            fits = isinstance(values, list) and isinstance(step, int) and step < len(values)
            values = values[step] if fits else None
    return values


def _known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that can stand at *path*, found by walking the JSON Schema along it."""
    schema = model.model_json_schema(by_alias=True)
    here: Any = schema
    for step in path:
        here = _resolve(schema, here)
        if isinstance(step, int):
            here = here.get("items", {})
        elif step in here.get("properties", {}):
            here = here["properties"][step]
        else:
            here = here.get("additionalProperties", {})
    return list(_resolve(schema, here).get("properties", {}))


def _resolve(schema: Any, here: Any) -> Any:
    for option in here.get("anyOf", ()):
        if "$ref" in option:
            here = option
    while isinstance(here, dict) and "$ref" in here:
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[-1]]
    return here if isinstance(here, dict) else {}


def sound_items(model: type[_Model], values: Any) -> dict[Any, _Model]:
    """Those items of a list or mapping that are valid by themselves."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    sound = {}
    for key, value in items:
        with suppress(ValidationError):  # reported already, with its place
            sound[key] = model.model_validate(value)
    return sound
