"""How many different values there were, in a kilobyte: HyperLogLog.

Source: P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", 2007, with its correction for small numbers. With 1,024 registers the standard error is 3.3 %.
"""

from __future__ import annotations

from math import log
from zlib import crc32

_BITS = 10
_REGISTERS = 1 << _BITS
_REST_BITS = 32 - _BITS
_ALPHA = 0.7213 / (1 + 1.079 / _REGISTERS)
# A CRC is linear; multiplying, folding the high bits down and multiplying again spreads its bits.
_SPREAD, _SPREAD_AGAIN = 0x9E3779B1, 0x85EBCA6B


class DistinctCount:
    """An estimate of the number of different texts that were added; good up to some hundred million."""

    __slots__ = ("registers",)

    def __init__(self) -> None:
        self.registers = bytearray(_REGISTERS)

    def add(self, value: str) -> None:
        # Not hash(): it is another one in each process.
        mixed = crc32(value.encode()) * _SPREAD & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 15) * _SPREAD_AGAIN & 0xFFFFFFFF
        rank = _REST_BITS + 1 - (mixed >> _BITS).bit_length()
        register = mixed & (_REGISTERS - 1)
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
