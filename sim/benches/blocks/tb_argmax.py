"""Testbench of the argmax: vectors full of ties, several scores at a time, with pauses."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models import golden
from oxnor.sim.benches.support import Scoreboard, chance, job, known, limit, start


def _vectors(count: int, width: int, n: int) -> np.ndarray:
    """Return score vectors: all equal, one maximum at each place, few different values, values alike
    but for a bit, and any values.
    """
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    g = np.random.default_rng(random.getrandbits(32))
    level = np.full((3, count), [[low], [high], [0]])
    peaks = np.where(np.eye(count, dtype=bool), high, low)
    ties = g.integers(-1, 2, (n, count)).clip(low, high)
    # Alike but for one bit, at any level: each bit of a comparison decides somewhere.
    bits = 1 << g.integers(0, width - 1, (2 * n, count)) if width > 1 else 0
    alike = g.integers(low, high + 1, (2 * n, 1)) - bits * (g.random((2 * n, count)) < 0.6)
    # The second largest is all but the lowest: what starts a comparison must lose to it.
    lowest = np.full((3 * n, count), low)
    at = g.permuted(np.tile(np.arange(count), (3 * n, 1)), axis=1)[:, :2]
    steps = low + (1 << g.integers(0, width, 3 * n))
    lowest[np.arange(3 * n), at[:, 0]] = steps
    if count > 1:
        lowest[np.arange(3 * n), at[:, 1]] = g.integers(steps, high + 1)
    return np.concatenate([level, peaks, ties, lowest, alike.clip(low, high), g.integers(low, high + 1, (n, count))])


@cocotb.test()
async def lowest_index_wins(dut: Any) -> None:
    """The index of the largest score follows the last scores by one cycle."""
    count, lanes, width = (job()[k] for k in ("count", "lanes", "width"))
    vectors = _vectors(count, width, 200)
    board, pause = Scoreboard("class"), chance(0.3)
    steps = -(-count // lanes)
    limit(len(vectors) * (steps + 1) * 20)
    await start(dut, en=0, first=0, last=0, scores=0)
    for vector in vectors:
        for step in range(steps):
            lane_scores = [int(s) for s in vector[step * lanes : (step + 1) * lanes]]
            # Lanes beyond the last score carry the largest number: they must be ignored.
            lane_scores += [(1 << (width - 1)) - 1] * (lanes - len(lane_scores))
            while pause():
                dut.en.value = 0
                dut.scores.value = random.getrandbits(lanes * width)
                await RisingEdge(dut.clk)
            mask = (1 << width) - 1
            dut.scores.value = sum((s & mask) << (v * width) for v, s in enumerate(lane_scores))
            dut.en.value, dut.first.value, dut.last.value = 1, int(step == 0), int(step == steps - 1)
            await RisingEdge(dut.clk)
        dut.en.value = 0
        await RisingEdge(dut.clk)
        board.check(known(dut.index), int(golden.argmax(vector)), vector.tolist())
        if job()["with_margin"]:
            assert known(dut.margin) == golden.margins(vector), f"margin of {vector.tolist()}"
    board.finish(len(vectors))
