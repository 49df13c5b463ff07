"""Testbench of the converter of a count: every count, of the last slice and of the others."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from oxnor.sim.benches.support import Scoreboard, known


@cocotb.test()
async def converts(dut: Any) -> None:
    """Each row of ``values.npy`` (count, whether it is of the last slice, value) holds."""
    rows = np.load("values.npy").tolist()
    board = Scoreboard("value")
    for count, last, value in rows:
        dut.i.value = count
        if hasattr(dut, "last"):
            dut.last.value = last
        await Timer(1, "ns")
        board.check(known(dut.o), value, (count, last))
    board.finish(len(rows))
