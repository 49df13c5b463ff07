"""Keras files: quantisers of Larq with three values, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("h5py", reason='importing Keras files needs the package h5py: pip install -e ".[import]"')

from helpers.imports import keras_files, refused

from oxnor.models import golden
from oxnor.models.exchange.import_network import import_network

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


def larq(kind, **config):
    return {"module": "larq.quantizers", "class_name": kind, "config": config}


QKERAS = 'QKeras: give the network as QONNX, as qonnx.converters.from_keras(model, output_path="mine.onnx") of the package qonnx 0.4 writes it'
KERAS_REFUSED = {
    "QKeras": ([("QDense", "a", {"units": 3}), ("QActivation", "b", {})], [f"layer 'a' is a QDense of {QKERAS}"]),
    "QKeras in an activation": ([("Activation", "a", {"activation": "quantized_relu(2)"})],
                                [f"quantized_relu(2) 'a': it is a quantiser of {QKERAS}"]),
    "DoReFa": ([("QuantDense", "a", {"units": 3, "use_bias": False, "kernel_quantizer": larq("DoReFa", k_bit=3, mode="weights")})],
               ["DoReFa 'a.kernel_quantizer': 3 bits: of weights, 1 to 8 are read of activations alone: train with ste_sign or ste_tern"]),
    "mean of activations": ([("Larq>SteTern", "a", {"ternary_weight_networks": True})],
                            ["SteTern 'a': its threshold depends on the activations: give it a threshold_value"]),
    "threshold": ([("Larq>SteTern", "a", {"threshold_value": "0.1"})], ["SteTern 'a': its threshold_value must be a finite number"]),
    "others": ([("Activation", "a", {"activation": "my_sign"})],
               ["my_sign 'a': the quantiser is not supported for activations: train with ste_sign or ste_tern"]),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "reasons"), KERAS_REFUSED.values(), ids=KERAS_REFUSED)
def test_keras_refused(layers, reasons, tmp_path):
    path = keras_files(tmp_path / "n.json", layers, {"a/kernel": np.ones((12, 3))})
    assert [line.removeprefix("  - ") for line in refused(path).split("\n") if not line.startswith("1 node")] == reasons


def test_larq_ternary_file():
    """A model that Larq wrote: its weights are those of its kernel, of which some are 0."""
    import h5py

    imported = import_network(FIXTURES / "larq_ternary.h5", coding="byte")
    assert imported.ok
    with h5py.File(FIXTURES / "larq_ternary.h5") as f:
        kernel = f["model_weights/ternary/ternary/kernel:0"][()]
    values = np.where(np.abs(kernel) < 0.05, 0, np.sign(kernel))
    assert 0 < np.count_nonzero(values == 0) < values.size
    assert "-1, 0, +1" in imported.report["layers"][1]["weights"]
    np.testing.assert_array_equal(imported.network.layers[1].weight_values, 2 * values.T)


@pytest.mark.parametrize(("quantiser", "t"), [("ste_tern", 0.05), (larq("Larq>SteTern", threshold_value=0.5), 0.5),
                                              (larq("SteTern", ternary_weight_networks=True), None)])
def test_larq_ternary(quantiser, t, tmp_path):
    """Weights and activations of -1, 0 and +1, with thresholds as given or of the mean weight, against numpy."""
    g, ternary = np.random.default_rng(7), {"use_bias": False, "kernel_quantizer": quantiser}
    inner = larq("SteTern", threshold_value=1.5)
    layers = [("QuantDense", "a", {"units": 16, "input_quantizer": "ste_sign"} | ternary),
              ("QuantDense", "b", {"units": 5, "input_quantizer": inner} | ternary)]
    kernels = {name: g.normal(size=shape).astype(F) for name, shape in (("a", (12, 16)), ("b", (16, 5)))}
    kernels["a"][:3] = np.array([[0.05], [-0.05], [0.5]], F)  # at a threshold a weight is no 0
    imported = import_network(keras_files(tmp_path / "n.json", layers, {f"{k}/kernel": v for k, v in kernels.items()}), coding="signed")
    assert imported.ok
    assert not [text for text in imported.report["notes"] if "rounds the mean" in text]
    images = g.integers(0, 256, (300, 12), dtype=np.uint8)
    x = np.where(images >= 128, 1, -1)
    for name, cut in (("a", None), ("b", 1.5)):
        limit = F(0.7 * np.abs(kernels[name]).mean(dtype=float) if t is None else t)
        x = x if cut is None else (x >= cut).astype(int) - (x <= -cut)
        x = x @ ((kernels[name] >= limit).astype(int) - (kernels[name] <= -limit))
    np.testing.assert_array_equal(golden.predict(imported.network, images), x.argmax(axis=1))


def test_larq_threshold_that_is_a_weight(tmp_path):
    """The mean of all weights is 1, and one is 0.7 of it: the order of Larq's sum decides whether that is 0."""
    kernel = np.ones((12, 2))
    kernel[:2, 0] = 0.7, 1.3
    layers = [("QuantDense", "a", {"units": 2, "use_bias": False, "input_quantizer": "ste_sign",
                                   "kernel_quantizer": larq("SteTern", ternary_weight_networks=True)})]
    notes = import_network(keras_files(tmp_path / "n.json", layers, {"a/kernel": kernel}), coding="signed").report["notes"]
    assert any(text.startswith("a.kernel_quantizer: whether 1 of 24 weights are 0 depends on how the source rounds the mean") for text in notes)
