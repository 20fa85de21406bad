"""The judgements behind `logmetrics init`, one by one: units, labels, buckets, forms of lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from logmetrics.authoring.inference.buckets import buckets_for
from logmetrics.authoring.inference.fields import Kind
from logmetrics.authoring.inference.heads import head_of
from logmetrics.authoring.inference.labels import Label, Refused, label_of
from logmetrics.authoring.inference.measures import Measure, measure_of
from logmetrics.authoring.inference.spelling import yaml_text
from logmetrics.authoring.inference.templates import templates_of
from logmetrics.authoring.inference.values import look_of
from logmetrics.authoring.unbounded import UNBOUNDED


def kind_of(records: Sequence[dict[str, Any]]) -> Kind:
    kind = Kind()
    for record in records:
        kind.add(record, "/a.log")
    return kind


def judged(name: str, values: Sequence[Any], **others: Any) -> str:
    """Type, unit and expression of what a field measures, or why it measures nothing; ? where there is a doubt."""
    kind = kind_of([{name: value, **others} for value in values])
    found = measure_of(kind.fields[(name,)], kind)
    if not isinstance(found, Measure):
        return found
    return f"{found.type} {found.unit} {found.expression}{' ?' if found.doubt else ''}"


MEASURES = {
    "its name tells milliseconds": ("duration_ms", [5, 7], {}, "histogram seconds ms(duration_ms)"),
    "so does this one": ("durationMs", [5, 7], {}, "histogram seconds ms(durationMs)"),
    "seconds": ("latency_s", [0.5, 7], {}, "histogram seconds s(latency_s)"),
    "tokens in short": ("tok_in", [900, 40], {}, "counter  tok_in"),
    "minutes": ("wait_minutes", [1, 3], {}, "histogram seconds s(wait_minutes) * 60"),
    "Go's text": ("elapsed", ["1.2s", "30ms"], {}, "histogram seconds duration(elapsed)"),
    "ISO 8601": ("took", ["PT1.5S", "PT3S"], {}, 'histogram seconds s(capture(took, "^PT([0-9.]+)S$"))'),
    "Ollama": ("eval_duration", [10**9, 3 * 10**9], {}, "histogram seconds ns(eval_duration)"),
    "zerolog": ("latency", [5, 7], {"message": "m", "time": "t", "level": "info"}, "histogram seconds ms(latency)"),
    "slog": ("took", [5000, 70000], {"msg": "m", "time": "t", "level": "INFO"}, "histogram seconds ns(took)"),
    "by its size": ("latency", [120, 250], {}, "histogram seconds ms(latency) ?"),
    "large whole numbers": ("latency", [10**7, 10**8], {}, "histogram seconds ns(latency) ?"),
    "fractions": ("latency", [0.25, 1.5], {}, "histogram seconds s(latency) ?"),
    "between two times": (
        "took",
        [1500, 1500],
        {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:01.5Z"},
        "histogram seconds ms(took)",
    ),
    "as long as another": ("took", [1500, 1500], {"took_s": 1.5}, "histogram seconds ms(took)"),
    "tokens": ("promptTokens", [5, 7], {}, "counter  promptTokens"),
    "a sum of tokens": ("total_tokens", [9, 5], {}, "the sum of other tokens"),
    "bytes as text": ("bytes", ["5", "7"], {}, "counter bytes number(bytes)"),
    "megabytes of memory": ("mem_mb", [5, 7], {}, "gauge bytes mem_mb * 1000000"),
    "cost": ("cost_usd", [0.1, 0.2], {}, "counter usd cost_usd"),
    "cents": ("total_cents", [500, 700], {}, "counter cents total_cents"),
    "cents beside the whole": (
        "cost_cents",
        [500, 700],
        {"cost_usd": 5.0},
        "money in parts; write its sum by hand if there is no other",
    ),
    "an amount": ("amount", [5, 7.5], {}, "counter  amount ?"),
    "a price in euros": ("price_eur", [5, 7.5], {}, "counter eur price_eur"),
    "a price of one": ("unit_price", [5, 7.5], {}, "a price, and no cost"),
    "a level": ("queue_depth", [5, 7], {}, "gauge  queue_depth"),
    "percent": ("cpu_percent", [5, 7], {}, "gauge ratio cpu_percent / 100"),
    "things": ("rows", [5, 7], {}, "counter  rows ?"),
    "what counts up": ("total_rows", [1, 2, 3, 4, 5, 6], {}, 'counter  delta(total_rows, "rows")'),
    "less than nothing": ("cost", [-5, 7], {}, "sometimes less than 0: no counter can take it"),
    "a time": ("ts", [1_772_352_000, 1_772_352_009], {}, "a time on the clock (seconds since 1970)"),
    "a setting": ("timeout_ms", [5, 7], {}, "by its name a setting, and no measurement"),
    "a rate": ("tokens_per_second", [5, 7], {}, "a rate: count what it is a rate of"),
    "no name": ("order", [5, 7], {}, "numbers of which the name does not tell what they measure"),
}


@pytest.mark.parametrize("what", MEASURES)
def test_what_a_number_measures(what: str) -> None:
    """By its name, its text, what stands beside it, its size."""
    name, values, others, expected = MEASURES[what]
    assert judged(name, values, **others) == expected


LABELS = {
    "few words": ("carrier", ["dhl", "ups"] * 10, "carrier"),
    "levels": ("severity", ["INFO", "WARN"] * 10, 'map(lower(severity), {"warn": "warning"})'),
    "levels of klog": (
        "level",
        ["I", "E"] * 10,
        'map(level, {"I": "info", "W": "warning", "E": "error", "F": "critical"})',
    ),
    "success": ("success", [True, False] * 10, 'map(success, {"true": "success", "false": "error"})'),
    "codes": ("status_code", [200, 500] * 10, "status_code"),
    "Prometheus' own": ("job", ["mail", "report"] * 10, "job"),
    "an id by its name": ("session_id", ["a"] * 20, "by its name an id, free text or private"),
    "ids by their looks": ("what", ["123456789012", "123456789013"] * 10, "numbers"),
    "addresses": ("tool", ["a@example.com", "b@example.com"] * 10, "ids"),
    "keys": ("agent", ["sk-abcdefghijklmnop1", "sk-abcdefghijklmnop2"] * 10, "looks like keys or passwords"),
    "a password by its name": ("pw", ["horse", "staple"] * 10, "by its name an id, free text or private"),
    "numbers of people": ("what", ["123-45-6789", "987-65-4321"] * 10, "ids"),
    "paths": ("model", ["/home/a", "/home/b"] * 10, "paths or addresses"),
    "sentences": ("reason", ["it was not there and will not come back"] * 20, "free text"),
    "many": ("what", [f"v{number}" for number in range(100)], "100 values in 100 records: would be a series each"),
    "always the same": ("what", ["x"] * 20, "always the same"),
}


@pytest.mark.parametrize("what", LABELS)
def test_which_fields_can_be_labels(what: str) -> None:
    """Names of few values; for others the reason is told."""
    name, values, expected = LABELS[what]
    kind = kind_of([{name: value} for value in values])
    found = label_of(kind.fields[(name,)], kind.count)
    assert (found.expression if isinstance(found, Label) else found.why) == expected


@pytest.mark.parametrize("name", sorted(UNBOUNDED))
def test_what_check_refuses_is_never_chosen(name: str) -> None:
    """However few values it has, and however its words are joined."""
    for spelling in (name, name.replace("_", "")):
        kind = kind_of([{spelling: value} for value in ("alpha", "beta") * 20])
        assert isinstance(label_of(kind.fields[(spelling,)], kind.count), Refused), spelling


def test_labels_that_prometheus_would_rename_have_other_names() -> None:
    """job becomes job_name."""
    kind = kind_of([{"job": "mail"}, {"job": "report"}] * 10)
    found = label_of(kind.fields[("job",)], kind.count)
    assert isinstance(found, Label)
    assert found.name == "job_name"


BUCKETS = {
    "like tools": ([0.01 * 1.06**number for number in range(100)], "tool_latency"),
    "like tasks": ([5 * 1.07**number for number in range(100)], "task_duration"),
    "close together": ([1 + number / 100 for number in range(100)], "[0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 3, 7]"),
    "less than a second": (
        [0.05 * 1.03**number for number in range(100)],
        "[0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5]",
    ),
    "always one value": ([0.25] * 50, "[0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5]"),
    "one value": ([0.25], "[0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5]"),
    "nothing but zeros and one": ([0.0, 0.0, 4.0], "[0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5]"),
}


@pytest.mark.parametrize("what", BUCKETS)
def test_buckets(what: str) -> None:
    """A preset that fits, else round bounds around the values."""
    values, expected = BUCKETS[what]
    assert buckets_for(values, of_seconds=True).yaml == expected


HEADS = {
    "2026-01-01 12:00:00,123 INFO shop.db: packed": "Python's logging",
    "2026-01-01 12:00:00,123 - shop.db - INFO - packed": "Python's logging",
    "2026-01-01 12:00:00.123 | INFO     | shop.db:run:12 - packed": "loguru",
    "2026-01-01 12:00:00,123 [main] INFO  com.shop.Db - packed": "log4j or logback",
    "2026-01-01 12:00:00.123  INFO 12 --- [main] com.shop.Db : packed": "Spring Boot",
    "INFO:shop.db:packed": "Python's logging without a time",
    '1.2.3.4 - - [01/Jan/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 12': "the access log of nginx or Apache",
    "2026/01/01 12:00:00 [error] 12#0: *1 open() failed": "nginx' error log",
    "I0101 12:00:00.123456      12 db.go:12] packed": "Kubernetes' klog",
    "Jan  1 12:00:00 host shop[12]: packed": "syslog",
    "[2026-01-01T12:00:00Z] [INFO] packed": "time, level and text",
    "WARNING: packed": "level and text",
    "packed an order": "",
}


@pytest.mark.parametrize("line", HEADS)
def test_forms_of_lines(line: str) -> None:
    """As the programs write them."""
    head = head_of([line.encode()] * 5)
    assert (head.name if head else "") == HEADS[line]


LOOKS = {
    "search": "word",
    "order packed": "word",
    "1.5": "number",
    "850ms": "duration",
    "PT3S": "iso_duration",
    "0:01:02": "clock_duration",
    "2026-01-01T00:00:00Z": "time",
    "01/Jan/2026:12:00:00 +0000": "time",
    "6f9619ff-8b86-d011-b42d-00c04fc964ff": "id",
    "bob@example.com": "id",
    "/home/bob": "path",
    "https://example.com/a": "path",
    "ghp_abcdefgh12345678": "secret",
    "aB3dE5fG7hJ9kL1mN3": "secret",
    "x" * 60: "long",
    "a\nb": "long",
    "{{ x }}": "odd",
    " ": "empty",
}


@pytest.mark.parametrize("text", LOOKS)
def test_what_values_look_like(text: str) -> None:
    """Only words and numbers can be labels."""
    assert look_of(text) == LOOKS[text]


@pytest.mark.parametrize(
    "text", ["yes", "1", "a: b", "# a", "it's", "- a", "a\nb", "&a", "null", "a b", "s(x)", "*x", ""]
)
def test_yaml_gives_the_text_back(text: str) -> None:
    """Whatever YAML would take it for."""
    import yaml

    assert yaml.safe_load(f"key: {yaml_text(text)}") == {"key": text}


PHRASES = {
    "one that goes on where another ends": (
        ["retry 1 for a/1: 429", "retry 2 for a/2: read timeout", "retry 3 for a/3: 503"],
        {
            "retry_for": 'starts(message, "retry") and "for" in message and not "read timeout" in message',
            "retry_for_read_timeout": 'starts(message, "retry") and "for" in message and "read timeout" in message',
        },
    ),
    "one that only differs where nothing is asked": (
        ["took 1 from 2 into 3 at 4 gone", "took 1 from 2 into 3 at 4"],
        {"took_from_into": 'starts(message, "took") and "from" in message and "into" in message'},
    ),
    "a longer beginning": (
        ["cache miss 1", "cache miss again 2"],
        {
            "cache_miss": 'starts(message, "cache miss") and not "cache miss again" in message',
            "cache_miss_again": 'starts(message, "cache miss again")',
        },
    ),
}


@pytest.mark.parametrize("which", PHRASES)
def test_no_message_counts_as_two_phrases(which: str) -> None:
    messages, conditions = PHRASES[which]
    templates = templates_of(messages * 5)
    assert {"_".join(template.words): template.condition("message") for template in templates} == conditions
    assert [sum(template.takes(message) for template in templates) for message in messages] == [1] * len(messages)
    assert sum(len(template.messages) for template in templates) == 5 * len(messages)
