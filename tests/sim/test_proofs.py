"""What is proved of units for any inputs; and broken units, of which it is not.

Slow: a fresh machine first compiles the tools. Every day the invariant is asserted in each spiking simulation.
"""

import shutil
import sys
from pathlib import Path

import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron
from oxnor.sim.verify.proofs import units
from oxnor.sim.verify.proofs.neurons import prove_neuron

_WHERE = str(Path(sys.executable).parent)
needs_tools = pytest.mark.skipif(
    not (shutil.which("z3", path=_WHERE) and shutil.which("yowasp-sby", path=_WHERE)),
    reason='SymbiYosys and z3 are not installed: pip install -e ".[formal]"',
)


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("neuron", [Neuron(), Neuron(theta=7, v_bits=5, refractory=3, v_init=-2, compare="gt")])
def test_invariant_is_proved(neuron, tmp_path):
    proof = prove_neuron(neuron, tmp_path)
    assert proof.proved, proof.log
    assert "successful proof by k-induction" in proof.log


@pytest.mark.slow
@needs_tools
def test_broken_neuron_is_not_proved(tmp_path):
    proof = prove_neuron(Neuron(), tmp_path, break_with=("chosen_1 - 12'h4", "chosen_1 - 12'h3"))
    assert not proof.proved
    assert "Assert failed" in proof.log or "failed assertion" in proof.log


def test_no_invariant_to_prove(tmp_path):
    with pytest.raises(InputError) as caught:
        prove_neuron(Neuron(reset="zero"), tmp_path)
    assert str(caught.value) == "neuron must reset by subtraction, integrate always and not leak for the invariant"


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("name", units.PROOFS)
def test_unit_is_proved_and_a_broken_one_is_not(name, tmp_path):
    (row,) = units.prove_all([name])
    assert row.proved
    assert row.breach_found


def test_each_break_changes_the_unit(tmp_path):
    """A unit whose text has changed must not make its proof one that is never seen to fail."""
    for name, proof in units.PROOFS.items():
        emitted = units.emit_component(proof.unit(), tmp_path / name)
        before = [path.read_text() for path in emitted.sources]
        units.break_source(emitted, proof.breaks)
        assert [path.read_text() for path in emitted.sources] != before
        properties = (Path(units.__file__).parent / f"{proof.properties}.sv").read_text()
        assert f"module {proof.properties}_proof" in properties
        assert emitted.top in properties or f"UNIT={emitted.top}" in proof.defines


def test_unknown_unit():
    with pytest.raises(InputError, match=r"^units must be one of register-slice, .*, not 'fifos' \(did you mean fifo"):
        units.prove_all(["fifos"])
