"""The time that a record tells of itself, whatever form it has: JSON of any agent, Ollama's lines, other text.

What is found depends on the record's bytes alone. A time without a zone is told as a clock in that place would show it;
which zone that is, and which year when it tells none, is for others to know.
"""

from __future__ import annotations

import re
from operator import itemgetter

from logmetrics.formats.prefix import PREFIX, bare
from logmetrics.replay.times.json_time import KEYED, json_time, of_keyed
from logmetrics.replay.times.time_forms import (
    ABSURD,
    EARLIEST_S,
    EPOCH,
    ISO,
    LOCAL,
    LOOSE_ISO,
    MONTHS,
    NO_DATE,
    NOTHING,
    OFFSETS,
    ZONED,
    Told,
    of_epoch,
    of_iso,
    of_yearless,
    wall_s,
)

# A time counts only where a logger puts it: so near to the start,
_NEAR_BYTES = 64
_TIME_BYTES_MAX = 48
_PREFIX_BYTES = 256
# and behind nothing but levels, names, attributes and brackets; not within a sentence.
# Runs of blanks and marks are taken whole: else there would be too many ways to share them out.
_LEAD = rb"""(?:
      [A-Z]{1,8}(?::|[ ]+(?![ ])(?:[A-Za-z_][\w.]{0,40}[ ]+(?![ ]))?)       # INFO, INFO app.module, INFO:
    | [a-z][\w.]{0,40}:(?=[0-9{])                                           # INFO:root:
    | [A-Za-z_]\w{0,30}(?:\.\w{1,30}){1,4}[ ]+(?![ ])                       # app.module
    | (?:\[[^\[\]]{1,40}\]|\([^()]{1,40}\))[ ]*(?![ ])
    | [A-Za-z_][\w.-]{0,40}[ ]+(?:\||-)[ ]+(?![ ])                          # name |, name -
    | [a-z@][\w.]{0,20}=[^ "=]{1,40}[ ]+(?![ ])                             # level=info
    | \#{1,6}[ ](?:aider[ ]chat[ ]started[ ]at[ ])?
    | <[0-9]{1,3}>[ ]? | [-|*>.]{1,60}(?![-|*>.])[ ]*(?![ ]) | [ \t]{1,8}(?![ \t])
  ){0,6}"""
