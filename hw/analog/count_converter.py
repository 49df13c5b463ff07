"""The converter of a macro's count, as arithmetic: clip and quantise."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.count_converter import CountConverter


class Converter(Unit):
    """Combinational converter of a count: the nearest multiple of its step, clipped.

    Parameters
    ----------
    converter : CountConverter
    used, used_last : int
        Synapses that a read counts in every slice but the last, and in the last: no value is above them.

    Members
    -------
    i : ``In(bits_for(used))``
        The count.
    last : ``In(1)``
        It is of the last slice; only if that has fewer synapses.
    o : ``Out(bits_for(used))``
        The value of its code.

    See Also
    --------
    oxnor.models.networks.count_converter.CountConverter.convert : bit-true model.
    """

    has_clock = False

    def __init__(self, converter: CountConverter, used: int, used_last: int):
        if not 0 <= used_last <= used <= converter.columns:
            raise ValueError(f"Synapses must be in [0, {converter.columns}], the last at most the others")
        self.converter, self.used, self.used_last = converter, used, used_last
        ports: dict[str, Member] = {"i": In(bits_for(used)), "o": Out(bits_for(used))}
        if used_last < used:
            ports["last"] = In(1)
        super().__init__(ports)

    @property
    def module_name(self) -> str:  # noqa: D102
        c = self.converter
        return f"oxnor_converter_{c.bits}_{c.columns}_{self.used}_{self.used_last}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.converter
        rounded = Signal(len(self.i) + 1)
        code = Signal(max(1, len(rounded) - c.shift))
        m.d.comb += [rounded.eq(self.i + ((1 << c.shift) >> 1)), code.eq(rounded >> c.shift)]
        value = Mux(code > c.top, c.top, code) << c.shift
        limit = Mux(self.last, self.used_last, self.used) if self.used_last < self.used else self.used
        m.d.comb += self.o.eq(Mux(value > limit, limit, value))
        return m
