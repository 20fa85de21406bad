"""Lines of Ollama server logs: real files with known sums, then each pitfall by itself."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmetrics.formats.ollama import OllamaRecord, attribute, route, split_line

SAMPLES = Path(__file__).parent / "data" / "ollama"
EXPECTED: dict[str, dict[str, Any]] = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))

GIN = '[GIN] 2024/11/12 - 10:11:12 | 200 |     713.052µs |             ::1 | GET      "/api/tags"'.encode()
SLOG = b'time=2024-11-22T23:20:04.393+01:00 level=WARN source=sched.go:12 msg="two words" id=0 total="5.6 GiB"'
STDLOG = b'2024/11/28 11:12:39 routes.go:1197: INFO server config env="map[A:1 OLLAMA_DEBUG:false]"'


def gin(latency: str = "1.5s", request: str = 'POST     "/api/chat"', status: str = " 200 ") -> bytes:
    """An access line of which one part is of interest."""
    return f"[GIN] 2024/11/12 - 10:11:12 |{status}| {latency:>13} | {'127.0.0.1':>15} | {request}".encode()


def slog(rest: str) -> bytes:
    """A slog line of which the part behind the source is of interest."""
    return f"time=2024-11-22T23:20:04.393Z level=INFO source=server.go:1 {rest}".encode()


def fields(record: OllamaRecord) -> dict[str, Any]:
    """What a record holds, without the empty fields."""
    return {name: getattr(record, name) for name in OllamaRecord._fields if getattr(record, name)}


@pytest.mark.parametrize("name", EXPECTED)
def test_real_file(name: str) -> None:
    """Each real log gives the requests, latencies and levels that were counted independently."""
    lines = (SAMPLES / name).read_bytes().split(b"\n")
    if not lines[-1]:
        lines.pop()
    records = [split_line(line) for line in lines]
    requests = [record for record in records if record.kind == "gin"]

    expected = EXPECTED[name]
    assert {
        "lines": len(records),
        "gin_lines": len(requests),
        "by_status": Counter(record.status for record in requests),
        "by_method_path": Counter(f"{record.method} {str(record.path).partition('?')[0]}" for record in requests),
        "slog_by_level": Counter(record.level for record in records if record.kind == "slog"),
        "stdlog_by_level": Counter(record.level for record in records if record.kind == "stdlog"),
    } == {
        key: expected[key]
        for key in ("lines", "gin_lines", "by_status", "by_method_path", "slog_by_level", "stdlog_by_level")
    }
    latency_sum_s = sum(record.latency_s or 0.0 for record in requests)
    assert latency_sum_s == pytest.approx(float(expected["latency_sum_seconds"]), rel=0.0, abs=1e-6)


def test_all_real_files_are_here() -> None:
    """No sample is left out of the test above."""
    assert {path.name for path in SAMPLES.glob("*.log")} == set(EXPECTED)


PREFIXES = {
    "none": "",
    "journald": "Nov 12 10:11:12 host.example.org ollama[1234]: ",
    "journald, Chinese month": "6月 26 10:11:12 host ollama[1234]: ",
    "journald, French month": "janv. 20 10:11:12 host ollama[1234]: ",
    "journald, Italian month": "mai 11 10:11:12 host ollama[1234]: ",
    "journald, Russian month": "июл 23 10:11:12 host ollama[1234]: ",
    "journald, one-digit day": "Nov  2 10:11:12 host ollama[1234]: ",
    "journald, no host": "Nov 12 10:11:12 ollama[1234]: ",
    "journald, short-iso": "2024-11-12T10:11:12+0100 host ollama[1234]: ",
    "docker logs -t": "2025-07-16T04:18:26.123456789Z ",
    "docker compose": "ollama-1  | ",
    "docker compose in colour": "\x1b[36mollama-1  | \x1b[0m",
    "docker compose -t": "ollama-1  | 2025-07-16T04:18:26.123456789Z ",
    "Docker Desktop": "2025-07-16 04:18:26 ollama-1   | ",
    "Kubernetes": "2026-01-02T03:04:05.123456789Z stdout F ",
    "wrapper": "[2024-12-05 04:16:07] [stderr] ",
    "byte order mark": "\ufeff",
    "NULs": "\0" * 5000,
    "NULs, then journald": "\0\0Nov 12 10:11:12 host ollama[1234]: ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
class TestPrefix:
    """Whatever a log collector puts in front of a line, the line is read as if it stood alone."""

    @pytest.mark.parametrize("line", [GIN, SLOG, STDLOG], ids=["gin", "slog", "stdlog"])
    def test_line_of_a_known_kind(self, prefix: str, line: bytes) -> None:
        """GIN, slog and std-log lines keep all their fields."""
        assert fields(split_line(prefix.encode() + line)) == fields(split_line(line))

    @pytest.mark.parametrize(
        ("line", "kind"),
        [("llama_kv: size = 12 | b", "text"), ("\tmain.go:1 +0x1", "continuation"), ("load: a [b]: c", "text")],
        ids=["bar", "tab", "colon"],
    )
    def test_text(self, prefix: str, line: str, kind: str) -> None:
        """Text keeps all of itself and nothing of the prefix."""
        assert fields(split_line((prefix + line).encode())) == {"kind": kind, "msg": line}


GLUED = {
    "progress dots": "." * 60,
    "one dot": ".",
    "C text": "ggml_cuda_init: device context 2",
    "C text with time=": "load time=5 ms",
    "PowerShell": "\ufeffollama.exe : ",
    "journald and dots": "Nov 12 10:11:12 host ollama[1234]: ....",
}


@pytest.mark.parametrize("line", [GIN, SLOG], ids=["gin", "slog"])
@pytest.mark.parametrize("text", GLUED.values(), ids=GLUED)
def test_text_glued_in_front(text: str, line: bytes) -> None:
    """C code that prints no newline does not hide the line behind its text."""
    assert fields(split_line(text.encode() + line)) == fields(split_line(line))


@pytest.mark.parametrize("line", [GIN, SLOG, STDLOG, b"some text"], ids=["gin", "slog", "stdlog", "text"])
def test_carriage_return(line: bytes) -> None:
    """A line of a file with CRLF is the same line."""
    assert fields(split_line(line + b"\r")) == fields(split_line(line))


RECORDS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "gin": (
        GIN,
        {
            "kind": "gin",
            "time": "2024/11/12 - 10:11:12",
            "status": "200",
            "latency_s": pytest.approx(713.052e-6),
            "method": "GET",
            "path": "/api/tags",
        },
    ),
    "slog": (
        SLOG,
        {
            "kind": "slog",
            "time": "2024-11-22T23:20:04.393+01:00",
            "level": "WARN",
            "msg": "two words",
            "tail": ' id=0 total="5.6 GiB"',
        },
    ),
    "stdlog": (
        STDLOG,
        {"kind": "stdlog", "time": "2024/11/28 11:12:39", "level": "INFO", "msg": "server config"},
    ),
    "text": (b" n_ctx = 4096 | error", {"kind": "text", "msg": " n_ctx = 4096 | error"}),
    "empty": (b"", {"kind": "continuation"}),
}


@pytest.mark.parametrize(("line", "expected"), RECORDS.values(), ids=RECORDS)
def test_all_fields(line: bytes, expected: dict[str, Any]) -> None:
    """A line of each kind fills these fields and no others."""
    assert fields(split_line(line)) == expected


GIN_REQUESTS = {
    "query": ('POST     "/v1/messages?beta=true"', "POST", "/v1/messages?beta=true"),
    "long method": ('OPTIONS  "/api/chat"', "OPTIONS", "/api/chat"),
    "collapsed blanks": ('GET "/"', "GET", "/"),
    "bar and blank": ('GET      "/a | b"', "GET", "/a | b"),
    "quote and backslash": (r'GET      "/a\"b\\"', "GET", '/a"b\\'),
    "control characters": (r'GET      "/\n\x00\x7f"', "GET", "/\n\0\x7f"),
    "code points": (r'GET      "/\u200b\U000e0001é"', "GET", "/\u200b\U000e0001é"),
    "bytes that are no UTF-8": (r'GET      "/\xff\xc3"', "GET", "/\ufffd\ufffd"),
    "impossible code points": (r'GET      "/\ud800\Uffffffff"', "GET", "/\ufffd\ufffd"),
    "a log line in the path": (
        'GET      "/ time=2024-11-22T23:20:04.393Z level=ERROR msg=x"',
        "GET",
        "/ time=2024-11-22T23:20:04.393Z level=ERROR msg=x",
    ),
    "a GIN line in the path": (
        r'GET      "/[GIN] 2024/11/12 - 10:11:12 | 500 | 1s | ::1 | GET \"/\""',
        "GET",
        '/[GIN] 2024/11/12 - 10:11:12 | 500 | 1s | ::1 | GET "/"',
    ),
    "empty path": ('GET      ""', "GET", ""),
}


@pytest.mark.parametrize("prefix", [b"", b"ollama-1  | "], ids=["plain", "prefixed"])
@pytest.mark.parametrize(("request_column", "method", "path"), GIN_REQUESTS.values(), ids=GIN_REQUESTS)
def test_gin_method_and_path(request_column: str, method: str, path: str, prefix: bytes) -> None:
    """Method and path come out as the client sent them, whatever is in the path."""
    record = split_line(prefix + gin(request=request_column))

    assert (record.kind, record.status, record.method, record.path) == ("gin", "200", method, path)


GIN_VARIANTS = {
    "colours": b"[GIN] 2026/01/20 - 18:04:34 |\x1b[97;42m 200 \x1b[0m| 13.8s | ::1 |\x1b[97;46m POST    \x1b[0m "
    b'"/api/generate"',
    "colour of the latency (gin 1.12)": b"[GIN] 2026/01/20 - 18:04:34 | 200 |\x1b[97;42m   13.8s\x1b[0m| ::1 | POST "
    b'"/api/generate"',
    "collapsed blanks": b'[GIN] 2026/01/20 - 18:04:34 | 200 | 13.8s | 127.0.0.1 | POST "/api/generate"',
    "no client": b'[GIN] 2026/01/20 - 18:04:34 | 200 | 13.8s |                 | POST "/api/generate"',
    "IPv6 client": b'[GIN] 2026/01/20 - 18:04:34 | 200 | 13.8s | 2001:db8:aaaa:bbbb::1 | POST "/api/generate"',
}


@pytest.mark.parametrize("line", GIN_VARIANTS.values(), ids=GIN_VARIANTS)
def test_gin_variants(line: bytes) -> None:
    """Colours and column widths make no difference."""
    assert fields(split_line(line)) == {
        "kind": "gin",
        "time": "2026/01/20 - 18:04:34",
        "status": "200",
        "latency_s": 13.8,
        "method": "POST",
        "path": "/api/generate",
    }


@pytest.mark.parametrize(
    "latency",
    [b"500.1\xc2\xb5s", b"500.1\xb5s", b"500.1\xe6s", "500.1┬Ás".encode(), "500.1┬╡s".encode(), b"500.1us"],
    ids=["UTF-8", "latin-1 byte", "cp437 byte", "cp850", "cp437", "ASCII"],
)
def test_gin_micro_sign_bytes(latency: bytes) -> None:
    """A micro sign spoiled by the console still gives microseconds."""
    assert split_line(gin().replace(b"1.5s", latency)).latency_s == pytest.approx(500.1e-6)


NOT_GIN = {
    "debug output": b"[GIN-debug] POST   /api/pull   --> github.com/ollama/ollama/server.PullHandler-fm (5 handlers)",
    "date only": b"[GIN] 2024/11/12 - 10:11:12",
    "no request": GIN[:70],
    "no closing quote": GIN[:-1],
    "no closing quote, escapes": gin(request=r'GET "/a\"'),
    "no latency": gin(latency=""),
    "bad latency": gin(latency="1.5x"),
    "bad status": gin(status=" 2x0 "),
    "status of two digits": gin(status=" 20 "),
    "status in other digits": gin(status=" ２００ "),
    "bad date": GIN.replace(b" - 10:11:12", b""),
    "quoted in JSON": json.dumps({"msg": GIN.decode()}).encode(),
}


@pytest.mark.parametrize("line", NOT_GIN.values(), ids=NOT_GIN)
def test_not_a_whole_gin_line(line: bytes) -> None:
    """What is cut or only looks like an access line is text."""
    assert fields(split_line(line)) == {"kind": "text", "msg": line.decode()}


def test_slog_line_behind_a_cut_gin_line() -> None:
    """A cut access line does not take the log line behind it along."""
    assert fields(split_line(GIN[:50] + SLOG)) == fields(split_line(SLOG))


def test_gin_line_inside_of_a_message() -> None:
    """A message that quotes an access line is no request."""
    line = slog(r'msg="saw [GIN] 2024/11/12 - 10:11:12 | 500 | 1s | ::1 | GET \"/\"" n=1')

    assert [split_line(prefix + line).kind for prefix in (b"", b"ollama-1  | ")] == ["slog", "slog"]


LEVELS = {"TRACE": "TRACE", "ERROR": "ERROR", "DEBUG-4": "DEBUG-4", "INFO+2": "INFO+2"} | dict.fromkeys(
    ("info", "FATAL", "INFO+", "INFOX", "")
)


@pytest.mark.parametrize("prefix", [b"", b"ollama-1  | "], ids=["plain", "prefixed"])
@pytest.mark.parametrize(("word", "level"), LEVELS.items(), ids=list(LEVELS))
def test_slog_level(word: str, level: str | None, prefix: bytes) -> None:
    """The levels of slog and their offsets count; another program's are text."""
    record = split_line(prefix + f"time=2024-11-22T23:20:04.393Z level={word} source=a.go:1 msg=x".encode())

    assert (record.kind, record.level) == ("slog" if level else "text", level)


