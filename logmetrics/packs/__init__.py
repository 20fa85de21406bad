"""Built-in rule packs: one YAML file each, in the language of a user's config."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from logmetrics.config.loading import parse_pack
from logmetrics.config.specs import PackSpec


@lru_cache(maxsize=1)
def builtin_packs() -> Mapping[str, PackSpec]:
    """All packs by name, in the order in which they are listed."""
    found = (entry for entry in files(__name__).iterdir() if entry.name.endswith(".yaml"))
    packs = {}
    for entry in sorted(found, key=lambda entry: entry.name):
        name = entry.name.removesuffix(".yaml")
        packs[name] = parse_pack(entry.read_text(encoding="utf-8"), name, entry.name)
    return packs
