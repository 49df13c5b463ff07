"""Popcount: how many bits are 1."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from oxnor.hw.params.widths import bits_for

from .unit import Unit, place, sum_tree

#: Widest popcount that is one module of bit-level adders; wider ones are composed of such leaves.
LEAF_WIDTH = 64


class Popcount(Unit):
    """Combinational popcount: a tree of adders over leaves of at most :data:`LEAF_WIDTH` bits.

    The Verilog has two bodies: the tree, which synthesis takes, and ``$countones`` under the define
    ``OXNOR_BEHAVIOURAL``, which a simulation may set (about 100 times faster there). Tests prove them equal.

    Parameters
    ----------
    width : int
        Number of input bits, at least 1.

    Members
    -------
    i : ``In(width)``
        The bits.
    o : ``Out(bits_for(width))``
        How many are 1, in [0, width].

    See Also
    --------
    oxnor.models.golden.binarized.popcount : bit-true model.
    """

    behavioural = "$countones(i)"
    has_clock = False

    def __init__(self, width: int):
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"Width must be a positive integer, not {width!r}")
        self.width = width
        super().__init__({"i": In(width), "o": Out(bits_for(width))})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_popcount_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        if self.width <= LEAF_WIDTH:
            m.d.comb += self.o.eq(sum_tree(list(self.i)))
            return m
        counts = []
        for k, start in enumerate(range(0, self.width, LEAF_WIDTH)):
            leaf = Popcount(min(LEAF_WIDTH, self.width - start))
            place(m, platform, f"leaf{k}", leaf)
            m.d.comb += leaf.i.eq(self.i[start : start + leaf.width])
            counts.append(leaf.o)
        m.d.comb += self.o.eq(sum_tree(counts))
        return m
