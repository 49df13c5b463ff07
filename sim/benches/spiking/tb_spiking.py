"""The fast testbench of the spiking engine: every image or event stream through its real ports, back to back.

Its working directory holds ``job.json`` (``cycle_limit``, bytes of a beat, of a result and of a spike word,
``pauses``), ``beats.npy`` (uint8, shape (beats, bytes)), ``lasts.npy`` (bool, shape (beats,)) and ``mem/``; it writes
``results.npy`` and ``spikes.npy`` (uint8, a row each), ``times.npy`` (int64, the cycle of the first input transfer and
of each result), ``registers.json`` and ``progress``.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer
from cocotb.utils import get_sim_time

from oxnor.sim.benches.engine.tb_simulate import PERIOD, Results, beats_of, reset
from oxnor.sim.benches.stream_driver import receive


async def send_frames(dut: Any, beats: list[int], lasts: list[bool], pauses: bool) -> int:
    """Send beats, with drawn pauses if asked; return the time of the first transfer."""
    edge, readable = RisingEdge(dut.clk), RisingEdge(dut.s_axis_tready)
    first, last_now = -1, None
    for beat, last in zip(beats, lasts, strict=True):
        while pauses and random.random() < 0.3:
            dut.s_axis_tvalid.value = 0
            await edge
        dut.s_axis_tdata.value = beat
        dut.s_axis_tvalid.value = 1
        if last != last_now:
            dut.s_axis_tlast.value = int(last)
            last_now = last
        await edge
        while dut.s_axis_tready.value == 0:
            await readable
            await edge
        if first < 0:
            first = get_sim_time()
    dut.s_axis_tvalid.value = 0
    return first


async def keep_spikes(dut: Any, size: int, kept: bytearray) -> None:
    """Keep every output spike word."""
    edge, offered = RisingEdge(dut.clk), RisingEdge(dut.m_spike_tvalid)
    valid, ready, data = dut.m_spike_tvalid, dut.m_spike_tready, dut.m_spike_tdata
    while True:
        await edge
        while valid.value == 0:
            await offered
            await edge
        if ready.value == 1:
            kept += int(data.value).to_bytes(size, "little")


async def pause(dut: Any, ready: Any) -> None:
    """Take `ready` away now and then."""
    while True:
        await RisingEdge(dut.clk)
        ready.value = int(random.random() < 0.5)


async def take_results(dut: Any, results: Results, count: int) -> None:
    """Take results while ``ready`` changes."""
    while len(results.times) < count:
        await RisingEdge(dut.clk)
        if dut.m_axis_tvalid.value == 1 and dut.m_axis_tready.value == 1:
            results.take()


async def read_register(dut: Any, address: int) -> int:
    """Read a register over AXI4-Lite."""
    edge = FallingEdge(dut.clk)  # between rising edges, where nothing moves by itself
    await edge
    dut.s_axil_araddr.value = address
    dut.s_axil_arvalid.value = 1
    await edge
    dut.s_axil_arvalid.value = 0
    dut.s_axil_rready.value = 1
    assert dut.s_axil_rvalid.value == 1, f"register {address:#x} does not answer"
    value = int(dut.s_axil_rdata.value)
    await edge
    dut.s_axil_rready.value = 0
    return value


@cocotb.test()
async def stream_images(dut: Any) -> None:
    """Stream everything in and keep everything that comes out."""
    job = json.loads(Path("job.json").read_text())
    raw, lasts = np.load("beats.npy"), np.load("lasts.npy").tolist()
    count, pauses = sum(lasts), job["pauses"]
    results, spikes = Results(dut, count, job["result_bytes"]), bytearray()
    dut.m_spike_tready.value = 1
    await reset(dut)
    cocotb.start_soon(keep_spikes(dut, job["spike_bytes"], spikes))
    if pauses:
        cocotb.start_soon(pause(dut, dut.m_axis_tready))
        cocotb.start_soon(pause(dut, dut.m_spike_tready))
    sender = cocotb.start_soon(send_frames(dut, beats_of(raw, job["beat_bytes"]), lasts, pauses))
    taking = take_results(dut, results, count) if pauses else receive(dut.clk, dut.m_axis_tvalid, count, results.take)
    receiver = cocotb.start_soon(taking)
    await First(receiver, Timer(PERIOD * job["cycle_limit"], "step"))
    assert receiver.done(), (
        f"the engine hangs: {len(results.times)} of {count} results after {job['cycle_limit']} cycles"
    )
    await Timer(PERIOD * 64, "step")
    assert sender.done(), "the engine gave all results before it had taken all images"
    assert pauses or dut.m_axis_tvalid.value == 0, "the engine gave more results than it took images"
    registers = {name: await read_register(dut, offset) for name, offset in job["registers"].items()}
    Path("registers.json").write_text(json.dumps(registers))
    np.save("times.npy", np.array([sender.result(), *results.times], np.int64) // PERIOD)
    np.save("results.npy", np.frombuffer(bytes(results.raw), np.uint8).reshape(count, -1))
    np.save("spikes.npy", np.frombuffer(bytes(spikes), np.uint8).reshape(-1, job["spike_bytes"]))
