"""Dense layer: synapse array, neurons, and the register that collects their bits, where there must be one."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, connect, flipped

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.layer_kinds import LAYER_KINDS

from .arrays import ARRAYS
from .neuron import Neuron
from .options import NO_OPTIONS, OptionalPorts


class Dense(Unit):
    """Dense layer of either dataflow: one vector of bits in, one out.

    Latency from input transfer to output transfer is ``reads + sense_latency + 1`` cycles, the initiation interval is
    ``reads`` cycles. While an output waits (``o.valid`` and not ``o.ready``) the layer stands still and nothing is
    lost.

    With ``takes_groups`` a vector comes in as ``reads`` transfers, each read as it comes: from the last one the latency
    is less by ``reads``. With ``gives_groups`` there is no output register: neurons are handed over in the cycle of
    their last partial count, in ``passes`` transfers, and the latency is less by 1.

    Parameters
    ----------
    config : LayerConfig
    index : int
        Number of the layer, for the names of its modules and memory images.
    options : OptionalPorts
        Ports of what the engine has beside its inference.
    takes_groups, gives_groups : bool
        As in :class:`oxnor.hw.params.engine.EngineConfig`.

    Members
    -------
    i : ``In(stream.Signature(n_in))``
        Input vectors; with ``takes_groups`` V bits of them, the lowest first.
    o : ``Out(stream.Signature(n_out))``
        Bit n is the output of neuron n; with ``gives_groups`` the neurons of a pass.
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
        options: OptionalPorts = NO_OPTIONS,
        takes_groups: bool = False,
        gives_groups: bool = False,
    ):
        self.config = config
        self.index = index
        self.coefficient_width = LAYER_KINDS[config.kind].coefficient_width(config)
        self.options = options
        self.takes_groups = takes_groups
        self.gives_groups = gives_groups
        widths = (config.groups if takes_groups else config.n_in, config.neurons if gives_groups else config.n_out)
        streams = {"i": In(stream.Signature(widths[0])), "o": Out(stream.Signature(widths[1]))}
        super().__init__(streams | options.members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_engine_layer{self.index}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        array = ARRAYS[c.dataflow](c, self.index, self.coefficient_width, self.options, self.takes_groups)
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
            neuron = Neuron(c.n_in, c.slices)
            place(m, platform, f"neuron{v}", neuron)
            m.d.comb += [
                neuron.en.eq(en),
                neuron.first.eq(array.first_slice),
                neuron.partial.eq(array.partials[v]),
                neuron.threshold.eq(array.coefficients.word_select(v, array.coefficient_width)),
            ]
            fires.append(neuron.fire)
        if self.gives_groups:
            m.d.comb += [self.o.valid.eq(array.valid & array.last_slice), self.o.payload.eq(Cat(*fires))]
            return m
        # The bits of a pass are shifted in from the top: after the last pass neuron n is bit n.
        bits = Signal(c.passes * c.groups, reset_less=True)
        with m.If(en):
            m.d.sync += self.o.valid.eq(array.valid & array.last_slice & array.last_pass)
            with m.If(array.valid & array.last_slice):
                m.d.sync += bits.eq(Cat(bits[c.groups :], *fires))
        m.d.comb += self.o.payload.eq(bits)
        return m
