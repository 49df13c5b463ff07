"""Testbench of what pixels pass on their way between layers: windows, pooling, gathering.

``inputs.npy`` and ``expected.npy`` (bool, (n, bits)) are the transfers of whole images; ``cycles.npy`` has the cycle of
each output, from that of the first input: at full rate, and where each pixel waits for its cycle of ``offers.npy``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models.base.bits import integers
from oxnor.sim.benches.support import Scoreboard, Sink, Source, chance, cycle, known, limit, start


def _scrambled(dut: Any, pauses: Callable[[], bool]) -> Callable[[], bool]:
    """Return the same pauses, in which the payload is anything."""

    def pause() -> bool:
        found = pauses()
        if found:
            dut.i__payload.value = random.getrandbits(len(dut.i__payload))
        return found

    return pause


async def _interrupted(dut: Any) -> None:
    """Send anything for a while, and reset in the middle of it."""
    for _ in range(random.randrange(5, 80)):
        dut.i__valid.value, dut.o__ready.value = random.getrandbits(1), int(random.random() < 0.3)
        dut.i__payload.value = random.getrandbits(len(dut.i__payload))
        await RisingEdge(dut.clk)
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    dut.rst.value = dut.i__valid.value = dut.o__ready.value = 0
    for _ in range(4):
        await RisingEdge(dut.clk)
        assert not known(dut.o__valid), "something comes after a reset, before any pixel"


async def _through(
    dut: Any, source_pauses: float, sink_pauses: float, resets: int = 0, is_late: bool = False, is_asked: bool = False
) -> tuple[Source, Sink]:
    inputs, expected = integers(np.load("inputs.npy")), integers(np.load("expected.npy"))
    source, sink = Source(dut, "i", _scrambled(dut, chance(source_pauses))), Sink(dut, "o", chance(sink_pauses))
    if is_asked:
        busy = sink.pause
        sink.pause = lambda: not known(dut.o__valid) or busy()
    if is_late:
        offers = np.load("offers.npy")
        source.pause = lambda: bool(source.cycles) and cycle() + 1 < source.cycles[0] + offers[len(source.cycles)]
    board = Scoreboard("output")
    limit(60 * (len(inputs) + len(expected)) + 100 * (1 + resets))
    await start(dut, i__valid=0, i__payload=0, o__ready=0)
    for _ in range(resets):
        await _interrupted(dut)
    cocotb.start_soon(source.send(inputs))
    await sink.receive(len(expected), lambda payload: board.check(payload, expected[board.compared]))
    board.finish(len(expected))
    return source, sink


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """Without pauses each output comes exactly when the model of its control says."""
    source, sink = await _through(dut, 0, 0)
    _check_cycles(source, sink, np.load("cycles.npy")[0])


@cocotb.test()
async def late_pixels(dut: Any) -> None:
    """So it does where pixels come late, one by one or whole images."""
    source, sink = await _through(dut, 0, 0, is_late=True)
    _check_cycles(source, sink, np.load("cycles.npy")[1])


def _check_cycles(source: Source, sink: Sink, expected: np.ndarray) -> None:
    got = np.array(sink.cycles) - source.cycles[0]
    wrong = np.flatnonzero(got != expected)
    assert not wrong.size, f"output {wrong[0]} comes in cycle {got[wrong[0]]}, expected {expected[wrong[0]]}"


@cocotb.test()
async def slow_consumer(dut: Any) -> None:
    """A consumer that is mostly busy, and ready only for what is offered, loses nothing and holds nothing else up."""
    await _through(dut, 0, 0.9, is_asked=True)


@cocotb.test()
async def slow_source(dut: Any) -> None:
    """Pixels that come late are waited for, after resets in the middle of images."""
    await _through(dut, 0.9, 0, resets=30)


@cocotb.test()
async def pauses_on_both_sides(dut: Any) -> None:
    """Random pauses on both sides."""
    await _through(dut, 0.6, 0.6)
