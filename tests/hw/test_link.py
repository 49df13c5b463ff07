"""Host link at the level of bytes, in the Amaranth simulator: the answers that the protocol's model gives, and no others."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from oxnor.hw.blocks.axi_lite import OKAY, SLVERR
from oxnor.hw.blocks.crc32 import Crc32
from oxnor.hw.blocks.uart import UartReceiver, UartTransmitter
from oxnor.hw.interface.link_protocol import (
    END,
    ESC,
    IDLE,
    READ_FLAG,
    Command,
    Identity,
    Status,
    judge,
    parse_response,
    request,
    slip,
    unslip,
    with_crc,
)
from oxnor.hw.interface.registers import INDEX
from oxnor.hw.link.link import Link
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig

CONFIG = EngineConfig((LayerConfig("scores", 40, 10, 16, 40, 1, 1),), 16, False)
IDENTITY = Identity(1, 1, 6, 24, 30_000_000, 30, "test-board")
#: The same with a programming controller.
PROGRAMMABLE = replace(CONFIG, programming=True), replace(IDENTITY, payload_max=48, features=("programming",))
PROG_COMMAND, PROG_STATUS = 4 * INDEX["PROG_COMMAND"], 4 * INDEX["PROG_STATUS"]
#: Clock cycles to a byte on the line: more than the nine that the link needs.
BYTE_CYCLES = 10


class Engine:
    """What stands behind the link: classes are the lowest four bits of an image, registers are in a dict.

    With `pauses`, a random generator, it is neither ready nor answers in half of the cycles.
    """

    def __init__(self, link, pauses=None):
        self.link = link
        self.pauses = pauses
        self.registers = {0: 0x4F584E52, 4: 1}
        self.images = []
        self.busy = 0  # reads of PROG_STATUS in which the programming controller is busy still
        self.accesses = []
        self.asleep = 0  # cycles in which it neither takes nor gives

    async def streams(self, ctx):
        link = self.link
        words, results = [], []
        while True:
            ready, answers = (1, 1) if self.pauses is None else (int(v) for v in self.pauses.integers(0, 2, 2))
            if self.asleep:
                self.asleep, ready, answers = self.asleep - 1, 0, 0
            ctx.set(link.m_axis_tready, ready)
            ctx.set(link.s_axis_tvalid, int(bool(results) and answers))
            ctx.set(link.s_axis_tdata, results[0] if results else 0)
            _, _, valid, data, last, taken = await ctx.tick().sample(
                link.m_axis_tvalid, link.m_axis_tdata, link.m_axis_tlast, link.s_axis_tready
            )
            if results and answers and taken:
                results.pop(0)
            if valid and ready:
                words.append(data)
                if last:
                    self.images.append(words)
                    results.append(words[0] & 15)
                    words = []

    async def bus(self, ctx):
        link = self.link
        ctx.set(link.m_axil_arready, 1)
        ctx.set(link.m_axil_awready, 1)
        ctx.set(link.m_axil_wready, 1)
        address = value = None
        while True:
            _, _, ar, araddr, aw, awaddr, w, wdata, rready, bready = await ctx.tick().sample(
                link.m_axil_arvalid, link.m_axil_araddr, link.m_axil_awvalid, link.m_axil_awaddr,
                link.m_axil_wvalid, link.m_axil_wdata, link.m_axil_rready, link.m_axil_bready,
            )  # fmt: skip
            if ctx.get(link.m_axil_rvalid) and rready:
                ctx.set(link.m_axil_rvalid, 0)
            if ctx.get(link.m_axil_bvalid) and bready:
                ctx.set(link.m_axil_bvalid, 0)
            if ar:
                known = araddr in self.registers
                self.accesses.append(araddr)
                if araddr == PROG_STATUS and self.busy:
                    self.busy -= 1
                    self.registers[araddr] = 1 if self.busy else 2
                ctx.set(link.m_axil_rdata, self.registers.get(araddr, 0))
                ctx.set(link.m_axil_rresp, OKAY if known else SLVERR)
                ctx.set(link.m_axil_rvalid, 1)
            address = awaddr if aw else address
            value = wdata if w else value
            if address is not None and value is not None:
                known = address in self.registers
                self.accesses.append((address, value))
                if known:
                    self.registers[address] = value
                    self.busy = value if address == PROG_COMMAND else self.busy
                ctx.set(link.m_axil_bresp, OKAY if known else SLVERR)
                ctx.set(link.m_axil_bvalid, 1)
                address = value = None


def talk(pieces, *, pause=120, pauses=None, of=(CONFIG, IDENTITY), registers=(), asleep=0):
    """Send each piece of bytes, wait until the link says nothing for `pause` cycles, and return (responses to each, engine)."""
    link, heard = Link(*of), []
    engine = Engine(link, pauses)
    engine.registers |= dict(registers)
    engine.asleep = asleep

    async def host(ctx):
        for piece in pieces:
            for byte in piece:
                ctx.set(link.i_data, byte)
                ctx.set(link.i_valid, 1)
                await ctx.tick()
                ctx.set(link.i_valid, 0)
                await ctx.tick().repeat(BYTE_CYCLES - 1)
            said = None
            while said != (said := len(spoken)):
                await ctx.tick().repeat(pause)
            heard.append(b"")

    async def line(ctx):
        out = bytearray()
        while True:
            ctx.set(link.o_ready, 1)
            _, _, valid, data = await ctx.tick().sample(link.o_valid, link.o_data)
            ctx.set(link.o_ready, 0)
            if valid:
                out.append(data)
                spoken.append((len(heard), data))
                await ctx.tick().repeat(BYTE_CYCLES - 1)

    spoken = []
    sim = Simulator(link)
    sim.add_clock(1e-6)
    sim.add_testbench(host)
    for process in (line, engine.streams, engine.bus):
        sim.add_testbench(process, background=True)
    sim.run()
    answers = []
    for k in range(len(pieces)):
        frames = bytes(d for n, d in spoken if n == k).split(bytes([END]))
        answers.append([parse_response(f) for f in frames if f])
    assert all(a is not None for group in answers for a in group), "a response is damaged"
    talk.spoken = [bytes(d for n, d in spoken if n == k) for k in range(len(pieces))]
    return [[(a.sequence, Status(a.status), a.payload) for a in group] for group in answers], engine


def image(first):
    return first.to_bytes(2, "little") + b"\xc0\xdb\x00\x01"


def test_every_command():
    read = b"".join(a.to_bytes(2, "little") for a in (0, 4))
    write = (4).to_bytes(2, "little") + (0xC0DBDCDD).to_bytes(4, "little")
    pieces = [
        request(Command.IDENTITY, 1),
        request(Command.READ, 2, read),
        request(Command.WRITE, 3, write + write[:2] + (7).to_bytes(4, "little")),
        request(Command.RUN, END, image(3)),
        request(Command.RUN, 5, image(1) + image(9) + image(4)),
        request(Command.COUNTERS, 6),
    ]
    answers, engine = talk(pieces)
    assert answers[0] == [(1, Status.OK, IDENTITY.to_bytes())]
    assert Identity.from_bytes(answers[0][0][2]) == IDENTITY
    assert answers[1] == [(2, Status.OK, bytes.fromhex("524e584f 01000000"))]
    assert answers[2] == [(3, Status.OK, b"")]
    assert engine.registers[4] == 7
    assert [(a[0][0], a[0][1], a[0][2][:-4]) for a in answers[3:5]] == [
        (END, Status.OK, bytes([3])), (5, Status.OK, bytes([1, 9, 4]))
    ]  # fmt: skip
    assert [x[0] for x in engine.images] == [3, 1, 9, 4]
    assert all(x[1:] == [0xDBC0, 0x0100] for x in engine.images)
    assert answers[5] == [(6, Status.OK, bytes([6, 0, 0, 0, 0, 0, 0, 0]))]


def test_results_that_come_while_a_word_waits():
    """Storing a result costs the word at the memory's output: it must be read again."""
    firsts = [[int(v) for v in g] for g in np.random.default_rng(5).integers(1, 16, (12, 4))]
    pieces = [request(Command.RUN, 1, b"".join(image(f) for f in g)) for g in firsts]
    answers, engine = talk(pieces, pauses=np.random.default_rng(6))
    assert [a[0][2][:-4] for a in answers] == [bytes(g) for g in firsts]
    assert engine.images == [[f, 0xDBC0, 0x0100] for g in firsts for f in g]


