"""The longest path by OpenSTA, where it is installed: a second opinion on :mod:`oxnor.sim.silicon.timing`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from oxnor.models.technology import liberty
from oxnor.models.technology.library import Library
from oxnor.sim.runner.synthesis import Tool, ToolError

from .gate_netlist import Netlist
from .timing import MACRO_SETUP_NS, SLEW_NS

#: Period of the clock, in ns: long enough for every path.
_PERIOD_NS = 1000.0
#: Seconds that it may take.
_TIMEOUT_S = 600


def find_sta() -> Tool | None:
    """Return OpenSTA (`sta` on PATH), or None."""
    path = shutil.which("sta")
    if path is None:
        return None
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return Tool(f"OpenSTA {version[0]}", (path,)) if version else None


def longest_paths(
    sta: Tool, netlist: Netlist, library: Library, macro_ns: Mapping[str, float | None]
) -> dict[str, float]:
    """Return the longest path in ns for each delay of the macros, by name; None leaves out paths from them.

    Macros are taken out: their outputs become inputs with a delay, their inputs outputs with one.

    Raises
    ------
    ToolError
        If OpenSTA fails.
    """
    with tempfile.TemporaryDirectory(prefix="oxnor-sta-") as name:
        folder = Path(name)
        # Without a model of wires: none were laid out.
        text = re.sub(r"(?m)^\s*default_wire_load\w*\s*:[^;]*;", "", liberty.text_of(library.path))
        (folder / "cells.lib").write_text(text, encoding="utf-8")
        (folder / "flat.v").write_text(_verilog(netlist), encoding="utf-8")
        # A run for each: delays that are set after a report do not count everywhere.
        return {which: _run(sta, folder, _script(netlist, ns)) for which, ns in macro_ns.items()}


def _run(sta: Tool, folder: Path, script: str) -> float:
    (folder / "sta.tcl").write_text(script, encoding="utf-8")
    try:
        done = subprocess.run([*sta.command, "-exit", "sta.tcl"], cwd=folder, capture_output=True, text=True,
                              timeout=_TIMEOUT_S, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"{sta.name} took more than {_TIMEOUT_S} s") from None
    slack = re.search(r"worst slack (?:max )?([-\d.]+)", done.stdout)
    if slack is None:
        raise ToolError(f"{sta.name} gave no slack: {(done.stdout + done.stderr)[-400:]}")
    return round(_PERIOD_NS - float(slack[1]), 3)


def _macro_nets(netlist: Netlist) -> tuple[list[int], list[int]]:
    """Return the nets that macros drive, and those that they read."""
    inside = {net for cell in netlist.cells for nets in cell.nets.values() for net in nets}
    driven = [net for macro in netlist.macros for net in macro.answers if net in inside]
    read = [net for macro in netlist.macros for name in ("sense", "row", "x") for net in macro.nets[name] if net > 1]
    return sorted(set(driven)), sorted(set(read))


def _ports(netlist: Netlist) -> tuple[list[int], list[int]]:
    """Return the nets that come in, and those that go out, of the engine and of its macros."""
    driven, read = _macro_nets(netlist)
    ends: dict[str, list[int]] = {"input": driven, "output": read}
    for way, nets in netlist.ports.values():
        ends[way] += [net for net in nets if net > 1]
    inputs = sorted(set(ends["input"]))
    # What comes in and goes out as it is is no path.
    return inputs, sorted(set(ends["output"]) - set(inputs))


def _verilog(netlist: Netlist) -> str:
    inputs, outputs = _ports(netlist)
    lines = [f"module flat ({', '.join(f'n{net}' for net in (*inputs, *outputs))});"]
    lines += [f"  input n{net};" for net in inputs] + [f"  output n{net};" for net in outputs]
    lines += [f"  wire n{net};" for net in range(2, netlist.nets)]
    for k, cell in enumerate(netlist.cells):
        pins = ", ".join(f".{pin}({f'n{nets[0]}' if nets[0] > 1 else f'1{chr(39)}b{nets[0]}'})"
                         for pin, nets in cell.nets.items())  # fmt: skip
        lines.append(f"  {cell.type} i{k} ({pins});")
    return "\n".join([*lines, "endmodule", ""])


def _script(netlist: Netlist, macro_ns: float | None) -> str:
    clock = netlist.ports["clk"][1][0]
    driven, read = _macro_nets(netlist)
    inputs, outputs = _ports(netlist)
    late = set(driven)
    lines = [
        "read_liberty cells.lib", "read_verilog flat.v", "link_design flat",
        f"create_clock -name clk -period {_PERIOD_NS} [get_ports n{clock}]",
    ]  # fmt: skip
    for net in inputs:
        if net != clock:
            lines.append(f"set_input_transition {SLEW_NS} [get_ports n{net}]")
            if net not in late:
                lines.append(f"set_input_delay 0 -clock clk [get_ports n{net}]")
    setup = set(read)
    lines += [
        f"set_output_delay {MACRO_SETUP_NS if net in setup else 0} -clock clk [get_ports n{net}]" for net in outputs
    ]
    if macro_ns is not None:
        lines += [f"set_input_delay {macro_ns} -clock clk [get_ports n{net}]" for net in driven]
    return "\n".join([*lines, "report_worst_slack", "exit", ""])
