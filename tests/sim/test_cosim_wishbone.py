"""The engine behind Wishbone."""

import json

import numpy as np
import pytest

from oxnor.hw.emit.integration import beats, results
from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.engine.wishbone import WishboneEngine
from oxnor.hw.interface import registers
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.memory_files import write_images
from oxnor.models import golden
from oxnor.models.base.bits import integers
from oxnor.sim.harness.engine import _identity
from oxnor.sim.runner import runner, toolchain

pytestmark = [
    pytest.mark.cosim,
    pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"),
]
TESTS = 4
#: Beats of a part of a word, and of a word and a part.
WIDTHS = [8, 40]


def words_of(bits, config):
    """Return the words of each image, shape (n, words)."""
    each = -(-config.stream_width // 32)
    found = [[b >> 32 * k & 0xFFFFFFFF for k in range(each)] for b in integers(beats(bits, config.stream_width))]
    return np.array(found).reshape(len(bits), -1)


def run(network, config, directory, images=6):
    emitted = emit_component(WishboneEngine(config), directory / "rtl")
    build = runner.build(emitted.sources, emitted.top, simulator="icarus", root=directory)
    bits = np.random.default_rng(1).random((images, network.n_in)) < 0.5
    write_images(network, config, directory)
    np.save(directory / "words.npy", words_of(bits, config))
    (directory / "results.json").write_text(json.dumps(integers(results(golden.scores(network, bits), config))))
    job = {
        "identity": _identity(network, config), "registers": registers.as_dicts(config), "cycle_limit": 200_000,
        "result_words": -(-config.result_width // 32),
    }  # fmt: skip
    (directory / "job.json").write_text(json.dumps(job))
    selection = runner.Selection(TESTS, None, 1)
    return runner.run(build, "oxnor.sim.benches.engine.tb_wishbone", directory, selection)


@pytest.mark.parametrize("width", WIDTHS)
def test_engine(width, random_network, tmp_path):
    network = random_network((37, 13, 5), affine=width == 40)
    config = EngineConfig.for_network(network, macro_size=(8, 16), folding=[(2, 4), (1, 2)], stream_width=width)
    assert run(network, config, tmp_path).tests == TESTS
