"""Explanations on a terminal: what became of the record first, then why."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from logmetrics.authoring.explain.facts import Explanation, MatchFact, Nearest, RuleFact, UpdateFact
from logmetrics.authoring.explain.folding import field_names
from logmetrics.authoring.explain.wording import value_text
from logmetrics.present.amounts import harmless, moment, number_of
from logmetrics.store.spelling import number as spelled

WIDTH_MAX = 100
FIELDS_SHOWN = 14
LINES_SHOWN = 4
# How far what belongs to a heading stands from the margin.
_MARGIN = 10
_NAME_MAX = 28
_TONES = {"counted": "green", "used": "green", "unmatched": "yellow", "unparsable": "red", "oversize": "red"}
_MARKS = {"matched": ("✓", "+", "green"), "started": ("✓", "+", "green"), "no_start": ("✗", "x", "yellow")}


class Page:
    """Prints explanations on *console*. With *everything*, all fields and all rules that were asked are told."""

    def __init__(self, console: Console, *, everything: bool = False) -> None:
        self.console = console
        self.everything = everything
        self.width = min(console.width, WIDTH_MAX)
        self._lines: list[Text] = []
        try:
            "✓✗".encode(console.encoding)
            self.fancy = True
        except (UnicodeError, LookupError):
            self.fancy = False

    def show(self, told: Explanation) -> None:
        """Print all that is told of one record."""
        self._record(told)
        self.flush()

    def flush(self) -> None:
        """Print the lines so far: at once, which takes a third of the time."""
        self.console.print(Text("\n").join(self._lines), soft_wrap=True, highlight=False)
        self._lines.clear()

    def _put(self, line: Text) -> None:
        self._lines.append(line)

    def _record(self, told: Explanation) -> None:
        self._head(told)
        self._about(told)
        if told.broken is not None or told.verdict == "continuation":
            return
        if told.fields:
            self._fields(told)
        if told.rules or told.not_asked:
            self._rules(told)
        if told.nearest:
            self.heading("NEAREST" if told.verdict == "unmatched" else "NEARLY")
            for nearest in told.nearest:
                self._nearest(nearest)

    # -- lines

    def line(self, text: str = "", style: str = "", indent: int = 0, hang: int = 0) -> None:
        """*text* from anywhere, wrapped; the lines after the first stand *hang* further in."""
        text = harmless(text, self.console.encoding)
        lines = textwrap.wrap(
            text,
            max(self.width, indent + hang + 20),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + hang),
            break_on_hyphens=False,
            break_long_words=False,
        )
        for one in lines or [""]:
            self._put(Text(one, style=style))

    def heading(self, title: str) -> None:
        """The heading of a part."""
        self.line()
        self.line(title, "bold cyan")

    def _pair(self, name: str, text: str, width: int = _MARGIN, indent: int = 0, style: str = "") -> None:
        """A name and what belongs to it, in two columns."""
        width = max(width, len(name) + 2)
        shown = harmless(text, self.console.encoding)
        room = max(self.width - indent - width, 20)
        lines = textwrap.wrap(shown, room, break_on_hyphens=False, break_long_words=False) or [""]
        for number, one in enumerate(lines):
            left = name if number == 0 else ""
            head = Text(f"{' ' * indent}{harmless(left, self.console.encoding):{width}}")
            head.stylize("bold cyan" if indent == 0 else "dim")
            self._put(Text.assemble(head, Text(one, style=style)))

    # -- parts

    def _head(self, told: Explanation) -> None:
        part = f" ({told.part})" if told.part else ""
        self.line(f"{told.place.text}{part}: {told.summary}", f"bold {_TONES.get(told.verdict, '')}".strip(), hang=2)
        self.line()
        if told.broken is not None and told.broken.column is not None:
            self._pair("COLUMN", str(told.broken.column))
            self._put(Text(f"  {harmless(told.broken.shown, self.console.encoding)}"))
            self._put(Text(f"  {' ' * told.broken.caret}^", style="bold red"))
            self.line()
            return
        room = self.width * LINES_SHOWN - 12
        text = told.text if self.everything or len(told.text) <= room else told.text[:room] + " ..."
        for line in text.split("\n"):
            shown = harmless(line, self.console.encoding)
            for start in range(0, len(shown), self.width - 2):
                self._put(Text(f"  {shown[start : start + self.width - 2]}", "dim"))
        self.line()

    def _about(self, told: Explanation) -> None:
        agent = f", agent: {told.agent}" if told.agent else ""
        self._pair("SOURCE", f"{told.source}{agent}")
        envelope = told.envelope
        if envelope.framing or envelope.taken_off or envelope.time is not None:
            parts = [envelope.framing] if envelope.framing else []
            if envelope.time is not None:
                time = envelope.time
                parts.append(f"time {moment(time / 1e6) + ' UTC' if isinstance(time, int) else time}")
            if envelope.taken_off:
                parts.append(f"taken off: {value_text(envelope.taken_off, 120)}")
            self._pair("ENVELOPE", "; ".join(parts))
        if told.format:
            self._pair("FORMAT", told.format)
        if told.pack is not None:
            nearly = f"; it is {told.pack.nearly}" if told.pack.nearly else ""
            self._pair("PACK", f"{told.pack.name}: {told.pack.why}{nearly}")

    def _fields(self, told: Explanation) -> None:
        fields = field_names(told.fields)
        shown = fields if self.everything else fields[:FIELDS_SHOWN]
        width = min(max(len(name) for name, _ in shown) + 2, _NAME_MAX)
        self.heading("FIELDS")
        for name, value in shown:
            text = value_text(value, 10_000 if self.everything else self.width - width - 2)
            self._pair(name, "null" if value is None else text, width, indent=2)
        if len(fields) > len(shown):
            self.line(f"and {len(fields) - len(shown):,} more (--all)", "dim", 2)

    def _rules(self, told: Explanation) -> None:
        self.heading("RULES")
        quiet: dict[str, int] = {}
        for rule in told.rules:
            if rule.pack and rule.outcome in ("not_matched", "empty") and not rule.matches and not self.everything:
                quiet[rule.pack] = quiet.get(rule.pack, 0) + 1
            else:
                self._rule(rule)
        for pack, number in quiet.items():
            does = "does" if number == 1 else "do"
            self.line(f"- {number_of('rule', number)} of {pack} {does} not match (--all tells why)", "dim")
        for rest in told.not_asked:
            self.line(f"- {number_of('rule', rest.rules)} not asked: {rest.why}", "dim")
            if self.everything:
                self.line(", ".join(rest.names), "dim", 4)

    def _rule(self, rule: RuleFact) -> None:
        fancy, plain, style = _MARKS.get(rule.outcome, ("✗", "x", "dim"))
        name = f"{rule.pack}/{rule.name}" if rule.pack else rule.name
        head = f"{fancy if self.fancy else plain} {name}"
        self.line(head, f"bold {style}" if style != "dim" else "bold")
        if rule.condition:
            self.line(rule.condition, "dim", 4, 2)
        if rule.why:
            self.line(rule.why, "", 4, 2)
        for match in rule.matches:
            self._match(match)

    def _match(self, match: MatchFact) -> None:
        if match.given_up:
            self.line("a start whose time was over is given up", "", 4)
        for name, value in match.elements.items():
            self.line(f"with {name}: {value_text(value, self.width)}", "dim", 4, 2)
        for name, value in match.remembered.items():
            self.line(f"remembers {name}: {value_text(value)}", "", 4, 2)
        told: set[tuple[str, str, str]] = set()
        for update in match.updates:
            self._update(update)
            for label in update.labels:
                key = (label.name, label.expression, label.text)
                if key in told or (label.expression == value_text(label.given) and not label.why):
                    continue
                told.add(key)
                given = f", which is {value_text(label.given)}" if label.given is not None and label.why else ""
                why = f"; {label.why}" if label.why else ""
                self.line(f"{label.name} is {label.expression}{given}{why}", "dim", 6, 2)

    def _update(self, update: UpdateFact) -> None:
        inputs = ", ".join(f"{name} is {value_text(value)}" for name, value in update.inputs.items())
        behind = f"{update.expression}; {inputs}" if inputs and update.expression not in update.inputs else ""
        if update.skipped:
            self.line(f"{update.metric} is skipped: {update.skipped}", "yellow", 4, 2)
            if behind:
                self.line(behind, "dim", 6, 2)
            return
        value = update.value
        amount = spelled(value) if isinstance(value, (int, float)) else value_text(value)
        does = {
            "counter": f"+{amount}",
            "histogram": f'observes {amount}, in the bucket le="{update.bucket}"',
            "active": f"sees {amount}",
        }.get(update.type, f"= {amount}")
        new = " (a new series)" if update.is_new else ""
        self.line(f"{update.series} {does}{new}", "", 4, 2)
        if behind:
            self.line(f"value is {behind}", "dim", 6, 2)
        if update.guard:
            self.line(f"the guard refused {update.guard}; the measurement is not lost", "yellow", 6, 2)

    def _nearest(self, nearest: Nearest) -> None:
        name = f"{nearest.pack}/{nearest.rule}" if nearest.pack else nearest.rule
        with_ = "one change" if len(nearest.changes) == 1 else f"{len(nearest.changes)} changes"
        tail = f"would match with {with_}" if nearest.is_enough else "is nearest, and more may stand against it"
        self.line(f"{name} {tail}", "bold")
        for change in nearest.changes:
            self.line(change.why, "", 2, 2)
            if change.in_log:
                self._pair("in the log", change.in_log, 16, 4)
            if change.in_config:
                self._pair("in the config", change.in_config, 16, 4)
        if nearest.pack and nearest.is_enough and any(not change.in_config for change in nearest.changes):
            self.line(f"or a rule of your own; logmetrics packs {nearest.pack} has this one to copy from", "dim", 4)


def show(told: Sequence[Explanation], console: Console, *, everything: bool) -> None:
    """Print each of *told*, with a line between two."""
    page = Page(console, everything=everything)
    for number, one in enumerate(told):
        if number:
            page.line()
            page.line("-" * page.width, "dim")
            page.line()
        page.show(one)