# The sequence number is the last one that has come: that of the good request before, where a request has none.
BAD = {
    "unknown": (request(0x77, 9), (9, Status.UNKNOWN_COMMAND)),
    "identity with payload": (request(Command.IDENTITY, 9, b"xx"), (9, Status.BAD_PAYLOAD)),
    "run of nothing": (request(Command.RUN, 9), (9, Status.BAD_PAYLOAD)),
    "run of part of an image": (request(Command.RUN, 9, b"1234"), (9, Status.BAD_PAYLOAD)),
    "run of one byte less": (request(Command.RUN, 9, b"12345"), (9, Status.BAD_PAYLOAD)),
    "write of half": (request(Command.WRITE, 9, b"1234"), (9, Status.BAD_PAYLOAD)),
    "read of a byte": (request(Command.READ, 9, b"1"), (9, Status.BAD_PAYLOAD)),
    "payload too long": (request(Command.RUN, 9, bytes(30)), (9, Status.TOO_LONG)),
    "bytes after the CRC": (slip(with_crc(bytes([1, 9, 0, 0])) + b"1"), (9, Status.TOO_LONG)),
    "no CRC": (slip(bytes([1, 9, 0, 0])), (9, Status.TOO_SHORT)),
    "one byte": (slip(b"\x01"), (3, Status.TOO_SHORT)),
    "wrong CRC": (slip(with_crc(bytes([1, 9, 0, 0]))[:-1] + b"\0"), (9, Status.BAD_CRC)),
    "wrong escape": (request(Command.IDENTITY, 9)[:-1] + bytes([ESC, 0, END]), (9, Status.BAD_CRC)),
    "escape at the end": (request(Command.IDENTITY, 9)[:-1] + bytes([ESC, END]), (9, Status.BAD_CRC)),
    "read of no register": (request(Command.READ, 9, b"\x40\0"), (9, Status.BUS_ERROR)),
    "read far away": (request(Command.READ, 9, b"\0\x40"), (9, Status.BUS_ERROR)),
    "write of no register": (request(Command.WRITE, 9, b"\x40\0abcd"), (9, Status.BUS_ERROR)),
}  # fmt: skip


