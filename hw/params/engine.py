"""The structure of an engine: sizes, macros, folding. Made once, used by hardware, schedule, images and benches."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.count_converter import CountConverter
from oxnor.models.networks.layers.windowed import Windowed

from .folding import balance
from .layer import LayerConfig
from .macro_kinds import DEFAULT_MACRO, OLD_NAMES
from .options import DEFAULT_DATAFLOW, OPTIONAL_PARTS, EngineOptions
from .streams import VectorStream
from .targets import TARGETS, Target
from .widths import bits_for, whole_bytes

FORMAT_VERSION = 1
#: What digests call types of macro that have another name now.
DIGEST_NAMES = {new: old for old, new in OLD_NAMES.items()}

@dataclass(frozen=True, repr=False)
class EngineConfig:
    """Everything that shapes the Verilog of an engine, and nothing else: networks of equal structure share it.

    Parameters
    ----------
    layers : tuple of LayerConfig
        From the input to the output.
    stream_width : int
        Bits a beat of the input stream, a multiple of 8.
    with_scores : bool
        Whether the result has the scores beside the class.
    fault_injector : bool
        Whether reads can be given errors at a rate and from a seed in registers.
    programming : bool
        Whether macros and coefficients can be programmed, verified and read over registers.
    admits_at_intervals : bool
        Whether images are admitted at the interval of the slowest layer and only with a place for their results, so
        that no layer ever waits for the next: for hardware whose wires are slow. A waiting result then holds back no
        layer but the images outside.
    margin_bits : int
        Bits of the margin in a result, one less than whole bytes: how far the score of the class leads the second
        best, at most the largest such number. The bit above says that it is below the least margin in a register.
        0: there is none.

    Raises
    ------
    InputError
        If the stream width is not a positive multiple of 8, two kinds of macro are one Verilog module, macros of one
        kind have two latencies, macros cannot do what the engine is asked for, or errors of single reads are asked of
        an input-serial layer.
    """

    top: ClassVar[str] = "oxnor_engine"

    layers: tuple[LayerConfig, ...]
    stream_width: int
    with_scores: bool
    fault_injector: bool = False
    programming: bool = False
    admits_at_intervals: bool = False
    margin_bits: int = 0

    def __post_init__(self) -> None:
        if self.stream_width < 8 or self.stream_width % 8:
            raise InputError(f"must be a positive multiple of 8, not {self.stream_width}", parameter="stream_width")
        modules: dict[str, str] = {}
        latencies: dict[str, int] = {}
        for layer in self.layers:
            kind, macro = layer.macro_kind, layer.macro
            if latencies.setdefault(kind, layer.sense_latency) != layer.sense_latency:
                raise InputError(
                    f"must not be {latencies[kind]} and {layer.sense_latency} in one engine for macros of type {kind},"
                    " which are one module",
                    parameter="sense_latency",
                )
            if modules.setdefault(macro.module, kind) != kind:
                raise InputError(
                    f"must not be {modules[macro.module]} and {kind} in one engine: both are the module {macro.module}",
                    parameter="macro_kind",
                )
            if macro.accesses and self.admits_at_intervals:
                raise InputError(
                    f"must not be asked of macros of type {kind}, whose reads have no fixed time",
                    parameter="admits_at_intervals",
                )
            for option, is_able, why in (
                ("fault_injector", macro.can_flip, ""),
                ("programming", macro.can_program, ", which are never written (a self-test writes them)"),
            ):
                if getattr(self, option) and not is_able:
                    raise InputError(f"must not be asked of macros of type {kind}{why}", parameter=option)
        if self.margin and self.n_out < 2:
            raise InputError("must not be asked of a network with one output", parameter="margin")
        serial = [k for k, y in enumerate(self.layers) if y.is_serial]
        if self.has_windows and serial:
            raise InputError(f"must be parallel in an engine with convolutions: layer {serial[0]} is not",
                             parameter="dataflow")  # fmt: skip
        for k, (before, layer) in enumerate(zip(self.layers, self.layers[1:], strict=False), 1):
            if layer.window and not before.window:
                raise InputError(f"layer {k}: there is no hardware for a convolution after a dense layer")
        if self.fault_injector and any(y.presentations for y in self.layers):
            raise InputError("must not be asked of a layer that reads random bits", parameter="fault_injector")
        if self.fault_injector and any(self.converters):
            raise InputError("must not be asked of layers with converters", parameter="fault_injector")
        if self.fault_injector and serial:
            raise InputError(
                "`fault_injector` (errors of reads) must not be asked of layers in the serial dataflow:"
                f" layer {serial[0]} is one"
            )

    @property
    def converters(self) -> tuple[CountConverter | None, ...]:
        """What the counts of each layer's macros go through."""
        return tuple(layer.converter for layer in self.layers)

    def __repr__(self) -> str:
        shape = "-".join(map(str, (self.n_in, *(layer.n_out for layer in self.layers))))
        kinds = " and ".join(dict.fromkeys(self.macro_kinds))
        macros = sum(layer.macros for layer in self.layers)
        return f"EngineConfig({shape}, {macros:,} macros of {kinds}, {self.stream_width} bits a beat)"

    def stream_into(self, index: int) -> VectorStream:
        """Return what layer `index` takes.

        An input-serial layer of the same V as the input-parallel one before takes the neurons of each pass as they
        come. An input-serial layer has all its neurons at once, and hands them over from no register either.
        """
        layer, before = self.layers[index], self.layers[index - 1] if index else None
        by_groups = before and layer.is_serial and not before.is_serial and layer.groups == before.groups
        # A group must have been read when the next one comes.
        if before and layer.read_length > before.read_cycles // before.passes:
            by_groups = False
        if before and (before.window or before.levels > 1):
            by_groups = False
        # With zeros a window says which of its pixels are there.
        flags = layer.window.kernel_y * layer.window.kernel_x if layer.window and layer.has_zeros else 0
        bits = layer.groups if by_groups else layer.elements * layer.channel_groups * layer.planes + flags
        if layer.in_memory:
            bits = layer.inputs
        return VectorStream(
            bits,
            -(-layer.n_in // bits) if by_groups or layer.in_memory else 1,
            layer.vectors,
            layer.planes,
            from_register=not (before and (before.is_serial or by_groups)),
            into_register=not by_groups,
        )

    def stream_from(self, index: int) -> VectorStream:
        """Return what the neurons of layer `index` give: pixels where it is a convolution."""
        layer, after = self.layers[index], self.stream_into(index + 1)
        if not after.into_register or not after.from_register:
            return after
        return VectorStream(layer.n_out * layer.neuron_bits, 1, layer.vectors)

    def gathers(self, index: int) -> int:
        """Return how many pixels are gathered for a vector of layer `index`; 0 where a vector or windows come."""
        before = self.layers[index - 1].pixels_out if index else 1
        return before if before > 1 and not self.layers[index].window else 0

    @property
    def macro_kinds(self) -> tuple[str, ...]:
        """Kind of each layer's macros, keys of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`."""
        return tuple(layer.macro_kind for layer in self.layers)

    @property
    def has_fixed_times(self) -> bool:
        """Whether every read takes the same time; if not, predicted cycles are the least."""
        return not any(layer.macro.accesses for layer in self.layers)

    @property
    def device_layers(self) -> tuple[int, ...]:
        """Which layers have macros that hold devices instead of bits."""
        return tuple(k for k, layer in enumerate(self.layers) if layer.macro.has_devices)

    @property
    def gates_clocks(self) -> bool:
        """Whether registers are made for gated clocks, as its layers are."""
        return any(layer.gates_clocks for layer in self.layers)

    @property
    def has_windows(self) -> bool:
        """Whether any layer is a convolution."""
        return any(layer.window for layer in self.layers)

    @property
    def n_in(self) -> int:
        """Number of input bits."""
        return self.layers[0].bits_in

    @property
    def n_out(self) -> int:
        """Number of classes."""
        return self.layers[-1].n_out

    @property
    def beats(self) -> int:
        """Beats of the input stream to an image."""
        return -(-self.n_in // self.stream_width)

    @property
    def class_width(self) -> int:
        """Bits of the class in a result, a multiple of 8."""
        return whole_bytes(bits_for(self.n_out - 1))

    @property
    def score_width(self) -> int:
        """Bits of each score in a result."""
        return self.layers[-1].score_width

    @property
    def margin(self) -> bool:
        """Whether a result has the margin of its class."""
        return self.margin_bits > 0

    @property
    def packed(self) -> bool:
        """Whether there are weights five to a byte."""
        return any(layer.macro.packs for layer in self.layers)

    @property
    def margin_max(self) -> int:
        """The largest margin in a result; larger ones are given as this one."""
        return (1 << self.margin_bits) - 1

    @property
    def result_width(self) -> int:
        """Bits of the output stream: the class, and the margin and the scores if they are wanted."""
        margin = self.margin_bits + 1 if self.margin else 0
        return self.class_width + margin + self.with_scores * self.n_out * self.score_width

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the structure."""
        # An engine without is as before there were any.
        unasked = (*OPTIONAL_PARTS, "admits_at_intervals", "margin_bits")
        described = {k: v for k, v in asdict(self).items() if k not in unasked or v}
        if described.pop("admits_at_intervals", False):
            described["paced"] = True
        for layer, own in zip(described["layers"], self.layers, strict=True):
            if layer["macro_kind"] == DEFAULT_MACRO:  # as before there were others
                del layer["macro_kind"]
            elif layer["macro_kind"] in DIGEST_NAMES:
                layer["macro_kind"] = DIGEST_NAMES[layer["macro_kind"]]
            for option in ("pipelined", "split_sums", "window", "pool", "has_lowest", "in_memory", "gates_clocks"):
                if not layer[option]:
                    del layer[option]
            if own.pool:
                layer["pool"] = own.pool.sizes
            if not layer["converter_bits"]:
                del layer["converter_bits"]
            for number in ("presentations", "weight_max", "shortcut"):
                if not layer[number]:
                    del layer[number]
            if layer["pair_states"] == 2:
                del layer["pair_states"]
            for count in ("planes", "levels", "sense_latency", "weight_bits"):
                if layer[count] == 1:
                    del layer[count]
            if layer["dataflow"] == DEFAULT_DATAFLOW:
                del layer["dataflow"]
        text = json.dumps({"version": FORMAT_VERSION, **described}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def for_network(cls, network: Network, options: EngineOptions | None = None, **changes: Any) -> EngineConfig:
        """Return the structure that suits `network`.

        Parameters
        ----------
        network : Network
        options : EngineOptions, optional
        **changes
            Options that differ, as :meth:`oxnor.hw.params.options.EngineOptions.changed` takes them.
        """
        count = len(network.layers)
        options = (options or EngineOptions()).changed(count, **changes)
        target = TARGETS[options.target]
        of_layers = options.structures(count)
        if any(o.pair_states == 3 for o in of_layers) and not any(y.weight_code.fits_pairs for y in network.layers):
            asked = {"packed": "must not be asked"} if options.packed else {"pair_states": "must be 2"}
            for name, rule in asked.items():
                raise InputError(f"{rule}: no layer of {network.name!r} has ternary weights", parameter=name)
        limits: Sequence[int | None] = [None] * count
        if any(isinstance(layer, Windowed) for layer in network.layers):
            limits = balance(network.layers, target, of_layers).reads
        layers: list[LayerConfig] = []
        for layer, of_layer, limit in zip(network.layers, of_layers, limits, strict=True):
            layers.append(LayerConfig.for_layer(layer, target, of_layer, layers[-1] if layers else None, limit))
        config = cls(
            tuple(layers),
            options.stream_width or _stream_width(target, layers[0]),
            target.with_scores if options.with_scores is None else options.with_scores,
            options.fault_injector,
            options.programming,
            # Admission control counts on reads of a fixed time.
            target.admits_at_intervals and not any(layer.macro.accesses for layer in layers),
        )
        return config.with_margin() if options.margin else config

    def with_margin(self) -> EngineConfig:
        """Return the same engine with margins in its results."""
        # A result without scores is as short as can be: a board takes two bytes.
        width = min(whole_bytes(self.score_width + 1), 64) if self.with_scores else 8
        return replace(self, margin_bits=width - 1)


def _stream_width(target: Target, first: LayerConfig) -> int:
    """Return the bits of a beat that suit the target: an image or, where pixels are streamed, a row of them."""
    if first.window is None:
        return target.stream_width or whole_bytes(first.bits_in)
    pixel = first.pixel_bits
    if target.stream_width is None:
        return math.lcm(pixel * first.window.width, 8)
    fits = pixel % target.stream_width == 0 or target.stream_width % pixel == 0
    return target.stream_width if fits else math.lcm(pixel, 8)
