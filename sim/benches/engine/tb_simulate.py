"""The fast testbench: every image through the engine's real stream ports, back to back.

Its working directory holds ``job.json`` (sizes, the cycle limit, and registers to write before the first image),
``images.npy`` (uint8, shape (images, bytes of the image's beats)) and ``mem/``; it writes ``results.npy`` (uint8, shape
(images, bytes of a result)), ``times.npy`` (int64, the cycle of the first input transfer and of each result) and
``progress`` (images done, as text).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, Timer
from cocotb.utils import get_sim_time

from oxnor.sim.benches.axi_lite_driver import Lite
from oxnor.sim.benches.stream_driver import receive, send

PERIOD = 2  # simulator steps to a clock cycle
RESET_CYCLES = 4


def beats_of(images: np.ndarray, beat_bytes: int) -> list[int]:
    """Return the beats of all images (uint8, shape (n, beats * beat_bytes)) as integers, made before time runs."""
    raw = images.tobytes()
    return [int.from_bytes(raw[k : k + beat_bytes], "little") for k in range(0, len(raw), beat_bytes)]


class Results:
    """Keeps what the engine gives, and says how far it is.

    Parameters
    ----------
    dut : cocotb handle
        The engine.
    count : int
        Results to come.
    size : int
        Bytes of a result.
    """

    def __init__(self, dut: Any, count: int, size: int):
        self.data = dut.m_axis_tdata
        self.size = size
        self.raw = bytearray()
        self.times: list[int] = []
        self.step = max(1, min(count // 200, 500))
        self.file = os.open("progress", os.O_WRONLY | os.O_CREAT, 0o644)

    def take(self) -> None:
        """Take one result at the edge of its transfer."""
        self.times.append(get_sim_time())
        self.raw += int(self.data.value).to_bytes(self.size, "little")
        done = len(self.times)
        if done % self.step == 0:
            os.pwrite(self.file, b"%d" % done, 0)


async def reset(dut: Any) -> None:
    """Start the clock with every input at 0 but ``m_axis_tready``, and reset the engine."""
    for handle in dut:
        if handle._name.startswith("s_axi") and not handle._name.endswith(
            ("tready", "awready", "wready", "arready", "bvalid", "bresp", "rvalid", "rdata", "rresp")
        ):
            handle.value = 0
    dut.m_axis_tready.value = 1
    dut.rst.value = 1
    Clock(dut.clk, PERIOD, "step", impl="gpi").start()
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


@cocotb.test()
async def stream_images(dut: Any) -> None:
    """Stream all images and keep all results."""
    job = json.loads(Path("job.json").read_text())
    images = np.load("images.npy")
    beats = beats_of(images, job["beat_bytes"])
    results = Results(dut, len(images), job["result_bytes"])
    await reset(dut)
    if job["writes"]:
        lite = Lite(dut)
        for address, value in job["writes"]:
            await lite.write(address, value)
    dut_in = (dut.s_axis_tdata, dut.s_axis_tvalid, dut.s_axis_tready, dut.s_axis_tlast)
    sender = cocotb.start_soon(send(dut.clk, *dut_in, beats, job["beats"], get_sim_time))
    receiver = cocotb.start_soon(receive(dut.clk, dut.m_axis_tvalid, len(images), results.take))
    await First(receiver, Timer(PERIOD * job["cycle_limit"], "step"))
    assert receiver.done(), (
        f"the engine hangs: {len(results.times)} of {len(images)} results after {job['cycle_limit']} cycles"
    )
    assert sender.done(), "the engine gave all results before it had taken all images"
    # Anything more would be a result that no image has asked for.
    await Timer(PERIOD * job["quiet_cycles"], "step")
    assert dut.m_axis_tvalid.value == 0, "the engine gave more results than it took images"
    times = np.array([sender.result(), *results.times], np.int64)
    np.save("times.npy", times // PERIOD)
    np.save("results.npy", np.frombuffer(bytes(results.raw), np.uint8).reshape(len(images), -1))
