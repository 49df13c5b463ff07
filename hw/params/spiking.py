"""The structure of a spiking engine: macros, neurons, encoder. Made once, used by hardware, images and benches."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from oxnor.models.base.errors import InputError
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.spiking import Decision, Neuron, SpikingNetwork

from .macro_kinds import check_macro_size, check_macros, check_sense_latency
from .options import OPTIONAL_PARTS, EngineOptions, LayerOptions
from .targets import TARGETS
from .widths import bits_for, whole_bytes

FORMAT_VERSION = 1
#: Bits of a tick, of an event's number, and of an address-event word.
TICK_BITS, NUMBER_BITS, WORD_BITS = 16, 32, 32
#: Bits of a result before the counts: winner and flags (16 each), tick, then the events of each layer.
WINNER_BITS, FLAG_BITS = 16, 16


@dataclass(frozen=True)
class SpikingLayerConfig:
    """One spiking layer on macros of `rows` x `cols`, in the input-serial dataflow.

    Input i is row i % R of the macros number i // R downwards. Neuron n has the cells of group n % G in macro n // G
    across, where G = C // (2 * weight_max) whole neurons fit on a word line.

    Parameters
    ----------
    n_in, n_out : int
        Sizes; a clock is one of the inputs.
    rows, cols : int
        R, C: size of a macro; C must hold the cells of a neuron at least.
    neuron : Neuron
    sense_latency : int
        Cycles that a macro takes to sense a row: one event in so many.
    """

    n_in: int
    n_out: int
    rows: int
    cols: int
    neuron: Neuron
    sense_latency: int = 1

    def __post_init__(self) -> None:
        check_sense_latency(self.sense_latency)
        if self.cols < self.neuron.cells:
            raise InputError(
                f"layer {self.n_in} to {self.n_out}: macros must have at least {self.neuron.cells} columns,"
                f" the cells of a neuron, not {self.cols}"
            )
        check_macros(f"layer {self.n_in} to {self.n_out}", self.macros)

    @property
    def per_macro(self) -> int:
        """G, neurons on a word line."""
        return min(self.cols // self.neuron.cells, self.n_out)

    @property
    def across(self) -> int:
        """Macros side by side."""
        return -(-self.n_out // self.per_macro)

    @property
    def down(self) -> int:
        """Macros one below the other."""
        return -(-self.n_in // self.rows)

    @property
    def macros(self) -> int:
        """Number of macros."""
        return self.across * self.down

    def neurons_of(self, across: int) -> int:
        """Return how many neurons macro `across` has."""
        return min(self.per_macro, self.n_out - across * self.per_macro)


@dataclass(frozen=True)
class SpikingConfig:
    """Everything that shapes the Verilog of a spiking engine, and nothing else.

    Parameters
    ----------
    layers : tuple of SpikingLayerConfig
        From the input to the output.
    decision : Decision
        Its delta_s and terminate_max are what the registers hold after reset.
    encoder : Encoder
        With seed 0: the seeds of the LFSRs are in a memory image.
    stream_width : int
        Bits a beat of the input stream: a multiple of 8; an address-event word if there is no encoder.
    clock : bool
        Whether the last input of each layer is the clock, which every layer gives on to the next.

    Raises
    ------
    InputError
        If the stream width does not suit, or the macros have several latencies.
    """

    top: ClassVar[str] = "oxnor_spiking_engine"

    layers: tuple[SpikingLayerConfig, ...]
    decision: Decision
    encoder: Encoder
    stream_width: int
    clock: bool = False

    def __post_init__(self) -> None:
        if len({y.sense_latency for y in self.layers}) > 1:
            raise InputError("must be the same for all layers, whose macros are one module", parameter="sense_latency")
        if self.external and self.stream_width != WORD_BITS:
            wrong = f"must be {WORD_BITS} for address events, not {self.stream_width}"
            raise InputError(wrong, parameter="stream_width")
        if self.stream_width < 8 or self.stream_width % 8:
            raise InputError(f"must be a positive multiple of 8, not {self.stream_width}", parameter="stream_width")

    @property
    def external(self) -> bool:
        """Whether address events come in, not images."""
        return self.encoder.kind == "external"

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        """Number of classes."""
        return self.layers[-1].n_out

    @property
    def address_bits(self) -> int:
        """Bits of an input's address."""
        return bits_for(self.n_in - 1)

    @property
    def beats(self) -> int:
        """Beats of the input stream to an image; 0 for address events, of which an image has any number."""
        return 0 if self.external else -(-8 * self.n_in // self.stream_width)

    @property
    def words(self) -> int:
        """Groups of ``lanes`` pixels to an image, which the encoder handles in a cycle each."""
        return -(-self.n_in // self.encoder.lanes)

    @property
    def count_width(self) -> int:
        """Bits of a count in a result, a multiple of 8."""
        return whole_bytes(self.decision.count_bits)

    @property
    def result_width(self) -> int:
        """Bits of a result."""
        head = WINNER_BITS + FLAG_BITS + NUMBER_BITS * (1 + len(self.layers))
        return head + self.n_out * self.count_width

    @property
    def spike_width(self) -> int:
        """Bits of an output spike word: tick and event number (32 each), then fired and sign of each output."""
        return 2 * NUMBER_BITS + whole_bytes(2 * self.n_out)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the structure."""
        values = asdict(self)
        for described, layer in zip(values["layers"], self.layers, strict=True):
            described["neuron"] = layer.neuron.settings()
            if layer.sense_latency == 1:  # as before there were others
                del described["sense_latency"]
        if not self.clock:
            del values["clock"]
        text = json.dumps({"version": FORMAT_VERSION, "kind": "spiking", **values}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def for_network(
        cls, network: SpikingNetwork, options: EngineOptions | None = None, **changes: Any
    ) -> SpikingConfig:
        """Return the structure that suits `network`.

        Parameters
        ----------
        network : SpikingNetwork
        options : EngineOptions, optional
            Only target, stream width, macro sizes and latencies: a spiking network has no others.
        **changes
            Options that differ, as :meth:`oxnor.hw.params.options.EngineOptions.changed` takes them.

        Raises
        ------
        InputError
            If there is an option that a spiking network does not have.
        """
        count = len(network.layers)
        options = (options or EngineOptions()).changed(count, **changes)
        _check_options(options, network.name, count)
        target = TARGETS[options.target]
        layers = []
        for layer, of_layer in zip(network.layers, options.for_layers(count), strict=True):
            # Without a width of its own, a target takes one macro a layer.
            whole = layer.cells.shape
            rows, cols = of_layer.macro_size or (whole if target.cols is None else (target.rows, target.cols))
            if of_layer.macro_size:
                check_macro_size(rows, cols)
            held = SpikingLayerConfig(
                len(layer.cells), layer.n_out, rows, cols, layer.neuron, of_layer.sense_latency
            )
            layers.append(held)
        encoder = replace(network.encoder, seed=0)
        width = WORD_BITS if encoder.kind == "external" else target.stream_width or 8 * network.n_in
        return cls(tuple(layers), network.decision, encoder, options.stream_width or width, network.clock)


def _check_options(options: EngineOptions, name: str, count: int) -> None:
    """Raise InputError if there is an option that a spiking network does not have."""
    unset, unset_layer = EngineOptions(), LayerOptions()
    refused = {n for n in ("with_scores", *OPTIONAL_PARTS) if getattr(options, n) != getattr(unset, n)}
    of_layers = ("macro_kind", "folding", "dataflow", "converter_bits", "pair_states")
    for layer in options.for_layers(count):
        refused |= {n for n in of_layers if getattr(layer, n) != getattr(unset_layer, n)}
    if refused:
        raise InputError(f"must not be given for a spiking network: {name!r} is one", parameter=min(refused))


def result_layout(config: SpikingConfig) -> dict[str, object]:
    """Return where the fields of a result lie, for sidecar, benches and hosts."""
    return {
        "width": config.result_width,
        "winner": WINNER_BITS,
        "flags": {"width": FLAG_BITS, "reason": [0, 1], "undecided": 2},
        "tick": NUMBER_BITS,
        "events": {"width": NUMBER_BITS, "layers": len(config.layers)},
        "count_width": config.count_width,
        "counts": config.n_out,
    }
