"""Testbench of the synapses of three values: requests in, rows out, and the updates that were compared."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from oxnor.models.base.bits import integers, word_bits
from oxnor.models.learning.synapses import Synapses
from oxnor.models.networks.layers.base import ternary_synapses
from oxnor.sim.benches.support import PERIOD, UNIT, Scoreboard, chance, job, known, limit, start

FIELDS = ("load", "row", "up", "down", "sizes", "values")


async def _close_calls(dut: Any, model: Synapses, done: int, calls: list[list[int]]) -> None:
    """Move row 0 where a number is closest to a threshold, to where it shows; nothing moves in the updates between."""
    lanes = model.values.shape[1]
    none = np.zeros(lanes, np.int64)
    width = len(dut.sizes) // lanes
    dut.row.value, dut.up.value, dut.down.value = 0, 0, 0
    for at, lane, size in calls:
        if at < done:  # two lanes at once: the first one
            continue
        if at > done:
            # To the middle of the last of these cycles, without a call in each.
            await Timer(PERIOD * (at - done) - PERIOD // 2, UNIT)
            await RisingEdge(dut.clk)
            for _ in range(at - done):
                model.rest()
        moves, sizes = none.copy(), none.copy()
        moves[lane], sizes[lane] = -1 if model.values[0, lane] > 0 else 1, size
        dut.up.value, dut.down.value = int(moves[lane] > 0) << lane, int(moves[lane] < 0) << lane
        dut.sizes.value = size << width * lane
        await RisingEdge(dut.clk)
        before = model.values[0].copy()
        model.update(0, moves, sizes)
        dut.up.value, dut.down.value = 0, 0
        done = at + 1
        assert known(dut.held) == integers(ternary_synapses(before[None]))[0], f"row 0 after {at} updates"


@cocotb.test()
async def updates(dut: Any) -> None:
    """Each request of ``directions.npy`` and ``sizes.npy`` moves its row as the model does, with pauses between."""
    thresholds, first, rows = (np.load(f"{name}.npy") for name in ("thresholds", "start", "rows"))
    directions, sizes = np.load("directions.npy"), np.load("sizes.npy")
    model, board, pause = Synapses(first, thresholds), Scoreboard("row"), chance(job()["pause"])
    calls = np.load("calls.npy").tolist()
    limit(20 * len(rows) + max((at for at, *_ in calls), default=0) + 100)
    await start(dut, update=0, **dict.fromkeys(FIELDS, 0))
    for row in range(len(first)):
        dut.row.value = row
        await RisingEdge(dut.clk)
        assert known(dut.held) == 0, f"row {row} after the reset"
    for row, held in enumerate(integers(ternary_synapses(first))):
        dut.load.value, dut.row.value, dut.values.value = 1, row, held
        await RisingEdge(dut.clk)
    dut.load.value = 0
    width = len(dut.sizes) // directions.shape[1]
    packed = (directions > 0, directions < 0, word_bits(sizes, width))
    columns = zip(rows.tolist(), *map(integers, packed), strict=True)
    for k, (row, up, down, size) in enumerate(columns):
        # What stands at the inputs while nothing is asked for must leave no trace.
        dut.row.value, dut.up.value, dut.down.value, dut.sizes.value = row, up, down, size
        while pause():
            dut.update.value, dut.values.value = 0, random.getrandbits(len(dut.values))
            await RisingEdge(dut.clk)
        dut.update.value = 1
        await RisingEdge(dut.clk)
        # Read at this edge is the row before the update: as the one before has left it.
        board.check(known(dut.held), integers(ternary_synapses(model.values[row : row + 1]))[0], (k, row))
        model.update(row, directions[k], sizes[k])
    await _close_calls(dut, model, len(rows), calls)
    dut.update.value = 0
    await RisingEdge(dut.clk)
    for row in range(len(first)):
        dut.row.value = row
        await RisingEdge(dut.clk)
        board.check(known(dut.held), integers(ternary_synapses(model.values[row : row + 1]))[0], row)
    board.finish(len(rows) + len(first))
