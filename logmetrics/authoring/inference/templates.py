"""Messages of text that are one phrase with changing parts: which there are, and what durations stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from logmetrics.authoring.inference.buckets import buckets_for
from logmetrics.authoring.inference.naming import TELLING_WORDS_MAX, Names, telling
from logmetrics.authoring.inference.plan import Metric, Plan, Rule
from logmetrics.authoring.inference.values import look_of, words_of
from logmetrics.config.expression_text import text_literal
from logmetrics.present.amounts import number_of, seconds
from logmetrics.rules.functions import duration

TEMPLATES_MAX = 10
# A phrase is one if so many messages, and such a share of all, are of it.
_COUNT_LEAST, _SHARE_LEAST = 3, 0.01
_WORDS_MAX, _FRAGMENTS_MAX = 24, 3
# What changes: quoted texts, numbers with whatever is around them, and what has letters that no phrase has.
_CHANGING = re.compile(r"""["'`][^"'`]*["'`]|\S*[\d/@=\\{}\[\]<>|*$%^~]\S*|\S{25,}""")
_MARK = "\0"
_DURATION = re.compile(
    r"(?P<before>[A-Za-z_]+[ =:(]{1,2})?(?<![\w.])(?P<number>\d+(?:\.\d+)?)(?P<blank> ?)"
    r"(?P<unit>ms|msecs?|milliseconds?|us|µs|ns|s|secs?|seconds?)(?![\w/])"
)
_DURATION_ENDINGS = ("time", "duration", "latency", "took", "elapsed")
_UNITS = {"ms": "ms", "us": "us", "µs": "us", "ns": "ns", "s": "s"}


@dataclass(slots=True)
class Template:
    """A phrase: what stands in all its messages, in order, and whether they begin with the first of it."""

    fragments: tuple[str, ...]
    is_at_start: bool
    messages: list[str] = field(default_factory=list)
    # What messages of narrower phrases have that these have not: they would be counted here, too.
    narrower: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def words(self) -> tuple[str, ...]:
        """The words that do not change."""
        return words_of(" ".join(self.fragments))

    def condition(self, field_name: str) -> str:
        """That a message is one."""
        tests = [f"{text_literal(fragment)} in {field_name}" for fragment in self.asked]
        if self.is_at_start:
            tests[0] = f"starts({field_name}, {text_literal(self.fragments[0])})"
        for others in self.narrower:
            rest = " and ".join(f"{text_literal(fragment)} in {field_name}" for fragment in others)
            tests.append(f"not ({rest})" if len(others) > 1 else f"not {rest}")
        return " and ".join(tests)

    @property
    def asked(self) -> tuple[str, ...]:
        """The fragments that the condition asks for."""
        return self.fragments[:_FRAGMENTS_MAX]

    def takes(self, message: str) -> bool:
        """Whether *message* would be counted as one."""
        holds = all(fragment in message for fragment in self.asked)
        holds = holds and (not self.is_at_start or message.startswith(self.fragments[0]))
        return holds and not any(all(fragment in message for fragment in others) for others in self.narrower)


def templates_of(messages: Sequence[str]) -> list[Template]:
    """The most frequent phrases among *messages*."""
    found: dict[str, Template] = {}
    for message in messages:
        shape = " ".join(_CHANGING.sub(_MARK, message).split()[:_WORDS_MAX])
        template = found.get(shape)
        if template is None:
            fragments = tuple(part.strip() for part in shape.split(_MARK) if len(part.strip()) >= 3)
            template = found[shape] = Template(fragments, not shape.startswith(_MARK))
        template.messages.append(message)
    least = max(_COUNT_LEAST, _SHARE_LEAST * len(messages))
    good = [each for each in found.values() if len(each.messages) >= least and _is_phrase(each)]
    return _told_apart(sorted(good, key=lambda each: (-len(each.messages), each.fragments))[:TEMPLATES_MAX])


def _told_apart(templates: list[Template]) -> list[Template]:
    """*templates* such that no message counts as two; one that cannot be told from a wider one is left to it."""
    kept: list[Template] = []
    for template in sorted(templates, key=lambda each: (sum(map(len, each.asked)), each.is_at_start)):
        wider = {
            index: tuple(part for part in template.asked if part not in wide.asked)
            for index, wide in enumerate(kept)
            if any(map(wide.takes, template.messages))
        }
        same = next((kept[index] for index, others in wider.items() if not others), None)
        if same is not None:
            same.messages += template.messages
            continue
        for index, others in wider.items():
            kept[index].narrower.append(others)
        kept.append(template)
    return [template for template in templates if any(template is one for one in kept)]


def _is_phrase(template: Template) -> bool:
    letters = sum(character.isalpha() for fragment in template.fragments for character in fragment)
    safe = all(look_of(word) in ("word", "odd", "number") for part in template.fragments for word in part.split())
    return letters >= 4 and safe and bool(telling(template.words))


def _named(templates: Sequence[Template]) -> dict[str, Template]:
    """Each by a short name, with as many words more as tell it from others; what nothing tells apart is left out."""
    found: dict[str, Template] = {}
    for template in templates:
        name = next((name for name in _names(template) if name not in found), "")
        if name:
            found[name] = template
    return found


def _names(template: Template) -> Iterator[str]:
    """What *template* may be called, the best first: by what it begins with, if that is more than one word."""
    for fragments in range(1, len(template.fragments) + 1):
        name = telling(words_of(" ".join(template.fragments[:fragments])))
        if "_" in name:
            yield name
    yield from (telling(template.words, words_max) for words_max in range(TELLING_WORDS_MAX, _WORDS_MAX))


def add_templates(
    plan: Plan, messages: Sequence[str], field_name: str, rule_format: str, only: str, names: Names, apart: str
) -> None:
    """Add to *plan* a counter of the phrases among *messages*, and histograms of the durations in them. *apart* tells
    these messages from others.
    """
    templates = templates_of(messages)
    if not templates:
        return
    named = _named(templates)
    name = names.take("messages", "", "counter", apart)
    metric = Metric(name, "counter", "Messages that are one of some frequent phrases", ("event",))
    metric.evidence.append(f"{number_of('phrase', len(named))}, told apart by the words that do not change")
    plan.metrics[name] = metric
    for event, template in named.items():
        when = f"{only} and {template.condition(field_name)}" if only else template.condition(field_name)
        rule = Rule(
            names.take_rule(f"message {event}", apart), rule_format, when, [], [(f'{name}{{event="{event}"}}', "1")]
        )
        rule.evidence.append(f"{len(template.messages):,} of {number_of('message', len(messages))}")
        plan.rules.append(rule)
        _add_duration(plan, rule, event, template, field_name, names)


def _add_duration(plan: Plan, rule: Rule, event: str, template: Template, field_name: str, names: Names) -> None:
    found = [_DURATION.search(message) for message in template.messages]
    matches = [match for match in found if match is not None]
    if len(matches) < 0.95 * len(found):
        return
    units = {_unit(match["unit"]) for match in matches}
    values = sorted(filter(None, (duration(f"{match['number']}{_unit(match['unit'])}") for match in matches)))
    if not values:
        return
    befores = {match["before"] or "" for match in matches}
    before = re.escape(befores.pop()).replace("\\ ", " ") if len(befores) == 1 else ""
    if len(units) == 1:
        spellings = sorted({match["unit"] for match in matches}, key=lambda unit: (-len(unit), unit))
        function, captured = units.pop(), f"([0-9.]+) ?(?:{'|'.join(spellings)})"
    elif all(not match["blank"] and match["unit"] in _UNITS for match in matches):
        function, captured = "duration", "([0-9.]+(?:m|u|µ|n)?s)"
    else:
        return
    name = names.take(event if event.endswith(_DURATION_ENDINGS) else f"{event}_duration", "seconds", "histogram")
    metric = Metric(name, "histogram", f"Durations in messages {event}, in seconds", ())
    middle, most = values[len(values) // 2], values[-1]
    metric.evidence.append(f"in {len(matches):,} messages; p50 {seconds(middle)}, max {seconds(most)}")
    metric.buckets = buckets_for(values, of_seconds=True).yaml
    plan.metrics[name] = metric
    rule.updates.append((name, f"{function}(capture({field_name}, {text_literal(before + captured)}))"))


def _unit(spelling: str) -> str:
    """The unit in letters that durations are written with."""
    return _UNITS.get(spelling, "ms" if spelling.startswith("m") else "s")