MESSAGES = {
    "quoted": ('msg="two words" a=1', "two words", " a=1"),
    "unquoted": ("msg=offload library=cuda", "offload", " library=cuda"),
    "unquoted and last": ("msg=packages", "packages", ""),
    "quoted and last": ('msg="two words"', "two words", ""),
    "empty": ('msg="" package=0', "", " package=0"),
    "escapes": (r'msg="say \"hi\"\n\tC:\\x" a=1', 'say "hi"\n\tC:\\x', " a=1"),
    "not ASCII": ('msg="größer" a=1', "größer", " a=1"),
    "cut in the message": ('msg="Vulkan disabled.  To ', "Vulkan disabled.  To ", ""),
    "cut in the message, escapes": (r'msg="say \"hi', 'say "hi', ""),
    "cut in an escape": ('msg="say \\', "say \\", ""),
    "cut before the message": ("", None, ""),
    "msg= in the message": ('msg="a msg=b" c=1', "a msg=b", " c=1"),
}


@pytest.mark.parametrize("prefix", [b"", b"ollama-1  | "], ids=["plain", "prefixed"])
@pytest.mark.parametrize(("rest", "msg", "tail"), MESSAGES.values(), ids=MESSAGES)
def test_slog_message(rest: str, msg: str | None, tail: str, prefix: bytes) -> None:
    """The message comes out unquoted; a line that is cut keeps its level and what there is of the message."""
    record = split_line(prefix + slog(rest))

    assert (record.kind, record.level, record.msg, record.tail) == ("slog", "INFO", msg, tail)


