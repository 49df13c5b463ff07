"""Argmax in the Amaranth simulator against the golden model."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.blocks.argmax import Argmax
from oxnor.models import golden


@pytest.mark.parametrize(("count", "lanes", "width"), [(1, 1, 4), (10, 1, 8), (10, 3, 8), (10, 10, 8), (5, 4, 3), (37, 8, 2)])
def test_matches_golden(count, lanes, width):
    g = np.random.default_rng([count, lanes, width])
    half = 1 << (width - 1)
    # Few different values: ties are the rule.
    scores = g.integers(-half, half, (40, count))
    scores[0] = -half
    with_margin = count > 1
    unit = Argmax(count, lanes, width, with_margin=with_margin)
    found = []

    async def bench(ctx):
        for row in scores:
            passes = -(-count // lanes)
            for p in range(passes):
                ctx.set(unit.first, p == 0)
                ctx.set(unit.last, p == passes - 1)
                for v in range(lanes):
                    # Lanes beyond the last score carry a value that would win.
                    n = p * lanes + v
                    ctx.set(unit.scores[v], int(row[n]) if n < count else half - 1)
                if g.random() < 0.2:
                    ctx.set(unit.en, 0)
                    await ctx.tick()
                ctx.set(unit.en, 1)
                await ctx.tick()
            found.append((ctx.get(unit.index), ctx.get(unit.margin) if with_margin else 0))

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    margins = golden.margins(scores) if with_margin else np.zeros(len(scores), int)
    assert found == list(zip(golden.argmax(scores).tolist(), margins.tolist(), strict=True))


@pytest.mark.parametrize(("count", "lanes", "width"), [(3, 4, 8), (3, 0, 8), (3, 1, 0)])
def test_sizes_wrong(count, lanes, width):
    with pytest.raises(ValueError, match=rf"Lanes must be in \[1, 3\] and width positive, not {lanes} and {width}"):
        Argmax(count, lanes, width)


def test_a_margin_is_between_two_scores():
    with pytest.raises(ValueError, match="A margin is between two scores; there is one"):
        Argmax(1, 1, 8, with_margin=True)
