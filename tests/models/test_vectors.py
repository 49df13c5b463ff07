"""Golden vectors: the arrays and the text are the golden model's, and Verilog reads the text."""

import shutil
import subprocess

import numpy as np
import pytest

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.golden.vectors import write_vectors
from oxnor.sim.runner import toolchain


@pytest.fixture
def written(random_network, tmp_path):
    network = random_network((37, 13, 5), affine=True)
    images = np.random.default_rng(1).integers(0, 256, (9, 37), dtype=np.uint8)
    return network, images, tmp_path / "v", write_vectors(network, images, tmp_path / "v", labels=np.arange(9))


def test_arrays_and_text(written):
    network, images, folder, found = written
    assert found["files"] == ["vectors.npz", "classes.mem", "input.mem", "layer0.mem", "scores.mem"]
    with np.load(folder / "vectors.npz") as v:
        hidden, scores = golden.layer_outputs(network, images)
        np.testing.assert_array_equal(v["layer0"], hidden)
        np.testing.assert_array_equal(v["scores"], scores)
        np.testing.assert_array_equal(v["classes"], golden.predict(network, images))
        last = network.layers[-1]
        np.testing.assert_array_equal(v["scores"], last.scales * v["popcounts"] + last.offsets)
        np.testing.assert_array_equal(v["labels"], np.arange(9))
        rows = [int(line, 16) for line in (folder / "layer0.mem").read_text().split()]
        assert [[r >> i & 1 for i in range(13)] for r in rows] == v["layer0"].astype(int).tolist()
        words = [int(line, 16) for line in (folder / "scores.mem").read_text().split()]
        assert [w - (w >> 63 << 64) for w in words] == v["scores"].ravel().tolist()


@pytest.mark.cosim
@pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}")
def test_verilog_reads_the_text(written):
    network, images, folder, _ = written
    (folder / "t.v").write_text("""
module t; reg [36:0] x[0:8]; reg [63:0] s[0:44]; reg [31:0] c[0:8];
  initial begin $readmemh("input.mem", x); $readmemh("scores.mem", s); $readmemh("classes.mem", c);
    $display("%b %0d %0d", x[8], $signed(s[44]), c[8]); end
endmodule""")
    subprocess.run([shutil.which("iverilog"), "-o", "t.vvp", "t.v"], cwd=folder, check=True, timeout=600)
    done = subprocess.run([shutil.which("vvp"), "t.vvp"], cwd=folder, check=True, timeout=600, capture_output=True, text=True)
    bits = "".join("01"[int(b)] for b in golden.binarize(network, images)[8][::-1])
    assert done.stdout.split() == [bits, str(golden.scores(network, images)[8, 4]), str(golden.predict(network, images)[8])]


def test_again_and_elsewhere(written, tmp_path):
    network, images, folder, _ = written
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    write_vectors(network, images, folder, labels=np.arange(9))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError) as caught:
        write_vectors(network, images, tmp_path / "other")
    assert str(caught.value) == f"{tmp_path / 'other'}: must be new, empty or written by this command before, and has other files in it"
    with pytest.raises(InputError) as caught:
        write_vectors(network, images, folder / "input.mem")
    assert str(caught.value) == f"{folder / 'input.mem'}: must be a folder, not a file"
