"""Output layer: synapse array, scores, and the class."""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import Cat, Module, Mux, ShapeLike, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from oxnor.hw.blocks.argmax import Argmax
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.neurons.binarized import Neuron
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.layer_kinds import LAYER_KINDS
from oxnor.hw.params.streams import VectorStream
from oxnor.hw.params.widths import bits_for

from .arrays import ARRAYS
from .options import NO_OPTIONS, OptionalPorts
from .parallel_array import SynapseArray


class _Windows(NamedTuple):
    """Whether a window is the first, the last of its image, and whether a pass over it has been counted."""

    first: Signal
    last: Value
    counted: Value


class Scores(Unit):
    """Output layer of either dataflow: score = scale * popcount + offset, class = argmax.

    Where the layer is a convolution, a popcount is the sum of those of all windows of an image: each lane keeps a word
    for each pass, and the class comes with the last window.

    Latency from input transfer to output transfer is ``read_cycles + count_latency + 2`` cycles, the initiation
    interval is ``read_cycles`` cycles. While an output waits the layer stands still and nothing is lost. Inputs are
    taken as :class:`oxnor.hw.layers.dense.Dense` takes them.

    Parameters
    ----------
    config : LayerConfig
    index : int
        Number of the layer, for the names of its modules and memory images.
    stream_in : VectorStream
        What it takes.
    with_scores, with_margin : bool
        Whether ``o.payload.scores`` and ``o.payload.margin`` are there.
    options : OptionalPorts
        Ports of what the engine has beside its inference.

    Members
    -------
    i : ``In(stream.Signature(stream_in.bits))``
        Input vectors.
    o : ``Out(stream.Signature(StructLayout({"index": ..., "scores": ...})))``
        The class; if they are wanted, how far its score leads the second best, ``unsigned(score_width)``, and the
        scores, ``ArrayLayout(signed(score_width), n_out)``.
    errors, program
        See :class:`oxnor.hw.layers.options.OptionalPorts`.

    See Also
    --------
    oxnor.models.networks.layers.scores.ScoreLayer : bit-true model.
    """

    def __init__(
        self,
        config: LayerConfig,
        index: int,
        stream_in: VectorStream,
        with_scores: bool,
        options: OptionalPorts = NO_OPTIONS,
        *,
        with_margin: bool = False,
    ):
        self.config = config
        self.index = index
        self.with_scores = with_scores
        self.with_margin = with_margin
        self.coefficient_width = LAYER_KINDS[config.kind].coefficient_width(config)
        self.options = options
        self.stream_in = stream_in
        payload: dict[str, ShapeLike] = {"index": bits_for(config.n_out - 1)}
        if with_margin:
            payload["margin"] = config.score_width
        if with_scores:
            payload["scores"] = data.ArrayLayout(signed(config.score_width), config.n_out)
        streams = {"i": In(stream.Signature(stream_in.bits)), "o": Out(stream.Signature(data.StructLayout(payload)))}
        super().__init__(streams | options.members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_engine_layer{self.index}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        array = ARRAYS[c.dataflow](c, self.index, self.coefficient_width, self.stream_in, self.options)
        argmax = Argmax(c.n_out, c.neurons, c.score_width, with_margin=self.with_margin)
        place(m, platform, "array", array)
        place(m, platform, "argmax", argmax)
        connect(m, flipped(self.i), array.i)
        self.options.pass_on(m, self, array)
        en = Signal()
        valid = Signal()
        m.d.comb += [
            en.eq(~self.o.valid | self.o.ready),
            array.en.eq(en),
            argmax.en.eq(en & valid),
            self.o.payload.index.eq(argmax.index),
        ]
        if self.with_margin:
            m.d.comb += self.o.payload.margin.eq(argmax.margin)
        windows = self._windows(m, array, en) if c.windows_summed > 1 else None
        scores = [self._score(m, platform, array, en, v, windows) for v in range(c.neurons)]
        m.d.comb += [argmax.scores[v].eq(score) for v, score in enumerate(scores)]
        counted = array.valid & array.last_slice
        with m.If(en):
            m.d.sync += [
                valid.eq(counted if windows is None else counted & windows.last),
                argmax.first.eq(array.first_pass),
                argmax.last.eq(array.last_pass),
                self.o.valid.eq(valid & argmax.last),
            ]
        if self.with_scores:
            # Shifted in from the top: after the last pass the score of neuron n is word n.
            kept = Signal(c.passes * c.neurons * c.score_width, reset_less=True)
            with m.If(en & valid):
                m.d.sync += kept.eq(Cat(kept[c.neurons * c.score_width :], *scores))
            m.d.comb += self.o.payload.scores.eq(kept)
        return m

    def _windows(self, m: Module, array: SynapseArray, en: Signal) -> _Windows:
        """Return where a window lies among those of its image."""
        left = Signal(range(self.config.windows_summed), init=self.config.windows_summed - 1, name="windows_left")
        windows = _Windows(Signal(init=1, name="first_window"), left == 0, array.valid & array.last_slice)
        with m.If(en & windows.counted & array.last_pass):
            m.d.sync += [
                windows.first.eq(windows.last),
                left.eq(Mux(windows.last, self.config.windows_summed - 1, left - 1)),
            ]
        return windows

    def _score(
        self, m: Module, platform: object, array: SynapseArray, en: Signal, v: int, windows: _Windows | None
    ) -> Signal:
        """Return the registered score of lane `v`."""
        c = self.config
        neuron = Neuron(c.full, c.slices, c.planes)
        place(m, platform, f"neuron{v}", neuron)
        counted = en & array.valid if c.has_long_reads else en
        m.d.comb += [neuron.en.eq(counted), neuron.first.eq(array.first_slice), neuron.partial.eq(array.partials[v])]
        if c.planes > 1:
            m.d.comb += neuron.double.eq(array.double)
        total: Value = neuron.total
        if windows is not None:
            # A word for each pass, the one that comes next in the low bits.
            width = bits_for(c.most)
            sums = Signal(c.passes * width, name=f"sums{v}", reset_less=True)
            summed = Signal(width, name=f"summed{v}")
            m.d.comb += summed.eq(neuron.total + Mux(windows.first, 0, sums[:width]))
            with m.If(en & windows.counted):
                m.d.sync += sums.eq(Cat(sums[width:], summed))
            total = summed
        if c.is_affine:
            word = array.coefficients.word_select(v, c.scale_width + c.offset_width)
            total = word[: c.scale_width].as_signed() * total + word[c.scale_width :].as_signed()
        score = Signal(signed(c.score_width), name=f"score{v}", reset_less=True)
        with m.If(en):
            m.d.sync += score.eq(total)
        return score
