"""What log collectors and loggers put in front of a line, and colours in it."""

from __future__ import annotations

import re

BOM = b"\xef\xbb\xbf"
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
ESC = 0x1B
# Sometimes one after the other. Groups tell whose line it is.
PREFIX = re.compile(
    rb"""(?:
        <[0-9]{1,3}>1[ ][^ ]{1,48}[ ](?:[^ {]{1,255}[ ]){4}(?:-|\[[^\]]{0,1000}\])[ ]  # syslog, RFC 5424
      | (?: <[0-9]{1,3}>[ ]? )?                                             # syslog's priority, RFC 3164
        (?: [^ ]{1,16}[ ]+[0-9]{1,2}[ ][0-9:]{8}                            # journald and syslog: any month name,
          | [0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]{8,32} )                         # or ISO
        [ ](?!\{)(?: (?:[^ :]{1,255}[ ])?[^ :\[]{1,255}\[[0-9]+\]:[ ]       # then [host] program[pid]:
                   | [^ :]{1,255}[ ][^ :\[=]{1,128}:[ ] )                   # or host program:
      | [0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[^ ]{0,20}  # docker logs -t, Docker Desktop
        [ ](?:std(?:out|err)[ ][FP][ ])?                                    # and Kubernetes
      | [A-Za-z0-9][A-Za-z0-9_.-]{0,127}[ ]+[|][ ]                          # docker compose
      | \[[0-9]{4}-[0-9]{2}-[0-9]{2}[ ][0-9:]{8}\][ ]\[std(?:out|err)\][ ]  # wrappers
    ){1,3}""",
    re.VERBOSE,
)
_TIME = re.compile(
    rb"(?<![^ ])(?:[^ ]{1,16} +[0-9]{1,2} )?[^ ]{0,40}[0-9]{2}:[0-9]{2}[^ ]{0,40}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
)


def without_colours(line: bytes) -> bytes:
    """*line* without terminal escapes."""
    return _ANSI.sub(b"", line) if ESC in line else line


def bare(line: bytes) -> bytes:
    """*line* without what stands in front of a log line by accident, carriage return and colours."""
    # A file that is truncated while its writer goes on has a hole of NULs in front of the next line.
    return without_colours(line).rstrip(b"\r").lstrip(b"\0").removeprefix(BOM)


def prefix_of(line: bytes) -> tuple[bytes, bytes]:
    """Who wrote *line*, as a collector's prefix tells, and the line without that."""
    line = bare(line)
    found = PREFIX.match(line)
    if found is None:
        return b"", line
    return _TIME.sub(b"", found[0]), line[found.end() :]
