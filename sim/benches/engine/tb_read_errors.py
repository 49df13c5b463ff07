"""Testbench of the fault injector in the whole engine: its errors are the golden model's, image by image."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotbext.axi import AxiResp

from oxnor.models import golden
from oxnor.models.base.bits import unpack_bytes
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.sim.benches.support import known

from .tb_engine import EngineDriver, begin


class InjectorDriver:
    """An engine whose results are compared with the golden model's under the errors that were asked for.

    Parameters
    ----------
    engine : EngineDriver
    """

    def __init__(self, engine: EngineDriver):
        self.engine = engine
        self.network = Network.load("network.npz")
        raw = np.frombuffer(b"".join(engine.images), np.uint8).reshape(len(engine.images), -1)
        self.bits = unpack_bytes(raw, self.network.n_in)
        self.errors = ReadErrors(0, 0)
        self.number = 0

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        answer = await self.engine.lite.write(self.engine.offsets[name], value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, f"{name} answered {answer.resp}"

    async def set(self, rate: int | None = None, seed: int | None = None) -> None:
        """Write rate, seed or both, and expect what they ask for."""
        if rate is not None:
            await self.write("ERROR_RATE", rate)
            self.errors = ReadErrors(rate, self.errors.seed)
        if seed is not None:
            await self.write("ERROR_SEED", seed)
            self.errors = ReadErrors(self.errors.rate, seed)
            self.number = 0
        assert await self.engine.read("ERROR_RATE") == self.errors.rate
        assert await self.engine.read("ERROR_SEED") == self.errors.seed

    def expected(self, order: list[int]) -> np.ndarray:
        """Return the scores of the next images, by number."""
        scores = golden.scores(self.network, self.bits[order], "numpy", self.errors, self.number)
        self.number += len(order)
        return scores

    async def stream(self, order: list[int], frames: list[bytes] | None = None) -> None:
        """Send images by number, or `frames` that hold them, and compare all results."""
        for frame in frames or [self.engine.images[k] for k in order]:
            self.engine.source.send_nowait(frame)
        # The driver looks its scores up by index: these are the present ones.
        self.engine.scores = self.expected(order)
        await self.engine.expect(list(range(len(order))))
        await self.engine.source.wait()
        await self.engine.quiet()


async def begin_injector(dut: Any, *pauses: float) -> InjectorDriver:
    """Return a driver that is out of reset."""
    return InjectorDriver(await begin(dut, *pauses))


@cocotb.test()
async def off_until_asked(dut: Any) -> None:
    """After reset there are no errors; a rate and a seed bring them, rate 0 ends them, a reset too."""
    driver = await begin_injector(dut)
    order = list(range(len(driver.bits)))
    await driver.set()
    await driver.stream(order)
    await driver.set(rate=0x2000, seed=0xC0FFEE)
    await driver.stream(order)
    clean = golden.scores(driver.network, driver.bits[order])
    assert not np.array_equal(driver.engine.scores, clean), "errors at 1 of 8 reads, and no score has changed"
    await driver.set(rate=0)
    await driver.stream(order)
    assert np.array_equal(driver.engine.scores, clean)
    await driver.set(rate=0x8000)
    await driver.engine.reset()
    driver.errors, driver.number = ReadErrors(0, 0), 0
    await driver.set()
    await driver.stream(order)


@cocotb.test()
async def images_are_counted(dut: Any) -> None:
    """Image numbers go on through pauses, dropped frames and new rates, and start again with the seed."""
    driver = await begin_injector(dut, 0.2, 0.97)  # results leave more slowly than images come: the layers stand still
    size = driver.engine.beat_bytes
    beats = driver.engine.job["stream"]["beats"]
    for rate, seed in [(0x1234, 0), (0x0800, None), (0xFFFF, 0xFFFFFFFF), (0x4000, 1), (0x3000, 1)]:
        await driver.set(rate, seed)
        order, frames = [], []
        for _ in range(12):
            if random.random() < 0.3:
                wrong = random.choice([n for n in (1, beats + 1, 2 * beats) if n != beats])
                frames.append(random.randbytes(wrong * size))
            order.append(random.randrange(len(driver.bits)))
            frames.append(driver.engine.images[order[-1]])
        await driver.stream(order, frames)
    driver.engine.board.finish(60)


@cocotb.test()
async def every_rate_bit(dut: Any) -> None:
    """Each bit of the rate alone, and back to back without a pause."""
    driver = await begin_injector(dut)
    for k in range(16):
        await driver.set(1 << k, 77 * k)
        await driver.stream([k % len(driver.bits), 0, 1])


@cocotb.test()
async def refused_while_an_image_is_inside(dut: Any) -> None:
    """A write of seed or rate while an image is in the engine does nothing but set STATUS bit 1."""
    driver = await begin_injector(dut)
    await driver.set(0x1000, 5)
    for name in ("ERROR_SEED", "ERROR_RATE"):
        inner = driver.engine
        inner.sink.pause = True
        inner.source.send_nowait(inner.images[0])
        inner.source.send_nowait(inner.images[1])
        await inner.cycles(2 * inner.job["stream"]["beats"] + 4)
        assert await inner.read("STATUS") == 1
        await driver.write(name, 0xABCD)
        assert await inner.read("STATUS") == 3
        await driver.write("CONTROL", 1)
        assert await inner.read("STATUS") == 3
        await driver.write("CONTROL", 2)
        assert await inner.read("STATUS") == 1
        await driver.write(name, 0xABCD)
        inner.scores = driver.expected([0, 1])
        inner.sink.pause = False
        await inner.expect([0, 1])
        await inner.cycles(2)
        assert await inner.read("STATUS") == 2
        await driver.set()  # reads what was there before
        await driver.write("CONTROL", 2)
        await driver.stream([2, 1, 0])
    assert known(dut.m_axis_tvalid) == 0
