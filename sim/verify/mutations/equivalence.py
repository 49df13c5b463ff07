"""Whether a mutant does anything else at all: a miter of the unit with and without it, for the provers of ABC."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .netlist import CHOICE, Netlist, run_script, yosys
from .store import EQUIVALENT

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


@dataclass(frozen=True)
class Use:
    """How a unit is used, in Verilog expressions of its ports.

    Parameters
    ----------
    observed : mapping of str to str
        Outputs that say something only while an expression is not 0; streams know theirs.
    assumed : str
        What the inputs keep to; "" if nothing.
    remembered : mapping of str to str
        Bits that these expressions may name, and what each becomes at a clock edge. A reset makes them 0.
    """

    observed: Mapping[str, str] = field(default_factory=dict)
    assumed: str = ""
    remembered: Mapping[str, str] = field(default_factory=dict)


def miter(ports: Sequence[Mapping[str, Any]], top: str, use: Use, *, inside: bool = False) -> str:
    """Return Verilog with the unit twice, mutant CHOSEN in one of them, whose output ``bad`` says that they differ.

    Parameters
    ----------
    ports : sequence of mapping
        Name, direction and width of each.
    top : str
    use : Use
    inside : bool
        Whether a difference is one of anything that has a name, as :func:`_inside` finds it, and not of outputs alone.
    """
    inputs = [p for p in ports if p["direction"] == "input"]
    outputs = [p for p in ports if p["direction"] == "output"]
    named = {p["name"] for p in inputs}
    declared = "".join(f"  input [{p['width'] - 1}:0] {p['name']},\n" for p in inputs)
    wires = "".join(f"  wire [{p['width'] - 1}:0] {p['name']}, other_{p['name']};\n" for p in outputs)
    wires += "".join(f"  reg {name} = 0;\n" for name in use.remembered)
    joins = ", ".join(f".{p['name']}({p['name']})" for p in ports)
    copies = f"  {top} plain ({joins}, .{CHOICE}(0));\n"
    if inside:
        shared = ", ".join(f".{name}({name})" for name in sorted(named))
        copies += f"  wire differs;\n  inside other ({shared}, .trigger(differs));\n"
        differs = "differs"
    else:
        others = ", ".join(f".{p['name']}({'other_' * (p in outputs)}{p['name']})" for p in ports)
        copies += f"  {top} mutated ({others}, .{CHOICE}(`CHOSEN));\n"
        gates = _observed([p["name"] for p in outputs], use.observed)
        names = [p["name"] for p in outputs]
        differs = " | ".join(f"(({gates.get(n, '1')}) != 0 & ({n} != other_{n}))" for n in names)
    history, seen = "  wire keeps = holds;\n", "keeps"
    if "clk" in named:
        # A run begins with a reset, where there is one.
        first, reset, seen = ("rst", "!rst & ", "keeps & begun") if "rst" in named else ("holds", "", "keeps")
        edges = "".join(f"    {name} <= {reset}({value});\n" for name, value in use.remembered.items())
        history = (
            f"  reg kept = 1, begun = 0;\n  wire keeps = kept & (begun ? holds : {first});\n"
            f"  always @(posedge clk) begin\n    kept <= keeps;\n    begun <= 1;\n{edges}  end\n"
        )
    return (
        f"module miter (\n{declared}  output bad\n);\n{wires}{copies}  wire holds = {use.assumed or '1'};\n"
        f"{history}  assign bad = {seen} & ({differs});\nendmodule\n"
    )


def _inside(netlist: Netlist, number: int, ports: Sequence[Mapping[str, Any]], forgets: Sequence[str]) -> list[str]:
    """Return lines of Yosys that make the module ``inside``: both units go on from the state of the one as it is.

    Its output says whether anything that has a name in both differs. If nothing ever does, the units are the same.
    """
    declared = ", ".join(f"{p['direction']} [{p['width'] - 1}:0] {p['name']}" for p in ports)
    joins = ", ".join(f".{p['name']}({p['name']})" for p in ports)
    lines: list[str] = []
    for name, value in (("gold", 0), ("gate", number)):
        lines += [
            "design -reset", f"read_rtlil {netlist.rtlil.resolve()}", *forgets, "read_verilog <<TEXT",
            f"module {name} ({declared}); {netlist.top} unit ({joins}, .{CHOICE}({value})); endmodule", "TEXT",
            f"hierarchy -top {name}", "proc", "flatten", "opt", "memory_map", "opt", "async2sync", "dffunmap",
            "opt -nodffe -nosdff", "opt_clean", f"design -stash {name}",
        ]  # fmt: skip
    return [
        *lines, "design -reset", "design -copy-from gold gold", "design -copy-from gate gate",
        "equiv_make gold gate equiv", "hierarchy -top equiv", "opt_clean", "equiv_miter -trigger inside",
        "equiv_remove -gold inside", "delete gold gate equiv",
        # Inputs that nothing depends on are gone.
        *(f"add -input {p['name']} {p['width']} inside" for p in ports if p["direction"] == "input"),
    ]  # fmt: skip


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
    netlist: Netlist, number: int, ports: Sequence[Mapping[str, Any]], directory: Path, use: Use, *, seconds: int = 60
) -> str:
    """Return "equivalent", "different in cycle N", or "unknown" of mutant `number` of a netlist.

    Where outputs alone are too hard for the prover, the mutant is equivalent if nothing inside the unit ever differs.

    Parameters
    ----------
    netlist : Netlist
    number : int
        From 1.
    ports : sequence of mapping
        Of the unit.
    directory : Path
        Where files go.
    use : Use
    seconds : int
        Limit of each prover, after a tenth of that for each.
    """
    abc = find_abc()
    if abc is None:
        return "unknown"
    # What a reset sets needs no other start, which mutants of registers have lost.
    forgets = ["setattr -unset init w:*"] if any(p["name"] == "rst" for p in ports) else []
    plain = [f"read_rtlil {netlist.rtlil.resolve()}", *forgets]
    scripts = {
        f"miter{number}": [*plain, f"read_verilog -DCHOSEN={number} miter{number}.v"],
        f"inside{number}": [*_inside(netlist, number, ports, forgets), *plain, f"read_verilog inside{number}.v"],
    }
    reduced: set[str] = set()
    # Most are easy the one way or the other. The steps of dprove, which may take longer than they are told, prove what
    # pdr cannot: that a word of an RBM's weights is never read.
    for limit in (max(1, seconds // 10), seconds):
        for name, lines in scripts.items():
            is_inside = name.startswith("inside")
            if name not in reduced:
                (directory / f"{name}.v").write_text(miter(ports, netlist.top, use, inside=is_inside))
                reduced.add(name)
                _reduce(abc, directory, name, lines)
            found = _prove(abc, directory, name, limit, ("pdr",) if limit < seconds else ("pdr", "dprove"))
            if found == EQUIVALENT or (found != "unknown" and not is_inside):
                return found
    return "unknown"


def _abc_says(abc: Path, directory: Path, script: str, log: str) -> str:
    done = subprocess.run([str(abc), "-c", script], cwd=directory, capture_output=True, text=True, check=False)
    (directory / log).write_text(done.stdout + done.stderr)
    return done.stdout


def _reduce(abc: Path, directory: Path, name: str, lines: Sequence[str]) -> None:
    """Write the module ``miter`` that lines of Yosys make, with what is always the same in both units merged."""
    run_script(
        yosys(), directory, name,
        [
            *lines, "hierarchy -check -top miter", "proc", "flatten", "opt", "memory_map", "opt", "async2sync",
            "dffunmap", "opt -nodffe -nosdff", "setundef -undriven -zero", "setundef -zero", "techmap",
            "opt -nodffe -nosdff", "zinit -all", "aigmap", "opt_clean", f"write_aiger {name}.aig",
        ],
    )  # fmt: skip
    # Of registers that depend on many, a pair takes more conflicts than the 100 that ABC allows it.
    script = f"&read {name}.aig; &scorr -C 10000; &put; write_aiger {name}.left.aig"
    _abc_says(abc, directory, script, f"{name}.reduced.log")


def _prove(abc: Path, directory: Path, name: str, seconds: int, provers: Sequence[str]) -> str:
    """Return the verdict of provers on a miter that is reduced."""
    left = f"{name}.left.aig"
    if _is_nothing(directory / left):
        return EQUIVALENT
    for prover in provers:
        script = f"read_aiger {left}; print_stats; {prover} -T {seconds}"
        told = _abc_says(abc, directory, script, f"{name}.{prover}.log")
        if _PROVED.search(told):
            return EQUIVALENT
        if match := prover == "pdr" and _DIFFERS.search(told):
            return f"different in cycle {match[1]}"
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
