"""Rate encoder: a grey image becomes spikes, on chip."""

from __future__ import annotations

import functools

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.spiking import NUMBER_BITS, TICK_BITS, SpikingConfig
from oxnor.models.networks.encoders import LFSR_STEPS, LFSR_TAPS

from .aer_output import one_hot_index
from .layouts import event_layout


class RateEncoder(Unit):
    """Gives the spikes of an image, tick by tick and by rising address, then the end of the image.

    The pixels stand in a register of groups of ``lanes``, that turns by a group a cycle; each pixel has a phase beside
    it. A group in which some pixel spikes is followed by a cycle for each of its spikes. The image is taken at once,
    and ``clear`` ends it at any time.

    Parameters
    ----------
    config : SpikingConfig
        With an encoder that is not ``external``.

    Members
    -------
    clear : ``In(1)``
        The image is decided.
    seeds : ``In(32 * lanes)``
        State that each lane's LFSR begins an image with.
    i : ``In(stream.Signature(8 * n_in))``
        Images, pixel 0 in the low bits.
    o : ``Out(stream.Signature(event_layout(n_in, 0)))``
        Events.

    See Also
    --------
    oxnor.models.networks.encoders.encode : bit-true model.
    """

    def __init__(self, config: SpikingConfig):
        if config.external:
            raise ValueError("A network that takes events from outside has no encoder")
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                "seeds": In(32 * config.encoder.lanes),
                "i": In(stream.Signature(8 * config.n_in)),
                "o": Out(stream.Signature(event_layout(config.n_in, 0))),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_spiking_engine_encoder"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c, e = self.config, self.config.encoder
        phase_bits = max(e.rate_bits, TICK_BITS) if e.kind == "burst" else e.rate_bits
        pixels = Signal(8 * e.lanes * c.words)
        phases = Signal(phase_bits * e.lanes * c.words)
        word, tick = Signal(range(c.words)), Signal(TICK_BITS)
        pending, base = Signal(e.lanes), Signal(c.address_bits + 1)
        number, over, turn = Signal(NUMBER_BITS), Signal(), Signal()
        start = Signal()
        draws = self._draws(m, start if e.kind == "jittered" else turn & ~start)
        head = [pixels[8 * k : 8 * k + 8] for k in range(e.lanes)]
        phase = [phases[phase_bits * k : phase_bits * (k + 1)] for k in range(e.lanes)]
        spiking, following = [], []
        for k in range(e.lanes):
            spike, after = self._lane(head[k], phase[k], draws[k], tick)
            first = Signal(phase_bits, name=f"first_{k}")
            m.d.comb += first.eq(self._first(head[k], draws[k]))
            spiking.append(spike)
            following.append(Mux(start, first, after)[:phase_bits])
        lowest = Signal(e.lanes)
        m.d.comb += [
            lowest.eq(pending & (~pending + 1)),
            self.o.payload.address.eq(base + one_hot_index(lowest)),
            self.o.payload.numbers[0].eq(number),
        ]
        with m.If(turn):
            m.d.sync += [
                pixels.eq(Cat(pixels[8 * e.lanes :], pixels[: 8 * e.lanes])),
                phases.eq(Cat(phases[phase_bits * e.lanes :], *following)),
                word.eq(Mux(word == c.words - 1, 0, word + 1)),
            ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(~self.clear)
                m.d.sync += [word.eq(0), tick.eq(0), over.eq(0), number.eq(0), pixels.eq(self.i.payload)]
                with m.If(self.i.valid & self.i.ready):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += [start.eq(1), turn.eq(1)]
                with m.If(word == c.words - 1):
                    m.next = "SCAN"
            with m.State("SCAN"):
                mask = Signal(e.lanes)
                m.d.comb += [mask.eq(Cat(*spiking)), turn.eq(1)]
                m.d.sync += [pending.eq(mask), base.eq(word * e.lanes), self.o.payload.tick.eq(tick)]
                with m.If(word == c.words - 1):
                    m.d.sync += [tick.eq(tick + 1), over.eq(tick == c.decision.window - 1)]
                with m.If(mask.any()):
                    m.d.sync += number.eq(number + 1)
                    m.next = "GIVE"
                with m.Elif((word == c.words - 1) & (tick == c.decision.window - 1)):
                    m.next = "LAST"
                with m.If(self.clear):
                    m.next = "IDLE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += pending.eq(pending & ~lowest)
                    with m.If(pending == lowest):
                        with m.If(over):
                            m.next = "LAST"
                        with m.Else():
                            m.next = "SCAN"
                    with m.Else():
                        m.d.sync += number.eq(number + 1)
                with m.If(self.clear):
                    m.next = "IDLE"
            with m.State("LAST"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.last.eq(1)]
                with m.If(self.o.ready):
                    m.next = "OVER"
                with m.If(self.clear):
                    m.next = "IDLE"
            with m.State("OVER"), m.If(self.clear):
                m.next = "IDLE"
        return m

    def _draws(self, m: Module, wanted: Value) -> list[Value]:
        """Return the draw of each lane, a new one after each cycle in which it is wanted; each image begins anew."""
        e = self.config.encoder
        if e.kind not in ("jittered", "bernoulli"):
            return [Const(0, e.rate_bits)] * e.lanes
        draws = []
        for k in range(e.lanes):
            state = Signal(32, name=f"lfsr_{k}")
            after = Signal(32, name=f"drawn_{k}")
            m.d.comb += [after[j].eq(Cat(*(state[b] for b in mask)).xor()) for j, mask in enumerate(lfsr_leap())]
            with m.If(wanted):
                m.d.sync += state.eq(after)
            with m.If(self.i.ready):
                m.d.sync += state.eq(self.seeds.word_select(k, 32))
            draws.append(after[: e.rate_bits])
        return draws

    def _first(self, value: Value, draw: Value) -> Value:
        """Return the phase that a pixel begins with."""
        kind = self.config.encoder.kind
        if kind == "burst":
            return ((255 - value).as_unsigned()[:8] * self.config.decision.window) >> 8
        return draw if kind == "jittered" else Const(0)

    def _lane(self, value: Value, phase: Value, draw: Value, tick: Value) -> tuple[Value, Value]:
        """Return whether a pixel spikes in this tick, and its phase after it."""
        e = self.config.encoder
        if e.kind == "bernoulli":
            return draw < value, phase
        if e.kind == "burst":
            return (phase == tick) & value.any(), phase
        total = phase + value
        return total[e.rate_bits], total[: e.rate_bits]


@functools.cache
def lfsr_leap() -> list[list[int]]:
    """Return which bits of an LFSR's state are added modulo 2 to each bit of its state one draw later."""
    bits: list[set[int]] = [{j} for j in range(32)]
    for _ in range(LFSR_STEPS):
        out = bits[0]
        shifted = [*bits[1:], set()]
        bits = [b ^ out if LFSR_TAPS >> j & 1 else b for j, b in enumerate(shifted)]
    return [sorted(b) for b in bits]
