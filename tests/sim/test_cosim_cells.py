"""Macros of single cells that answer when they are ready: the adapter, its macro, and engines on them."""

from dataclasses import replace

import numpy as np
import pytest

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement import memory_files
from oxnor.models.devices.cell_macro import PUBLISHED_YIELDS, CellMacro, CellSettings
from oxnor.sim.harness.cells import adapter
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

pytestmark = [
    pytest.mark.cosim,
    pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"),
]
#: Everything at once: unformed cells, published yields, wrong reads, waits.
ALL = replace(PUBLISHED_YIELDS, wait_max=30, read_ber=0.02, is_formed=False, seed=5)


def test_adapter_and_macro(tmp_path):
    adapter(ALL).run(tmp_path)


def test_wrong_model_is_found(tmp_path):
    with pytest.raises(SimulationError):
        adapter(ALL).broken("formed[row][column] | op", "op").run(tmp_path)


def test_yields_and_errors_of_many_cells():
    macro = CellMacro(np.zeros((40, 100), bool), replace(ALL, wait_max=0), "mem/x.mem")
    for row, column in np.ndindex(macro.on.shape):
        macro.operate(0, row, column)
    assert abs(macro.formed.mean() - 0.9273) < 0.01
    assert abs(np.mean([macro.read(*cell) != macro.on[cell] for cell in np.ndindex(macro.on.shape)]) - 0.02) < 0.006
    assert CellMacro(macro.on[:, ::2], ALL, "mem/y.mem").read_row(0).shape == (100,)


@pytest.mark.parametrize("wait_max", [0, 25])
def test_engine(wait_max, random_network, monkeypatch, tmp_path):
    """In 44 cycles a cell every cycle is predicted; where they take longer the prediction is the least."""
    network = random_network((6, 3, 2), affine=True)
    config = EngineConfig.for_network(
        network, macro_kind="cells", macro_size=(12, 3), dataflow="alternate", sense_latency=44
    )
    monkeypatch.setattr(memory_files, "CellSettings", lambda: CellSettings(wait_max=wait_max, seed=1))
    images = np.random.default_rng(1).integers(0, 256, (3, 6), dtype=np.uint8)
    result = simulate(network, images, engine=config, run=RunOptions(simulator="icarus", jobs=1, build_dir=tmp_path))
    assert result.mismatches == 0
    assert result.ok == (wait_max == 0)
    assert result.cycles >= result.predicted_cycles
