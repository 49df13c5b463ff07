"""Layers larger than a chip's macros, in passes over rewritten weights: reads, writes, energy and wear.

Weights that are rewritten come from outside of the chip, each time: what in-memory computing is there to avoid. The
study counts what that costs. One layer runs so in the RTL, through the programming registers of the engine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.cost.tiling import LayerPasses, LayerShape, NetworkPasses, network_passes, plan
from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.kernels import packed
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.technology.figure import Figure, Range
from oxnor.models.technology.technology import Technology
from oxnor.sim.harness.engine import EngineTestbench

#: The dense layers of AlexNet, which hold most of its weights: 9,216 inputs, two hidden layers, 1,000 classes.
ALEXNET = (9216, 4096, 4096, 1000)
#: How often a device can be written.
ENDURANCE = Figure(
    1e9, "writes", "published", "billions of cycles where programmed at low voltage (IEDM 2018, arXiv 1902.02528)"
)
#: Most images of a batch, and through the RTL.
BATCH_MAX, IMAGES_MAX = 10**9, 100_000
#: The layer in RTL: neurons, inputs, macros and the size of each. Nine passes, as 9,216 x 4,096 on 1,024 of 64 x 64.
RTL_LAYER, RTL_MACROS, RTL_MACRO = LayerShape(72, 32), 4, (8, 8)


@dataclass(frozen=True)
class Energy:
    """Energy of an image, in J.

    Parameters
    ----------
    batch : int
        Images against each writing of the macros; 0: all weights stay in place.
    sensing, periphery, programming, moving : Range
        Reads of the sense amplifiers and what is beside them, writes of devices, and weights from outside.
    """

    batch: int
    sensing: Range
    periphery: Range
    programming: Range
    moving: Range

    @property
    def total(self) -> Range:
        """Their sum."""
        return self.sensing + self.periphery + self.programming + self.moving

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        parts = ("sensing", "periphery", "programming", "moving", "total")
        return {"batch": self.batch} | {name: getattr(self, name).to_json() for name in parts}


@dataclass(frozen=True)
class PassesInRtl:
    """One layer in passes through the RTL.

    Parameters
    ----------
    layer : LayerPasses
    images, differ : int
        Images, and those of which a popcount is not that of the whole layer.
    row_reads : int
        Rows that macros sensed, for all images.
    operations, pulses : int
        SET and RESET of single devices: at the ports of macros, and as the engine has counted them.
    devices, most : int
        Devices written, and how often the one that was written most.
    """

    layer: LayerPasses
    images: int
    differ: int
    row_reads: int
    operations: int
    pulses: int
    devices: int
    most: int

    @property
    def expected(self) -> dict[str, int]:
        """What was counted before."""
        devices = self.layer.operations // self.layer.passes
        return {
            "differ": 0, "row_reads": self.images * self.layer.row_reads, "operations": self.layer.operations,
            "pulses": self.layer.operations, "devices": devices, "most": self.layer.passes,
        }  # fmt: skip

    @property
    def ok(self) -> bool:
        """Whether the RTL has counted the same."""
        return all(getattr(self, name) == value for name, value in self.expected.items())

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        return asdict(self) | {"passes": self.layer.passes, "expected": self.expected, "ok": self.ok}


@dataclass(frozen=True)
class TilingResult:
    """What the study has found.

    Parameters
    ----------
    passes : NetworkPasses
    energies : tuple of Energy
        With all weights in place first, then for each batch if there are too many.
    endurance : Figure
    figures : dict of str to Figure
        Numbers that went into the energies.
    rtl : PassesInRtl or None
    """

    passes: NetworkPasses
    energies: tuple[Energy, ...]
    endurance: Figure
    figures: dict[str, Figure]
    rtl: PassesInRtl | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        p = self.passes
        counts = (
            "needed", "macros", "passes_down", "passes_across", "passes", "rows_used", "row_reads", "operations",
            "weights", "partial_bits",
        )  # fmt: skip
        layers = [asdict(y) | {name: getattr(y, name) for name in counts} for y in p.layers]
        return {
            "available": p.available, "needed": p.needed, "weights_stay": p.is_resident, "layers": layers,
            "writes": p.writes, "operations": p.operations, "weights_moved": p.moved, "row_reads": p.row_reads,
            "row_reads_in_place": p.in_place.row_reads,
            "energies": [e.to_json() | {"images": p.images_of(self.endurance.low, e.batch)} for e in self.energies],
            "endurance": self.endurance.to_json(), "figures": {k: f.to_json() for k, f in self.figures.items()},
            "rtl": None if self.rtl is None else self.rtl.to_json(),
        }  # fmt: skip


def shapes_of(network: Network) -> tuple[LayerShape, ...]:
    """Return the layers of a network."""
    return tuple(LayerShape(y.n_in, y.n_out, y.vectors, y.full) for y in network.layers)


def study(
    layers: Sequence[LayerShape],
    technology: Technology,
    *,
    available: int,
    macro: tuple[int, int] = (64, 64),
    batches: Sequence[int] = (1, 64, 4096),
    endurance: Figure = ENDURANCE,
    rram: str | None = None,
) -> TilingResult:
    """Count what layers cost on so many macros.

    Parameters
    ----------
    layers : sequence of LayerShape
    technology : Technology
    available : int
        Macros of the chip.
    macro : (int, int)
        Rows and columns of each.
    batches : sequence of int
        Images that are read against the macros each time that these are written; their activations are kept.
    endurance : Figure
        How often a device can be written.
    rram : str, optional
        Macro of the technology. Default: its first.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    if not batches or not all(1 <= n <= BATCH_MAX for n in batches):
        wrong = next((n for n in batches if not 1 <= n <= BATCH_MAX), "none")
        raise InputError(f"must be numbers in [1, {BATCH_MAX}], not {wrong}", parameter="batch")
    passes = network_passes(layers, *macro, available)
    column, estimates = technology.macro(rram).at(macro[0]), technology.estimates
    figures = {
        f"read of an RRAM macro ({column.name}, {column.supply_v:g} V, {macro[0]} rows)": column.read,
        "periphery of an RRAM macro": column.periphery,
        "programming": estimates.program,
        "weights from outside": estimates.reload,
    }

    def energy(batch: int) -> Energy:
        share = 0 if batch == 0 else 1 / batch
        reads = passes.row_reads if batch else passes.in_place.row_reads
        return Energy(
            batch, column.read.range(reads * macro[1] * 1e-15), column.periphery.range(reads * 1e-12),
            estimates.program.range(passes.operations * share * 1e-12),
            estimates.reload.range(passes.moved * share * 1e-12),
        )  # fmt: skip

    batches = () if passes.is_resident else batches
    return TilingResult(passes, tuple(energy(n) for n in (0, *batches)), endurance, figures)


