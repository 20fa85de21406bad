"""What of a status a person should do something about, the worst first."""

from __future__ import annotations

from collections.abc import Iterable

from logmetrics.present import amounts
from logmetrics.present.blocks import Callout, Tone
from logmetrics.serve.status.data import RuleStatus, SourceStatus, Status, countable_lines

# Behind for so long is late.
LATE_S = 60.0
# More lines than this share that are no records are worth a word.
MANY = 0.05
LINES_MIN = 20
# Agents say much that nobody counts: lines that no rule is for are worth a word when there are this many of them.
UNMATCHED_SHARE, UNMATCHED_LINES_MIN = 0.2, 100
# Rules most of whose updates are skipped, of at least so many.
UPDATES_MIN = 20
REMEDIES_SHOWN = RULES_SHOWN = 4
PROBLEMS_SHOWN = 5
LOSSES = {
    "truncated": "a log was cut before all of it was read",
    "deleted": "a log was removed before all of it was read",
    "gone_while_down": "a log was gone when logmetrics was started again",
    "forgotten": "too many logs without a file",
}


def headline(status: Status) -> tuple[Tone, str, str]:
    """How it is at one glance: the tone, a few words, and a sentence."""
    since = f"Up for {amounts.lasting(status.uptime_s)}."
    if status.state == "failing":
        return "bad", "Counts cannot be saved", f"Scrapes see the last commit until this succeeds. {since}"
    if status.reading is not None:
        read = status.reading
        if not read.total_bytes:
            return "warn", "Starting", f"Looking for what there is to read. {since}"
        share = read.read_bytes / read.total_bytes
        done = f"{amounts.size(read.read_bytes)} of {amounts.size(read.total_bytes)}, {read.lines:,} lines"
        return "warn", f"Reading what was there: {share:.0%}", f"{done}. Metrics are served when all of it is read."
    troubles = troubles_of(status)
    if troubles:
        number = "one thing" if len(troubles) == 1 else f"{len(troubles)} things"
        tone: Tone = "bad" if any(trouble.tone == "bad" for trouble in troubles) else "warn"
        return tone, f"Ready, {number} to look at", since
    return "good", "Ready", f"All is well. {since}"


def troubles_of(status: Status) -> tuple[Callout, ...]:
    """What stands in the way, then what may."""
    found = [*_of_the_whole(status)]
    for source in status.sources:
        found += _of_source(source, reading=status.reading is not None)
        found += _of_lines(status, source)
    found += _losses(status)
    found += _of_rules(status)
    found += _of_metrics(status)
    return tuple(sorted(found, key=lambda callout: callout.tone != "bad"))


def _of_the_whole(status: Status) -> Iterable[Callout]:
    if status.commits.problem is not None:
        lines = (f"{status.commits.problem}.", "Nothing is lost: what is not saved is read again after a restart.")
        yield Callout("What is counted cannot be saved", "bad", lines)
    if status.reload is not None and not status.reload.ok:
        lines = (status.reload.message, "The configuration from before is still in use.")
        yield Callout("The last reload failed", "bad", lines)


def _of_source(source: SourceStatus, *, reading: bool) -> Iterable[Callout]:
    if source.problem_count:
        lines = [f"{problem.path}: {problem.what}" for problem in source.problems[:PROBLEMS_SHOWN]]
        if source.problem_count > PROBLEMS_SHOWN:
            lines.append(f"and {source.problem_count - PROBLEMS_SHOWN:,} more")
        if any("ermission" in problem.what for problem in source.problems):
            lines.append(
                "Add the user that runs logmetrics to the group that may read this, or give it an ACL (setfacl)."
            )
        what = "One path" if source.problem_count == 1 else f"{source.problem_count:,} paths"
        missing = all("No such file" in problem.what for problem in source.problems)
        yield Callout(f"{what} of {source.name} cannot be read", "warn" if missing else "bad", tuple(lines))
    if source.lag_s >= LATE_S and not reading:
        lines = [f"{amounts.size(source.lag_bytes)} are unread, for {amounts.lasting(source.lag_s)} now."]
        yield Callout(f"{source.name} is behind", "warn", tuple(lines))


