"""Built-in rule packs: one YAML file each, in the language of a user's config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files

from logmetrics.config.loading import parse_pack
from logmetrics.config.specs import PackSpec

# The metrics of agents are defined there, for all packs.
_METRICS_OF = "agent"


class _Packs(Mapping[str, PackSpec]):
    """Packs by name, in the order in which they are listed. Each is read when it is asked for: configs may want few."""

    def __init__(self) -> None:
        entries = {entry.name: entry for entry in files(__name__).iterdir()}
        names = sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))
        self._entries = {name: entries[f"{name}.yaml"] for name in names}
        self._read: dict[str, PackSpec] = {}

    def __getitem__(self, name: str) -> PackSpec:
        pack = self._read.get(name)
        if pack is None:
            text = self._entries[name].read_text(encoding="utf-8")
            inherited = {} if name == _METRICS_OF else self[_METRICS_OF].rule_set.metrics
            pack = self._read[name] = parse_pack(text, name, f"{name}.yaml", inherited)
        return pack

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@lru_cache(maxsize=1)
def builtin_packs() -> Mapping[str, PackSpec]:
    """All packs by name."""
    return _Packs()
