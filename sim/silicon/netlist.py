"""The netlist of a column, its sense amplifier and its XNOR."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.technology.circuit import WIDTHS, ReadCircuit
from oxnor.models.technology.process import NORMALS, Process

#: Rise and fall of word line and sense signal, and the pause after a read, in ns.
EDGE_NS, PAUSE_NS = 0.1, 0.2
#: Time before a read at which a netlist starts that goes on from a precharge, in ns.
LEAD_NS = 0.05
#: Of ngspice. Charge tolerance and trtol are tighter than usual: with the usual ones the flip of a decision moves by
#: 0.01 in ln R with the time step, and at 1 V by 0.05; with these by less than 0.001.
TOLERANCES = "method=gear reltol=1e-3 abstol=1e-13 vntol=1e-6 chgtol=1e-16 trtol=1"
#: The usual ones, where those take ngspice to steps that are too small: large transistors.
USUAL = "method=gear reltol=1e-3 abstol=1e-13 vntol=1e-6"
#: Length of a source or drain, in um, for its area and its edge.
_DIFFUSION_UM = 0.29


@dataclass(frozen=True)
class Transistor:
    """One transistor: its kind, its nodes in SPICE's order, and the field of the circuit that has its width."""

    name: str
    kind: str
    nodes: tuple[str, str, str, str]
    width: str


# q, qb: outputs. a, b: sources of the latch below q and qb. bl, blb: bit lines. sen: ends the precharge.
_AMPLIFIER = (
    Transistor("pre0", "p", ("q", "sen", "vdd", "vdd"), "precharge_width"),
    Transistor("pre1", "p", ("qb", "sen", "vdd", "vdd"), "precharge_width"),
    Transistor("lp0", "p", ("q", "qb", "vdd", "vdd"), "latch_width"),
    Transistor("lp1", "p", ("qb", "q", "vdd", "vdd"), "latch_width"),
    Transistor("ln0", "n", ("q", "qb", "a", "0"), "latch_width"),
    Transistor("ln1", "n", ("qb", "q", "b", "0"), "latch_width"),
)
_ACCESS = (
    Transistor("acc0", "n", ("bl", "wl", "r0", "0"), "access_width"),
    Transistor("acc1", "n", ("blb", "wl", "r1", "0"), "access_width"),
)
# x connects q's branch to BLb and that of qb to BL: with BL in LRS (weight 1) qb falls and q stays high.
_XNOR = (
    Transistor("x0", "n", ("a", "x", "blb", "0"), "switch_width"),
    Transistor("x1", "n", ("b", "x", "bl", "0"), "switch_width"),
    Transistor("x2", "n", ("a", "xb", "bl", "0"), "switch_width"),
    Transistor("x3", "n", ("b", "xb", "blb", "0"), "switch_width"),
)
#: By the cell: its transistors, and nodes that are one.
CIRCUITS: Mapping[str, tuple[tuple[Transistor, ...], Mapping[str, str]]] = {
    "2t2r": (_AMPLIFIER + _XNOR + _ACCESS, {}),
    # The cell is at BL and decides q as weight 1 does; BLb is the reference column.
    "1t1r": (_AMPLIFIER + _ACCESS, {"a": "blb", "b": "bl"}),
}
_ORDER = [t.name for t in CIRCUITS["2t2r"][0]]


def draw(seed: int, number: int) -> NDArray[np.float64]:
    """Return the normal numbers of the mismatch of one amplifier, a row a transistor: the same in both circuits."""
    g = rng.stream("mismatch", seed=seed, layer=0, trial=number)
    return g.standard_normal((len(_ORDER), NORMALS))


def check(circuit: ReadCircuit, process: Process) -> None:
    """Raise InputError unless the models of a process hold for a circuit."""
    if circuit.process != process.name:
        raise InputError(f"must be {process.name}, not {circuit.process!r}", parameter="process")
    process.file(circuit.corner)
    low, high = process.supplies
    if not low <= circuit.vdd <= high:
        raise InputError(f"must be in [{low:g}, {high:g}] V for {process.name}, not {circuit.vdd:g}", parameter="vdd")
    low, high = process.widths
    for name in WIDTHS:
        if not low <= getattr(circuit, name) <= high:
            rule = f"in [{low:g}, {high:g}] um for {process.name}"
            raise InputError(f"must be {rule}, not {getattr(circuit, name):g}", parameter=name)


