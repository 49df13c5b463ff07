"""Column popcount in the Amaranth simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.blocks.column_count import ColumnCount
from oxnor.hw.params.widths import bits_for
from oxnor.models.base.bits import integers


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 5, 6, 7, 9, 16, 23, 64])
def test_counts_of_columns(lanes):
    """Every pattern of a column where they are few, else random ones of every density."""
    g = np.random.default_rng(lanes)
    columns = min(1 << lanes, 300)
    stack = (np.arange(columns) >> np.arange(lanes)[:, None] & 1).astype(bool)
    if lanes > 8:
        stack = g.random((lanes, columns)) < g.random(columns)
        stack[:, :2] = [False, True]
    unit = ColumnCount(lanes, columns)
    found = []

    async def bench(ctx):
        for v, word in enumerate(stack):
            ctx.set(unit.i[v], integers(word[None])[0])
        await ctx.delay(1e-9)
        found.extend(ctx.get(unit.o[b]) for b in range(bits_for(lanes)))

    simulator = Simulator(unit)
    simulator.add_testbench(bench)
    simulator.run()
    counts = [sum((plane >> n & 1) << b for b, plane in enumerate(found)) for n in range(columns)]
    assert counts == stack.sum(axis=0).tolist()


@pytest.mark.parametrize("sizes", [(0, 3), (2, 0)])
def test_column_count_wrong_sizes(sizes):
    with pytest.raises(ValueError, match=rf"^Lanes and columns must be positive, not {sizes[0]} and {sizes[1]}$"):
        ColumnCount(*sizes)
