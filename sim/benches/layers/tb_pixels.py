"""Testbench of what pixels pass on their way between layers: windows, pooling, gathering.

``inputs.npy`` and ``expected.npy`` (bool, (n, bits)) are the transfers of whole images; ``cycles.npy`` has the cycle of
each output at full rate, from that of the first input.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from oxnor.models.base.bits import integers
from oxnor.sim.benches.support import Scoreboard, Sink, Source, chance, limit, start


async def _through(dut: Any, source_pauses: float, sink_pauses: float) -> tuple[Source, Sink]:
    inputs, expected = integers(np.load("inputs.npy")), integers(np.load("expected.npy"))
    source, sink = Source(dut, "i", chance(source_pauses)), Sink(dut, "o", chance(sink_pauses))
    board = Scoreboard("output")
    limit(60 * (len(inputs) + len(expected)) + 100)
    await start(dut, i__valid=0, i__payload=0, o__ready=0)
    cocotb.start_soon(source.send(inputs))
    await sink.receive(len(expected), lambda payload: board.check(payload, expected[board.compared]))
    board.finish(len(expected))
    return source, sink


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """Without pauses each output comes exactly when the model of its control says."""
    source, sink = await _through(dut, 0, 0)
    got, expected = np.array(sink.cycles) - source.cycles[0], np.load("cycles.npy")
    wrong = np.flatnonzero(got != expected)
    assert not wrong.size, f"output {wrong[0]} comes in cycle {got[wrong[0]]}, expected {expected[wrong[0]]}"


@cocotb.test()
async def slow_consumer(dut: Any) -> None:
    """A consumer that is mostly busy loses nothing."""
    await _through(dut, 0, 0.9)


@cocotb.test()
async def slow_source(dut: Any) -> None:
    """Pixels that come late are waited for."""
    await _through(dut, 0.9, 0)


@cocotb.test()
async def pauses_on_both_sides(dut: Any) -> None:
    """Random pauses on both sides."""
    await _through(dut, 0.6, 0.6)
