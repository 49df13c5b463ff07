"""AXI4-Stream, as the engine, its blocks and the host link have it."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.blocks.unit import Unit


class AxiStream(wiring.Signature):
    """The bus, as seen by the sender.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    tdata : ``Out(width)``
    tvalid : ``Out(1)``
    tready : ``In(1)``
    tlast : ``Out(1)``
        The beat ends a frame.
    """

    def __init__(self, width: int):
        super().__init__({"tdata": Out(width), "tvalid": Out(1), "tready": In(1), "tlast": Out(1)})


def axi_stream_in(width: int, prefix: str = "") -> dict[str, Member]:
    """Return the ports of the bus for a unit that receives it, each name with `prefix` before it."""
    return {f"{prefix}{name}": member.flip() for name, member in AxiStream(width).members.items()}


def axi_stream_out(width: int, prefix: str = "") -> dict[str, Member]:
    """Return the ports of the bus for a unit that sends it, each name with `prefix` before it."""
    return {f"{prefix}{name}": member for name, member in AxiStream(width).members.items()}


def connect_axi_stream(m: Module, source: Unit, source_prefix: str, target: Unit, target_prefix: str = "") -> None:
    """Connect the bus of `source`, a sender's or the ports of the unit around, to a receiver's."""
    for name in ("tdata", "tvalid", "tlast"):
        m.d.comb += getattr(target, f"{target_prefix}{name}").eq(getattr(source, f"{source_prefix}{name}"))
    m.d.comb += getattr(source, f"{source_prefix}tready").eq(getattr(target, f"{target_prefix}tready"))


def send_beats(m: Module, source: stream.Interface, unit: Unit, prefix: str) -> None:
    """Give each transfer of a stream to the bus of `unit` as a frame of one beat."""
    tdata, tvalid, tready, tlast = (getattr(unit, f"{prefix}{name}") for name in AxiStream(1).members)
    m.d.comb += [tdata.eq(source.payload), tvalid.eq(source.valid), tlast.eq(1), source.ready.eq(tready)]
