"""The folding for a chip: the fastest engine whose macros and logic fit."""

from __future__ import annotations

from oxnor.hw.interface.link_protocol import WORD
from oxnor.hw.params.targets import TARGETS
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network

from .boards.board import Chip
from .conv_search import ConvSearch
from .engines import USABLE, Folding, SearchResult, engine_for, fixed_luts, has_windows, macro_luts
from .memories import row_synapses
from .report import bound_cycles


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


def folding_for(network: Network, chip: Chip, reads: int, **parts: bool) -> Folding | None:
    """Return the smallest folding whose layers take at most `reads` reads each, None if there is none.

    The other parameters are those of :func:`engine_for`; they take logic.
    """
    target = TARGETS[chip.target]
    folds = []
    for layer in network.layers:
        fold = _fold(layer.n_in, layer.n_out, target.rows, row_synapses(layer, chip, parts), reads)
        if fold is None:
            return None
        folds.append(fold)
    config = engine_for(network, chip, folds, **parts)
    luts = round(fixed_luts(config, chip) + macro_luts(config, chip))
    interval = max(config.beats, *(y.read_cycles for y in config.layers))
    return Folding(tuple(folds), interval, sum(y.macros for y in config.layers), luts)


def find_engine(network: Network, chip: Chip, interval: int | None = None, **parts: bool) -> SearchResult:
    """Return the fastest engine that fits, or the smallest of a given speed.

    Parameters
    ----------
    network : Network
    chip : Chip
    interval : int, optional
        Clock cycles from image to image that are enough.
    **parts
        As for :func:`engine_for`.

    Raises
    ------
    InputError
        If nothing fits; the sentence says by how much.
    """
    if interval is not None and interval < 1:
        raise InputError(f"must be 1 or more, not {interval}", parameter="interval")
    if has_windows(network):
        return ConvSearch(network, chip, parts).run(interval)
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
        folding = folding_for(network, chip, reads, **parts)
        if folding is not None:
            fits = folding.macros <= rams and folding.luts <= luts
            if closest is None or folding.folds != closest.folds:
                steps.append(
                    f"{folding.interval} cycles: {folding.macros} block RAMs and about {folding.luts:,} LUT4"
                    f" {'fit' if fits else 'do not fit'}"
                )
            closest = folding
            if fits:
                config = engine_for(network, chip, folding.folds, **parts)
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
