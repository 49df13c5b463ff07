"""Training of convolutions: the integer network is what PyTorch computes, and a stopped training goes on exactly."""

import dataclasses
import time

import numpy as np
import pytest

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.dataset import Dataset
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.hidden import pack_planes
from oxnor.models.networks.layers.window import Pool
from oxnor.models.training import state as states
from oxnor.models.training.binarized import train
from oxnor.models.training.deform import Deformation, deform, generator
from oxnor.models.training.fold import BatchNorm
from oxnor.models.training.params import TrainParams
from oxnor.models.training.presets import TrainingData, preset, train_network
from oxnor.models.training.stages import Part, parse, stages
from oxnor.models.training.teacher import TeacherParams

torch = pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
from oxnor.models.training.state import Run  # noqa: E402
from oxnor.models.training.student import Student  # noqa: E402

SMALL = TrainParams(layers="C8k5s2-C16p1-P-F24", epochs=2, batch=64, views=2, validation=300, lr=2e-2, average=0.9,
                    bfloat16=True, teacher=TeacherParams(epochs=0))


@pytest.fixture(scope="module")
def digits():
    images, labels = load_mnist()
    return images[:2500].reshape(-1, 28, 28), labels[:2500]


@pytest.fixture(scope="module")
def trained(digits):
    return train(SMALL, *digits, name="small")


def test_description():
    parts = Part("C", 64), Part("C", 32, 5, 2, 1, 4), Part("P", 3, stride=3), Part("F", 512)
    assert parse("C64-C32k5s2p1g4-P3-F512") == parts
    assert stages(parse("C8-P3s2"), (9, 8, 1), 7)[0].pool == Pool(3, 3, 2, 2)
    assert stages(parse("C8-P3s2p1"), (9, 8, 1), 7)[0].pool == Pool(3, 3, 2, 2, 1, 1, 1, 1)
    conv, last = stages(parse("C8k5s2p2-P3"), (28, 30, 3), 7, planes=8)
    assert (conv.n_in, conv.window.out_size, conv.size_out, conv.planes) == (75, (14, 15), (4, 5), 8)
    assert (last.n_in, last.n_out, last.planes) == (4 * 5 * 8, 7, 1)
    first, second, last = stages(parse("C8-C8p1r16"), (8, 8, 1), 7, planes=8, bits=2)
    assert [(s.planes, s.bits) for s in (first, second, last)] == [(8, 2), (2, 2), (2, 1)]
    assert (first.shortcut, second.shortcut) == (0, 16)


