"""Testbench of one layer in passes: it writes the macros over the programming registers, and adds partial popcounts.

``weights.npy`` (bool, (passes down, passes across, neurons, inputs)) holds what the macros hold in each pass, and
``bits.npy`` (bool, (passes across, images, inputs)) what is read against them. It writes ``sums.npy`` (int64, (images,
passes down, neurons)) and ``counts.json``: rows sensed and operations on devices at the macros' own ports.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from oxnor.hw.placement.arrange import macro_bits
from oxnor.models.base.bits import pack_bytes, pack_words
from oxnor.sim.benches.support import known

from .tb_engine import begin
from .tb_programming import ProgrammingDriver


def macros_in(handle: Any) -> Iterator[Any]:
    """Yield the macros below a handle."""
    if hasattr(handle, "prog_side") and hasattr(handle, "mem"):
        yield handle
        return
    for child in handle:
        if hasattr(child, "__iter__") and hasattr(child, "_sub_handles"):
            yield from macros_in(child)


class Counts:
    """What happens at the ports of all macros, counted at every clock edge."""

    def __init__(self, dut: Any):
        self.dut, self.macros = dut, list(macros_in(dut))
        self.rows, self.operations = 0, Counter[tuple[int, int, int, int]]()

    async def watch(self) -> None:
        """Count for ever."""
        while True:
            await RisingEdge(self.dut.clk)
            for k, macro in enumerate(self.macros):
                self.rows += known(macro.sense)
                if known(macro.prog_valid):
                    at = (known(macro.prog_row), known(macro.prog_col), known(macro.prog_side))
                    self.operations[k, *at] += 1


async def write(driver: ProgrammingDriver, weights: NDArray[np.bool_]) -> int:
    """Program every row of every macro, and return the operations that the engine has counted."""
    layer = driver.config.layers[0]
    stored = macro_bits(weights, layer).reshape(layer.macros, layer.word_lines, layer.cols)
    async with driver.host.held():
        await driver.host.command(0, 0, 0, "CLEAR")
        for macro, rows in enumerate(stored):
            for row, bits in enumerate(rows):
                await driver.host.command(0, macro, row, "PROGRAM", words=pack_words(bits[None], np.uint32)[0])
        return await driver.host.get("PROG_PULSES")


@cocotb.test()
async def layer_in_passes(dut: Any) -> None:
    """All passes, each with all images."""
    driver = ProgrammingDriver(await begin(dut))
    weights, bits = np.load("weights.npy"), np.load("bits.npy")
    counts = Counts(dut)
    cocotb.start_soon(counts.watch())
    sums = np.zeros((bits.shape[1], len(weights), weights.shape[2]), np.int64)
    pulses, writes, reads = 0, 0, 0
    for down, across in np.ndindex(*weights.shape[:2]):
        before = counts.rows
        pulses += await write(driver, weights[down, across])
        writes += counts.rows - before
        before = counts.rows
        frames = pack_bytes(bits[across], driver.config.stream_width)
        for frame in frames:
            driver.engine.source.send_nowait(bytes(frame))
        scores = driver.scores_of([await driver.engine.sink.recv() for _ in frames])
        await driver.engine.quiet()
        sums[:, down] += np.array(scores)
        reads += counts.rows - before
    np.save("sums.npy", sums)
    found = {
        "macros": len(counts.macros), "row_reads": reads, "rows_sensed_in_programming": writes, "pulses": pulses,
        "operations": sum(counts.operations.values()), "devices": len(counts.operations),
        "most": max(counts.operations.values()),
    }  # fmt: skip
    Path("counts.json").write_text(json.dumps(found))