def test_slog_without_source() -> None:
    """A handler without AddSource gives the same record."""
    assert split_line(SLOG.replace(b" source=sched.go:12", b"")).msg == "two words"


NOT_SLOG = {
    "PowerShell error block": b'    + CategoryInfo          : NotSpecified: (time=2026-01-29...DEVICES:]":String) []',
    "C text": b"time=5 ms level=INFO",
    "time only": b"time=2024-11-22T23:20:04.393Z",
    "cut in the level": b"time=2024-11-22T23:20:04.393Z level=IN",
    "another logger": b'time="2024-11-22T23:20:04Z" level=INFO msg="x"',
    "quoted in JSON": json.dumps({"log": SLOG.decode()}).encode(),
}


@pytest.mark.parametrize("line", NOT_SLOG.values(), ids=NOT_SLOG)
def test_not_a_slog_line(line: bytes) -> None:
    """A time= alone makes no log line."""
    record = split_line(line)
    assert record.kind in ("text", "continuation")
    assert record.msg == line.decode()


STDLOGS = {
    "no attributes": (b"2024/11/28 11:12:39 a.go:1: WARN two words", "WARN", "two words"),
    "two attributes": (b"2024/11/28 11:12:39 a.go:1: DEBUG-4 x y=1 z=2", "DEBUG-4", "x"),
    "no level word": (b"2024/11/28 11:12:39 a.go:1: two words", None, "2024/11/28 11:12:39 a.go:1: two words"),
    "no source": (b"2024/11/28 11:12:39 INFO x", None, "2024/11/28 11:12:39 INFO x"),
}


