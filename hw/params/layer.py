"""The structure of one layer: its macros, its folding, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from oxnor.models.base.errors import InputError
from oxnor.models.networks.count_converter import CountConverter
from oxnor.models.networks.layers.conv import ConvLayer, check_shortcut
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.table import LAYER_TYPES
from oxnor.models.networks.layers.weight_code import WeightCode
from oxnor.models.networks.layers.window import Pool, Window
from oxnor.models.networks.layers.windowed import Windowed

from .layer_sizes import can_group, default_folding, macro_size, pair_states
from .macro_kinds import (
    DEFAULT_MACRO,
    PACKED,
    MacroType,
    check_converter_bits,
    check_macros,
    check_pair_states,
    check_sense_latency,
    macro_name,
    macro_type,
)
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
        Synapses of a neuron, and neurons.
    rows, cols : int
        Size of a macro: word lines, and synapses on each.
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
    planes : int
        Bit planes of an input: a vector is read once for each, with the same rows.
    levels : int
        Thresholds of a neuron; 1 in the output layer.
    window : Window, optional
        Where the windows of a convolution lie: its vectors.
    pool : Pool, optional
        Pooling of what a convolution gives.
    has_lowest : bool
        Whether the pooling takes the smallest value of some channels.
    in_memory : bool
        Whether a vector that comes pixel by pixel is kept in a memory instead of a register: a read takes one pixel.
    gates_clocks : bool
        Wide registers are written part by part, and only when they must be: for standard cells, where the clock of a
        register that holds can be gated.
    sense_latency : int
        Cycles that a macro takes to sense a row. Its sense amplifiers are busy meanwhile, so there is one read in so
        many cycles; row and inputs stay as they are. Of macros that are asked cell by cell: cycles of an access, at
        least.
    weight_bits : int
        Synapses of a weight: columns side by side that see one input. It divides `cols`.
    converter_bits : int
        Bits of the converter of each macro's count; 0: there is none.
    pair_states : int
        States of a pair: 2, a synapse, or 3, two synapses of one weight.
    presentations : int
        Above 0: each element of 8 bits is read so often as a random bit, in place of its planes.
    weight_max : int
        The largest weight if its synapses count 1, 2, 4 and so on; 0: each counts once.
    shortcut : int
        How often what comes of a neuron's own channel, under the centre of its window, counts beside its synapses.

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
    planes: int = 1
    levels: int = 1
    window: Window | None = None
    pool: Pool | None = None
    has_lowest: bool = False
    in_memory: bool = False
    gates_clocks: bool = False
    sense_latency: int = 1
    weight_bits: int = 1
    converter_bits: int = 0
    pair_states: int = 2
    presentations: int = 0
    weight_max: int = 0
    shortcut: int = 0

    def __post_init__(self) -> None:
        if self.dataflow not in DATAFLOWS:
            raise InputError(f"must be one of {', '.join(DATAFLOWS)}, not {self.dataflow!r}", parameter="dataflow")
        object.__setattr__(self, "macro_kind", macro_name(self.macro_kind, self.pair_states))
        on_columns, on_groups = (self.n_out, self.n_in) if self.is_serial else (self.n_in, self.n_out)
        across = -(-on_columns // self.cols)
        ranges = {
            "across (H)": (self.across, across if self.is_serial else 1, across),
            "groups (V)": (self.groups, 1, on_groups),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise InputError(f"layer {self.n_in} to {self.n_out}: {name} must be in [{low}, {high}], not {value}")
        check_sense_latency(self.sense_latency)
        check_pair_states(self.pair_states)
        macro_type(self.macro_kind, self.pair_states)
        self._check_converter()
        self._check_window()
        if self.word_lines > self.rows:
            what = f"{self.slices} slices of {self.passes} passes"
            if self.is_serial:
                what = f"{self.n_in} inputs, {self.groups} to a read"
            raise InputError(
                f"layer {self.n_in} to {self.n_out}: macros must have at least {self.word_lines} rows for {what},"
                f" not {self.rows}: fold it less, or take larger macros"
            )
        check_macros(f"layer {self.n_in} to {self.n_out}", self.macros)

    def _check_converter(self) -> None:
        """Raise InputError if there is no hardware for the layer's converters."""
        if not check_converter_bits(self.converter_bits):
            return
        what = f"layer {self.n_in} to {self.n_out}: `converter_bits` must not be asked of"
        if self.is_serial:
            raise InputError(f"{what} a layer in the serial dataflow, whose reads are not counted")
        if self.has_zeros:
            raise InputError(f"{what} a convolution that pads with zeros")
        if self.weight_max:
            raise InputError(f"{what} weights whose synapses count 1, 2, 4 and so on")
        if self.macro.has_devices:
            raise InputError(f"{what} macros of kind {self.macro_kind}")

    @property
    def converter(self) -> CountConverter | None:
        """What each macro's count goes through, if there is anything."""
        return CountConverter(self.converter_bits, self.cols) if self.converter_bits else None

    def _check_window(self) -> None:
        """Raise InputError if there is no hardware for the layer's windows, planes or levels."""
        where = f"layer {self.n_in} to {self.n_out}"
        if self.is_serial and (self.window or self.planes > 1 or self.levels > 1 or self.weight_bits > 1):
            raise InputError(
                f"{where}: `dataflow` must be parallel for convolutions, for integers of several bit planes and for"
                " weights of several synapses"
            )
        if self.cols % self.weight_bits:
            raise InputError(f"{where}: macros must have a multiple of {self.weight_bits} columns, not {self.cols}")
        if self.pair_synapses > 1 and not self.weight_code.fits_pairs:
            what = "whose synapses count 1, 2, 4 and so on" if self.weight_max else f"of {self.weight_bits} synapses"
            raise InputError(f"{where}: `pair_states` must be 2 for weights {what}")
        if not self.window:
            if self.shortcut:
                raise InputError(f"{where}: `shortcut` must be 0 but around a convolution, not {self.shortcut}")
            return
        check_shortcut(self.window, self.n_out, self.shortcut, where)
        if not can_group(self.groups, self.n_out, self.window.groups):
            each = self.n_out // self.window.groups
            raise InputError(
                f"{where}: groups (V) must divide the {each} neurons of each of the {self.window.groups} groups of"
                f" channels, or be those of one or of several groups, not {self.groups}"
            )

    @property
    def is_serial(self) -> bool:
        """Whether inputs select rows, and neurons are columns."""
        return self.dataflow == "serial"

    @property
    def elements(self) -> int:
        """Inputs that a neuron sees."""
        return self.n_in // self.weight_bits

    @property
    def weight_code(self) -> WeightCode:
        """What the synapses of a weight stand for."""
        return WeightCode(self.weight_bits, self.weight_max)

    @property
    def full(self) -> int:
        """What all synapses of a neuron count together, in a read of all its inputs."""
        return self.elements * self.weight_code.top

    @property
    def inputs(self) -> int:
        """Synapses of a neuron to a read: H * C, or V where the layer is input-serial."""
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
    def channel_groups(self) -> int:
        """Groups of channels of a convolution: parts of a vector, of which a neuron sees one."""
        return self.window.groups if self.window else 1

    @property
    def parts_at_once(self) -> int:
        """Groups of channels to a read: those whose neurons are all there, or one."""
        return max(1, self.groups * self.channel_groups // self.n_out)

    @property
    def passes_each(self) -> int:
        """Passes, one after the other, over the same groups of channels."""
        return self.passes * self.parts_at_once // self.channel_groups

    @property
    def word_lines(self) -> int:
        """Rows of a macro that are in use: S * passes."""
        return self.slices * self.passes

    @property
    def turns(self) -> int:
        """How often each word line is read for a vector: once for each bit plane, or presentation."""
        return self.presentations or self.planes

    @property
    def doubles(self) -> bool:
        """Whether what was counted counts twice from one reading of a vector to the next."""
        return self.planes > 1 and not self.presentations

    @property
    def reads(self) -> int:
        """Reads to a vector."""
        return self.word_lines * self.turns

    @property
    def vectors(self) -> int:
        """Vectors to an image: the windows of a convolution."""
        return self.window.pixels if self.window else 1

    @property
    def read_length(self) -> int:
        """Cycles from a read to the next one; the least of macros that answer when they are ready."""
        wait = self.macro.read_cycles(self.cols, self.sense_latency)
        # An answer is waited for from when the macros have been asked.
        return wait + (self.is_spread and self.macro.accesses > 0)

    @property
    def has_long_reads(self) -> bool:
        """Whether a read may take more than one cycle."""
        return self.sense_latency > 1 or self.macro.accesses > 0

    @property
    def read_cycles(self) -> int:
        """Cycles that the reads to a vector take."""
        return self.reads * self.read_length

    @property
    def interval(self) -> int:
        """Cycles that the reads to an image take, the layer's initiation interval."""
        return self.read_cycles * self.vectors

    @property
    def has_zeros(self) -> bool:
        """Whether windows are padded with zeros, which count half: counts and thresholds are doubled."""
        return self.window is not None and self.window.pad == 0

    @property
    def most(self) -> int:
        """Largest count of a neuron."""
        top = self.presentations or (1 << self.planes) - 1
        return (self.full + self.shortcut) * top * (2 if self.has_zeros else 1) * self.windows_summed

    @property
    def windows_summed(self) -> int:
        """Windows of an image whose counts are added up: all in an output layer, which gives its scores once."""
        return self.vectors if LAYER_TYPES[self.kind].gives_scores else 1

    @property
    def neuron_bits(self) -> int:
        """Bits that a neuron gives: its bit planes, or what a pooling needs of it."""
        return self.levels + self.has_lowest if self.pool else bits_for(self.levels)

    @property
    def pixels_in(self) -> int:
        """Pixels to an image that come; 1 where a vector comes."""
        return self.window.height * self.window.width if self.window else 1

    @property
    def pixels_out(self) -> int:
        """Pixels to an image that leave; 1 where a vector leaves."""
        if not self.window or self.windows_summed > 1:
            return 1
        size = self.window.out_size
        return math.prod(self.pool.over(*size) if self.pool else size)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel that comes, or of a vector."""
        return self.bits_in // self.pixels_in

    @property
    def bits_in(self) -> int:
        """Bits of an image that come."""
        elements = self.pixels_in * self.window.channels if self.window else self.elements
        return elements * self.planes

    @property
    def macros(self) -> int:
        """Number of macros."""
        return self.across * self.groups

    @property
    def macro(self) -> MacroType:
        """What its macros are."""
        return macro_type(self.macro_kind, self.pair_states)

    @property
    def pair_synapses(self) -> int:
        """Synapses that a pair holds."""
        return self.pair_states - 1

    @property
    def pairs(self) -> int:
        """Pairs on a word line of a macro."""
        return self.cols // self.pair_synapses

    @property
    def word_bits(self) -> int:
        """Bits of a row of a macro where it is kept in bits."""
        return self.macro.word_bits(self.pairs)

    @property
    def count_latency(self) -> int:
        """Cycles from the end of a read, its only cycle if it takes one, to the partial count of all its macros.

        Input-parallel: the way to the macros if they are many, sense, tile popcount, and the sum of H macros if H > 1.
        Input-serial: sense, and the popcount of V lanes if V > 1.
        """
        if self.is_serial:
            return self.macro.latency + self.pipelined + (self.groups > 1)
        return self.is_spread + self.macro.latency + 1 + self.pipelined + self.sum_stages

    @property
    def is_spread(self) -> bool:
        """Whether word lines and inputs take a cycle to the macros: from a memory, or across much of the chip."""
        return self.in_memory or (self.pipelined and not self.is_serial and self.macros > SPREAD_MAX)

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
        width = bits_for(self.most) + 1
        if self.is_affine:
            width = max(self.scale_width + bits_for(self.most), self.offset_width) + 1
        return whole_bytes(width)

    def used_columns(self, across: int) -> tuple[int, int]:
        """Return the columns in use of macro `across`: in every slice but the last, and in the last."""

        def used(s: int) -> int:
            return min(max(self.n_in - (s * self.across + across) * self.cols, 0), self.cols)

        return used(0), used(self.slices - 1)

    @classmethod
    def for_layer(
        cls,
        layer: HiddenLayer | ScoreLayer,
        target: Target,
        options: LayerOptions,
        before: LayerConfig | None = None,
        reads_max: int | None = None,
    ) -> LayerConfig:
        """Return the structure that suits a layer.

        Parameters
        ----------
        layer : HiddenLayer or ScoreLayer
        target : Target
        options : LayerOptions
        before : LayerConfig, optional
            Structure of the layer before.
        reads_max : int, optional
            Word lines that a vector may take, if the folding is left open. Default: the target's.
        """
        is_serial = options.dataflow == "serial"
        states = pair_states(layer, options)
        size = rows, cols = macro_size(layer, target, options)
        reads_max = reads_max or target.reads_max
        affine = layer if isinstance(layer, ScoreLayer) and layer.is_affine else None
        folding = options.folding or default_folding(layer, size, reads_max, is_serial, before)
        return cls(
            layer.kind,
            layer.n_in,
            layer.n_out,
            rows,
            cols,
            *folding,
            scale_width=signed_bits_for(affine.scales) if affine else 0,
            offset_width=signed_bits_for(affine.offsets) if affine else 0,
            macro_kind=DEFAULT_MACRO if options.macro_kind == PACKED and states == 2 else options.macro_kind,
            pipelined=target.pipelined,
            split_sums=target.split_sums,
            gates_clocks=target.gates_clocks,
            dataflow=options.dataflow,
            planes=layer.planes,
            levels=layer.levels if isinstance(layer, HiddenLayer) else 1,
            window=layer.window if isinstance(layer, Windowed) else None,
            pool=layer.pool if isinstance(layer, ConvLayer) else None,
            has_lowest=isinstance(layer, ConvLayer) and bool(layer.lowest.any()),
            in_memory=before is not None
            and not isinstance(layer, Windowed)
            and layer.planes == layer.weight_bits == 1
            and before.pixels_out > 1
            and before.n_out == folding[0] * cols,
            sense_latency=options.sense_latency,
            weight_bits=layer.weight_bits,
            converter_bits=options.converter_bits,
            pair_states=states,
            presentations=layer.presentations if isinstance(layer, DenseLayer) else 0,
            weight_max=layer.weight_max,
            shortcut=layer.shortcut if isinstance(layer, ConvLayer) else 0,
        )
