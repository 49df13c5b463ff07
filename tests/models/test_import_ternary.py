"""Weights of a few integers: every neuron of drawn networks, in every layer, equal to its source."""

import numpy as np
import pytest

pytest.importorskip("onnx")
from helpers import onnx_networks
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import check as checking
from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.folding.products import Factors, integers
from oxnor.models.exchange.import_network import import_network
from oxnor.models.exchange.qonnx import export_qonnx
from oxnor.models.exchange.readers.onnx_file import from_model
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.weight_code import WeightCode

F = np.float32


def chain(g, most, scale, levels, conv=False):
    """Return a network of two hidden layers whose weights are `scale` times integers up to `most`."""
    m = onnx_networks.Maker(opset=13)

    def weights(*shape):
        values = g.integers(-most, most + 1, shape)
        values[(0,) * len(shape)] = most
        return m.c((values * np.asarray(scale, F)).astype(F))

    def activation(z, n):
        if levels == 1:
            shape = (n, 1, 1) if conv and n == 5 else (n,)
            slopes = m.c(g.choice([-1, 1], shape).astype(F) * F(0.7))
            return m.n("BipolarQuant", [m.n("Add", [m.n("Mul", [z, slopes]), m.c(F(0.13))]), m.c(F(1))], m.domain)
        cuts = np.sort(g.normal(0, most * float(np.max(scale)) * 3, (n, levels)), axis=1).astype(F)
        return m.n("MultiThreshold", [z, m.c(cuts)], m.domain, out_dtype="UINT2")

    x = m.n("BipolarQuant", ["x", m.c(F(1))], m.domain)
    if conv:
        z = m.n("Conv", [x, weights(5, 2, 3, 3)])
        x = m.n("Flatten", [activation(z, 5)])
        n = 5 * 4 * 4
    else:
        x, n = activation(m.n("MatMul", [x, weights(20, 5)]), 5), 5
    x = activation(m.n("MatMul", [x, weights(n, 7)]), 7)
    return from_model(m.model(["N", 2, 6, 6] if conv else ["N", 20], m.n("MatMul", [x, weights(7, 4)])))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(most=st.integers(1, 4) | st.sampled_from([7, 32, 128]), scale=st.sampled_from([1.0, 0.5, 0.3, 1e-3, 7.0]), levels=st.sampled_from([1, 3]),
       conv=st.booleans(), seed=st.integers(0, 999))
def test_drawn_networks(most, scale, levels, conv, seed):
    graph = chain(np.random.default_rng(seed), most, scale, levels, conv)
    built = build(graph, coding="bipolar")
    assert {y.weight_code for y in built.network.layers} == {WeightCode.of(2 * most)}
    images = checking.random_images(72 if conv else 20, 200)
    found = checking.compare(built, graph, images, checking.own_source(built, graph))
    assert (found["differ"], found["images"]) == (0, 200)
    # Sums of other scales are rounded, and classes whose scores are equal then have no order.
    assert found["rounding"] == 0 or scale not in (1.0, 0.5)


def test_one_wrong_weight_is_found():
    graph = chain(np.random.default_rng(3), 2, 0.3, 1)
    built = build(graph, coding="bipolar")
    layers = list(built.network.layers)
    wrong = layers[0].weights.copy()
    wrong[0, :2] = ~wrong[0, :2]
    from dataclasses import replace

    network = replace(built.network, layers=(layers[0].with_weights(wrong), *layers[1:]))
    images = checking.random_images(20, 400)
    assert checking.compare(replace(built, network=network), graph, images, checking.own_source(built, graph))["differ"] > 0


#: Weights, the largest of them in units of a sign, and the unit of the only neuron.
COLUMNS = {
    "binary": ([1, -1, 1], 1, 1.0),
    "ternary": ([0.3, 0, -0.3], 2, 0.15),
    "two and one": ([-2, -1, 0, 1], 4, 0.5),
    "odd alone": ([3, -1, 1, -3], 3, 1.0),
    "without ones": ([2, 3, -3], 6, 0.5),
    "a neuron that is pruned": ([[1, 0], [-1, 0]], 2, 0.5),
    "four": ([4, -1], 8, 0.5),
    "rounded by float32": (F(0.1) * np.array([3, -2, 1, 0], F), 6, 0.05),
    "signs past gradients": ((F([0.3, -0.3, 0.3]) - F([0.7, 0.1, -0.9])) + F([0.7, 0.1, -0.9]), 1, 0.3),
    "6 bits": (F(1 / 32) * np.array([-32, 31, 1], F), 64, 1 / 64),
    "8 bits, narrow": (np.arange(-127, 128), 254, 0.5),
    "two that have no small ratio": ([0.4, 1], 10, 0.1),
}


@pytest.mark.parametrize("case", COLUMNS.values(), ids=COLUMNS)
def test_weights_as_integers(case):
    weights, top, unit = case
    weights = np.array(weights, F).reshape(len(weights), -1)
    found = integers(weights, "")
    assert (found.code.top, found.unit[0]) == (top, pytest.approx(unit))
    np.testing.assert_allclose(found.values * found.unit, weights, rtol=1e-6)
    synapses = found.synapses(np.zeros(weights.shape, bool))
    assert np.array_equal(found.code.decode(synapses), found.values)
    flat = synapses.swapaxes(0, 1).reshape(weights.shape[1], -1)
    other = found.code.negated(flat).reshape(weights.shape[1], -1, found.code.bits)
    assert np.array_equal(found.code.decode(other).T, -found.values)
    assert found.code.largest or not (~other[..., :-1] & other[..., 1:]).any()


@pytest.mark.parametrize("weights", [[1, 129], [1, 0.9999], [1, 1.0001], [256, 257], [np.pi, 1]])
def test_weights_that_are_no_few_integers(weights):
    with pytest.raises(InputError, match="must be whole numbers, at most 128, times one unit a neuron, and have"):
        integers(np.array(weights, F)[:, None], "")


def test_words_of_weights():
    one = np.ones(2)
    for values, top, slope, words in (
        ([1, -1], 1, 1, ""), ([2, 0], 2, 1 / 2, "0, +1"), ([2, -2], 2, 1 / 4, "-1, +1, scale 0.5"),
        (range(-20, 22, 2), 20, 1 / 2, "-10 to +10"),
    ):  # fmt: skip
        assert Factors(one, np.array([values], np.int16), WeightCode.of(top), one).scaling(one * slope) == words


def test_an_export_is_the_network_again(tmp_path):
    g = np.random.default_rng(5)
    weights = [g.integers(-most, most + 1, s) for most, s in ((1, (12, 30)), (3, (9, 12)), (20, (4, 9)))]
    network = Network.from_arrays(weights, [g.integers(20, 40, 12), g.integers(30, 42, 9), None])
    export_qonnx(network, tmp_path / "n.onnx")
    again = import_network(tmp_path / "n.onnx", coding="byte").network
    images = g.integers(0, 256, (200, 30)).astype(np.uint8)
    assert [(y.weight_bits, y.weight_max) for y in again.layers] == [(2, 0), (3, 6), (6, 40)]
    assert np.array_equal(golden.predict(again, images), golden.predict(network, images))
    for a, b in zip(again.layers, network.layers, strict=True):
        assert np.array_equal(a.weight_values, b.weight_values)
