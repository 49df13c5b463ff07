"""The names that ``oxnor.fpga`` promises, whatever was imported before."""

import importlib
import pkgutil

import oxnor.fpga

HOMES = {
    "BOARDS": "boards.table", "Board": "boards.board", "BuildOptions": "options", "Host": "host", "LinkError": "transport",
    "VirtualBoard": "emulate", "board": "boards.table", "build": "bitstream", "find_engine": "search", "generate": "project",
    "run_images": "session",
}  # fmt: skip


def test_public_names_are_what_they_are_after_all_submodules():
    for module in pkgutil.iter_modules(oxnor.fpga.__path__):
        importlib.import_module(f"oxnor.fpga.{module.name}")
    assert set(oxnor.fpga.__all__) == set(HOMES)
    for name, home in HOMES.items():
        assert getattr(oxnor.fpga, name) is getattr(importlib.import_module(f"oxnor.fpga.{home}"), name)
