"""How long a read takes: the cycle in which macros are told to sense, and the one after which they have answered."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value


@dataclass(frozen=True)
class Reading:
    """The cycles of a read, in which row and inputs stay as they are.

    Parameters
    ----------
    begins, ends : Value, optional
        The macros sense in this cycle; their ``q`` is valid after it, and the next read may begin. None: a read takes
        one cycle, which is both.
    """

    begins: Value | None = None
    ends: Value | None = None

    @classmethod
    def of(cls, m: Module, cycles: int, goes: Value, clear: Value | None = None) -> Reading:
        """Return the reads of macros that take so many cycles to sense.

        Parameters
        ----------
        m : Module
        cycles : int
        goes : Value
            A read goes on in this cycle.
        clear : Value, optional
            Forget the read.
        """
        if cycles == 1:
            return cls()
        cycle = Signal(range(cycles), name="read_cycle")
        begins, ends = Signal(name="read_begins"), Signal(name="read_ends")
        m.d.comb += [begins.eq(cycle == 0), ends.eq(cycle == cycles - 1)]
        with m.If(goes):
            m.d.sync += cycle.eq(Mux(ends, 0, cycle + 1))
        if clear is not None:
            with m.If(clear):
                m.d.sync += cycle.eq(0)
        return cls(begins, ends)

    @classmethod
    def answered(cls, m: Module, answers: Value, goes: Value, asked_later: bool) -> Reading:
        """Return the reads of macros that answer when they are ready.

        Parameters
        ----------
        m : Module
        answers : Value
            All macros have answered what they were asked last.
        goes : Value
            A read goes on in this cycle.
        asked_later : bool
            The macros are asked a cycle after the read begins.
        """
        begun, begins, ends = Signal(name="read_begun"), Signal(name="read_begins"), Signal(name="read_ends")
        asked = begun
        if asked_later:
            asked = Signal(name="read_asked")
            with m.If(goes):
                m.d.sync += asked.eq(begun & ~ends)
        m.d.comb += [begins.eq(~begun), ends.eq(asked & answers)]
        with m.If(goes):
            m.d.sync += begun.eq(~ends)
        return cls(begins, ends)

    @property
    def is_long(self) -> bool:
        """Whether a read takes more than one cycle."""
        return self.ends is not None

    def first(self, value: Value) -> Value:
        """Return whether `value` holds and this is the first cycle of the read."""
        return value if self.begins is None else value & self.begins

    def last(self, value: Value) -> Value:
        """Return whether `value` holds and this is the last cycle of the read."""
        return value if self.ends is None else value & self.ends

    def steps(self, advance: Value, reading: Value) -> Value:
        """Return when to go on to the next read: at the end of one, and in each cycle without."""
        return advance if self.ends is None else advance & (self.ends | ~reading)


