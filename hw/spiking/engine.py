"""The spiking engine: images or address events in, decided images and output spikes out, and the registers."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, ValueLike
from amaranth.lib import stream
from amaranth.lib.wiring import connect

from oxnor.hw.blocks.axi_lite import AxiLite, axi_lite_ports, connect_axi_lite
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.engine.event_counters import Events, count_events, identity_values
from oxnor.hw.interface.registers import INTERFACE_VERSION, SPIKING_BIT, SPIKING_INDEX, SPIKING_REGISTERS
from oxnor.hw.macros.coefficients import CoefficientRom
from oxnor.hw.params.spiking import FLAG_BITS, NUMBER_BITS, WINNER_BITS, SpikingConfig
from oxnor.hw.streams.axi_stream import axi_stream_in, axi_stream_out, connect_axi_stream, send_beats
from oxnor.hw.streams.frame_assembler import FrameAssembler
from oxnor.hw.streams.register_slice import RegisterSlice

from .aer_input import EventInput
from .aer_output import SpikeSerializer
from .layer import SpikingLayer
from .rate_encoder import RateEncoder
from .readout import REASON_WINDOW, Readout


class SpikingEngine(Unit):
    """A whole spiking network; one image after the other.

    Parameters
    ----------
    config : SpikingConfig

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast
        Grey images, 8 bits a pixel, pixel 0 in the low bits of the first beat; or address-event words (see
        :class:`oxnor.hw.spiking.aer_input.EventInput`), a frame an image.
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast
        Results, one beat each: winner (16 bits); flags (16: reason in bits 0 and 1, undecided in bit 2); tick (32); the
        events that each layer took (32 each); the counts, ``config.count_width`` bits each, two's complement.
    m_spike_tdata, m_spike_tvalid, m_spike_tready, m_spike_tlast
        Output spikes, a beat for each event at which an output fired: tick (32), number of the event of the last layer
        (32), then a bit for each output that fired and a bit for each of those whose spike is negative. A consumer that
        does not want them ties ready to 1.
    s_axil_*
        AXI4-Lite, 32 bits wide; the map is :data:`oxnor.hw.interface.registers.SPIKING_REGISTERS`.

    See Also
    --------
    oxnor.models.golden.spiking.run : bit-true model.
    """

    def __init__(self, config: SpikingConfig):
        self.config = config
        super().__init__(
            axi_stream_in(config.stream_width, "s_axis_")
            | axi_stream_out(config.result_width, "m_axis_")
            | axi_stream_out(config.spike_width, "m_spike_")
            | axi_lite_ports("s_axil_")
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return self.config.top

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        config = self.config
        clear = Signal()
        source, accepted, dropped = self._events(m, platform, clear) if config.external else self._images(
            m, platform, clear
        )
        readout = Readout(config.n_out, len(config.layers), config.decision)
        for k, layer in enumerate(config.layers):
            relay = config.clock and k + 1 < len(config.layers)
            unit = SpikingLayer(layer, k, relay=relay)
            place(m, platform, f"layer{k}", unit)
            connect(m, source, unit.i)
            m.d.comb += unit.clear.eq(clear)
            source = unit.o
            if k + 1 < len(config.layers):
                serializer = SpikeSerializer(layer.n_out + relay, k)
                place(m, platform, f"serializer{k}", serializer)
                connect(m, source, serializer.i)
                m.d.comb += serializer.clear.eq(clear)
                source = serializer.o
        place(m, platform, "readout", readout)
        connect(m, source, readout.i)
        m.d.comb += clear.eq(readout.clear)
        self._spikes_out(m, platform, readout)
        self._results_out(m, platform, readout)
        self._registers(m, platform, readout, accepted, dropped)
        return m

    def _images(self, m: Module, platform: object, clear: Signal) -> tuple[stream.Interface, Value, Value]:
        """Return the stream of events made from images, and when one is taken or dropped."""
        config = self.config
        assembler = FrameAssembler(8 * config.n_in, config.stream_width)
        encoder = RateEncoder(config)
        seeds = CoefficientRom(1, 32 * config.encoder.lanes, "mem/encoder_seeds.mem")
        place(m, platform, "assembler", assembler)
        place(m, platform, "encoder", encoder)
        place(m, platform, "seeds", seeds)
        connect(m, assembler.o, encoder.i)
        connect_axi_stream(m, self, "s_axis_", assembler)
        m.d.comb += [
            seeds.en.eq(1),
            encoder.seeds.eq(seeds.q),
            encoder.clear.eq(clear),
        ]
        return encoder.o, assembler.o.valid & assembler.o.ready, assembler.dropped

    def _events(self, m: Module, platform: object, clear: Signal) -> tuple[stream.Interface, Value, Value]:
        """Return the stream of events from outside, and when an image begins or a word is dropped."""
        events = EventInput(self.config)
        place(m, platform, "events", events)
        connect_axi_stream(m, self, "s_axis_", events)
        m.d.comb += events.clear.eq(clear)
        return events.o, events.begun, events.dropped

    def _spikes_out(self, m: Module, platform: object, readout: Readout) -> None:
        config = self.config
        slice_ = RegisterSlice(config.spike_width)
        place(m, platform, "spike_slice", slice_)
        spikes = readout.spikes
        word = slice_.i.payload[2 * NUMBER_BITS :]
        m.d.comb += [
            slice_.i.valid.eq(spikes.valid),
            spikes.ready.eq(slice_.i.ready),
            slice_.i.payload[:NUMBER_BITS].eq(spikes.payload.tick),
            slice_.i.payload[NUMBER_BITS : 2 * NUMBER_BITS].eq(spikes.payload.numbers[len(config.layers) - 1]),
            word[: config.n_out].eq(spikes.payload.fired),
            word[config.n_out : 2 * config.n_out].eq(spikes.payload.negative),
        ]
        send_beats(m, slice_.o, self, "m_spike_")

    def _results_out(self, m: Module, platform: object, readout: Readout) -> None:
        config, decided = self.config, readout.o.payload
        slice_ = RegisterSlice(config.result_width)
        place(m, platform, "register_slice", slice_)
        head = WINNER_BITS + FLAG_BITS
        undecided = decided.reason == REASON_WINDOW
        fields = [(0, decided.winner), (WINNER_BITS, decided.reason), (WINNER_BITS + 2, undecided)]
        m.d.comb += [
            slice_.i.valid.eq(readout.o.valid),
            readout.o.ready.eq(slice_.i.ready),
        ]
        send_beats(m, slice_.o, self, "m_axis_")
        fields += [(head, decided.tick)]
        fields += [(head + NUMBER_BITS * (1 + k), decided.numbers[k]) for k in range(len(config.layers))]
        m.d.comb += [slice_.i.payload[at : at + len(value)].eq(value) for at, value in fields]
        at = head + NUMBER_BITS * (1 + len(config.layers))
        for k in range(config.n_out):
            # Assigned to the whole word, so that the sign is extended.
            m.d.comb += slice_.i.payload[at + k * config.count_width :][: config.count_width].eq(decided.counts[k])

    def _registers(self, m: Module, platform: object, readout: Readout, accepted: Value, dropped: Value) -> None:
        lite = AxiLite(SPIKING_REGISTERS)
        identity = CoefficientRom(1, 32, "mem/network.mem")
        place(m, platform, "axi_lite", lite)
        place(m, platform, "identity", identity)
        connect_axi_lite(m, self, "s_axil_", lite)
        d = self.config.decision
        settings = {"DELTA_S": d.delta_s, "TERMINATE_MAX": d.terminate_max}
        values: dict[str, ValueLike] = {}
        for name, reset in settings.items():
            held = Signal(d.count_bits, init=reset, name=name.lower())
            with m.If(lite.written[SPIKING_INDEX[name]]):
                m.d.sync += held.eq(lite.value_written)
            m.d.comb += getattr(readout, name.lower()).eq(held)
            values[name] = held
        delivered = self.m_axis_tvalid & self.m_axis_tready
        waits = self.m_axis_tvalid & ~self.m_axis_tready | self.m_spike_tvalid & ~self.m_spike_tready
        inside = Signal(16)
        m.d.comb += identity.en.eq(1)
        m.d.sync += inside.eq(inside + accepted - delivered)
        values |= identity_values(self.config, INTERFACE_VERSION | SPIKING_BIT, identity.q)
        values["STATUS"] = inside != 0
        values |= count_events(m, lite, SPIKING_INDEX, Events(accepted, dropped, delivered, waits))
        m.d.comb += [lite.values[SPIKING_INDEX[name]].eq(value) for name, value in values.items()]
