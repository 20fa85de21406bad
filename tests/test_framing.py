"""Records that are wrapped, cut, indented or encoded in some way are the records that they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmetrics.formats.framing import FIRST_BYTES, PLAIN, Framing, framing_of
from logmetrics.formats.framing import LINES as LINES_ONLY
from logmetrics.formats.json_lines import one_after_another
from logmetrics.formats.ollama import split_line
from logmetrics.formats.text_fields import logfmt
from tests.world import World
from tests.wrappers import JSON_WRAPPERS, WRAPPERS, docker, journal_export, journal_json

LINES = [
    b'{"event": "tool_call", "agent": "planner", "tool_name": "search", "text": "a {\\"b\\": 1} c"}',
    b'{"event": "llm_call", "agent": "planner", "nested": {"list": [1, {"x": []}], "empty": {}}}',
    b'{"event": "long", "pad": "' + b"0123456789" * 250 + '", "name": "Ünïcödé 日本"}'.encode(),
    b'{"event": "last"}',
]
LOG = b"\n".join(LINES) + b"\n"


def taken(framing: Framing, data: bytes, sizes: Iterator[int]) -> list[bytes]:
    """The records of *data*, which grows by *sizes* bytes at a time."""
    records: list[bytes] = []
    offset = end = ahead = 0
    while end < len(data):
        end = min(end + next(sizes), len(data))
        framed = framing.take(data[offset:end], data[max(offset - 256, 0) : offset], ahead)
        records += framed.records
        offset += framed.used
        ahead = framed.ahead
    return records


def framing_for(data: bytes) -> Framing:
    return framing_of(data[:FIRST_BYTES])


def values(records: list[bytes]) -> list[object]:
    """What the records say that are JSON."""
    return [json.loads(record) for record in records if record.startswith(b"{")]


def steps(size: int) -> Iterator[int]:
    while True:
        yield size


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped(wrapper: str) -> None:
    """Every record is as it was, and what stands between them is no JSON."""
    data = WRAPPERS[wrapper](LOG)
    assert values(taken(framing_for(data), data, steps(len(data)))) == values(LINES)


@pytest.mark.parametrize("wrapper", [name for name in JSON_WRAPPERS if name != "concatenated"])
def test_over_several_lines(wrapper: str) -> None:
    data = JSON_WRAPPERS[wrapper](LOG)
    assert values(taken(framing_for(data), data, steps(len(data)))) == values(LINES)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1_000])
@pytest.mark.parametrize("wrapper", [*WRAPPERS, *JSON_WRAPPERS])
def test_any_pieces(wrapper: str, size: int) -> None:
    """However a log grows, its records are the same."""
    data = {**WRAPPERS, **JSON_WRAPPERS}[wrapper](LOG)
    framing = framing_for(data)
    whole = taken(framing, data, steps(len(data)))
    assert [record for record in taken(framing, data, steps(size)) if record] == [record for record in whole if record]


TEXTS = st.sampled_from(
    [
        b"{",
        b"}",
        b"  {",
        b"  }",
        b"  },",
        b"[",
        b"]",
        b",",
        b"",
        b'  "a": 1,',
        b'    "b": {',
        b"    }",
        b'{"c": 2}',
        b"text",
        b'INFO {"d": 3}',
        b"web-1  | {",
        b'web-1  |   "e": 4',
        b"web-1  | }",
        b"\x1b[32mgreen\x1b[0m",
        b"line\r",
        b"} x",
        b"  }]",
        b"}{",
        b'\xef\xbb\xbf{"f": 5}',
    ]
)


@given(st.lists(TEXTS, max_size=14), st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_any_lines_in_any_pieces(lines: list[bytes], sizes: list[int]) -> None:
    """Also what only looks like the beginning of something: records do not depend on the pieces.

    Behind the last line stands one that ends whatever is open.
    """
    data = b"\n".join([*lines, b'{"end": 1}', b'web-1  | {"end": 1}', b""])

    def endlessly() -> Iterator[int]:
        while True:
            yield from sizes

    assert taken(PLAIN, data, endlessly()) == taken(PLAIN, data, steps(len(data)))


def test_prefixes_of_two_writers_do_not_mix() -> None:
    """Two services print an indented object at the same time."""
    data = b'web-1  | {\napp-1  | {\nweb-1  |   "a": 1\napp-1  |   "b": 2\napp-1  | }\nweb-1  | }\n'
    assert values(taken(PLAIN, data, steps(5))) == [{"b": 2}, {"a": 1}]


def test_colours() -> None:
    """Around JSON they are removed, whatever stands before it."""
    data = b'\x1b[2m2026-11-25\x1b[0m [\x1b[32minfo\x1b[0m] {"a": 1}\x1b[0m\n'
    assert values(taken(PLAIN, data, steps(9))) == [{"a": 1}]


def test_objects_in_other_text() -> None:
    """Behind words of a logger they are the record; in a sentence they are a part of it."""
    lines = [
        b'INFO:app.events:{"a": 1}',
        b'2026-11-25 10:11:12,345 {"a": 2}',
        b'2026-11-25 10:11:12,345 - app - INFO - {"a": 3}',
        b'app.events: {"a": 4}',
        b'srv operator(): got exception: {"error": {"code": 400}}',
        b'func (x) {"}',
    ]
    records = taken(PLAIN, b"\n".join([*lines, b""]), steps(10))
    assert records[:4] == [b'{"a": 1}', b'{"a": 2}', b'{"a": 3}', b'{"a": 4}']
    assert records[4:] == lines[4:]


def test_an_object_that_never_ends_costs_one_record() -> None:
    """What follows it counts: an object's lines are deeper than its brace."""
    data = b'{\n  "a": 1,\n{"b": 2}\n{"c": 3}\n'
    records = taken(PLAIN, data, steps(4))
    assert records == [b'{\n"a": 1,', b'{"b": 2}', b'{"c": 3}']


