"""Testbench of the trainable converter: the codes of a training are those of the model, sample by sample."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models.analog.trainable_integer import IntegerTrainableAdc
from oxnor.sim.benches.support import Scoreboard, job, known, limit, start


@cocotb.test()
async def learns(dut: Any) -> None:
    """Weights of ``weights.npy`` and ``biases.npy`` learn from ``samples.npy``: (value, right code, rate) each."""
    samples, weights, biases = (np.load(f"{name}.npy") for name in ("samples", "weights", "biases"))
    model, board = IntegerTrainableAdc(job()["width"], weights, biases), Scoreboard("code")
    limit(2 * len(samples) + 1000)
    await start(dut, i=0, teach=0, right=0, rate=0, write=0, index=0, data=0)
    for i in range(model.bits):
        for j in range(i, model.bits):
            dut.write.value, dut.index.value = 1, i * model.bits + j
            dut.data.value = int(biases[i] if i == j else weights[i, j])
            await RisingEdge(dut.clk)
    dut.write.value = 0
    for k, (value, right, rate) in enumerate(samples.tolist()):
        teaches = k % 7 != 0  # some samples are converted alone
        dut.i.value, dut.right.value, dut.rate.value, dut.teach.value = value, right, rate, int(teaches)
        await RisingEdge(dut.clk)
        board.check(known(dut.o), model.learn(value, right, rate) if teaches else model.code(value), k)
    board.finish(len(samples))
