"""Whether a mutant does anything else at all: a miter of the unit with and without it, for the provers of ABC."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .netlist import CHOICE, Netlist, run_script, yosys

#: Outputs that say something only while another one is 1, by what their names end with.
WHILE_VALID = {
    "payload": "valid",
    "tdata": "tvalid",
    "tlast": "tvalid",
    "rdata": "rvalid",
    "rresp": "rvalid",
    "bresp": "bvalid",
}
_PROVED, _DIFFERS = re.compile(r"Property proved|Networks are equivalent"), re.compile(r"was asserted in frame (\d+)")


def _observed(outputs: Sequence[str], observed: Mapping[str, str]) -> dict[str, str]:
    """Return the output that must be 1 for another to say something."""
    gates = dict(observed)
    for name in outputs:
        for end, valid in WHILE_VALID.items():
            gate = name.removesuffix(end) + valid
            if name.endswith(end) and gate in outputs:
                gates.setdefault(name, gate)
    return gates


def miter(ports: Sequence[Mapping[str, Any]], top: str, observed: Mapping[str, str], assumed: str) -> str:
    """Return Verilog with the unit twice, mutant CHOSEN in one of them, whose output ``bad`` says that they differ.

    Parameters
    ----------
    ports : sequence of mapping
        Name, direction and width of each.
    top : str
    observed : mapping of str to str
        Outputs that say something only where an expression of the unit's outputs holds: ``SAME.name``.
    assumed : str
        What the inputs keep to, as an expression of ports; in it ``name`` is an input or an output of the unit.
    """
    inputs = [p for p in ports if p["direction"] == "input"]
    outputs = [p for p in ports if p["direction"] == "output"]
    gates = _observed([p["name"] for p in outputs], observed)
    declared = "".join(f"  input [{p['width'] - 1}:0] {p['name']},\n" for p in inputs)
    wires = "".join(f"  wire [{p['width'] - 1}:0] {p['name']}, other_{p['name']};\n" for p in outputs)
    copies = ""
    for name, prefix, value in (("plain", "", "0"), ("mutated", "other_", "`CHOSEN")):
        joins = [f".{p['name']}({prefix * (p in outputs)}{p['name']})" for p in ports]
        copies += f"  {top} {name} ({', '.join(joins)}, .{CHOICE}({value}));\n"
    names = [p["name"] for p in outputs]
    differs = " | ".join(f"(({gates.get(n, '1')}) != 0 & ({n} != other_{n}))" for n in names)
    history, named = "  wire keeps = holds;\n", {p["name"] for p in inputs}
    if "clk" in named:
        # A run begins with a reset, where there is one.
        first = "rst" if "rst" in named else "holds"
        history = (
            f"  reg kept = 1, begun = 0;\n  wire keeps = kept & (begun ? holds : {first});\n"
            "  always @(posedge clk) begin\n    kept <= keeps;\n    begun <= 1;\n  end\n"
        )
    seen = "keeps & begun" if "rst" in named else "keeps"
    return (
        f"module miter (\n{declared}  output bad\n);\n{wires}{copies}  wire holds = {assumed or '1'};\n"
        f"{history}  assign bad = {seen} & ({differs});\nendmodule\n"
    )


def _is_nothing(aiger: Path) -> bool:
    """Return whether the output of an AIGER file is always 0, whatever else is in it."""
    head, *lines = aiger.read_bytes().split(b"\n") if aiger.is_file() else [b""]
    sizes = head.split()
    return len(sizes) == 6 and sizes[4] == b"1" and lines[int(sizes[3])] == b"0"


def find_abc() -> Path | None:
    """Return ABC, which comes with Yosys as a program; None if there is none."""
    spec = importlib.util.find_spec("pyosys")
    beside = Path(spec.origin).parent / "yosys-abc" if spec and spec.origin else None
    if beside and beside.is_file():
        return beside
    path = shutil.which("yosys-abc")
    return Path(path) if path else None


def prove_equivalent(
    netlist: Netlist, number: int, ports: Sequence[Mapping[str, Any]], directory: Path, *,
    observed: Mapping[str, str] | None = None, assumed: str = "", seconds: int = 60,
) -> str:  # fmt: skip
    """Return "equivalent", "different in cycle N", or "unknown" of mutant `number` of a netlist.

    Parameters
    ----------
    netlist : Netlist
    number : int
        From 1.
    ports : sequence of mapping
        Of the unit.
    directory : Path
        Where files go.
    observed, assumed
        See :func:`miter`.
    seconds : int
        Limit of each proof.
    """
    abc = find_abc()
    if abc is None:
        return "unknown"
    name = f"miter{number}"
    (directory / f"{name}.v").write_text(miter(ports, netlist.top, observed or {}, assumed))
    # What a reset sets needs no other start, which mutants of registers have lost.
    forgets = ["setattr -unset init w:*"] if any(p["name"] == "rst" for p in ports) else []
    run_script(
        yosys(), directory, name,
        [
            f"read_rtlil {netlist.rtlil.resolve()}", *forgets, f"read_verilog -DCHOSEN={number} {name}.v",
            "hierarchy -check -top miter", "proc", "flatten", "opt", "memory_map", "opt", "async2sync", "dffunmap",
            "opt -nodffe -nosdff", "setundef -undriven -zero", "setundef -zero", "techmap", "opt -nodffe -nosdff",
            "zinit -all", "aigmap", "opt_clean", f"write_aiger {name}.aig",
        ],
    )  # fmt: skip
    script = f"&read {name}.aig; &scorr; &put; write_aiger {name}.left.aig; print_stats; pdr -T {seconds}"
    done = subprocess.run([str(abc), "-c", script], cwd=directory, capture_output=True, text=True, check=False)
    (directory / f"{name}.abc.log").write_text(done.stdout + done.stderr)
    if match := _DIFFERS.search(done.stdout):
        return f"different in cycle {match[1]}"
    if _PROVED.search(done.stdout) or _is_nothing(directory / f"{name}.left.aig"):
        return "equivalent"
    return "unknown"


def ports_of(netlist: Netlist) -> list[dict[str, Any]]:
    """Return the ports of a unit, without the one that chooses its mutant: name, direction and width of each."""
    text = netlist.verilog.read_text()
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);$", text, re.M)
    return [
        {"name": name, "direction": direction, "width": int(high or 0) + 1}
        for direction, high, name in found
        if name != CHOICE
    ]