@pytest.mark.parametrize(("line", "level", "msg"), STDLOGS.values(), ids=STDLOGS)
def test_stdlog(line: bytes, level: str | None, msg: str) -> None:
    """Lines of Go's log package count when they carry a level."""
    record = split_line(line)

    assert (record.kind, record.level, record.msg) == ("stdlog" if level else "text", level, msg)


ATTRIBUTES = slog(
    r'msg="loading model" "model layers"=29 requested=-1 layers.split="" memory.required.full="5.6 GiB" '
    r'model=C:\Users\a cmd="C:\\Users\\a --port 1" request="{Operation:commit error=no}" '
    r'prompt="say \"error=yes\" layers.offload=99" layers.offload=33 "a\"b"=ü a.b= last=1'
)
ATTRIBUTE_VALUES = {
    "model layers": "29",
    "requested": "-1",
    "layers.split": "",
    "memory.required.full": "5.6 GiB",
    "model": r"C:\Users\a",
    "cmd": r"C:\Users\a --port 1",
    "request": "{Operation:commit error=no}",
    "prompt": 'say "error=yes" layers.offload=99',
    "layers.offload": "33",
    'a"b': "ü",
    "a.b": "",
    "last": "1",
    "error": None,
    "layers": None,
    "msg": None,
    "source": None,
    "": None,
    "\ud800": None,
}


