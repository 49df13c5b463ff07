"""The engine: streams in and out, the layers in a pipeline, and the registers."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Signal, Value, ValueLike
from amaranth.lib import stream
from amaranth.lib.wiring import connect

from oxnor.hw.blocks.axi_lite import AxiLite, axi_lite_ports, connect_axi_lite
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.interface.registers import INDEX, INTERFACE_VERSION, register_map
from oxnor.hw.layers.gather import Gather
from oxnor.hw.layers.pool import PoolMaker
from oxnor.hw.layers.table import UNITS
from oxnor.hw.layers.window import WindowMaker
from oxnor.hw.macros.coefficients import CoefficientRam, CoefficientRom
from oxnor.hw.macros.program_bus import fan_out
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.streams.admission import Admission
from oxnor.hw.streams.axi_stream import axi_stream_in, axi_stream_out, connect_axi_stream, send_beats
from oxnor.hw.streams.fifo import Fifo
from oxnor.hw.streams.frame_assembler import FrameAssembler
from oxnor.hw.streams.image_buffer import ImageBuffer
from oxnor.hw.streams.register_slice import RegisterSlice

from .controller import NAMES, Memories, Programming
from .event_counters import Events, count_events, identity_values


class Engine(Unit):
    """A whole network: images in over AXI4-Stream, classes out over AXI4-Stream, identity and counters over AXI4-Lite.

    A frame of the wrong length is counted and dropped. While a result waits, at most one image a layer and one in the
    assembler are held; then ``s_axis_tready`` falls. Where images are admitted at intervals, as many are held as there
    are places for results, and one in the assembler.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast
        Images, ``config.stream_width`` bits a beat; bit i of an image is bit i % width of beat i // width, the last
        beat is padded with anything.
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast
        Results, one beat each: the class in the low ``config.class_width`` bits; above it, if ``config.margin``, how
        far its score leads the second best in ``config.margin_bits`` bits, and a bit that is 1 if this is less than
        the register MIN_MARGIN; above them, if ``config.with_scores``, score k in ``config.score_width`` bits, two's
        complement.
    s_axil_*
        AXI4-Lite, 32 bits wide; the map is ``oxnor.hw.interface.registers.REGISTERS``.

    See Also
    --------
    oxnor.models.golden.binarized.scores : bit-true model.
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            axi_stream_in(config.stream_width, "s_axis_")
            | axi_stream_out(config.result_width, "m_axis_")
            | axi_lite_ports("s_axil_")
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return self.config.top

    @property
    def timing(self) -> str:  # noqa: D102
        s = schedule(self.config)
        return f"latency {s.latency} cycles, one image every {s.initiation_interval} cycles"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        config = self.config
        first = config.layers[0]
        assembler: FrameAssembler | ImageBuffer = FrameAssembler(
            config.n_in, config.stream_width, config.gates_clocks
        )
        if first.window:
            assembler = ImageBuffer(first.pixels_in, first.pixel_bits, config.stream_width)
        place(m, platform, "assembler", assembler)
        connect_axi_stream(m, self, "s_axis_", assembler)
        timing = schedule(config)
        admission = Admission(timing.initiation_interval, timing.places) if config.admits_at_intervals else None
        source = assembler.o
        layers: list[Unit] = []
        for k in range(len(config.layers)):
            for name, unit in self._parts(k):
                place(m, platform, name, unit)
                self._join(m, source, unit, self._gate(assembler, admission, k == 0 and source is assembler.o))
                source = unit.o
                if name == f"layer{k}":
                    layers.append(unit)
        out = RegisterSlice(config.result_width) if admission is None else Fifo(config.result_width, admission.places)
        place(m, platform, "register_slice" if admission is None else "fifo", out)
        m.d.comb += [
            out.i.valid.eq(source.valid),
            source.ready.eq(out.i.ready if admission is None else 1),
            out.i.payload[: config.class_width].eq(source.payload.index),
        ]
        send_beats(m, out.o, self, "m_axis_")
        if config.with_scores:
            scores = source.payload.scores.as_value()
            m.d.comb += out.i.payload[config.result_width - len(scores) :].eq(scores)
        min_margin = None
        if config.margin:
            min_margin = Signal(32, name="min_margin")
            self._margin(m, source.payload.margin, min_margin, out.i.payload)
        self._registers(m, platform, assembler, layers, admission, min_margin)
        return m

    def _parts(self, k: int) -> list[tuple[str, Unit]]:
        """Return the units of layer `k` by their names, in the order in which an image passes them."""
        config, layer = self.config, self.config.layers[k]
        parts: list[tuple[str, Unit]] = [(f"layer{k}", UNITS[layer.kind](config, k))]
        if layer.window:
            parts.insert(0, (f"window{k}", WindowMaker(layer.window, layer.planes)))
        elif (pixels := config.gathers(k)) and not layer.in_memory:
            parts.insert(0, (f"gather{k}", Gather(pixels, config.stream_into(k).bits // pixels)))
        if layer.window and layer.pool:
            size = layer.window.out_size
            parts.append((f"pool{k}", PoolMaker(*size, layer.n_out, layer.levels, layer.pool, layer.has_lowest)))
        return parts

    def _gate(
        self, assembler: FrameAssembler | ImageBuffer, admission: Admission | None, is_entry: bool
    ) -> Value | None:
        """Return what lets a stream pass, None if nothing but its receiver holds it."""
        if admission is None or (self.config.has_windows and not is_entry):
            return None
        if not is_entry:
            return C(1)
        return admission.go | ~assembler.first if isinstance(assembler, ImageBuffer) else admission.go

    def _join(self, m: Module, source: stream.Interface, unit: Unit, go: Value | None) -> None:
        """Connect a stream of which so much passes as `go` lets."""
        if go is None:
            connect(m, source, unit.i)
            return
        m.d.comb += [
            unit.i.valid.eq(source.valid & go),
            unit.i.payload.eq(source.payload),
            # A layer without windows is ready when anything comes.
            source.ready.eq(go & unit.i.ready if self.config.has_windows else go),
        ]

    def _margin(self, m: Module, margin: Value, min_margin: Signal, payload: Value) -> None:
        """Put the margin of a class into its result, and whether it is less than the least."""
        config = self.config
        kept = Signal(config.margin_bits, name="margin")
        m.d.comb += kept.eq(margin)
        if config.score_width > config.margin_bits:
            with m.If(margin > config.margin_max):
                m.d.comb += kept.eq(config.margin_max)
        field = payload[config.class_width : config.class_width + config.margin_bits + 1]
        m.d.comb += field.eq(Cat(kept, margin < min_margin))

    def _registers(
        self,
        m: Module,
        platform: object,
        assembler: FrameAssembler | ImageBuffer,
        layers: list[Unit],
        admission: Admission | None,
        min_margin: Signal | None,
    ) -> None:
        lite = AxiLite(register_map(self.config))
        memory = CoefficientRam if self.config.programming else CoefficientRom
        identity = memory(1, 32, "mem/network.mem")
        place(m, platform, "axi_lite", lite)
        place(m, platform, "identity", identity)
        connect_axi_lite(m, self, "s_axil_", lite)
        entered = assembler.o.valid & assembler.o.ready
        if isinstance(assembler, ImageBuffer):
            entered = entered & assembler.first
        delivered = self.m_axis_tvalid & self.m_axis_tready
        if admission is None:
            inside = Signal(range(4 * len(self.config.layers) + 8))
            m.d.sync += inside.eq(inside + entered - delivered)
        else:
            inside = admission.inside
            place(m, platform, "admission", admission)
            m.d.comb += [admission.entered.eq(entered), admission.delivered.eq(delivered)]
        busy = (inside != 0) | assembler.o.valid
        m.d.comb += identity.en.eq(1)
        waits = self.m_axis_tvalid & ~self.m_axis_tready
        values = identity_values(self.config, INTERFACE_VERSION, identity.q) | {"STATUS": busy}
        unsure = None
        if min_margin is not None:
            unsure = delivered & self.m_axis_tdata[self.config.class_width + self.config.margin_bits]
        events = Events(entered, assembler.dropped, delivered, waits, unsure)
        values |= count_events(m, lite, INDEX, events, in_parts=self.config.gates_clocks)
        refused: list[Value] = []
        if min_margin is not None:
            values |= self._kept(m, lite, busy, {"MIN_MARGIN": min_margin}, refused)
        if self.config.fault_injector:
            values |= self._fault_injector(m, lite, busy, layers, refused)
        if self.config.programming:
            values |= self._programming(m, platform, lite, busy, assembler, layers, identity, refused)
        if refused:
            values["STATUS"] = Cat(busy, self._refused(m, lite, refused))
        m.d.comb += [lite.values[INDEX[name]].eq(value) for name, value in values.items()]

    def _fault_injector(
        self, m: Module, lite: AxiLite, busy: Value, layers: list[Unit], refused: list[Value]
    ) -> dict[str, ValueLike]:
        """Let the registers control the layers' errors; return what they read as."""
        signals = {"ERROR_SEED": Signal(32, name="error_seed"), "ERROR_RATE": Signal(16, name="error_rate")}
        kept = self._kept(m, lite, busy, signals, refused)
        for layer in layers:
            m.d.comb += [
                layer.errors.seed.eq(kept["ERROR_SEED"]),
                layer.errors.rate.eq(kept["ERROR_RATE"]),
                layer.errors.restart.eq(lite.written[INDEX["ERROR_SEED"]] & ~busy),
            ]
        return kept

    @staticmethod
    def _kept(
        m: Module, lite: AxiLite, busy: Value, signals: dict[str, Signal], refused: list[Value]
    ) -> dict[str, ValueLike]:
        """Keep what is written to registers while no image is in the engine; return what they read as."""
        for name, signal in signals.items():
            written = lite.written[INDEX[name]]
            refused.append(written & busy)
            with m.If(written & ~busy):
                m.d.sync += signal.eq(lite.value_written)
        return dict(signals)

    def _programming(
        self,
        m: Module,
        platform: object,
        lite: AxiLite,
        busy: Value,
        assembler: FrameAssembler | ImageBuffer,
        layers: list[Unit],
        identity: CoefficientRam,
        refused: list[Value],
    ) -> dict[str, ValueLike]:
        """Give the controller the layers' memories and the input stream's ready; return what its registers read as."""
        controller = Programming(
            tuple(Memories(c, c.neurons * u.coefficient_width) for c, u in zip(self.config.layers, layers, strict=True))
        )
        place(m, platform, "programming", controller)
        own = slice(INDEX[NAMES[0]], INDEX[NAMES[-1]] + 1)
        network = lite.written[INDEX["NETWORK"]]
        m.d.comb += [
            controller.idle.eq(~busy),
            controller.written.eq(lite.written[own]),
            controller.read.eq(lite.read[own]),
            controller.value.eq(lite.value_written),
            identity.write.eq(network & ~busy),
            identity.data.eq(lite.value_written),
        ]
        refused += [controller.refused, network & busy]
        fan_out(m, controller.bus, [(u.program, controller.layer == k) for k, u in enumerate(layers)])
        # No beat is entered while the controller or the host holds the stream, and no image goes on into the layers
        # while the controller is busy. The last assignment wins.
        with m.If(controller.hold):
            m.d.comb += [self.s_axis_tready.eq(0), assembler.tvalid.eq(0)]
        with m.If(controller.bus.active):
            m.d.comb += [layers[0].i.valid.eq(0), assembler.o.ready.eq(0)]
        return {name: controller.values[k] for k, name in enumerate(NAMES)}

    @staticmethod
    def _refused(m: Module, lite: AxiLite, events: list[Value]) -> Signal:
        """Return whether a write was refused since CONTROL bit 1 was written."""
        refused = Signal()
        with m.If(lite.written[INDEX["CONTROL"]] & lite.value_written[1]):
            m.d.sync += refused.eq(0)
        with m.If(Cat(*events).any()):
            m.d.sync += refused.eq(1)
        return refused
