"""The emitted engine on Icarus Verilog with a plain Verilog bench: no cocotb, no Verilator, the real adder trees."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.memory_files import write_images
from oxnor.models import golden
from oxnor.models.base.bits import pack_bytes
from oxnor.sim.runner import toolchain
from oxnor.sim.verify.corrupt import corrupted

pytestmark = [
    pytest.mark.cosim,
    pytest.mark.skipif(
        toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
    ),
]
IMAGES = 20


def words(rows):
    """Return (n, bytes) as lines of hexadecimal, byte 0 rightmost."""
    return "\n".join(bytes(row[::-1]).hex() for row in rows) + "\n"


def result_word(scores, config):
    """Return what the engine should give for one image, as bytes."""
    value = int(np.argmax(scores))
    if config.with_scores:
        mask = (1 << config.score_width) - 1
        value |= sum((int(s) & mask) << (config.class_width + k * config.score_width) for k, s in enumerate(scores))
    return np.frombuffer(value.to_bytes(config.result_width // 8, "little"), np.uint8)


def run_plain(network, in_rtl, config, directory):
    """Return (images, results taken, wrong ones) of the bench, with `in_rtl` in the memories."""
    emitted = emit_engine(config, directory / "rtl")
    write_images(in_rtl, config, directory)
    bits = np.random.default_rng(3).random((IMAGES, network.n_in)) < 0.5
    beats = pack_bytes(bits, config.stream_width).reshape(IMAGES * config.beats, -1)
    (directory / "images.mem").write_text(words(beats))
    expected = [result_word(s, config) for s in golden.scores(network, bits)]
    (directory / "expected.mem").write_text(words(expected))
    sizes = {"WIDTH": config.stream_width, "RESULT": config.result_width, "BEATS": config.beats, "IMAGES": IMAGES}
    parameters = [f"-Pplain_bench.{k}={v}" for k, v in sizes.items()]
    bench = Path(__file__).with_name("plain_bench.sv")
    compile_ = [shutil.which("iverilog"), "-g2012", "-s", "plain_bench", *parameters, "-o", "bench.vvp", bench]
    subprocess.run([*compile_, *emitted.sources], cwd=directory, check=True, capture_output=True, timeout=600)
    done = subprocess.run(
        [shutil.which("vvp"), "bench.vvp"], cwd=directory, check=True, capture_output=True, text=True, timeout=600
    )
    match = re.search(r"IMAGES (\d+) TAKEN (\d+) WRONG (\d+)", done.stdout)
    assert match, done.stdout
    return tuple(int(n) for n in match.groups())


STRUCTURES = {
    "37-13-5 on 8x16": ((37, 13, 5), {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}),
    "100-70-10, one beat": ((100, 70, 10), {}),
    "class alone": ((37, 13, 5), {"target": "ice40"}),
}


@pytest.mark.parametrize(("shape", "structure"), STRUCTURES.values(), ids=STRUCTURES)
@pytest.mark.parametrize("affine", [False, True])
def test_engine(shape, structure, affine, random_network, tmp_path):
    network = random_network(shape, affine=affine)
    config = EngineConfig.for_network(network, **structure)
    assert run_plain(network, network, config, tmp_path) == (IMAGES, IMAGES, 0)


def test_bench_finds_one_wrong_weight(random_network, tmp_path):
    network = random_network((37, 13, 5))
    config = EngineConfig.for_network(network)
    images = np.zeros((1, 37), bool)
    assert run_plain(network, corrupted(network, images, 1), config, tmp_path) == (IMAGES, IMAGES, IMAGES)
