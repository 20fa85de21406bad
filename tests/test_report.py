"""The report at the end of replay: figures against numbers worked out by hand, and what is made of hostile texts."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from logmetrics.config.specs import MetricSpec
from logmetrics.present import amounts
from logmetrics.present.blocks import coarser
from logmetrics.present.style import DARK, LIGHT
from logmetrics.present.terminal import ASCII_BLOCKS, sparkline
from logmetrics.replay.report.data import (
    BadLine,
    Histogram,
    Quantile,
    Report,
    Shape,
    SourceReading,
    Tally,
    Timeline,
    histograms,
    in_sum,
    is_error,
    quantile,
    tallies,
)
from logmetrics.replay.report.page import render_report
from logmetrics.replay.report.text import write_report
from logmetrics.store.series import Frozen, Series
from logmetrics.store.shown import Rows
from logmetrics.store.store import FamilyView

VOID = {"br", "meta", "link", "img", "hr", "input", "wbr"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "[red]bold[/red] [link=http://evil.example]x[/link] :smile:",
    "\x1b[31mred\x1b]0;title\x07",
    "x" * 300,
    "שלום عربي",
    "\u202eturned\u2066",
    "a'b\"c&amp;",
    "\ud800 lone",
    "`code`",
    "{braces} %s \\",
    "two\nlines\r\ttab\u2028",
    "__overflow__",
    "",
]


def family(
    name: str,
    kind: str,
    labels: tuple[str, ...],
    rows: Iterable[tuple[tuple[str, ...], Frozen]],
    buckets: tuple[float, ...] = (),
    pack: str = "agent",
) -> FamilyView:
    spec = MetricSpec(name, kind, f"Help of {name}", labels, buckets, pack=pack)
    return spec, Rows.of((Series(values), frozen) for values, frozen in rows)


def some_families() -> list[FamilyView]:
    return [
        family(
            "agent_tool_calls_total",
            "counter",
            ("agent", "tool_name", "status"),
            [(("a", "search", "success"), 6), (("a", "search", "error"), 2), (("b", "read", "unknown"), 1_234)],
        ),
        family(
            "agent_tool_duration_seconds",
            "histogram",
            ("agent", "tool_name"),
            [(("a", "search"), ((2, 6, 8), 5.6, 8))],
            (0.5, 1.0),
        ),
        family("agent_llm_calls_total", "counter", ("agent", "model", "status"), [(("a", "m1", "success"), 4)]),
        family("agent_llm_latency_seconds", "histogram", ("agent",), [(("a",), ((1, 2, 4), 700.0, 4))], (1.0, 300.0)),
        family(
            "agent_token_usage_total",
            "counter",
            ("agent", "token_type"),
            [(("a", "prompt"), 12_000), (("a", "completion"), 345)],
        ),
        family("agent_token_detail_total", "counter", ("agent", "token_type"), [(("a", "prompt_cached"), 9_000)]),
        family("agent_tasks_total", "counter", ("agent", "status"), [(("a", "success"), 3), (("a", "timeout"), 1)]),
        family("agent_log_errors_total", "counter", ("agent", "error_type"), [(("a", "ValueError"), 5)]),
        family(
            "agent_http_requests_total",
            "counter",
            ("agent", "method", "status"),
            [(("a", "GET", "2xx"), 9), (("a", "GET", "5xx"), 1)],
        ),
        family("agent_log_records_total", "counter", ("agent", "level"), [(("a", "info"), 20), (("c", "error"), 5)]),
        family(
            "ollama_requests_total",
            "counter",
            ("method", "route", "status"),
            [(("POST", "/api/chat", "200"), 7), (("POST", "/api/chat", "500"), 1)],
            pack="ollama",
        ),
        family("ollama_model_loads_total", "counter", (), [((), 3)], pack="ollama"),
        family("ollama_build_info", "info", ("version",), [(("0.5.7",), 1)], pack="ollama"),
        family("queue_retries_total", "counter", ("queue",), [(("mail",), 17)], pack=""),
        family("queue_depth", "gauge", (), [((), 2.5)], pack=""),
        family("logmetrics_source_lines_total", "counter", ("source",), [(("logs",), 1_300)], pack=""),
        family("logmetrics_source_files", "gauge", ("source",), [(("logs",), 2)], pack=""),
    ]


def some_report() -> Report:
    source = SourceReading(
        name="logs",
        paths=("/var/log/agents",),
        files=2,
        bytes=1_234_567,
        lines=1_300,
        matched=1_280,
        unmatched=12,
        unparsable=5,
        continuations=3,
        untimed=4,
        packs={"agent": 1_270, "ollama": 10},
        first_s=1_767_312_000,
        last_s=1_767_315_600,
        shapes=(Shape('{"event": "cache_hit", level, ...}', 9, "/var/log/agents/a.log:17"),),
        shapes_of=12,
        bad_lines=(BadLine("/var/log/agents/a.log:88", '{"event": "tool_call", "tool_na'),),
    )
    timeline = Timeline(
        start_s=1_767_312_000,
        bucket_s=300,
        counts={"agent_tool_calls_total": [0, 10, 1_000, 232, 0, 0, 0, 0, 0, 0, 0, 0], "queue_retries_total": [17.0]},
        errors={"agent_tool_calls_total": [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]},
    )
    return Report((source,), some_families(), timeline, elapsed_s=0.5, notes=("3 files were passed over",))


def hostile_report() -> Report:
    pairs = list(zip(HOSTILE, reversed(HOSTILE), strict=True))
    rows = [((a, b, status), 3) for a, b in pairs for status in ("success", "error")]
    families = [
        family("agent_tool_calls_total", "counter", ("agent", "tool_name", "status"), rows),
        family("agent_log_errors_total", "counter", ("agent", "error_type"), [((a, b), 3) for a, b in pairs]),
        family("own_seconds", "histogram", ("x",), [((a,), ((1, 2), 1.0, 2)) for a in HOSTILE], (1.0,), pack=""),
        family("ollama_starts_total", "counter", ("version",), [((a,), 1) for a in HOSTILE], pack="ollama"),
    ]
    source = SourceReading(
        HOSTILE[0],
        tuple(HOSTILE),
        lines=9,
        unmatched=9,
        packs=dict.fromkeys(HOSTILE, 1),
        shapes=tuple(Shape(text, 1, text) for text in HOSTILE),
        bad_lines=tuple(BadLine(text, text) for text in HOSTILE),
    )
    return Report((source, source), families, Timeline(0, 60, {"own_seconds": [1, 2]}), notes=tuple(HOSTILE))


def text_of(report: Report, width: int = 80, encoding: str = "utf-8", *, colours: bool = False) -> str:
    raw = io.BytesIO()
    console = Console(
        file=io.TextIOWrapper(raw, encoding),
        width=width,
        force_terminal=colours,
        color_system="truecolor" if colours else None,
    )
    write_report(report, console)
    console.file.flush()
    return raw.getvalue().decode(encoding)


class Page(HTMLParser):
    """The tree of a page; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]


