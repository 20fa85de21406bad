"""What lines of text begin with: time, level, logger, as well-known programs write them, as patterns for a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# A line that goes on with the one before it is not held against a head.
_TIME = r"(?P<time>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)"
_LEVEL = (
    r"(?P<level>(?i:TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|FATAL|PANIC|SEVERE|SUCCESS))"
)
_MESSAGE = r"(?P<message>.*)"
_TRIED_MAX = 500
_SHARE_LEAST = 0.7


@dataclass(frozen=True, slots=True)
class Head:
    """A form of lines: whose it is, what a source of them is called, and the pattern with named groups."""

    name: str
    source: str
    pattern: str


# The more a pattern takes apart, the further in front it stands.
HEADS = (
    Head(
        "the access log of nginx or Apache",
        "access_log",
        r'^(?P<client>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>[^" ]*)[^"]*" (?P<status>\d{3}) '
        r'(?P<bytes>\d+|-)(?: "[^"]*" "[^"]*")?(?: (?P<request_time_s>\d+\.\d+))?',
    ),
    Head("nginx' error log", "nginx_errors", rf"^{_TIME} \[(?P<level>[a-z]+)\] \d+#\d+: {_MESSAGE}$"),
    Head(
        "Kubernetes' klog",
        "klog",
        r"^(?P<level>[IWEF])(?P<time>\d{4} \d\d:\d\d:\d\d\.\d+)\s+\d+ (?P<logger>[^ :\]]+):\d+\] (?P<message>.*)$",
    ),
    Head(
        "Spring Boot",
        "spring",
        rf"^{_TIME}\s+{_LEVEL}\s+\d+ --- \[(?P<thread>[^\]]*)\] (?P<logger>\S+)\s*: {_MESSAGE}$",
    ),
    Head("loguru", "loguru", rf"^{_TIME} \| {_LEVEL}\s*\| (?P<logger>[\w.<>]+):[\w<>.]+:\d+ - {_MESSAGE}$"),
    Head("Python's logging", "python_dashes", rf"^{_TIME} - (?P<logger>[\w.$-]+) - {_LEVEL} - {_MESSAGE}$"),
    Head(
        "log4j or logback",
        "logback",
        rf"^{_TIME} \[(?P<thread>[^\]]*)\] {_LEVEL}\s+(?P<logger>[\w.$]+)\s*(?:-|:) {_MESSAGE}$",
    ),
    Head("log4j", "log4j", rf"^{_TIME} {_LEVEL}\s+\[(?P<thread>[^\]]*)\] (?P<logger>[\w.$]+)\s*(?:-|:) {_MESSAGE}$"),
    Head("Python's logging", "python_brackets", rf"^{_TIME} \[{_LEVEL}\] (?P<logger>[\w.$-]+): {_MESSAGE}$"),
    Head("Python's logging", "python", rf"^{_TIME} {_LEVEL}\s+(?P<logger>[\w.$-]+): {_MESSAGE}$"),
    Head("Python's logging without a time", "python_basic", rf"^{_LEVEL}:(?P<logger>[\w.$-]+):{_MESSAGE}$"),
    Head(
        "syslog",
        "syslog",
        r"^(?:<\d+>)?(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) "
        r"(?P<program>[^\s:\[]+)(?:\[\d+\])?: (?P<message>.*)$",
    ),
    Head(
        "time, level and text",
        "text",
        rf"^\[?{_TIME}\]?\s*[-|:]?\s*\[?{_LEVEL}\]?(?:\s+|:|\s*[-|])\s*{_MESSAGE}$",
    ),
    Head("level, time and text", "text_level_first", rf"^\[?{_LEVEL}\]?:?\s+\[?{_TIME}\]?:?\s+{_MESSAGE}$"),
    Head("level and text", "text_undated", rf"^\[?{_LEVEL}\]?:\s+{_MESSAGE}$"),
    Head("level and text", "text_bracketed", rf"^\[{_LEVEL}\]\s*{_MESSAGE}$"),
    Head("time and text", "text_dated", rf"^\[?{_TIME}\]?:?\s+{_MESSAGE}$"),
)


def head_of(lines: Sequence[bytes]) -> Head | None:
    """The form that nearly all of *lines* have; lines that only go on with others do not count."""
    texts = [line.rstrip(b"\r").decode("utf-8", "replace") for line in lines[:_TRIED_MAX]]
    firsts = [text for text in texts if text.strip() and not _goes_on(text)]
    best, most = None, 0
    for head in HEADS:
        found = sum(1 for text in firsts if _compiled(head.pattern).search(text))
        if found > most * 1.02:
            best, most = head, found
    return best if firsts and most >= _SHARE_LEAST * len(firsts) else None


def _goes_on(text: str) -> bool:
    return text[0] in " \t})" or text.startswith(("Traceback", "Caused by", "...", "at "))


@lru_cache(maxsize=len(HEADS))
def _compiled(pattern: str) -> Any:
    import re2  # heavy; only text needs it

    return re2.compile(pattern)
