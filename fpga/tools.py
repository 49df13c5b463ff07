"""The FPGA tools: native ones on PATH where they are new enough, else the ones from Python packages."""

from __future__ import annotations

import shutil

from oxnor.models.base.errors import InputError, install
from oxnor.sim.runner.synthesis import Tool, find_yosys, native_tool, packaged_tool

from .boards.families import FAMILIES, Route

#: Oldest native nextpnr that is used: what the scripts and reports here need.
NEXTPNR_MIN = (0, 7)


def find_tool(name: str) -> Tool:
    """Return a tool: "yosys", or a program of one of the families' open tools.

    ``yosys`` takes the name of a script as its only argument.

    Raises
    ------
    InputError
        If there is none.
    """
    route = None
    for family in FAMILIES.values():
        if (tools := family.route) and name in (tools.nextpnr, tools.packer[0], tools.pll[0]):
            route = tools
    tool = _find(name, route) if route else find_yosys()
    if tool is None:
        extra = install(route.extra if route else "fpga")
        raise InputError(f"{name} is needed to build for a board and was not found: {extra}")
    return tool


def _find(name: str, route: Route) -> Tool | None:
    """Return a tool that comes with nextpnr, whose version packers and PLL tools have, or one with a package."""
    if name in route.others:
        module = route.others[name]
        package = module.partition(".")[0]
        return packaged_tool(package, module, f"import {module} as t; t.main()")
    native, path = native_tool(route.nextpnr, NEXTPNR_MIN), shutil.which(name)
    if native and path:
        return Tool(native.name, (path,))
    module = route.package
    code = f"import sys, {module} as t; sys.exit(t.run_{name.replace('-', '_')}(sys.argv[1:]))"
    return packaged_tool(module.replace("_", "-"), module, code)
