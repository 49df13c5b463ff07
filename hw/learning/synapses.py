"""Synapses of three values that a table of probabilities and a generator move."""

from __future__ import annotations

import zlib

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from oxnor.hw.blocks.presenter import following
from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for
from oxnor.models.learning.mtj import NUMBER_BITS
from oxnor.models.learning.synapses import WHOLE_BITS, seeds


class SynapseArray(Unit):
    """Rows of ternary synapses: a row a cycle is asked for a step in each lane.

    A synapse is the two synapses of a weight in a macro: 00 is -1, 01 is 0 and 11 is +1, the first in the lower bit. A
    step up shifts a 1 in from below, a step down a 0 from above, so that it saturates, and a write never changes more
    than one of both bits for each step. The whole part of a wished step is taken; of the rest, leading zeros choose the
    probability of one step more. A number of the lane's own generator decides.

    Parameters
    ----------
    rows, lanes : int
        At least 1.
    thresholds : ndarray of uint16, shape (entries,)
        From :func:`oxnor.models.learning.mtj.thresholds`.

    Members
    -------
    update : ``In(1)``
        The row takes the wished steps at this clock edge.
    load : ``In(1)``
        It takes ``values`` instead.
    row : ``In(bits_for(rows - 1))``
    up, down : ``In(lanes)``
        Direction of the wished step; none and both leave a synapse as it is.
    sizes : ``In(lanes * (2 + entries - 1))``
        Its size in steps, with entries - 1 bits after the point.
    values : ``In(2 * lanes)``
    held : ``Out(2 * lanes)``
        The row as it is; combinational.

    See Also
    --------
    oxnor.models.learning.synapses : bit-true model.
    """

    def __init__(self, rows: int, lanes: int, thresholds: NDArray[np.uint16]):
        self.rows, self.lanes, self.thresholds = rows, lanes, np.asarray(thresholds, np.uint16)
        self.entries = len(self.thresholds)
        self.size_bits = WHOLE_BITS + self.entries - 1
        super().__init__(
            {
                "update": In(1), "load": In(1), "row": In(bits_for(rows - 1)), "up": In(lanes), "down": In(lanes),
                "sizes": In(lanes * self.size_bits), "values": In(2 * lanes),
                "held": Out(2 * lanes),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_synapses_{self.rows}_{self.lanes}_{zlib.crc32(self.thresholds.astype('<u2').tobytes()):08x}"

    @property
    def timing(self) -> str:  # noqa: D102
        return "A row a cycle, also the same one again"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        rows = Array(Signal(2 * self.lanes, name=f"row{k}") for k in range(self.rows))
        m.d.comb += self.held.eq(rows[self.row])
        lanes = []
        for k, first in enumerate(seeds(self.lanes)):
            state = Signal(32, name=f"generator{k}", init=int(first))
            with m.If(self.update):
                m.d.sync += state.eq(following(state))
            size = self.sizes.word_select(k, self.size_bits)
            threshold, moves = Signal(NUMBER_BITS, name=f"threshold{k}"), Signal(WHOLE_BITS + 1, name=f"moves{k}")
            m.d.comb += [
                threshold.eq(self._threshold(size)),
                moves.eq(size[self.entries - 1 :] + (state[32 - NUMBER_BITS :] < threshold)),
            ]
            lanes.append(_moved(self.held.word_select(k, 2), self.up[k], self.down[k], moves))
        with m.If(self.update | self.load):
            m.d.sync += rows[self.row].eq(Mux(self.load, self.values, Cat(*lanes)))
        return m

    def _threshold(self, size: Value) -> Value:
        """Return the threshold of a wished step, by the leading zeros of its part."""
        chosen: Value = Const(int(self.thresholds[-1]), NUMBER_BITS)
        for k in range(self.entries - 1):  # the highest bit that is set decides
            chosen = Mux(size[k], Const(int(self.thresholds[self.entries - 2 - k]), NUMBER_BITS), chosen)
        return chosen


def _moved(old: Value, up: Value, down: Value, moves: Value) -> Value:
    """Return a synapse after so many steps up or down."""
    to_top = Mux(moves > 1, 0b11, Cat(Const(1, 1), old[0]))
    to_bottom = Mux(moves > 1, 0b00, Cat(old[1], Const(0, 1)))
    return Mux((moves == 0) | (up == down), old, Mux(up, to_top, to_bottom))
