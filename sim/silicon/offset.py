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

from .netlist import LEAD_NS, TOLERANCES, USUAL, netlist, nodes
from .read import DECIDED
from .spice import measured, run

#: ln(R_BLb / R_BL) is looked for between these, in so many halvings. No point is 0, where an amplifier without mismatch
#: would have nothing to decide by.
LOW, HIGH, HALVINGS = -0.6, 0.61, 11
#: Times that a decision is given, one after the other, in those that are usual.
LONGER = (1.0, 4.0, 16.0)
#: What is said of an amplifier whose transients ngspice does not finish.
GIVEN_UP = "ngspice gives up: its time step is too small"
#: Steps of a decision, at least; the tolerances ask for more where something happens.
STEPS = 60
#: The same with the usual tolerances: then a flip is known to 0.003.
STEPS_USUAL = 600
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
    initial: Mapping[str, float], longer: float = 1.0, steps: int = STEPS,
) -> str:  # fmt: skip
    """Return a netlist that prints ``at RATIO DIFFERENCE`` for each transient of a bisection.

    RATIO is ln(R_BLb / R_BL), DIFFERENCE that of the outputs at the end, positive where a weight of 1 is read. Until
    the word line rises the devices carry no current: every transient goes on from one precharge. `longer` is by how
    much more time than usual a decision has, `steps` its steps at least.
    """
    r = middle(circuit)
    usual = circuit.sense_ns(r, steady=3.0, times=10.0)
    longest, sign, sense_ns = usual / steps, 1 if x else -1, longer * usual
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
    """Return ln(R_BLb / R_BL) at which the decision flips that goes on from these voltages, or why it is not known.

    Near its flip an amplifier takes long. One that does not settle is given more time, twice, before that is said.
    """
    found: Flip = ""
    for longer in LONGER:
        found = _bisected(run(flip_netlist(circuit, process, x, normals, initial, longer)), circuit)
        if found == GIVEN_UP:
            again = flip_netlist(circuit, process, x, normals, initial, longer, STEPS_USUAL)
            found = _bisected(run(again.replace(TOLERANCES, USUAL)), circuit)
        if not isinstance(found, str) or "settle" not in found:
            break
    return found


def _bisected(text: str, circuit: ReadCircuit) -> Flip:
    if "aborted" in text:
        return GIVEN_UP
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
