"""Counters in parts, for gated clocks."""

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from oxnor.hw.engine import event_counters


def test_a_counter_in_parts_is_a_counter(monkeypatch):
    monkeypatch.setattr(event_counters, "COUNTER_PARTS", (2, 3))
    m, happened, clear, seen = Module(), Signal(), Signal(), Signal(7)
    m.d.comb += seen.eq(event_counters.count_in_parts(m, "events", 7, happened, clear))
    g = np.random.default_rng(1)

    async def check(ctx):
        expected = 0
        for k in range(600):  # past 2**7 more than once
            event, cleared = int(g.random() < 0.8), int(k in (5, 9, 41))
            ctx.set(happened, event)
            ctx.set(clear, cleared)
            await ctx.tick()
            expected = 0 if cleared else (expected + event) % 128
            assert ctx.get(seen) == expected, k

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(check)
    sim.run()
