"""Count of the ones in each column of a stack of words."""

from __future__ import annotations

from collections import deque

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.params.widths import bits_for

from .unit import Unit


class ColumnCount(Unit):
    """Combinational popcount of every column: full adders side by side, a tree of them in each column.

    Parameters
    ----------
    lanes : int
        Words, at least 1.
    columns : int
        Bits of a word.

    Members
    -------
    i : ``In(ArrayLayout(columns, lanes))``
        The words.
    o : ``Out(ArrayLayout(columns, bits_for(lanes)))``
        Bit planes of the counts: bit n of word b is bit b of the count of column n.

    See Also
    --------
    oxnor.models.golden.binarized.popcount : bit-true model.
    """

    has_clock = False

    def __init__(self, lanes: int, columns: int):
        if lanes < 1 or columns < 1:
            raise ValueError(f"Lanes and columns must be positive, not {lanes} and {columns}")
        self.lanes = lanes
        self.columns = columns
        planes = data.ArrayLayout(columns, bits_for(lanes))
        super().__init__({"i": In(data.ArrayLayout(columns, lanes)), "o": Out(planes)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_column_count_{self.lanes}x{self.columns}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        waiting: deque[Value] = deque(self.i[v] for v in range(self.lanes))
        for b in range(bits_for(self.lanes)):
            carries: deque[Value] = deque()
            while len(waiting) > 1:
                x, y = waiting.popleft(), waiting.popleft()
                z = waiting.popleft() if waiting else 0
                total, carry = (Signal(self.columns, name=f"{n}{b}_{len(carries)}") for n in ("sum", "carry"))
                m.d.comb += [total.eq(x ^ y ^ z), carry.eq((x & y) | ((x | y) & z))]
                waiting.append(total)
                carries.append(carry)
            m.d.comb += self.o[b].eq(waiting[0])
            waiting = carries
        return m
