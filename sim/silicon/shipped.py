"""Computes the energies of shipped networks again: ``python -m oxnor.sim.silicon.shipped [NETWORK ...]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.models import zoo
from oxnor.models.base.files import write_text
from oxnor.models.datasets.options import DataOptions
from oxnor.models.technology import engines
from oxnor.models.technology.technology import load
from oxnor.sim.verify.inputs import inputs_for

from .energy import energy

#: Networks that are shipped with their energy, at the defaults of the target asic; images through the gates of each.
NETWORKS = {"mnist-tfc": 1000, "mnist-sfc": 1000, "mnist-mlp": 100, "mnist-cnn-small": 20}


def entry(name: str, images: int, root: Path | None = None) -> dict[str, Any]:
    """Return the entry of a shipped network."""
    network = zoo.load(name)
    config = EngineConfig.for_network(network, target="asic")
    report = energy(network, inputs_for(network, DataOptions(images=images)), config, load(), root=root)
    rram, sram = report.figures("rram"), report.figures("sram")
    values = (
        name, report.digital["total_pj"], report.area_um2 * 1e-6, report.clock_mhz("rram"), rram["nj_per_image"],
        rram["area_mm2"], sram["nj_per_image"], sram["area_mm2"], report.gates.images, report.gates.differ,
    )  # fmt: skip
    digests = {"network_digest": network.digest, "engine_digest": config.digest, "tool": report.gates.tool,
               "verilog_digest": report.gates.verilog}  # fmt: skip
    return dict(zip(engines.FIELDS, map(_rounded, values), strict=True)) | digests


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main(names: list[str]) -> None:
    """Write the entries of some networks, or of all, into the shipped file; the others stay."""
    kept = {e["network"]: e for e in engines.entries()}
    for name in names or NETWORKS:
        kept[name] = entry(name, NETWORKS[name])
        print(json.dumps(kept[name]))
        lines = ",\n".join(json.dumps(kept[n]) for n in NETWORKS if n in kept)
        write_text(engines.path(), f'{{"format": "oxnor-energy", "version": 1, "engines": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(sys.argv[1:])
