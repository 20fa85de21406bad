"""`logmetrics check`: what it finds in configs, what it leaves alone, and what it foretells from samples."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logmetrics.authoring.lint import lint, lint_pack
from logmetrics.authoring.lint.findings import SEVERITIES, Finding
from logmetrics.authoring.lint.report import report_on
from logmetrics.cli.app import app
from logmetrics.errors import LogmetricsError
from logmetrics.packs import builtin_packs

ROOT = Path(__file__).parent.parent
MISTAKES = ROOT / "tests" / "config_lint" / "mistakes.yaml"
WITH_SAMPLES = {
    *("series-limit", "growing-label", "unknown-label", "id-label", "bucket-fit", "silent-rules", "silent-rule"),
    *("skipped-updates", "some-skipped-updates"),
}


def check(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["check", *arguments])
    if isinstance(done.exception, LogmetricsError):
        return done.exception.exit_code, done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def found_in(tmp_path: Path, text: str, *samples: str) -> list[Finding]:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    if samples:
        return list(report_on(str(path), samples).findings)
    return lint(str(path), builtin_packs())[1]


def kinds(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


# -- without samples


def test_one_of_each_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole output; each finding that needs no samples is in it."""
    monkeypatch.chdir(MISTAKES.parent)
    code, shown, messages = check("--config", MISTAKES.name)
    assert code == 2
    assert messages.startswith("logmetrics: note: nothing is there now: app.log; ")
    assert shown == MISTAKES.with_suffix(".txt").read_text()
    assert set(re.findall(r"\[([a-z-]+)\]$", shown, re.MULTILINE)) == set(SEVERITIES) - WITH_SAMPLES


METRIC = "packs: []\nmetrics:\n  {name}: {{type: {type}, help: How it is{more}}}\n"
RULE = "rules:\n  - name: r\n    {rule}\n    update: {{{update}}}\n"


def config(
    name: str = "x_total", kind: str = "counter", more: str = "", rule: str = "when: a", update: str = "x_total: 1"
) -> str:
    return METRIC.format(name=name, type=kind, more=more) + RULE.format(rule=rule, update=update)