def test_bad_requests_are_answered_and_change_nothing():
    good = request(Command.RUN, 3, image(5))
    answers, engine = talk([x for wire, _ in BAD.values() for x in (wire, good)] + [request(Command.COUNTERS, 1)])
    for k, (name, (wire, wanted)) in enumerate(BAD.items()):
        assert [a[:2] for a in answers[2 * k]] == [wanted], name
        assert [(a[0], a[1], a[2][:1]) for a in answers[2 * k + 1]] == [(3, Status.OK, b"\x05")], f"after {name}"
        if wanted[1] is not Status.BUS_ERROR:
            assert judge(wire[1:-1], IDENTITY) == wanted[1], name
    executed = sum(status is Status.BUS_ERROR for _, (_, status) in BAD.values()) + len(BAD) + 1
    rejected = sum(status is not Status.BUS_ERROR for _, (_, status) in BAD.values())
    assert answers[-1][0][2] == executed.to_bytes(4, "little") + rejected.to_bytes(4, "little")
    assert engine.registers == {0: 0x4F584E52, 4: 1}
    assert len(engine.images) == len(BAD)


def entries(*accesses):
    """Return the payload of WRITE and ACCESS: (address, value), value None for a read."""
    return b"".join(
        (a | READ_FLAG * (v is None)).to_bytes(2, "little") + (v or 0).to_bytes(4, "little") for a, v in accesses
    )


