"""What the steps that no Python program can leave out take, each alone:

    python bench/limits/in_python.py read|split|orjson|msgspec LOG

Reads the log in the blocks that suit Python best (larger ones do not stay in the processor's cache), and prints how
many lines it saw.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

BLOCK_BYTES = 32 * 1024


def blocks(path: str) -> Iterator[list[bytes]]:
    """The lines of each block, whole ones only."""
    rest = b""
    with open(path, "rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            lines = block.split(b"\n")
            lines[0] = rest + lines[0]
            rest = lines.pop()
            yield lines


def read(path: str) -> int:
    """Bytes go in and nothing happens. Lines are not known then, so it gives none."""
    with open(path, "rb", buffering=0) as file:
        while file.read(BLOCK_BYTES):
            pass
    return 0


def split(path: str) -> int:
    return sum(map(len, blocks(path)))


def decoded(path: str, decode: Callable[[bytes], object]) -> int:
    """Each line decoded; an empty one has nothing to decode, and one that is none costs an exception."""
    total = 0
    for lines in blocks(path):
        total += len(lines)
        rest = iter(lines)
        while True:
            try:
                list(map(decode, filter(None, rest)))
                break
            except ValueError:
                continue
    return total


def orjson(path: str) -> int:
    import orjson

    return decoded(path, orjson.loads)


def msgspec(path: str) -> int:
    """Only the fields that the six metrics need, in the types that they have."""
    import msgspec

    texts = [(name, str | None, None) for name in ("level", "event", "agent", "tool_name", "status")]
    numbers = [(name, float | None, None) for name in ("latency", "duration_s", "prompt_tokens", "completion_tokens")]
    record = msgspec.defstruct("Record", [*texts, *numbers], gc=False)
    return decoded(path, msgspec.json.Decoder(record).decode)


LIMITS = {limit.__name__: limit for limit in (read, split, orjson, msgspec)}

if __name__ == "__main__":
    print(LIMITS[sys.argv[1]](sys.argv[2]))