@pytest.mark.parametrize(("text", "message"), [
    ("C64-X", "must have parts such as C64, C64k5s1p2, C64p1r16, P, P3, P3s2p1, F512 and A with hyphens between them, not 'X'"),
    ("A", "must have A only at its end, after a convolution: part 1, A"),
    ("C4-F3-A", "must have A only at its end, after a convolution: part 3, A"),
    ("C4-A-F3", "must have A only at its end, after a convolution: part 3, F3"),
    ("", "must have parts such as C64, C64k5s1p2, C64p1r16, P, P3, P3s2p1, F512 and A with hyphens between them, not ''"),
    ("P-C8", "must have a pooling only after a convolution: part 1, P"),
    ("C8-P-P", "must have a pooling only after a convolution: part 3, P"),
    ("C8-F9-C8", "must have no convolution after a dense layer: part 3, C8"),
    ("C8-P2s0", "must have sizes in [1, 65536], not P2s0"),
    ("C8k0", "must have sizes in [1, 65536], not C8k0"),
    ("C8p3", "must pad fewer pixels than a window has: part 1, C8p3"),
    ("C8-P3s2p3", "must pad fewer pixels than a window has: part 2, P3s2p3"),
    ("C8-C8g3", "must have channels in groups of one size: part 2, C8g3"),
    ("C\uff18", "must have parts such as C64, C64k5s1p2, C64p1r16, P, P3, P3s2p1, F512 and A with hyphens between them, not 'C\uff18'"),
    ("F70000", "must have sizes in [1, 65536], not F70000"),
    ("-".join(["C8"] * 65), "must have at most 64 parts, not 65"),
])
def test_wrong_descriptions(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert (caught.value.parameter, caught.value.message) == ("layers", message)


def test_windows_that_do_not_fit():
    with pytest.raises(InputError, match="kernel must be at most as large as the padded input, 4x4, not 5x5"):
        stages(parse("C4-P3-C4k5"), (14, 14, 1), 10)
    with pytest.raises(InputError, match="pool: windows must be at most as large as the feature map, 2x2"):
        stages(parse("C4-P3"), (4, 4, 1), 10)
    with pytest.raises(InputError, match="layers must fit images of 8x8x1: part 2, C4: convolution: groups must divide the 3"):
        stages(parse("C3-C4g2"), (8, 8, 1), 10)
    with pytest.raises(InputError, match="part 2, C4: convolution: shortcut must be around as many channels as come, 3, not 4"):
        stages(parse("C3-C4r2"), (8, 8, 1), 10)
    for fields, given in (("layers", {"layers": "C65536-C65536"}), ("hidden", {"hidden": (65536, 65536)})):
        with pytest.raises(InputError, match=f"^{fields} must have at most 268,435,456 synapses in all, not [0-9,]+$"):
            TrainParams(**given).stages((8, 8), TrainParams().rule(np.zeros((2, 64), np.uint8)), 10)
    rule = TrainParams().rule(np.zeros((2, 64), np.uint8))
    with pytest.raises(InputError, match=r"^layers must have shortcuts of at most 128 with weights of several bits, not 129$"):
        TrainParams(layers="C4-C4r129", weights="ternary").stages((8, 8), rule, 10)
    assert TrainParams(layers="C4-C4r128", weights="4").stages((8, 8), rule, 10)[1].shortcut == 128
    assert TrainParams(layers="C4-C4r256").stages((8, 8), rule, 10)[1].shortcut == 256
    with pytest.raises(InputError, match=r"^layers must not be given for features that are no pictures$"):
        TrainParams(layers="C4").stages((17,), TrainParams().rule(np.zeros((2, 17), np.uint8)), 3)


def evaluated(student, x, planes):
    """Return the scores by layers of torch.nn, in evaluation mode, of images (n, channels, height, width)."""
    nn, n = torch.nn, len(student.weights)
    x = 2 * x.float() - (2**planes - 1)
    for k, stage in enumerate(student.stages):
        averages = student.averages[k]
        signs = torch.where(averages >= 0, 1.0, -1.0) if student.weight_bits == 1 else averages.round()
        if x.ndim == 4 and not hasattr(stage, "window"):
            x = x.permute(0, 2, 3, 1).flatten(1)
        if not hasattr(stage, "window"):
            z = x @ signs.T
        else:
            w = stage.window
            x = nn.functional.pad(x, (w.left, w.right, w.top, w.bottom), value=-float(2**stage.planes - 1))
            kernel = signs.reshape(-1, w.kernel_y, w.kernel_x, w.channels // w.groups).permute(0, 3, 1, 2).contiguous()
            z = nn.functional.conv2d(x.contiguous(), kernel, stride=w.step_y, groups=w.groups)
            y, k_y = x[:, :, w.kernel_y // 2 :, w.kernel_x // 2 :], w.step_y  # the pixels under the windows' centres
            z = z + stage.shortcut * y[:, :, ::k_y, ::k_y][:, :, : z.shape[2], : z.shape[3]] if stage.shortcut else z
            z = nn.functional.max_pool2d(z, stage.pool.height, stage.pool.step_y, stage.pool.top) if stage.pool else z
        if k == n - 1:
            return z
        gamma, beta = student.averages[n + k], student.averages[2 * n - 1 + k]
        norm = (nn.BatchNorm2d if z.ndim == 4 else nn.BatchNorm1d)(len(gamma), momentum=None)
        with torch.no_grad():
            norm.weight.copy_(gamma)
            norm.bias.copy_(beta)
        norm(z)  # the statistics, of these images
        norm.running_var *= 1 - 1 / (z.numel() / len(gamma))  # PyTorch keeps the unbiased one
        y = norm.eval()(z).detach()
        x = torch.where(y >= 0, 1.0, -1.0)
        if stage.bits > 1:  # odd integers, a step of 2 from one to the next for each unit of y
            top = 2**stage.bits - 1
            x = (2 * torch.floor(y) + 1).clamp(-top, top)
    return None


@pytest.mark.parametrize(("layers", "shape", "planes", "activations"), [
    ("C8-P-C6k5s2p2g2-P3s2p1-F12", (28, 28, 1), 1, 1),
    ("C6-C5k2p1-P", (13, 12, 3), 8, 1),
    ("F9", (5, 6, 1), 8, 1),
    ("C6-P-C6k5s2p1r7-C6p1g3r2-P-F9", (25, 24, 1), 8, 2),
    ("C6s2-F9", (9, 8, 1), 1, 3),
])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_network_is_what_torch_computes(layers, shape, planes, activations, bits):
    """Random weights, and batch norms with negative factors: every score of every image."""
    g = torch.Generator().manual_seed(1)
    student = Student(stages(parse(layers), shape, 10, planes, activations), 3, 2.0, weight_bits=bits)
    for t in student.averages:
        t.copy_(torch.randn(t.shape, generator=g).clamp(-1.4, 1.4) * (5 if bits == 4 else 1))
    for k, stage in enumerate(student.stages):
        if getattr(stage, "shortcut", 0):
            student.averages[len(student.stages) + k].abs_()  # as training keeps them
    images = torch.randint(0, 256 if planes > 1 else 2, (60, *shape), generator=g)
    elements = images.reshape(60, -1)
    rule = TrainParams(input_planes=8 if planes > 1 else 0).rule(np.zeros((1, 1), np.uint8))
    network = student.fold(2 * elements.float() - (2**planes - 1), "random", rule)
    assert any(layer.lowest.any() for layer in network.layers if isinstance(layer, ConvLayer)) or "P" not in layers
    expected = evaluated(student, images.permute(0, 3, 1, 2), planes)
    pixels = (elements if planes > 1 else elements * 255).numpy().astype(np.uint8)
    counts = golden.scores(network, pixels)
    n_in = student.weights[-1].shape[1]
    full = n_in * max(1, 2**bits - 2)
    most = full * (2**activations - 1)
    np.testing.assert_array_equal((2 * counts - most) // (1 + (bits > 1)), expected.numpy())
    assert [layer.full for layer in network.layers][-1] == full
    if bits == 2:  # a zero is kept as one state: both devices in HRS
        pairs = [layer.weights.reshape(-1, 2) for layer in network.layers]
        assert not any((~p[:, 0] & p[:, 1]).any() for p in pairs)
        assert all(0.2 < np.mean(layer.weight_values == 0) < 0.6 for layer in network.layers)


def test_learns(trained, digits):
    assert trained.label == "28x28x1-C8k5s2-C16p1-P-24-10"
    images, labels = load_mnist()
    assert np.mean(golden.predict(trained, images[5000:]) == labels[5000:]) > 0.7
    assert trained.info["training"]["validation_accuracy"] > 0.7


def test_factors_of_shortcuts_are_not_negative(digits):
    """Steps so large that factors fall below 0, of averages that are the last step's."""
    params = dataclasses.replace(SMALL, layers="C4s4-C4r9-F8", lr=0.5, average=0.0, activations=2, epochs=1, views=0)
    assert train(params, digits[0][:600], digits[1][:600]).layers[1].shortcut == 9


def test_scores_of_a_convolution_are_trained(digits):
    """The scores of the layer are sums over all pixels, those in training their means."""
    params = dataclasses.replace(SMALL, layers="C4s4-C6-A", epochs=1, views=0, weights="ternary", activations=2)
    network = train(params, digits[0][:600], digits[1][:600])
    assert network.label == "28x28x1-C4s4-C6-C10k1-A"
    assert (network.layers[-1].kind, network.layers[-1].weight_bits, network.layers[-1].planes) == ("conv-scores", 2, 2)
    stage = stages(parse("C4s4-A"), (28, 28, 1), 10)[-1]
    signs = np.random.default_rng(0).random((10, 4)) < 0.5
    layer, x = stage.output(signs), np.random.default_rng(1).integers(0, 2, (5, 7 * 7 * 4))
    sums = stage.sums(torch.from_numpy(2.0 * x - 1), torch.from_numpy(np.where(signs, 1.0, -1.0))).numpy() * 49
    assert np.array_equal(2 * layer.evaluate(pack_planes(x, 1), "numba") - 4 * 49, np.rint(sums))


def test_shortcuts_are_shown_as_they_are_written():
    """Of weights with a 0, which count in steps of two, the layer's shortcut is twice that number."""
    stage = stages(parse("C8p1r9"), (8, 8, 8), 7)[0]
    norm = BatchNorm(*np.ones((2, 8), np.float32), *np.ones((2, 8), np.float32), 1e-5)
    layers = [stage.layer(np.ones((8, 72 * bits), bool), norm) for bits in (1, 2)]
    assert [(y.label, y.shortcut) for y in layers] == [("C8p1r9", 9), ("C8p1r9", 18)]


def test_resumed_within_an_epoch_is_uninterrupted(trained, digits, tmp_path, monkeypatch):
    """A checkpoint at every leg; the process ends at the first leg after the third of them."""
    class StopHere(Exception):
        pass

    path, told = tmp_path / "state.pt", []

    def interrupt(p):
        told.append(p)
        if len(told) == 2:
            raise StopHere

    monkeypatch.setattr("oxnor.models.training.binarized._LEG_IMAGES", 2048 // 3)
    whole = train(SMALL, *digits, name="small")  # no checkpoint is due
    monkeypatch.setattr(states, "_SECONDS", 0)
    with pytest.raises(StopHere):
        train(SMALL, *digits, name="small", checkpoint=path, progress=interrupt)
    assert 0 < told[-1].part < 1
    assert train(SMALL, *digits, name="small", checkpoint=path, resume=True).digest == whole.digest


def test_the_best_epoch_keeps_its_zeros(digits, tmp_path):
    """A ternary training that is over is read from its checkpoint as it was written."""
    params, images = dataclasses.replace(SMALL, layers="C4k5s3-F8", epochs=1, weights="ternary"), digits[0][:600]
    first, second = (
        train(params, images, digits[1][:600], checkpoint=tmp_path / "a.pt", resume=again) for again in (False, True)
    )
    assert 0.1 < np.mean(first.layers[0].weight_values == 0) < 0.9
    assert second.digest == first.digest


def test_more_images_later(digits, tmp_path):
    """Half of the images first: the validation set stays, and fewer or other images are refused."""
    images, labels = digits
    path = tmp_path / "state.pt"
    short = dataclasses.replace(SMALL, epochs=1, views=0)

    class StopHere(Exception):
        pass

    def interrupt(p):
        raise StopHere

    with pytest.raises(StopHere):
        train(dataclasses.replace(short, epochs=2), images[:1200], labels[:1200], checkpoint=path, progress=interrupt)
    both = train(dataclasses.replace(short, epochs=2), images, labels, checkpoint=path, resume=True)
    assert both.info["training"]["epochs"] == 2
    assert torch.load(path)["images"] == 1200
    assert torch.load(path)["used"] == 2500
    for wrong in (images[:1200], images[:1199], images[::-1]):
        with pytest.raises(InputError, match="images must be those of this training, not of another"):
            train(dataclasses.replace(short, epochs=3), wrong, labels[: len(wrong)], checkpoint=path, resume=True)


def test_a_checkpoint_of_cnv_is_small_and_quick(tmp_path):
    params = TrainParams(layers="C64-C64-P-C128-C128-P-C256-C256-F512-F512", input_planes=8)
    student = Student(params.stages((32, 32, 3), params.rule(np.zeros((1, 3072), np.uint8)), 10), 1, 2.0)
    assert sum(w.numel() for w in student.weights) == 1_542_848
    for p in student.parameters:
        p.grad = torch.rand_like(p)
    optimizer = torch.optim.Adam(student.parameters)
    optimizer.step()
    student.averages = [torch.rand_like(t) * 2 - 1 for t in student.averages]
    run = Run(student, optimizer, "", 1, 1, tmp_path / "state.pt", best=0.5, best_averages=list(student.averages))
    run.round_off()
    started = time.process_time()
    run.save(params)
    assert time.process_time() - started < 5
    assert (tmp_path / "state.pt").stat().st_size <= 16e6
    again = Student(student.stages, 2, 2.0)
    back = Run(again, torch.optim.Adam(again.parameters), "", 1, 1)
    back.restore(torch.load(tmp_path / "state.pt"), params, tmp_path)
    for ours, theirs in zip([*student.parameters, *student.averages], [*again.parameters, *again.averages], strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(optimizer.state.values(), back.optimizer.state.values(), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert torch.equal(back.best_averages[3] >= 0, student.averages[3] >= 0)


def test_trains_with_errors_and_planes_and_colour(digits, tmp_path):
    """Everything at once, in colour: bit planes, a thermometer code, errors, mirrors."""
    images, labels = digits
    colour = np.stack([images[:400, ::2, ::2], images[:400, 1::2, ::2], images[:400, ::2, 1::2]], axis=-1)
    data = TrainingData(Dataset("cifar10", colour[:300], labels[:300]), Dataset("cifar10", colour[300:], labels[300:400]))
    assert data.fit(preset("cifar10-cnv")).deformation.crop == 4  # in pixels of the set, of whatever size
    digests = set()
    for changes in ({"input_planes": 8}, {"input_planes": 3}, {"input_bits": 2}, {"input_planes": 8, "ber": 0.1}):
        params = preset("colours", {"layers": "C6-P-F8", "epochs": 1, "batch": 32, **changes})
        network = train_network("colours", params, data)
        assert network.layers[0].planes == changes.get("input_planes", 1)
        assert network.label.startswith("14x14x6-C6-P" if "input_bits" in changes else "14x14x3-C6-P")
        how = network.info["training"]["params"]["deformation"]
        assert (how["crop"], how["flip"], how["rotation"]) == (4, 0.5, 0)
        network.save(tmp_path / "n.npz")
        assert Network.load(tmp_path / "n.npz").digest == network.digest
        digests.add(network.digest)
    assert len(digests) == 4
    taught = TeacherParams(1, (4, 4, 8), 2, batch=64)
    network = train(TrainParams(layers="C4", epochs=1, validation=5, views=1, teacher=taught), colour, labels[:400])
    assert network.label.startswith("14x14x3-C4")


def test_moved_and_mirrored():
    images = torch.arange(2 * 5 * 4 * 3, dtype=torch.uint8).reshape(2, -1)
    how = Deformation(0, 0, 0, 0, 0, crop=2, flip=0.5)
    moves = set()
    for k in range(60):
        out = deform(images, how, generator(1, k), (5, 4, 3)).reshape(2, 5, 4, 3)
        for i in range(2):
            image = images[i].reshape(5, 4, 3).numpy()
            found = [
                (y, x, step) for y in range(5) for x in range(5) for step in (1, -1)
                if np.array_equal(out[i], np.pad(image[:, ::step], ((2, 2), (2, 2), (0, 0)))[y : y + 5, x : x + 4])
            ]
            assert found
            moves.add(found[0])
    assert len(moves) > 25
    assert torch.equal(deform(images, how, generator(1), (5, 4, 3)), deform(images, how, generator(1), (5, 4, 3)))


def test_hidden_and_layers_exclude_each_other():
    with pytest.raises(InputError, match=r"^layers must not be given together with `hidden`$"):
        preset("own", {"hidden": (4,), "layers": "C4"})
    with pytest.raises(InputError, match=r"^input_planes must not be given together with `input_bits`$"):
        TrainParams(layers="C4", input_planes=8, input_bits=2)
    assert preset("own", {"layers": "C4-F8"}).hidden == ()