def test_access_reads_and_writes_in_order_and_waits_for_the_controller():
    registers = {PROG_COMMAND: 0, PROG_STATUS: 2}
    mixed = entries((0, None), (4, 0xC0DBDCDD), (4, None), (PROG_COMMAND, 5), (PROG_STATUS, None), (4, 8), (4, None))
    pieces = [
        request(Command.ACCESS, 1, mixed),
        request(Command.WRITE, 2, entries((PROG_COMMAND, 3), (4, 9))),
        request(Command.ACCESS, 3, entries((PROG_COMMAND, 3))),
        request(Command.ACCESS, 4, entries((4, None), (0x44, None), (4, 1))),
        request(Command.WRITE, 5, entries((4, None))),
        request(Command.ACCESS, 6, mixed[:-1]),
        request(Command.READ, 7, b"\4\0"),
    ]
    answers, engine = talk(pieces, of=PROGRAMMABLE, registers=registers)
    numbers = [int.from_bytes(answers[0][0][2][4 * k : 4 * k + 4], "little") for k in range(4)]
    assert (answers[0][0][:2], numbers) == ((1, Status.OK), [0x4F584E52, 0xC0DBDCDD, 2, 8])
    assert answers[1] == [(2, Status.OK, b"")]
    assert answers[2] == [(3, Status.OK, b"")]
    assert answers[3] == [(4, Status.BUS_ERROR, bytes([9, 0, 0, 0]))]  # up to the one that fails
    assert answers[4] == [(5, Status.BUS_ERROR, b"")]  # WRITE does not read
    assert answers[5] == [(6, Status.BAD_PAYLOAD, b"")]
    assert answers[6][0][2] == bytes([9, 0, 0, 0])
    # Polled until the command was done, and nothing in between.
    first = engine.accesses[: engine.accesses.index((4, 8))]
    assert first == [0, (4, 0xC0DBDCDD), 4, (PROG_COMMAND, 5), *[PROG_STATUS] * 6]
    answers, _ = talk([request(Command.ACCESS, 1, entries((0, None)))])
    assert answers == [[(1, Status.UNKNOWN_COMMAND, b"")]]
    assert judge(pieces[2][1:-1], IDENTITY) == Status.UNKNOWN_COMMAND
    assert judge(pieces[2][1:-1], PROGRAMMABLE[1]) == Status.OK


def test_a_controller_that_hangs_does_not_hang_the_link(monkeypatch):
    monkeypatch.setattr("oxnor.hw.link.registers_access.RUN_TIMEOUT_BITS", 6)
    pieces = [request(Command.WRITE, 1, entries((PROG_COMMAND, 1000), (4, 9))), request(Command.READ, 2, b"\4\0")]
    answers, _ = talk(pieces, of=PROGRAMMABLE, registers={PROG_COMMAND: 0, PROG_STATUS: 2})
    assert answers == [[(1, Status.TIMEOUT, b"")], [(2, Status.OK, bytes([1, 0, 0, 0]))]]


@pytest.mark.parametrize("cycles", [300, 2000])
def test_an_engine_that_hangs_does_not_hang_the_link(cycles, monkeypatch):
    """Results that come too late are no other image's: no image is run until the board is reset."""
    monkeypatch.setattr("oxnor.hw.link.engine_access.RUN_TIMEOUT_BITS", 6)
    runs = [request(Command.RUN, k, image(k)) for k in (1, 2, 3)]
    pieces = [*runs[:2], request(Command.WRITE, 7, entries((PROG_COMMAND, 3))), runs[2], request(Command.READ, 8, b"\4\0")]
    answers, engine = talk(pieces, of=PROGRAMMABLE, registers={PROG_COMMAND: 0, PROG_STATUS: 2}, asleep=cycles)
    assert [status for [(_, status, _)] in answers] == [Status.TIMEOUT] * 2 + [Status.OK, Status.TIMEOUT, Status.OK]
    assert len(engine.images) <= 1


