"""The structure of an engine: sizes, macros, folding. Made once, used by hardware, schedule, images and benches."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from oxnor.hw.blocks.unit import bits_for
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer

from .macro_kinds import DEFAULT_KIND, MACRO_KINDS

FORMAT_VERSION = 1
#: Most counts that are summed in one cycle where sums are split.
SUM_MAX = 6
#: Most macros of a layer that word lines and inputs reach in the cycle of the read, where layers are pipelined.
SPREAD_MAX = 64
#: What an engine may have beside its inference, and by default has not.
EXTRAS = ("fault_injector", "programming")
#: By the name of a dataflow: how the number of a neuron, and that of an input, are made of a layer's sizes, the first
#: counting slowest. A synapse lies in macro (groups, across), row passes * S + slices, column cols.
DATAFLOWS = {
    "parallel": (("passes", "groups"), ("slices", "across", "cols")),
    "serial": (("across", "cols"), ("slices", "groups")),
}
DEFAULT_DATAFLOW = next(iter(DATAFLOWS))
#: What gives each layer the other dataflow than the layer before it.
ALTERNATE = "alternate"


@dataclass(frozen=True)
class Target:
    """Defaults for one kind of hardware.

    Parameters
    ----------
    rows : int
        Word lines of a macro.
    cols : int or None
        Pairs on a word line; None makes macros as wide as the layer.
    reads_max : int
        Folding aims at this many reads a layer and image, or fewer.
    stream_width : int or None
        Bits a beat of the input stream; None takes an image in one beat.
    with_scores : bool
        Whether the result has the scores beside the class.
    pipelined, split_sums : bool
        As in :class:`LayerConfig`.
    paced : bool
        As in :class:`EngineConfig`.
    """

    rows: int
    cols: int | None
    reads_max: int
    stream_width: int | None
    with_scores: bool
    pipelined: bool = False
    split_sums: bool = False
    paced: bool = False


#: Presets: simulation takes wide macros (Verilator's speed is in wide words), iCE40 and ECP5 the shapes of their
#: block RAMs (256 x 16 and 512 x 36), an ASIC 64 x 64 pairs as the larger published arrays have.
TARGETS = {
    "sim": Target(rows=64, cols=None, reads_max=64, stream_width=None, with_scores=True),
    "ice40": Target(rows=256, cols=16, reads_max=128, stream_width=8, with_scores=False, split_sums=True, paced=True),
    "ecp5": Target(rows=512, cols=36, reads_max=64, stream_width=32, with_scores=False, pipelined=True, paced=True),
    "asic": Target(rows=64, cols=64, reads_max=64, stream_width=64, with_scores=True),
}


@dataclass(frozen=True)
class LayerConfig:
    """One layer on macros of `rows` x `cols`, `across` (H) side by side and `groups` (V) at once.

    Input-parallel: neuron n is lane n % V of pass n // V. Input i is column i % C of macro (i // C) % H in slice
    i // (H * C). Row pass * S + slice of a macro holds that slice of its lane's neuron.

    Input-serial: neuron n is column n % C of macro n // C across. Input i is row i // V of the macros of lane i % V:
    a read takes V inputs, and every neuron is there in every read.

    Parameters
    ----------
    kind : str
        A key of ``oxnor.models.networks.layers.table.LAYER_TYPES``.
    n_in, n_out : int
        Sizes.
    rows, cols : int
        Size of a macro.
    across : int
        H, macros side by side, in [1, ceil(n_in / cols)]; ceil(n_out / cols) if the layer is input-serial.
    groups : int
        V, neurons at once, in [1, n_out]; if the layer is input-serial inputs at once, in [1, n_in].
    scale_width, offset_width : int
        Bits of the output layer's scales and offsets, two's complement; both 0 if a score is the popcount itself.
    macro_kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_KINDS`.
    pipelined : bool
        A register between XNOR and popcount, one before the macros if there are more than :data:`SPREAD_MAX`, and split
        sums: for hardware whose memories are slow against its logic.
    split_sums : bool
        A register in the sum over more than :data:`SUM_MAX` macros.
    dataflow : str
        A key of :data:`DATAFLOWS`.

    Raises
    ------
    InputError
        If a field is out of range or the macros have too few rows.
    """

    kind: str
    n_in: int
    n_out: int
    rows: int
    cols: int
    across: int
    groups: int
    scale_width: int = 0
    offset_width: int = 0
    macro_kind: str = DEFAULT_KIND
    pipelined: bool = False
    split_sums: bool = False
    dataflow: str = DEFAULT_DATAFLOW

    def __post_init__(self) -> None:
        if self.dataflow not in DATAFLOWS:
            raise InputError(f"dataflow must be one of {', '.join(DATAFLOWS)}, not {self.dataflow!r}")
        if self.macro_kind not in MACRO_KINDS:
            raise InputError(f"macro kind must be one of {', '.join(MACRO_KINDS)}, not {self.macro_kind!r}")
        on_columns, on_groups = (self.n_out, self.n_in) if self.is_serial else (self.n_in, self.n_out)
        across = -(-on_columns // self.cols)
        ranges = {
            "across (H)": (self.across, across if self.is_serial else 1, across),
            "groups (V)": (self.groups, 1, on_groups),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise InputError(f"layer {self.n_in} to {self.n_out}: {name} must be in [{low}, {high}], not {value}")
        if self.reads > self.rows:
            what = f"{self.slices} slices of {self.passes} passes"
            if self.is_serial:
                what = f"{self.n_in} inputs, {self.groups} to a read"
            raise InputError(
                f"layer {self.n_in} to {self.n_out}: macros must have at least {self.reads} rows for {what},"
                f" not {self.rows}: fold it less, or take larger macros"
            )

    @property
    def is_serial(self) -> bool:
        """Whether inputs select rows, and neurons are columns."""
        return self.dataflow == "serial"

    @property
    def inputs(self) -> int:
        """Inputs to a read: H * C, or V where the layer is input-serial."""
        return math.prod(getattr(self, name) for name in DATAFLOWS[self.dataflow][1] if name != "slices")

    @property
    def neurons(self) -> int:
        """Neurons to a read: V, or all where the layer is input-serial."""
        return min(math.prod(getattr(self, n) for n in DATAFLOWS[self.dataflow][0] if n != "passes"), self.n_out)

    @property
    def slices(self) -> int:
        """S, reads to a neuron."""
        return -(-self.n_in // self.inputs)

    @property
    def passes(self) -> int:
        """Groups of neurons, one after the other; 1 where the layer is input-serial."""
        return -(-self.n_out // self.neurons)

    @property
    def reads(self) -> int:
        """Reads to an image: S * passes, the layer's initiation interval in cycles."""
        return self.slices * self.passes

    @property
    def macros(self) -> int:
        """Number of macros."""
        return self.across * self.groups

    @property
    def sense_latency(self) -> int:
        """Cycles from a read to the partial count of all its macros.

        Input-parallel: the way to the macros if they are many, sense, tile popcount, and the sum of H macros if H > 1.
        Input-serial: sense, and the popcount of V lanes if V > 1.
        """
        if self.is_serial:
            return 1 + self.pipelined + (self.groups > 1)
        return self.is_spread + 2 + self.pipelined + self.sum_stages

    @property
    def is_spread(self) -> bool:
        """Whether word lines and inputs cross so much of the chip that they take a cycle for it."""
        return self.pipelined and not self.is_serial and self.macros > SPREAD_MAX

    @property
    def sum_stages(self) -> int:
        """Cycles that the sum of the counts of H macros takes."""
        return (self.across > 1) + ((self.pipelined or self.split_sums) and self.across > SUM_MAX)

    @property
    def is_affine(self) -> bool:
        """Whether a score is more than the popcount itself."""
        return self.scale_width > 0

    @property
    def score_width(self) -> int:
        """Bits of a score, two's complement, a multiple of 8."""
        width = bits_for(self.n_in) + 1
        if self.is_affine:
            width = max(self.scale_width + bits_for(self.n_in), self.offset_width) + 1
        return -(-width // 8) * 8

    def used_columns(self, across: int) -> tuple[int, int]:
        """Return the columns in use of macro `across`: in every slice but the last, and in the last."""

        def used(s: int) -> int:
            return min(max(self.n_in - (s * self.across + across) * self.cols, 0), self.cols)

        return used(0), used(self.slices - 1)


def _signed_bits(values: Any) -> int:
    low, high = int(values.min()), int(values.max())
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def _layer_config(
    layer: DenseLayer | ScoreLayer,
    target: Target,
    macro: tuple[int, int] | None,
    fold: tuple[int, int] | None,
    macro_kind: str,
    dataflow: str,
    before: LayerConfig | None,
) -> LayerConfig:
    is_serial = dataflow == "serial"
    rows, cols = macro or (target.rows, target.cols or (layer.n_out if is_serial else layer.n_in))
    if rows < 1 or cols < 1:
        raise InputError(f"macro must have at least 1 row and 1 column, not {rows}x{cols}")
    options: dict[str, Any] = {
        "macro_kind": macro_kind,
        "pipelined": target.pipelined,
        "split_sums": target.split_sums,
        "dataflow": dataflow,
    }
    if isinstance(layer, ScoreLayer) and layer.is_affine:
        options |= {"scale_width": _signed_bits(layer.scales), "offset_width": _signed_bits(layer.offsets)}
    if fold is None and is_serial:
        # The groups of the layer before, as they come; else as many inputs at once as the read limit asks for.
        groups = before.groups if before and not before.is_serial else -(-layer.n_in // min(target.reads_max, rows))
        fold = (-(-layer.n_out // cols), groups)
    if fold is None:
        # As few macros as the read limit allows: first the neurons in sequence, then slices of each.
        reads_max = min(target.reads_max, rows)
        groups = -(-layer.n_out // reads_max)
        passes = -(-layer.n_out // groups)
        slices = min(reads_max // passes, -(-layer.n_in // cols))
        fold = (-(-layer.n_in // (slices * cols)), groups)
    return LayerConfig(layer.kind, layer.n_in, layer.n_out, rows, cols, *fold, **options)


def _dataflows(text: str, layers: int) -> list[str]:
    """Return the dataflow of each layer."""
    names = [name.strip() for name in text.split(",")]
    if names == [ALTERNATE]:
        return [list(DATAFLOWS)[k % len(DATAFLOWS)] for k in range(layers)]
    if len(names) == 1:
        names *= layers
    if len(names) != layers or not set(names) <= set(DATAFLOWS):
        raise InputError(
            f"dataflow must be {', '.join(DATAFLOWS)} or {ALTERNATE}, or one of {' and '.join(DATAFLOWS)} for each of"
            f" {layers} layers, not {text!r}"
        )
    return names


@dataclass(frozen=True)
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
    paced : bool
        Whether images are let in at the pace of the slowest layer and only with a place for their results, so that no
        layer ever waits for the next: for hardware whose wires are slow. A waiting result then holds back no layer but
        the images outside.

    Raises
    ------
    InputError
        If the stream width is not a positive multiple of 8, the layers have macros of different kinds, or errors of
        single reads are asked of an input-serial layer.
    """

    top: ClassVar[str] = "oxnor_engine"

    layers: tuple[LayerConfig, ...]
    stream_width: int
    with_scores: bool
    fault_injector: bool = False
    programming: bool = False
    paced: bool = False

    def __post_init__(self) -> None:
        if self.stream_width < 8 or self.stream_width % 8:
            raise InputError(f"stream width must be a positive multiple of 8, not {self.stream_width}")
        kinds = {y.macro_kind for y in self.layers}
        if len(kinds) != 1:
            raise InputError(f"all layers must have macros of one kind, not {', '.join(sorted(kinds))}")
        serial = [k for k, y in enumerate(self.layers) if y.is_serial]
        if self.fault_injector and serial:
            raise InputError(
                "fault_injector (--fault-injector, --read-ber) must not be asked of layers in the serial dataflow:"
                f" layer {serial[0]} is one"
            )

    def takes_groups(self, index: int) -> bool:
        """Whether layer `index` takes the neurons of the one before as they come, group by group, without a buffer."""
        layers = self.layers
        return (
            index > 0
            and layers[index].is_serial
            and not layers[index - 1].is_serial
            and layers[index].groups == layers[index - 1].groups
        )

    def gives_groups(self, index: int) -> bool:
        """Whether layer `index` hands its neurons over as they come, straight from the comparison.

        An input-parallel layer does if the next one takes them so; an input-serial one has them all at once.
        """
        return index + 1 < len(self.layers) and (self.layers[index].is_serial or self.takes_groups(index + 1))

    @property
    def macro_kind(self) -> str:
        """Kind of all macros, a key of :data:`oxnor.hw.params.macro_kinds.MACRO_KINDS`."""
        return self.layers[0].macro_kind

    @property
    def n_in(self) -> int:
        """Number of input bits."""
        return self.layers[0].n_in

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
        return -(-bits_for(self.n_out - 1) // 8) * 8

    @property
    def score_width(self) -> int:
        """Bits of each score in a result."""
        return self.layers[-1].score_width

    @property
    def result_width(self) -> int:
        """Bits of the output stream: the class, and the scores if they are wanted."""
        return self.class_width + self.with_scores * self.n_out * self.score_width

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the structure."""
        # An engine without is as before there were any.
        described = {k: v for k, v in asdict(self).items() if k not in (*EXTRAS, "paced") or v}
        for layer in described["layers"]:
            if layer["macro_kind"] == DEFAULT_KIND:  # as before there were others
                del layer["macro_kind"]
            for option in ("pipelined", "split_sums"):
                if not layer[option]:
                    del layer[option]
            if layer["dataflow"] == DEFAULT_DATAFLOW:
                del layer["dataflow"]
        text = json.dumps({"version": FORMAT_VERSION, **described}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def for_network(
        cls,
        network: Network,
        *,
        target: str = "sim",
        macro: tuple[int, int] | None = None,
        macro_kind: str = DEFAULT_KIND,
        folding: Sequence[tuple[int, int]] | None = None,
        dataflow: str = DEFAULT_DATAFLOW,
        stream_width: int | None = None,
        with_scores: bool | None = None,
        fault_injector: bool = False,
        programming: bool = False,
    ) -> EngineConfig:
        """Return the structure that suits `network`.

        Parameters
        ----------
        network : Network
        target : str
            A key of :data:`TARGETS`: the defaults of all that follows.
        macro : (rows, cols), optional
            Size of a macro, the same in all layers.
        macro_kind : str
            A key of :data:`oxnor.hw.params.macro_kinds.MACRO_KINDS`.
        folding : sequence of (H, V), one a layer, optional
            Macros side by side, and groups at once.
        dataflow : str
            A key of :data:`DATAFLOWS` for all layers, :data:`ALTERNATE`, which begins with `parallel`, or a key for
            each layer, with commas between them.
        stream_width : int, optional
            Bits a beat of the input stream.
        with_scores : bool, optional
            Whether the result has the scores.
        fault_injector : bool
            Whether reads can be given errors.
        programming : bool
            Whether macros can be programmed.
        """
        if target not in TARGETS:
            raise InputError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        if folding is not None and len(folding) != len(network.layers):
            raise InputError(f"folding must be {len(network.layers)} pairs (H, V), one a layer, not {len(folding)}")
        t = TARGETS[target]
        folds: Sequence[tuple[int, int] | None] = folding or [None] * len(network.layers)
        layers: list[LayerConfig] = []
        for layer, fold, flow in zip(network.layers, folds, _dataflows(dataflow, len(network.layers)), strict=True):
            before = layers[-1] if layers else None
            layers.append(_layer_config(layer, t, macro, fold, macro_kind, flow, before))
        return cls(
            tuple(layers),
            stream_width or t.stream_width or -(-network.n_in // 8) * 8,
            t.with_scores if with_scores is None else with_scores,
            fault_injector,
            programming,
            t.paced,
        )
