"""AXI4-Lite register file in the Amaranth simulator."""

import itertools

import pytest
from amaranth.sim import Simulator

from oxnor.hw.blocks.axi_lite import OKAY, SLVERR, AxiLite
from oxnor.hw.interface.registers import Register

REGISTERS = (Register("A", "r", "a"), Register("B", "rw", "b"), Register("C", "r", "c"))
LIMIT = 50


def simulate(bench):
    unit = AxiLite(REGISTERS)

    async def run(ctx):
        for k in range(3):
            ctx.set(unit.values[k], 0x100 + k)
        await bench(ctx, unit)

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(run)
    sim.run()


async def until(ctx, signal):
    for _ in range(LIMIT):
        if ctx.get(signal):
            return
        await ctx.tick()
    raise AssertionError("no answer")


async def read(ctx, unit, address, wait=0):
    ctx.set(unit.araddr, address)
    ctx.set(unit.arvalid, 1)
    await until(ctx, unit.arready)
    strobes = ctx.get(unit.read)
    await ctx.tick()
    ctx.set(unit.arvalid, 0)
    await until(ctx, unit.rvalid)
    await ctx.tick().repeat(wait) if wait else None
    assert ctx.get(unit.rvalid)
    answer = ctx.get(unit.rdata), ctx.get(unit.rresp), strobes
    ctx.set(unit.rready, 1)
    await ctx.tick()
    ctx.set(unit.rready, 0)
    assert not ctx.get(unit.rvalid)
    return answer


async def write(ctx, unit, address, value, order, strobes=15):
    """Write with the address first, the data first, or both at once; return (response, what was written)."""
    ctx.set(unit.awaddr, address)
    ctx.set(unit.wdata, value)
    ctx.set(unit.wstrb, strobes)
    for step in order:
        for name in step:
            ctx.set(getattr(unit, f"{name}valid"), 1)
            assert ctx.get(getattr(unit, f"{name}ready"))
        await ctx.tick()
        for name in step:
            ctx.set(getattr(unit, f"{name}valid"), 0)
    written = 0
    for _ in range(LIMIT):
        written |= ctx.get(unit.written)
        if ctx.get(unit.bvalid):
            break
        await ctx.tick()
    response = ctx.get(unit.bresp), written, ctx.get(unit.value_written)
    ctx.set(unit.bready, 1)
    await ctx.tick()
    ctx.set(unit.bready, 0)
    assert not ctx.get(unit.bvalid)
    return response


@pytest.mark.parametrize("wait", [0, 3])
def test_reads(wait):
    async def bench(ctx, unit):
        for k in range(3):
            assert await read(ctx, unit, 4 * k, wait) == (0x100 + k, OKAY, 1 << k)
        for address in (12, 16, 0xFC):
            assert await read(ctx, unit, address, wait) == (0, SLVERR, 0)

    simulate(bench)


@pytest.mark.parametrize("order", [(("aw", "w"),), (("aw",), ("w",)), (("w",), ("aw",))], ids=["together", "address", "data"])
def test_writes_in_any_order(order):
    async def bench(ctx, unit):
        assert await write(ctx, unit, 4, 0xABCD, order) == (OKAY, 2, 0xABCD)
        for address, strobes in itertools.product((0, 8, 12, 0xFC), (15,)):
            assert (await write(ctx, unit, address, 1, order, strobes))[:2] == (SLVERR, 0)
        assert (await write(ctx, unit, 4, 1, order, strobes=7))[:2] == (SLVERR, 0)
        assert await write(ctx, unit, 4, 7, order) == (OKAY, 2, 7)

    simulate(bench)


def test_reads_and_writes_do_not_disturb_each_other():
    async def bench(ctx, unit):
        ctx.set(unit.rready, 0)
        ctx.set(unit.araddr, 8)
        ctx.set(unit.arvalid, 1)
        await ctx.tick()
        ctx.set(unit.arvalid, 0)
        assert await write(ctx, unit, 4, 5, (("aw", "w"),)) == (OKAY, 2, 5)
        assert ctx.get(unit.rvalid)
        assert ctx.get(unit.rdata) == 0x102
        assert not ctx.get(unit.arready)

    simulate(bench)
