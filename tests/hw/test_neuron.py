"""Neuron in the Amaranth simulator against the golden model."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.neurons.binarized import Neuron
from oxnor.models import golden


@pytest.mark.parametrize(("n_in", "slices"), [(1, 1), (16, 1), (37, 3), (64, 4), (784, 2)])
def test_matches_golden_with_pauses(n_in, slices):
    g = np.random.default_rng([n_in, slices])
    unit = Neuron(n_in, slices)
    cuts = np.sort(g.integers(0, n_in + 1, (200, slices - 1)), axis=1)
    edges = np.concatenate([np.zeros((200, 1), int), cuts, g.integers(cuts[:, -1:] if slices > 1 else 0, n_in + 1, (200, 1))], axis=1)
    partials = np.diff(edges, axis=1)
    totals = partials.sum(axis=1)
    # Around the total, where >= and > differ, and both ends.
    thresholds = np.clip(totals + g.integers(-1, 3, 200), 0, n_in + 1)
    thresholds[:2] = 0, n_in + 1
    fired = []

    async def bench(ctx):
        for row, threshold, total in zip(partials, thresholds, totals, strict=True):
            for s, partial in enumerate(row):
                ctx.set(unit.first, s == 0)
                ctx.set(unit.partial, int(partial))
                ctx.set(unit.threshold, int(threshold))
                for en in (0, 1) if g.random() < 0.3 else (1,):
                    ctx.set(unit.en, en)
                    await ctx.delay(1e-7)
                    if s == slices - 1 and en:
                        assert ctx.get(unit.total) == total
                        fired.append(bool(ctx.get(unit.fire)))
                    if slices > 1:
                        await ctx.tick()

    sim = Simulator(unit)
    if slices > 1:
        sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert fired == golden.popcount_threshold(totals, thresholds).tolist()
    assert len(set(fired)) == 2


@pytest.mark.parametrize(("n_in", "slices"), [(0, 1), (4, 0), (4, 5)])
def test_sizes_wrong(n_in, slices):
    with pytest.raises(ValueError, match=rf"Slices must be in \[1, n_in = {n_in}\], not {slices}"):
        Neuron(n_in, slices)
