"""Admission of images in the Amaranth simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.streams.admission import Admission


def run(interval, places, latency, pause_in=0.0, pause_out=0.0, cycles=600):
    """Let images in and their results out `latency` cycles later; return the cycles of both."""
    unit = Admission(interval, places)
    g = np.random.default_rng([7, interval, places])
    entered, delivered = [], []

    async def bench(ctx):
        for cycle in range(cycles):
            there = len(delivered) < sum(t + latency <= cycle for t in entered)
            takes = bool(ctx.get(unit.go)) and g.random() >= pause_in
            gives = there and g.random() >= pause_out
            assert ctx.get(unit.inside) == len(entered) - len(delivered)
            ctx.set(unit.entered, takes)
            ctx.set(unit.delivered, gives)
            if takes:
                entered.append(cycle)
            if gives:
                delivered.append(cycle)
            await ctx.tick()

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return entered, delivered


@pytest.mark.parametrize("interval", [1, 2, 3, 64])
def test_full_rate(interval):
    latency = 3 * interval
    entered, _ = run(interval, latency // interval + 1, latency)
    assert set(np.diff(entered)) == {interval}


@pytest.mark.parametrize(("interval", "places"), [(1, 1), (1, 5), (4, 2), (7, 3)])
def test_never_sooner_and_never_more(interval, places):
    entered, delivered = run(interval, places, 2 * interval, pause_in=0.3, pause_out=0.7)
    assert len(delivered) > 20
    assert min(np.diff(entered)) >= interval
    for k, t in enumerate(entered[places:]):
        assert delivered[k] < t, "the place of a result was delivered away twice"
    assert any(t - delivered[k] == 1 for k, t in enumerate(entered[places:])), "a place that is free is used at once"


def test_wrong_sizes():
    with pytest.raises(ValueError, match="Interval and places must be 1 or more, not 0 and 1"):
        Admission(0, 1)
