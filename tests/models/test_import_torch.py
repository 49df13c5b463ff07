"""State dicts of PyTorch: what they hold, what is assumed, and what is refused."""

import builtins
import itertools
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.imports import refused

from oxnor.models import golden
from oxnor.models.base.files import write_npz
from oxnor.models.exchange.import_network import import_network

torch = pytest.importorskip("torch", reason="state dicts need PyTorch")

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_float_network_is_no_binarized_one(tmp_path):
    path = FIXTURES / "float_relu_mlp.pt"
    why = "`binarize` takes them by their signs, which is another network unless it was trained so"
    assert refused(path).split("\n") == [
        "2 nodes cannot be imported",
        f"  - '0': weights must be -1 and +1, or have one magnitude a neuron, and have 12 values: {why}",
        f"  - '2': weights must be -1 and +1, or have one magnitude a neuron, and have 8 values: {why}, and `last_layer_bits` rounds them, as this is the last layer",
    ]
    bits = np.random.default_rng(0).random((40, 3)) < 0.5
    write_npz(tmp_path / "i.npz", {"images": bits, "labels": np.zeros(40, np.uint8), "outputs": np.eye(2, dtype=F)[[1] * 40]})
    imported = import_network(path, binarize=True, check=tmp_path / "i.npz")
    assert imported.ok
    report = imported.report
    assert (report["binarized"], report["outputs"]) == (True, [])  # nothing is called equal to the source
    assert report["accuracy"] == 1 - report["agreement"]
    assert report["notes"][0].endswith("; no agreement with the source is claimed")


@pytest.mark.parametrize("scale", ["one", "a neuron"])
def test_binary_weights_keep_their_scale(scale, tmp_path):
    """Weights of one magnitude a neuron are what they are: the bias after them is not scaled."""
    g = np.random.default_rng(1)
    w = np.where(g.random((16, 20)) < 0.5, F(1), F(-1)) * (F(1) if scale == "one" else g.uniform(0.05, 0.2, (16, 1)).astype(F))
    v, b = np.where(g.random((5, 16)) < 0.5, F(1), F(-1)), g.normal(size=16).astype(F)
    torch.save({k: torch.from_numpy(a) for k, a in {"a.weight": w, "a.bias": b, "b.weight": v}.items()}, tmp_path / "m.pt")
    imported = import_network(tmp_path / "m.pt")
    assert imported.ok
    assert imported.report["outputs"][0]["by"] == "float32 of the operators assumed"
    assert not imported.report["binarized"]
    bits = g.random((300, 20)) < 0.5
    y = np.where(np.where(bits, F(1), F(-1)) @ w.T + b >= 0, F(1), F(-1)) @ v.T
    np.testing.assert_array_equal(golden.predict(imported.network, bits), y.argmax(axis=1))


def test_state_dict_with_nan(tmp_path):
    state = {"a.weight": torch.ones(4, 3), "a.bias": torch.tensor([1, 2, float("inf"), 0]), "b.weight": torch.ones(2, 4)}
    state["b.weight"][1, 2] = float("nan")
    torch.save(state, tmp_path / "m.pt")
    for binarize in (False, True):
        assert refused(tmp_path / "m.pt", binarize=binarize).split("\n")[1:] == [
            "  - 'a': bias must be finite", "  - 'b': weight must be finite",
        ]


@pytest.fixture(scope="module")
def state():
    """A state dict of 20-8-3 with binary weights."""
    g = torch.Generator().manual_seed(0)
    weights = [torch.where(torch.rand(shape, generator=g) < 0.5, 1.0, -1.0) for shape in ((8, 20), (3, 8))]
    norm = {"bias": torch.randn(8, generator=g), "running_mean": torch.randn(8, generator=g), "running_var": torch.ones(8)}
    return {"a.weight": weights[0], "bn.weight": torch.randn(8, generator=g)} | {f"bn.{k}": v for k, v in norm.items()} | {"b.weight": weights[1]}


