"""The folding for a chip: the fastest engine whose macros and logic fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oxnor.hw.interface.link_protocol import WORD
from oxnor.hw.macros.fault_injector import block_count
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.hw.params.targets import TARGETS
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network

from .boards import Chip
from .report import bound_cycles

#: Logic of a design, in 4-input look-up tables: per synapse bit that is read in a cycle (XNOR, popcount, input
#: register), per bit of a layer's input register and of the frame assembler, per macro (its count and its place in the
#: sum), and for the rest (host link, registers). Fitted to routed builds of both families, within 5 %.
LUTS_PER_BIT = {"ice40": 3.25, "ecp5": 2.75}
LUTS_PER_REGISTER = {"ice40": 1.0, "ecp5": 0.5}
LUTS_PER_MACRO = {"ice40": 14, "ecp5": 12}
LUTS_BASE = {"ice40": 1930, "ecp5": 1200}
#: What options of an engine add: the fault injector for each block of 64 columns of a lane and each layer's key, the
#: programming controller for itself and each macro. From the synthesis of small networks.
LUTS_PER_BLOCK, LUTS_PER_KEY = 2750, 3300
LUTS_CONTROLLER = {"ice40": 1500, "ecp5": 1450}
LUTS_PER_PROGRAMMED = {"ice40": 75, "ecp5": 90}
#: Share of a chip's logic that placement can use.
USABLE = {"ice40": 0.98, "ecp5": 0.85}


@dataclass(frozen=True)
class Folding:
    """A folding, and what it is thought to take.

    Parameters
    ----------
    folds : tuple of (H, V)
        One a layer.
    interval : int
        Clock cycles from image to image.
    macros : int
        Macros, that is block RAMs.
    luts : int
        Estimate.
    """

    folds: tuple[tuple[int, int], ...]
    interval: int
    macros: int
    luts: int


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The engine for a chip, and why it is this one.

    Parameters
    ----------
    config : EngineConfig
        The fastest engine that fits.
    folding : Folding
    steps : tuple of str
        One sentence a step, for people.
    """

    config: EngineConfig
    folding: Folding
    steps: tuple[str, ...]

    def __repr__(self) -> str:
        return f"SearchResult({self.config!r}, {len(self.steps)} steps)"


def _fold(n_in: int, n_out: int, rows: int, cols: int, reads: int) -> tuple[int, int] | None:
    """Return the (H, V) of fewest macros, and then of fewest lanes, that needs at most `reads` reads."""
    best = None
    for v in range(1, n_out + 1):
        passes = -(-n_out // v)
        slices = min(min(reads, rows) // passes, -(-n_in // cols))
        if slices >= 1:
            h = -(-n_in // (slices * cols))
            if best is None or h * v < best[0] * best[1]:
                best = (h, v)
    return best


def engine_for(
    network: Network,
    chip: Chip,
    folding: Sequence[tuple[int, int] | None],
    *,
    fault_injector: bool = False,
    programming: bool = False,
) -> EngineConfig:
    """Return an engine of a chip as the host link drives it.

    Parameters
    ----------
    network : Network
    chip : Chip
    folding : sequence of (H, V)
        One a layer.
    fault_injector, programming : bool
        As in :class:`oxnor.hw.params.options.EngineOptions`.
    """
    layers = tuple(LayerOptions(folding=fold) for fold in folding)
    return EngineConfig.for_network(
        network, EngineOptions(chip.target, WORD, False, fault_injector, programming, layers)
    )


def folding_for(
    network: Network, chip: Chip, reads: int, *, fault_injector: bool = False, programming: bool = False
) -> Folding | None:
    """Return the smallest folding whose layers take at most `reads` reads each, None if there is none.

    The other parameters are those of :func:`engine_for`; they take logic.
    """
    target = TARGETS[chip.target]
    assert target.cols is not None
    folds = []
    for layer in network.layers:
        fold = _fold(layer.n_in, layer.n_out, target.rows, target.cols, reads)
        if fold is None:
            return None
        folds.append(fold)
    config = engine_for(network, chip, folds, fault_injector=fault_injector, programming=programming)
    f = chip.family
    luts = LUTS_BASE[f] + LUTS_PER_REGISTER[f] * config.beats * WORD
    for y in config.layers:
        luts += LUTS_PER_BIT[f] * y.macros * y.cols + LUTS_PER_MACRO[f] * y.macros
        luts += LUTS_PER_REGISTER[f] * y.slices * y.across * y.cols
        luts += config.fault_injector * (LUTS_PER_KEY + LUTS_PER_BLOCK * y.groups * block_count(y))
        luts += config.programming * LUTS_PER_PROGRAMMED[f] * y.macros
    luts += config.programming * LUTS_CONTROLLER[f]
    interval = max(config.beats, *(y.reads for y in config.layers))
    return Folding(tuple(folds), interval, sum(y.macros for y in config.layers), round(luts))


def find_engine(
    network: Network,
    chip: Chip,
    interval: int | None = None,
    *,
    fault_injector: bool = False,
    programming: bool = False,
) -> SearchResult:
    """Return the fastest engine that fits, or the smallest of a given speed.

    Parameters
    ----------
    network : Network
    chip : Chip
    interval : int, optional
        Clock cycles from image to image that are enough.
    fault_injector, programming : bool
        As for :func:`engine_for`.

    Raises
    ------
    InputError
        If nothing fits; the sentence says by how much.
    """
    if interval is not None and interval < 1:
        raise InputError(f"must be 1 or more, not {interval}", parameter="interval")
    target = TARGETS[chip.target]
    beats = -(-network.n_in // WORD)
    rams, luts = chip.block_rams, int(USABLE[chip.family] * chip.luts)
    steps = [
        (
            f"{chip.name} has {rams} block RAMs of {target.rows} x {target.cols} and {chip.luts:,} LUT4,"
            f" of which {luts:,} can be placed"
        ),
        f"an image takes {beats} beats of {WORD} bits, so that no interval is shorter than {beats} cycles",
    ]
    closest: Folding | None = None
    reads = interval if interval is not None else beats
    while reads <= target.rows:
        folding = folding_for(network, chip, reads, fault_injector=fault_injector, programming=programming)
        if folding is not None:
            fits = folding.macros <= rams and folding.luts <= luts
            if closest is None or folding.folds != closest.folds:
                steps.append(
                    f"{folding.interval} cycles: {folding.macros} block RAMs and about {folding.luts:,} LUT4"
                    f" {'fit' if fits else 'do not fit'}"
                )
            closest = folding
            if fits:
                config = engine_for(
                    network, chip, folding.folds, fault_injector=fault_injector, programming=programming
                )
                bound = bound_cycles(config, chip)
                steps.append(
                    f"if all block RAMs read synapses in every cycle, an image would take {bound:.1f} cycles:"
                    f" this engine takes {folding.interval / bound:.2f} times as many"
                )
                return SearchResult(config, folding, tuple(steps))
        if interval is not None:
            break
        reads += 1
    if closest is None:
        raise InputError(f"network {network.name!r}: its layers need more than {target.rows} rows on {chip.name}")
    what = f"{closest.macros} block RAMs of {rams} and about {closest.luts:,} LUT4 of {luts:,}"
    advice = "take a larger board" if interval is None else "ask for a longer `interval`, or take a larger board"
    raise InputError(
        f"network {network.name!r} does not fit on {chip.name}: at {closest.interval} cycles an image it needs"
        f" {what}; {advice}"
    )
