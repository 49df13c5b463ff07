"""What LibreLane asks for beside the Verilog: its configuration, with the hard macros and where they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig

#: Folder of the flow's files, beside ``rtl``.
FOLDER = "librelane"
#: Clock period, in ns, and part of the core that cells take, in percent: chosen.
PERIOD_NS, UTILIZATION = 10, 40


def hard_macros(config: EngineConfig | SpikingConfig) -> dict[str, list[str]]:
    """Return the instances of the macros that a chip brings itself, by module, as a flat netlist of the engine has them.

    These are macros that are ports alone, and those behind a bus, of which there is a model only; macros of other kinds
    are synthesized.
    """
    found: dict[str, list[str]] = {}
    if isinstance(config, SpikingConfig):
        return found
    for k, layer in enumerate(config.layers):
        macro = layer.macro
        if macro.can_simulate and not macro.accesses:
            continue
        inner = "macro.cells" if macro.accesses else "macro"
        found.setdefault(macro.module, []).extend(
            f"layer{k}.array.tile_v{v}_h{h}.{inner}" for v in range(layer.groups) for h in range(layer.across)
        )
    return found


def configuration(config: EngineConfig | SpikingConfig, top: str, sources: Mapping[str, str], within: str = "") -> str:
    """Return ``config.json`` of LibreLane, version 3 (its Classic flow).

    Parameters
    ----------
    config : EngineConfig or SpikingConfig
    top : str
        Module to harden.
    sources : mapping
        Names of the Verilog files, of the whole design.
    within : str
        Path of the engine in the top module, with a dot at its end; empty if it is the top.
    """
    macros = hard_macros(config)
    stubs = {f"{module}.sv" for module in macros}
    values: dict[str, Any] = {
        "DESIGN_NAME": top,
        "VERILOG_FILES": [f"dir::../rtl/{name}" for name in sources if name not in stubs],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": PERIOD_NS,
        "PNR_SDC_FILE": f"dir::../{top}.sdc",
        "SIGNOFF_SDC_FILE": f"dir::../{top}.sdc",
        "FP_SIZING": "relative",
        "FP_CORE_UTIL": UTILIZATION,
    }
    if macros:
        values["MACROS"] = {module: _macro(module, [within + i for i in names]) for module, names in macros.items()}
    return json.dumps(values, indent=2) + "\n"


def _macro(module: str, instances: list[str]) -> dict[str, Any]:
    """Return the views of a macro, which the chip team puts into ``macro``, and its instances, not placed yet."""
    return {
        "gds": [f"dir::macro/{module}.gds"],
        "lef": [f"dir::macro/{module}.lef"],
        "lib": {"*": [f"dir::macro/{module}.lib"]},
        "vh": [f"dir::../rtl/{module}.sv"],
        "instances": {name: {"location": None, "orientation": "N"} for name in instances},
    }
