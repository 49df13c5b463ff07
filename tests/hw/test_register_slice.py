"""Register slice and queue in the Amaranth simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.streams.fifo import Fifo
from oxnor.hw.streams.register_slice import RegisterSlice

UNITS = {"register slice": lambda: RegisterSlice(8), "fifo of 1": lambda: Fifo(8, 1), "fifo of 4": lambda: Fifo(8, 4)}


@pytest.mark.parametrize("make", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize(("pause_in", "pause_out"), [(0, 0), (0.5, 0), (0, 0.7), (0.4, 0.4)])
def test_keeps_order_and_loses_nothing(make, pause_in, pause_out):
    unit = make()
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
        assert when == list(range(when[0], when[0] + len(sent)))


@pytest.mark.parametrize("depth", [1, 4])
def test_queue_has_its_places(depth):
    unit = Fifo(8, depth)

    async def bench(ctx):
        ctx.set(unit.i.valid, 1)
        for k in range(depth):
            assert ctx.get(unit.i.ready)
            ctx.set(unit.i.payload, k + 1)
            await ctx.tick()
        assert not ctx.get(unit.i.ready)
        ctx.set(unit.i.valid, 0)
        ctx.set(unit.o.ready, 1)
        for k in range(depth):
            assert (ctx.get(unit.o.valid), ctx.get(unit.o.payload)) == (1, k + 1)
            await ctx.tick()
        assert not ctx.get(unit.o.valid)

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_queue_wrong_depth():
    with pytest.raises(ValueError, match="Depth must be 1 or more, not 0"):
        Fifo(8, 0)
