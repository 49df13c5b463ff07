"""Energy, latency and area of an inference as ranges: counts of the network times cited unit figures.

Every figure has a source and a tag, that of the weakest of what went in (:data:`TAGS`). :func:`synthesized` replaces
those of the two rows that ``oxnor energy`` has computed; nothing else knows where costs come from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models.analog import converter_cost as adc
from oxnor.models.analog.binarized import ArrayOptions
from oxnor.models.analog.mapping import sign_mapping
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading
from oxnor.models.networks.binarized import Network
from oxnor.models.technology.figure import Figure

TAGS = {
    "published": "from published figures",
    "simulated": "of the engine's gates in a technology, by `oxnor energy`; the RRAM macro with its range",
    "chosen": "an estimate: C V^2 with a chosen capacitance, or a chosen clock; measured by nobody",
}


def shown(figure: Figure) -> str:
    """Return a figure in J, s or m2 as a range with a prefix."""
    for power, prefix in ((-3, "m"), (-6, "u"), (-9, "n"), (-12, "p")):
        # Areas in mm2 and um2: a prefix is squared.
        scale = 10.0 ** (power * (2 if figure.unit == "m2" else 1))
        least = 0.01 * scale if figure.unit == "m2" and prefix == "m" else scale
        if figure.top >= least or (figure.unit == "m2" and prefix == "u") or prefix == "p":
            ends = (figure.low / scale, figure.top / scale)
            low, high = (f"{v:.2g}" if v < 100 else f"{v:.0f}" for v in ends)
            return f"{low} to {high} {prefix}{figure.unit}" if low != high else f"{low} {prefix}{figure.unit}"
    raise AssertionError


@dataclass(frozen=True)
class Costs:
    """What an inference costs; None is not counted: no source was found. `node` is that of the figures."""

    energy: Figure | None = None
    latency: Figure | None = None
    area: Figure | None = None
    node: str = ""


@dataclass(frozen=True)
class Counts:
    """What a network does for one image.

    Parameters
    ----------
    products : int
        Of an input bit and a weight.
    layers : tuple of (int, int, int)
        Synapses of a neuron, neurons, and vectors read for an image, of each layer.
    """

    products: int
    layers: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, network: Network) -> Counts:
        """Return the counts of a network."""
        layers = tuple((y.n_in, y.n_out, y.vectors) for y in network.layers)
        return cls(sum(a * b * v for a, b, v in layers), layers)

    @property
    def weights(self) -> int:
        """Weights that are stored."""
        return sum(a * b for a, b, _ in self.layers)

    def conversions(self, rows: int, each: int = 1) -> int:
        """Return the conversions of an image, with so many rows to a conversion and `each` to a sum."""
        return each * sum(math.ceil(a / rows) * b * v for a, b, v in self.layers)


#: Energy of one product: two branches of 55 fF at 1.2 V (130 nm), of 10 fF at 0.9 V (28 nm).
SENSE_PJ = (0.016, 0.16)
#: Of adding one bit: a tenth of a binary operation of a published chip, and all of it (BrainTTA, 35 fJ).
COUNT_PJ = (0.005, 0.035)
#: Of one binary product in published digital chips: 617 TOPS/W (10 nm), and two operations of 35 fJ (BrainTTA).
CHIP_PJ = (0.0032, 0.070)
#: A cell's read, and a row's driver, in ISAAC as the PUMA simulator (MIT) has it.
CELL_PJ, ROW_PJ = 0.0018, 0.39
#: A product of an 8-bit tile with resistive memory (14 nm, arXiv 1707.09952) takes this time.
TILE_S = 0.38e-6
#: Clock of the digital engine.
CLOCK_HZ = (10e6, 100e6)
#: Columns that share a converter: NeuroSim's default, ISAAC.
SHARED = (8, 128)
#: Areas of cells in squares of the feature size, of which the area is that at 28 nm.
FEATURE_M = 28e-9
CELL_F2 = {"1T1R": 48, "crossbar": 4}


def _energy(products: int, low: float, high: float, tag: str, source: str) -> Figure:
    return Figure(products * low * 1e-12, "J", tag, source, products * high * 1e-12)


def _cells(cells: float, low: float, high: float) -> Figure:
    source = "1T1R 48 F^2 (NeuroSim), crossbar 4 F^2, F = 28 nm; cells alone"
    return Figure(cells * low * FEATURE_M**2, "m2", "published", source, cells * high * FEATURE_M**2)


def digital(network: Network, cells: float) -> Costs:
    """Return what a digital read costs, with so many devices to a weight.

    Parameters
    ----------
    network : Network
    cells : float
        2 for a pair; 1 for a single device, more with a code.
    """
    counts = Counts.of(network)
    # A pair is read by one sense amplifier, and so is a single device: a code's check bits are read besides.
    reads = 1.0 if cells == 2 else cells
    source = "C V^2 of two branches, 28 nm and 130 nm, and a popcount of 5 to 35 fJ a bit; estimates"
    low, high = (reads * sense + count for sense, count in zip(SENSE_PJ, COUNT_PJ, strict=True))
    energy = _energy(counts.products, low, high, "chosen", source)
    cycles = schedule(EngineConfig.for_network(network, target="asic")).latency
    words = f"{cycles:,} cycles of the engine (exact), 10 to 100 MHz (chosen)"
    latency = Figure(cycles / CLOCK_HZ[1], "s", "chosen", words, cycles / CLOCK_HZ[0])
    each = CELL_F2["1T1R"]
    return Costs(energy, latency, _cells(counts.weights * cells, each, each), "28 to 130 nm")


def sram(network: Network) -> Costs:
    """Return what published digital chips with SRAM would take."""
    source = "published chips: 617 TOPS/W (10 nm) to 35 fJ an operation, two a product (BrainTTA)"
    return Costs(_energy(Counts.of(network).products, *CHIP_PJ, "published", source), node="10 nm, unknown")


def analog(network: Network, options: ArrayOptions, nm: float | None = None) -> Costs:
    """Return what analog arrays cost, at a node for which there is a converter; nothing with an ideal converter.

    Cells and drivers are those of ISAAC at every node: voltages and resistances of a memory do not scale.
    """
    bits = options.adc_bits
    if not bits:
        return Costs()
    counts, law = Counts.of(network), sign_mapping(options.mapping)
    conversions = counts.conversions(options.rows, law.conversions)
    drives = law.conversions * sum(a * v * math.ceil(b / options.columns) for a, b, v in counts.layers)
    rest = counts.products * law.cells * law.conversions * CELL_PJ + drives * ROW_PJ
    least, most = (int(nm), nm) if nm in adc.NODES else (22, 28.0)
    low, high = conversions * adc.sar_energy(bits, least) + rest, conversions * adc.survey_energy(bits, most) + rest
    bounds = f"NeuroSim's SAR ({least} nm) to the survey bound ({most:g} nm)"
    source = f"{conversions:,} conversions: {bounds}; cells and drivers of ISAAC (PUMA)"
    energy = Figure(low * 1e-12, "J", "published", source, high * 1e-12)
    vectors = law.conversions * sum(v for _, _, v in counts.layers)
    fast = vectors * SHARED[0] * adc.sar_seconds(bits)
    words = "8 columns to a converter (NeuroSim) to 0.38 us a product (arXiv 1707.09952); one layer after the other"
    ends = sorted((fast, vectors * TILE_S))
    latency = Figure(ends[0], "s", "published", words, ends[1])
    parts = sum(math.ceil(a / options.rows) * b for a, b, _ in counts.layers)
    converter = adc.survey_area(bits, most) * 1e-12
    cells = counts.weights * law.cells * (most * 1e-9) ** 2
    small, large = (
        cells * CELL_F2[kind] + parts / shared * converter
        for kind, shared in (("crossbar", SHARED[1]), ("1T1R", SHARED[0]))
    )
    words = f"cells of 4 to 48 F^2 at {most:g} nm, and a converter of the survey to 128 (ISAAC) or 8 columns"
    node = f"{least} nm" if least == most else f"{least}, {most:g} nm"
    return Costs(energy, latency, Figure(small, "m2", "published", words, large), node)


def synthesized(network: Network, path: str | Path) -> Mapping[str, Costs]:
    """Return what ``oxnor energy NETWORK --json`` said of an engine: by "2T2R" and "SRAM".

    Raises
    ------
    InputError
        If the file is another, or of another network.
    """
    path = Path(path)
    with reading(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        report = json.loads(text)
        name, technology = report["network"], str(report["technology"])
        nm = float(report["node_nm"])
        found = {kind: _of_report(report[key], technology, nm) for kind, key in (("2T2R", "rram"), ("SRAM", "sram"))}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: is not what `oxnor energy NETWORK --json` prints") from None
    if name != network.name:
        raise InputError(f"{path}: is of network {name!r}, not of {network.name!r}")
    return found


def _of_report(figures: Mapping[str, Any], technology: str, nm: float) -> Costs:
    low, high = (float(v) * 1e-9 for v in figures["nj_per_image"])
    seconds, area = float(figures["latency_us"]) * 1e-6, float(figures["area_mm2"]) * 1e-6
    made = ("simulated", f"oxnor energy, {technology}")
    figures_of = Figure(low, "J", *made, high), Figure(seconds, "s", *made), Figure(area, "m2", *made)
    return Costs(*figures_of, f"{nm:g} nm")
