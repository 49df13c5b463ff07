"""The names that ``oxnor.hw`` promises, whatever was imported before."""

import importlib
import pkgutil
import subprocess
import sys

import oxnor.hw

HOMES = {
    "EngineConfig": "params.engine", "EngineOptions": "params.options", "LayerOptions": "params.options",
    "SpikingConfig": "params.spiking", "generate": "emit.generate", "schedule": "params.schedule",
    "VerilogOptions": "params.verilog",
}  # fmt: skip


def test_public_names_are_what_they_are_after_all_submodules():
    for module in pkgutil.walk_packages(oxnor.hw.__path__, "oxnor.hw."):
        importlib.import_module(module.name)
    assert set(oxnor.hw.__all__) == set(HOMES)
    for name, home in HOMES.items():
        assert getattr(oxnor.hw, name) is getattr(importlib.import_module(f"oxnor.hw.{home}"), name)


def test_structure_and_timing_load_no_gateware():
    code = "from oxnor.hw import EngineConfig, SpikingConfig, schedule; import sys; print('amaranth' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
