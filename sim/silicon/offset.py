"""The offset of one amplifier in SPICE: the ratio of resistances at which its decision flips, by bisection."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.process import Process
from oxnor.models.technology.results import Flip
from oxnor.sim.runner.synthesis import ToolError

from .netlist import LEAD_NS, netlist, nodes
from .read import DECIDED
from .spice import measured, run

#: ln(R_BLb / R_BL) is looked for between these, in so many halvings. No point is 0, where an amplifier without mismatch
#: would have nothing to decide by.
LOW, HIGH, HALVINGS = -0.6, 0.61, 11
#: Steps of a decision, at least; the tolerances ask for more where something happens.
STEPS = 60
#: Widest interval in ln R that may be left when a transient does not settle.
LEFT_MAX = 0.01


def middle(circuit: ReadCircuit) -> float:
    """Return the resistance about which both are varied: that of LRS in a pair, of the reference in a 1T1R column."""
    return circuit.reference if circuit.cell == "1t1r" else circuit.lrs


def precharge_netlist(
    circuit: ReadCircuit, process: Process, x: int, normals: NDArray[np.float64] | None = None
) -> str:
    """Return a netlist that prints the voltage of each node at the end of a precharge that begins at 0 V."""
    h, r = circuit.precharge, middle(circuit)
    control = [f"tran {h / 100}n {h}n 0 {h / 100}n uic"]
    control += [f"meas tran at_{node} find v({node}) at={0.9999 * h}n" for node in nodes(circuit)]
    return netlist(circuit, process, control, x=x, resistances=(r, r), sense_ns=1.0, normals=normals)


def flip_netlist(
    circuit: ReadCircuit, process: Process, x: int, normals: NDArray[np.float64] | None,
    initial: Mapping[str, float],
) -> str:  # fmt: skip
    """Return a netlist that prints ``at RATIO DIFFERENCE`` for each transient of a bisection.

    RATIO is ln(R_BLb / R_BL), DIFFERENCE that of the outputs at the end, positive where a weight of 1 is read. Until
    the word line rises the devices carry no current: every transient goes on from one precharge.
    """
    r = middle(circuit)
    sense_ns = circuit.sense_ns(r, steady=3.0, times=10.0)
    longest, sign = sense_ns / STEPS, 1 if x else -1
    transient = [
        f"let ra={r}*exp(-mid/2)", f"let rb={r}*exp(mid/2)", "set ra=$&ra", "set rb=$&rb", "set at=$&mid",
        "alter rbl = $ra", "alter rblb = $rb", f"tran {longest}n {LEAD_NS + sense_ns}n 0 {longest}n uic",
        f"let s=({sign})*(v(q)[length(v(q))-1]-v(qb)[length(v(q))-1])", "set s=$&s", "destroy", "setplot const",
        "echo at $at $s",
    ]  # fmt: skip
    control = ["setplot const", f"let lo={LOW}", f"let hi={HIGH}", "let k=0"]
    for end in ("lo", "hi"):
        control += [f"let mid={end}", *transient]
    control += [f"while k < {HALVINGS}", "let mid=(lo+hi)/2", *transient]
    control += ["if $s > 0", "let hi=mid", "else", "let lo=mid", "end", "let k=k+1", "end"]
    return netlist(
        circuit, process, control, x=x, resistances=(r, r), sense_ns=sense_ns, normals=normals, initial=initial
    )


def flip(circuit: ReadCircuit, process: Process, x: int, normals: NDArray[np.float64] | None = None) -> Flip:
    """Return ln(R_BLb / R_BL) at which the decision flips, or why it is not known."""
    return flip_from(circuit, process, x, normals, precharged(circuit, process, x, normals))


def precharged(
    circuit: ReadCircuit, process: Process, x: int, normals: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """Return the voltage of each node at the end of a precharge that begins at 0 V."""
    voltages = measured(run(precharge_netlist(circuit, process, x, normals)), *(f"at_{n}" for n in nodes(circuit)))
    return {node: voltages[f"at_{node}"] for node in nodes(circuit)}


def flip_from(
    circuit: ReadCircuit, process: Process, x: int, normals: NDArray[np.float64] | None,
    initial: Mapping[str, float],
) -> Flip:  # fmt: skip
    """Return ln(R_BLb / R_BL) at which the decision flips that goes on from these voltages, or why it is not known."""
    text = run(flip_netlist(circuit, process, x, normals, initial))
    points = [(float(a), float(b)) for a, b in re.findall(r"^at (\S+) (\S+)$", text, re.MULTILINE)]
    if len(points) != HALVINGS + 2:
        raise ToolError(f"ngspice failed: {len(points)} of {HALVINGS + 2} transients of a bisection have ended")
    return flip_of(points, DECIDED * circuit.vdd)


def flip_of(points: list[tuple[float, float]], decided: float) -> Flip:
    """Return the flip from transients (ratio, difference of the outputs); those below `decided` did not settle.

    A transient that does not settle says nothing: the flip is then known to the interval between those that did.
    """
    zeros = [at for at, s in points if s <= -decided]
    ones = [at for at, s in points if s >= decided]
    open_ = [at for at, s in points if abs(s) < decided]
    if not zeros or not ones:
        ends = [s for at, s in points if at in (LOW, HIGH)]
        return "does not settle" if any(abs(s) < decided for s in ends) else f"no flip in [{LOW:g}, {HIGH:g}]"
    low, high = max(zeros), min(ones)
    if low > high:
        return "flips more than once"
    if open_ and high - low > LEFT_MAX:
        return f"does not settle within {high - low:.3f}"
    return round((low + high) / 2, 6)
