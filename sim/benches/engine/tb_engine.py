"""Testbench of the whole engine on its real ports, with cocotbext-axi's AXI4-Stream and AXI4-Lite models.

``inputs.npy`` (uint8, (n, bytes of the beats)) and ``scores.npy`` (int64, (n, n_out)) come from the golden model;
``job.json`` holds the sidecar's ``stream``, ``result``, ``registers``, timing and the expected identity.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp, AxiStreamBus, AxiStreamSink, AxiStreamSource

from oxnor.hw.host.beats import unpack_results
from oxnor.models import golden
from oxnor.sim.benches.support import PERIOD, UNIT, Scoreboard, chance, job, known, limit

LITE_HANDSHAKES = ("awvalid", "wvalid", "bready", "arvalid", "rready")
COUNTERS = ("FRAMES", "DROPPED", "RESULTS", "STALLS")


def pauses(probability: float) -> Iterator[bool]:
    """Yield for ever whether to pause in the next cycle."""
    coin = chance(probability)
    while True:
        yield coin()


class EngineDriver:
    """The engine between a source, a sink and a register master, and what it should answer.

    Parameters
    ----------
    dut : cocotb handle
        The engine.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        self.job = job()
        self.images = [bytes(row) for row in np.load("inputs.npy")]
        self.scores = np.load("scores.npy")
        self.board = Scoreboard("result")
        self.min_margin = 0
        self.beat_bytes = self.job["stream"]["width"] // 8
        self.offsets = {r["name"]: r["offset"] for r in self.job["registers"]}
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
        lanes = {"byte_size": 8}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst, **lanes)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst, **lanes)
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        limit(self.job["cycle_limit"])
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        """Check that a result, once offered, stays until it is taken."""
        dut, waiting = self.dut, None
        while True:
            await RisingEdge(dut.clk)
            if known(dut.rst):
                waiting = None
                continue
            offer = known(dut.m_axis_tdata) if known(dut.m_axis_tvalid) else None
            assert waiting in (None, offer), "a result changed or went away before it was taken"
            waiting = None if known(dut.m_axis_tready) else offer

    async def reset(self, cycles: int = 3) -> None:
        """Reset the engine and forget what was expected of it."""
        self.dut.rst.value = 1
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.source.clear()
        self.sink.clear()
        await self.cycles(2)

    async def cycles(self, count: int) -> None:
        """Wait."""
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    async def expect(self, indices: list[int]) -> None:
        """Take one result for each of these images, in this order, and compare class and scores."""
        layout = self.job["result"]
        for index in indices:
            frame = await self.sink.recv()
            raw = np.frombuffer(bytes(frame.tdata), np.uint8)[None]
            assert raw.size == layout["width"] // 8, "a result is one beat, and tlast is 1 in it"
            result, expected = unpack_results(raw, layout), self.scores[index]
            self.board.check(int(result.classes[0]), int(np.argmax(expected)), f"(class of image {index})")
            if result.scores is not None:
                assert result.scores[0].tolist() == expected.tolist(), f"scores of image {index}"
            if result.margins is not None and result.unsure is not None:
                margin = int(golden.margins(expected))
                assert result.margins[0] == min(margin, (1 << layout["margin_bits"]) - 1), f"margin of image {index}"
                assert bool(result.unsure[0]) == (margin < self.min_margin), f"unsure of image {index}"

    async def quiet(self) -> None:
        """Fail if any result comes that was not asked for."""
        await self.cycles(self.job["latency"] + 20)
        assert self.sink.empty(), "a result came for which there was no image"

    async def stream(self, indices: list[int]) -> None:
        """Send images by number and compare all results."""
        for index in indices:
            self.source.send_nowait(self.images[index])
        await self.expect(indices)
        await self.quiet()

    async def read(self, name: str) -> int:
        """Return a register."""
        answer = await self.lite.read(self.offsets[name], 4)
        assert answer.resp == AxiResp.OKAY, f"{name} answered {answer.resp}"
        return int.from_bytes(answer.data, "little")

    async def counters(self) -> dict[str, int]:
        """Return the counters."""
        return {name: await self.read(name) for name in COUNTERS}


