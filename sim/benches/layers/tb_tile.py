"""Testbench of the tile: counts of random rows and inputs, with the unused columns masked, through pauses."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models.base.bits import integers
from oxnor.sim.benches.support import Scoreboard, chance, job, known, limit, start


@cocotb.test()
async def counts_of_rows(dut: Any) -> None:
    """The count follows its read by two enabled cycles and leaves out the columns that hold no synapse."""
    parameters = job()
    stored = np.load("stored.npy")
    rows, cols = stored.shape
    board, enabled, sensing = Scoreboard("count"), chance(0.7), chance(0.8)
    limit(4 * parameters["cycles"])
    await start(dut, en=0, sense=0, row=0, x=0, last=0)
    sensed: tuple[Any, ...] | None = None  # (weights, inputs) of the present read
    counted: Any = None
    for _ in range(parameters["cycles"]):
        en, last, row = int(enabled()), random.randrange(2), random.randrange(rows)
        x = np.array([random.getrandbits(1) for _ in range(cols)], bool)
        if random.random() < 0.2:  # all agree, or none
            x = stored[row] ^ bool(random.getrandbits(1))
        sense = int(sensing())
        dut.en.value, dut.sense.value, dut.last.value, dut.row.value = en, sense, last, row
        dut.x.value = integers(x[None])[0]
        await RisingEdge(dut.clk)
        if counted is not None:
            board.check(known(dut.count), counted)
        if en:
            used = parameters["used_last"] if last else parameters["used"]
            agree = None if sensed is None else (sensed[0] == sensed[1])[:used]
            counted = None if agree is None else int(agree @ np.resize(parameters["digits"], used))
            if sense:
                sensed = (stored[row], x)
    assert board.compared > parameters["cycles"] // 2