def netlist(
    circuit: ReadCircuit,
    process: Process,
    control: Sequence[str],
    *,
    x: int,
    resistances: tuple[float, float],
    sense_ns: float,
    normals: NDArray[np.float64] | None = None,
    initial: Mapping[str, float] | None = None,
) -> str:
    """Return a netlist with the models in it, which starts with every node at 0 V, or at the end of a precharge.

    Word line and sense signal rise together after each precharge, for `sense_ns`.

    Parameters
    ----------
    circuit : ReadCircuit
    process : Process
    control : sequence of str
        What ngspice is told to do.
    x : int
        Input of the XNOR.
    resistances : (float, float)
        At BL and BLb, in ohm: resistors, that a control section may alter as ``rbl`` and ``rblb``.
    sense_ns : float
    normals : ndarray of float, optional
        Of :func:`draw`. Default: no mismatch.
    initial : mapping of str to float, optional
        Voltages of the nodes at the end of a precharge, from which the netlist starts :data:`LEAD_NS` before a read.
    """
    check(circuit, process)
    transistors, same = CIRCUITS[circuit.cell]
    vdd, start = circuit.vdd, LEAD_NS if initial else circuit.precharge
    pulse = f"pulse(0 {vdd} {start}n {EDGE_NS}n {EDGE_NS}n {sense_ns}n {period_ns(circuit, sense_ns)}n)"
    lines = [
        "* precharge sense amplifier", f".option scale={process.scale:g}", f".temp {circuit.temperature}",
        process.text(circuit.corner), f".option {TOLERANCES}",
        f"vdd vdd 0 {vdd}", f"vwl wl 0 {pulse}", f"vsen sen 0 {pulse}",
    ]  # fmt: skip
    if circuit.cell == "2t2r":
        lines += [f"vx x 0 {vdd if x else 0}", f"vxb xb 0 {0 if x else vdd}"]
    for t in transistors:
        model = process.nmos if t.kind == "n" else process.pmos
        w, side = getattr(circuit, t.width), _DIFFUSION_UM
        nodes = " ".join(same.get(node, node) for node in t.nodes)
        shape = f"ad={w * side:.4f} as={w * side:.4f} pd={2 * (w + side):.4f} ps={2 * (w + side):.4f}"
        numbers = [] if normals is None else normals[_ORDER.index(t.name)].tolist()
        shifts = " ".join(f"{name}={z:.6f}" for name, z in zip(model.mismatch, numbers, strict=False))
        lines.append(f"x{t.name} {nodes} {model.name} w={w} l={process.length} {shape} {shifts}")
    bit_line, load = circuit.bit_line_ff, circuit.output_capacitance
    lines += [
        f"rbl r0 0 {resistances[0]}", f"rblb r1 0 {resistances[1]}", f"cbl bl 0 {bit_line}f", f"cblb blb 0 {bit_line}f",
        f"cq q 0 {load}f", f"cqb qb 0 {load}f",
        ".ic " + " ".join(f"v({node})={v}" for node, v in (initial or {"q": 0, "qb": 0}).items()),
        ".control", "set noaskquit", *control, ".endc", ".end",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def period_ns(circuit: ReadCircuit, sense_ns: float) -> float:
    """Return the time from one read to the next, in ns."""
    return circuit.precharge + sense_ns + PAUSE_NS


def nodes(circuit: ReadCircuit) -> list[str]:
    """Return the nodes whose voltages say what a precharge has left."""
    transistors, same = CIRCUITS[circuit.cell]
    driven = {"0", "vdd", "wl", "sen", "x", "xb"}
    return list(dict.fromkeys(n for t in transistors for n in (same.get(n, n) for n in t.nodes) if n not in driven))


def digest(parts: Sequence[str]) -> str:
    """Return a short hash of texts: results belong to the netlists that gave them."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
