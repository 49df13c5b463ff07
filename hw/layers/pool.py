"""Pooling of a stream of pixels, and the bit planes of what it gives."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.row_buffer import RowBuffer
from oxnor.hw.blocks.unit import Unit, place, sum_tree
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.layers.window import Pool


def encoded(fires: Value) -> Value:
    """Return how many thresholds a neuron reaches, as bit planes."""
    return fires if len(fires) == 1 else sum_tree(list(fires))[: bits_for(len(fires))]


def _either(values: Value, size: int) -> Value:
    """Return the OR of the values of `size` bits that `values` is made of."""
    parts = [values[k : k + size] for k in range(0, len(values), size)]
    return reduce(or_, parts)


class PoolMaker(Unit):
    """Largest, or smallest, value of each channel in windows.

    Values are bits, one a threshold, so that the largest is their OR; a channel whose smallest value is wanted comes
    inverted. The output leaves in the cycle in which the last pixel of its window comes, and nothing ever waits but for
    the consumer. Where windows lie side by side, a memory keeps one value a window: what the rows above have in it.
    Where they overlap, or leave pixels out, it keeps what each of the last rows has in it.

    Parameters
    ----------
    height, width : int
        Size of the feature map that comes.
    channels, levels : int
        Of a pixel: thresholds of a channel.
    pool : Pool
        Where the windows lie.
    has_lowest : bool
        Whether a channel has one more bit, which says that it comes inverted.

    Members
    -------
    i : ``In(stream.Signature(channels * (levels + has_lowest)))``
        Pixels in raster order: bit ``channel * (levels + has_lowest) + level``.
    o : ``Out(stream.Signature(channels * planes))``
        Pixels of windows.

    Notes
    -----
    Padding counts as no value of a window. At the left and above it takes no cycle: what would be kept of it is 0. At
    the right and below each position that windows reach takes a cycle, in which no pixel is taken.

    See Also
    --------
    oxnor.models.networks.layers.conv.ConvLayer : bit-true model.
    """

    def __init__(self, height: int, width: int, channels: int, levels: int, pool: Pool, has_lowest: bool):
        self.height, self.width, self.channels, self.levels = height, width, channels, levels
        self.pool = pool
        self.has_lowest = has_lowest
        bits = channels * (levels + has_lowest)
        super().__init__(
            {"i": In(stream.Signature(bits)), "o": Out(stream.Signature(channels * bits_for(levels)))}
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        size = f"{self.height}x{self.width}x{self.channels}_{self.levels}{'_n' if self.has_lowest else ''}"
        p = self.pool
        steps = "" if p.is_tiled else f"_s{p.step_y}x{p.step_x}"
        edges = f"_p{p.top}_{p.left}_{p.bottom}_{p.right}" if p.is_padded else ""
        return f"oxnor_pool_{size}_{p.height}x{p.width}{steps}{edges}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        (self._tiled if self.pool.is_tiled else self._sliding)(m, platform)
        return m

    def _tiled(self, m: Module, platform: object) -> None:
        """Windows side by side."""
        p = self.pool
        _, columns = p.over(self.height, self.width)
        # Which row and column of a window, and which window. What is left over at the right and below ends none.
        in_y, in_x = Signal(range(p.height), name="in_y"), Signal(range(p.width), name="in_x")
        at_x = Signal(range(columns + 1), name="at_x")
        y, x = Signal(range(self.height), name="y"), Signal(range(self.width), name="x")
        ends_row, ends_window, takes = (Signal(name=n) for n in ("ends_row", "ends_window", "takes"))
        m.d.comb += [
            ends_row.eq(in_x == p.width - 1),
            ends_window.eq(ends_row & (in_y == p.height - 1)),
            self.o.valid.eq(self.i.valid & ends_window),
            self.i.ready.eq(~ends_window | self.o.ready),
            takes.eq(self.i.valid & self.i.ready),
        ]
        fires = self._fires()
        beside = Signal(len(fires), reset_less=True)  # what the row of the window has so far
        in_row, value = Signal(len(fires), name="in_row"), Signal(len(fires), name="value")
        ends_line = x == self.width - 1
        moves = takes & (ends_row | ends_line)
        above = self._above(m, platform, (takes & ends_row, at_x, value), (moves, Mux(ends_line, 0, at_x + 1)), columns)
        m.d.comb += [
            in_row.eq(fires | Mux(in_x == 0, 0, beside)),
            value.eq(in_row | Mux(in_y == 0, 0, above)),
            self.o.payload.eq(self._encoded(value, self._inverted())),
        ]
        with m.If(takes):
            m.d.sync += [beside.eq(in_row), x.eq(x + 1), in_x.eq(in_x + 1)]
            with m.If(in_x == p.width - 1):
                m.d.sync += [in_x.eq(0), at_x.eq(at_x + 1)]
            with m.If(ends_line):
                m.d.sync += [x.eq(0), in_x.eq(0), at_x.eq(0), y.eq(y + 1), in_y.eq(in_y + 1)]
                with m.If(in_y == p.height - 1):
                    m.d.sync += in_y.eq(0)
                with m.If(y == self.height - 1):
                    m.d.sync += [y.eq(0), in_y.eq(0)]

    def _sliding(self, m: Module, platform: object) -> None:
        """Windows at any distance, over any edge."""
        p = self.pool
        _, columns = p.over(self.height, self.width)
        below, right = p.beyond(self.height, self.width)
        height, width = self.height + below, self.width + right
        y, x = Signal(range(height), name="y"), Signal(range(width), name="x")
        at_x = Signal(range(columns + 1), name="at_x")
        # Pixels and rows to the next one that is the last of a window.
        first_x, first_y = p.width - 1 - p.left, p.height - 1 - p.top
        to_x = Signal(range(max(p.width, p.step_x)), name="to_x", init=first_x)
        to_y = Signal(range(max(p.height, p.step_y)), name="to_y", init=first_y)
        ends_row, ends_window, takes = (Signal(name=n) for n in ("ends_row", "ends_window", "takes"))
        m.d.comb += [ends_row.eq(to_x == 0), ends_window.eq(ends_row & (to_y == 0))]
        fires, inverted = self._fires(), self._inverted()
        if below or right:
            fires, inverted = self._over_edges(m, (y < self.height) & (x < self.width), ends_window, takes)
        else:
            m.d.comb += [
                self.o.valid.eq(self.i.valid & ends_window),
                self.i.ready.eq(~ends_window | self.o.ready),
                takes.eq(self.i.valid & self.i.ready),
            ]
        size = len(fires)
        beside = Signal((p.width - 1) * size, reset_less=not p.left)  # the pixels before
        in_row = Signal(size, name="in_row")
        m.d.comb += in_row.eq(_either(Cat(fires, beside), size))
        above: Value = C(0, 0)  # what each of the rows before has in the window
        ends_line = x == width - 1
        if p.height > 1:
            kept = Signal((p.height - 1) * size, name="kept")
            moves = takes & (ends_row | ends_line)
            read = moves, Mux(ends_line, 0, at_x + 1)
            above = self._above(m, platform, (takes & ends_row, at_x, kept), read, columns)
            above = Mux(y == 0, 0, above) if p.top else above
            m.d.comb += kept.eq(Cat(in_row, above))
        value = Signal(size, name="value")
        m.d.comb += [value.eq(_either(Cat(in_row, above), size)), self.o.payload.eq(self._encoded(value, inverted))]
        with m.If(takes):
            m.d.sync += [beside.eq(Cat(fires, beside)), x.eq(x + 1), to_x.eq(to_x - 1)]
            with m.If(ends_row):
                m.d.sync += [to_x.eq(p.step_x - 1), at_x.eq(at_x + 1)]
            with m.If(ends_line):
                m.d.sync += [x.eq(0), to_x.eq(first_x), at_x.eq(0), y.eq(y + 1), to_y.eq(to_y - 1)]
                if p.left:
                    m.d.sync += beside.eq(0)
                with m.If(to_y == 0):
                    m.d.sync += to_y.eq(p.step_y - 1)
                with m.If(y == height - 1):
                    m.d.sync += [y.eq(0), to_y.eq(first_y)]

    def _over_edges(self, m: Module, at_pixel: Value, ends_window: Signal, takes: Signal) -> tuple[Value, Value]:
        """Drive the handshakes where not every position has a pixel; return its bits, and which come inverted."""
        inside = Signal(name="inside")
        fires, inverted = Signal.like(self._fires(), name="fires"), Signal.like(self._inverted(), name="inverted")
        last = Signal.like(inverted, name="last", reset_less=True)  # as the pixel before the edge came
        passes = ~ends_window | self.o.ready
        m.d.comb += [
            inside.eq(at_pixel),
            self.o.valid.eq((self.i.valid | ~inside) & ends_window),
            self.i.ready.eq(inside & passes),
            takes.eq((self.i.valid | ~inside) & passes),
            fires.eq(Mux(inside, self._fires(), 0)),
            inverted.eq(Mux(inside, self._inverted(), last)),
        ]
        with m.If(takes):
            m.d.sync += last.eq(inverted)
        return fires, inverted

    def _above(
        self,
        m: Module,
        platform: object,
        write: tuple[Value, Value, Value],
        read: tuple[Value, Value],
        columns: int,
    ) -> Value:
        """Return what the rows above have in a window, of the memory that is written and, a window ahead, read."""
        enable, at, value = write
        if columns == 1:
            kept = Signal(len(value), reset_less=True)
            with m.If(enable):
                m.d.sync += kept.eq(value)
            return kept
        buffer = RowBuffer(columns, len(value))
        place(m, platform, "above", buffer)
        m.d.comb += [
            buffer.write.eq(enable),
            buffer.write_address.eq(at),
            buffer.data.eq(value),
            buffer.read.eq(read[0]),
            buffer.read_address.eq(read[1]),
        ]
        return buffer.q

    def _fires(self) -> Value:
        """Return the bits of the levels."""
        bits = self.levels + self.has_lowest
        return Cat(self.i.payload.word_select(c, bits)[: self.levels] for c in range(self.channels))

    def _inverted(self) -> Value:
        """Return the bits that say which channels come inverted."""
        bits = self.levels + 1
        return Cat(self.i.payload.word_select(c, bits)[-1] for c in range(self.channels if self.has_lowest else 0))

    def _encoded(self, value: Value, inverted: Value) -> Value:
        planes = []
        for c in range(self.channels):
            fires = value.word_select(c, self.levels)
            if self.has_lowest:
                fires = fires ^ inverted[c].replicate(self.levels)
            planes.append(encoded(fires))
        return Cat(planes)
