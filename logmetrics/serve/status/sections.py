"""A status as sections of blocks, for the page and for `logmetrics top`."""

from __future__ import annotations

from collections.abc import Iterable

from logmetrics.present import amounts
from logmetrics.present.blocks import (
    Bar,
    Block,
    Callouts,
    Cell,
    Chart,
    Column,
    Entry,
    Fact,
    Facts,
    Note,
    Section,
    Tone,
    Trend,
    table,
)
from logmetrics.serve.status.data import (
    Example,
    RuleStatus,
    SourceStatus,
    Status,
    countable_lines,
    uncounted_lines,
    uncounted_share,
)
from logmetrics.serve.status.troubles import LATE_S, LOSSES, MANY, is_mostly_skipped, troubles_of
from logmetrics.store.report import NEARLY_FULL, FamilyReport, LabelReport

# Rows that are seen at once.
RULES_FIRST, METRICS_FIRST, FILES_FIRST, MESSAGES_FIRST = 12, 15, 6, 12
# A table of more rows than this can be searched.
FIND_FROM = 12
VALUES_SHOWN = 3


def sections_of(status: Status) -> list[Section]:
    """All there is to tell, what matters first."""
    troubles = troubles_of(status)
    sections = [
        Section("troubles", "To look at", (Callouts(troubles),) if troubles else ()),
        Section("overview", "Overview", (_facts(status), *_charts(status))),
        Section("sources", "Sources", tuple(_sources(status))),
        Section("metrics", "Metrics", tuple(_metrics(status))),
        Section("rules", "Rules", tuple(_rules(status))),
        Section("uncounted", "Not counted", tuple(_examples(status))),
        Section("losses", "Losses", (_losses(status),)),
        Section("messages", "Messages", (_messages(status),)),
        Section("config", "Configuration", (_config(status),)),
    ]
    return [section for section in sections if section.blocks]


def _facts(status: Status) -> Facts:
    totals, commits = status.totals, status.commits
    share = uncounted_share(totals)
    late = totals.lag_s >= LATE_S
    behind = f"for {amounts.lasting(totals.lag_s)}" if totals.lag_bytes else "all is read"
    full = totals.series >= NEARLY_FULL * totals.series_max
    last_unix_s = max((each.last_line_unix_s for each in status.sources if each.last_line_unix_s), default=None)
    saved = f"saved in {amounts.seconds(commits.last_duration_s)}" if commits.last_unix_s else "not saved yet"
    facts = [
        Fact(amounts.rate(totals.lines_per_s), "lines read", f"{amounts.count(totals.lines)} in all"),
        Fact(
            "-" if share is None else amounts.percent(1 - share),
            "of all lines counted",
            f"{amounts.count(uncounted_lines(totals))} were not",
        ),
        Fact(amounts.size(totals.lag_bytes), "unread", behind, "warn" if late else ""),
        Fact(
            amounts.count(totals.series),
            "series",
            f"of {amounts.count(totals.series_max)} that there may be",
            "warn" if full else "",
        ),
        Fact(
            _ago(status, last_unix_s, "none yet").text,
            "last line",
            saved if commits.problem is None else "cannot be saved",
            "" if commits.problem is None else "bad",
        ),
    ]
    if totals.lost_bytes:
        facts.append(Fact(amounts.size(totals.lost_bytes), "lost", "see Losses", "warn"))
    return Facts(tuple(facts))


def _charts(status: Status) -> Iterable[Chart]:
    history = status.history
    start_s = history.end_unix_s - history.step_s * len(history.lines)

    def chart(
        title: str, metric: str, counts: Iterable[float], errors: Iterable[float] = (), level: float | None = None
    ) -> Chart:
        marked = tuple(errors)
        kept = marked if any(marked) else ()
        return Chart(title, metric, start_s, history.step_s, tuple(counts), kept, "unparsable", level)

    yield chart("Lines", "lines", history.lines, history.unparsable_lines)
    uncounted = map(sum, zip(history.unmatched_lines, history.unparsable_lines, history.oversize_lines, strict=True))
    yield chart("Not counted", "lines", uncounted, history.unparsable_lines)
    yield chart("Unread", "lag_bytes", history.lag_bytes, level=status.totals.lag_bytes)
    yield chart("Series", "series", history.series, level=status.totals.series)


