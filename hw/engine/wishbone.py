"""The engine behind one Wishbone bus: registers, images and results by reads and writes of 32 bits."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.blocks.axi_lite import ADDRESS_WIDTH, OKAY
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.widths import bits_for

from .engine import Engine

WORD = 32
#: Byte addresses beside the registers of the engine: a word of an image, of a result, and what there is.
IMAGE, RESULT, STREAM = 0x400, 0x404, 0x408
#: Bits of an address that are looked at.
WISHBONE_ADDRESS = 12
#: Wishbone B4, as seen by the slave.
WISHBONE_PORTS: dict[str, Member] = {
    "wb_cyc": In(1),
    "wb_stb": In(1),
    "wb_we": In(1),
    "wb_sel": In(4),
    "wb_adr": In(WORD),
    "wb_dat_w": In(WORD),
    "wb_dat_r": Out(WORD),
    "wb_ack": Out(1),
    "wb_err": Out(1),
}


class WishboneEngine(Unit):
    """A Wishbone B4 slave (classic cycles, 32 bits, byte addresses) around the engine, which keeps its AXI inside.

    Addresses below 0x400 are the registers of the engine. An image is written word by word to 0x400, bit i of a beat
    is bit i % 32 of word i // 32 of the beat; the last word of the last beat ends the image. A result is read word by
    word from 0x404, the class in the low bits. 0x408 reads what there is: bit 0, there is room for a word; bit 1, a
    result waits; bit 2, a word was written without room, or read without a result. Writing 0x408 clears bit 2, and
    forgets the words of a beat that is not whole.

    Every access is answered, never more than a few cycles later, whatever the engine does. Addresses without a
    register, writes of read-only ones, and writes of single bytes are answered with an error.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    wb_cyc, wb_stb, wb_we, wb_sel, wb_adr, wb_dat_w, wb_dat_r, wb_ack, wb_err
        Wishbone. Of the address the low 12 bits count: what lies above is for the bus outside to decode.
    result_waits : ``Out(1)``
        A result waits: for an interrupt.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(WISHBONE_PORTS | {"result_waits": Out(1)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"{self.config.top}_wishbone"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        self._engine = Engine(self.config)
        place(m, platform, "engine", self._engine)
        access, address = Signal(), Signal(WISHBONE_ADDRESS - 2)
        # One answer to an access: it is over in the cycle of its acknowledge.
        m.d.comb += [
            access.eq(self.wb_cyc & self.wb_stb & ~self.wb_ack & ~self.wb_err),
            address.eq(self.wb_adr[2:WISHBONE_ADDRESS]),
        ]
        m.d.sync += [self.wb_ack.eq(0), self.wb_err.eq(0)]
        of_registers = address < IMAGE >> 2
        failed, cleared = Signal(), Signal()
        room, image_failed = self._image(m, access & self.wb_we & (address == IMAGE >> 2), cleared)
        word, waits, result_failed = self._result(m, access & ~self.wb_we & (address == RESULT >> 2))
        m.d.comb += [
            cleared.eq(access & self.wb_we & self.wb_sel.all() & (address == STREAM >> 2)),
            self.result_waits.eq(waits),
        ]
        with m.If(cleared):
            m.d.sync += failed.eq(0)
        with m.Elif(image_failed | result_failed):
            m.d.sync += failed.eq(1)
        with m.If(access & ~of_registers):
            is_right = Mux(
                self.wb_we,
                self.wb_sel.all() & ((address == IMAGE >> 2) | (address == STREAM >> 2)),
                (address == RESULT >> 2) | (address == STREAM >> 2),
            )
            m.d.sync += [self.wb_ack.eq(is_right), self.wb_err.eq(~is_right)]
            m.d.sync += self.wb_dat_r.eq(Mux(address == RESULT >> 2, word, Cat(room, waits, failed)))
        self._registers(m, access & of_registers)
        return m

    def _image(self, m: Module, written: Value, cleared: Value) -> tuple[Value, Value]:
        """Make beats of the words; return whether there is room for one, and whether one was lost."""
        engine, c = self._engine, self.config
        words = -(-c.stream_width // WORD)
        beat = Signal(words * WORD, name="beat", reset_less=True)
        word, number = Signal(range(words), name="image_word"), Signal(range(c.beats), name="beat_number")
        offers = Signal(name="beat_offered")
        m.d.comb += [
            engine.s_axis_tvalid.eq(offers),
            engine.s_axis_tdata.eq(beat),
            engine.s_axis_tlast.eq(number == c.beats - 1),
        ]
        takes = written & self.wb_sel.all() & ~offers
        with m.If(takes):
            m.d.sync += [beat.eq(Cat(beat[WORD:], self.wb_dat_w)), word.eq(word + 1)]
            with m.If(word == words - 1):
                m.d.sync += [word.eq(0), offers.eq(1)]
        with m.If(offers & engine.s_axis_tready):
            m.d.sync += [offers.eq(0), number.eq(Mux(number == c.beats - 1, 0, number + 1))]
        with m.Elif(cleared & ~offers):
            m.d.sync += word.eq(0)
        return ~offers, written & offers

    def _result(self, m: Module, read: Value) -> tuple[Value, Value, Value]:
        """Give the words of results; return the present one, whether there is one, and whether none was there."""
        engine = self._engine
        words = -(-self.config.result_width // WORD)
        word = Signal(bits_for(words - 1), name="result_word")
        waits = engine.m_axis_tvalid
        takes = Signal(name="result_taken")
        m.d.comb += [takes.eq(read & waits & (word == words - 1)), engine.m_axis_tready.eq(takes)]
        with m.If(read & waits):
            m.d.sync += word.eq(Mux(takes, 0, word + 1))
        present = Mux(waits, engine.m_axis_tdata.word_select(word, WORD)[:WORD], 0)
        return present, waits, read & ~waits

    def _registers(self, m: Module, access: Value) -> None:
        """Turn an access into one of AXI4-Lite: its valids until they are taken, then its answer."""
        engine = self._engine
        reads, writes_address, writes_data, waits = (Signal(name=f"lite_{n}") for n in ("ar", "aw", "w", "waits"))
        given_up = Signal()  # by the master, which gets no answer to it
        begins = access & ~waits
        m.d.comb += [
            engine.s_axil_araddr.eq(self.wb_adr[:ADDRESS_WIDTH]),
            engine.s_axil_awaddr.eq(self.wb_adr[:ADDRESS_WIDTH]),
            engine.s_axil_wdata.eq(self.wb_dat_w),
            engine.s_axil_wstrb.eq(self.wb_sel),
            engine.s_axil_arvalid.eq(reads), engine.s_axil_awvalid.eq(writes_address),
            engine.s_axil_wvalid.eq(writes_data),
            engine.s_axil_rready.eq(1), engine.s_axil_bready.eq(1),
        ]  # fmt: skip
        # Registers end at 256 bytes: what lies above has none.
        is_there = self.wb_adr[ADDRESS_WIDTH:WISHBONE_ADDRESS] == 0
        with m.If(begins & is_there):
            m.d.sync += [reads.eq(~self.wb_we), writes_address.eq(self.wb_we), writes_data.eq(self.wb_we), waits.eq(1)]
        with m.Elif(begins):
            m.d.sync += self.wb_err.eq(1)
        with m.If(reads & engine.s_axil_arready):
            m.d.sync += reads.eq(0)
        with m.If(writes_address & engine.s_axil_awready):
            m.d.sync += writes_address.eq(0)
        with m.If(writes_data & engine.s_axil_wready):
            m.d.sync += writes_data.eq(0)
        answer = engine.s_axil_rvalid | engine.s_axil_bvalid
        asks = self.wb_cyc & self.wb_stb & ~given_up
        okay = Mux(engine.s_axil_rvalid, engine.s_axil_rresp, engine.s_axil_bresp) == OKAY
        with m.If(answer):
            m.d.sync += [waits.eq(0), given_up.eq(0), self.wb_ack.eq(asks & okay), self.wb_err.eq(asks & ~okay)]
            m.d.sync += self.wb_dat_r.eq(engine.s_axil_rdata)
        with m.Elif(waits & ~asks):
            m.d.sync += given_up.eq(1)
