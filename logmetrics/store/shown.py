"""What scrapes see of a family: the series and values of the last commit.

They are kept in pieces that are replaced and never changed. So a view takes a reference to each piece, whatever the
number of series, and a page is made anew only where something changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from logmetrics.store.series import Frozen, Series

PIECE_SERIES = 256


class Piece:
    """Some series with their values. ``text`` is their exposition once it was made; of the one who renders."""

    __slots__ = ("series", "text", "values")

    def __init__(self, series: Sequence[Series], values: Sequence[Frozen]) -> None:
        self.series = series
        self.values = values
        self.text = ""


class Rows:
    """The series of one family with their values as of a commit, in order."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = tuple(pieces)

    @classmethod
    def of(cls, pairs: Iterable[tuple[Series, Frozen]]) -> Rows:
        rest = iter(pairs)
        pieces = []
        while some := list(islice(rest, PIECE_SERIES)):
            pieces.append(Piece([series for series, _ in some], [value for _, value in some]))
        return cls(pieces)

    def __iter__(self) -> Iterator[tuple[Series, Frozen]]:
        for piece in self.pieces:
            yield from zip(piece.series, piece.values, strict=True)

    def __len__(self) -> int:
        return sum(len(piece.series) for piece in self.pieces)


class Shown:
    """The pieces of one family, series in the order of their first showing."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        # Where a series is: the number of its piece, and its place there.
        self._places: dict[Series, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[Series]:
        return iter(self._places)

    def __contains__(self, series: Series) -> bool:
        return series in self._places

    def __len__(self) -> int:
        return len(self._places)

    @property
    def rows(self) -> Rows:
        return Rows(self._pieces)

    def update(self, changed: Iterable[Series]) -> None:
        """*changed* have new values in ``frozen``; those that are not shown yet come last."""
        renewed: dict[int, list[Frozen]] = {}
        new = []
        for series in changed:
            place = self._places.get(series)
            if place is None:
                new.append(series)
                continue
            number, index = place
            values = renewed.get(number)
            if values is None:
                values = renewed[number] = list(self._pieces[number].values)
            assert series.frozen is not None
            values[index] = series.frozen
        for number, values in renewed.items():
            self._pieces[number] = Piece(self._pieces[number].series, values)
        if new:
            self._append(new)

    def remove(self, gone: Iterable[Series]) -> None:
        """*gone* are shown no longer."""
        numbers = {place[0] for series in gone if (place := self._places.pop(series, None)) is not None}
        for number in numbers:
            self._put(number, [series for series in self._pieces[number].series if series in self._places])
        if len(self._pieces) > 2 + 2 * len(self._places) // PIECE_SERIES:  # mostly holes
            self._pieces, everything = [], list(self._places)
            self._append(everything)

    def _append(self, new: Sequence[Series]) -> None:
        if self._pieces and len(self._pieces[-1].series) < PIECE_SERIES:
            new = [*self._pieces.pop().series, *new]
        for start in range(0, len(new), PIECE_SERIES):
            self._pieces.append(Piece((), ()))
            self._put(len(self._pieces) - 1, new[start : start + PIECE_SERIES])

    def _put(self, number: int, series: Sequence[Series]) -> None:
        self._pieces[number] = Piece(series, [each.frozen for each in series])  # type: ignore[misc]
        for index, each in enumerate(series):
            self._places[each] = (number, index)
