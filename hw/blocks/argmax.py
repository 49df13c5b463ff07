"""Argmax: which score is the largest, and by how much."""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import C, Module, Mux, Signal, ValueLike, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.params.widths import bits_for

from .unit import Unit


class _Candidate(NamedTuple):
    """A score, its index, whether there is one, and the best of those that it has beaten."""

    score: ValueLike
    index: ValueLike
    valid: ValueLike
    second: ValueLike


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
    with_margin : bool
        Whether ``margin`` is there; then there must be two scores or more.

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
    margin : ``Out(width)``
        The largest score less the second largest, which is equal in a tie; valid with ``index``.

    See Also
    --------
    oxnor.models.golden.binarized.argmax, oxnor.models.golden.binarized.margins : bit-true model.
    """

    def __init__(self, count: int, lanes: int, width: int, *, with_margin: bool = False):
        if not 1 <= lanes <= count or width < 1:
            raise ValueError(f"Lanes must be in [1, {count}] and width positive, not {lanes} and {width}")
        if with_margin and count < 2:
            raise ValueError("A margin is between two scores; there is one")
        self.with_margin = with_margin
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
            | ({"margin": Out(width)} if with_margin else {})
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_argmax_{self.count}_{self.lanes}_{self.width}" + "_margin" * self.with_margin

    def _better(self, m: Module, name: str, a: _Candidate, b: _Candidate) -> _Candidate:
        """Return the better of two, `a` having the lower index."""
        take_b = Signal(name=f"{name}_take")
        score = Signal(signed(self.width), name=f"{name}_score")
        index = Signal(len(self.index), name=f"{name}_index")
        m.d.comb += [
            take_b.eq(b.valid & (~a.valid | (b.score > a.score))),
            score.eq(Mux(take_b, b.score, a.score)),
            index.eq(Mux(take_b, b.index, a.index)),
        ]
        if not self.with_margin:
            return _Candidate(score, index, a.valid | b.valid, 0)
        beaten = Signal(signed(self.width), name=f"{name}_beaten")
        own = Signal(signed(self.width), name=f"{name}_own")
        second = Signal(signed(self.width), name=f"{name}_second")
        m.d.comb += [
            beaten.eq(Mux(take_b, Mux(a.valid, a.score, self._lowest), Mux(b.valid, b.score, self._lowest))),
            own.eq(Mux(take_b, b.second, a.second)),
            second.eq(Mux(beaten > own, beaten, own)),
        ]
        return _Candidate(score, index, a.valid | b.valid, second)

    @property
    def _lowest(self) -> ValueLike:
        """What is beaten by every score: it stands for one that is not there."""
        return C(-(1 << (self.width - 1)), signed(self.width))

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        base = Signal(range(self.count + self.lanes))
        best = Signal(signed(self.width))
        second = Signal(signed(self.width))
        lowest = Signal(len(base))
        m.d.comb += lowest.eq(Mux(self.first, 0, base))
        in_last = self.count - (self.count - 1) // self.lanes * self.lanes
        row = [
            _Candidate(self.scores[v], lowest + v, ~self.last if v >= in_last else C(1), self._lowest)
            for v in range(self.lanes)
        ]
        level = 0
        while len(row) > 1:
            pairs = [
                self._better(m, f"l{level}_{k}", row[k], row[k + 1]) if k + 1 < len(row) else row[k]
                for k in range(0, len(row), 2)
            ]
            row, level = pairs, level + 1
        so_far = _Candidate(best, self.index, ~self.first, second)
        winner = self._better(m, "run", so_far, row[0])
        with m.If(self.en):
            m.d.sync += [best.eq(winner.score), self.index.eq(winner.index), base.eq(lowest + self.lanes)]
        if self.with_margin:
            with m.If(self.en):
                m.d.sync += second.eq(winner.second)
            m.d.comb += self.margin.eq(best - second)
        return m