def test_over_spi_idle_is_escaped_too():
    identity = replace(IDENTITY, clock_hz=0xFFDEDBC0, features=("spi",))
    answers, _ = talk([request(Command.IDENTITY, 0xFF)], of=(CONFIG, identity))
    assert answers == [[(0xFF, Status.OK, identity.to_bytes())]]
    assert Identity.from_bytes(identity.to_bytes()) == identity
    assert all(IDLE not in group for group in talk.spoken)


def test_requests_that_come_too_early_are_lost_and_counted():
    first, second = request(Command.IDENTITY, 1), request(Command.IDENTITY, 2)
    answers, _ = talk([first + second + second, first, request(Command.COUNTERS, 4)])
    assert answers[0][0][:2] == (1, Status.OK)
    assert Status.BUSY in [a[1] for a in answers[0]]
    assert [a[:2] for a in answers[1]] == [(1, Status.OK)]
    accepted, rejected = (int.from_bytes(answers[2][0][2][k : k + 4], "little") for k in (0, 4))
    assert accepted + rejected == 5
    assert rejected >= 1


@pytest.mark.parametrize("data", [b"", b"123456789", bytes(range(256))])
def test_crc(data):
    unit, found = Crc32(), []

    async def bench(ctx):
        for byte in data:
            ctx.set(unit.data, byte)
            ctx.set(unit.valid, 1)
            await ctx.tick()
            ctx.set(unit.valid, 0)
            await ctx.tick().repeat(8)
        found.append(ctx.get(unit.value) ^ 0xFFFFFFFF)
        ctx.set(unit.clear, 1)
        await ctx.tick()
        found.append(ctx.get(unit.value))

    sim = Simulator(unit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert found == [zlib.crc32(data), 0xFFFFFFFF]


@pytest.mark.parametrize("data", [b"", b"abc", bytes([END, ESC, 0xDC, 0xDD]) * 3])
def test_slip(data):
    wire = slip(data)
    assert wire[0] == wire[-1] == END
    assert END not in wire[1:-1]
    assert unslip(wire[1:-1]) == data
    assert unslip(bytes([ESC])) is None


@pytest.mark.parametrize(("divisor", "drift"), [(4, 0), (5, 0), (10, 0), (10, 0.02), (10, -0.02), (30, 0.02), (30, -0.02)])
def test_uart_there_and_back(divisor, drift):
    transmitter, receiver, heard = UartTransmitter(divisor), UartReceiver(divisor), []
    g = np.random.default_rng(divisor)
    sent = [0, 255, 0x55, 0xAA, *g.integers(0, 256, 20).tolist()]
    wave = [1] * 50

    async def speak(ctx):
        for byte in sent:
            ctx.set(transmitter.data, byte)
            ctx.set(transmitter.valid, 1)
            while True:
                _, _, ready, level = await ctx.tick().sample(transmitter.ready, transmitter.tx)
                wave.append(level)
                if ready:
                    break
        ctx.set(transmitter.valid, 0)
        for _ in range(15 * divisor):
            wave.append((await ctx.tick().sample(transmitter.tx))[2])

    async def listen(ctx):
        for k in range(int(len(wave) * (1 + drift)) - 1):
            ctx.set(receiver.rx, wave[int(k / (1 + drift))])
            _, _, valid, data, error = await ctx.tick().sample(receiver.valid, receiver.data, receiver.error)
            heard.extend([data] if valid else [])
            assert not error

    for unit, bench in ((transmitter, speak), (receiver, listen)):
        sim = Simulator(unit)
        sim.add_clock(1e-6)
        sim.add_testbench(bench)
        sim.run()
    assert heard == sent


def test_uart_break_is_an_error_and_a_spike_is_nothing():
    receiver, seen = UartReceiver(8), []

    async def bench(ctx):
        for level, cycles in ((1, 20), (0, 2), (1, 100), (0, 200), (1, 200)):
            ctx.set(receiver.rx, level)
            for _ in range(cycles):
                _, _, valid, error = await ctx.tick().sample(receiver.valid, receiver.error)
                seen.append((valid, error))

    sim = Simulator(receiver)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert sum(v for v, _ in seen) == 0
    assert sum(e for _, e in seen) == 1