def test_a_last_brace_without_newline_completes_its_object() -> None:
    """Programs that write one indented document seldom end it with a newline."""
    data = json.dumps({"a": 1, "b": {"c": 2}}, indent=2).encode()
    for size in (1, 5, len(data)):
        assert values(taken(PLAIN, data, steps(size))) == [{"a": 1, "b": {"c": 2}}]
    assert taken(PLAIN, b"text\n}", steps(1)) == [b"text"]


def test_journal_messages_that_are_no_text() -> None:
    """Bytes come as numbers; a message that is too long comes as null, and stays what it is."""
    assert taken(framing_for(journal_json(b"\x1b[1mx\n")), journal_json(b"\x1b[1mx\n"), steps(3)) == [b"\x1b[1mx"]
    null = b'{"__CURSOR": "c", "_PID": "1", "MESSAGE": null}\n'
    assert taken(framing_for(null), null, steps(100)) == [null.rstrip()]


def test_export_fields_may_hold_newlines() -> None:
    """Whose length tells where they end, also when an empty line stands in them."""
    message = b"Traceback\n\n  File\nMESSAGE=no"
    field = b"__CURSOR=c\nMESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\nPRIORITY=3\n\n"
    data = field + journal_export(b"next\n")
    for size in (1, 10, len(data)):
        assert taken(framing_for(data), data, steps(size)) == [message, b"next"]


def test_what_looks_like_docker_and_is_not() -> None:
    """An agent may log with a key of this name."""
    for line in (b'{"log":"x","level":"info"}\n', b'{"log":{"a":1},"stream":"stdout"}\n'):
        assert taken(framing_for(line), line, steps(100)) == [line.rstrip()]
    odd = docker(b'{"a": 1}\n') + b'{"log":5}\nnot json\n'
    assert taken(framing_for(odd), odd, steps(100)) == [b'{"a": 1}', b'{"log":5}', b"not json"]