def _of_lines(status: Status, source: SourceStatus) -> Iterable[Callout]:
    """What of a source's lines was not counted, as far as there is much of it."""
    if source.oversize_lines:
        one = source.oversize_lines == 1
        title = f"{amounts.number_of('line', source.oversize_lines)} of {source.name} {'is' if one else 'are'} too long"
        to_do = "What is longer than max_line_bytes is passed over. If it is a record, raise that for this source."
        yield Callout(title, "warn", (to_do,))
    if source.lines < LINES_MIN:
        return
    unmatched_share = source.unmatched_lines / (countable_lines(source) or 1)
    if source.unparsable_lines > MANY * countable_lines(source):
        share = amounts.percent(source.unparsable_lines / countable_lines(source))
        lines = [
            *_below(status, source, "unparsable"),
            "The source's format, or exclude_lines, may be what is missing.",
        ]
        yield Callout(
            f"{share} of the lines of {source.name} are no records of their format", "warn", (" ".join(lines),)
        )
    elif not source.matched_lines:
        lines = [*_below(status, source, "unmatched"), "No pack knows them, so they need rules of your own."]
        yield Callout(f"No rule counts any line of {source.name}", "warn", (" ".join(lines),))
        return
    below = _below(status, source, "unmatched")
    if source.lines >= UNMATCHED_LINES_MIN and unmatched_share > UNMATCHED_SHARE and below:
        to_do = "What is worth a number needs a rule of your own; exclude_lines passes over the others."
        title = f"No rule counts {amounts.percent(unmatched_share)} of the lines of {source.name}"
        yield Callout(title, "warn", (" ".join((*below, to_do)),))


def _below(status: Status, source: SourceStatus, kind: str) -> tuple[str, ...]:
    """Where examples of such lines are to be seen; nothing where there are none."""
    if not status.shows_examples:
        return ("Examples are shown on the machine that it runs on.",)
    there = any(example.source == source.name and example.kind == kind for example in status.examples)
    return ("Examples stand below, under Not counted.",) if there else ()


def _losses(status: Status) -> Iterable[Callout]:
    if status.lost_bytes:
        lines = (f"{amounts.size(count)}: {LOSSES.get(reason, reason)}." for reason, count in status.lost_bytes.items())
        yield Callout("Some lines are known to have gone unread", "warn", tuple(lines))


def is_mostly_skipped(rule: RuleStatus) -> bool:
    """Whether most of what the rule would update has no usable value."""
    return rule.updates >= UPDATES_MIN and rule.skipped > rule.updates / 2


def _of_rules(status: Status) -> Iterable[Callout]:
    bad = [rule for rule in status.rules if is_mostly_skipped(rule)]
    for rule in bad[:RULES_SHOWN]:
        to_do = "Does the field have another name in these lines, or another unit?"
        title = f"Rule {rule.name} skipped {rule.skipped:,} of {rule.updates:,} updates"
        yield Callout(title, "warn", (f"Their values could not be used: {rule.skipped_why}. {to_do}",))
    if len(bad) > RULES_SHOWN:
        lines = ("The rules below say which, and why.",)
        yield Callout(f"{len(bad) - RULES_SHOWN:,} more rules skipped most of their updates", "warn", lines)


def _of_metrics(status: Status) -> Iterable[Callout]:
    full = [report for report in status.metrics if report.remedy]
    for report in full[:REMEDIES_SHOWN]:
        yield Callout(report.full, "warn", (f"{report.remedy}:",), report.config)
    if len(full) > REMEDIES_SHOWN:
        yield Callout(
            f"{len(full) - REMEDIES_SHOWN:,} more metrics are full or nearly so",
            "warn",
            ("They stand first among the metrics; logmetrics cardinality says what to write.",),
        )
