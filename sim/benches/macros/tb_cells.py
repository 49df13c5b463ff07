"""Testbench of the adapter on a macro of single cells: every answer and every cycle against the golden model."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models.base.bits import integers
from oxnor.models.devices.cell_macro import FORM, RESET, SET, CellMacro, CellSettings
from oxnor.sim.benches.support import Scoreboard, job, known, limit, start

#: Cycles of an operation.
PROGRAM = 200


class _Driver:
    """The port of the adapter, with the golden model beside it."""

    def __init__(self, dut: Any):
        given = job()
        self.dut = dut
        self.macro = CellMacro(np.load("stored.npy"), CellSettings(**given["settings"]), "mem/macro.mem")
        self.latency = given["latency"]
        self.rows, self.cols = self.macro.on.shape[0], self.macro.on.shape[1] // 2
        self.board = Scoreboard("access")

    async def begin(self) -> None:
        """Start the clock."""
        limit(200_000)
        ports = ("sense", "row", "x", "flip", "prog_valid", "prog_op", "prog_side", "prog_row", "prog_col")
        await start(self.dut, **dict.fromkeys(ports, 0))

    async def _until(self, port: Any) -> int:
        """Return the cycles until a port is 1."""
        cycles = 0
        while not known(port):
            await RisingEdge(self.dut.clk)
            cycles += 1
        return cycles

    async def read(self, row: int, x: int, flip: int) -> None:
        """Read a row and compare it."""
        dut = self.dut
        dut.sense.value, dut.row.value, dut.x.value, dut.flip.value = 1, row, x, flip
        await RisingEdge(dut.clk)
        dut.sense.value = 0
        await RisingEdge(dut.clk)
        taken = await self._until(dut.ready)
        before = self.macro.waited
        pairs = integers(self.macro.read_row(row)[None])[0]
        waited = self.macro.waited - before
        agree = ~(pairs ^ x) & (1 << self.cols) - 1
        expected = 2 * self.cols * (self.latency + 2) + waited - 1
        self.board.check((known(dut.q), taken), (agree ^ flip, expected), (row, x))

    async def operate(self, op: int, side: int, row: int, column: int) -> None:
        """Carry out an operation on a cell."""
        dut = self.dut
        dut.prog_valid.value, dut.prog_op.value, dut.prog_side.value = 1, op, side
        dut.prog_row.value, dut.prog_col.value = row, column
        while True:
            await RisingEdge(dut.clk)
            if known(dut.prog_ready):
                break
        dut.prog_valid.value = 0
        await RisingEdge(dut.clk)
        taken = await self._until(dut.prog_done)
        # It is done a cycle after the acknowledge.
        expected = PROGRAM + 1 + self.macro.operate(op, row, 2 * column + side)
        self.board.check(taken, expected, (op, side, row, column))


@cocotb.test()
async def reads_and_operations(dut: Any) -> None:
    """Reads of random rows between operations on random cells, each forming what it meets first."""
    driver = _Driver(dut)
    await driver.begin()
    for row in range(driver.rows):
        await driver.read(row, random.getrandbits(driver.cols), random.getrandbits(driver.cols))
    for row in range(driver.rows):
        for column in range(driver.cols):
            for side in (0, 1):
                await driver.operate(FORM, side, row, column)
        await driver.read(row, (1 << driver.cols) - 1, 0)
    for _ in range(job()["operations"]):
        cell = random.randrange(2), random.randrange(driver.rows), random.randrange(driver.cols)
        await driver.operate(random.choice((SET, RESET)), *cell)
        await driver.read(cell[1], random.getrandbits(driver.cols), 0)
    assert driver.macro.on.any()
    assert not driver.macro.on.all()
    driver.board.finish(2 * driver.rows * (1 + driver.cols) + 2 * job()["operations"])