def test_lines_as_they_stand() -> None:
    """With `framing: lines` nothing is taken off and nothing waits."""
    data = b'{\n  "a": 1\n}\nweb-1  | {"b": 2}\n{"log":"x\\n","stream":"stdout"}\nhalf'
    assert taken(LINES_ONLY, data, steps(3)) == data.split(b"\n")[:-1]


# -- as files


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_object_over_the_bound_is_oversize(tmp_path: Path) -> None:
    """It costs one count, and what follows counts."""
    world = World(tmp_path, max_line_bytes=1024)
    inner = "".join(f'  "key{number}": {number},\n' for number in range(200))
    (tmp_path / "a.log").write_text("{\n" + inner + '  "n": 1\n}\n{"n": 2}\n{\n  "n": 3\n}\n')
    for _ in range(3):
        world.poll()
    assert world.counted() == {"2": 1, "3": 1}


def test_a_rewritten_array_counts_its_new_elements(world: World, tmp_path: Path) -> None:
    """A program that keeps its log as an array writes the whole file anew for each entry."""
    for end in range(1, 8):
        array = [{"n": number, "nested": {"list": [1, 2]}} for number in range(end)]
        (world.directory / "new").write_text(json.dumps(array, indent=4) + ("\n" if end % 2 else ""))
        (world.directory / "a.json").write_bytes((world.directory / "new").read_bytes())
        (world.directory / "new").unlink()
        world.poll()
        world.poll()
    assert world.counted() == {str(number): 1 for number in range(7)}


def test_concatenated_objects(world: World) -> None:
    """Several objects in one line; one that is broken costs one count, and so does its line."""
    (world.directory / "a.log").write_text('{"n": 1}{"n": 2} {"n": 3}\n{"n": 4}{"n": \n{"n": 5}\n')
    world.poll()
    assert world.counted() == {"1": 1, "2": 1, "3": 1, "5": 1}


@pytest.mark.parametrize("wrapper", [*WRAPPERS, *JSON_WRAPPERS])
def test_killed_at_any_place(wrapper: str, tmp_path: Path) -> None:
    """Pieces of records are read again after a kill, and count once."""
    data = {**WRAPPERS, **JSON_WRAPPERS}[wrapper](
        b"".join(b'{"n": %d, "pad": "%s"}\n' % (n, b"x" * 900) for n in range(5))
    )
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", state_dir=tmp_path / "state", format="auto")
    world.grow_and_kill("a.log", data, 611)
    assert {n: count for n, count in world.counted().items() if n != "unknown"} == {str(n): 1 for n in range(5)}
    world.close()


def test_excluded_lines(tmp_path: Path) -> None:
    """Lines with one of the texts in them are counted, and not looked at: here they could not even be parsed."""
    world = World(tmp_path, exclude_lines=("progress", "heartbeat"))
    (tmp_path / "a.log").write_text('{"n": 1}\n{"progress\n{"n": 2, "type": "heartbeat"}\n{"n": 3}\n')
    world.poll()
    assert world.counted() == {"1": 1, "3": 1}
    assert world.values("logmetrics_source_excluded_lines_total") == {("test",): 2}
    assert world.values("logmetrics_source_unparsable_lines_total") == {("test",): 0}


# -- found by an adversary


def test_what_looks_like_docker_but_has_other_keys() -> None:
    """An agent's own record may have a log and a stream."""
    lines = [
        json.dumps({"log": "x" * 1000, "n": 0, "event": "tool_call"}).encode(),
        json.dumps({"log": "hello", "stream": "stdout", "n": 0}).encode(),
    ]
    for line in lines:
        data = line + b"\n" + line + b"\n"
        assert taken(framing_for(data), data, steps(100)) == [line, line]


