"""Testbench that programs and reads a macro as a script says, back to back.

``script.npy`` (int64, (n, 4)) has a row for each step: operation, side, row, column; or -1, 0, row, 0 to read a row
with all inputs 1. It writes ``record.npz`` (see ``tb_device_macro``).
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from oxnor.sim.benches.support import PERIOD, UNIT, job, known, limit, start

from .tb_device_macro import IDLE, WRITE_EDGES, Record


@cocotb.test()
async def follow_script(dut: Any) -> None:
    """Each operation as soon as the one before has written, and each read in a clock cycle of its own."""
    cols = job()["cols"]
    script = np.load("script.npy").tolist()
    ones = (1 << cols) - 1
    record = Record(cols)
    limit((WRITE_EDGES + 2) * len(script) + 20)
    await start(dut, **IDLE)
    dut.x.value = ones
    for op, side, row, col in script:
        if op < 0:
            dut.prog_valid.value, dut.sense.value, dut.row.value = 0, 1, row
            await RisingEdge(dut.clk)
            dut.sense.value = 0
            await RisingEdge(dut.clk)
            record.reads.append((row, ones))
            record.shown.append((len(record.reads) - 1, 0, known(dut.q)))
        else:
            dut.prog_op.value, dut.prog_side.value, dut.prog_row.value, dut.prog_col.value = op, side, row, col
            dut.prog_valid.value = 1
            # One wake an operation: the macro is ready again right after it has written.
            await Timer((WRITE_EDGES + 1) * PERIOD, UNIT)
            record.program((op, side, row, col))
    record.save()
