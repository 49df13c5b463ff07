"""Testbench of the RRAM macro: random reads, pauses, errors and programming against a model of a few lines."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models.base.bits import integers
from oxnor.sim.benches.support import Scoreboard, chance, job, known, limit, start

RESET = 2


class Model:
    """The macro: what it stores, and the row and inputs of the last sense.

    Parameters
    ----------
    stored : ndarray of bool, shape (rows, cols)
    """

    def __init__(self, stored: np.ndarray):
        self.rows = integers(stored)
        self.ones = (1 << stored.shape[1]) - 1
        self.row, self.x, self.done = 0, 0, 0

    def q(self, flip: int) -> int:
        """Return what the sense amplifiers show."""
        return ~(self.row ^ self.x) & self.ones ^ flip

    def edge(self, sense: int, row: int, x: int, program: tuple[int, int, int, int] | None) -> None:
        """One clock edge; a row that is sensed while it is programmed gives what it held before."""
        if sense:
            self.row, self.x = self.rows[row], x
        self.done = int(program is not None)
        if program:
            op, side, at_row, at_col = program
            # SET and FORM leave a device in LRS, RESET in HRS; BL in LRS is a 1, BLb in LRS a 0.
            bit = (op != RESET) ^ side
            self.rows[at_row] = self.rows[at_row] & ~(1 << at_col) | bit << at_col


def _random_program(rows: int, cols: int) -> tuple[int, int, int, int]:
    return random.randrange(3), random.randrange(2), random.randrange(rows), random.randrange(cols)


async def _compare(dut: Any, cycles: int, programming: float, errors: bool, sensing: float) -> None:
    stored = np.load("stored.npy")
    rows, cols = stored.shape
    model, board = Model(stored), Scoreboard("read")
    sense, programs = chance(sensing), chance(programming)
    limit(cycles + 20)
    await start(dut, sense=0, row=0, x=0, flip=0, prog_valid=0, prog_op=0, prog_side=0, prog_row=0, prog_col=0)
    sensed = False  # what the macro shows before its first read is its own affair
    for _ in range(cycles):
        inputs = (int(sense()), random.randrange(rows), random.getrandbits(cols))
        flip = random.getrandbits(cols) if errors else 0
        program = _random_program(rows, cols) if programs() else None
        dut.sense.value, dut.row.value, dut.x.value = inputs
        dut.flip.value = flip
        dut.prog_valid.value = int(program is not None)
        # What stands there while nothing is programmed must leave no trace.
        shown = program or _random_program(rows, cols)
        dut.prog_op.value, dut.prog_side.value, dut.prog_row.value, dut.prog_col.value = shown
        await RisingEdge(dut.clk)
        assert known(dut.prog_ready) == 1
        assert known(dut.prog_done) == model.done
        if sensed:
            board.check(known(dut.q), model.q(flip))
        sensed |= bool(inputs[0])
        model.edge(*inputs, program)
    assert board.compared > cycles // 2


@cocotb.test()
async def reads_every_row(dut: Any) -> None:
    """Each row as it was loaded, once with all inputs 0 and once with all 1."""
    stored = np.load("stored.npy")
    rows, cols = stored.shape
    model, board = Model(stored), Scoreboard("row")
    limit(4 * rows + 20)
    await start(dut, sense=0, row=0, x=0, flip=0, prog_valid=0, prog_op=0, prog_side=0, prog_row=0, prog_col=0)
    reads = [(row, x) for row in range(rows) for x in (0, (1 << cols) - 1)]
    for row, x in reads:
        dut.sense.value, dut.row.value, dut.x.value = 1, row, x
        await RisingEdge(dut.clk)
        dut.sense.value = 0
        await RisingEdge(dut.clk)
        model.edge(1, row, x, None)
        board.check(known(dut.q), model.q(0), (row, x))
    board.finish(2 * rows)


@cocotb.test()
async def random_reads(dut: Any) -> None:
    """Reads at every cycle with random inputs and per-read errors."""
    await _compare(dut, job()["cycles"], programming=0, errors=True, sensing=1)


@cocotb.test()
async def programming_between_reads(dut: Any) -> None:
    """FORM, SET and RESET of random devices between and during reads with pauses."""
    await _compare(dut, job()["cycles"], programming=0.5, errors=False, sensing=0.6)
