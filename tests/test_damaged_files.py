"""Damaged files of every kind that is read: each is read or refused in one sentence, and soon."""

import resource

import numpy as np
import pytest

pytest.importorskip("onnx", reason='its files are among those damaged: pip install -e ".[import]"')
pytest.importorskip("nir", reason='its files are among those damaged: pip install -e ".[import]"')
pytest.importorskip("PIL", reason='pictures are among what is damaged: pip install -e ".[data]"')

from helpers.damage import attack

from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network


def test_damaged_files(tmp_path):
    counts, wrong = attack(tmp_path, range(50))
    assert not wrong
    assert sum(sum(seen.values()) for seen in counts.values()) > 800
    assert all(seen["refused"] for seen in counts.values()), "the damage does no harm: nothing was tried"


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files(tmp_path):
    counts, wrong = attack(tmp_path, range(6000))
    assert not wrong
    assert sum(sum(seen.values()) for seen in counts.values()) > 100_000


def test_a_reader_that_lets_an_error_through_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.damage.fit_csv", lambda path: float(path.read_text().splitlines()[9].split(",")[2]))
    _, wrong = attack(tmp_path, range(60), ["readings.csv"])
    assert wrong


def test_a_small_file_does_not_take_much_memory(tmp_path):
    """65,536 x 16,384 equal weights are 131 kB in a file, and a gigabyte outside."""
    path = tmp_path / "huge.npz"
    weights = np.ones((1 << 10, 1 << 10), bool)
    Network.from_arrays([weights], [None], name="huge").save(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    big = np.broadcast_to(np.uint8(255), (1 << 16, 1 << 11))
    with np.load(path) as source:
        parts = dict(source)
    text = parts["header"].tobytes().replace(b'"n_in": 1024', b'"n_in": 16384').replace(b'"n_out": 1024', b'"n_out": 65536')
    parts |= {"header": np.frombuffer(text, np.uint8), "layer0.weights": big}
    parts |= {"layer0.scales": np.ones(1 << 16, "<i8"), "layer0.offsets": np.zeros(1 << 16, "<i8")}
    np.savez_compressed(path, **parts)
    with pytest.raises(InputError, match=r"huge.npz: header.layers must have at most 268435456 synapses, not 1073741824$"):
        zoo.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000