def test_a_long_message_first_in_a_journal() -> None:
    """Its other keys stand behind what is looked at."""
    entry = json.dumps({"MESSAGE": json.dumps({"n": 1, "pad": "x" * 2000}), "_PID": "1", "PRIORITY": "6"}).encode()
    data = entry + b"\n"
    assert [json.loads(record)["n"] for record in taken(framing_for(data), data, steps(100))] == [1]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [5, 6, 13, 30])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_indented_utf_16_over_kills(tmp_path: Path, encoding: str, size: int, mark: str) -> None:
    """The first record takes several lines, and the log grows in small pieces."""
    (tmp_path / "logs").mkdir()
    data = (mark + '{\r\n  "n": 1\r\n}\r\n{"n": 2}\r\n').encode(encoding)
    world = World(tmp_path / "logs", state_dir=tmp_path / "state", format="auto")
    world.grow_and_kill("a.log", data, size)
    assert world.counted() == {"1": 1, "2": 1}
    world.close()


@pytest.mark.parametrize("line", [b"e" * 100_000, b"loading" + b"." * 100_000, b"a" * 50_000 + b"." * 50_000])
def test_long_lines_of_text_take_no_time(line: bytes) -> None:
    """Looking for frames of a panic looks at the beginning only: this would take hours otherwise."""
    assert split_line(line).kind == "text"


def test_logfmt_and_json_that_are_hard_to_take_apart() -> None:
    """The same for pairs and for lines that might hold several objects."""
    assert logfmt(b'level=info x={"img":"' + b"A" * 100_000 + b'"}') is not None
    assert one_after_another(b'{"score": NaN,"text":"' + b"a}{b" * 20_000 + b'"}') == []
    assert len(one_after_another(b'{"n": 1} ' * 9_000)) == 9_000
    assert one_after_another(b"{}" * 20_000) == []


def test_crlf_arrays_count_their_new_elements(world: World) -> None:
    for end in range(1, 5):
        text = json.dumps([{"n": number} for number in range(end)], indent=4).replace("\n", "\r\n")
        (world.directory / "a.json").write_bytes(text.encode())
        world.poll()
        world.poll()
    assert world.counted() == {str(number): 1 for number in range(4)}


def test_a_hole_ends_what_was_begun(world: World) -> None:
    """The record behind a truncation's NULs counts."""
    with (world.directory / "a.log").open("wb") as file:
        file.write(b'{"n": 0}\n{\n  "n": 1\n' + b"\0" * 100_000 + b'{"n": 2}\n{"n": 3}\n')
    for _ in range(4):
        world.poll()
    assert world.counted() == {"0": 1, "2": 1, "3": 1}


def test_a_long_entry_of_a_journal_export_is_oversize(tmp_path: Path) -> None:
    """What stands in it is not taken for fields, and the entries behind it count."""
    world = World(tmp_path, format="auto", max_line_bytes=1024)
    long = b"a line\n" * 1_000
    entry = b"__CURSOR=s=1\nMESSAGE\n" + len(long).to_bytes(8, "little") + long + b"\nPRIORITY=6\n\n"
    data = journal_export(b'{"n": 1}\n') + entry + journal_export(b'{"n": 2}\n{"n": 3}\n')
    for start in range(0, len(data), 1_500):
        with (tmp_path / "a.log").open("ab") as file:
            file.write(data[start : start + 1_500])
        world.poll()
    assert {n: count for n, count in world.counted().items() if n != "unknown"} == {"1": 1, "2": 1, "3": 1}


def test_blanks_and_commas_around_objects() -> None:
    for data in (b'{    \n  "n": 1\n}\n{"n":2}\n', b'[\n  {\n    "n": 1\n  }, {\n    "n": 2\n  }\n]\n'):
        for size in (1, 6, 100):
            assert values(taken(PLAIN, data, steps(size))) == [{"n": 1}, {"n": 2}]
    assert values(taken(PLAIN, b'web-1  | {"n": 1} \n', steps(9))) == [{"n": 1}]