@pytest.mark.parametrize(
    ("q", "bounds", "cumulative", "expected"),
    [
        (0.5, (1, 2, 4), (0, 4, 8, 8), Quantile(2.0)),  # rank 4 is the last one of the second bucket
        (0.75, (1, 2, 4), (0, 4, 8, 8), Quantile(3.0)),  # rank 6: half way through the third
        (0.25, (1, 2, 4), (4, 4, 8, 8), Quantile(0.5)),  # rank 2 of 4 in the first, which begins at 0
        (0.95, (1, 2, 4), (0, 4, 8, 10), Quantile(4, beyond=True)),
        (0.5, (-1, 2), (10, 10, 10), Quantile(-1)),
        (0.5, (1,), (0, 3), Quantile(1, beyond=True)),
        (1.0, (1, 2), (1, 2, 2), Quantile(2.0)),
        (0.0, (1, 2), (1, 2, 2), Quantile(0.0)),
        (0.5, (1, 2), (0, 0, 0), None),
        (0.5, (), (3,), None),
    ],
)
def test_quantiles(q: float, bounds: tuple[float, ...], cumulative: tuple[int, ...], expected: Quantile | None) -> None:
    """Linear inside a bucket; the highest bound when it lies in the last one."""
    assert quantile(q, bounds, cumulative) == expected


