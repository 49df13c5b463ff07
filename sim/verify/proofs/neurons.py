"""Proof of the invariant of any spiking neuron that has it: for every number of events."""

from __future__ import annotations

from pathlib import Path

from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.neurons.spiking import IfNeuron, has_invariant
from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron

from .prover import Proof
from .units import break_source, neuron_defines, prove_emitted


def prove_neuron(
    neuron: Neuron, directory: Path, *, depth: int = 4, break_with: tuple[str, str] | None = None
) -> Proof:
    """Prove theta * (positive - negative spikes) + V = v_init + sum of the signed weights, for the emitted neuron.

    Parameters
    ----------
    neuron : Neuron
        One that resets by subtraction, integrates always and does not leak.
    directory : Path
        Where the files go.
    depth : int
        Of the induction, in clock cycles.
    break_with : (text, replacement), optional
        A change of the neuron's Verilog, to see the proof fail.

    Raises
    ------
    InputError
        If the neuron has no such invariant, or a tool is missing.
    """
    if not has_invariant(neuron):
        raise InputError("neuron must reset by subtraction, integrate always and not leak for the invariant")
    emitted = emit_component(IfNeuron(neuron), directory / "rtl")
    if break_with:
        break_source(emitted, break_with)
    return prove_emitted(emitted, "spiking_neuron", directory, depth=depth, defines=neuron_defines(neuron))
