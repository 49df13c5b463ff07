"""The FPGA tools: native ones on PATH where they are new enough, else the ones from Python packages."""

from __future__ import annotations

import shutil

from oxnor.models.base.errors import InputError, install
from oxnor.sim.runner.synthesis import Tool, find_yosys, native_tool, packaged_tool

#: Oldest native nextpnr that is used: what the scripts and reports here need.
NEXTPNR_MIN = (0, 7)


def find_tool(name: str) -> Tool:
    """Return a tool: "yosys", "nextpnr-ice40", "nextpnr-ecp5", "icepack", "ecppack", "icepll" or "ecppll".

    ``yosys`` takes the name of a script as its only argument.

    Raises
    ------
    InputError
        If there is none.
    """
    tool = find_yosys() if name == "yosys" else _find_nextpnr(name)
    if tool is None:
        raise InputError(f"{name} is needed to build for a board and was not found: {install('fpga')}")
    return tool


def _find_nextpnr(name: str) -> Tool | None:
    """Return a tool that comes with nextpnr: packers and PLL tools have no versions of their own."""
    family = "ice40" if name in ("nextpnr-ice40", "icepack", "icepll") else "ecp5"
    native, path = native_tool(f"nextpnr-{family}", NEXTPNR_MIN), shutil.which(name)
    if native and path:
        return Tool(native.name, (path,))
    module = f"yowasp_nextpnr_{family}"
    code = f"import sys, {module} as t; sys.exit(t.run_{name.replace('-', '_')}(sys.argv[1:]))"
    return packaged_tool(module.replace("_", "-"), module, code)
