"""Thermal noise of a decision, from how far a voltage at the end of the precharge moves its flip."""

from __future__ import annotations

import math

from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.process import Process
from oxnor.models.technology.results import Noise
from oxnor.sim.runner.synthesis import ToolError

from .offset import flip_from, precharged

_BOLTZMANN, _KELVIN = 1.380649e-23, 273.15
#: By how much a node is moved, in V, and the smallest capacitance of one, in fF.
SHIFT_V, SMALLEST_FF = 0.02, 1.0


def noise(circuit: ReadCircuit, process: Process) -> Noise:
    """Return an upper bound of the noise of one decision, in ln R, by the node that it comes from.

    The precharge leaves kT/C on each node. Transistors and resistors add to it during the read, at most as much again:
    2 kT/C in all. C is that of the bit line or the load alone; the transistors' own makes the noise smaller.
    """
    start = precharged(circuit, process, 1)
    at_rest = flip_from(circuit, process, 1, None, start)
    energy = 2 * _BOLTZMANN * (circuit.temperature + _KELVIN)
    parts = {}
    for node in ("bl", "blb", "q", "qb"):
        moved = flip_from(circuit, process, 1, None, start | {node: start[node] - SHIFT_V})
        if isinstance(moved, str) or isinstance(at_rest, str):
            why = moved if isinstance(moved, str) else at_rest
            raise ToolError(f"ngspice: the noise of {node} is not known: {why}")
        farads = 1e-15 * max(SMALLEST_FF, circuit.bit_line_ff if node in ("bl", "blb") else circuit.output_capacitance)
        parts[node] = float(f"{abs(moved - at_rest) / SHIFT_V * math.sqrt(energy / farads):.4g}")
    return Noise(parts)