def test_quantiles_are_those_of_prometheus(tmp_path: Path) -> None:
    """promtool evaluates the same histograms to the same doubles."""
    rng = random.Random(7)
    series, checks = [], []
    for number in range(40):
        bounds = sorted({round(rng.uniform(0.001, 300), rng.randrange(4)) or 0.5 for _ in range(rng.randrange(1, 12))})
        counts = [rng.choice([0, 0, rng.randrange(100)]) for _ in range(len(bounds) + 1)]
        counts[-1] += not any(counts)
        cumulative = [sum(counts[: index + 1]) for index in range(len(counts))]
        for bound, count in zip([*map(repr, bounds), "+Inf"], cumulative, strict=True):
            series.append({"series": f'h{number}_bucket{{le="{bound}"}}', "values": str(count)})
        for q in (0.01, 0.5, 0.95, 0.99, 1.0):
            found = quantile(q, bounds, cumulative)
            assert found is not None
            expected = [{"labels": "{}", "value": found.value}]
            checks.append(
                {"expr": f"histogram_quantile({q}, h{number}_bucket)", "eval_time": "0m", "exp_samples": expected}
            )
    rules = {
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": checks}],
    }
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_tallies_by_label() -> None:
    """Counts, errors and what is not told, by any labels; most first."""
    tools = some_families()[0]
    assert tallies(tools, "tool_name") == {("read",): Tally(1_234, 0, 1_234), ("search",): Tally(8, 2, 0)}
    assert list(tallies(tools, "tool_name")) == [("read",), ("search",)]
    assert tallies(tools, "agent", "model") == {("a", ""): Tally(8, 2), ("b", ""): Tally(1_234, 0, 1_234)}
    assert tallies(tools, "tool_name")["search",].error_ratio == 0.25
    assert tallies(tools, "tool_name")["read",].error_ratio is None
    over = family("x_total", "counter", ("a",), [(("__overflow__",), 9), (("x",), 1), (("w",), 1), (("zero",), 0)])
    assert list(tallies(over, "a")) == [("w",), ("x",), ("__overflow__",)]


def test_histograms_add_up() -> None:
    """Series with the same labels become one histogram."""
    view = family(
        "x_seconds", "histogram", ("a", "b"), [(("p", "1"), ((1, 3), 2.0, 3)), (("p", "2"), ((0, 1), 5.0, 1))], (1.0,)
    )
    assert histograms(view, "a") == {("p",): Histogram((1.0,), (1, 4), 7.0, 4)}
    assert histograms(view)[()].counts == (1, 3)
    assert histograms(view, "b")["2",].quantile(0.5) == Quantile(1.0, beyond=True)


def test_what_is_an_error() -> None:
    """Words, HTTP statuses and their classes."""
    assert all(map(is_error, ("error", "failure", "timeout", "404", "499", "500", "5xx", "4xx", "overloaded")))
    assert not any(map(is_error, ("success", "unknown", "200", "304", "2xx", "", "4", "4000", "5ab", "drafted")))


def test_sources_add_up() -> None:
    """Numbers and packs are summed, times are the outermost."""
    first = SourceReading("a", ("/a",), 1, 10, lines=5, packs={"p": 1, "q": 5}, first_s=3, last_s=9)
    second = SourceReading("b", ("/b",), 2, 20, lines=7, packs={"p": 2}, first_s=1, last_s=4, shapes_of=3)
    both = in_sum([first, second, SourceReading("c")])
    assert (both.files, both.bytes, both.lines, both.shapes_of) == (3, 30, 12, 3)
    assert (both.first_s, both.last_s, both.paths) == (1, 9, ("/a", "/b"))
    assert list(both.packs.items()) == [("q", 5), ("p", 3)]
    assert in_sum([]).first_s is None


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (amounts.count(1234), "1,234"),
        (amounts.count(2.5), "2.5"),
        (amounts.count(float("nan")), "nan"),
        (amounts.count(float("inf")), "inf"),
        (amounts.short(9_999), "9,999"),
        (amounts.short(12_345), "12.3 k"),
        (amounts.short(999_700), "1.00 M"),
        (amounts.size(999), "999 B"),
        (amounts.size(1_234_567), "1.23 MB"),
        (amounts.seconds(0), "0 s"),
        (amounts.seconds(0.00042), "0.42 ms"),
        (amounts.seconds(0.34), "340 ms"),
        (amounts.seconds(0.9996), "1.0 s"),
        (amounts.seconds(1.24), "1.2 s"),
        (amounts.seconds(105), "105 s"),
        (amounts.seconds(378), "378 s"),
        (amounts.lasting(378), "6 min"),
        (amounts.lasting(105), "105 s"),
        (amounts.lasting(600), "10 min"),
        (amounts.seconds(5400), "90 min"),
        (amounts.seconds(12_600), "3.5 h"),
        (amounts.seconds(400_000), "4.6 d"),
        (amounts.step(300), "5 min"),
        (amounts.step(86_400), "1 d"),
        (amounts.percent(0.034), "3.4 %"),
        (amounts.percent(0), "0 %"),
        (amounts.percent(0.00001), "< 0.1 %"),
        (amounts.percent(0.99999), "> 99.9 %"),
        (amounts.moment(1e300), ""),
        (amounts.span(1_767_312_000, 1_767_315_600), "2026-01-02 00:00:00 to 01:00:00 UTC"),
        (amounts.amount_of("x_seconds_total", 0.34), "340 ms"),
        (amounts.amount_of("x_bytes", 2_000_000), "2.00 MB"),
        (amounts.amount_of("agent_token_usage_total", 12_345), "12.3 k"),
        (amounts.amount_of("x_ratio", 0.5), "50.0 %"),
        (amounts.amount_of("x_seconds", -1), "-1"),
        (amounts.harmless("a\x1b\u202e\n"), "a\\x1b\\u202e\\n"),
        (amounts.harmless("\ud800"), "\\ud800"),
        (amounts.harmless("é🤖", "ascii"), "\\xe9\\U0001f916"),
        (amounts.excerpt("x" * 130), "x" * 117 + "..."),
    ],
)
def test_amounts(shown: str, expected: str) -> None:
    """Numbers as people read them."""
    assert shown == expected


