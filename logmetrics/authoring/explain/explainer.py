"""Explains records of one source, in the order of their log: the rules count and remember as a daemon's would."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from logmetrics.authoring.explain.attempts import Asked, Attempt, Family, asked_of
from logmetrics.authoring.explain.facts import (
    Broken,
    Envelope,
    Explanation,
    Nearest,
    NotAsked,
    PackFact,
    Place,
    RuleFact,
    Verdict,
)
from logmetrics.authoring.explain.folding import Folding
from logmetrics.authoring.explain.near import NEARLY
from logmetrics.authoring.explain.nearest import Candidate, Prober
from logmetrics.authoring.explain.reading import broken_of, envelope_of, fields_of, odd_ollama_line
from logmetrics.authoring.explain.reasons import Reason, Reasons
from logmetrics.authoring.explain.summary import summary_of
from logmetrics.config.expression_text import Wording, definitions
from logmetrics.config.specs import Config, RuleSpec, SourceSpec
from logmetrics.config.tree import Not, Or
from logmetrics.formats.framing import Framing
from logmetrics.formats.json_lines import one_after_another
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.rules.trace import Node, traced
from logmetrics.store.store import Store

_TEXT_CHARACTERS_MAX = 64 * 1024


class Explainer:
    """The rules of *config* for *source*; *config_text* is the YAML of the config, for the names that it defines."""

    def __init__(
        self, config: Config, source: SourceSpec, *, config_text: str = "", now_s: float | None = None
    ) -> None:
        self.config = config
        self.source = source
        self.now_s = time.time() if now_s is None else now_s
        self.wordings = _Wordings(config_text)
        self.store = Store(config.rule_set.metrics, config.limits)
        self.rules = traced(config, source, self.store)
        self.family = Family(self.rules.trace)
        # The same rules at their usual speed, for what is only read.
        self._plain: Program | None = None
        self.prober = Prober(config, source, self.wordings)

    def read(self, records: Sequence[bytes], log: Log) -> None:
        """Count what stands before the record that is to be explained, without a word; it may be much."""
        if self._plain is None:
            self._plain = compiled(self.config, self.source, self.store)
            self._plain.adopt(self.rules.program.rows(self.source.name))
        self._plain.apply(list(records), log, self.now_s)
        self.store.fold()

    def _go_on(self) -> None:
        """The rules that explain know what those that read have learnt."""
        if self._plain is not None:
            self.rules.program.begin_anew()
            self.rules.program.adopt(self._plain.rows(self.source.name))
            self._plain = None

    def explain(
        self, record: bytes, log: Log, place: Place, *, raw: bytes = b"", framing: Framing | None = None
    ) -> list[Explanation]:
        """What becomes of *record*; several objects in one line are told one by one.

        *raw* is what lies there, from which the log's *framing* made the record.
        """
        envelope = envelope_of(record, raw or record, framing, takes_whole_lines=bool(self.source.pattern))
        for text in self.source.exclude_lines:
            if text.encode() in record:
                return [self.passed_over("excluded", f"exclude_lines has {text!r}", record, place, envelope)]
        [(format_name, [line])] = self.rules.program.functions.split([record])
        parts = one_after_another(line) if format_name == "json" else []
        told = [self._explained(part, format_name, log, place, envelope) for part in parts or [line]]
        if len(told) == 1:
            return told
        return [replace(one, part=f"object {number} of {len(told)}") for number, one in enumerate(told, 1)]

    def against(self, record: bytes, log: Log) -> Iterator[tuple[str, Reason]]:
        """Why rules of the user's own that are asked about *record* do not match."""
        for told_format, lines in self.rules.program.functions.split([record]):
            for line in lines:
                self.rules.trace.take()
                self.rules.program.apply([line], log, self.now_s)
                asked = asked_of(self.rules.trace, self.rules.trace.take())
                _, candidates = self._rules(asked, fields_of(line, told_format, self.source))
                yield from ((one.rule.name, one.reason) for one in candidates if not one.rule.pack)

    def passed_over(
        self, verdict: Verdict, why: str, record: bytes, place: Place, envelope: Envelope | None = None
    ) -> Explanation:
        """A record that no rule gets to see."""
        return Explanation(
            verdict=verdict,
            summary=summary_of(verdict, (), (), why, self.source.max_line_bytes),
            place=place,
            part="",
            source=self.source.name,
            agent="",
            text=record[:_TEXT_CHARACTERS_MAX].decode("utf-8", "replace"),
            envelope=envelope or Envelope("", None, ""),
            format="",
            broken=None,
            fields={},
            pack=None,
            rules=(),
            not_asked=(),
            nearest=(),
        )

    def _explained(self, line: bytes, format_name: str, log: Log, place: Place, envelope: Envelope) -> Explanation:
        self._go_on()
        program = self.rules.program
        memory = program.rows(self.source.name)
        unmatched, unparsable, continued = program.unmatched, program.unparsable, program.continued
        self.rules.trace.take()
        program.apply([line], log, self.now_s)
        asked = asked_of(self.rules.trace, self.rules.trace.take())
        fields = fields_of(line, format_name, self.source)
        broken: Broken | None = None
        verdict: Verdict = "unmatched"
        if program.unparsable > unparsable:
            verdict, broken, fields = "unparsable", broken_of(line, format_name, self.source), {}
        elif program.continued > continued:
            verdict = "continuation"
        facts, candidates = self._rules(asked, fields)
        if verdict == "unmatched" and program.unmatched == unmatched:
            verdict = "counted" if any(_counts(fact) for fact in facts) else "used"
        near: tuple[Nearest, ...] = ()
        if verdict not in ("unparsable", "continuation"):
            if verdict != "unmatched":  # what it was meant for may be another rule
                candidates = [one for one in candidates if one.reason.is_slip]
            near = self.prober.nearest(candidates, fields, format_name, memory, log.path)
        pack = None if verdict in ("unparsable", "continuation") else self._pack(asked, fields, format_name)
        hints = (
            pack.nearly if pack else "",
            odd_ollama_line(line) if format_name == "ollama" else "",
            f"it is a record of {pack.name}, and no rule of that pack is for its kind" if pack and pack.is_sure else "",
        )
        why = broken.why if broken else next(filter(None, hints), "") or self._not_for(format_name)
        return Explanation(
            verdict=verdict,
            summary=summary_of(verdict, facts, near, why, self.source.max_line_bytes),
            place=place,
            part="",
            source=self.source.name,
            agent=Wording().text(self.source.agent) if self.source.agent is not None else "",
            text=line[:_TEXT_CHARACTERS_MAX].decode("utf-8", "replace"),
            envelope=envelope,
            format=format_name,
            broken=broken,
            fields=fields,
            pack=pack,
            rules=tuple(facts),
            not_asked=() if broken else self._not_asked(asked, format_name, pack),
            nearest=near,
        )

    def _not_for(self, format_name: str) -> str:
        """That rules of the user's own are for records of another format."""
        others = [rule for rule in self.rules.rules if not rule.pack and not rule.is_for(format_name)]
        if not others:
            return ""
        what = "text" if format_name == "ollama" else format_name
        names = ", ".join(f'"{rule.name}"' for rule in others[:2]) + (" and others" if len(others) > 2 else "")
        return f"{names}: only for records of format {others[0].format}, and this is {what}"

    def _rules(self, asked: Asked, fields: Mapping[str, Any]) -> tuple[list[RuleFact], list[Candidate]]:
        facts, candidates = [], []
        for number, attempts in sorted(asked.rules.items()):
            rule = self.rules.rules[number]
            fact, reason = Folding(self.family, self.wordings[rule.pack], fields).rule(rule, attempts)
            facts.append(fact)
            if fact.outcome not in ("matched", "started"):
                candidates.append(Candidate(number, rule, reason))
        return facts, candidates

    def _pack(self, asked: Asked, fields: Mapping[str, Any], format_name: str) -> PackFact | None:
        """Whose record it is: the condition that told so, or that none did, with the one that nearly did."""
        recognition = asked.recognition
        for node in recognition.roots:
            if recognition.values[node.number] and node.expr is not None:
                condition = self._first_true(recognition, node, node.pack)
                return PackFact(node.pack, condition, "", is_sure=True)
        others = [r for r in self.rules.rules if r.pack and r.recognise is None and r.is_for(format_name)]
        if not others:
            return None
        asked_packs = len({node.pack for node in recognition.roots})
        why = f"none of {asked_packs} other packs knows it for its own" if asked_packs else "no other pack is in use"
        return PackFact(others[0].pack, why, self._nearly(recognition, fields), is_sure=False)

    def _nearly(self, recognition: Attempt, fields: Mapping[str, Any]) -> str:
        """Which pack has nearly recognised the record, and what stood against it."""
        for node in recognition.roots:
            reason = Reasons(self.family, recognition, self.wordings[node.pack], fields).why(node)
            if reason.itself <= NEARLY or (reason.is_slip and self._some_held(node, recognition)):
                return f"nearly a record of {node.pack}: {reason.why}"
        return ""

    def _some_held(self, node: Node, recognition: Attempt) -> bool:
        """Whether some part of a condition held, but for what must not be there."""
        children = [c for c in self.family.children(node, recognition) if c.is_test and not isinstance(c.expr, Not)]
        return any(recognition.values[child.number] or self._some_held(child, recognition) for child in children)

    def _first_true(self, recognition: Attempt, node: Node, pack: str) -> str:
        """Of alternatives, the one that holds."""
        holds = [c for c in self.family.children(node, recognition) if recognition.values[c.number] and c.is_test]
        expr = holds[-1].expr if isinstance(node.expr, Or) and holds else node.expr
        assert expr is not None
        return self.wordings[pack].text(expr)

    def _not_asked(self, asked: Asked, format_name: str, pack: PackFact | None) -> tuple[NotAsked, ...]:
        rest = [rule for number, rule in enumerate(self.rules.rules) if number not in asked.rules]
        other_format = [rule for rule in rest if not rule.is_for(format_name)]
        other_pack = [rule for rule in rest if rule.is_for(format_name)]
        told = []
        for rules, why in (
            *(_by_format(other_format)),
            (other_pack, f"of packs that it is not of{f' (it is of {pack.name})' if pack else ''}"),
        ):
            if rules:
                told.append(NotAsked(len(rules), why, tuple(rule.name for rule in rules)))
        return tuple(told)


def _by_format(rules: Sequence[RuleSpec]) -> list[tuple[list[RuleSpec], str]]:
    formats = dict.fromkeys(rule.format for rule in rules)
    return [([rule for rule in rules if rule.format == name], f"for records of format {name} only") for name in formats]


def _counts(fact: RuleFact) -> bool:
    return any(not update.skipped for match in fact.matches for update in match.updates)


class _Wordings(dict[str, Wording]):
    """By pack; the config's own under an empty name. Packs are read when they are asked for."""

    def __init__(self, config_text: str) -> None:
        self[""] = Wording(definitions(config_text, "config") if config_text else None)

    def __missing__(self, pack: str) -> Wording:
        found = builtin_packs().get(pack)
        self[pack] = Wording(definitions(found.text, pack) if found is not None else None)
        return self[pack]
