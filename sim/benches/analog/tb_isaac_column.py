"""Testbench of the digital part of a column of ISAAC: conversions in, sums of products out."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.sim.benches.support import Scoreboard, chance, known, limit, start

FIELDS = ("first", "count", "flipped", "ones", "shift", "inputs")


@cocotb.test()
async def sums(dut: Any) -> None:
    """The conversions of ``steps.npy``, with pauses between them, give the sums of ``sums.npy``."""
    steps, expected = np.load("steps.npy").tolist(), np.load("sums.npy").tolist()
    board, pause = Scoreboard("sum"), chance(0.1)
    limit(20 * len(steps) + 100)
    await start(dut, en=0, **dict.fromkeys(FIELDS, 0))
    each = len(steps) // len(expected)
    for k, values in enumerate(steps):
        while pause():
            # What comes while the unit is not enabled must leave no trace.
            dut.en.value = 0
            for name in FIELDS:
                getattr(dut, name).value = random.getrandbits(len(getattr(dut, name)))
            await RisingEdge(dut.clk)
        dut.en.value = 1
        for name, value in zip(FIELDS, values, strict=True):
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
        if k % each == each - 1:
            dut.en.value = 0
            await RisingEdge(dut.clk)
            got = known(dut.o)
            board.check(got - (got >> (len(dut.o) - 1) << len(dut.o)), expected[k // each], k)
    board.finish(len(expected))