def test_sparklines() -> None:
    """Nothing is blank, anything is seen, the most is full."""
    assert sparkline([0, 1, 4, 8, 800]) == " ▁▁▁█"
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 5], ASCII_BLOCKS) == " @"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""
    assert coarser([1, 2, 3, 4, 5], 2) == (3, [6, 9])
    assert coarser([1, 2], 5) == (1, [1, 2])


def test_text_at_80_columns() -> None:
    """Every section, in its place, no line too long, no colour; and all series of all metrics."""
    text = text_of(some_report())
    lines = text.splitlines()
    headings = [line for line in lines if line.isupper() and line.strip(" ") == line and not line.startswith("P50")]
    assert headings == [
        *("OVERVIEW", "OVER TIME", "AGENTS", "TOOLS", "MODELS", "LATENCY", "TOKENS", "TASKS", "ERRORS"),
        *("HTTP REQUESTS", "LOG RECORDS", "OLLAMA", "WHAT WAS READ", "ALL METRICS"),
    ]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert lines[1:4] == [
        "2 files, 1.23 MB, 1,300 lines, read in 500 ms (2.47 MB/s)",
        "2026-01-02 00:00:00 to 01:00:00 UTC (60 min)",
        "3 files were passed over",
    ]
    for expected in (
        r"search +8 +0\.6 % .*25\.0 % +750 ms +> 1 s +> 1 s",
        r"a +4 +175 s +300 s +> 300 s +> 300 s",
        r"success +3 \(75\.0 %\) +█+",
        r"timeout +1 \(25\.0 %\)",
        r"prompt +12\.0 k \(97\.2 %\)",
        r"POST +/api/chat +8 +100 % .*12\.5 %",
        r"Build +version 0\.5\.7",
        r"9 +\{\"event\": \"cache_hit\", level, \.\.\.\} +/var/log/agents/a\.log:17",
        r"/var/log/agents/a\.log:88",
        r"Of the records, 4 have no time\.",
        r"queue_retries_total",
        r"mail +17",
    ):
        assert re.search(expected, text), expected
    for spec, _ in some_families():
        assert (spec.name in lines) == (spec.name != "logmetrics_source_files")


def test_text_in_ascii() -> None:
    """What an encoding cannot write is written otherwise."""
    text = text_of(some_report(), encoding="ascii")
    assert "########" in text
    assert "@" in text
    assert "\\ufffd" not in text
    text_of(hostile_report(), encoding="latin-1")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_texts_on_a_terminal(width: int) -> None:
    """No markup is obeyed, no escape sent, nothing turned around, no line too long."""
    text = text_of(hostile_report(), width)
    assert not set(text) & set("\x1b\x07\r\t\u202e\u2066\u2028")
    assert max(map(len, text.splitlines())) <= width
    if width == 200:
        assert "[red]bold[/red] [link=http://evil.example]x[/link] :smile:" in text
        assert "\\x1b[31mred\\x1b]0;title\\x07" in text
    assert "http://evil.example\x1b" not in text_of(hostile_report(), width, colours=True)