def _ago(status: Status, unix_s: float | None, never: str = "never") -> Cell:
    if unix_s is None:
        return Cell(never, tone="mute")
    return Cell(amounts.ago(status.unix_s - unix_s), f"{amounts.moment(unix_s)} UTC")


def _count(value: float, tone: Tone = "") -> Cell:
    return Cell(amounts.short(value), amounts.count(value), tone)


def _sources(status: Status) -> Iterable[Block]:
    columns = (
        Column("source", "text"),
        Column("files"),
        Column("lines"),
        Column("rate"),
        Column("last hour", "picture", wide=True),
        Column("not counted"),
        Column("unread"),
        Column("last line"),
    )
    rows = (_source(status, source) for source in status.sources)
    yield table("", columns, rows)
    logs = [
        (
            Cell(file.path, code=True, more=(" + ".join(file.packs),) if file.packs else ()),
            Cell(amounts.size(file.size_bytes), f"{amounts.count(file.size_bytes)} bytes"),
            Cell(amounts.size(file.lag_bytes) if file.lag_bytes else "-"),
            _ago(status, file.written_unix_s),
        )
        for source in status.sources
        for file in source.listed_files
    ]
    if logs:
        titles = (Column("log", "text"), Column("size"), Column("unread"), Column("written"))
        left = sum(source.files or 0 for source in status.sources) - len(logs)
        rest = f"and {left:,} logs that nothing was written to for longer" if left > 0 else ""
        yield table("Logs", titles, logs, rest=rest, first=FILES_FIRST)


def _source(status: Status, source: SourceStatus) -> tuple[Entry, ...]:
    uncounted, share = uncounted_lines(source), uncounted_share(source) or 0.0
    bad = source.unparsable_lines > MANY * countable_lines(source)
    late: Tone = "warn" if source.lag_s >= LATE_S else ""
    problems = f"{source.problem_count:,} cannot be read" if source.problem_count else ""
    return (
        Cell(source.name, more=(", ".join(source.reads), *filter(None, (problems,)))),
        Cell("" if source.files is None else amounts.count(source.files), tone="bad" if problems else ""),
        _count(source.lines),
        Cell(amounts.rate(source.lines_per_s)),
        Trend(tuple(source.lines_by_minute)),
        Cell(amounts.percent(share), f"{amounts.count(uncounted)} lines", "warn" if bad else ""),
        Cell(amounts.size(source.lag_bytes), f"for {amounts.lasting(source.lag_s)}", late),
        _ago(status, source.last_line_unix_s, "none yet"),
    )


def _metrics(status: Status) -> Iterable[Block]:
    columns = (
        Column("metric", "text"),
        Column("series"),
        Column("limit"),
        Column("", "picture"),
        Column("heaviest label values", "text", wide=True),
        Column("overflowed"),
        Column("parked"),
    )
    rows = [_metric(report) for report in status.metrics]
    if not rows:
        yield Note("Nothing was counted yet.")
        return
    find = "metric" if len(rows) > FIND_FROM else ""
    yield table("", columns, rows, first=METRICS_FIRST, find=find)


def _metric(report: FamilyReport) -> tuple[Entry, ...]:
    share = min(report.series / report.series_max, 1.0) if report.series_max else 0.0
    refused = sum(report.refused.values()) + sum(sum(label.refused.values()) for label in report.labels)
    # The label that makes the most of its series comes first.
    labels = sorted(report.labels, key=lambda label: label.name != report.driver)
    first, *more = [_label(label) for label in labels if label.samples] or [""]
    return (
        Cell(report.metric, code=True, more=(report.type,)),
        Cell(amounts.count(report.series), tone="bad" if report.remedy and share >= NEARLY_FULL else ""),
        Cell(amounts.count(report.series_max), tone="mute"),
        Bar(share, share if share >= NEARLY_FULL else 0.0, whole=True),
        Cell(first, more=tuple(more)),
        Cell(amounts.count(refused) if refused else "-", tone="bad" if refused and report.remedy else ""),
        Cell(amounts.count(report.parked) if report.parked else "-"),
    )