@pytest.mark.parametrize("key", ATTRIBUTE_VALUES, ids=ascii)
def test_attribute(key: str) -> None:
    """Attributes are found by their own key only, never inside of another one's value."""
    assert attribute(split_line(ATTRIBUTES).tail, key) == ATTRIBUTE_VALUES[key]


CUT_ATTRIBUTES = {
    "in a quoted value": ' a=1 total="5.6 Gi',
    "in an escape": ' a=1 total="5.6\\',
    "before the value": " a=1 total",
    "in a quoted key": ' a=1 "total',
}


@pytest.mark.parametrize("rest", CUT_ATTRIBUTES.values(), ids=CUT_ATTRIBUTES)
def test_cut_attribute(rest: str) -> None:
    """Of a cut line the whole attributes count; half a value is none."""
    record = split_line(slog(f"msg=x{rest}"))

    assert (attribute(record.tail, "a"), attribute(record.tail, "total")) == ("1", None)


@pytest.mark.parametrize("line", [GIN, STDLOG, b"a=1 b=2"], ids=["gin", "stdlog", "text"])
def test_attribute_of_another_kind(line: bytes) -> None:
    """Only slog lines have attributes."""
    assert [attribute(split_line(line).tail, key) for key in ("env", "a", "b")] == [None, None, None]


ROUTES = {
    "/": "/",
    "/api/chat": "/api/chat",
    "/api/chat?key=secret": "/api/chat",
    "/v1/messages?beta=true": "/v1/messages",
    "/v1/images/generations": "/v1/images/generations",
    "/api/blobs/sha256:29d8": "/api/blobs/{digest}",
    "/api/blobs/sha256-29d8?x": "/api/blobs/{digest}",
    "/v1/models": "/v1/models",
    "/v1/models/hf.co/a/b:Q4_K_M": "/v1/models/{model}",
    "/api/user/keys/c3No": "/api/user/keys/{key}",
    "/api/user/keys/": "other",
    "/v1/models/?x": "other",
    "/api/chat/": "other",
    "/API/chat": "other",
    "/favicon.ico": "other",
    "/theme.css?v=1": "other",
    "?/api/chat": "other",
    "": "other",
}


