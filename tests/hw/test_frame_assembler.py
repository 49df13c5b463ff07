"""Frame assembler in the Amaranth simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.streams.frame_assembler import FrameAssembler


def drive(unit, beats, *, pause_in, pause_out, seed, cycles=4000):
    """Send (data, last) beats and return (payloads taken, cycles of the takes, cycles of ``dropped``)."""
    g = np.random.default_rng(seed)
    taken, when, dropped = [], [], []

    async def source(ctx):
        for data, last in beats:
            while g.random() < pause_in:
                await ctx.tick()
            ctx.set(unit.tdata, data)
            ctx.set(unit.tlast, last)
            ctx.set(unit.tvalid, 1)
            await ctx.tick().until(unit.tready)
            ctx.set(unit.tvalid, 0)

    async def sink(ctx):
        g_out = np.random.default_rng([seed, 1])
        held = None
        for cycle in range(cycles):
            ready = g_out.random() >= pause_out
            ctx.set(unit.o.ready, ready)
            _, _, valid, payload, drop = await ctx.tick().sample(unit.o.valid, unit.o.payload, unit.dropped)
            if held is not None:
                assert (valid, payload) == (1, held), "payload must hold while valid and not ready"
            held = payload if valid and not ready else None
            if valid and ready:
                taken.append(payload)
                when.append(cycle)
            if drop:
                dropped.append(cycle)

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(source, background=True)
    sim.add_testbench(sink)
    sim.run()
    return taken, when, dropped


def frames(n_in, width, lengths, seed):
    """Return beats of frames with the given numbers of beats, and the images of those that are right."""
    g = np.random.default_rng(seed)
    right = -(-n_in // width)
    beats, images = [], []
    for length in lengths:
        data = [int(g.integers(0, 1 << width)) for _ in range(length)]
        beats += [(d, k == length - 1) for k, d in enumerate(data)]
        if length == right:
            images.append(sum(d << (k * width) for k, d in enumerate(data)) & ((1 << n_in) - 1))
    return beats, images


@pytest.mark.parametrize(("pause_in", "pause_out"), [(0, 0), (0.5, 0), (0, 0.7), (0.4, 0.4)])
@pytest.mark.parametrize("by_beats", [False, True])
@pytest.mark.parametrize(("n_in", "width"), [(37, 8), (16, 8), (8, 8), (5, 8)])
def test_right_frames_pass_and_wrong_ones_are_counted(n_in, width, pause_in, pause_out, by_beats):
    right = -(-n_in // width)
    g = np.random.default_rng(n_in)
    lengths = [int(v) for v in g.choice([right, right, right, 1, right + 1, 3 * right + 2, max(1, right - 1)], 60)]
    beats, images = frames(n_in, width, lengths, n_in)
    taken, _, dropped = drive(
        FrameAssembler(n_in, width, by_beats), beats, pause_in=pause_in, pause_out=pause_out, seed=3
    )
    assert taken == images
    assert len(dropped) == len(lengths) - len(images)


@pytest.mark.parametrize("by_beats", [False, True])
@pytest.mark.parametrize(("n_in", "width"), [(37, 8), (8, 8)])
def test_frames_follow_each_other_without_a_gap(n_in, width, by_beats):
    beats, images = frames(n_in, width, [-(-n_in // width)] * 20, 1)
    taken, when, _ = drive(FrameAssembler(n_in, width, by_beats), beats, pause_in=0, pause_out=0, seed=1)
    assert taken == images
    assert set(np.diff(when)) == {-(-n_in // width)}
