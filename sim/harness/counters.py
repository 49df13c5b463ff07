"""Counters of an engine in a unit of their own, whose registers can be set: no test counts to 2^32."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.engine.event_counters import Events, count_events

from .modelled import model_bench
from .unit import UnitTestbench

#: Registers that count, in the order of the events.
NAMES = ("FRAMES", "DROPPED", "RESULTS", "STALLS", "UNSURE")


class EventCounters(Unit):
    """What :func:`oxnor.hw.engine.event_counters.count_events` adds to an engine.

    Members
    -------
    events : ``In(5)``
        What happens, in the order of :data:`NAMES`.
    clear : ``In(1)``, low : ``In(1)``
        CONTROL bit 0 is written; CYCLES_LO is read.
    set : ``In(1)``, value : ``In(64)``
        All counters become this: for the testbench.
    counts : ``Out(160)``, cycles_low : ``Out(32)``, cycles_high : ``Out(32)``
        What the registers read as.
    """

    def __init__(self) -> None:
        ports = {
            "events": In(len(NAMES)), "clear": In(1), "low": In(1), "set": In(1), "value": In(64),
            "counts": Out(32 * len(NAMES)), "cycles_low": Out(32), "cycles_high": Out(32),
        }  # fmt: skip
        super().__init__(ports)

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_event_counters"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        lite: Any = SimpleNamespace(written=[self.clear], value_written=[1], read=[self.low])
        values = count_events(m, lite, {"CONTROL": 0, "CYCLES_LO": 0}, Events(*self.events))
        counts, cycles = [values[name] for name in NAMES], values["CYCLES_LO"].value
        with m.If(self.set):
            m.d.sync += [counter.eq(self.value) for counter in (*counts, cycles)]
        m.d.comb += [
            self.counts.eq(Cat(*counts)),
            self.cycles_low.eq(cycles[:32]),
            self.cycles_high.eq(values["CYCLES_HI"]),
        ]
        return m


def event_counters() -> UnitTestbench:
    """Return the testbench of an engine's counters."""
    return model_bench("EventCounters", EventCounters())
