"""What rules know of the log that a block comes from, and what its blocks told about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from logmetrics.formats.json_lines import can_be_known
from logmetrics.formats.kinds import ABSENT, ANY, kind_of_value

# After so many mistakes of a log no more is made of fields that were always there, and of the kinds of their values.
TRUSTS_PRESENCE, TRUSTS_KINDS = 3, 8
# How many blocks of one pack in a row it takes, at most, until the next one is taken for that pack's again.
PATIENCE_MAX = 64
# A log with more mistakes than this, or more keys, is not worth a function of its own.
MISTAKES_MAX = 30
KEYS_MAX = 100
# Logs with such a share of keys in common are treated alike.
SIMILAR = 0.6
SHAPES_MAX = 1_000

Shape = frozenset[tuple[str, int]]
KnownShapes = dict[Shape, tuple[Shape, Mapping[str, int]]]


@dataclass(slots=True)
class Log:
    """What rules can ask about the file that a block comes from."""

    path: str
    source: str
    # Whether people were told what it was taken for.
    told: bool = False
    name: str = field(init=False)
    stem: str = field(init=False)
    parent: str = field(init=False)
    # Whether any of its records was looked at in this run.
    was_read: bool = field(default=False, init=False)
    # Whether some of it was no JSON.
    is_mixed: bool = field(default=False, init=False)
    # How many records were of which pack.
    packs: Counter[str] = field(default_factory=Counter, init=False)
    # The top-level keys that its records of JSON had so far, in the order of the first ones, with the kinds of the
    # values that rules read; None when there are too many, or they change too often.
    kinds: Mapping[str, int] | None = field(default_factory=dict, init=False)
    # The same, to tell logs of one shape.
    shape: Shape = field(default=frozenset(), init=False)
    # Of so many, until it has a function of its own.
    lines: int = field(default=0, init=False)
    # The pack that the next block is likely to be of altogether. It saves time, and decides nothing.
    likely: str | None = field(default=None, init=False)
    _in_a_row: int = field(default=0, init=False)
    _patience: int = field(default=1, init=False)
    _mistakes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        directory, _, self.name = self.path.rpartition("/")
        self.stem = self.name.partition(".")[0] or self.name
        self.parent = directory.rpartition("/")[2]

    def again(self) -> Log:
        """The same log with nothing counted; what its records are like is known."""
        same = Log(self.path, self.source)
        same.kinds, same.shape, same.lines, same.likely = self.kinds, self.shape, self.lines, self.likely
        same.is_mixed = self.is_mixed
        same._in_a_row, same._patience, same._mistakes = self._in_a_row, self._patience, self._mistakes
        return same

    def saw(self, counts: dict[str, int]) -> None:
        """A block of text had so many records of each pack."""
        for pack, count in counts.items():
            if count:
                self.packs[pack] += count

    def saw_json(self, packs: set[str]) -> None:
        """A block of JSON of which nothing was assumed had records of *packs*."""
        self._in_a_row = self._in_a_row + 1 if len(packs) == 1 else 0
        if self._in_a_row >= self._patience:
            [self.likely] = packs

    def learn(self, lines: list[bytes], read: Container[str], shapes: KnownShapes) -> None:
        """Note what the records in *lines* have; of keys that are not *read*, only that they are there.

        What logs of the same shape know is kept once, in *shapes*.
        """
        if self.kinds is None:
            return
        known = dict(self.kinds)
        for line in lines:
            with suppress(orjson.JSONDecodeError):
                record = orjson.loads(bytes(line))  # it refuses a Stamped
                if record.__class__ is not dict:
                    continue
                first = 0 if not known else ABSENT
                for key, value in record.items():
                    kind = kind_of_value(value) if key in read else ANY
                    known[key] = known.get(key, first) | kind
                for key in known.keys() - record.keys():
                    known[key] |= ABSENT
        if self._mistakes >= TRUSTS_KINDS:
            known = dict.fromkeys(known, ANY)
        elif self._mistakes >= TRUSTS_PRESENCE:
            known = {key: kind | ABSENT for key, kind in known.items()}
        if len(known) > KEYS_MAX or not can_be_known(known):
            self.kinds = None
            return
        self._take_shape(known, shapes)

    def _take_shape(self, kinds: Mapping[str, int], shapes: KnownShapes) -> None:
        shape = frozenset(kinds.items())
        if shape not in shapes and len(shapes) < SHAPES_MAX:
            shapes[shape] = shape, kinds
        self.shape, self.kinds = shapes.get(shape, (shape, kinds))

    def widen(self, others: Iterable[Shape], shapes: KnownShapes) -> None:
        """Take its fields for what they are in *others* too, those shapes that have nearly the same keys."""
        wide = self.kinds
        if wide is None:
            return
        for other in map(dict, others):
            common = len(wide.keys() & other.keys())
            if common >= SIMILAR * max(len(wide), len(other)):
                keys = dict.fromkeys((*wide, *other))
                wide = {key: wide.get(key, ABSENT) | other.get(key, ABSENT) for key in keys}
        self._take_shape(wide, shapes)

    def was_mistaken(self) -> None:
        """The block was not of the likely pack altogether."""
        self.likely = None
        self._in_a_row = 0
        self._patience = min(2 * self._patience, PATIENCE_MAX)
        self._mistakes += 1
        if self._mistakes > MISTAKES_MAX:
            self.kinds = None