async def begin(dut: Any, source_pauses: float = 0, sink_pauses: float = 0) -> EngineDriver:
    """Return a driver that is out of reset."""
    # cocotbext-axi's models read the handshakes as soon as they are made: they need known values.
    dut.rst.value = 1
    for name in ("s_axis_tvalid", "m_axis_tready", *(f"s_axil_{n}" for n in LITE_HANDSHAKES)):
        getattr(dut, name).value = 0
    Clock(dut.clk, PERIOD, UNIT, impl="gpi").start()
    for _ in range(2):
        await RisingEdge(dut.clk)
    driver = EngineDriver(dut)
    await driver.reset()
    if source_pauses:
        driver.source.set_pause_generator(pauses(source_pauses))
    if sink_pauses:
        driver.sink.set_pause_generator(pauses(sink_pauses))
    return driver


@cocotb.test()
async def silent_after_reset(dut: Any) -> None:
    """Nothing is offered before anything was asked."""
    driver = await begin(dut)
    for _ in range(50):
        await RisingEdge(dut.clk)
        for name in ("m_axis_tvalid", "s_axil_bvalid", "s_axil_rvalid"):
            assert known(getattr(dut, name)) == 0, f"{name} is 1 although nothing was asked"
    assert driver.sink.empty()


@cocotb.test()
async def identity(dut: Any) -> None:
    """The engine says what it is and which network it holds."""
    driver = await begin(dut)
    for name, value in driver.job["identity"].items():
        answer = await driver.read(name)
        assert answer == value, f"{name} is 0x{answer:08x}, expected 0x{value:08x}"


@cocotb.test()
async def back_to_back(dut: Any) -> None:
    """All images without a pause, and the counters say so."""
    driver = await begin(dut)
    n = len(driver.images)
    await driver.stream(list(range(n)))
    driver.board.finish(n)
    assert await driver.counters() == {"FRAMES": n, "DROPPED": 0, "RESULTS": n, "STALLS": 0}


@cocotb.test()
async def pauses_on_both_sides(dut: Any) -> None:
    """Random pauses of the source and of the sink."""
    driver = await begin(dut, 0.5, 0.6)
    await driver.stream(list(range(len(driver.images))))
    driver.board.finish(len(driver.images))


@cocotb.test()
async def stalled_consumer(dut: Any) -> None:
    """A consumer that stands still stops the input in the end; then every result comes, right and in order."""
    driver = await begin(dut)
    driver.sink.pause = True
    order = list(range(len(driver.images))) * 2
    for index in order:
        driver.source.send_nowait(driver.images[index])
    await driver.cycles((len(driver.job["layers"]) + 6) * (driver.job["latency"] + 2))
    assert known(dut.s_axis_tready) == 0, "nobody takes results, and still the engine takes images"
    assert known(dut.m_axis_tvalid) == 1
    driver.sink.pause = False
    await driver.expect(order)
    await driver.quiet()
    driver.board.finish(len(order))
    assert (await driver.counters())["STALLS"] > driver.job["latency"]


@cocotb.test()
async def no_state_between_images(dut: Any) -> None:
    """An image gives the same result whatever came before it, at once or after a rest."""
    driver = await begin(dut)
    order = [0, 0, 1, 0, 2, 2, 0, 1, 1]
    await driver.stream(order)
    for index in order:
        await driver.stream([index])
    driver.board.finish(2 * len(order))


def _wrong_frames(driver: EngineDriver) -> list[bytes]:
    """Return frames that are too short (where there is a shorter one), too long, and very long."""
    beats, size = driver.job["stream"]["beats"], driver.beat_bytes
    lengths = {1, beats - 1, beats + 1, 2 * beats, 2 * beats + 1, 20 * beats + 3} - {beats, 0}
    return [random.randbytes(n * size) for n in lengths]


@cocotb.test()
async def wrong_lengths(dut: Any) -> None:
    """Frames of the wrong length are dropped and counted; the next one is in step again."""
    driver = await begin(dut, 0.3, 0.3)
    wrong, order = [], []
    for k in range(60):
        if random.random() < 0.5:
            frame = random.choice(_wrong_frames(driver))
            wrong.append(frame)
        else:
            order.append(k % len(driver.images))
            frame = driver.images[order[-1]]
        driver.source.send_nowait(frame)
    await driver.expect(order)
    await driver.source.wait()
    await driver.quiet()
    driver.board.finish(len(order))
    counted = await driver.counters()
    assert (counted["FRAMES"], counted["DROPPED"], counted["RESULTS"]) == (len(order), len(wrong), len(order)), counted


