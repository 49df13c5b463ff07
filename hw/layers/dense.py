"""Dense layer: synapse array, neurons, and the register that collects their bits, where there must be one."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, connect, flipped

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.neurons.binarized import Neuron, SummingNeuron
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.layer_kinds import LAYER_KINDS
from oxnor.hw.params.streams import VectorStream

from .arrays import ARRAYS
from .options import NO_OPTIONS, OptionalPorts
from .pool import encoded

#: Bits of a block of outputs that is clocked at once, where clocks are gated.
BLOCK_BITS = 8


class Dense(Unit):
    """Dense layer of either dataflow: one vector of bits in, one out.

    Latency from input transfer to output transfer is ``read_cycles + count_latency + 1`` cycles, the initiation
    interval is ``read_cycles`` cycles. While an output waits (``o.valid`` and not ``o.ready``) the layer stands still
    and nothing is lost.

    Where vectors go into no register, each of the ``reads`` transfers of a vector is read as it comes: from the last
    one the latency is ``sense_latency + count_latency``. Where they come from no register, neurons are handed over in
    the cycle of their last partial count, in ``passes`` transfers, and the latency is less by 1.

    Parameters
    ----------
    config : LayerConfig
    index : int
        Number of the layer, for the names of its modules and memory images.
    streams : (VectorStream, VectorStream)
        What it takes, and what it gives.
    options : OptionalPorts
        Ports of what the engine has beside its inference.

    Members
    -------
    i : ``In(stream.Signature(bits))``
        Input vectors.
    o : ``Out(stream.Signature(bits))``
        Bit n is the output of neuron n, or of neuron n of a pass.
    errors, program
        See :class:`oxnor.hw.layers.options.OptionalPorts`.

    See Also
    --------
    oxnor.models.networks.layers.dense.DenseLayer : bit-true model.
    """

    def __init__(
        self,
        config: LayerConfig,
        index: int,
        streams: tuple[VectorStream, VectorStream],
        options: OptionalPorts = NO_OPTIONS,
    ):
        self.config = config
        self.index = index
        self.coefficient_width = LAYER_KINDS[config.kind].coefficient_width(config)
        self.options = options
        self.stream_in, self.stream_out = streams
        ports = {"i": In(stream.Signature(streams[0].bits)), "o": Out(stream.Signature(streams[1].bits))}
        super().__init__(ports | options.members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_engine_layer{self.index}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        array = ARRAYS[c.dataflow](c, self.index, self.coefficient_width, self.stream_in, self.options)
        place(m, platform, "array", array)
        connect(m, flipped(self.i), array.i)
        self.options.pass_on(m, self, array)
        en = Signal()
        m.d.comb += [
            en.eq(~self.o.valid | self.o.ready),
            array.en.eq(en),
        ]
        fires = []
        for v in range(c.neurons):
            if c.presentations:
                neuron = SummingNeuron(c.full, c.slices, c.presentations, c.levels)
            else:
                neuron = Neuron(c.full, c.slices, c.planes, c.levels, c.has_zeros, c.shortcut)
            place(m, platform, f"neuron{v}", neuron)
            own = array.coefficients.word_select(v, array.coefficient_width)
            m.d.comb += [
                # Reads of several cycles give counts in one of them.
                neuron.en.eq(en & array.valid if c.has_long_reads else en),
                neuron.first.eq(array.first_slice),
                neuron.partial.eq(array.partials[v]),
                neuron.threshold.eq(own[: len(neuron.threshold)]),
            ]
            if c.has_zeros:
                m.d.comb += neuron.zeros.eq(array.zeros)
            if c.shortcut:
                m.d.comb += neuron.own.eq(array.own[v])
            if c.doubles:
                m.d.comb += neuron.double.eq(array.double)
            fires.append(self._output(neuron.fire, own[-1]))
        if not self.stream_out.from_register:
            m.d.comb += [self.o.valid.eq(array.valid & array.last_slice), self.o.payload.eq(Cat(*fires))]
            return m
        collected = self._blocks()
        with m.If(en):
            m.d.sync += self.o.valid.eq(array.valid & array.last_slice & array.last_pass)
            with m.If(array.valid & array.last_slice):
                self._collect(m, collected, array.first_pass, fires)
        m.d.comb += self.o.payload.eq(Cat(*collected) if len(collected) > 1 else collected[0])
        return m

    def _blocks(self) -> list[Signal]:
        """Return the registers that collect the bits of all passes: one, or with gated clocks one for some passes."""
        c = self.config
        width = c.groups * c.neuron_bits
        block = 1 << max(0, (BLOCK_BITS // width).bit_length() - 1) if c.gates_clocks else c.passes
        sizes = [min(block, c.passes - k) * width for k in range(0, c.passes, block)]
        if len(sizes) == 1:
            return [Signal(sizes[0], name="bits", reset_less=True)]
        return [Signal(size, name=f"bits{k}", reset_less=True) for k, size in enumerate(sizes)]

    def _collect(self, m: Module, blocks: list[Signal], is_first: Value, fires: list[Value]) -> None:
        """Shift the bits of a pass in from the top, where they belong: after the last pass neuron n is bit n."""
        c = self.config
        width = c.groups * c.neuron_bits
        if len(blocks) == 1:
            m.d.sync += blocks[0].eq(Cat(blocks[0][width:], *fires))
            return
        low = (len(blocks[0]) // width).bit_length() - 1  # a block has a power of two of passes
        pass_, next_pass = Signal(range(c.passes), name="pass_"), Signal(range(c.passes), name="next_pass")
        m.d.comb += pass_.eq(Mux(is_first, 0, next_pass))
        m.d.sync += next_pass.eq(pass_ + 1)
        for k, block in enumerate(blocks):
            with m.If(pass_[low:] == k):
                m.d.sync += block.eq(Cat(block[width:], *fires))

    def _output(self, fire: Value, lowest: Value) -> Value:
        """Return what leaves the layer of a neuron: its bit planes, or what the pooling needs of it."""
        if self.config.pool is None:
            return encoded(fire)
        # The smallest of some values is not the largest of the inverted ones.
        return Cat(fire ^ lowest.replicate(len(fire)), lowest) if self.config.has_lowest else fire
