"""Argmax: which score is the largest."""

from __future__ import annotations

from amaranth.hdl import C, Module, Mux, Signal, ValueLike, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.params.widths import bits_for

from .unit import Unit

#: A score, its index, and whether there is one.
Candidate = tuple[ValueLike, ValueLike, ValueLike]


class Argmax(Unit):
    """Running argmax over scores that arrive `lanes` at a time, lowest index first; the lowest index wins a tie.

    ``index`` is valid one enabled clock edge after the last scores of a vector.

    Parameters
    ----------
    count : int
        Scores in a vector.
    lanes : int
        Scores at a time; those beyond `count` in the last step are ignored.
    width : int
        Bits of a score, two's complement.

    Members
    -------
    en : ``In(1)``
        Take the scores at this clock edge.
    first, last : ``In(1)``
        They are the first, the last of a vector.
    scores : ``In(ArrayLayout(signed(width), lanes))``
        Scores.
    index : ``Out(bits_for(count - 1))``
        Index of the largest score.

    See Also
    --------
    oxnor.models.golden.binarized.argmax : bit-true model.
    """

    def __init__(self, count: int, lanes: int, width: int):
        if not 1 <= lanes <= count or width < 1:
            raise ValueError(f"Lanes must be in [1, {count}] and width positive, not {lanes} and {width}")
        self.count = count
        self.lanes = lanes
        self.width = width
        super().__init__(
            {
                "en": In(1),
                "first": In(1),
                "last": In(1),
                "scores": In(data.ArrayLayout(signed(width), lanes)),
                "index": Out(bits_for(count - 1)),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_argmax_{self.count}_{self.lanes}_{self.width}"

    def _better(self, m: Module, name: str, a: Candidate, b: Candidate) -> Candidate:
        """Return the better of two (score, index, valid), `a` having the lower index."""
        take_b = Signal(name=f"{name}_take")
        score = Signal(signed(self.width), name=f"{name}_score")
        index = Signal(len(self.index), name=f"{name}_index")
        m.d.comb += [
            take_b.eq(b[2] & (~a[2] | (b[0] > a[0]))),
            score.eq(Mux(take_b, b[0], a[0])),
            index.eq(Mux(take_b, b[1], a[1])),
        ]
        return score, index, a[2] | b[2]

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        base = Signal(range(self.count + self.lanes))
        best = Signal(signed(self.width))
        lowest = Signal(len(base))
        m.d.comb += lowest.eq(Mux(self.first, 0, base))
        in_last = self.count - (self.count - 1) // self.lanes * self.lanes
        row: list[Candidate] = [
            (self.scores[v], lowest + v, ~self.last if v >= in_last else C(1)) for v in range(self.lanes)
        ]
        level = 0
        while len(row) > 1:
            pairs = [
                self._better(m, f"l{level}_{k}", row[k], row[k + 1]) if k + 1 < len(row) else row[k]
                for k in range(0, len(row), 2)
            ]
            row, level = pairs, level + 1
        score, index, _ = self._better(m, "run", (best, self.index, ~self.first), row[0])
        with m.If(self.en):
            m.d.sync += [best.eq(score), self.index.eq(index), base.eq(lowest + self.lanes)]
        return m
