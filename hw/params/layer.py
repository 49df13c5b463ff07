"""The structure of one layer: its macros, its folding, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer

from .macro_kinds import DEFAULT_MACRO, MACRO_TYPES, MacroType, macro_name
from .options import DATAFLOWS, DEFAULT_DATAFLOW, LayerOptions
from .targets import Target
from .widths import bits_for, signed_bits_for, whole_bytes

#: Most counts that are summed in one cycle where sums are split.
SUM_MAX = 6
#: Most macros of a layer that word lines and inputs reach in the cycle of the read, where layers are pipelined.
SPREAD_MAX = 64


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
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    pipelined : bool
        A register between XNOR and popcount, one before the macros if there are more than :data:`SPREAD_MAX`, and split
        sums: for hardware whose memories are slow against its logic.
    split_sums : bool
        A register in the sum over more than :data:`SUM_MAX` macros.
    dataflow : str
        One of :data:`oxnor.hw.params.options.DATAFLOWS`.

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
    macro_kind: str = DEFAULT_MACRO
    pipelined: bool = False
    split_sums: bool = False
    dataflow: str = DEFAULT_DATAFLOW

    def __post_init__(self) -> None:
        if self.dataflow not in DATAFLOWS:
            raise InputError(f"must be one of {', '.join(DATAFLOWS)}, not {self.dataflow!r}", parameter="dataflow")
        object.__setattr__(self, "macro_kind", macro_name(self.macro_kind))
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
        return self.groups if self.is_serial else self.across * self.cols

    @property
    def neurons(self) -> int:
        """Neurons to a read: V, or all where the layer is input-serial."""
        return min(self.across * self.cols, self.n_out) if self.is_serial else self.groups

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
    def macro(self) -> MacroType:
        """What its macros are."""
        return MACRO_TYPES[self.macro_kind]

    @property
    def sense_latency(self) -> int:
        """Cycles from a read to the partial count of all its macros.

        Input-parallel: the way to the macros if they are many, sense, tile popcount, and the sum of H macros if H > 1.
        Input-serial: sense, and the popcount of V lanes if V > 1.
        """
        if self.is_serial:
            return self.macro.latency + self.pipelined + (self.groups > 1)
        return self.is_spread + self.macro.latency + 1 + self.pipelined + self.sum_stages

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
        return whole_bytes(width)

    def used_columns(self, across: int) -> tuple[int, int]:
        """Return the columns in use of macro `across`: in every slice but the last, and in the last."""

        def used(s: int) -> int:
            return min(max(self.n_in - (s * self.across + across) * self.cols, 0), self.cols)

        return used(0), used(self.slices - 1)

    @classmethod
    def for_layer(
        cls, layer: DenseLayer | ScoreLayer, target: Target, options: LayerOptions, before: LayerConfig | None = None
    ) -> LayerConfig:
        """Return the structure that suits a layer.

        Parameters
        ----------
        layer : DenseLayer or ScoreLayer
        target : Target
        options : LayerOptions
        before : LayerConfig, optional
            Structure of the layer before.
        """
        is_serial = options.dataflow == "serial"
        rows, cols = options.macro_size or (target.rows, target.cols or (layer.n_out if is_serial else layer.n_in))
        if rows < 1 or cols < 1:
            raise InputError(f"must have at least 1 row and 1 column, not {rows}x{cols}", parameter="macro_size")
        affine = layer if isinstance(layer, ScoreLayer) and layer.is_affine else None
        return cls(
            layer.kind,
            layer.n_in,
            layer.n_out,
            rows,
            cols,
            *(options.folding or _default_folding(layer, (rows, cols), target.reads_max, is_serial, before)),
            scale_width=signed_bits_for(affine.scales) if affine else 0,
            offset_width=signed_bits_for(affine.offsets) if affine else 0,
            macro_kind=options.macro_kind,
            pipelined=target.pipelined,
            split_sums=target.split_sums,
            dataflow=options.dataflow,
        )


def _default_folding(
    layer: DenseLayer | ScoreLayer,
    macro_size: tuple[int, int],
    reads_max: int,
    is_serial: bool,
    before: LayerConfig | None,
) -> tuple[int, int]:
    rows, cols = macro_size
    reads_max = min(reads_max, rows)
    if is_serial:
        # The groups of the layer before, as they come; else as many inputs at once as the read limit asks for.
        groups = before.groups if before and not before.is_serial else -(-layer.n_in // reads_max)
        return -(-layer.n_out // cols), groups
    # As few macros as the read limit allows: first the neurons in sequence, then slices of each.
    groups = -(-layer.n_out // reads_max)
    passes = -(-layer.n_out // groups)
    slices = min(reads_max // passes, -(-layer.n_in // cols))
    return -(-layer.n_in // (slices * cols)), groups