NAMES = {
    "app_calls_total": ("counter", []),
    "app_done_total_count": ("gauge", ["metric-suffix"]),
    "app_all_sum": ("gauge", ["metric-suffix"]),
    "app_leaky_bucket": ("gauge", ["metric-suffix"]),
    "app_files_created": ("gauge", ["metric-suffix"]),
    "app_more_info": ("gauge", ["metric-suffix"]),
    "app_build_info": ("info", []),
    "agent_active_count": ("active", []),
    "app_wait_minutes": ("gauge", ["metric-unit"]),
    "app_wait_milliseconds": ("gauge", ["metric-unit"]),
    "app_wait_ms": ("gauge", ["metric-unit"]),
    "app_memory_kb": ("gauge", ["metric-unit"]),
    "app_memory_mebibytes": ("gauge", ["metric-unit"]),
    "app_memory_bytes": ("gauge", []),
    "app_used_pct": ("gauge", ["metric-unit"]),
    "app_used_ratio": ("gauge", []),
    "app_bytes_read": ("gauge", ["unit-place"]),
    "app_read_bytes_total": ("counter", []),
    "app_thermometers": ("gauge", []),
    "app_tokens_per_second": ("gauge", []),
    "app_seconds_per_token": ("gauge", []),
    "app_started_timestamp_seconds": ("gauge", []),
    "app_counter_total": ("counter", ["metric-type"]),
    "app_gauge_depth": ("gauge", ["metric-type"]),
    "appDepth": ("gauge", ["metric-case"]),
    "app_HTTP_errors_total": ("counter", []),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_metrics(tmp_path: Path, name: str) -> None:
    kind, expected = NAMES[name]
    assert kinds(found_in(tmp_path, config(name, kind, update=f"{name}: x"))) == expected


def test_promtool_complains_of_nothing_else(tmp_path: Path) -> None:
    """About each metric that `promtool check metrics` complains about, so do we; a label of its own included."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing; make test installs Debian's prometheus")
    bad = [name for name, (_, expected) in NAMES.items() if expected]
    log = tmp_path / "a.log"
    log.write_text('{"a": 1, "x": 1, "lab": "v"}\n')
    text = "packs: []\nmetrics:\n"
    text += "".join(f"  {name}: {{type: {kind}, help: How it is}}\n" for name, (kind, _) in NAMES.items())
    text += "  app_odd_total: {type: counter, help: How it is, labels: [quantile, camelCase]}\n"
    updates = "".join(f"      {name}: x\n" for name in NAMES)
    text += "rules:\n  - name: r\n    labels: {quantile: lab, camelCase: lab}\n    update:\n"
    path = tmp_path / "config.yaml"
    path.write_text(f"{text}{updates}      app_odd_total: 1\n")
    page = CliRunner().invoke(app, ["watch", str(log), "--config", str(path), "--once"]).stdout
    done = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False
    )
    complaints = {line.split()[0] for line in (done.stdout + done.stderr).splitlines()} - {"agent_active_count"}

    ours = {finding.key_path.split(".")[1] for finding in lint(str(path), builtin_packs())[1]}
    assert complaints >= {"app_odd_total", "app_wait_ms", "appDepth"}
    assert complaints <= ours
    assert ours <= {*bad, "app_odd_total"}


UNITS = {
    "raw milliseconds": ("app_x_seconds", "latency_ms", ["wrong-unit"]),
    "converted milliseconds": ("app_x_seconds", "ms(latency_ms)", []),
    "divided milliseconds": ("app_x_seconds", "latency_ms / 1000", []),
    "divided the wrong way": ("app_x_seconds", "latency_ms * 1000", ["wrong-unit"]),
    "nanoseconds": ("app_x_seconds", "total_ns", ["wrong-unit"]),
    "camelCase": ("app_x_seconds", "payload.durationMs", ["wrong-unit"]),
    "one of several": ("app_x_seconds", "latency_ms or took_ms", ["wrong-unit"]),
    "several units": ("app_x_seconds", "latency_ms or latency_s", []),
    "no unit in the name": ("app_x_seconds", "latency", []),
    "a rate": ("app_x_seconds", "tokens_per_ms", []),
    "a time of day": ("app_x_seconds", "created_at_ms", []),
    "bytes for seconds": ("app_x_seconds", "body_bytes", ["wrong-unit"]),
    "percent": ("app_x_ratio", "cpu_percent", ["wrong-unit"]),
    "percent as a ratio": ("app_x_ratio", "cpu_percent / 100", []),
    "kilobytes": ("app_x_bytes", "size_kb * 1000", []),
    "kilobytes of 1024": ("app_x_bytes", "size_kb * 1024", []),
    "kilobytes as they are": ("app_x_bytes", "size_kb", ["wrong-unit"]),
    "times nothing": ("app_x_bytes", "size_kb * 0", []),
    "ms of seconds": ("app_x_seconds", "ms(latency_seconds)", ["wrong-conversion"]),
    "ns of milliseconds": ("app_x_seconds", "ns(latency_ms)", ["wrong-conversion"]),
    "duration of a number": ("app_x_seconds", "duration(latency_ms)", ["wrong-conversion"]),
    "ms of ms": ("app_x_seconds", "ms(ms(latency_ms))", ["wrong-conversion"]),
    "a share of two": ("app_x_ratio", "used_bytes / all_bytes", []),
}


@pytest.mark.parametrize("case", UNITS)
def test_units(tmp_path: Path, case: str) -> None:
    metric, value, expected = UNITS[case]
    assert kinds(found_in(tmp_path, config(metric, "gauge", update=f"{metric}: {value}"))) == expected


LABELS = {
    "a field": ("agent.name", []),
    "free text": ("message", ["unbounded-label"]),
    "an id below": ("payload.session_id", ["unbounded-label"]),
    "an id in camelCase": ("toolCallId", ["unbounded-label"]),
    "one of several": ("tool or message", ["unbounded-label"]),
    "joined": ("'join(tool, \":\", request_id)'", ["unbounded-label"]),
    "a mapped text": ('\'map(message, {"a": "b"}, "other")\'', []),
    "asked, not used": ('\'"bad" if has(error_message) else "good"\'', []),
    "a part of a text": ("'capture(message, \"^([a-z]+):\")'", []),
    "the path": ("path", ["unbounded-label"]),
    "a part of the path": ("path.stem", []),
    "the time": ("line_time", ["unbounded-label"]),
    "a measurement": ("ms(latency_ms)", ["unbounded-label"]),
    "a model's id": ("model.id", []),
    "one constant": ("'\"a\"'", ["constant-label"]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_by_what_is_put_into_them(tmp_path: Path, case: str) -> None:
    label, expected = LABELS[case]
    text = config(more=", labels: [what]", rule=f"labels: {{what: {label}}}")
    assert kinds(found_in(tmp_path, text)) == expected


CONDITIONS = {
    "one value": ('a == "x"', []),
    "two values": ('a == "x" and a == "y"', ["unreachable-rule"]),
    "two values of two fields": ('a == "x" and b == "y"', []),
    "two values, one of them": ('a == "x" or a == "y"', []),
    "outside a list": ('a in ["x", "y"] and a == "z"', ["unreachable-rule"]),
    "two lists that share": ('a in ["x", "y"] and a in ["y", "z"]', []),
    "two lists that do not": ('a in ["x"] and a in ["y", "z"]', ["unreachable-rule"]),
    "excluded": ('a == "x" and a != "x"', ["unreachable-rule"]),
    "excluded by a list": ('a == "x" and a not in ["x", "y"]', ["unreachable-rule"]),
    "all excluded": ('a in ["x", "y"] and a != "x" and a != "y"', ["unreachable-rule"]),
    "one left": ('a in ["x", "y"] and a != "x"', []),
    "bounds": ("a > 5 and a < 3", ["unreachable-rule"]),
    "bounds that touch": ("a >= 5 and a <= 5", []),
    "bounds that just miss": ("a > 5 and a <= 5", ["unreachable-rule"]),
    "a value outside": ("a == 2 and a > 5", ["unreachable-rule"]),
    "there and not": ("has(a) and not has(a)", ["unreachable-rule"]),
    "missing and compared": ('not has(a) and a == "x"', ["unreachable-rule"]),
    "missing or compared": ('not has(a) or a == "x"', []),
    "missing and not another": ('not has(a) and not a != "x"', []),
    "in each branch": ("b == 1 and (a == 1 and a == 2 or a == 3 and a == 4)", ["unreachable-rule"]),
    "in one branch": ("b == 1 and (a == 1 and a == 2 or a == 3)", []),
    "what is remembered may change": ('remember("a") == 1 and remember("a") == 2', []),
    "twice": ('a == "x" and b == "y" and a == "x"', ["redundant-condition"]),
    "implied": ('a == "x" and a in ["x", "y"]', ["redundant-condition"]),
    "a text and a number": ('capture(a, "(1)") == 1', ["never-true"]),
    "a number and a text": ('number(a) == "1"', ["never-true"]),
    "a field and a number": ("a == 1", []),
    "text against number": ("lower(a) < 5", ["never-true"]),
    "a list of numbers": ("lower(a) in [1, 2]", ["never-true"]),
    "capitals": ('lower(a) == "Ab"', ["never-true"]),
    "capitals in a list": ('lower(a) in ["Ab"]', ["never-true"]),
    "some capitals in a list": ('lower(a) in ["Ab", "cd"]', []),
    "capitals within": ('"Ab" in lower(a)', ["never-true"]),
    "starts with capitals": ('starts(lower(a), "Ab")', ["never-true"]),
    "capitals in a table": ('map(lower(a), {"OK": "b"}, "c") == "b"', ["never-true"]),
    "small letters": ('lower(a) == "ab"', []),
    "literally false": ("false and a", ["unreachable-rule"]),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_conditions(tmp_path: Path, case: str) -> None:
    condition, expected = CONDITIONS[case]
    text = config(rule=f"when: '{condition}'")
    if "remember" in condition:
        text += "  - {name: m, remember: {a: a}}\n"
    assert kinds(found_in(tmp_path, text)) == expected


PATTERNS = {
    "anchored": (r"^a.*b$", []),
    "start in the middle": (r"a^b", ["regex-never"]),
    "start in a group in the middle": (r"a(^b)", ["regex-never"]),
    "start in one branch": (r"(?:^|x)b[0-9]", []),
    "start behind what may be empty": (r"a*^b", []),
    "twice the start": (r"^a.*^b", ["regex-never"]),
    "end in the middle": (r"a$b", ["regex-never"]),
    "end in one branch": (r"a(?:$|[0-9])", []),
    "many lines": (r"(?m)a$\nb", []),
    "nothing in a class": (r"a[^\s\S]", ["regex-never"]),
    "a class and its opposite": (r"a[\s\S]b", []),
    "nothing needed": (r"[a-z]*", ["regex-always"]),
    "an empty branch": (r"a[0-9]|", ["regex-always"]),
    "the whole text may be empty": (r"^[a-z]*$", []),
    "a plain text": (r"timed out", ["regex-plain"]),
    "a text with a point": (r"a\.b", []),
    "anything before": (r".*a[0-9]", ["regex-cost"]),
}


@pytest.mark.parametrize("case", PATTERNS)
def test_patterns(tmp_path: Path, case: str) -> None:
    pattern, expected = PATTERNS[case]
    assert kinds(found_in(tmp_path, config(rule=f"when: 'matches(a, {json.dumps(pattern)})'"))) == expected


RULES = {
    "a rule for another format": (
        "sources: [{name: s, paths: [x], format: json}]\n" + config(rule="format: ollama"),
        ["unreachable-rule"],
    ),
    "a rule for fields, and logfmt": (
        "sources: [{name: s, paths: [x], format: logfmt}]\n" + config(rule="format: json"),
        [],
    ),
    "one of the sources has it": (
        "sources: [{name: s, paths: [x], format: json}, {name: t, paths: [x]}]\n" + config(rule="format: ollama"),
        [],
    ),
    "capitals for a small text": (config(rule="when: 'matches(lower(a), \"Error [0-9]\")'"), ["regex-never"]),
    "capitals or small ones": (config(rule="when: 'matches(lower(a), \"[Ee]rror [0-9]\")'"), []),
    "capitals, told to ignore that": (config(rule="when: 'matches(lower(a), \"(?i)Error [0-9]\")'"), []),
    "two groups": (config("x", "gauge", update="x: 'number(capture(a, \"(a|b) ([0-9]+)\"))'"), ["regex-groups"]),
    "two groups, one not counted": (
        config("x", "gauge", update="x: 'number(capture(a, \"(?:a|b) ([0-9]+)\"))'"),
        [],
    ),
    "the same twice, told in another order": (
        config(rule="when: a == 1 and b == 2") + "  - {name: q, when: b == 2 and a == 1, update: {x_total: 1}}\n",
        ["counted-twice"],
    ),
    "the same condition, another label": (
        config(more=", labels: [l]", update="'x_total{l=\"a\"}': 1")
        + "  - {name: q, when: a, update: {'x_total{l=\"b\"}': 1}}\n",
        [],
    ),
    "a gauge twice": (
        config("x", "gauge", update="x: a") + "  - {name: q, when: a, update: {x: b}}\n",
        [],
    ),
    "a definition of a definition": (
        "define: {a1: b, a2: a1}\n" + config(rule="when: a2"),
        [],
    ),
    "a definition of a source's agent": (
        "define: {who: path.stem}\nsources: [{name: s, paths: [x], agent: who}]\n" + config(),
        [],
    ),
    "bounds of tasks": (
        config("x_seconds", "histogram", ", buckets: [60, 300, 1800, 3600]", update="x_seconds: s(a)"),
        [],
    ),
    "bounds of hours and more": (
        config("x_seconds", "histogram", ", buckets: task_duration", update="x_seconds: s(a)"),
        [],
    ),
    "bounds in milliseconds": (
        config("x_seconds", "histogram", ", buckets: [5, 10, 50, 100, 500, 1000]", update="x_seconds: ms(a)"),
        ["bucket-unit"],
    ),
    "init that can be": (
        config(more=", labels: [l], init: [{l: a}]", rule="labels: {l: a}"),
        [],
    ),
    "a label for one of two metrics": (
        config(rule="labels: {l: a}", update="x_total: 1, y_total: 1").replace(
            "rules:", "  y_total: {type: counter, help: How it is, labels: [l]}\nrules:"
        ),
        [],
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_rules(tmp_path: Path, case: str) -> None:
    text, expected = RULES[case]
    assert kinds(found_in(tmp_path, text)) == expected


# What the packs do on purpose.
ACCEPTED = {
    ("ollama", "regex-plain"): "they stand in rows of patterns that look alike",
    ("tgi", "constant-label"): "the label is what other servers' token metrics have",
}


def test_packs_are_clean() -> None:
    """But for what is accepted, and each of that is still there."""
    found = {(name, finding.rule) for name, pack in builtin_packs().items() for finding in lint_pack(pack)}
    assert found == set(ACCEPTED)


@pytest.mark.parametrize("path", ["examples/config.yaml", "systemd/config.yaml"])
def test_configs_that_are_shipped_are_clean(path: str) -> None:
    assert lint(str(ROOT / path), builtin_packs())[1] == []


def test_configs_in_the_docs_are_clean(tmp_path: Path) -> None:
    """But for a metric that is shown without the rules that feed it."""
    texts = [
        text
        for path in (ROOT / "docs").rglob("*.md")
        for text in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.S)
    ]
    whole = [
        text for text in texts if re.search("^(rules|metrics):", text, re.M) and re.search("^metrics:", text, re.M)
    ]
    found = [finding for text in whole for finding in found_in(tmp_path, text)]
    assert whole
    assert {finding.rule for finding in found if finding.severity != "note"} <= {"unfed-metric"}


# -- comments


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  x_total: {type: gauge, help: How it is}", ["metric-suffix"]),
        ("  x_total: {type: gauge, help: How it is}  # logmetrics: ignore[metric-suffix]", []),
        (
            "  # logmetrics: ignore[metric-suffix, metric-unit]\n  # It is so.\n  x_total: {type: gauge, help: How}",
            [],
        ),
        ("  x_total: {type: gauge, help: How it is}  # logmetrics: ignore[metric-unit]", ["metric-suffix"]),
        (
            "  x_total: {type: gauge, help: How it is}  # logmetrics: ignore[metric-sufix]",
            ["metric-suffix", "unknown-rule"],
        ),
        (
            "  # logmetrics: ignore[metric-suffix]\n  y: {type: gauge, help: How}\n  x_total: {type: gauge, help: How}",
            ["metric-suffix"],
        ),
    ],
    ids=["none", "on the line", "above", "of something else", "misspelt", "of another line"],
)
def test_a_comment_accepts_a_finding(tmp_path: Path, line: str, expected: list[str]) -> None:
    update = "{x_total: 1, y: 1}" if "  y:" in line else "{x_total: 1}"
    text = f"packs: []\nmetrics:\n{line}\nrules:\n  - {{name: r, update: {update}}}\n"
    assert kinds(found_in(tmp_path, text)) == expected


# -- the command


GOOD = config()
WARNS = config(more=", labels: [job]", rule="labels: {job: s}")
WRONG = config(rule='when: a == "x" and a == "y"')
NOTES = config(rule="when: 'matches(a, \"plain\")'")


@pytest.mark.parametrize(
    ("text", "plain", "strict"),
    [(GOOD, 0, 0), (NOTES, 0, 0), (WARNS, 0, 2), (WRONG, 2, 2), ("metrics: 5\n", 2, 2)],
    ids=["good", "notes", "warnings", "errors", "cannot be loaded"],
)
def test_exit_codes(tmp_path: Path, text: str, plain: int, strict: int) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert [check("-c", str(path))[0], check("-c", str(path), "--strict")[0]] == [plain, strict]
    assert [check("-c", str(path), "--json")[0], check("-c", str(path), "--json", "--strict")[0]] == [plain, strict]


def test_a_config_may_stand_among_the_samples(tmp_path: Path) -> None:
    """People write `check config.yaml`."""
    path, log = tmp_path / "config.yaml", tmp_path / "a.log"
    path.write_text(GOOD)
    log.write_text('{"a": 1}\n')
    assert check(str(path)) == check("--config", str(path))
    assert "1 RECORDS OF 1 FILES" not in check(str(path), str(log))[1]
    assert "1 RECORD OF 1 FILE" in check(str(path), str(log))[1]


def test_paths_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are meant to be found from here are told; it may be another machine's config all the same."""
    monkeypatch.chdir(tmp_path)
    Path("there.log").touch()
    Path("c.yaml").write_text("sources: [{name: s, paths: [there.log, their.log, /nowhere/x.log, '*.txt']}]\n")
    code, _, message = check("c.yaml")
    assert (code, message.partition("; ")[0]) == (0, "logmetrics: note: nothing is there now: their.log")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to check: give --config FILE"),
        (["nowhere.log"], "no such file or directory: nowhere.log"),
        (["a.yaml", "b.yaml"], "one config at a time"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_checked(arguments: list[str], words: str) -> None:
    code, shown, message = check(*arguments)
    assert (code, shown) == (2, "")
    assert words in message


def test_json_has_it_all(tmp_path: Path) -> None:
    path, log = tmp_path / "config.yaml", tmp_path / "a.log"
    path.write_text(WARNS)
    log.write_text('{"s": "one"}\n{"s": "two"}\nbroken {\n{"s": \n')
    document = json.loads(check("-c", str(path), str(log), "--json")[1])
    assert document["counts"] == {"error": 0, "warning": 1, "note": 0}
    [finding] = document["findings"]
    assert (finding["rule"], finding["severity"], finding["line"]) == ("renamed-label", "warning", 3)
    assert document["samples"]["records"] == 4
    [forecast] = document["forecast"]
    assert (forecast["metric"], forecast["series"], forecast["series_max"]) == ("x_total", 3, 2000)


def test_json_of_what_cannot_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("metrics: 5\nlisten: 7\n")
    code, shown, _ = check("-c", str(path), "--json")
    document = json.loads(shown)
    assert (code, document["counts"]["error"]) == (2, 2)
    assert [(each["line"], each["severity"], each["rule"]) for each in document["findings"]] == [
        (1, "error", "config"),
        (2, "error", "config"),
    ]


def test_findings_in_the_docs() -> None:
    """Each has its line in the table of docs/check.md, with its severity, and there is no other."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (error|warning|note) \|", (ROOT / "docs/check.md").read_text(), re.MULTILINE)
    assert dict(rows) == SEVERITIES
    assert len(rows) == len(SEVERITIES)


# -- with samples


def lines(*records: dict[str, object]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def calls(number: int, **more: object) -> list[dict[str, object]]:
    """So many records, a second apart; texts with {n} have their number in them."""

    def filled(value: object, n: int) -> object:
        return value.format(n=n) if isinstance(value, str) else value

    return [
        {
            "time": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z",
            "a": 1,
            **{key: filled(each, n) for key, each in more.items()},
        }
        for n in range(number)
    ]


LABELLED = config(more=", labels: [l]", rule="labels: {l: l}")
WAITS = config("w_seconds", "histogram", ", buckets: [1, 2, 4]", update="w_seconds: w")
SAMPLED = {
    "nothing wrong": (LABELLED, calls(60, l="x"), []),
    "a new value each time": (LABELLED, calls(60, l="call {n}"), ["growing-label"]),
    "meant so": (LABELLED.replace("help:", "allow_unbounded: true, help:"), calls(60, l="call {n}"), []),
    "few records": (LABELLED, calls(12, l="call {n}"), []),
    "more values than there may be": (
        LABELLED.replace("packs: []", "packs: []\nlimits: {values_per_label: 3}"),
        [*calls(60, l="x"), *calls(9, l="call {n}")],
        ["series-limit", "growing-label"],
    ),
    "ids among names": (
        LABELLED,
        [*calls(40, l="x"), *calls(1, l="0b2f3c54-91a8-4be1-8f43-5a5c0f0a9f77")],
        ["id-label"],
    ),
    "ids that are wanted": (
        LABELLED.replace("help:", "raw: [l], help:"),
        [*calls(40, l="x"), *calls(1, l="0b2f3c54-91a8-4be1-8f43-5a5c0f0a9f77")],
        [],
    ),
    "a field that is never there": (LABELLED, calls(30), ["unknown-label"]),
    "a field that is seldom there": (LABELLED, [*calls(30), *calls(1, l="x")], []),
    "a literal unknown": (
        config(more=", labels: [l]", rule="labels: {l: '\"unknown\"'}"),
        calls(30),
        ["constant-label"],
    ),
    "a metric that fills up": (
        LABELLED.replace("help:", "limits: {series: 10}, help:"),
        [*calls(60, l="x"), *(each for n in range(8) for each in calls(3, l=f"y{n}"))],
        ["series-limit"],
    ),
    "a metric that is full of what came early": (
        LABELLED.replace("help:", "limits: {series: 20}, help:"),
        [*(each for n in range(8) for each in calls(1, l=f"y{n}")), *calls(60, l="y1")],
        [],
    ),
    "buckets that fit": (WAITS, [*calls(30, w=0.5), *calls(30, w=3)], []),
    "buckets that end too early": (WAITS, [*calls(30, w=0.5), *calls(30, w=9)], ["bucket-fit"]),
    "buckets that begin too late": (WAITS, [*calls(60, w=0.5), *calls(5, w=3)], ["bucket-fit"]),
    "all in one bucket": (WAITS, calls(60, w=1.5), ["bucket-fit"]),
    "all in a narrow bucket": (WAITS.replace("[1, 2, 4]", "[1, 1.5, 4]"), calls(60, w=1.5), []),
    "few observations": (WAITS, calls(10, w=9), []),
    "values that are not there": (WAITS, [*calls(10, w=1.5), *calls(30)], ["skipped-updates"]),
    "a value that is not there": (WAITS, [*calls(10, w=1.5), *calls(1)], ["some-skipped-updates"]),
    "texts in place of numbers": (WAITS, calls(10, w="1.5s"), ["skipped-updates"]),
    "a start that was given up": (
        "packs: []\nmetrics: {x_total: {type: counter, help: How it is}}\nrules:\n  - name: r\n"
        "    pair: {start: a == 1, end: a == 2, key: k, timeout: 5s}\n"
        "    update: {x_total: 1}\n    on_timeout: {x_total: n}\n",
        calls(30, k="k {n}", n=5),
        ["skipped-updates"],
    ),
    "no rule matches": (config(rule="when: b"), calls(3), ["silent-rules"]),
    "one rule does not match": (
        config() + "  - {name: q, when: b, update: {x_total: 1}}\n",
        calls(3),
        ["silent-rule"],
    ),
    "counted by a pack, too": (
        "packs: [agent]\nrules:\n  - name: mine\n    when: event == 'tool_call'\n"
        "    labels: {agent: who, tool_name: tool, status: \"'success'\"}\n    update: {agent_tool_calls_total: 1}\n",
        calls(3, event="tool_call", tool="x", who="w", agent="w"),
        ["counted-twice"],
    ),
    "counted by a pack in other records": (
        "packs: [agent]\nrules:\n  - name: mine\n    when: kind == 'call'\n"
        "    labels: {agent: who, tool_name: tool, status: \"'success'\"}\n    update: {agent_tool_calls_total: 1}\n",
        [*calls(3, event="tool_call", tool="x", who="w", agent="w"), *calls(3, kind="call", tool="x", who="w")],
        [],
    ),
}


@pytest.mark.parametrize("case", SAMPLED)
def test_what_samples_say(tmp_path: Path, case: str) -> None:
    text, records, expected = SAMPLED[case]
    log = tmp_path / "a.log"
    log.write_text(lines(*records))
    assert kinds(found_in(tmp_path, text, str(log))) == expected


def test_a_directory_of_several_sources(tmp_path: Path) -> None:
    """Each log in it is read as its source says, the first that names it."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("INFO done\n")
    (tmp_path / "logs" / "b.log").write_text('{"a": 1}\n')
    text = (
        "packs: []\nsources:\n"
        f"  - {{name: texts, paths: ['{tmp_path}/logs/a.log'], format: {{regex: '^(?P<level>[A-Z]+) '}}}}\n"
        f"  - {{name: rest, paths: ['{tmp_path}/logs']}}\n"
        "metrics: {x_total: {type: counter, help: How it is}}\nrules:\n"
        "  - {name: text, when: source == 'texts' and level == 'INFO', update: {x_total: 1}}\n"
        "  - {name: json, when: a == 1, update: {x_total: 1}}\n"
    )
    assert kinds(found_in(tmp_path, text, str(tmp_path / "logs"))) == []


def test_a_whole_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a forecast: what grows is told apart from what does not."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(
        """\
packs: []
limits: {series_per_metric: 60}
metrics:
  app_calls_total: {type: counter, help: Calls by tool and user, labels: [tool, user]}
  app_wait_seconds: {type: histogram, help: How long a call waits, labels: [tool], buckets: [0.1, 1, 10]}
rules:
  - name: call
    when: event == "call"
    labels: {tool: tool, user: user}
    update: {app_calls_total: 1, app_wait_seconds: ms(wait)}
"""
    )
    Path("logs").mkdir()
    for name in ("a", "b"):
        records = calls(40, event="call", tool=name, user="user {n}", wait=500)
        Path(f"logs/{name}.log").write_text("oops\n" + lines(*records, {"event": "other"}))
    code, shown, messages = check("--strict", "config.yaml", "logs")
    assert (code, messages) == (2, "")
    assert [line.rstrip() for line in shown.splitlines()] == (MISTAKES.parent / "report.txt").read_text().splitlines()


def test_samples_are_read_as_their_source_is(tmp_path: Path) -> None:
    """By the source whose paths they match, by the only one there is, or as `watch` would."""
    (tmp_path / "a.log").write_text("INFO one\nWARN two\n")
    regex = "format: {regex: '^(?P<lvl>[A-Z]+) '}"
    text = config(more=", labels: [l]", rule="when: has(lvl)\n    labels: {l: lvl}")
    for sources in (
        f"sources: [{{name: s, paths: ['{tmp_path}/*.log'], {regex}}}, {{name: t, paths: [/y]}}]\n",
        f"sources: [{{name: t, paths: [/y]}}, {{name: s, paths: ['{tmp_path}'], {regex}}}]\n",
        f"sources: [{{name: s, paths: [/x], {regex}}}]\n",
    ):
        path = tmp_path / "config.yaml"
        path.write_text(sources + text)
        [forecast] = report_on(str(path), [str(tmp_path / "a.log")]).forecasts
        assert (forecast.series, forecast.labels[0].values) == (2, 2)
    path.write_text(f"sources: [{{name: s, paths: [/x], {regex}}}, {{name: t, paths: [/y]}}]\n" + text)
    observed = report_on(str(path), [str(tmp_path / "a.log")]).observed
    assert observed is not None
    assert (observed.unmatched, observed.unmatched_place) == (2, f"{tmp_path}/a.log:1")


def test_logs_of_one_directory_go_to_their_sources(tmp_path: Path) -> None:
    """A directory, or a glob, that has logs of several sources."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("INFO one\nWARN two\n")
    (logs / "b.log").write_text('{"lvl": "x"}\n')
    path = tmp_path / "config.yaml"
    first = f"{{name: a, paths: ['{logs}/a.log'], format: {{regex: '^(?P<lvl>[A-Z]+) '}}}}"
    text = config(more=", labels: [l]", rule="when: has(lvl)\n    labels: {l: lvl}")
    path.write_text(f"sources: [{first}, {{name: rest, paths: ['{logs}']}}]\n" + text)
    for sample in (str(logs), f"{logs}/*.log"):
        report = report_on(str(path), [sample])
        assert report.observed is not None
        assert (report.observed.files, report.observed.unmatched) == (2, 0)
        assert report.forecasts[0].labels[0].values == 3


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """The rest is reported all the same."""
    path, log = tmp_path / "config.yaml", tmp_path / "a.log"
    path.write_text(GOOD)
    log.write_text('{"a": 1}\n')
    (tmp_path / "b.log").symlink_to("b.log")
    code, shown, message = check("-c", str(path), str(log), str(tmp_path / "b*"), str(tmp_path / "a*"))
    assert (code, "1 RECORD OF 1 FILE" in shown) == (1, True)
    assert message == "the forecast is without what could not be read"


def test_escapes_in_logs_stay_harmless(tmp_path: Path) -> None:
    path, log = tmp_path / "config.yaml", tmp_path / "a.log"
    path.write_text(LABELLED)
    log.write_text(lines(*calls(40, l="\x1b[31mred {n}")))
    code, shown, _ = check("-c", str(path), str(log))
    assert (code, "\x1b" in shown, "\\x1b[31mred 0" in shown) == (0, False, True)
