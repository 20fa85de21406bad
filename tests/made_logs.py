"""Logs of programs that no pack knows, made anew for each test, always the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Lines = list[bytes]
# Keys that a careless writer of YAML, expressions or comments would stumble over.
HOSTILE_KEYS = (
    *('a"b', "it's", "new\nline", "{{ x }}", "{# c #}", "ünï", "名前", "x" * 300, "key: value", "- item", "# comment"),
    *("&anchor", "*alias", "!tag", "%d", "@at", "`tick`", "class", "None", "True", "true", "path", "source", "root"),
    *("line_time", "a.b", "1st", "2", "", " ", "\t", "\x1b[31m", "\u202e", "\u2028", "\x00", "null", "yes", "a\\b"),
    *("ms", "duration(x)", "le", "__name__", "job", "instance", 'event"}', "<<", "?", "|", ">", "[x]", "{y}"),
)
HOSTILE_VALUES = (
    *('a"b', "it's", "x\ny", "{{ x }}", "${x}", "# c", "--- y", "'", "\\", "\x1b[2J", "\u202e", "sk-abcdefghijklmnop1"),
    *("bob@example.com", "/home/bob/secret", "AKIAABCDEFGHIJKLMNOP", "Bearer abcdefgh12345678"),
)


def _clock(second: int) -> str:
    return f"2026-03-01T{8 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _json(records: Iterable[Mapping[str, Any]]) -> Lines:
    return [json.dumps(record).encode() for record in records]


def shop(draw: random.Random) -> Lines:
    """Flat JSON of a shop's workers, durations in milliseconds."""
    records = []
    for number in range(400):
        event = draw.choices(["order_packed", "order_shipped", "stock_synced"], [6, 3, 2])[0]
        record: dict[str, Any] = {
            "at": f"{_clock(number)}Z",
            "severity": draw.choices(["INFO", "WARN"], [9, 1])[0],
            "worker": draw.choice(["picker-1", "picker-2"]),
            "event": event,
            "session_id": f"{draw.getrandbits(64):x}",
        }
        if event == "order_packed":
            record |= {
                "duration_ms": round(draw.lognormvariate(5, 0.8), 1),
                "items": draw.randint(1, 9),
                "order_id": number,
            }
            record["customer"] = f"u{number}@example.com"
        elif event == "order_shipped":
            record |= {"carrier": draw.choice(["dhl", "ups"]), "label_bytes": draw.randint(1000, 90000)}
        else:
            record |= {"duration_ms": round(draw.lognormvariate(7, 0.6), 1), "queue_depth": draw.randint(0, 40)}
        records.append(record)
    return _json(records)


