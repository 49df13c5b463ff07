"""Whole networks in standard cells: what is shipped of them, and what only larger engines have."""

import json
from dataclasses import replace
from math import isclose

import numpy as np
import pytest
from helpers.cli import run
from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.emit.generate import generate
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models import zoo
from oxnor.models.datasets.options import DataOptions
from oxnor.models.technology import engines
from oxnor.models.technology.technology import load
from oxnor.sim.silicon.energy import EnergyOptions, energy
from oxnor.sim.silicon.shipped import NETWORKS, entry
from oxnor.sim.silicon.synthesis import verilog_digest, with_ports_alone
from oxnor.sim.verify.inputs import Inputs, inputs_for

TECHNOLOGY = load()
ADVICE = "python -m oxnor.sim.silicon.shipped computes them again"


def asic(network, **changes):
    return EngineConfig.for_network(network, target="asic", **changes)


@pytest.mark.parametrize("name", NETWORKS)
def test_energies_are_shipped_for_the_engines_of_today(name):
    network = zoo.load(name)
    found = engines.find(network.digest, asic(network).digest)
    assert found is not None, ADVICE
    assert found["differ"] == 0
    assert found["images"] >= NETWORKS[name]
    described = json.loads(run("info", name, "--target", "asic", "--json").stdout)
    assert described["silicon"] == found
    assert "silicon" not in json.loads(run("info", name, "--json").stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_energies_are_shipped_of_the_verilog_of_today(name, tmp_path):
    network = zoo.load(name)
    generate(network, tmp_path / "engine", with_ports_alone(asic(network)))
    shipped = next(e for e in engines.entries() if e["network"] == name)
    assert shipped["verilog_digest"] == verilog_digest(tmp_path / "engine"), ADVICE


def test_goals():
    tfc = next(e for e in engines.entries() if e["network"] == "mnist-tfc")
    assert tfc["digital_pj"] <= 3500
    assert tfc["clock_mhz"] >= 200
    assert schedule(asic(zoo.load("mnist-tfc"))).initiation_interval == 64


@pytest.mark.slow
def test_energy_and_area_have_not_grown_unseen():
    shipped = next(e for e in engines.entries() if e["network"] == "mnist-tfc")
    found = entry("mnist-tfc", 1000)
    assert found["tool"] == shipped["tool"], ADVICE
    for name in ("digital_pj", "digital_mm2", "clock_mhz", "rram_mm2"):
        assert isclose(found[name], shipped[name], rel_tol=0.01), (name, ADVICE)


@pytest.mark.slow
def test_the_study_of_before():
    """An engine that shifts and counts as wide, with every clock running: the figures of the study within 5 %."""
    network = zoo.load("mnist-tfc")
    config = asic(network)
    config = replace(config, layers=tuple(replace(layer, gates_clocks=False) for layer in config.layers))
    inputs = inputs_for(network, DataOptions(images=1000))
    r = energy(network, inputs, config, TECHNOLOGY, EnergyOptions(clock_gating=False)).to_json()
    assert isclose(r["digital"]["total_pj"], 7070, rel_tol=0.05)
    assert isclose(r["gates"]["area_mm2"], 0.2529, rel_tol=0.05)
    assert isclose(r["digital"]["clock_pj"] / r["digital"]["total_pj"], 0.69, abs_tol=0.02)
    assert r["gates"]["flops"] == 2767
    assert isclose(r["sram"]["parts_pj"]["reads"][0], 37.9e3, rel_tol=0.01)
    units = {u["unit"]: (u["data_pj"] / 64, u["clock_pj"] / 64) for u in r["units"]}
    study = {
        "oxnor_engine_layer0_array": (2.6, 22.1), "oxnor_frame_assembler_784_64": (1.8, 22.0),
        "oxnor_popcount_64_tree": (19.9, 0.0), "oxnor_engine": (0.1, 6.0),
    }  # fmt: skip
    for name, wanted in study.items():
        assert np.allclose(units[name], wanted, rtol=0.05, atol=0.4), name


ENGINES = {
    "alternating dataflows": ((40, 12, 7, 4), {"dataflow": "alternate"}),
    "macros that take three cycles": ((40, 12, 4), {"sense_latency": 3, "macro_size": (64, 16)}),
    "margins, no scores": ((40, 12, 4), {"margin": True, "with_scores": False}),
    "for an FPGA": ((40, 12, 4), {"target": "ice40"}),
    "a convolution": (None, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_gates_of_other_engines(random_network, name):
    shape, changes = ENGINES[name]
    network = random_network(shape) if shape else random_conv_network((6, 6, 2), [Conv(5)])
    config = EngineConfig.for_network(network, **({"target": "asic"} | changes))
    images = np.random.default_rng(2).integers(0, 256, (64, network.n_in), np.uint8)
    report = energy(network, Inputs(images, None, "random"), config, TECHNOLOGY)
    assert report.gates.differ == 0
    assert [y.row_reads for y in report.layers] == list(report.reads)
