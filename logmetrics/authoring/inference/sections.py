"""The samples sorted: which logs are read alike, and which of their records are left for rules of one's own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from logmetrics.authoring.inference.decoding import Record, decoded
from logmetrics.authoring.inference.heads import Head, head_of
from logmetrics.authoring.inference.reading import Reading, ReadLog
from logmetrics.authoring.inference.recognition import ANY_AGENT, NOBODYS, Verdict
from logmetrics.config.specs import PackSpec

# A log is one of text when such a share of it is; a pack of text has a log when it counts such a share of that.
_TEXT_SHARE, _PACK_SHARE = 0.6, 0.01
_JSON_SHARE = 0.2
# What has so many of Ollama's own lines is taken apart as its log.
_OLLAMA_SHARE = 0.1
# Such a share beside what packs know is left over by chance.
_LEFT_OVER_SHARE, _LEFT_OVER_LEAST = 0.05, 2


@dataclass(slots=True)
class Section:
    """Records that one set of rules is for: of one source and one format; json is all that have named fields."""

    source: str
    rule_format: str
    # Each with its log, and whether a pack tells enough of it.
    records: list[tuple[str, Record]] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    # Top-level keys of JSON that belongs to packs, and how many of such records have them.
    others: Counter[str] = field(default_factory=Counter)
    others_count: int = 0

    @property
    def apart(self) -> str:
        """What tells its metrics from those of other sections that are called the same."""
        return self.source if self.source != "logs" else "text" if self.rule_format == "ollama" else "fields"

    def is_worth_rules(self, total: int) -> bool:
        """Whether it is more than what is left over of others, such as a traceback in between; *total* are all."""
        count = len(self.records)
        is_enough = count > _LEFT_OVER_SHARE * self.others_count
        return is_enough and (count == total or (count > _LEFT_OVER_LEAST and count > _LEFT_OVER_SHARE * total / 5))


@dataclass(slots=True)
class TextSource:
    """Logs that begin their lines alike, and so are a source with a pattern."""

    name: str
    head: Head
    logs: list[ReadLog] = field(default_factory=list)
    # All logs that were found are of it.
    has_all: bool = False


@dataclass(slots=True)
class Sorted:
    """All samples in their places."""

    sections: list[Section]
    texts: list[TextSource]
    # How many records had which format, and how many had none.
    formats: Counter[str]
    unparsable: int


def sorted_samples(
    logs: Sequence[ReadLog],
    verdicts: Sequence[Sequence[Verdict]],
    packs: Mapping[str, PackSpec],
) -> Sorted:
    """*logs* in their places. Records that one of the chosen *packs* knows are left to it."""
    fields, text = Section("logs", "json"), Section("logs", "ollama")
    texts: dict[str, TextSource] = {}
    sections = [fields, text]
    formats: Counter[str] = Counter()
    unparsable = 0
    has_agents = ANY_AGENT in packs
    for log, row in zip(logs, verdicts, strict=True):
        rows = [(raw, decoded(raw), verdict) for raw, verdict in zip(log.records, row, strict=True)]
        head = _own_head(rows)
        if head is not None:
            source = texts.get(head.pattern)
            if source is None:
                source = texts[head.pattern] = TextSource(head.source, head)
                sections.append(Section(source.name, "json"))
            source.logs.append(log)
            section = next(section for section in sections if section.source == source.name)
            for raw in log.records:
                found = decoded(raw, head.pattern)
                unparsable += not found
                formats["text"] += len(found)
                section.records += [(log.path, record) for _, record in found]
                section.told += [False] * len(found)
            continue
        is_text_of_pack = _is_of_pack(rows)
        is_json_of_pack = _is_json_of_pack(rows)
        for raw, found, verdict in rows:
            unparsable += not found and not _is_text(raw)
            for name, record in found:
                formats["text" if name == "ollama" else name] += 1
                section = text if name == "ollama" else fields
                if verdict.is_left_to_its_pack or (is_text_of_pack if name == "ollama" else is_json_of_pack):
                    section.others.update(record.keys())
                    section.others_count += 1
                else:
                    section.records.append((log.path, record))
                    section.told.append(verdict.is_told and has_agents)
    total = sum(len(section.records) for section in sections)
    worth = [section for section in sections if section.records and section.is_worth_rules(total)]
    return Sorted(worth, list(texts.values()), formats, unparsable)


def _own_head(rows: Sequence[tuple[bytes, list[tuple[str, Record]], Verdict]]) -> Head | None:
    """The form of the lines of a log, if it is one of text that no pack knows."""
    if any(verdict.is_left_to_its_pack for _, _, verdict in rows) and _is_of_pack(rows):
        return None
    text = [raw for raw, found, _ in rows if not found or found[0][0] == "ollama"]
    is_known = sum(
        1 for _, found, _ in rows if found and found[0][0] == "ollama" and found[0][1]["kind"] in ("gin", "slog")
    )
    if len(text) < _TEXT_SHARE * len(rows) or is_known > _OLLAMA_SHARE * len(rows):
        return None
    return head_of(text)


def _is_of_pack(rows: Sequence[tuple[bytes, list[tuple[str, Record]], Verdict]]) -> bool:
    """Whether a pack knows the text of a log, if only some lines of it."""
    texts = [verdict for _, found, verdict in rows if not found or found[0][0] == "ollama"]
    return sum(verdict.is_left_to_its_pack for verdict in texts) > _PACK_SHARE * len(texts)


def _is_json_of_pack(rows: Sequence[tuple[bytes, list[tuple[str, Record]], Verdict]]) -> bool:
    """The same for its records of JSON."""
    fields = [verdict for _, found, verdict in rows if found and found[0][0] != "ollama"]
    return sum(verdict.is_left_to_its_pack for verdict in fields) > _JSON_SHARE * len(fields)


def _is_text(raw: bytes) -> bool:
    return raw[:1] != b"{"


def without_documents(reading: Reading, verdicts: Sequence[Sequence[Verdict]]) -> list[Sequence[Verdict]]:
    """*verdicts*, when *reading* is rid of files beside logs that hold one document of JSON which no pack knows."""
    rows = list(zip(reading.logs, verdicts, strict=True))
    is_document = [
        log.path.endswith(".json") and len(log.records) == 1 and not row[0].is_left_to_its_pack and not log.is_cut
        for log, row in rows
    ]
    if all(is_document):
        return list(verdicts)
    for (log, _), is_one in zip(rows, is_document, strict=True):
        if is_one and log.path not in reading.paths:
            reading.passed_over[log.path] = "is one whole document, and no log"
            name = os.path.basename(log.path)
            reading.exclude = tuple(dict.fromkeys((*reading.exclude, name))) if name.isprintable() else reading.exclude
    reading.logs = [log for log in reading.logs if log.path not in reading.passed_over]
    return [row for log, row in rows if log.path not in reading.passed_over]


def of_nobody(logs: Sequence[ReadLog]) -> list[list[Verdict]]:
    """The verdicts of no packs at all."""
    return [[NOBODYS] * len(log.records) for log in logs]


def separator(section: Section) -> str:
    """A key that all records of *section* have and none of those that are left to packs; empty when there is none."""
    if not section.others_count:
        return ""
    have = Counter(key for _, record in section.records for key, value in record.items() if value is not None)
    good = [key for key, count in have.items() if count == len(section.records) and not section.others[key]]
    return min(good, key=lambda key: (len(key), key), default="")
