"""CRC-32 of zlib and Ethernet, one bit a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.interface.link_protocol import CRC_POLYNOMIAL

from .unit import Unit


class Crc32(Unit):
    """CRC-32 over bytes, least significant bit first. A byte takes eight cycles after the one in which it comes.

    Members
    -------
    clear : ``In(1)``
        Start again.
    data : ``In(8)``
        A byte.
    valid : ``In(1)``
        Take it; the one before it must be done.
    value : ``Out(32)``
        The register; the CRC is its complement.

    See Also
    --------
    zlib.crc32 : bit-true model.
    """

    def __init__(self) -> None:
        super().__init__({"clear": In(1), "data": In(8), "valid": In(1), "value": Out(32, init=0xFFFFFFFF)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_crc32"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        bits = Signal(8)
        left = Signal(range(9))
        shifted = self.value >> 1
        with m.If(left != 0):
            feedback = self.value[0] ^ bits[0]
            m.d.sync += [
                self.value.eq(shifted ^ Mux(feedback, CRC_POLYNOMIAL, 0)),
                bits.eq(bits >> 1),
                left.eq(left - 1),
            ]
        with m.If(self.valid):
            m.d.sync += [bits.eq(self.data), left.eq(8)]
        with m.If(self.clear):
            m.d.sync += [self.value.eq(0xFFFFFFFF), left.eq(0)]
        return m
