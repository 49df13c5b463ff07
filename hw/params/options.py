"""What a user may ask of an engine: the options from which its structure is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from oxnor.models.base.errors import InputError

from .macro_kinds import (
    DEFAULT_MACRO,
    PACKED,
    check_converter_bits,
    check_pair_states,
    check_sense_latency,
    macro_name,
)
from .targets import DEFAULT_TARGET, TARGETS
from .widths import check_stream_width

#: Parallel: inputs on the columns, a row is a neuron. Serial: an input selects a row, a column is a neuron.
DATAFLOWS = ("parallel", "serial")
DEFAULT_DATAFLOW = DATAFLOWS[0]
#: Gives each layer the other dataflow than the layer before it.
ALTERNATE = "alternate"

#: What an engine may have beside its inference, and by default has not.
OPTIONAL_PARTS = ("fault_injector", "programming", "margin", "packed")


@dataclass(frozen=True)
class LayerOptions:
    """Options of one layer.

    Parameters
    ----------
    macro_kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    macro_size : (rows, cols), optional
        Default: the target's.
    folding : (H, V), optional
        Macros side by side, and groups at once. Default: as few macros as the target's read limit allows.
    dataflow : str
        One of :data:`DATAFLOWS`.
    sense_latency : int
        Cycles that a macro takes to sense a row, in [1, 64]: one read in so many. Of kind `cells`, for each access.
    converter_bits : int
        Bits of a converter between each macro and the adder tree, as an analog array has it; 0: there is none.
    pair_states : int
        2: a pair holds a synapse. 3: it holds two of those that make up one weight, of layers whose weights have an
        even number of them: a ternary weight is one pair. Other layers stay as they are.
    """

    macro_kind: str = DEFAULT_MACRO
    macro_size: tuple[int, int] | None = None
    folding: tuple[int, int] | None = None
    dataflow: str = DEFAULT_DATAFLOW
    sense_latency: int = 1
    converter_bits: int = 0
    pair_states: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "macro_kind", macro_name(self.macro_kind, self.pair_states))
        check_sense_latency(self.sense_latency)
        check_converter_bits(self.converter_bits)
        check_pair_states(self.pair_states)


@dataclass(frozen=True)
class EngineOptions:
    """Options of an engine, with the defaults of its target.

    Parameters
    ----------
    target : str
        A key of :data:`oxnor.hw.params.targets.TARGETS`: the defaults of what is not given.
    stream_width : int, optional
        Bits a beat of the input stream.
    with_scores : bool, optional
        Whether the result has the scores beside the class.
    fault_injector : bool
        Whether reads can be given errors.
    programming : bool
        Whether macros can be programmed.
    margin : bool
        Whether the result has the margin of the class, and says if that is below the least in a register.
    packed : bool
        Whether ternary weights are kept five to a byte, of layers that have them: in a memory that is never programmed.
    layers : LayerOptions or tuple of LayerOptions
        Of all layers, or of each.

    Raises
    ------
    InputError
        If there is no such target.
    """

    target: str = DEFAULT_TARGET
    stream_width: int | None = None
    with_scores: bool | None = None
    fault_injector: bool = False
    programming: bool = False
    margin: bool = False
    packed: bool = False
    layers: LayerOptions | tuple[LayerOptions, ...] = LayerOptions()

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(f"must be one of {', '.join(TARGETS)}, not {self.target!r}", parameter="target")
        if self.stream_width is not None:
            check_stream_width(self.stream_width)

    def for_layers(self, count: int) -> tuple[LayerOptions, ...]:
        """Return the options of each of `count` layers.

        Raises
        ------
        InputError
            If there are options for another number of layers.
        """
        if isinstance(self.layers, LayerOptions):
            return (self.layers,) * count
        if len(self.layers) != count:
            raise InputError(f"must be options of {count} layers, not of {len(self.layers)}", parameter="layers")
        return self.layers

    def structures(self, count: int) -> tuple[LayerOptions, ...]:
        """Return the options of each of `count` layers with what `packed` makes of them.

        Raises
        ------
        InputError
            If macros of another type are asked for besides.
        """
        layers = self.for_layers(count)
        if not self.packed:
            return layers
        if other := [o.macro_kind for o in layers if o.macro_kind != DEFAULT_MACRO]:
            raise InputError(f"must not be asked of macros of type {other[0]}", parameter="packed")
        return tuple(replace(o, macro_kind=PACKED, pair_states=3) for o in layers)

    def changed(self, count: int, **changes: Any) -> EngineOptions:
        """Return the options of an engine of `count` layers with some of them changed.

        Parameters
        ----------
        count : int
            Layers of the network.
        **changes
            Fields of :class:`EngineOptions`, or of :class:`LayerOptions` for all layers: a list has a value for each
            layer. A dataflow may be what :func:`dataflow_of_each` takes.

        Raises
        ------
        TypeError
            If there is no such option.
        InputError
            If a list has another length than the network has layers, or there is no such dataflow.
        """
        of_engine = {f.name for f in fields(EngineOptions)}
        of_layers = {f.name for f in fields(LayerOptions)}
        if unknown := sorted(changes.keys() - of_engine - of_layers):
            raise TypeError(f"An engine has no option {unknown[0]!r}")
        options = replace(self, **{name: changes[name] for name in of_engine & changes.keys()})
        changed = {name: changes[name] for name in of_layers & changes.keys()}
        if not changed:
            return options
        columns = {name: _of_each(name, value, count) for name, value in changed.items()}
        layers = tuple(
            replace(layer, **{name: values[k] for name, values in columns.items()})
            for k, layer in enumerate(options.for_layers(count))
        )
        return replace(options, layers=layers)


def dataflow_of_each(dataflow: str, count: int) -> tuple[str, ...]:
    """Return the dataflow of each of `count` layers.

    Parameters
    ----------
    dataflow : str
        One of :data:`DATAFLOWS` for all layers, one for each layer, separated by commas, or :data:`ALTERNATE`, which
        begins with ``parallel``.
    count : int
        Layers.

    Raises
    ------
    InputError
        If there is no such dataflow.
    """
    names = [name.strip() for name in dataflow.split(",")]
    if names == [ALTERNATE]:
        return tuple(DATAFLOWS[k % len(DATAFLOWS)] for k in range(count))
    if len(names) == 1:
        names *= count
    if len(names) != count or not set(names) <= set(DATAFLOWS):
        raise InputError(
            f"must be {', '.join(DATAFLOWS)} or {ALTERNATE}, or one of {' and '.join(DATAFLOWS)} for each of"
            f" {count} layers, not {dataflow!r}",
            parameter="dataflow",
        )
    return tuple(names)


def _of_each(name: str, value: Any, count: int) -> Sequence[Any]:
    """Return a layer option of each of `count` layers."""
    if name == "dataflow" and isinstance(value, str):
        return dataflow_of_each(value, count)
    if name == "folding" and value is not None and not _is_pair(value):
        if len(value) != count:
            raise InputError(f"must be {count} pairs (H, V), one a layer, not {len(value)}", parameter="folding")
        return value
    if not isinstance(value, list):
        return [value] * count
    if len(value) != count:
        raise InputError(f"must be one value or {count}, one a layer, not {len(value)}", parameter=name)
    return value


def _is_pair(value: Sequence[Any]) -> bool:
    return len(value) == 2 and all(isinstance(v, int) for v in value)
