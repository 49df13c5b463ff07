"""Register slice in the Amaranth simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.skid import Skid


@pytest.mark.parametrize(("pause_in", "pause_out"), [(0, 0), (0.5, 0), (0, 0.7), (0.4, 0.4)])
def test_skid_keeps_order_and_loses_nothing(pause_in, pause_out):
    unit = Skid(8)
    g = np.random.default_rng(5)
    sent = [int(v) for v in g.integers(0, 256, 200)]
    taken, when = [], []

    async def source(ctx):
        for value in sent:
            while g.random() < pause_in:
                await ctx.tick()
            ctx.set(unit.i.payload, value)
            ctx.set(unit.i.valid, 1)
            await ctx.tick().until(unit.i.ready)
            ctx.set(unit.i.valid, 0)

    async def sink(ctx):
        g_out = np.random.default_rng(6)
        for cycle in range(1500):
            ready = g_out.random() >= pause_out
            ctx.set(unit.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(unit.o.valid, unit.o.payload)
            if valid and ready:
                taken.append(payload)
                when.append(cycle)

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(source, background=True)
    sim.add_testbench(sink)
    sim.run()
    assert taken == sent
    if not pause_in and not pause_out:
        assert set(np.diff(when)) == {1}