def in_rtl(
    layer: LayerShape = RTL_LAYER,
    available: int = RTL_MACROS,
    macro: tuple[int, int] = RTL_MACRO,
    *,
    images: int = 100,
    seed: int = 0,
    simulator: str = "verilator",
    root: Path | None = None,
) -> PassesInRtl:
    """Run a layer of random weights in passes through the RTL: program, read all images, add, and again.

    Parameters
    ----------
    layer, available, macro
        As of :func:`study`.
    images : int
        Random ones; range [1, IMAGES_MAX].
    seed : int
    simulator : str
        "verilator" or "icarus".
    root : Path, optional
        Folder of builds. Default as for :func:`oxnor.sim.runner.runner.build`.

    Raises
    ------
    oxnor.sim.runner.runner.SimulationError
        If the testbench fails.
    """
    if not 1 <= images <= IMAGES_MAX:
        raise InputError(f"must be in [1, {IMAGES_MAX}], not {images}", parameter="images")
    found = plan(layer, *macro, available)
    numbers = np.random.default_rng(seed)
    weights = numbers.random((layer.n_out, layer.n_in)) < 0.5
    bits = numbers.random((images, layer.n_in)) < 0.5
    tiles, read = _tiles(found, weights), _read(found, bits)
    network = Network("pass", (ScoreLayer(tiles[0, 0]),))
    config = EngineConfig.for_network(
        network, macro_size=macro, folding=[(found.across, found.down)], stream_width=8, programming=True
    )
    limit = 4000 + found.passes * (400 * found.macros * found.rows_used * (macro[1] // 32 + 2) + 400 * images)
    testbench = EngineTestbench(
        "engine.tb_passes", 1, simulator=simulator, cycle_limit=limit, public=simulator == "verilator"
    )
    with tempfile.TemporaryDirectory(dir=build_root(root), prefix="passes-") as folder:
        directory = Path(folder)
        np.save(directory / "weights.npy", tiles)
        np.save(directory / "bits.npy", read)
        testbench.run(network, config, directory, root)
        sums = np.load(directory / "sums.npy").reshape(images, -1)[:, : layer.n_out]
        counts = json.loads((directory / "counts.json").read_text())
    whole = packed.popcounts(pack_words(bits), pack_words(weights), layer.n_in, "numpy")
    differ = int(np.count_nonzero((sums != whole).any(axis=1)))
    names = ("row_reads", "operations", "pulses", "devices", "most")
    return PassesInRtl(found, images, differ, **{name: counts[name] for name in names})


def _tiles(p: LayerPasses, weights: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what macros hold, (passes down, passes across, neurons, inputs); 0 where there is no weight."""
    neurons, inputs = p.neurons, p.across * p.cols
    padded = np.zeros((p.passes_down * neurons, p.passes_across * inputs), bool)
    padded[: p.layer.n_out, : p.layer.n_in] = weights
    return np.ascontiguousarray(padded.reshape(p.passes_down, neurons, p.passes_across, inputs).swapaxes(1, 2))


def _read(p: LayerPasses, bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is read in each pass, (passes across, images, inputs); 1, which no 0 agrees with, beyond the last."""
    inputs = p.across * p.cols
    padded = np.ones((len(bits), p.passes_across * inputs), bool)
    padded[:, : p.layer.n_in] = bits
    return np.ascontiguousarray(padded.reshape(len(bits), p.passes_across, inputs).swapaxes(0, 1))
