"""SPI peripheral in the Amaranth simulator: a controller whose clock stands in any phase to the engine's."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.blocks.spi import DIVISOR_MIN, SpiPeripheral
from oxnor.hw.interface.link_protocol import IDLE

#: Parts of a clock cycle in which the controller's clock is moved.
PHASES = 8
CYCLE = 1e-6


def exchange(transfers, answers, *, divisor=DIVISOR_MIN, phase=0.0, pauses=0.0, cut=0):
    """Run transfers, lists of bytes each with cs_n low, and return (bytes read by each side, errors).

    The peripheral has `answers` to give and hesitates before each with probability `pauses`. The last transfer ends
    `cut` bits early.
    """
    unit, g = SpiPeripheral(), np.random.default_rng(len(answers))
    heard, read, errors, waiting = [], [], [], list(answers)
    half = divisor / 2 * CYCLE

    async def controller(ctx):
        ctx.set(unit.cs_n, 1)
        await ctx.delay((20 + phase) * CYCLE)
        for n, transfer in enumerate(transfers):
            ctx.set(unit.cs_n, 0)
            for k, byte in enumerate(transfer):
                value = 0
                early = cut if (n, k) == (len(transfers) - 1, len(transfer) - 1) else 0
                for bit in range(7, early - 1, -1):
                    ctx.set(unit.copi, byte >> bit & 1)
                    await ctx.delay(half)
                    value = value << 1 | ctx.get(unit.cipo)
                    ctx.set(unit.sck, 1)
                    await ctx.delay(half)
                    ctx.set(unit.sck, 0)
                read.append(value)
            await ctx.delay(half)
            ctx.set(unit.cs_n, 1)
            await ctx.delay(3 * half)

    async def peripheral(ctx):
        while True:
            offers = bool(waiting) and (ctx.get(unit.answer_valid) or g.random() >= pauses)
            ctx.set(unit.answer_valid, offers)
            ctx.set(unit.answer, waiting[0] if offers else 0)
            _, _, valid, data, error, ready = await ctx.tick().sample(
                unit.valid, unit.data, unit.error, unit.answer_ready
            )
            heard.extend([data] if valid else [])
            errors.extend([1] if error else [])
            if offers and ready:
                waiting.pop(0)

    sim = Simulator(unit)
    sim.add_clock(CYCLE)
    sim.add_testbench(controller)
    sim.add_testbench(peripheral, background=True)
    sim.run()
    return heard, read, errors


def some_bytes(seed, n, low=0):
    return np.random.default_rng(seed).integers(low, IDLE, n).tolist()


@pytest.mark.parametrize("divisor", [DIVISOR_MIN, 8.3, 30])
def test_every_phase(divisor):
    """Both ways, whole and in pieces: what one side sends is what the other reads, nothing twice and nothing lost."""
    for k in range(PHASES):
        transfers = [some_bytes(k, 3), some_bytes(k + 50, 1), [0x80, 0x01, 0xFF], some_bytes(k + 100, 4)]
        answers = [0x80, 0x01, *some_bytes(k + 150, 4)]
        heard, read, errors = exchange(transfers, answers, divisor=divisor, phase=k / PHASES, pauses=0.98)
        assert heard == [b for t in transfers for b in t], f"phase {k}"
        assert len(read) == len(heard)
        said = [b for b in read if b != IDLE]
        assert said == answers[: len(said)], f"phase {k}"
        assert len(said) >= 2
        assert not errors


def test_too_fast_a_clock_is_seen_to_fail():
    """Six cycles a bit would leave nothing for pads and wires; at five, some phase reads what the last bit was."""
    answers = [0x55, 0xAA, 0x33]
    found = [exchange([[0, 0, 0]], answers, divisor=5, phase=k / PHASES)[1] for k in range(PHASES)]
    assert any(read != answers for read in found)


def test_idle_where_there_is_nothing_to_say():
    heard, read, errors = exchange([[1, 2], [3]], [])
    assert (heard, read, errors) == ([1, 2, 3], [IDLE] * 3, [])


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_a_byte_that_is_cut_is_an_error(cut):
    heard, _, errors = exchange([[1, 2], [3, 4]], [], cut=cut)
    assert (heard, len(errors)) == ([1, 2, 3], 1)
