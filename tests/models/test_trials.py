"""The fast paths of a sweep: equal to the plain golden model on random networks, images and errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.error_models import ERROR_MODELS
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.models.trials.binarized import Trials, confusion


def make(shape, seed):
    g = np.random.default_rng([seed, *shape])
    pairs = list(zip(shape[1:], shape[:-1], strict=True))
    weights = [g.random(pair) < 0.5 for pair in pairs]
    thresholds = [g.integers(0, n_in + 2, n_out) for n_out, n_in in pairs[:-1]]
    return Network.from_arrays(weights, [*thresholds, None], name="net"), g.random((17, shape[0])) < 0.5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(1, 150), min_size=2, max_size=4).map(tuple),
    kind=st.sampled_from(sorted(ERROR_MODELS)),
    ber=st.sampled_from([0.0, 1e-3, 0.02, 0.3, 1.0]),
    seed=st.integers(0, 999),
)
def test_trials_are_the_golden_model(shape, kind, ber, seed):
    network, bits = make(shape, seed)
    faults = FaultMap.draw(network, ber=ber, kind=kind, seed=seed)
    expected = golden.scores(faults.apply(network), bits, backend="numpy")
    trials = Trials(network, bits)
    for _ in range(2):  # a trial leaves nothing behind for the next
        np.testing.assert_array_equal(trials.scores(faults), expected)
        clean = FaultMap.draw(network, ber=0)
        np.testing.assert_array_equal(trials.scores(clean), golden.scores(network, bits, backend="numpy"))


@pytest.mark.parametrize("wrong", [1, 19, 20, 40])
def test_neurons_of_the_first_layer_are_done_again_only_where_something_is_wrong(wrong):
    """Below half of the neurons one by one, from there all of them: the same either way."""
    network, bits = make((70, 40, 10), 5)
    faults = FaultMap(((40, 70), (10, 40)), {0: np.arange(wrong) * 70 + 3})
    np.testing.assert_array_equal(
        Trials(network, bits).scores(faults), golden.scores(faults.apply(network), bits, backend="numpy")
    )


@pytest.mark.parametrize("kind", sorted(ERROR_MODELS))
def test_torch_gives_the_same_integers(kind):
    pytest.importorskip("torch")
    from oxnor.models.trials.torch import TorchTrials

    network, bits = make((784, 300, 70, 10), 3)
    cpu, torch = Trials(network, bits), TorchTrials(network, bits, device="cpu")
    for trial in range(3):
        faults = FaultMap.draw(network, ber=0.05, kind=kind, trial=trial)
        np.testing.assert_array_equal(torch.scores(faults), cpu.scores(faults))


def test_confusion_counts_every_image_once():
    labels, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2])
    assert confusion(labels, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_without_labels_right_is_what_the_network_says():
    network, bits = make((30, 20, 7), 1)
    found = Trials(network, bits).confusion(FaultMap.draw(network, ber=0))
    assert np.trace(found) == len(bits)


def test_wrong_labels():
    network, bits = make((30, 20, 7), 1)
    with pytest.raises(InputError, match=r"^labels must be as many as the images, 17, not 3$"):
        Trials(network, bits, np.zeros(3, int))
    with pytest.raises(InputError, match=r"^labels must be in \[0, 6\], not 0 to 7$"):
        Trials(network, bits, np.arange(17) % 8)
