"""A pack's sample, again and again until it is a log worth measuring.

Packs count a call once that is written twice, and know it by its id; so each repeat has ids of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

# The text under a key that says so (`id`, `call_id`, `messageId`, `session.id`, `uuid`), also as an attribute of OTLP.
# What names a kind of thing is called an id too; it is a label, and stays.
KEY = r'"(?!model|toolId|graph_id|assistant_id)(?:[^"]*(?:[._-]id|[a-z]I[dD]|[uU]uid)|id)"'
ID = re.compile(rf'{KEY}(?:\s*:\s*|\s*,\s*"value"\s*:\s*{{\s*"stringValue"\s*:\s*)"[^"\\]+(?=")')
# Stands in no sample.
PLACE = "\0"


def repeated(sample: Path, log: Path, size_bytes: int) -> int:
    """Write *sample* to *log* so often that it is at least so large; gives how often."""
    text = sample.read_text(encoding="utf-8").rstrip("\n") + "\n"
    template = ID.sub(lambda found: found[0] + PLACE, text)
    times = 0
    with log.open("w", encoding="utf-8", newline="\n") as file:
        while file.tell() < size_bytes:
            times += 1
            file.write(template.replace(PLACE, f"{times:x}"))
    return times