def _label(label: LabelReport) -> str:
    heaviest = label.samples[:VALUES_SHOWN]
    # What an `active` metric or a gauge of now measures is no number of events.
    values = ", ".join((value or '""') + (f" ×{amounts.short(count)}" if count else "") for value, count in heaviest)
    more = label.values - len(heaviest)
    rest = f" and {more:,} more" if more > 0 else ""
    seen = f", about {label.distinct:,} seen" if label.distinct > label.values else ""
    return f"{label.name}: {values}{rest}{seen}"


def _rules(status: Status) -> Iterable[Block]:
    columns = (
        Column("rule", "text"),
        Column("matches"),
        Column("rate"),
        Column("last hour", "picture", wide=True),
        Column("last match"),
        Column("open pairs"),
        Column("skipped updates"),
    )
    rows = [_rule(status, rule) for rule in status.rules]
    if not rows:
        yield Note("No rule matched anything yet.")
        return
    yield table("", columns, rows, first=RULES_FIRST, find="rule" if len(rows) > FIND_FROM else "")


def _rule(status: Status, rule: RuleStatus) -> tuple[Entry, ...]:
    never = "not in this run" if rule.matches else "never"
    return (
        Cell(rule.name),
        _count(rule.matches, "" if rule.matches else "mute"),
        Cell(amounts.rate(rule.matches_per_s)),
        Trend(tuple(rule.matches_by_minute)),
        _ago(status, rule.last_match_unix_s, never),
        Cell(amounts.count(rule.open_pairs) if rule.open_pairs else "-"),
        _skipped(rule),
    )


def _skipped(rule: RuleStatus) -> Cell:
    if not rule.skipped:
        return Cell("-")
    of = f" of {amounts.count(rule.updates)}" if rule.updates >= rule.skipped else ""
    told = f"{amounts.count(rule.skipped)}{of}: {rule.skipped_why}"
    return Cell(told, tone="warn" if is_mostly_skipped(rule) else "")


def _examples(status: Status) -> Iterable[Block]:
    if not status.shows_examples:
        yield Note("What logs hold is shown on this machine only, or to those who gave a password.")
        return
    rows = [_example(status, example) for example in status.examples]
    if not rows:
        yield Note("None so far." if status.totals.lines else "Nothing was read yet.")
        return
    columns = (Column("line", "text"), Column("why", "text"), Column("seen"), Column("last"))
    note = "Now and then lines that were not counted are looked at: the last one of each shape. Not all are seen."
    yield table("", columns, rows, note=note)


def _example(status: Status, example: Example) -> tuple[Entry, ...]:
    cut = "..." if len(example.text) >= amounts.EXCERPT_CHARACTERS else ""
    why = "no record of its format" if example.kind == "unparsable" else "no rule counts it"
    return (
        Cell(f"{example.text}{cut}" or "(empty)", code=True, more=(example.path,)),
        Cell(why, tone="bad" if example.kind == "unparsable" else ""),
        Cell(amounts.count(example.seen)),
        _ago(status, example.last_unix_s),
    )


def _losses(status: Status) -> Block:
    if not status.lost_bytes:
        return Note("Nothing is known to have gone unread.")
    rows = [
        (Cell(reason.replace("_", " ")), Cell(LOSSES.get(reason, "")), Cell(amounts.size(count), amounts.count(count)))
        for reason, count in status.lost_bytes.items()
    ]
    return table("", (Column("reason", "text"), Column("what happened", "text"), Column("bytes")), rows)


def _messages(status: Status) -> Block:
    if not status.messages:
        return Note("Nothing was said yet.")
    rows = [(Cell(amounts.moment(each.unix_s)), Cell(each.text)) for each in status.messages]
    return table("", (Column("time (UTC)", "text"), Column("message", "text")), rows, first=MESSAGES_FIRST)


def _config(status: Status) -> Block:
    config, reload = status.config, status.reload
    told = {
        "config file": config.file or "none: built-in packs only",
        "packs": ", ".join(config.packs) or "none",
        "listens on": ", ".join(config.listen),
        "state": config.state_dir or "kept in memory only",
        "started": f"{amounts.moment(status.start_unix_s)} UTC",
    }
    if reload is not None:
        how = "" if reload.ok else "failed: "
        told["last reload"] = f"{how}{reload.message}, {amounts.moment(reload.unix_s)} UTC"
    told["version"] = status.version
    return table(
        "", (Column("setting", "text"), Column("value", "text")), ((Cell(k), Cell(v)) for k, v in told.items())
    )
