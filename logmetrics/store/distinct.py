"""How many different values there were, in a kilobyte: HyperLogLog.

Source: P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", 2007, with its correction for small numbers. With 1,024 registers the standard error is 3.3 %.
"""

from __future__ import annotations

from hashlib import blake2b
from math import log

_BITS = 10
_REGISTERS = 1 << _BITS
_HASH_BYTES = 8
_REST_BITS = 8 * _HASH_BYTES - _BITS
_ALPHA = 0.7213 / (1 + 1.079 / _REGISTERS)


class DistinctCount:
    """An estimate of the number of different texts that were added."""

    __slots__ = ("registers",)

    def __init__(self) -> None:
        self.registers = bytearray(_REGISTERS)

    def add(self, value: str) -> None:
        # Not hash(): it is another one in each process.
        digest = int.from_bytes(blake2b(value.encode(), digest_size=_HASH_BYTES).digest(), "big")
        rank = _REST_BITS + 1 - (digest >> _BITS).bit_length()
        register = digest & (_REGISTERS - 1)
        if rank > self.registers[register]:
            self.registers[register] = rank

    @property
    def estimate(self) -> int:
        """So many different values, give or take some percent."""
        raw = _ALPHA * _REGISTERS**2 / sum(2.0**-rank for rank in self.registers)
        empty = self.registers.count(0)
        if raw <= 2.5 * _REGISTERS and empty:
            raw = _REGISTERS * log(_REGISTERS / empty)
        return round(raw)

    def restore(self, registers: bytes) -> None:
        """Take over ``registers`` of an earlier run. Raises ValueError when they are none."""
        if len(registers) != _REGISTERS:
            raise ValueError("a count of distinct values is damaged")
        self.registers = bytearray(registers)