def nested(draw: random.Random) -> Lines:
    """Nested JSON of an API, durations in nanoseconds, times in milliseconds since 1970."""
    records, now_ms = [], 1_772_352_000_000
    for _ in range(300):
        now_ms += draw.randint(1, 900)
        took_ns = int(draw.lognormvariate(18, 1))
        records.append(
            {
                "time": now_ms,
                "request": {"method": draw.choice(["GET", "POST"]), "id": f"{draw.getrandbits(128):032x}"},
                "response": {"status_code": draw.choice([200, 200, 404, 500]), "size": draw.randint(100, 9999)},
                "timing": {"duration": took_ns, "started": now_ms - took_ns / 1e6, "ended": now_ms},
                "db": {"elapsed_ns": took_ns // 3},
                "tags": ["x", "y"],
            }
        )
    return _json(records)


def logfmt(draw: random.Random) -> Lines:
    """A Go program's lines, durations as Go prints them."""
    return [
        f'time={_clock(number)}Z level={draw.choice(["info", "warn"])} msg="job done" '
        f"job={draw.choice(['mail', 'report'])} "
        f"elapsed={draw.choice([f'{draw.random() * 3:.3f}s', f'{draw.randint(20, 999)}ms'])} "
        f"rows={draw.randint(0, 100)} mem_bytes={draw.randint(10**7, 10**8)}".encode()
        for number in range(300)
    ]


def python_text(draw: random.Random) -> Lines:
    """Python's logging, with a traceback now and then."""
    lines = []
    for number in range(300):
        message = draw.choice(
            [f"Processed order {number} in {draw.random() * 2:.3f}s", f"cache miss for key 'k{number}'", "Retrying"]
        )
        clock = _clock(number).replace("T", " ")
        lines.append(f"{clock},{draw.randrange(1000):03d} {draw.choice(['INFO', 'ERROR'])} shop.db: {message}".encode())
        if number % 50 == 0:
            lines += [b"Traceback (most recent call last):", b'  File "x.py", line 3, in y', b"ValueError: nope"]
    return lines


def access_log(draw: random.Random) -> Lines:
    """nginx, with the time that a request took at the end."""
    return [
        f'10.0.{number % 255}.7 - - [01/Mar/2026:08:00:{number % 60:02d} +0000] "GET /p/{number}?q=1 HTTP/1.1" '
        f'{draw.choice([200, 200, 404])} {draw.randint(100, 9999)} "-" "curl/8" '
        f"{draw.lognormvariate(-2, 1):.3f}".encode()
        for number in range(300)
    ]


def _of(count: int, make: Callable[[random.Random, int], Mapping[str, Any]]) -> Callable[[random.Random], Lines]:
    return lambda draw: _json(make(draw, number) for number in range(count))


def free_text(draw: random.Random) -> Lines:
    """Nothing to hold on to."""
    return [
        " ".join(draw.choices(["lorem", "ipsum", "dolor", "sit"], k=draw.randint(3, 20))).encode() for _ in range(200)
    ]


def junk(_draw: random.Random) -> Lines:
    """Every format at once, and none."""
    lines = [
        b'{"a":1',
        "plain text ü".encode(),
        b"\xff\xfe\x00bin",
        b"level=info msg=x dur_ms=5",
        b'{"event":"x","took_ms":3}',
    ]
    return [*lines, b"[1,2,3]", b'"text"', b'{"event":"x","took_ms":4}', b"{}", b"null"] * 40


def deep(_draw: random.Random) -> Lines:
    """Objects in objects."""
    return [b'{"a":' * 5000 + b"1" + b"}" * 5000] * 3 + [b'{"event":"x","a_ms":1}'] * 20


SHAPES: Mapping[str, Callable[[random.Random], Lines]] = {
    "shop": shop,
    "nested": nested,
    "logfmt": logfmt,
    "python_text": python_text,
    "access_log": access_log,
    "free_text": free_text,
    "junk": junk,
    "deep": deep,
    "hostile_keys": _of(
        150,
        lambda draw, _: {
            **{key: draw.choice(["red", "green"]) for key in HOSTILE_KEYS},
            **{f"{key}_ms": draw.randint(1, 900) for key in HOSTILE_KEYS},
            "event": draw.choice(["a", "b"]),
        },
    ),
    "hostile_values": _of(
        200,
        lambda draw, _: {
            **{
                key: draw.choice(HOSTILE_VALUES)
                for key in ("event", "kind", "tool", "level", "status", "agent", "model")
            },
            "api_key": "sk-abcdefghijklmnop1",
            "duration_ms": draw.randint(1, 50),
        },
    ),
    "hostile_events": _of(
        100, lambda draw, _: {"event": draw.choice(["order packed", "日本", 'ok"x', "x{y}", "#c", "it's"]), "n_ms": 5}
    ),
    "cardinality": _of(2000, lambda draw, n: {"event": f"e{n}", "tool": f"t{draw.random()}", f"k{n}": n, "took_ms": n}),
    "unique": _of(300, lambda draw, _: {f"{draw.random()}": draw.random() for _ in range(5)}),
    "arrays": _of(60, lambda _, n: {"event": "batch", "items": [{"ms": n}], "a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}),
    "numbers_as_text": _of(
        90, lambda draw, _: {"event": "x", "duration_ms": str(draw.randint(1, 900)), "bytes": str(draw.randint(9, 99))}
    ),
    "nulls": _of(50, lambda _, __: {"event": None, "duration_ms": None}),
    "mixed_kinds": _of(
        150,
        lambda draw, _: {
            "event": draw.choice([None, "a", "b"]),
            "duration_ms": draw.choice([None, 5, 7.5]),
            "x": draw.choice([None, 1, "a", [], {}]),
        },
    ),
    "huge_numbers": _of(
        40, lambda _, n: {"event": "x", "duration_ms": 10**400 if n % 2 else 1e308, "n_bytes": 10**30, "cost": -5}
    ),
    "one_record": _of(1, lambda _, __: {"event": "x", "duration_ms": 3}),
    "keys_with_points": _of(
        50, lambda draw, n: {"attributes": {"duration.ms": n + 1}, "event.name": draw.choice(["a.b", "c.d"])}
    ),
}


def made(shape: str, directory: Path) -> Path:
    """A directory with a log of this *shape*."""
    (directory / shape).mkdir()
    (directory / shape / "x.log").write_bytes(b"\n".join(SHAPES[shape](random.Random(7))) + b"\n")
    return directory / shape