@pytest.mark.parametrize(("path", "expected"), ROUTES.items(), ids=[repr(path) for path in ROUTES])
def test_route(path: str, expected: str) -> None:
    """Known routes by name, names folded, everything that a client can invent in one place."""
    assert route(path) == expected


FRAGMENTS = st.sampled_from(
    [
        *(b"[GIN] ", b"time=", b" level=INFO", b" msg=", b'"', b"\\", b"|", b" ", b"\0", b"\x1b[0m", b"\xb5s", b"\r"),
        *(b"2024/11/12 - 10:11:12", b"2024-11-22T23:20:04.393Z", b" 200 ", b"1.5s", b"\\ud800", b"\xef\xbb\xbf", b"="),
        *(GIN, SLOG, STDLOG, ATTRIBUTES, GIN[:60], SLOG[:60]),
        *(prefix.encode() for prefix in PREFIXES.values()),
    ]
)


@given(st.binary() | st.lists(FRAGMENTS | st.binary(max_size=4)).map(b"".join))
def test_no_bytes_raise(line: bytes) -> None:
    """Any bytes give a record of a known kind, whose texts can be written out as UTF-8."""
    record = split_line(line)

    assert record.kind in ("gin", "slog", "stdlog", "text", "continuation")
    texts = [record.time, record.level, record.msg, record.status, record.method, record.path]
    texts += [attribute(record.tail, "a"), attribute(record.tail, "total"), route(record.path or "")]
    for text in texts:
        assert text is None or text.encode() is not None


GO_PANIC = b"""panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x58 pc=0x7ff6]

goroutine 42 gp=0xc000104fc0 m=5 mp=0xc000100008 [running]:
github.com/ollama/ollama/ml/backend/ggml.(*Context).ComputeWithNotify(0xc0004e8240, 0x0, {0xc01, 0x1, 0x1})
\tC:/a/ollama/ml/backend/ggml/ggml.go:880 +0x35d
main.main()
\t/build/main.go:12 +0x1f
created by github.com/ollama/ollama/runner/ollamarunner.(*Server).run in goroutine 19
\t/build/runner.go:460 +0x2cf
rax    0x0
rip    0x7f00
fs     0x0
exit status 2"""
TRACEBACK = b"""Traceback (most recent call last):
  File "/app/agent.py", line 10, in run
    return self.call(x)
           ^^^^^^^^^^^^
ValueError: no such tool

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/main.py", line 5, in <module>
    main()
RuntimeError: giving up"""


@pytest.mark.parametrize(
    ("dump", "said"),
    [
        (GO_PANIC, ["panic: runtime error: invalid memory address or nil pointer dereference"]),
        (TRACEBACK, ["ValueError: no such tool", "RuntimeError: giving up"]),
        (b"ERROR boom\n    at com.example.Main.run(Main.java:5)\n\tat x.y", ["ERROR boom"]),
    ],
)
@pytest.mark.parametrize("prefix", [b"", b"Nov 25 10:11:12 host ollama[42]: ", b"app-1  | "])
def test_a_dump_is_one_record(dump: bytes, said: list[str], prefix: bytes) -> None:
    """Its frames go on with the line that says what happened."""
    records = [split_line(prefix + line) for line in dump.split(b"\n")]
    assert [record.msg for record in records if record.kind != "continuation"] == said


@pytest.mark.parametrize(
    "line",
    [
        b"       eval time =    8627.28 ms /    25 tokens (  345.09 ms per token,     2.90 tokens per second)",
        b"llama_model_loader: - kv  24: tokenizer.chat_template str = {{- ...",
        b"load_tensors: offloaded 33/33 layers to GPU",
        b"main: server is listening on http://127.0.0.1:8080 - starting the main loop",
        b"system_info: n_threads = 8 (n_threads_batch = 8) / 16 | CUDA : ARCHS = 500",
        b"ggml_cuda_init: found 1 CUDA devices:",
    ],
)
def test_lines_of_their_own_are_records(line: bytes) -> None:
    assert split_line(line).kind == "text"
