"""Programming controller: rows of macros and of coefficients, programmed, verified and read over registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, bits_for
from oxnor.hw.macros.program_bus import FORM, RESET, SET, WORD, ProgramBus
from oxnor.hw.params.engine import LayerConfig
from oxnor.hw.params.registers import PROGRAMMING_COMMANDS, PROGRAMMING_REGISTERS

#: Failing synapses that are kept with their addresses.
FIFO_DEPTH = 8
NAMES = tuple(r.name for r in PROGRAMMING_REGISTERS)


@dataclass(frozen=True)
class Memories:
    """What can be programmed of one layer.

    Parameters
    ----------
    config : LayerConfig
        Its macros.
    coefficient_width : int
        Bits of a row of its coefficient memory, macro number ``config.macros``; 0 if it has none.
    """

    config: LayerConfig
    coefficient_width: int

    @property
    def words(self) -> int:
        """Words of the longest row."""
        return -(-max(self.config.cols, self.coefficient_width) // WORD)


class Programming(Unit):
    """Carries out one command at a time on one row: form, program, verify, repair, read.

    A pair is programmed by RESET of one device and then SET of the other, so that it is never left with both devices
    in LRS. It is verified by two reads, with all inputs 1 and all 0: a pair that holds its bit answers the bit and its
    inverse, one that the sense amplifier cannot decide answers the same twice, and fails whatever it answers.

    Parameters
    ----------
    layers : tuple of Memories

    Members
    -------
    idle : ``In(1)``
        No image is in the engine.
    written, read, value : ``In``
        Accesses of the programming registers, bit k for the k-th of ``PROGRAMMING_REGISTERS``.
    values : ``Out(ArrayLayout(unsigned(32), n))``
        What reads of them give.
    hold : ``Out(1)``
        The input stream has to wait.
    refused : ``Out(1)``
        A write was refused in this cycle.
    layer : ``Out(16)``
        Number of the layer that is selected.
    bus : ``Out(ProgramBus())``
    """

    def __init__(self, layers: tuple[Memories, ...]):
        self.layers = layers
        n = len(NAMES)
        super().__init__(
            {
                "idle": In(1),
                "written": In(n),
                "read": In(n),
                "value": In(WORD),
                "values": Out(data.ArrayLayout(unsigned(WORD), n)),
                "hold": Out(1),
                "refused": Out(1),
                "layer": Out(16),
                "bus": Out(ProgramBus()),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_programming"

    def elaborate(self, platform: Any) -> Module:  # noqa: D102
        m = Module()
        words = max(y.words for y in self.layers)
        self.column = Signal(16)
        self.words = Array([Signal(WORD, name=f"data{k}") for k in range(words)])
        self.result = Array([Signal(WORD, name=f"result{k}") for k in range(words)])
        names = ("busy", "done", "error", "failing", "waiting", "overflow")
        self.status = {name: Signal(name=name) for name in names}
        self._shape(m)
        self._accesses(m, words)
        self._fifo(m)
        self._sequence(m)
        return m

    def _shape(self, m: Module) -> None:
        """Find the size of the selected memory, and whether the address exists."""
        macro, row = self.bus.macro, self.bus.row
        self.is_macro, self.exists = Signal(), Signal()
        self.last_column, self.last_word, self.last_mask = Signal(16), Signal(16), Signal(WORD)
        # (selected, is a macro, rows, bits of a row) of each memory. Sums of products: no block of statements.
        memories: list[tuple[Any, int, int, int]] = []
        for k, layer in enumerate(self.layers):
            c, here = layer.config, self.layer == k
            memories.append((here & (macro < c.macros), 1, c.rows, c.cols))
            if layer.coefficient_width:
                memories.append((here & (macro == c.macros), 0, c.passes, layer.coefficient_width))

        def chosen(values: Any) -> Any:
            result: Any = 0
            for (selected, *_), value in zip(memories, values, strict=True):
                result = result | Mux(selected, value, 0)
            return result

        lasts = [(width - 1) // WORD for *_, width in memories]
        m.d.comb += [
            self.is_macro.eq(chosen([flag for _, flag, _, _ in memories])),
            self.exists.eq(chosen([row < rows for _, _, rows, _ in memories])),
            self.last_column.eq(chosen([width - 1 for *_, width in memories])),
            self.last_word.eq(chosen(lasts)),
            self.last_mask.eq(
                chosen([(1 << width - last * WORD) - 1 for (*_, width), last in zip(memories, lasts, strict=True)])
            ),
        ]

    def _written(self, name: str) -> Any:
        return self.written[NAMES.index(name)]

    def _accesses(self, m: Module, words: int) -> None:
        """Registers: what the host writes while nothing is done, and what it reads."""
        s, bus = self.status, self.bus
        pointer = Signal(16)
        self.retries = Signal(8)
        self.pulses, self.failures = Signal(WORD), Signal(WORD)
        held = Signal()
        free = ~s["busy"]
        self.start = Signal()
        command = self._written("PROG_COMMAND")
        m.d.comb += [
            self.hold.eq(held | s["busy"]),
            bus.active.eq(s["busy"]),
            bus.select.eq(1),
            self.start.eq(command & free & self.idle),
            # All writes but that of PROG_HOLD.
            self.refused.eq((self.written[1:].any() & s["busy"]) | (command & ~self.idle)),
        ]
        with m.If(self._written("PROG_HOLD")):
            m.d.sync += held.eq(self.value[0])
        with m.If(free):
            for name, target in {
                "PROG_LAYER": self.layer, "PROG_MACRO": bus.macro, "PROG_ROW": bus.row,
                "PROG_WORD": pointer, "PROG_RETRIES": self.retries,
            }.items():  # fmt: skip
                with m.If(self._written(name)):
                    m.d.sync += target.eq(self.value)
            with m.If(self._written("PROG_DATA")):
                m.d.sync += [self.words[pointer[: bits_for(words - 1)]].eq(self.value), pointer.eq(pointer + 1)]
            with m.If(self.read[NAMES.index("PROG_DATA")]):
                m.d.sync += pointer.eq(pointer + 1)
        values = {
            "PROG_HOLD": held, "PROG_LAYER": self.layer, "PROG_MACRO": bus.macro, "PROG_ROW": bus.row,
            "PROG_WORD": pointer, "PROG_DATA": self.result[pointer[: bits_for(words - 1)]],
            "PROG_RETRIES": self.retries, "PROG_STATUS": Cat(*s.values()), "PROG_PULSES": self.pulses,
            "PROG_FAILURES": self.failures,
        }  # fmt: skip
        m.d.comb += [self.values[NAMES.index(name)].eq(value) for name, value in values.items()]

    def _fifo(self, m: Module) -> None:
        """Addresses of failing synapses: pushed by the sequence, taken by a read of PROG_FAIL."""
        self.push = Signal()
        s, bus = self.status, self.bus
        at, row = (Array([Signal(WORD, name=f"{n}{k}") for k in range(FIFO_DEPTH)]) for n in ("fail_at", "fail_row"))
        count = Signal(range(FIFO_DEPTH + 1))
        first, end = (Signal(range(FIFO_DEPTH), name=n) for n in ("fifo_first", "fifo_end"))
        pop = Signal()
        room = Signal()
        m.d.comb += [
            pop.eq(self.read[NAMES.index("PROG_FAIL")] & (count != 0)),
            room.eq(self.push & (count != FIFO_DEPTH)),
            s["waiting"].eq(count != 0),
            self.values[NAMES.index("PROG_FAIL_MACRO")].eq(at[first]),
            self.values[NAMES.index("PROG_FAIL")].eq(row[first]),
        ]
        m.d.sync += [self.failures.eq(self.failures + self.push), count.eq(count + room - pop)]
        with m.If(pop):
            m.d.sync += first.eq(first + 1)
        with m.If(room):
            m.d.sync += [at[end].eq(Cat(bus.macro, self.layer[:8])), row[end].eq(Cat(self.column, bus.row))]
            m.d.sync += end.eq(end + 1)
        with m.Elif(self.push):
            m.d.sync += s["overflow"].eq(1)
        with m.If(self.start & self.value[0]):
            m.d.sync += [x.eq(0) for x in (self.failures, self.pulses, count, first, end, s["overflow"])]

    def _sequence(self, m: Module) -> None:
        """The command, step by step; each step starts the next one that was asked for."""
        s, bus = self.status, self.bus
        todo = {name: Signal(name=name.lower()) for name in PROGRAMMING_COMMANDS}
        self.forming, self.second, self.repairing = Signal(), Signal(), Signal()
        attempt = Signal(8)
        inverted = Signal()
        word = Signal(16)
        here = self.words[word[: bits_for(len(self.words) - 1)]]
        result = self.result[word[: bits_for(len(self.words) - 1)]]
        mask = Mux(word == self.last_word, self.last_mask, (1 << WORD) - 1)
        at_last_word = word == self.last_word
        m.d.comb += [bus.word.eq(word), bus.column.eq(self.column), bus.data.eq(here)]

        def finish() -> None:
            m.d.sync += [s["busy"].eq(0), s["done"].eq(1)]
            m.next = "IDLE"

        def then(*steps: tuple[Any, str, Callable[[], None] | None]) -> None:
            """Go to the first step whose condition holds, or finish."""
            condition = m.If
            for wanted, state, prepare in steps:
                with condition(wanted):
                    if prepare:
                        prepare()
                    m.d.sync += [word.eq(0), self.column.eq(0), self.second.eq(0)]
                    m.next = state
                condition = m.Elif
            with m.Else():
                finish()

        def pulses(forming: int) -> Callable[[], None]:
            def prepare() -> None:
                m.d.sync += self.forming.eq(forming)

            return prepare

        def compare() -> None:
            m.d.sync += [inverted.eq(0), s["failing"].eq(0)]

        verify = (todo["VERIFY"] | todo["REPAIR"], "SENSE", compare)
        read = (todo["READ"] | todo["READ_INVERTED"], "READ_SENSE", None)
        program = (todo["PROGRAM"] & self.is_macro, "PULSE", pulses(0))
        write = (todo["PROGRAM"] & ~self.is_macro, "WRITE", None)
        form = (todo["FORM"] & self.is_macro, "PULSE", pulses(1))

        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [flag.eq(self.value[k]) for k, flag in enumerate(todo.values())]
                m.d.sync += [s["busy"].eq(1), s["done"].eq(0), s["error"].eq(0), s["failing"].eq(0)]
                m.d.sync += [self.repairing.eq(0), attempt.eq(0)]
                m.next = "START"
            with m.State("START"):
                with m.If(self.exists):
                    then(form, program, write, verify, read)
                with m.Else():
                    m.d.sync += s["error"].eq(1)
                    finish()
            self._pulses(m, then, program, verify, read)
            with m.State("WRITE"):
                m.d.comb += bus.write.eq(1)
                m.d.sync += word.eq(word + 1)
                with m.If(at_last_word):
                    then(verify, read)
            with m.State("SENSE"):
                m.d.comb += [bus.sense.eq(1), bus.x.eq(~inverted)]
                m.next = "COMPARE"
            with m.State("COMPARE"):
                differs = (bus.q ^ here ^ inverted.replicate(WORD)) & mask
                found = Mux(inverted, result | differs, differs)
                m.d.sync += [result.eq(found), word.eq(word + 1), s["failing"].eq(s["failing"] | found.any())]
                with m.If(at_last_word):
                    m.d.sync += word.eq(0)
                    with m.If(self.is_macro & ~inverted):
                        m.d.sync += inverted.eq(1)
                        m.next = "SENSE"
                    with m.Else():
                        m.next = "JUDGE"
            with m.State("JUDGE"):
                again = s["failing"] & todo["REPAIR"] & (attempt != self.retries)
                m.d.sync += [attempt.eq(attempt + 1), self.forming.eq(0), self.repairing.eq(1)]
                with m.If(again & self.is_macro):
                    m.d.sync += [self.column.eq(0), self.second.eq(0)]
                    m.next = "PULSE"
                with m.Elif(again):
                    m.next = "WRITE"
                with m.Elif(s["failing"]):
                    m.d.sync += self.column.eq(0)
                    m.next = "REPORT"
                with m.Else():
                    then(read)
            with m.State("REPORT"):
                m.d.comb += self.push.eq(self._bit(self.result))
                m.d.sync += self.column.eq(self.column + 1)
                with m.If(self.column == self.last_column):
                    then(read)
            with m.State("READ_SENSE"):
                m.d.comb += [bus.sense.eq(1), bus.x.eq(todo["READ"])]
                m.next = "READ_WORDS"
            with m.State("READ_WORDS"):
                m.d.sync += [result.eq(bus.q & mask), word.eq(word + 1)]
                with m.If(at_last_word):
                    finish()

    def _bit(self, words: Any) -> Any:
        """Return the bit of the present column."""
        word = words[self.column[5:][: bits_for(len(self.words) - 1)]]
        return word.bit_select(self.column[:5], 1)

    def _pulses(self, m: Module, then: Callable[..., None], program: Any, verify: Any, read: Any) -> None:
        """Two operations on each pair: FORM of both devices, or RESET of one and SET of the other."""
        bus = self.bus
        bit = self._bit(self.words)
        # A 1 is BL in LRS and BLb in HRS: RESET BLb (side 1), then SET BL (side 0).
        m.d.comb += [
            bus.op.eq(Mux(self.forming, C(FORM, 2), Mux(self.second, C(SET, 2), C(RESET, 2)))),
            bus.side.eq(Mux(self.forming, self.second, bit ^ self.second)),
        ]

        def advance() -> None:
            m.d.sync += self.column.eq(self.column + 1)
            with m.If(self.column == self.last_column):
                with m.If(self.forming):
                    then(program, verify, read)
                with m.Else():
                    then(verify, read)

        with m.State("PULSE"):
            with m.If(self.repairing & ~self._bit(self.result)):
                advance()
            with m.Else():
                m.d.comb += bus.valid.eq(1)
                with m.If(bus.ready):
                    m.d.sync += self.pulses.eq(self.pulses + 1)
                    m.next = "WAIT"
        with m.State("WAIT"), m.If(bus.done):
            m.d.sync += self.second.eq(~self.second)
            m.next = "PULSE"
            with m.If(self.second):
                advance()
