"""The folding for a chip of an engine with convolutions: macros as deep as their layer's windows allow.

A layer that is read for few windows has time for many rows: its macros are several block RAMs deep, narrow, and take
little logic. One that is read for many windows needs many synapses at once, of few rows: its macros are look-up tables.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer_sizes import can_group
from oxnor.hw.params.pixels import gather_cycles
from oxnor.hw.params.schedule import schedule
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.windowed import Windowed

from .boards.board import Chip
from .engines import (
    LUTS_PER_BIT,
    LUTS_PER_MACRO,
    LUTS_PER_PACKED,
    USABLE,
    Folding,
    SearchResult,
    engine_for,
    fixed_luts,
)
from .memories import (
    ROWS_IN_LOGIC,
    Fold,
    Layer,
    block_rams,
    is_packed,
    link_rams,
    macro_rams,
    macro_size,
    pixel_memories,
    row_bits,
    row_synapses,
)
from .report import bound_cycles

#: Look-up tables to a bit of a macro of so many rows in logic.
LUTS_PER_COLUMN = ((2, 0.0), (16, 1.0), (32, 3.0))


@dataclass(frozen=True)
class Choice:
    """A folding of one layer.

    Parameters
    ----------
    fold : (H, V)
    interval : int
        Cycles to an image.
    rams, luts : int
        What its macros take.
    """

    fold: Fold
    interval: int
    rams: int
    luts: int


def choices(
    layer: Layer, before: Layer | None, chip: Chip, parts: Mapping[str, bool], per_bit: float, per_macro: float
) -> list[Choice]:
    """Return the foldings of a layer of which no other is as fast and takes no more.

    Parameters
    ----------
    layer, before : HiddenLayer or ScoreLayer
    chip : Chip
    parts : mapping of str to bool
        As for :func:`oxnor.fpga.engines.engine_for`.
    per_bit, per_macro : float
        Look-up tables of a column that is read, and of a macro.
    """
    found: dict[tuple[int, int], Choice] = {}
    vectors = layer.vectors // layer.planes
    shortest = gather_cycles(layer.window) if isinstance(layer, Windowed) else 1
    words = -(-layer.n_in // row_synapses(layer, chip, parts))
    unpack = LUTS_PER_PACKED[chip.family] / 8 if is_packed(layer, parts) else 0.0
    across_of = {1} | {-(-words // s) for s in range(1, words + 1)}
    groups_of = {-(-layer.n_out // passes) for passes in range(1, layer.n_out + 1)}
    if isinstance(layer, Windowed):
        groups_of = {v for v in groups_of if can_group(v, layer.n_out, layer.window.groups)}
    for across in across_of:
        for groups in groups_of:
            rows, cols = macro_size(layer, before, chip, (across, groups), parts)
            word_lines = -(-layer.n_in // (across * cols)) * -(-layer.n_out // groups)
            if word_lines > rows:
                continue
            macros, bits = across * groups, row_bits(layer, cols, parts)
            in_logic = rows == word_lines and rows <= ROWS_IN_LOGIC[chip.family] and not parts.get("programming")
            rams = 0 if in_logic else macros * block_rams(chip, rows, bits)
            rom = next(n for most, n in LUTS_PER_COLUMN if rows <= most) if in_logic else 0
            read = cols * per_bit + bits * (rom + unpack)
            luts = round(macros * (read + per_macro) + groups * 3 * layer.n_in.bit_length())
            interval = vectors * max(word_lines * layer.planes, shortest)
            choice = Choice((across, groups), interval, rams, luts)
            known = found.get((interval, rams))
            if known is None or luts < known.luts:
                found[interval, rams] = choice
    return list(found.values())


def smallest(per_layer: Sequence[Sequence[Choice]], interval: int, rams: int | None) -> tuple[Choice, ...] | None:
    """Return the choices of fewest look-up tables that keep an interval and fit in so many block RAMs; None if none.

    Without a limit they are those of fewest block RAMs.
    """
    best: dict[int, tuple[int, tuple[Choice, ...]]] = {0: (0, ())}
    for layer in per_layer:
        nexts: dict[int, tuple[int, tuple[Choice, ...]]] = {}
        for choice in layer:
            if choice.interval > interval:
                continue
            for used, (luts, so_far) in best.items():
                total, key = luts + choice.luts, used + choice.rams
                if (rams is None or key <= rams) and (key not in nexts or total < nexts[key][0]):
                    nexts[key] = total, (*so_far, choice)
        # What takes more of both than another is not needed.
        best, least = {}, None
        for key in sorted(nexts):
            if least is None or nexts[key][0] < least:
                best[key], least = nexts[key], nexts[key][0]
    if not best:
        return None
    return best[min(best)][1] if rams is None else min(best.values(), key=lambda value: value[0])[1]


def intervals(per_layer: Sequence[Sequence[Choice]]) -> list[int]:
    """Return all intervals at which some layer has another choice, none shorter than every layer can keep."""
    shortest = max(min(c.interval for c in layer) for layer in per_layer)
    return sorted({c.interval for layer in per_layer for c in layer if c.interval >= shortest})


@dataclass
class ConvSearch:
    """The search for a network with convolutions on a chip."""

    network: Network
    chip: Chip
    parts: dict[str, bool]

    @cached_property
    def per_layer(self) -> list[list[Choice]]:
        """Foldings of each layer."""
        f = self.chip.family
        befores = (None, *self.network.layers)
        found = [
            choices(layer, before, self.chip, self.parts, LUTS_PER_BIT[f], LUTS_PER_MACRO[f])
            for layer, before in zip(self.network.layers, befores, strict=False)
        ]
        if [] in found:
            raise InputError(f"network {self.network.name!r}: layer {found.index([])} needs more rows than memories of"
                             f" {self.chip.name} have")  # fmt: skip
        return found

    @cached_property
    def made(self) -> dict[int, tuple[EngineConfig, Folding]]:
        """Engines by the interval that they were made for."""
        return {}

    def engine(self, interval: int) -> Folding:
        """Return the smallest engine whose layers keep an interval: of fewest block RAMs if none has few enough."""
        if interval in self.made:
            return self.made[interval][1]
        chip, rams = self.chip, self.chip.block_rams
        # The memories of pixels take some block RAMs; how many depends on the folding.
        while True:
            chosen = smallest(self.per_layer, interval, rams)
            has_room = chosen is not None
            chosen = chosen or smallest(self.per_layer, interval, None)
            assert chosen is not None
            folds = tuple(choice.fold for choice in chosen)
            config = engine_for(self.network, chip, folds, **self.parts)
            used = macro_rams(config, chip) + sum(m.block_rams for m in pixel_memories(config, chip))
            used += link_rams(config, chip)
            if used <= chip.block_rams or not has_room:
                break
            rams -= used - chip.block_rams
        luts = round(fixed_luts(config, chip) + sum(choice.luts for choice in chosen))
        self.made[interval] = config, Folding(folds, schedule(config).initiation_interval, used, luts)
        return self.made[interval][1]

    @property
    def luts_max(self) -> int:
        """Look-up tables that can be placed."""
        return int(USABLE[self.chip.family] * self.chip.luts)

    def fits(self, folding: Folding) -> bool:
        """Return whether an engine fits on the chip."""
        return folding.macros <= self.chip.block_rams and folding.luts <= self.luts_max

    def chosen(self, interval: int | None) -> int:
        """Return the interval to make the engine for: of the fastest that fits, or of the smallest of a given speed."""
        candidates = intervals(self.per_layer)
        if interval is None:
            k = bisect_left(candidates, True, key=lambda at_most: self.fits(self.engine(at_most)))
            return candidates[min(k, len(candidates) - 1)]
        k = bisect_left(candidates, True, key=lambda at_most: self.engine(at_most).interval > interval)
        if not k:
            fastest = self.engine(candidates[0]).interval
            raise InputError(f"must be {fastest:,} or more for this network, not {interval:,}", parameter="interval")
        return candidates[k - 1]

    def run(self, interval: int | None) -> SearchResult:
        """Return the engine and why it is this one; raise InputError if it does not fit."""
        chip = self.chip
        steps = [
            (
                f"{chip.name} has {chip.block_rams} block RAMs and {chip.luts:,} LUT4, of which {self.luts_max:,} can"
                " be placed; macros of few rows are made of LUT4"
            )
        ]
        at_most = self.chosen(interval)
        folding = self.engine(at_most)
        tried = sorted({made for _, made in self.made.values()}, key=lambda made: made.interval)
        steps += [
            f"{made.interval:,} cycles: {made.macros} block RAMs and about {made.luts:,} LUT4"
            f" {'fit' if self.fits(made) else 'do not fit'}"
            for made in tried
        ]
        if not self.fits(folding):
            advice = "ask for a longer `interval`, or " if interval is not None else ""
            raise InputError(
                f"network {self.network.name!r} does not fit on {chip.name}: at {folding.interval:,} cycles an image it"
                f" needs {folding.macros} block RAMs of {chip.block_rams} and about {folding.luts:,} LUT4 of"
                f" {self.luts_max:,}; {advice}take a larger board"
            )
        config = self.made[at_most][0]
        bound = bound_cycles(config, chip)
        steps.append(
            f"if all block RAMs read synapses in every cycle, an image would take {bound:,.1f} cycles: this engine"
            f" takes {folding.interval / bound:.2f} times as many"
        )
        return SearchResult(config, folding, tuple(steps))
