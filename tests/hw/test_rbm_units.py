"""Sampled neuron, pulse counter and writer of pulses, cycle by cycle against the model."""

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from oxnor.hw.learning.pulse_counter import PulseCounter
from oxnor.hw.learning.pulse_writer import PulseWriter
from oxnor.hw.learning.rbm_learner import RbmLearner
from oxnor.hw.learning.sampled_neuron import SampledNeuron
from oxnor.hw.macros.program_bus import RESET, SET
from oxnor.models.rbm.digital import DigitalRbm, sigmoid_table, table_address


def simulate(unit, bench):
    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_states_are_the_models_beyond_both_ends_of_the_table():
    totals = np.concatenate([np.arange(-700, 700, 5), [-4096, 4095, -513, -512, 511, 512]])
    expected = DigitalRbm(np.zeros((2, 2), np.int64), 1, 12345)._fire(totals)
    got = []

    async def bench(ctx):
        ctx.set(unit.load, 1)  # also where a state is drawn
        ctx.set(unit.draw, 1)
        ctx.set(unit.seed, 12345)
        await ctx.tick()
        ctx.set(unit.load, 0)
        for k, total in enumerate(totals.tolist()):
            ctx.set(unit.total, total)
            for draw in (0, 1) if k % 5 == 0 else (1,):  # a state that is not used is not drawn
                ctx.set(unit.draw, draw)
                state = ctx.get(unit.o)
                await ctx.tick()
            got.append(state)

    unit = SampledNeuron(13)
    simulate(unit, bench)
    assert got == expected.tolist()
    assert 0.3 < np.mean(got) < 0.7


def test_the_table_is_the_sigmoid():
    table = sigmoid_table()
    assert table[:3].tolist() == [0, 0, 0]
    assert table[-1] == 255
    assert (np.diff(table) >= 0).all()
    x = (np.arange(-128, 128) + 0.5) / 16
    assert np.abs(table / 256 - 1 / (1 + np.exp(-x))).max() <= 1 / 256
    assert [table_address(t) for t in (-10_000, -513, -512, -1, 0, 3, 4, 511, 10_000)] == [0, 0, 0, 127, 128, 128, 129, 255, 255]


@pytest.mark.parametrize(("threshold", "batch"), [(1, 1), (3, 3), (8, 5), (12, 12)])
def test_a_counter_is_exact_up_to_its_ends(threshold, batch):
    """Batches of one sign reach both ends of the width; mixed ones are drawn."""
    g, count, seen = np.random.default_rng(0), 0, set()
    steps = [(1, 0)] * 3 * batch + [(0, 1)] * 6 * batch + [tuple(p) for p in g.integers(0, 2, (20 * batch, 2)).tolist()]

    async def bench(ctx):
        nonlocal count
        for k, (plus, minus) in enumerate(steps):
            ctx.set(unit.count, 1)
            ctx.set(unit.plus, plus)
            ctx.set(unit.minus, minus)
            await ctx.tick()
            count += plus - minus
            ctx.set(unit.count, 0)
            seen.add(count)
            assert ctx.get(unit.value) == count
            assert (ctx.get(unit.request), ctx.get(unit.erases)) == (abs(count) >= threshold, count > 0)
            if k % batch == batch - 1 and abs(count) >= threshold:
                ctx.set(unit.taken, 1)
                await ctx.tick()
                ctx.set(unit.taken, 0)
                count -= threshold * (1 if count > 0 else -1)
                assert ctx.get(unit.value) == count

    unit = PulseCounter(threshold, batch)
    simulate(unit, bench)
    assert max(map(abs, seen)) >= threshold


@pytest.mark.parametrize(
    ("visible", "hidden", "weight", "drawn", "state"),
    [(15, 1, 127, "first", 1), (15, 1, -128, "first", 0), (1, 15, 127, "negative", 1)],
)
def test_sums_of_the_largest_weights_do_not_wrap(visible, hidden, weight, drawn, state):
    """16 of them are 2,032 and -2,048: with a bit less, the unit would fire about every other time."""
    states = []

    async def bench(ctx):
        ctx.set(unit.write, 1)
        ctx.set(unit.weight, weight)
        for row, column in np.ndindex(unit.rows, unit.columns):
            ctx.set(unit.row, row)
            ctx.set(unit.column, column)
            await ctx.tick()
        ctx.set(unit.i.payload.visible, -1)
        ctx.set(unit.i.valid, 1)
        for _ in range(16 * (visible + 2 * hidden + 2)):
            await ctx.tick()
            if ctx.get(unit.drawn):
                states.append(ctx.get(getattr(unit, drawn)))

    unit = RbmLearner(visible, hidden, 12, 12)
    simulate(unit, bench)
    assert states == [state] * 16


def test_a_pulse_takes_as_long_as_its_macro_says():
    """A request waits for the bus and for a macro that is ready; it is taken when its pulse is done, and not before.

    A reset amid a pulse forgets it: the request begins anew.
    """
    g, pulsing, done, forgotten = np.random.default_rng(0), False, 0, 0
    reset = Signal()

    async def bench(ctx):
        nonlocal pulsing, done, forgotten
        offered = False
        draws = g.integers(0, (7, 5, *[2] * 5, 10), (2000, 8)).tolist()
        for row, column, erases, valid, busy, ready, ends, kept in draws:
            if not offered:
                ctx.set(unit.i.payload, {"row": row, "column": column, "erases": erases})
                ctx.set(unit.i.valid, valid)
                told = (SET if erases else RESET, 0, row, column)
                offered = bool(valid)
            ctx.set(unit.busy, busy)
            ctx.set(unit.bus.ready, ready)
            ctx.set(unit.bus.done, ends)
            begins = offered and not pulsing and not busy
            assert (ctx.get(unit.bus.valid), ctx.get(unit.i.ready)) == (begins, pulsing and ends)
            if begins:
                assert tuple(ctx.get(getattr(unit.bus, name)) for name in ("op", "side", "row", "column")) == told
            ctx.set(reset, not kept)
            if pulsing and ends:
                pulsing, offered, done = False, False, done + 1
            elif not kept:
                pulsing, forgotten = False, forgotten + pulsing
            elif begins and ready:
                pulsing = True
            await ctx.tick()

    unit = PulseWriter(7, 5)
    simulate(ResetInserter(reset)(unit), bench)
    assert done > 100
    assert forgotten > 10


def test_bad_numbers():
    for make in (lambda: SampledNeuron(10), lambda: PulseCounter(10, 11), lambda: PulseCounter(10, 0), lambda: RbmLearner(0, 3, 1, 1)):
        with pytest.raises(ValueError, match="must be"):
            make()
