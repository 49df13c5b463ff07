"""Popcount in the Amaranth simulator against the golden model."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.blocks.popcount import LEAF_WIDTH, Popcount
from oxnor.models import golden


def run(width, values):
    """Return the unit's output for each input value."""
    unit = Popcount(width)
    outputs = []

    async def bench(ctx):
        for value in values:
            ctx.set(unit.i, value)
            await ctx.delay(1e-9)
            outputs.append(ctx.get(unit.o))

    sim = Simulator(unit)
    sim.add_testbench(bench)
    sim.run()
    return outputs


def expected(width, values):
    bits = np.array([[v >> k & 1 for k in range(width)] for v in values], bool)
    return golden.popcount(np.ones(width, bool), bits).tolist()


@pytest.mark.parametrize("width", range(1, 11))
def test_narrow_exhaustive(width):
    values = range(1 << width)
    assert run(width, values) == expected(width, values)


@pytest.mark.parametrize("width", [31, LEAF_WIDTH, LEAF_WIDTH + 1, 3 * LEAF_WIDTH - 1, 784])
def test_wide_random_and_corners(width):
    g = np.random.default_rng(width)
    values = [0, (1 << width) - 1, 1, 1 << (width - 1)]
    values += [int.from_bytes(g.bytes(-(-width // 8)), "little") & ((1 << width) - 1) for _ in range(40)]
    values += [1 << k for k in range(0, width, 7)]
    assert run(width, values) == expected(width, values)


@pytest.mark.parametrize("width", [0, -1, 1.5, "8"])
def test_width_wrong(width):
    with pytest.raises(ValueError, match=f"Width must be a positive integer, not {width!r}"):
        Popcount(width)