def test_a_traceback_is_one_record_in_any_format(tmp_path: Path) -> None:
    """Blanks in front of a line mean something, unless an object follows."""
    lines = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: x\n'
    for name in ("auto", "ollama"):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name, format=name)
        (tmp_path / name / "a.log").write_bytes(lines)
        world.poll()
        assert world.values("logmetrics_source_continuation_lines_total") == {("test",): 3}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_from_its_end_and_cut_short(tmp_path: Path, encoding: str) -> None:
    """A place to begin at is the beginning of a line here, too."""

    def line(n: int) -> bytes:
        return f'{{"n": {n}, "pad": "Ċ਀"}}\r\n'.encode(encoding)

    log = tmp_path / "a.log"
    log.write_bytes("\ufeff".encode(encoding) + line(1) + line(2) + line(3)[:11])
    world = World(tmp_path, start_at_end=True, format="auto")
    world.poll()
    log.write_bytes("\ufeff".encode(encoding) + line(1) + line(2) + line(3) + line(4))
    world.poll()
    assert world.counted() == {"3": 1, "4": 1}
    log.write_bytes("\ufeff".encode(encoding) + line(1) + line(2))
    world.poll()
    with log.open("ab") as file:
        file.write(line(5))
    world.poll()
    world.poll()
    assert world.counted() == {"3": 1, "4": 1, "5": 1}


def test_what_never_ends_holds_up_nobody_else(tmp_path: Path) -> None:
    """A prompt without a newline, then complete records of the other stream; killed, and then rotated away."""
    (tmp_path / "logs").mkdir()

    def line(log: str, stream: str) -> str:
        return json.dumps({"log": log, "stream": stream, "time": "t"}) + "\n"

    world = World(tmp_path / "logs", state_dir=tmp_path / "state", format="auto")
    log = tmp_path / "logs" / "a.log"
    log.write_text(line("Continue? ", "stderr") + "".join(line(f'{{"n": {n}}}\n', "stdout") for n in range(3)))
    world.poll()
    assert world.counted() == {"0": 1, "1": 1, "2": 1}
    world.kill()
    with log.open("a") as file:
        file.write(line('{"n": 3}\n', "stdout"))
    world.poll()
    world.kill()
    log.rename(log.with_suffix(".log.1"))
    log.write_text(line('{"n": 100}\n', "stdout"))
    world.poll()
    with log.with_suffix(".log.1").open("a") as file:
        file.write(line("yes\n", "stderr") + line('{"n": 4}\n', "stdout"))
    world.poll()
    assert {n: count for n, count in world.counted().items() if n != "unknown"} == dict.fromkeys(
        ("0", "1", "2", "3", "4", "100"), 1
    )
    world.close()


@pytest.mark.parametrize("size", [1, 50, 300, 10_000])
def test_two_writers_out_of_phase(size: int) -> None:
    """Each prints indented objects, and never are both between two of them: each counts when it is complete."""
    objects = [f'{{\n  "n": {n},\n  "a": 1,\n  "b": 2\n}}'.split("\n") for n in range(20)]
    web = [f"web-1  | {line}" for lines in objects for line in lines]
    app = [f"app-1  | {line}" for lines in objects for line in lines][2:]
    data = "".join(f"{one}\n{other}\n" for one, other in zip(web, app, strict=False)).encode()
    found = [record for record in taken(PLAIN, data, steps(size)) if record.startswith(b"{")]
    assert sorted(json.loads(record)["n"] for record in found) == sorted([*range(19), *range(1, 20)])


def test_a_staircase_takes_no_time() -> None:
    """Objects that begin and end in turn, so that nothing can be cut."""
    data = b"a | }\na | {\nb | }\nb | {\n" * 20_000
    framed = PLAIN.take(data, b"")
    assert framed.ahead + framed.lines >= 0
    assert len(framed.records) >= 40_000


def test_entries_of_a_journal_are_its_lines() -> None:
    """People count messages, and not the fields around them."""
    entry = b"__CURSOR=a\n__REALTIME_TIMESTAMP=1\n_PID=1\nMESSAGE=%d\n\n"
    framed = framing_of(entry).take(b"".join(entry % number for number in range(5)), b"")

    assert (framed.lines, framed.records) == (5, [b"0", b"1", b"2", b"3", b"4"])