_KEY = rb"(?:@?timestamp|time|ts|t|asctime|datetime)="
_OPEN = rb"""["'\[(]?"""
_END = rb"(?!\w)"
_LEVEL = rb"(?:TRACE|DEBUG|INFO|WARN|ERROR)"
_SLOG = re.compile(rb"time=" + LOOSE_ISO + rb" level=" + _LEVEL)
_GIN = re.compile(rb"\[GIN\] (.{15}):(.{5})[ ]+\|")
_PLAIN = re.compile(rb"\[?" + ISO + _END)
# What stands behind a collector's time, so that a better one may follow.
_MORE = re.compile(rb"\]?[ ]+(?:[\w.-]{1,60}[ ]+\|[ ]|\{|time=)")
_LED = re.compile(_LEAD + b"(?:" + _KEY + b")?" + _OPEN + ISO + _END, re.VERBOSE)
_KEYED_EPOCH = re.compile(rb'="?[1-9][0-9]{9}')
_LED_EPOCH = re.compile(_LEAD + _KEY + rb'"?' + EPOCH + rb'(?:[ "]|\Z)', re.VERBOSE)
_LED_YEARLESS = re.compile(
    _LEAD
    + _OPEN
    + rb"""(?:
      ([0-9]{2})-([0-9]{2})[ ]([0-9]{2}:[0-9]{2}:[0-9]{2})                  # vLLM
    | [IWEF]([0-9]{2})([0-9]{2})[ ]([0-9]{2}:[0-9]{2}:[0-9]{2})\.[0-9]+     # glog
    | (MONTHS)[ ]+([0-9]{1,2})[ ]([0-9]{2}:[0-9]{2}:[0-9]{2})               # syslog
  )""".replace(b"MONTHS", b"|".join(MONTHS))
    + _END,
    re.VERBOSE,
)
_LED_OBJECT = re.compile(_LEAD + rb'(?=\{[ ]?")', re.VERBOSE)
_CLOCK = re.compile(rb":[0-9]{2}:[0-9]{2}")
_EPOCH = re.compile(rb"\[?" + EPOCH + rb"(?:[ \t\]|,:]|\Z)")
# llama.cpp of 2024 put it among the attributes, at the end.
_ATTRIBUTE = re.compile(rb"(?:DEBUG|VERB|INFO|WARN|ERR|ERROR) +\[.* timestamp=([0-9]{10})(?![0-9])", re.DOTALL)
_SYSLOG = re.compile(rb"(" + b"|".join(MONTHS) + rb") +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_ANY_ISO = re.compile(rb"(?<![0-9])" + ISO + _END)


def own_time(line: bytes) -> Told:
    """The time that *line* tells of itself."""
    if line[:1] == b"{":
        if (found := KEYED.match(line)) and (told := of_keyed(found))[0] > ABSURD:
            return told
        return json_time(line)
    if line[:5] == b"time=":
        if found := _SLOG.match(line):
            return _of_slog(found)
    elif line[:6] == b"[GIN] ":
        if found := _GIN.match(line):
            return of_iso(found[1], found[2], None, LOCAL)
    elif (found := _PLAIN.match(line)) and (found[3] is not None or not _MORE.match(line, found.end())):
        return of_iso(found[1], found[2], found[3], LOCAL)
    return _decorated(line)


def _of_slog(found: re.Match[bytes]) -> Told:
    """Its zone is the one that its program's times without a zone are in."""
    hour, within, zone = found.groups()
    if zone is None:
        return of_iso(hour, within, None, LOCAL)
    offset_s = OFFSETS[zone]
    seconds = wall_s(hour, within) - offset_s
    return (ZONED, seconds, offset_s) if seconds >= EARLIEST_S else NO_DATE


def _decorated(line: bytes) -> Told:
    """The time of a line with something in front of it. A time with a zone is better than one without, that one is
    better than one without a year, and what the program wrote better than what a collector did.
    """
    line = bare(line)
    # No prefix is without one of these, which are found faster.
    if not (_CLOCK.search(line, 0, _PREFIX_BYTES) or line.find(b"| ", 0, _PREFIX_BYTES) >= 0 or line[:1] == b"<"):
        return _text_time(line)
    prefix = PREFIX.match(line)
    if prefix is None:
        return _text_time(line)
    told = _text_time(line[prefix.end() :])
    return told if told[0] == ZONED else max(told, _collected(prefix[0]), key=itemgetter(0))


def _collected(prefix: bytes) -> Told:
    """The time of what collectors put in front of a line."""
    # A prefix with another time behind syslog's has more colons.
    found = _SYSLOG.match(prefix) if prefix.count(b":") < 5 else None
    if found is None and (found := _ANY_ISO.search(prefix)):
        return of_iso(found[1], found[2], found[3], LOCAL)
    if found := found or _SYSLOG.search(prefix):
        return of_yearless(MONTHS[found[1]], int(found[2]), found[3])
    return NOTHING


def _text_time(line: bytes) -> Told:
    """The time of a line without what collectors put in front of it."""
    if line[:1] == b"{":
        return own_time(line)
    # A program that prints text without a newline has the next line glued to it.
    if line.find(b"time=") >= 0 and (found := _SLOG.search(line)):
        return _of_slog(found)
    if line.find(b"[GIN] ") >= 0 and (found := _GIN.search(line)):
        return of_iso(found[1], found[2], None, LOCAL)
    near = _NEAR_BYTES + _TIME_BYTES_MAX
    if _CLOCK.search(line, 0, near):
        if (found := _LED.match(line, 0, near)) and found.start(1) < _NEAR_BYTES:
            return of_iso(found[1], found[2], found[3], LOCAL)
        if found := _LED_YEARLESS.match(line, 0, near):
            month, day, clock = filter(None, found.groups())
            return of_yearless(MONTHS.get(month) or int(month), int(day), clock)
    if found := _EPOCH.match(line) or _ATTRIBUTE.match(line):
        return of_epoch(int(found[1]))
    if _KEYED_EPOCH.search(line, 0, near) and (found := _LED_EPOCH.match(line, 0, near)):
        return of_epoch(int(found[1]))
    if line.find(b"{", 0, near) > 0 and (found := _LED_OBJECT.match(line, 0, near)) and found.end():
        return own_time(line[found.end() :])
    return NOTHING