@pytest.mark.parametrize("device", ["mps", "cuda:3", "xpu:0"])
def test_state_dict_saved_on_any_device(device, state, tmp_path):
    """The name of the device is in the pickle, beside each tensor."""
    torch.save(state, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                assert data.count(b"X\3\0\0\0cpu") == 1  # a string of 3 letters, which the other tensors refer to
                data = data.replace(b"X\3\0\0\0cpu", b"X" + bytes([len(device), 0, 0, 0]) + device.encode())
            new.writestr(name, data)
    assert import_network(tmp_path / "b.pt").network.digest == import_network(tmp_path / "a.pt").network.digest


def test_state_dict_of_any_precision(state, tmp_path):
    digests = set()
    for name in ("float32", "float64", "bfloat16"):
        kind = getattr(torch, name)
        torch.save({k: v.bfloat16().to(kind) for k, v in state.items()}, tmp_path / "a.pt")
        digests.add(import_network(tmp_path / "a.pt").network.digest)
    assert len(digests) == 1


def test_state_dict_in_a_checkpoint(state, tmp_path):
    """Under any name, beside an optimizer's and plain values; of two the one under a usual name."""
    torch.save(state, tmp_path / "a.pt")
    digest = import_network(tmp_path / "a.pt").network.digest
    optimizer = {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    other = {"b.weight": torch.ones(3, 8)}
    for checkpoint in ({"net": state, "epoch": 3, "optimizer": optimizer}, {"ema": other, "model": state}):
        torch.save(checkpoint, tmp_path / "b.pt")
        assert import_network(tmp_path / "b.pt").network.digest == digest
    torch.save({"generator": state, "critic": other}, tmp_path / "b.pt")
    assert refused(tmp_path / "b.pt") == "must be the state dict of one network, and holds 2 ('generator', 'critic')"


class Loss:
    """What a checkpoint may hold besides: it is not loaded."""

    def __reduce__(self):
        return Loss, (), {"weight": 3}

    def __setstate__(self, state):
        raise AssertionError("must not run")


def test_state_dict_beside_other_objects(state, tmp_path):
    """A loss, numbers of numpy and the state of its generator; and the values of which the weights are the signs."""
    torch.save(state, tmp_path / "a.pt")
    latent = {"a.weight_org": state["a.weight"] * torch.rand(8, 20)}
    more = {"best": np.float64(0.9), "rng": np.random.default_rng(0).bit_generator.state, "criterion": Loss()}
    torch.save({"models_state_dict": [state | latent], "cpu_rng_state": torch.get_rng_state()} | more, tmp_path / "b.pt")
    imported = import_network(tmp_path / "b.pt")
    assert imported.network.digest == import_network(tmp_path / "a.pt").network.digest
    assert imported.report["notes"][1] == "'a': weight_org left out, as weight is binary already"
    torch.save({"a.weight": state["a.weight"] * 0.3 + 0.1} | latent, tmp_path / "b.pt")
    assert "'a' (weight (8, 20), weight_org (8, 20)): neither a linear layer nor a batch norm" in refused(tmp_path / "b.pt")


def test_state_dict_refused_with_all_reasons(state, tmp_path):
    strange = {
        "c.weight": torch.zeros(4, 20, 3), "a.weight": state["a.weight"][:, :5], "bn.weight": torch.ones(7), "bn.bias": torch.ones(8),
        "bn.running_mean": torch.zeros(7), "bn.running_var": -torch.ones(7), "b.weight": torch.full((3, 9), 0.5), "b.bias": torch.ones(4),
        "epoch": 3, "mask": torch.ones(4).to_sparse(),
    }
    torch.save(strange, tmp_path / "m.pt")
    assert refused(tmp_path / "m.pt").split("\n") == [
        "8 reasons why the network cannot be imported",
        "  - entry 'epoch' must be a tensor, not int",
        "  - entry 'mask' must be a plain tensor of numbers",
        "  - 'c' (weight (4, 20, 3)): a convolution, whose stride, padding and pooling no state dict holds: export the model to ONNX, which holds its operators",
        "  - 'bn': bias must have 7 elements, as running_mean has",
        "  - 'bn': must have 1 or 8 elements, one a neuron before it, not 7",
        "  - 'bn': running_var must be 0 or more",
        "  - 'b': must have 8 inputs, as the layer before has neurons, not 9",
        "  - 'b': bias must have shape (3,), one a neuron, not (4,)",
    ]


def test_torch_files_that_are_no_state_dicts(tmp_path):
    rule = "must be a state dict saved with torch.save(model.state_dict(), ...), and"
    torch.save(torch.nn.Linear(3, 2), tmp_path / "m.pt")
    never = "which could run any program and are never loaded"
    assert refused(tmp_path / "m.pt") == f"{rule} holds Python objects (torch.nn.modules.linear.Linear), {never}"
    torch.save([torch.ones(3)], tmp_path / "m.pt")
    assert refused(tmp_path / "m.pt") == f"{rule} holds a list"
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}q\0.")
        archive.writestr("m/constants.pkl", b"\x80\x02)."), archive.writestr("m/version", b"3")
    assert refused(tmp_path / "m.pt") == f"{rule} is a TorchScript program"


def test_state_dict_saved_on_a_gpu():
    path = FIXTURES / "linear_saved_on_cuda.pt"
    assert refused(path).split("\n")[1].startswith("  - '0': weights must be -1 and +1")
    imported = import_network(path, binarize=True)
    np.testing.assert_array_equal(imported.network.layers[0].weights, [[True, False, False], [False, False, True]])


def test_without_pytorch(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert refused(FIXTURES / "linear_saved_on_cuda.pt").startswith("reading a PyTorch file needs PyTorch, which is not installed")


def test_input_rule_of_a_state_dict(tmp_path):
    """The threshold is in the values of the input coding, and one for all or one an input."""
    torch.save({"a.weight": torch.ones(2, 3)}, tmp_path / "m.pt")
    path = tmp_path / "m.pt"
    assert import_network(path).network.input_rule.to_json() == 128
    assert import_network(path, input_threshold=77).network.input_rule.to_json() == 77
    assert import_network(path, input_threshold=0.4, coding="unit").network.input_rule.to_json() == 102
    assert import_network(path, input_threshold=0, coding="0.1307,0.3081").network.input_rule.to_json() == 34
    assert refused(path, input_threshold=[1, 2]) == "`input_threshold` must be one finite number, or 3, one an input"
    assert refused(path, input_threshold=1, coding="binary") == (
        "`input_threshold` must not be given with `coding` binary, whose inputs are bits"
    )
    pytest.importorskip("onnx", reason="reads an ONNX file")
    assert refused(FIXTURES / "ties.onnx", input_threshold=1, binarize=True) == (
        "`binarize`, `input_threshold` must not be given for ONNX"
    )


def sequential(sizes=(20, 16, 12, 5), seed=1):
    torch.manual_seed(seed)
    modules = []
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        modules.append(torch.nn.Linear(a, b, bias=k != 1))
        if k < len(sizes) - 2:
            modules.append(torch.nn.BatchNorm1d(b))
    model = torch.nn.Sequential(*modules)
    with torch.no_grad():
        for m in model:
            if isinstance(m, torch.nn.BatchNorm1d):
                for v in (m.weight, m.bias, m.running_mean):
                    v.normal_()
                m.running_var.uniform_(0.5, 9)
    return model.eval()


def test_torch_state_dict(tmp_path):
    model = sequential()
    torch.save(model.state_dict(), tmp_path / "m.pt")
    imported = import_network(tmp_path / "m.pt", binarize=True)
    assert imported.ok
    assert imported.network.shape == (20, 16, 12, 5)
    bits = np.random.default_rng(0).random((300, 20)) < 0.5
    x = torch.from_numpy(np.where(bits, F(1), F(-1)))
    with torch.no_grad():
        for m in model:
            if isinstance(m, torch.nn.Linear):
                x = torch.nn.functional.linear(x, torch.where(m.weight >= 0, 1.0, -1.0), m.bias)
            else:
                x = torch.where(m(x) >= 0, 1.0, -1.0)
    np.testing.assert_array_equal(golden.predict(imported.network, bits), x.argmax(dim=1).numpy())
    assert imported.report["notes"][0] == (
        "a state dict holds no operators, so these are assumed: weights are taken by their signs (0 is +1), layers are joined by signs"
        " (0 is +1), batch norm has eps 1e-5, and pixel >= 128 is input bit 1; no agreement with the source is claimed"
    )


def test_torch_file_before_archives(tmp_path):
    state = sequential().state_dict()
    torch.save(state, tmp_path / "a.pt")
    torch.save(state, tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    a, b = (import_network(tmp_path / f"{name}.pt", binarize=True) for name in "ab")
    assert b.network.digest == a.network.digest


def test_torch_state_dict_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(2, 1, 3, 3), "emb.table": torch.zeros(3)}, tmp_path / "m.pt")
    assert refused(tmp_path / "m.pt").split("\n") == [
        "2 nodes cannot be imported",
        "  - 'conv' (weight (2, 1, 3, 3)): a convolution, whose stride, padding and pooling no state dict holds: export the model to ONNX, which holds its operators",
        "  - 'emb' (table (3,)): neither a linear layer nor a batch norm: export the model to ONNX, which holds its operators",
    ]


@pytest.mark.filterwarnings("ignore")
def test_module_with_convolutions():
    """A module as binary networks of PyTorch are written: pooling before batch norm, and padding by -1 and by 0."""
    from torch import nn
    from torch.nn import functional

    from oxnor.models.exchange.torch_model import import_torch_model

    def sign(x):
        return torch.where(x >= 0, 1.0, -1.0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.ModuleList([nn.Conv2d(1, 6, 3), nn.Conv2d(6, 4, 3), nn.Conv2d(4, 6, 3, padding=1, bias=False)])
            self.norm = nn.ModuleList([nn.BatchNorm2d(n) for n in (6, 4, 6)])
            self.last = nn.Linear(6 * 9, 3, bias=False)

        def forward(self, x):
            for k, (conv, norm) in enumerate(zip(self.conv, self.norm, strict=True)):
                x = functional.pad(x, (1, 1, 1, 1), value=-1.0) if k == 1 else x
                x = functional.conv2d(x, sign(conv.weight), conv.bias, padding=conv.padding)
                x = functional.max_pool2d(x, 2) if k < 2 else x
                x = sign(norm(x))
            return functional.linear(x.flatten(1), sign(self.last.weight))

    torch.manual_seed(3)
    net = Net()
    for norm in net.norm:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias), nn.init.normal_(norm.running_mean)
    imported = import_torch_model(net, torch.rand(1, 1, 14, 14), "net", coding="signed")
    assert imported.ok
    assert [c["by"] for c in imported.report["outputs"]] == ["float32", "the model itself"]
    assert [layer.window.pad for layer in imported.network.layers[:3]] == [-1, -1, 0]
    assert imported.network.layers[0].lowest.any()


@pytest.mark.filterwarnings("ignore")
def test_module_that_pads_every_layer_with_zeros():
    """As BinaryNet.pytorch writes a VGG: the first layer takes images normalised by 0.5 and 0.5, and pads them too."""
    from torch import nn

    from oxnor.models.exchange.torch_model import import_torch_model

    class Conv(nn.Conv2d):
        def forward(self, x):
            x = x if x.size(1) == 3 else x.sign()
            return self._conv_forward(x, self.weight.sign(), None) + self.bias.view(1, -1, 1, 1)

    class Linear(nn.Linear):
        def forward(self, x):
            return nn.functional.linear(x.sign(), self.weight.sign()) + self.bias

    torch.manual_seed(3)
    parts = [
        Conv(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Hardtanh(), Conv(8, 6, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(6),
        nn.Hardtanh(), Conv(6, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.BatchNorm2d(4), nn.Hardtanh(), nn.Flatten(), Linear(4 * 4, 5),
        nn.BatchNorm1d(5, affine=False), nn.LogSoftmax(dim=1),
    ]  # fmt: skip
    for part in parts[:-2]:
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight), nn.init.normal_(part.bias), nn.init.normal_(part.running_mean)
    net = nn.Sequential(*parts).eval()
    imported = import_torch_model(net, torch.rand(1, 3, 8, 8), "net", coding="signed")
    assert imported.ok
    layers = imported.network.layers[:3]
    assert [(y.window.pad, y.planes) for y in layers] == [(0, 8), (0, 1), (0, 1)]
    images = np.random.default_rng(1).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
    x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    assert np.array_equal(golden.predict(imported.network, images), net(x).argmax(1).numpy())
