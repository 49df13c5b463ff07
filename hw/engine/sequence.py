"""Programming sequence: a command on one row of a macro or of coefficients, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS
from oxnor.hw.macros.program_bus import FORM, RESET, SET, WORD, ProgramBus
from oxnor.hw.params.widths import bits_for

#: A step that may follow: whether it was asked for, its state, and what must be set before it.
Step = tuple[Value, str, Callable[[], None] | None]


class ProgrammingSequence(Unit):
    """Carries out one command at a time on the row that is selected; each step starts the next one asked for.

    A pair is programmed by RESET of one device and then SET of the other, so that it is never left with both devices
    in LRS. It is verified by two reads, with all inputs 1 and all 0: a pair that holds its bit answers the bit and its
    inverse, one that the sense amplifier cannot decide answers the same twice, and fails whatever it answers.

    Parameters
    ----------
    words : int
        32-bit words of the longest row.
    latency : int
        Cycles from a sense to the answer of the slowest macro.
    answers : bool
        Whether there are macros that are not ready for programming until they have answered.

    Members
    -------
    start : ``In(1)``, command : ``In(7)``
        Start a command: a sum of ``PROGRAMMING_COMMANDS``.
    is_macro, exists, last_column, last_word, last_mask : ``In``
        The selected row: whether it is one of a macro, or of coefficients; whether there is one; its last bit, its last
        word, and the bits in use of that.
    retries : ``In(8)``
        How often what fails is programmed again.
    words : ``In(ArrayLayout(unsigned(32), words))``
        Data of the row.
    result : ``Out(ArrayLayout(unsigned(32), words))``
        What was read, or which bits failed.
    busy, done, error, failing : ``Out(1)``
        A command is being carried out; it is; there was no such row; it has left failing pairs.
    column : ``Out(16)``
        Which pair, as soon as ``push`` is 1.
    push : ``Out(1)``
        That pair has failed in the end.
    pulse : ``Out(1)``
        An operation on a single device begins.
    bus : ``Out(ProgramBus())``
        All but ``macro`` and ``row``, which stay 0.
    """

    #: Whether there are macros whose pairs hold three states.
    ternary: ClassVar[bool] = False

    def __init__(self, words: int, latency: int = 1, answers: bool = False):
        self.latency = max(latency, 2) if answers else latency
        self.answers = answers
        rows = data.ArrayLayout(unsigned(WORD), words)
        ports = {
            "start": In(1), "command": In(len(PROGRAMMING_COMMANDS)),
            "is_macro": In(1), "exists": In(1), "last_column": In(16), "last_word": In(16), "last_mask": In(WORD),
            "retries": In(8), "words": In(rows), "result": Out(rows),
            "busy": Out(1), "done": Out(1), "error": Out(1), "failing": Out(1),
            "column": Out(16), "push": Out(1), "pulse": Out(1), "bus": Out(ProgramBus()),
        }  # fmt: skip
        super().__init__(ports | ({"is_ternary": In(1)} if self.ternary else {}))
        self._wanted = {name: Signal(name=name.lower()) for name in PROGRAMMING_COMMANDS}
        self._results = Array([Signal(WORD, name=f"result{k}") for k in range(words)])
        self._index = bits_for(words - 1)
        self._word = Signal(16, name="word")
        self._attempt = Signal(8, name="attempt")
        # What the pulses are for: FORM of both devices, or RESET and SET, of all pairs or of those that have failed.
        self._forming, self._repairing = Signal(name="forming"), Signal(name="repairing")
        self._second = Signal(name="second")
        self._inverted = Signal(name="inverted")  # verify with all inputs 0

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_programming_sequence"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        m.d.comb += [
            self.bus.active.eq(self.busy),
            self.bus.select.eq(1),
            self.bus.word.eq(self._word),
            self.bus.column.eq(Mux(self.is_ternary, self.column >> 1, self.column) if self.ternary else self.column),
            self.bus.data.eq(self._data()),
            self.result.eq(Cat(*self._results)),
        ]
        form, program, write, verify, read = self._steps(m)
        with m.FSM(name="step"):
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [flag.eq(self.command[k]) for k, flag in enumerate(self._wanted.values())]
                m.d.sync += [self.busy.eq(1), self.done.eq(0), self.error.eq(0), self.failing.eq(0)]
                m.d.sync += [self._repairing.eq(0), self._attempt.eq(0)]
                m.next = "START"
            with m.State("START"):
                with m.If(self.exists):
                    self._next(m, form, program, write, verify, read)
                with m.Else():
                    m.d.sync += self.error.eq(1)
                    self._finish(m)
            self._pulses(m, program, verify, read)
            with m.State("WRITE"):
                m.d.comb += self.bus.write.eq(1)
                m.d.sync += self._word.eq(self._word + 1)
                with m.If(self._at_last_word()):
                    self._next(m, verify, read)
            self._verify(m, read)
            with m.State("READ-SENSE"):
                self._sense(m, self._wanted["READ"], "READ-WORDS")
            with m.State("READ-WORDS"):
                q = self._answer(self._wanted["READ"])
                m.d.sync += [self._result().eq(q & self._mask()), self._word.eq(self._word + 1)]
                with m.If(self._at_last_word()):
                    self._finish(m)
        return m

    def _sense(self, m: Module, x: Value, state: str) -> None:
        """Sense the row with all inputs at `x`, and go to a state when the macro answers."""
        if self.latency == 1:
            m.d.comb += [self.bus.sense.eq(1), self.bus.x.eq(x)]
            m.next = state
            return
        waited = Signal(range(self.latency), name=f"waited_{state.lower().replace('-', '_')}")
        m.d.comb += [self.bus.sense.eq(waited == 0), self.bus.x.eq(x)]
        is_last = waited == self.latency - 1
        m.d.sync += waited.eq(Mux(is_last, waited, waited + 1) if self.answers else waited + 1)
        with m.If(is_last & (self.bus.ready | ~self.is_macro) if self.answers else is_last):
            m.d.sync += waited.eq(0)
            m.next = state

    def _data(self) -> Value:
        """Return the present word of the data."""
        return Array(list(self.words))[self._word[: self._index]]

    def _result(self) -> Value:
        """Return the present word of the result."""
        return self._results[self._word[: self._index]]

    def _bit(self, words: Array, after: int = 0) -> Value:
        """Return the bit of the present column, or of one after it in the same word."""
        place = self.column[:5] | after if after else self.column[:5]
        return words[self.column[5:][: self._index]].bit_select(place, 1)

    def _pair(self, words: Array) -> Value:
        """Return whether a bit of the present pair is 1."""
        first = self._bit(words)
        return first | (self.is_ternary & self._bit(words, 1)) if self.ternary else first

    def _answer(self, x: Value) -> Value:
        """Return the present word of what was sensed with all inputs at `x`: a bit of each synapse."""
        q = self.bus.q
        if not self.ternary:
            return q
        swapped = Cat(bit for k in range(0, WORD, 2) for bit in (q[k + 1], q[k]))
        return Mux(self.is_ternary & ~x, swapped, q)

    def _at_last_word(self) -> Value:
        return self._word == self.last_word

    def _mask(self) -> Value:
        """Return the bits in use of the present word."""
        return Mux(self._at_last_word(), self.last_mask, (1 << WORD) - 1)

    def _finish(self, m: Module) -> None:
        m.d.sync += [self.busy.eq(0), self.done.eq(1)]
        m.next = "IDLE"

    def _next(self, m: Module, *steps: Step) -> None:
        """Go to the first step that was asked for, or finish."""
        condition = m.If
        for wanted, state, prepare in steps:
            with condition(wanted):
                self._begin(m, state, prepare)
            condition = m.Elif
        with m.Else():
            self._finish(m)

    def _begin(self, m: Module, state: str, prepare: Callable[[], None] | None) -> None:
        """Go to a step."""
        if prepare:
            prepare()
        m.d.sync += [self._word.eq(0), self.column.eq(0), self._second.eq(0)]
        m.next = state

    def _steps(self, m: Module) -> tuple[Step, Step, Step, Step, Step]:
        """Return FORM, PROGRAM of a macro, PROGRAM of coefficients, verification, and reading."""
        wanted = self._wanted

        def pulses(forming: int) -> Callable[[], None]:
            def prepare() -> None:
                m.d.sync += self._forming.eq(forming)

            return prepare

        def compare() -> None:
            m.d.sync += [self._inverted.eq(0), self.failing.eq(0)]

        return (
            (wanted["FORM"] & self.is_macro, "PULSE", pulses(1)),
            (wanted["PROGRAM"] & self.is_macro, "PULSE", pulses(0)),
            (wanted["PROGRAM"] & ~self.is_macro, "WRITE", None),
            (wanted["VERIFY"] | wanted["REPAIR"], "SENSE", compare),
            (wanted["READ"] | wanted["READ_INVERTED"], "READ-SENSE", None),
        )

    def _pulses(self, m: Module, program: Step, verify: Step, read: Step) -> None:
        """Two operations on each pair: FORM of both devices, or RESET of one and SET of the other."""
        bit = self._bit(Array(list(self.words)))
        sets: Value = self._second
        if self.ternary:
            second = self._bit(Array(list(self.words)), 1)
            sets = sets & ~(self.is_ternary & (bit ^ second))
            bit = Mux(self.is_ternary, second, bit)
        # A 1 is BL in LRS and BLb in HRS: RESET BLb (side 1), then SET BL (side 0).
        m.d.comb += [
            self.bus.op.eq(Mux(self._forming, C(FORM, 2), Mux(sets, C(SET, 2), C(RESET, 2)))),
            self.bus.side.eq(Mux(self._forming, self._second, bit ^ self._second)),
        ]

        step, at = (1 + self.is_ternary, self.column | self.is_ternary) if self.ternary else (1, self.column)
        next_column, is_last = self.column.eq(self.column + step), at == self.last_column

        with m.State("PULSE"):
            with m.If(self._repairing & ~self._pair(self._results)):
                m.d.sync += next_column
                with m.If(is_last):
                    # What is repaired is verified again.
                    self._begin(m, *verify[1:])
            with m.Else():
                m.d.comb += [self.bus.valid.eq(1), self.pulse.eq(self.bus.ready)]
                with m.If(self.bus.ready):
                    m.next = "WAIT"
        with m.State("WAIT"), m.If(self.bus.done):
            m.d.sync += self._second.eq(~self._second)
            m.next = "PULSE"
            with m.If(self._second):
                m.d.sync += next_column
                with m.If(is_last & self._forming):
                    self._next(m, program, verify, read)
                with m.Elif(is_last):
                    self._next(m, verify, read)

    def _verify(self, m: Module, read: Step) -> None:
        """Compare what the row answers with its data; program again what fails; report what does so in the end."""
        with m.State("SENSE"):
            self._sense(m, ~self._inverted, "COMPARE")
        with m.State("COMPARE"):
            differs = (self._answer(~self._inverted) ^ self._data() ^ self._inverted.replicate(WORD)) & self._mask()
            failed = Mux(self._inverted, self._result() | differs, differs)
            m.d.sync += [self._result().eq(failed), self._word.eq(self._word + 1)]
            m.d.sync += self.failing.eq(self.failing | failed.any())
            with m.If(self._at_last_word()):
                m.d.sync += self._word.eq(0)
                with m.If(self.is_macro & ~self._inverted):
                    m.d.sync += self._inverted.eq(1)
                    m.next = "SENSE"
                with m.Else():
                    m.next = "JUDGE"
        with m.State("JUDGE"):
            again = self.failing & self._wanted["REPAIR"] & (self._attempt != self.retries)
            m.d.sync += [self._attempt.eq(self._attempt + 1), self._forming.eq(0), self._repairing.eq(1)]
            with m.If(again & self.is_macro):
                m.d.sync += [self.column.eq(0), self._second.eq(0)]
                m.next = "PULSE"
            with m.Elif(again):
                m.next = "WRITE"
            with m.Elif(self.failing):
                m.d.sync += self.column.eq(0)
                m.next = "REPORT"
            with m.Else():
                self._next(m, read)
        with m.State("REPORT"):
            m.d.comb += self.push.eq(self._bit(self._results))
            m.d.sync += self.column.eq(self.column + 1)
            with m.If(self.column == self.last_column):
                self._next(m, read)


class TernarySequence(ProgrammingSequence):
    """Carries out one command at a time on the row that is selected; each step starts the next one asked for.

    A pair of two states is programmed by RESET of one device and then SET of the other, so that it is never left with
    both devices in LRS. A pair of three states holds two bits: the second says whether BL is in LRS, the first whether
    BLb is not. It is programmed by RESET of the device that the second bit says, and then SET of the other, or RESET of
    that too where the bits differ. Rows are verified by two reads, with all inputs 1 and all 0: a pair that holds its
    bits answers them and, in the other order if it has two, their inverse.

    Parameters
    ----------
    words, latency, answers
        As for :class:`ProgrammingSequence`.

    Members
    -------
    is_ternary : ``In(1)``
        The pairs of the selected macro hold three states.

    The other ports are those of :class:`ProgrammingSequence`.
    """

    ternary = True
