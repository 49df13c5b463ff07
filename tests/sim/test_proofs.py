"""What is proved of units for any inputs; and broken units, of which it is not.

Slow: a fresh machine first compiles the tools. Every day the invariant is asserted in each spiking simulation.
"""

import itertools
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from oxnor.hw.interface import link_protocol
from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron
from oxnor.sim.verify.proofs import link_frames, units
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
@pytest.mark.parametrize("name", units.NAMES)
def test_unit_is_proved_and_a_broken_one_is_not(name, tmp_path):
    (row,) = units.prove_all([name])
    assert row.proved
    assert row.breach
    assert not row.said


@pytest.mark.slow
@needs_tools
def test_a_unit_that_is_not_what_is_claimed(monkeypatch):
    """A breach that does nothing is not found; a unit that is broken is not proved, and the prover's words are shown."""
    fifo = units.PROOFS["fifo"]
    monkeypatch.setitem(units.PROOFS, "fifo", replace(fifo, breaks=("// ", "//  ")))
    (row,) = units.prove_all(["fifo"])
    assert (row.proved, row.breach) == (True, "")
    emit = units.emit_component

    def emit_broken(*given):
        emitted = emit(*given)
        units.break_source(emitted, fifo.breaks)
        return emitted

    monkeypatch.setattr(units, "emit_component", emit_broken)
    (row,) = units.prove_all(["fifo"])
    assert not row.proved
    assert any("Assert failed" in text for text in row.said), row.said


def test_each_break_changes_the_unit(tmp_path):
    """A unit whose text has changed must not make its proof one that is never seen to fail."""
    for name, proof in units.PROOFS.items():
        emitted = units.emit_component(proof.unit(), tmp_path / name)
        before = [path.read_text() for path in emitted.sources]
        units.break_source(emitted, proof.breaks)
        assert [path.read_text() for path in emitted.sources] != before
        properties = (units.PROPERTIES / f"{proof.properties}.sv").read_text()
        assert f"module {proof.properties}_proof" in properties
        assert emitted.top in properties or f"UNIT={emitted.top}" in proof.defines


def test_flipped_bits_of_a_frame():
    """The bounds are those that are known of this polynomial; plain counting agrees with another one."""
    assert [link_frames.shortest_undetected(flips, 100_000) for flips in (1, 2, 3)] == [None, None, 91_640]
    assert link_frames.CHECKED_BITS == 8 * (91_640 // 8 - 1)
    polynomial = 0xA6000000  # x**8 + x**6 + x**5 + x**2 + 1 times x**24
    for flips in (2, 3):
        r = link_frames.remainders(40, polynomial)
        lengths = [c[-1] + 1 for c in itertools.combinations(range(40), flips) if not np.bitwise_xor.reduce(r[list(c)])]
        assert link_frames.shortest_undetected(flips, 40, polynomial) == min(lengths, default=None)


def test_flips_on_the_wire():
    frame = link_protocol.request(link_protocol.Command.READ, link_protocol.END, bytes([link_protocol.ESC, 0]))
    one, two = (link_frames.outcomes(frame, flips) for flips in (1, 2))
    assert (sum(one.values()), sum(two.values())) == (8 * len(frame), 4 * len(frame) * (8 * len(frame) - 1))
    assert not [answer for _, answer in two if "another" in answer]
    assert {what for what, _ in one} == {"END", "ESC", "after ESC", "length", "other"}
    assert {answer for what, answer in one if what == "ESC"} == {"TOO_LONG", "TOO_SHORT"}
    with mock.patch.object(link_protocol, "with_crc", lambda data: data + bytes(4)):  # a board that checks nothing
        blind = link_protocol.request(link_protocol.Command.READ, 1, bytes([2, 0]))
        assert [answer for _, answer in link_frames.outcomes(blind, 1) if "another" in answer]


def test_unknown_unit():
    with pytest.raises(InputError, match=r"^units must be one of register-slice, .*, not 'fifos' \(did you mean fifo"):
        units.prove_all(["fifos"])
