"""Testbench of the popcount: every vector of the run's file against numpy's count."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from oxnor.models.base.bits import integers
from oxnor.sim.benches.support import Scoreboard, known


@cocotb.test()
async def counts(dut: Any) -> None:
    """Each row of ``vectors.npy`` (bool, shape (n, width)) gives its number of ones."""
    vectors = np.load("vectors.npy")
    board = Scoreboard("popcount")
    for row, value in zip(vectors, integers(vectors), strict=True):
        dut.i.value = value
        await Timer(1, "ns")
        board.check(known(dut.o), int(np.count_nonzero(row)))
    board.finish(len(vectors))
