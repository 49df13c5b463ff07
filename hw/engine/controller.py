"""Programming controller: rows of macros and of coefficients, programmed, verified and read over registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, ValueLike, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS, PROGRAMMING_REGISTERS
from oxnor.hw.macros.program_bus import WORD, ProgramBus
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.widths import bits_for

from .sequence import ProgrammingSequence, TernarySequence

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

    Here are its registers, what they select, and the addresses of what has failed; the steps of a command are those of
    :class:`oxnor.hw.engine.sequence.ProgrammingSequence`.

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
        ports = {
            "idle": In(1), "written": In(n), "read": In(n), "value": In(WORD),
            "values": Out(data.ArrayLayout(unsigned(WORD), n)),
            "hold": Out(1), "refused": Out(1), "layer": Out(16), "bus": Out(ProgramBus()),
        }  # fmt: skip
        super().__init__(ports)
        self._words = max(y.words for y in layers)
        macros = [y.config for y in layers]
        slowest = max(c.macro.latency + c.sense_latency - 1 for c in macros)
        sequence = TernarySequence if any(c.pair_states == 3 for c in macros) else ProgrammingSequence
        self._sequence = sequence(self._words, slowest, any(c.macro.accesses for c in macros))

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_programming"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        sequence = self._sequence
        place(m, platform, "sequence", sequence)
        for name, member in ProgramBus().members.items():
            ours, its = getattr(self.bus, name), getattr(sequence.bus, name)
            if name not in ("macro", "row"):
                m.d.comb += ours.eq(its) if member.flow == Out else its.eq(ours)
        self._select(m)
        start = Signal()
        failures, waiting, overflow = self._addresses(m, start)
        pulses = Signal(WORD)
        m.d.sync += pulses.eq(pulses + sequence.pulse)
        with m.If(start & self.value[0]):
            m.d.sync += pulses.eq(0)
        status = (sequence.busy, sequence.done, sequence.error, sequence.failing, waiting, overflow)
        values = self._accesses(m, start)
        values |= {"PROG_STATUS": Cat(*status), "PROG_PULSES": pulses, "PROG_FAILURES": failures}
        m.d.comb += [self.values[NAMES.index(name)].eq(value) for name, value in values.items()]
        return m

    def _select(self, m: Module) -> None:
        """Tell the sequence the size of the selected memory, and whether the row exists."""
        macro, row = self.bus.macro, self.bus.row
        # (selected, is a macro, rows, bits of a row) of each memory. Sums of products: no block of statements.
        memories: list[tuple[Value, int, int, int]] = []
        for k, layer in enumerate(self.layers):
            c, selected = layer.config, self.layer == k
            memories.append((selected & (macro < c.macros), 1, c.rows, c.cols))
            if layer.coefficient_width:
                memories.append((selected & (macro == c.macros), 0, c.passes, layer.coefficient_width))

        def of_selected(values: Sequence[ValueLike]) -> ValueLike:
            result: ValueLike = 0
            for (selected, *_), value in zip(memories, values, strict=True):
                result = result | Mux(selected, value, 0)
            return result

        if self._sequence.ternary:
            layers = [self.layer == k for k, layer in enumerate(self.layers) if layer.config.pair_states == 3]
            m.d.comb += self._sequence.is_ternary.eq(self._sequence.is_macro & Cat(*layers).any())
        lasts = [(width - 1) // WORD for *_, width in memories]
        masks = [(1 << width - last * WORD) - 1 for (*_, width), last in zip(memories, lasts, strict=True)]
        m.d.comb += [
            self._sequence.is_macro.eq(of_selected([flag for _, flag, _, _ in memories])),
            self._sequence.exists.eq(of_selected([row < rows for _, _, rows, _ in memories])),
            self._sequence.last_column.eq(of_selected([width - 1 for *_, width in memories])),
            self._sequence.last_word.eq(of_selected(lasts)),
            self._sequence.last_mask.eq(of_selected(masks)),
        ]

    def _written(self, name: str) -> Value:
        return self.written[NAMES.index(name)]

    def _accesses(self, m: Module, start: Signal) -> dict[str, ValueLike]:
        """Keep what the host writes while nothing is done; return what registers read as, by name."""
        sequence, bus = self._sequence, self.bus
        pointer, retries, held = Signal(16), Signal(8), Signal()
        words = Array([Signal(WORD, name=f"data{k}") for k in range(self._words)])
        index = pointer[: bits_for(self._words - 1)]
        command = self._written("PROG_COMMAND")
        m.d.comb += [
            self.hold.eq(held | sequence.busy),
            start.eq(command & ~sequence.busy & self.idle),
            # All writes but that of PROG_HOLD.
            self.refused.eq((self.written[1:].any() & sequence.busy) | (command & ~self.idle)),
            sequence.start.eq(start),
            sequence.command.eq(self.value[: len(PROGRAMMING_COMMANDS)]),
            sequence.retries.eq(retries),
            sequence.words.eq(Cat(*words)),
        ]
        with m.If(self._written("PROG_HOLD")):
            m.d.sync += held.eq(self.value[0])
        settings = {
            "PROG_LAYER": self.layer, "PROG_MACRO": bus.macro, "PROG_ROW": bus.row,
            "PROG_WORD": pointer, "PROG_RETRIES": retries,
        }  # fmt: skip
        with m.If(~sequence.busy):
            for name, setting in settings.items():
                with m.If(self._written(name)):
                    m.d.sync += setting.eq(self.value)
            with m.If(self._written("PROG_DATA")):
                m.d.sync += [words[index].eq(self.value), pointer.eq(pointer + 1)]
            with m.If(self.read[NAMES.index("PROG_DATA")]):
                m.d.sync += pointer.eq(pointer + 1)
        return settings | {"PROG_HOLD": held, "PROG_DATA": Array(list(sequence.result))[index]}

    def _addresses(self, m: Module, start: Signal) -> tuple[Signal, Value, Signal]:
        """Keep the addresses of failing synapses until PROG_FAIL is read; return their count, waiting, overflow."""
        push, bus = self._sequence.push, self.bus
        macros, rows = (Array([Signal(WORD, name=f"{n}{k}") for k in range(FIFO_DEPTH)]) for n in ("macro", "row"))
        count = Signal(range(FIFO_DEPTH + 1))
        first, end = (Signal(range(FIFO_DEPTH), name=n) for n in ("fifo_first", "fifo_end"))
        failures, overflow = Signal(WORD, name="failures"), Signal(name="overflow")
        pop, accepted = Signal(), Signal()
        m.d.comb += [
            pop.eq(self.read[NAMES.index("PROG_FAIL")] & (count != 0)),
            accepted.eq(push & (count != FIFO_DEPTH)),
            self.values[NAMES.index("PROG_FAIL_MACRO")].eq(macros[first]),
            self.values[NAMES.index("PROG_FAIL")].eq(rows[first]),
        ]
        m.d.sync += [failures.eq(failures + push), count.eq(count + accepted - pop)]
        with m.If(pop):
            m.d.sync += first.eq(first + 1)
        with m.If(accepted):
            m.d.sync += macros[end].eq(Cat(bus.macro, self.layer[:8]))
            m.d.sync += [rows[end].eq(Cat(self._sequence.column, bus.row)), end.eq(end + 1)]
        with m.Elif(push):
            m.d.sync += overflow.eq(1)
        with m.If(start & self.value[0]):
            m.d.sync += [x.eq(0) for x in (failures, count, first, end, overflow)]
        return failures, count != 0, overflow
