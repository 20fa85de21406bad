"""Built-in rule packs: one YAML file each, in the language of a user's config."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from logmetrics.config.loading import parse_pack
from logmetrics.config.specs import PackSpec

# The metrics of agents are defined there, for all packs.
_METRICS_OF = "agent"


@lru_cache(maxsize=1)
def builtin_packs() -> Mapping[str, PackSpec]:
    """All packs by name, in the order in which they are listed."""
    texts = {
        entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".yaml")
    }
    packs = {_METRICS_OF: parse_pack(texts.pop(_METRICS_OF), _METRICS_OF, f"{_METRICS_OF}.yaml", {})}
    shared = packs[_METRICS_OF].rule_set.metrics
    packs.update((name, parse_pack(text, name, f"{name}.yaml", shared)) for name, text in texts.items())
    return dict(sorted(packs.items()))
