"""Window: a stream of pixels becomes a stream of windows, through a memory of a few rows."""

from __future__ import annotations

from dataclasses import astuple

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.row_buffer import RowBuffer
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.pixels import new_columns, rows_kept
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.layers.window import Window


class WindowMaker(Unit):
    """Keeps the rows of a feature map that windows still need, and gives the windows one after the other.

    Pixels come in raster order, image after image. They are written into a ring of
    :func:`oxnor.hw.params.pixels.rows_kept` rows as long as there is a place. A window is gathered pixel by pixel, one
    a cycle, into a register that keeps what the next window shares with it: ``kernel_y * step_x`` pixels to a window,
    all of them at the start of a row or where windows share no column. The next window is gathered from the transfer
    of the one before: while the synapses are read.

    Parameters
    ----------
    window : Window
        Where the windows lie.
    planes : int
        Bits of an element.

    Members
    -------
    i : ``In(stream.Signature(channels * planes))``
        Pixels: bit ``channel * planes + plane``.
    o : ``Out(stream.Signature(kernel_y * kernel_x * channels * planes))``
        Windows, in the order (group of channels, y, x, channel, plane). Where zeros are padded there is a bit above
        them for each pixel, in the order (y, x): whether it is there.

    See Also
    --------
    oxnor.models.networks.layers.window.Window.sources : which pixel lies where.
    """

    def __init__(self, window: Window, planes: int):
        self.window = window
        self.planes = planes
        self.width = window.channels * planes
        positions = window.kernel_y * window.kernel_x
        self.has_zeros = window.pad == 0
        bits = positions * (self.width + self.has_zeros)
        super().__init__({"i": In(stream.Signature(self.width)), "o": Out(stream.Signature(bits))})

    @property
    def module_name(self) -> str:  # noqa: D102
        fields = "_".join(str(v).replace("-", "m") for v in astuple(self.window))
        return f"oxnor_window_{fields}_{self.planes}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        w = self.window
        rows = rows_kept(w)
        self.buffer = RowBuffer(rows * w.width, self.width)
        place(m, platform, "rows", self.buffer)
        # Whole rows that have come from the first one needed, the ring's row that it is, and pixels of the coming row.
        self.ahead = Signal(range(rows + 1), name="ahead")
        self.first = Signal(range(rows), name="first")
        self.come = Signal(range(w.width), name="come")
        freed = Signal(range(rows + 1))
        self._write(m, freed)
        self._read(m, rows, freed)
        return m

    def _write(self, m: Module, freed: Value) -> None:
        """Write pixels while there is a place; count rows as they are whole, and as they are freed."""
        w, words = self.window, rows_kept(self.window) * self.window.width
        address = Signal(range(words))
        whole = Signal()
        takes = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(self.ahead != rows_kept(w)),
            self.buffer.write.eq(takes),
            self.buffer.write_address.eq(address),
            self.buffer.data.eq(self.i.payload),
            whole.eq(takes & (self.come == w.width - 1)),
        ]
        with m.If(takes):
            m.d.sync += [
                address.eq(Mux(address == words - 1, 0, address + 1)),
                self.come.eq(Mux(whole, 0, self.come + 1)),
            ]
        m.d.sync += self.ahead.eq(self.ahead + whole - freed)

    def _read(self, m: Module, rows: int, freed: Signal) -> None:
        w = self.window
        y = Signal(range(w.height + w.top + w.bottom), name="y")
        x = Signal(range(w.width + w.left + w.right), name="x")
        i, j = Signal(range(w.kernel_y), name="i"), Signal(range(w.kernel_x), name="j")
        pads, goes, turns = (Signal(name=n) for n in ("pads", "goes", "turns"))
        lands, lands_last = Signal(name="lands"), Signal(name="lands_last")
        # The first row that this row of windows needs and the pixel that is next, counted from the padding's first.
        needed = Signal(range(w.top + w.height + 1), name="needed")
        at_y, at_x = Signal(range(w.height + w.top + w.bottom), name="at_y"), Signal.like(x, name="at_x")
        row, column = Signal(range(rows + 1), name="row"), Signal(range(w.width), name="column")
        m.d.comb += [
            needed.eq(Mux(y > w.top, y, w.top)),
            at_y.eq(y + i * w.spread_y),
            at_x.eq(x + j * w.spread_x),
            pads.eq((at_y < w.top) | (at_y >= w.top + w.height) | (at_x < w.left) | (at_x >= w.left + w.width)),
            row.eq(at_y - needed),
            column.eq(at_x - w.left),
        ]
        has_come = (row < self.ahead) | ((row == self.ahead) & (column < self.come))
        starts = Array(C(k * w.width, bits_for(rows * w.width)) for k in range(rows))
        m.d.comb += [
            goes.eq(~turns & ~lands_last & (~self.o.valid | self.o.ready) & (pads | has_come)),
            self.buffer.read.eq(goes & ~pads),
            self.buffer.read_address.eq(starts[self._wrapped(m, "ring_row", self.first + row, rows)] + column),
        ]
        ends_column = i == w.kernel_y - 1
        ends_window = ends_column & (j == w.kernel_x - 1)
        ends_row = x == (w.out_width - 1) * w.step_x
        with m.If(goes):
            m.d.sync += i.eq(Mux(ends_column, 0, i + 1))
            with m.If(ends_window):
                m.d.sync += [
                    j.eq(Mux(ends_row, 0, w.kernel_x - new_columns(w))),
                    x.eq(Mux(ends_row, 0, x + w.step_x)),
                    turns.eq(ends_row),
                ]
            with m.Elif(ends_column):
                m.d.sync += j.eq(j + 1)
        self._turn(m, rows, turns, y, needed, freed)
        m.d.sync += [lands.eq(goes), lands_last.eq(goes & ends_window)]
        with m.If(lands_last):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        self._land(m, lands, pads, i)

    def _land(self, m: Module, lands: Signal, pads: Signal, i: Signal) -> None:
        """Shift the pixel that was read, or padding, into its row of the window."""
        w = self.window
        landing_row, landing_pad = Signal.like(i, name="landing_row"), Signal(name="landing_pad")
        m.d.sync += [landing_row.eq(i), landing_pad.eq(pads)]
        pixel = Signal(self.width, name="pixel")
        m.d.comb += pixel.eq(Mux(landing_pad, C(1 if w.pad > 0 else 0).replicate(self.width), self.buffer.q))
        landing = Cat(pixel, ~landing_pad) if self.has_zeros else pixel
        size = self.width + self.has_zeros
        kept = [Signal(w.kernel_x * size, name=f"row{k}", reset_less=True) for k in range(w.kernel_y)]
        for k, register in enumerate(kept):
            with m.If(lands & (landing_row == k)):
                m.d.sync += register.eq(Cat(register[size:], landing))
        if not self.has_zeros and w.groups == 1:
            m.d.comb += self.o.payload.eq(Cat(*kept))
            return
        pixels = [row.word_select(k, size) for row in kept for k in range(w.kernel_x)]
        there = [p[-1] for p in pixels] if self.has_zeros else []
        part = self.width // w.groups
        parts = [p.word_select(g, part) for g in range(w.groups) for p in pixels]
        m.d.comb += self.o.payload.eq(Cat(*parts, *there))

    def _turn(self, m: Module, rows: int, turns: Signal, y: Signal, needed: Signal, freed: Signal) -> None:
        """Go on to the next row of windows once the rows that it does not need have come; free them."""
        w = self.window
        next_y = y + w.step_y
        is_last = y == (w.out_height - 1) * w.step_y
        past = Signal(range(w.height + 1), name="past")
        m.d.comb += past.eq(Mux(is_last, w.top + w.height, Mux(next_y > w.top, next_y, w.top)) - needed)
        next_first = self._wrapped(m, "next_first", self.first + past, rows)
        with m.If(turns & (past <= self.ahead)):
            m.d.comb += freed.eq(past)
            m.d.sync += [
                turns.eq(0),
                y.eq(Mux(is_last, 0, next_y)),
                self.first.eq(next_first),
            ]

    @staticmethod
    def _wrapped(m: Module, name: str, row: Value, rows: int) -> Signal:
        """Return a row, less than twice those of the ring, within it."""
        counted, wrapped = Signal(range(2 * rows), name=f"{name}_counted"), Signal(range(rows), name=name)
        m.d.comb += [counted.eq(row), wrapped.eq(Mux(counted >= rows, counted - rows, counted))]
        return wrapped
