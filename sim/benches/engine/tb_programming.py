"""Testbench of the programming controller in the whole engine, driven by the host's own :class:`Programmer`."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotbext.axi import AxiResp
from numpy.typing import NDArray

from oxnor.hw.host.beats import unpack_results
from oxnor.hw.host.programmer import Programmer, Synapse
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.models import golden
from oxnor.models.base.bits import pack_words, unpack_bytes
from oxnor.models.faults.march import as_states
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Pool, Window
from oxnor.sim.benches.support import known

from .tb_engine import EngineDriver, begin

#: Bits of PROG_STATUS.
BUSY, DONE, NO_ROW, FAILING, WAITING, LOST = (1 << k for k in range(6))


def config_of(job: dict[str, Any]) -> EngineConfig:
    """Return the structure that the testbench was built for."""
    fields = dict(job["config"])
    return EngineConfig(**fields | {"layers": tuple(_layer_of(y) for y in fields["layers"])})


def _layer_of(fields: dict[str, Any]) -> LayerConfig:
    made = {name: kind(**fields[name]) for name, kind in (("window", Window), ("pool", Pool)) if fields[name]}
    return LayerConfig(**fields | made)


class ProgrammingDriver:
    """An engine, its host, and the network that it holds by now.

    Parameters
    ----------
    engine : EngineDriver
    """

    def __init__(self, engine: EngineDriver):
        self.engine = engine
        self.network = Network.load("network.npz")
        self.config = config_of(engine.job)
        self.host = Programmer(self.config, self.read, self.write)
        raw = np.frombuffer(b"".join(engine.images), np.uint8).reshape(len(engine.images), -1)
        self.bits = unpack_bytes(raw, self.network.n_in)

    async def read(self, address: int) -> int:
        """Return a register."""
        answer = await self.engine.lite.read(address, 4)
        assert answer.resp == AxiResp.OKAY, f"0x{address:02x} answered {answer.resp}"
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """Write a register."""
        answer = await self.engine.lite.write(address, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, f"0x{address:02x} answered {answer.resp}"

    def states(self, layer: int, bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return bits that pairs of a layer can hold: all, or of three states the nearest."""
        return as_states(bits) if self.config.layers[layer].pair_states == 3 else bits

    def another(self) -> Network:
        """Return a network of the same structure with other weights and coefficients."""
        g = np.random.default_rng(random.getrandbits(32))
        layers: list[Any] = []
        for layer in self.network.layers:
            weights = self.states(len(layers), g.random(layer.weights.shape) < 0.5)
            if isinstance(layer, ScoreLayer):
                layers.append(
                    replace(
                        layer, weights=weights, scales=g.permutation(layer.scales), offsets=g.permutation(layer.offsets)
                    )
                )
            else:
                thresholds = g.integers(layer.n_in // 2 - 2, layer.n_in // 2 + 3, layer.n_out)
                layers.append(replace(layer, weights=weights, thresholds=thresholds))
        return replace(self.network, layers=tuple(layers))

    def differing(self, other: Network) -> list[Synapse]:
        """Return the synapses in which `other` differs from what the engine holds."""
        synapses = []
        for k, (a, b) in enumerate(zip(self.network.layers, other.layers, strict=True)):
            synapses += [Synapse(k, int(n), int(i)) for n, i in np.argwhere(a.weights != b.weights)]
            pairs = zip(a.to_arrays().values(), b.to_arrays().values(), strict=True)
            synapses += [Synapse(k, int(n), -1) for n in np.flatnonzero(np.any([x != y for x, y in pairs], axis=0))]
        return sorted(synapses)

    async def stream(self, order: list[int]) -> None:
        """Send images and compare their results with those of the network that the engine holds."""
        self.engine.scores = golden.scores(self.network, self.bits, "numpy")
        await self.engine.stream(order)

    def scores_of(self, frames: list[Any]) -> list[list[int]]:
        """Return the scores in some results."""
        raw = np.stack([np.frombuffer(bytes(f.tdata), np.uint8) for f in frames])
        scores = unpack_results(raw, self.engine.job["result"]).scores
        assert scores is not None
        return scores.tolist()

    def macro_rows(self) -> list[tuple[int, int, int]]:
        """Return (layer, macro, row) of all rows in use."""
        layers = enumerate(self.config.layers)
        return [(k, m, r) for k, c in layers for m in range(c.macros) for r in range(c.word_lines)]


async def begin_programming(dut: Any, *pauses: float) -> ProgrammingDriver:
    """Return a driver that is out of reset; what earlier tests have left in the memories is replaced."""
    driver = ProgrammingDriver(await begin(dut, *pauses))
    if await driver.host.verify_network(driver.network):
        assert await driver.host.program_network(driver.network) == []
    return driver


@cocotb.test()
async def loads_another_network(dut: Any) -> None:
    """Any network of the shape is loaded, verified, computed and known by its digest."""
    driver = await begin_programming(dut)
    everything = list(range(len(driver.bits)))
    await driver.stream(everything)
    for _ in range(2):
        other = driver.another()
        assert await driver.host.verify_network(driver.network) == []
        assert await driver.host.verify_network(other) == driver.differing(other) != []
        assert await driver.host.program_network(other, form=True) == []
        driver.network = other
        assert await driver.host.verify_network(other) == []
        assert await driver.host.get("NETWORK") == int(other.digest[:8], 16)
        await driver.stream(everything)
    # What is programmed outlives a reset.
    await driver.engine.reset()
    await driver.stream(everything)
    assert await driver.host.verify_network(driver.network) == []


@cocotb.test()
async def traffic_waits(dut: Any) -> None:
    """Images that come while the engine is programmed wait; each result is of one network or the other, never both."""
    driver = await begin_programming(dut, 0.3, 0.3)
    for _ in range(3):
        other = driver.another()
        order = [random.randrange(len(driver.bits)) for _ in range(12)]
        before = golden.scores(driver.network, driver.bits, "numpy")
        after = golden.scores(other, driver.bits, "numpy")
        for index in order:
            driver.engine.source.send_nowait(driver.engine.images[index])
        await driver.engine.cycles(random.randrange(3 * driver.engine.job["latency"]))
        programmed = cocotb.start_soon(driver.host.program_network(other))
        assert await programmed == []
        # The first ones were taken before the engine was held.
        results = driver.scores_of([await driver.engine.sink.recv() for _ in order])
        early = next((n for n, k in enumerate(order) if results[n] != before[k].tolist()), len(order))
        for scores, k in zip(results[early:], order[early:], strict=True):
            assert scores == after[k].tolist(), f"image {k} is of neither network"
        driver.network = other
        await driver.engine.quiet()


@cocotb.test()
async def refused_while_an_image_is_inside(dut: Any) -> None:
    """A command, and a new identity, while an image is in the engine do nothing but set STATUS bit 1."""
    driver = await begin_programming(dut)
    host, inner = driver.host, driver.engine
    inner.sink.pause = True
    inner.source.send_nowait(inner.images[0])
    await inner.cycles(inner.job["stream"]["beats"] + 4)
    status = await host.get("PROG_STATUS")
    for name, value in {"PROG_COMMAND": 4, "NETWORK": 0x1234}.items():
        await host.set("CONTROL", 2)
        assert await host.get("STATUS") == 1
        await host.set(name, value)
        assert await host.get("STATUS") == 3
        assert await host.get("PROG_STATUS") == status
    inner.sink.pause = False
    inner.scores = golden.scores(driver.network, driver.bits, "numpy")
    await inner.expect([0])
    assert await host.get("NETWORK") == int(driver.network.digest[:8], 16)
    assert await host.verify_network(driver.network) == []
    await driver.stream([0, 1])


@cocotb.test()
async def busy_controller(dut: Any) -> None:
    """While a command is carried out the stream is not ready and writes are refused; wrong addresses are an error."""
    driver = await begin_programming(dut)
    host = driver.host
    c = driver.config.layers[0]
    await host.set("PROG_ROW", 1)
    stored = await host.read_row(0, 0, 1)
    await host.set("PROG_WORD", 0)
    for word in pack_words(stored, np.uint32):
        await host.set("PROG_DATA", int(word))
    await host.set("PROG_COMMAND", 4)
    for name in ("PROG_ROW", "PROG_COMMAND", "PROG_DATA"):
        await host.set("CONTROL", 2)
        assert await host.get("PROG_STATUS") == BUSY
        assert known(dut.s_axis_tready) == 0
        await host.set(name, 0)
        assert await host.get("STATUS") & 2
        assert await host.get("PROG_STATUS") == BUSY, "the row is too short for this test"
    while await host.get("PROG_STATUS") & BUSY:
        pass
    assert await host.get("PROG_STATUS") == DONE
    assert await host.get("PROG_ROW") == 1
    assert known(dut.s_axis_tready) == 1
    assert np.array_equal(await host.read_row(0, 0, 1), stored)
    wrong = [(len(driver.config.layers), 0, 0), (0, c.macros + 1, 0), (0, 0, c.rows), (0, c.macros, c.passes)]
    wrong += [(0xFFFF, 0, 0), (0, 0xFFFFFF, 0), (0, 0, 0xFFFF)]
    for layer, macro, row in wrong:
        for name, value in {"PROG_LAYER": layer, "PROG_MACRO": macro, "PROG_ROW": row, "PROG_COMMAND": 4 + 8}.items():
            await host.set(name, value)
        assert await host.get("PROG_STATUS") == DONE | NO_ROW
        held = [await host.get(name) for name in ("PROG_LAYER", "PROG_MACRO", "PROG_ROW")]
        assert held == [layer, macro, row]
    for name in ("PROG_HOLD", "PROG_COMMAND"):
        assert await host.get(name) == 0
    for name, most in {"PROG_WORD": 0xFFFF, "PROG_RETRIES": 0xFF}.items():
        for value in (most, 0):
            await host.set(name, value)
            assert await host.get(name) == value
    await driver.stream([0, 1, 2])


@cocotb.test()
async def failing_pairs_are_listed(dut: Any) -> None:
    """VERIFY counts what differs and gives the addresses in order; too many are counted still."""
    driver = await begin_programming(dut)
    host = driver.host
    if driver.config.fault_injector:  # errors of reads are for images, not for the controller
        await host.set("ERROR_RATE", 0x8000)
    for layer, macro, row in random.sample(driver.macro_rows(), 6):
        stored = await host.read_row(layer, macro, row)
        assert np.array_equal(await host.read_row(layer, macro, row, inverted=True), ~stored)
        for count in (0, 1, 3, len(stored)):
            columns = sorted(random.sample(range(len(stored)), min(count, len(stored))))
            other = stored.copy()
            other[columns] ^= True
            other = driver.states(layer, other)
            columns = np.flatnonzero(other != stored).tolist()
            status = await host.command(layer, macro, row, "CLEAR", "VERIFY", words=pack_words(other, np.uint32))
            lost = LOST if len(columns) > 8 else 0
            assert status == DONE | (FAILING | WAITING) * bool(columns) | lost
            assert np.flatnonzero(await host.result(len(stored))).tolist() == columns
            assert await host.get("PROG_FAILURES") == len(columns)
            assert await host.get("PROG_PULSES") == 0
            for column in columns[:8]:
                assert await host.get("PROG_STATUS") & WAITING
                assert await host.get("PROG_FAIL_MACRO") == layer << 24 | macro
                assert await host.get("PROG_FAIL") == row << 16 | column
            assert not await host.get("PROG_STATUS") & WAITING
            # Only what differs is programmed, two operations a pair.
            await host.set("PROG_RETRIES", 2)
            status = await host.command(layer, macro, row, "CLEAR", "REPAIR", words=pack_words(other, np.uint32))
            assert status == DONE
            pairs = {column // driver.config.layers[layer].pair_synapses for column in columns}
            assert await host.get("PROG_PULSES") == 2 * len(pairs)
            await host.command(layer, macro, row, "PROGRAM", words=pack_words(stored, np.uint32))
    if driver.config.fault_injector:  # and they do come
        for image in driver.engine.images:
            driver.engine.source.send_nowait(image)
        results = driver.scores_of([await driver.engine.sink.recv() for _ in driver.engine.images])
        assert results != golden.scores(driver.network, driver.bits, "numpy").tolist()
    assert await host.verify_network(driver.network) == []


@cocotb.test()
async def interleaved(dut: Any) -> None:
    """Programming, verifying and inference in any order."""
    driver = await begin_programming(dut, 0.2, 0.2)
    for _ in range(12):
        what = random.choice(["images", "images", "network", "verify", "row"])
        if what == "images":
            await driver.stream([random.randrange(len(driver.bits)) for _ in range(random.randrange(1, 5))])
        elif what == "network":
            other = driver.another()
            assert await driver.host.program_network(other) == []
            driver.network = other
        elif what == "verify":
            other = driver.another()
            assert await driver.host.verify_network(other) == driver.differing(other)
        else:
            layer, macro, row = random.choice(driver.macro_rows())
            stored = await driver.host.read_row(layer, macro, row)
            other_row = pack_words(driver.states(layer, ~stored), np.uint32)
            await driver.host.command(layer, macro, row, "PROGRAM", words=other_row)
            await driver.host.command(layer, macro, row, "PROGRAM", "VERIFY", words=pack_words(stored, np.uint32))
    await driver.stream([0, 1, 2])
    assert await driver.host.verify_network(driver.network) == []


@cocotb.test()
async def power_cut_at_every_cycle(dut: Any) -> None:
    """A reset at any cycle of a row's programming: verifying names exactly the pairs that are not right."""
    driver = await begin_programming(dut)
    host = driver.host
    layer, macro, row = driver.macro_rows()[-1]
    old = await host.read_row(layer, macro, row)
    new = ~old
    new[::3] = old[::3]
    new = driver.states(layer, new)
    cut, seen = 0, set()
    while True:
        await host.command(layer, macro, row, "PROGRAM", "VERIFY", words=pack_words(old, np.uint32))
        await host.set("PROG_WORD", 0)
        for word in pack_words(new, np.uint32):
            await host.set("PROG_DATA", int(word))
        await host.set("PROG_COMMAND", 4)
        await driver.engine.cycles(cut)
        finished = known(dut.s_axis_tready) == 1
        await driver.engine.reset(cycles=1)
        plain = await host.read_row(layer, macro, row)
        crossed = await host.read_row(layer, macro, row, inverted=True)
        right = (plain == new) & (crossed == ~new)
        status = await host.command(layer, macro, row, "CLEAR", "VERIFY", words=pack_words(new, np.uint32))
        assert np.array_equal(await host.result(len(new)), ~right), f"cut after {cut} cycles"
        assert bool(status & FAILING) == (not right.all())
        seen.add(int(right.sum()))
        # A pair that reads as neither does so because its programming was cut in the middle: one at most.
        undecided = plain == crossed
        assert undecided.sum() <= 1
        assert np.array_equal((plain == old) | (plain == new), np.ones(len(old), bool))
        await host.set("PROG_RETRIES", 1)
        assert await host.command(layer, macro, row, "CLEAR", "REPAIR", words=pack_words(new, np.uint32)) == DONE
        assert np.array_equal(await host.read_row(layer, macro, row), new)
        if right.all() and finished:
            break
        cut += 1
    assert len(seen) > len(old) // 4, "the cuts have not hit the programming"
    await host.command(layer, macro, row, "PROGRAM", words=pack_words(old, np.uint32))
    await driver.stream([0, 1])