@cocotb.test()
async def wrong_lengths_alone(dut: Any) -> None:
    """Each wrong length by itself gives no result, and an image right behind it does."""
    driver = await begin(dut)
    for k, frame in enumerate(_wrong_frames(driver)):
        driver.source.send_nowait(frame)
        driver.source.send_nowait(driver.images[0])
        await driver.expect([0])
        await driver.quiet()
        assert await driver.read("DROPPED") == k + 1


@cocotb.test()
async def reset_in_mid_frame(dut: Any) -> None:
    """A reset in a frame forgets the part that came; the next frame is whole."""
    driver = await begin(dut)
    for beats in range(1, min(driver.job["stream"]["beats"], 6)):
        driver.source.send_nowait(driver.images[0])
        while not (known(dut.s_axis_tvalid) and known(dut.s_axis_tready)):
            await RisingEdge(dut.clk)
        await driver.cycles(beats - 1)
        await driver.reset()
        await driver.stream([1, 2])
        assert await driver.counters() == {"FRAMES": 2, "DROPPED": 0, "RESULTS": 2, "STALLS": 0}


@cocotb.test()
async def reset_in_mid_computation(dut: Any) -> None:
    """A reset at any time during an inference leaves nothing of it."""
    driver = await begin(dut)
    latency = driver.job["latency"]
    for k, wait in enumerate(sorted({1, 2, 3, *(random.randrange(3 * latency) for _ in range(12))})):
        # Every other time results wait at the output when the reset comes.
        driver.sink.pause = bool(k % 2)
        for index in (0, 1, 2):
            driver.source.send_nowait(driver.images[index])
        await driver.cycles(wait)
        await driver.reset(cycles=1)
        driver.sink.pause = False
        await driver.quiet()
        assert await driver.read("STATUS") == 0
        await driver.stream([2, 1])
        assert (await driver.counters())["RESULTS"] == 2


@cocotb.test()
async def busy_while_computing(dut: Any) -> None:
    """STATUS is 1 while an image is inside, and 0 when its result has left."""
    driver = await begin(dut)
    assert await driver.read("STATUS") == 0
    driver.sink.pause = True
    driver.source.send_nowait(driver.images[0])
    await driver.cycles(driver.job["stream"]["beats"] + 4)
    assert await driver.read("STATUS") == 1
    driver.sink.pause = False
    await driver.expect([0])
    await driver.cycles(2)
    assert await driver.read("STATUS") == 0


@cocotb.test()
async def counters_are_cleared(dut: Any) -> None:
    """CYCLES counts every cycle; writing 1 to CONTROL bit 0 clears the counters, writing 0 does not."""
    driver = await begin(dut)
    await driver.stream([0, 1])
    for cycles in range(20, 40):  # from one read to the next, which both take as long
        before, began = await driver.read("CYCLES_LO"), get_sim_time(UNIT)
        await driver.cycles(cycles)
        counted, took = await driver.read("CYCLES_LO") - before, (get_sim_time(UNIT) - began) / PERIOD
        assert counted == took > cycles
    assert await driver.read("CYCLES_HI") == 0
    control = driver.offsets["CONTROL"]
    assert (await driver.lite.write(control, (0).to_bytes(4, "little"))).resp == AxiResp.OKAY
    assert (await driver.counters())["RESULTS"] == 2
    assert (await driver.lite.write(control, (1).to_bytes(4, "little"))).resp == AxiResp.OKAY
    assert set((await driver.counters()).values()) == {0}
    assert await driver.read("CYCLES_LO") < 200
    assert await driver.read("CONTROL") == 0
    await driver.stream([1])
    assert await driver.counters() == {"FRAMES": 1, "DROPPED": 0, "RESULTS": 1, "STALLS": 0}


@cocotb.test()
async def wrong_accesses(dut: Any) -> None:
    """Addresses without a register, writes to read-only registers and partial writes answer SLVERR; nothing hangs."""
    driver = await begin(dut)
    await driver.stream([0])
    end = 4 + max(driver.offsets.values())
    for address in (end, end + 4, 0x80, 0xFC):
        assert (await driver.lite.read(address, 4)).resp == AxiResp.SLVERR, hex(address)
        assert (await driver.lite.write(address, b"\1\0\0\0")).resp == AxiResp.SLVERR, hex(address)
    for register in driver.job["registers"]:
        if register["access"] == "r":
            answer = await driver.lite.write(register["offset"], b"\xff\xff\xff\xff")
            assert answer.resp == AxiResp.SLVERR, register["name"]
    assert (await driver.lite.write(driver.offsets["CONTROL"], b"\1")).resp == AxiResp.SLVERR
    assert (await driver.counters())["RESULTS"] == 1, "a refused write has done something"
    assert await driver.read("MAGIC") == driver.job["identity"]["MAGIC"]


