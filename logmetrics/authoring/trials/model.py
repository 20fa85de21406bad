"""The shape of a test file, as strict typed models; `logmetrics schema --tests` prints it as JSON Schema."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from logmetrics.config.model import Duration, FileName

# Past what a rule could tell by the date.
START = "2026-01-01T00:00:00Z"


def _time(value: object) -> float:
    """Unix time of an ISO time; without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"expected a time such as {START}, not {value!r}") from None
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()


def _lines(value: object) -> tuple[str, ...]:
    """Each line without its end. YAML reads a line of JSON that is an item of a list as a mapping."""
    if isinstance(value, str):
        return tuple(value.removesuffix("\n").split("\n"))
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and value and all(isinstance(item, (str, dict)) for item in value):
        try:
            texts = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in value]
        except TypeError as error:  # YAML has kinds of values that JSON has not
            raise ValueError(f"a record is written as JSON, which cannot be done here: {error}") from None
        return tuple(text.removesuffix("\n") for text in texts)
    raise ValueError("expected the lines of a log: a text, or a list of texts and records")


def _number_or_lines(value: object) -> int | tuple[str, ...]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if value == []:
        return 0
    if isinstance(value, (str, list)):
        return _lines(value)
    raise ValueError("expected how many lines, or the lines themselves")


def _refusals(value: object) -> dict[str, dict[str, dict[str, int]]]:
    """Metric, label, level -> how many; the level "" stands for all of them."""
    if isinstance(value, dict) and all(isinstance(labels, dict) for labels in value.values()):
        found = {
            metric: {label: levels if isinstance(levels, dict) else {"": levels} for label, levels in labels.items()}
            for metric, labels in value.items()
        }
        counts = [count for labels in found.values() for levels in labels.values() for count in levels.values()]
        if all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
            return found
    raise ValueError("expected {METRIC: {LABEL: NUMBER}}, or {METRIC: {LABEL: {LEVEL: NUMBER}}}")


# Steps are told apart by these keys; each has one of them.
STEP_KINDS = ("lines", "file", "after", "restart", "rotate", "expect")
_COUNT = {"type": "integer", "minimum": 0}
_LINES_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object"},
        {"type": "array", "minItems": 1, "items": {"type": ["string", "object"]}},
    ]
}
_NUMBER_OR_LINES_SCHEMA = {
    "anyOf": [_COUNT, {"type": "string"}, {"type": "array", "items": {"type": ["string", "object"]}}]
}
_REFUSED_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {"anyOf": [_COUNT, {"type": "object", "additionalProperties": _COUNT}]},
    },
}

Time = Annotated[float, BeforeValidator(_time), WithJsonSchema({"type": "string", "examples": [START]})]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines), WithJsonSchema(_LINES_SCHEMA)]
NumberOrLines = Annotated[
    int | tuple[str, ...], BeforeValidator(_number_or_lines), WithJsonSchema(_NUMBER_OR_LINES_SCHEMA)
]
Refusals = Annotated[dict[str, dict[str, dict[str, int]]], BeforeValidator(_refusals), WithJsonSchema(_REFUSED_SCHEMA)]
LogName = Annotated[str, Field(pattern=r"^[^\x00]*[^\x00/]$")]
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExpectModel(_Model):
    """What Prometheus would see now, and what was not counted. What is not named is not compared."""

    series: Annotated[
        str | None,
        Field(description="exposition text: of each metric named here, all series that are not zero"),
    ] = None
    only: Annotated[bool, Field(description="no other metric has a series that is not zero")] = False
    unmatched: Annotated[NumberOrLines | None, Field(description="lines that no rule matched")] = None
    unparsable: Annotated[NumberOrLines | None, Field(description="lines that are no record of their format")] = None
    refused: Annotated[
        Refusals | None, Field(description="what the guard sent to overflow series, by metric and label")
    ] = None
    skipped: Annotated[
        dict[str, dict[str, Count]] | None, Field(description="updates without a usable value, by rule and reason")
    ] = None


class StepModel(_Model):
    """One step: lines, file, after, restart, rotate or expect."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in STEP_KINDS]})

    lines: Annotated[Lines | None, Field(description="lines that are written; a mapping is a line of JSON")] = None
    file: Annotated[FileName | None, Field(description="a sample that is written, relative to this file")] = None
    log: Annotated[
        LogName | None, Field(description="the log, by the path that rules see; without a / in front it is in /var/log")
    ] = None
    source: Annotated[str | None, Field(description="the source of the config that the log is of")] = None
    repeat: Annotated[
        int, Field(ge=1, le=100_000, description="write the lines so often; <n> in them counts from 1")
    ] = 1
    after: Annotated[Duration | None, Field(description="so much time passes")] = None
    restart: Annotated[
        Literal["stop", "kill"] | None, Field(description="stop in order, or lose what is not committed, and start")
    ] = None
    rotate: Annotated[LogName | None, Field(description="this log is renamed; the next line begins a new one")] = None
    expect: ExpectModel | None = None


class TestModel(_Model):
    """One test: it begins with nothing counted."""

    __test__ = False  # pytest takes it for one of its own

    name: Annotated[str, Field(min_length=1)]
    start: Annotated[Time, Field(description="the clock at the beginning")] = _time(START)
    input: Annotated[list[StepModel], Field(min_length=1, description="what happens, in order")]
    expect: Annotated[ExpectModel | None, Field(description="what holds at the end")] = None


class TestFileModel(_Model):
    """The whole file."""

    __test__ = False

    config: Annotated[FileName | None, Field(description="the config under test, relative to this file")] = None
    packs: Annotated[
        list[str] | None, Field(description="built-in packs under test; beside a config, in place of its own choice")
    ] = None
    tests: Annotated[list[TestModel], Field(min_length=1)]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a test file, for editors and CI."""
    schema = TestFileModel.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "logmetrics rule tests"
    return schema
