"""Pulses on the programming bus: a request becomes one operation on one device."""

from __future__ import annotations

from amaranth.hdl import C, Module, Mux
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.macros.program_bus import RESET, SET, ProgramBus

from .rbm_learner import pulse_layout


class PulseWriter(Unit):
    """Carries out requests, one after the other, on the bus of the programming controller while that is free.

    A request to erase is a SET, one to program a RESET, of the device at BL (side 0): the positive one, the only one
    that learns. The request is accepted when the macro says that its pulse is done.

    Parameters
    ----------
    rows, columns : int
        Of the macro.

    Members
    -------
    busy : ``In(1)``
        The controller has the bus.
    i : ``In(stream.Signature(pulse_layout(rows, columns)))``
    bus : ``Out(ProgramBus())``
        Of it ``valid``, ``op``, ``side``, ``row`` and ``column`` are used.
    """

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        ports = {"busy": In(1), "i": In(stream.Signature(pulse_layout(rows, columns))), "bus": Out(ProgramBus())}
        super().__init__(ports)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_pulse_writer_{self.rows}_{self.columns}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        request = self.i.payload
        m.d.comb += [
            self.bus.select.eq(1),
            self.bus.op.eq(Mux(request.erases, C(SET, 2), C(RESET, 2))),
            self.bus.row.eq(request.row),
            self.bus.column.eq(request.column),
        ]
        with m.FSM(name="step"):
            with m.State("IDLE"):
                m.d.comb += self.bus.valid.eq(self.i.valid & ~self.busy)
                with m.If(self.bus.valid & self.bus.ready):
                    m.next = "PULSE"
            with m.State("PULSE"):
                m.d.comb += self.i.ready.eq(self.bus.done)
                with m.If(self.bus.done):
                    m.next = "IDLE"
        return m