@cocotb.test()
async def registers_while_streaming(dut: Any) -> None:
    """Reads and writes of registers, with pauses on every channel, do not disturb the images."""
    driver = await begin(dut, 0.2, 0.2)
    write, read = driver.lite.write_if, driver.lite.read_if
    for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
        channel.set_pause_generator(pauses(0.5))
    order = list(range(len(driver.images)))
    for index in order:
        driver.source.send_nowait(driver.images[index])
    results = cocotb.start_soon(driver.expect(order))
    while not results.done():
        assert await driver.read("N_IN") == driver.job["identity"]["N_IN"]
        answer = await driver.lite.write(driver.offsets["MAGIC"], random.randbytes(4))
        assert answer.resp == AxiResp.SLVERR
    await results
    driver.board.finish(len(order))


async def _many_accesses(driver: EngineDriver, late: float, early: float) -> None:
    """Begin many accesses at once, with pauses of the addresses and of the data, and compare all answers."""
    write, read = driver.lite.write_if, driver.lite.read_if
    for channel in (write.aw_channel, read.ar_channel, write.b_channel):
        channel.set_pause_generator(pauses(late))
    for channel in (write.w_channel, read.r_channel):
        channel.set_pause_generator(pauses(early))
    names = [random.choice(("CONTROL", "MAGIC")) for _ in range(20)]
    # Data that came to another address would clear the counters; other bits of CONTROL do nothing.
    data = [random.getrandbits(30) << 2 | (name == "MAGIC") for name in names]
    writes = [
        driver.lite.init_write(driver.offsets[name], value.to_bytes(4, "little"))
        for name, value in zip(names, data, strict=True)
    ]
    registers = [random.choice(list(driver.job["identity"])) for _ in range(20)]
    reads = [driver.lite.init_read(driver.offsets[name], 4) for name in registers]
    for name, event in zip(names, writes, strict=True):
        await event.wait()
        assert event.data.resp == (AxiResp.OKAY if name == "CONTROL" else AxiResp.SLVERR), name
    for name, event in zip(registers, reads, strict=True):
        await event.wait()
        assert int.from_bytes(event.data.data, "little") == driver.job["identity"][name], name


@cocotb.test()
async def accesses_that_do_not_wait(dut: Any) -> None:
    """The next address and data are offered while the last access is unanswered: each has its own answer, in order."""
    driver = await begin(dut)
    await driver.stream([0])
    for late, early in ((0.8, 0.1), (0.1, 0.8)):
        await _many_accesses(driver, late, early)
    assert (await driver.counters())["RESULTS"] == 1, "data came to another address"


@cocotb.test()
async def unsure_below_the_least_margin(dut: Any) -> None:
    """Results whose margin is below the register are unsure and counted; it cannot be written while an image is in."""
    driver = await begin(dut)
    if "MIN_MARGIN" not in driver.offsets:
        return
    margins = golden.margins(driver.scores)
    images = list(range(len(margins)))
    address = driver.offsets["MIN_MARGIN"]
    unsure = 0
    highest = (1 << 32) - 1
    for least in (min(int(v), highest) for v in (highest, 0, np.median(margins), margins.max(), margins.max() + 1)):
        assert (await driver.lite.write(address, least.to_bytes(4, "little"))).resp == AxiResp.OKAY
        assert await driver.read("MIN_MARGIN") == least
        driver.min_margin = least
        await driver.stream(images)
        unsure += int(np.count_nonzero(margins < least))
        assert await driver.read("UNSURE") == unsure
    driver.sink.pause = True
    driver.source.send_nowait(driver.images[0])
    await driver.cycles(driver.job["stream"]["beats"] + 4)
    await driver.lite.write(address, (0).to_bytes(4, "little"))
    assert await driver.read("STATUS") == 3
    driver.sink.pause = False
    await driver.expect([0])
    assert await driver.read("MIN_MARGIN") == driver.min_margin
    assert (await driver.lite.write(driver.offsets["CONTROL"], (3).to_bytes(4, "little"))).resp == AxiResp.OKAY
    assert await driver.read("UNSURE") == 0
    assert await driver.read("STATUS") == 0
