"""A stochastic first layer: its bits against plain sums, in files, in training, in engines at every bit and cycle."""

import numpy as np
import pytest

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.exchange.export_network import export_network
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.presentations import limits, presented
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.training.params import TrainParams
from oxnor.models.training.student import Student
from oxnor.models.trials.binarized import Trials

N = 11


def random_net(presentations, bits=1, levels=1, n_in=N):
    g = np.random.default_rng([presentations, bits, levels])
    middle = n_in * bits * presentations // 2
    thresholds = np.sort(g.integers(middle - 3, middle + 4, (5, levels)), axis=1)
    more = {"planes": 8, "weight_bits": bits, "presentations": presentations}
    first = DenseLayer(g.random((5, n_in * bits)) < 0.5, thresholds, **more)
    last = ScoreLayer(g.random((3, 5)) < 0.5, planes=levels.bit_length())
    return Network("presented", (first, last), InputRule.planes())


def plain_scores(network, values):
    first, last = network.layers
    bits = np.repeat(presented(values, first.presentations), first.weight_bits, axis=2)
    counts = (bits[:, :, None, :] == first.weights).sum(axis=(1, 3))
    levels = (counts[..., None] >= first.thresholds.reshape(5, -1)).sum(axis=-1)
    top = (1 << last.planes) - 1
    return ((2 * levels - top) @ np.where(last.weights, 1, -1).T + top * last.n_in) // 2


def test_random_bits_have_the_probability_of_their_value():
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 64, axis=1)
    bits = presented(values, 256)
    assert np.all(np.diff(bits.mean(axis=(1, 2))) >= 0)
    assert np.abs(bits.mean(axis=(1, 2)) - np.arange(256) / 256).max() < 0.01
    # 15 elements in a row see numbers that are as good as independent.
    related = np.corrcoef(limits(4096, 60).T.astype(float))
    assert np.abs(related[0, 1:15]).max() < 0.08


@pytest.mark.parametrize(("presentations", "bits", "levels"), [(1, 1, 1), (4, 1, 1), (5, 2, 3), (32, 1, 1)])
def test_scores_are_plain_sums(presentations, bits, levels, tmp_path):
    network = random_net(presentations, bits, levels)
    values = np.random.default_rng(1).integers(0, 256, (300, N), dtype=np.uint8)
    expected = plain_scores(network, values)
    for backend in ("numba", "numpy"):
        assert np.array_equal(golden.scores(network, values, backend), expected)
    network.save(tmp_path / "net.npz")
    again = Network.load(tmp_path / "net.npz")
    assert again.digest == network.digest
    assert again.layers[0].presentations == presentations
    assert network.n_reads == presentations * N * bits * 5 + 15 * levels.bit_length()
    faults = FaultMap.draw(network, ber=0.1)
    assert np.array_equal(
        Trials(network, values).scores(faults), golden.scores(faults.apply(network), values)
    )


@pytest.mark.parametrize("change", [{"presentations": 257}, {"presentations": True}, {"presentations": 2, "planes": 4}])
def test_what_cannot_be_presented(change):
    with pytest.raises(InputError, match="presentations must be"):
        DenseLayer(np.zeros((2, 3), bool), np.zeros(2, int), **change)


def test_what_has_no_random_bits(tmp_path):
    with pytest.raises(InputError, match="must not read random bits to be exported: QONNX has none"):
        export_network(random_net(2), tmp_path / "net.onnx")
    with pytest.raises(InputError, match="fault_injector must not be asked of a layer that reads random bits"):
        EngineConfig.for_network(random_net(2), EngineOptions(fault_injector=True))


def test_training_sums_what_the_layer_counts():
    """The pre-activations of the first stage are 2p - n T, and its fold gives their signs."""
    torch = pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
    params = TrainParams(hidden=(6,), presentations=5)
    rule = params.rule(np.zeros((1, N), np.uint8))
    student = Student(params.stages((N,), rule, 3), 1, 2.0)
    values = np.random.default_rng(2).integers(0, 256, (200, N), dtype=np.uint8)
    x = torch.from_numpy(values).float() * 2 - 255
    network = student.fold(x, "trained", rule)
    first = network.layers[0]
    assert first.presentations == 5
    with torch.no_grad():
        sums = student.stages[0].sums(x, torch.from_numpy(np.where(first.weights, 1.0, -1.0)).float()).numpy()
    packed = golden.pack_inputs(network, values)
    assert np.array_equal((sums + first.most) / 2, first.popcounts(packed, "numba"))
    torch_counts = first.popcounts_torch(torch.from_numpy(values).float(), torch.from_numpy(np.where(first.weights, 1.0, -1.0)).float())
    assert np.array_equal(torch_counts.numpy(), first.popcounts(packed, "numpy"))
    for wrong in ({"input_bits": 2}, {"input_planes": 8}, {"layers": "C4"}):
        with pytest.raises(InputError, match=r"^presentations must "):
            TrainParams(presentations=2, **wrong)
