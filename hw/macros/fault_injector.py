"""Error masks of reads: the fault injector's generator, the same integers as :mod:`oxnor.models.faults.error_masks`."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.widths import bits_for
from oxnor.models.faults.error_masks import BLOCK, CONSTANTS, FIELDS, PLANES, spread

#: The four words of a state.
STATE = dict.fromkeys("abcd", BLOCK)
IMAGE_BITS = FIELDS["image"]


class ErrorControl(wiring.Signature):
    """What the registers tell every layer.

    Members
    -------
    seed : ``Out(32)``
    rate : ``Out(16)``
        A read is wrong with probability rate / 65536.
    restart : ``Out(1)``
        The next image is number 0.
    """

    def __init__(self) -> None:
        super().__init__({"seed": Out(FIELDS["seed"]), "rate": Out(PLANES), "restart": Out(1)})


def _selected(field: str, value: Value, word: int) -> Value:
    """Return what a coordinate XORs onto one word: a constant for each bit of it that is 1."""
    result: Value = Const(0, BLOCK)
    for b in range(len(value)):
        result = result ^ Mux(value[b], CONSTANTS[field][b][word], 0)
    return result


class ErrorMix(Unit):
    """The steps that mix a state; the ports of ``hw/rtl/error_mix.sv``.

    Members
    -------
    a, b, c, d : ``In(64)``
    mixed_a, mixed_b, mixed_c, mixed_d : ``Out(64)``
        The state after all steps, combinational.

    See Also
    --------
    oxnor.models.faults.error_masks.mix : bit-true model.
    """

    rtl_source = "error_mix.sv"
    has_clock = False

    def __init__(self) -> None:
        super().__init__({k: In(n) for k, n in STATE.items()} | {f"mixed_{k}": Out(n) for k, n in STATE.items()})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "error_mix"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        raise NotImplementedError("The mixer is SystemVerilog: simulate the emitted Verilog")


class ErrorPlanes(Unit):
    """Comparison of a mixed state with the rate; the ports of ``hw/rtl/error_planes.sv``.

    Members
    -------
    a, b, c, d : ``In(64)``
        Mixed state.
    rate : ``In(16)``
    mask : ``Out(64)``
        Errors, combinational.

    See Also
    --------
    oxnor.models.faults.error_masks.masks : bit-true model.
    """

    rtl_source = "error_planes.sv"
    has_clock = False

    def __init__(self) -> None:
        super().__init__({k: In(n) for k, n in STATE.items()} | {"rate": In(PLANES), "mask": Out(BLOCK)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "error_planes"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        raise NotImplementedError("The comparison is SystemVerilog: simulate the emitted Verilog")


class ErrorKey(Unit):
    """Key of an image in one layer; combinational.

    Members
    -------
    seed : ``In(32)``
    layer : ``In(16)``
        Number of the layer.
    image : ``In(32)``
        Number of the image since the seed was written.
    a, b, c, d : ``Out(64)``
        The key.

    See Also
    --------
    oxnor.models.faults.error_masks.image_keys : bit-true model.
    """

    has_clock = False

    def __init__(self) -> None:
        fields = {name: In(FIELDS[name]) for name in ("seed", "layer", "image")}
        super().__init__(fields | {k: Out(n) for k, n in STATE.items()})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_error_key"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        mix = ErrorMix()
        place(m, platform, "mix", mix)
        for w, name in enumerate(STATE):
            m.d.comb += [
                getattr(mix, name).eq(
                    _selected("seed", self.seed, w)
                    ^ _selected("layer", self.layer, w)
                    ^ _selected("image", self.image, w)
                    ^ CONSTANTS["start"][0][w]
                ),
                getattr(self, name).eq(getattr(mix, f"mixed_{name}")),
            ]
        return m


class ErrorBlock(Unit):
    """Error mask of 64 inputs of one read: mixes a state, keeps it, and compares 16 bits for each input with the rate.

    Members
    -------
    en : ``In(1)``
        Take the state at this clock edge.
    a, b, c, d : ``In(64)``
        Key of the image with the constants of neuron and block.
    rate : ``In(16)``
    mask : ``Out(64)``
        Errors of the state that was taken.

    See Also
    --------
    oxnor.models.faults.error_masks.masks : bit-true model.
    """

    def __init__(self) -> None:
        super().__init__({"en": In(1), "rate": In(PLANES), "mask": Out(BLOCK)} | {k: In(n) for k, n in STATE.items()})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_error_block"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        mix, planes = ErrorMix(), ErrorPlanes()
        place(m, platform, "mix", mix)
        place(m, platform, "planes", planes)
        m.d.comb += [planes.rate.eq(self.rate), self.mask.eq(planes.mask)]
        for name in STATE:
            kept = Signal(BLOCK, name=f"kept_{name}")
            m.d.comb += [getattr(mix, name).eq(getattr(self, name)), getattr(planes, name).eq(kept)]
            with m.If(self.en):
                m.d.sync += kept.eq(getattr(mix, f"mixed_{name}"))
        return m


def block_count(config: LayerConfig) -> int:
    """Return how many blocks of 64 inputs the widest window of a read touches: the :class:`ErrorBlock` of a lane."""
    width = config.across * config.cols
    return max(-(-(s + 1) * width // BLOCK) - s * width // BLOCK for s in range(config.slices))


class ErrorMask(Unit):
    """Errors of the columns of one lane: the mask of the read that was sensed one enabled clock edge before.

    Parameters
    ----------
    config : LayerConfig
        The layer.

    Members
    -------
    en : ``In(1)``
        Advance by one read.
    a, b, c, d : ``In(64)``
        Key of the image.
    rate : ``In(16)``
    neuron : ``In(bits_for(n_out + groups - 1))``
        Number of the neuron that is sensed at this clock edge.
    slice : ``In(bits_for(slices - 1))``
        Its slice.
    flip : ``Out(across * cols)``
        Error mask, one edge later.
    """

    def __init__(self, config: LayerConfig):
        self.config = config
        # The last pass may have lanes beyond the last neuron; what they read goes nowhere.
        self.neuron_bits = min(bits_for(config.passes * config.groups - 1), FIELDS["neuron"])
        super().__init__(
            {
                "en": In(1),
                "rate": In(PLANES),
                "neuron": In(self.neuron_bits),
                "slice": In(bits_for(config.slices - 1)),
                "flip": Out(config.across * config.cols),
            }
            | {k: In(n) for k, n in STATE.items()}
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        c = self.config
        return f"oxnor_error_mask_{c.across * c.cols}_{c.slices}_{self.neuron_bits}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        width = c.across * c.cols
        firsts = [s * width // BLOCK for s in range(c.slices)]
        state = []
        for w, name in enumerate(STATE):
            word = Signal(BLOCK, name=f"neuron_{name}")
            m.d.comb += word.eq(getattr(self, name) ^ _selected("neuron", self.neuron, w))
            state.append(word)
        blocks = []
        for k in range(block_count(c)):
            block = ErrorBlock()
            place(m, platform, f"block{k}", block)
            m.d.comb += [block.en.eq(self.en), block.rate.eq(self.rate)]
            numbers = spread("block", np.array(firsts) + k)  # (4, slices)
            for w, name in enumerate(STATE):
                constant = Signal(BLOCK, name=f"block{k}_{name}")
                with m.Switch(self.slice):
                    for s in range(c.slices):
                        with m.Case(s):
                            m.d.comb += constant.eq(int(numbers[w, s]))
                m.d.comb += getattr(block, name).eq(state[w] ^ constant)
            blocks.append(block.mask)
        sensed = Signal.like(self.slice)
        with m.If(self.en):
            m.d.sync += sensed.eq(self.slice)
        masks = Cat(*blocks)
        with m.Switch(sensed):
            for s, first in enumerate(firsts):
                with m.Case(s):
                    m.d.comb += self.flip.eq(masks[s * width - first * BLOCK :][:width])
        return m