def test_page_is_whole_and_needs_nothing() -> None:
    """Tags match, ids are there once and are all that is referred to, nothing comes from elsewhere."""
    for report in (some_report(), hostile_report(), Report((), [])):
        text = render_report(report)
        text.encode()
        page = Page(text)
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        named = {name for value in page.values("aria-labelledby") for name in value.split()}
        assert named <= set(ids)
        assert {value.removeprefix("#") for value in page.values("href")} <= set(ids)
        assert not page.values("src")
        assert not {tag for tag, _, _ in page.attributes} & {"script", "link", "img", "iframe", "object", "base"}
        assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
        style = text[text.index("<style>") : text.index("</style>")]
        assert not re.search(r"url\(|@import|https?:", style)


def test_hostile_texts_in_a_page() -> None:
    """They are text and nothing else, each in its own direction."""
    text = render_report(hostile_report())
    shown = Page(text).texts
    for value in HOSTILE:
        assert (amounts.harmless(value) or '""') in shown
    assert not set(text) & set("\x1b\x07\u202e\u2066\u2028")
    assert "<bdi>שלום عربي</bdi>" in text


def test_page_has_every_section_and_series() -> None:
    """Headings in order, tables with headers, charts with a title and a description."""
    text = render_report(some_report())
    titles = re.findall(r'<h2 id="[a-z-]+">([^<]+)</h2>', text)
    assert titles == [
        *("Overview", "Over time", "Agents", "Tools", "Models", "Latency", "Tokens", "Tasks", "Errors"),
        *("HTTP requests", "Log records", "Ollama", "What was read", "All metrics"),
    ]
    assert text.count("<h1>") == 1
    assert text.count("<table") == text.count("<thead")
    assert text.count("<svg") == text.count('role="img"') + text.count('aria-hidden="true"')
    assert '<desc id="chart-1-d">1,242 from 2026-01-02 00:00:00 to 01:00:00 UTC; at most 1,000 in 5 min' in text
    for spec, _ in some_families():
        assert (f"<summary><code>{spec.name}</code>" in text) == (spec.name != "logmetrics_source_files")


def test_page_of_a_small_report() -> None:
    """Byte for byte, what one share and one table become."""
    report = Report((), [family("agent_tasks_total", "counter", ("agent", "status"), [(("a", "success"), 3)])])
    text = render_report(report)
    start = text.index('<section aria-labelledby="tasks">')
    assert text[start : text.index("</section>", start)] == (
        '<section aria-labelledby="tasks">\n<h2 id="tasks">Tasks</h2>\n<h3>By status</h3>\n'
        '<svg class="stack" aria-hidden="true" viewBox="0 0 1000 10" preserveAspectRatio="none">'
        '<rect class="good" x="0" y="0" width="1000" height="10"/></svg>\n<ul class="legend">\n'
        '<li><svg class="swatch good" aria-hidden="true" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'
        '<span class="name"><bdi>success</bdi></span><span class="mute">3 (100 %)</span></li>\n</ul>\n'
    )
    assert render_report(report) == text


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(colours: dict[str, str]) -> None:
    """Texts 4.5, what charts are drawn with 3, by WCAG's measure."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        first, second = sorted((light(colours[one]), light(colours[other])), reverse=True)
        return (first + 0.05) / (second + 0.05)

    for ground in ("paper", "card"):
        for text in ("ink", "mute", "link", "alarm", "caution"):
            assert contrast(text, ground) >= 4.5, (text, ground)
        for drawn in ("c1", "c2", "c3", "c4", "c5", "good", "bad", "warn", "grey"):
            assert contrast(drawn, ground) >= 3, (drawn, ground)


def test_nothing_counted() -> None:
    """Says what to do next."""
    families = [family("logmetrics_source_lines_total", "counter", ("source",), [(("logs",), 3)], pack="")]
    source = SourceReading("logs", lines=3, unmatched=3, shapes=(Shape("GET #", 3, "a.log:1"),), shapes_of=3)
    for text in (text_of(Report((source,), families)), render_report(Report((source,), families))):
        assert "No rule counted any of the 3 lines." in text
        assert "logmetrics packs" in text
        assert "docs/rules.md" in text
        assert "GET #" in text
    assert "There was not a line to read." in text_of(Report((), []))
