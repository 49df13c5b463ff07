"""Testbench of a layer: every output bit of every image, at full rate with its exact timing, and with pauses.

``inputs.npy`` (bool, (n, n_in)) and ``expected.npy`` (bool or int64, (n, n_out)) come from the golden model. A layer
may take or give a vector in several transfers of ``takes`` and ``gives`` bits.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from oxnor.models.base.bits import integers
from oxnor.sim.benches.support import Scoreboard, Sink, Source, chance, job, limit, start


def _payloads(bits: np.ndarray, width: int) -> list[int]:
    """Return vectors in transfers of `width` bits."""
    return integers(np.pad(bits, ((0, 0), (0, -bits.shape[1] % width))).reshape(-1, width))


def _expected_payloads(expected: np.ndarray, parameters: dict[str, Any]) -> list[int]:
    """Return what the output stream carries: bits, or the class with the scores above it."""
    if expected.dtype == bool:
        return _payloads(expected, parameters["gives"])
    width, index_width = parameters["score_width"], parameters["index_width"]
    mask = (1 << width) - 1
    return [
        int(np.argmax(scores)) | sum((int(s) & mask) << (index_width + k * width) for k, s in enumerate(scores))
        for scores in expected
    ]


async def _through(dut: Any, source_pauses: float, sink_pauses: float) -> tuple[Source, Sink]:
    inputs, expected = np.load("inputs.npy"), np.load("expected.npy")
    parameters = job()
    source, sink = Source(dut, "i", chance(source_pauses)), Sink(dut, "o", chance(sink_pauses))
    board = Scoreboard("output vector")
    wanted = _expected_payloads(expected, parameters)
    # Lanes beyond the last neuron carry anything.
    beyond = -expected.shape[1] % parameters["gives"] if expected.dtype == bool else 0
    passes = len(wanted) // len(expected)

    def check(payload: int) -> None:
        number = board.compared
        mask = (1 << parameters["gives"] - beyond) - 1 if beyond and number % passes == passes - 1 else -1
        board.check(payload & mask, wanted[number])

    limit((parameters["latency"] + parameters["reads"] + 20) * len(inputs) * 10)
    await start(dut, i__valid=0, i__payload=0, o__ready=0)
    cocotb.start_soon(source.send(_payloads(inputs, parameters["takes"])))
    await sink.receive(len(wanted), check)
    board.finish(len(wanted))
    return source, sink


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """Without pauses each output comes exactly when the schedule says; what comes in several transfers, evenly."""
    source, sink = await _through(dut, 0, 0)
    vectors = len(np.load("inputs.npy"))
    beats_in, beats_out = (len(side.cycles) // vectors for side in (source, sink))
    latency, interval = job()["latency"], job()["reads"]
    first = source.cycles[beats_in - 1] + latency - (beats_out - 1) * interval // beats_out
    expected = [first + k * interval // beats_out for k in range(len(sink.cycles))]
    assert sink.cycles == expected, f"outputs in cycles {sink.cycles[:5]}..., expected {expected[:5]}..."


@cocotb.test()
async def slow_consumer(dut: Any) -> None:
    """A consumer that is mostly busy loses nothing."""
    await _through(dut, 0, 0.95)


@cocotb.test()
async def pauses_on_both_sides(dut: Any) -> None:
    """Random pauses on both sides: the layer stops with gaps of every length between what is in it."""
    await _through(dut, 0.6, 0.9)
