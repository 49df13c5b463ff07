"""What LibreLane asks for beside the Verilog: its configuration, with the hard macros and where they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.params.verilog import VerilogOptions

from .integration import PERIOD_NS

#: Folder of the flow's files, beside ``rtl``.
FOLDER = "librelane"
#: Part of the core that cells take, in percent: chosen.
UTILIZATION = 40


def hard_macros(config: EngineConfig | SpikingConfig) -> dict[str, list[str]]:
    """Return the instances of the macros that a chip brings itself, by module, named as in a flat netlist.

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


def configuration(config: EngineConfig | SpikingConfig, sidecar: Mapping[str, Any], options: VerilogOptions) -> str:
    """Return ``config.json`` of LibreLane, version 3 (its Classic flow).

    Parameters
    ----------
    config : EngineConfig or SpikingConfig
    sidecar : mapping
        Of the engine: its top module, or the Wishbone slave around it, is hardened.
    options : VerilogOptions
    """
    outer = sidecar.get("wishbone")
    top, within = (outer["top"], "engine.") if outer else (sidecar["top"], "")
    macros = {
        options.module_name(module): _macro(options.module_name(module), [within + name for name in names])
        for module, names in hard_macros(config).items()
    }
    values: dict[str, Any] = {
        "DESIGN_NAME": top,
        "VERILOG_FILES": [f"dir::../rtl/{n}" for n in sidecar["sources"] if n.removesuffix(".sv") not in macros],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": PERIOD_NS,
        "PNR_SDC_FILE": f"dir::../{top}.sdc",
        "SIGNOFF_SDC_FILE": f"dir::../{top}.sdc",
        "FP_SIZING": "relative",
        "FP_CORE_UTIL": UTILIZATION,
    }
    if macros:
        values["MACROS"] = macros
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
