"""Training: what it gives, that it is repeatable, and that a stopped training goes on to the same weights."""

import dataclasses
import re
import sys
from dataclasses import asdict

import numpy as np
import pytest

from oxnor.cli.networks.train import DEFAULTS
from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.datasets.dataset import Dataset
from oxnor.models.datasets.known import load_dataset
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.datasets.options import DataOptions
from oxnor.models.golden.registry import accuracy
from oxnor.models.training.binarized import TrainParams, split, train
from oxnor.models.training.deform import Deformation
from oxnor.models.training.presets import TrainingData, train_network
from oxnor.models.training.stages import dense_stages
from oxnor.models.training.teacher import TeacherParams
from oxnor.sim.verify.inputs import inputs_for

SMALL = TrainParams(hidden=(32, 24), epochs=3, clean_epochs=1, batch=64, views=2, validation=200, lr=1e-2,
                    distill=0.5, teacher=TeacherParams(epochs=1, channels=(4, 8, 8), batch=16, lr=1e-2))


def torch_or_skip():
    return pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')


@pytest.fixture(scope="module")
def digits():
    images, labels = load_mnist()
    return images[:1500], labels[:1500]


@pytest.fixture(scope="module")
def trained(digits):
    torch_or_skip()
    told = []
    return train(SMALL, *digits, name="small", progress=told.append), told


def test_learns(trained, digits):
    network, told = trained
    assert network.shape == (784, 32, 24, 10)
    images, labels = load_mnist()
    assert np.mean(golden.predict(network, images[5000:]) == labels[5000:]) > 0.5
    assert [(p.stage, p.epoch, p.epochs) for p in told] == [("teacher", 1, 1)] + [("network", e, 3) for e in (1, 2, 3)]
    assert told[-1].best == max(p.accuracy for p in told[1:])


def test_best_epoch_is_returned(trained, digits):
    network, told = trained
    _, held = split(1500, SMALL.validation)
    images, labels = digits
    best = max(told[1:], key=lambda p: p.accuracy)
    training = network.info["training"]
    assert training["epoch"] == best.epoch
    assert training["validation_accuracy"] == best.accuracy
    assert np.mean(golden.predict(network, images[held]) == labels[held]) == best.accuracy


def test_same_seed_same_network_other_seed_another(trained, digits):
    assert train(SMALL, *digits, name="small").digest == trained[0].digest
    assert train(dataclasses.replace(SMALL, seed=2), *digits, name="small").digest != trained[0].digest


class StopHere(Exception):
    pass


@pytest.mark.parametrize("stop", [1, 2])
def test_resumed_is_uninterrupted(stop, trained, digits, tmp_path):
    def interrupt(p):
        if p.stage == "network" and p.epoch == stop:
            raise StopHere

    path = tmp_path / "state.pt"
    with pytest.raises(StopHere):
        train(SMALL, *digits, name="small", checkpoint=path, progress=interrupt)
    told = []
    network = train(SMALL, *digits, name="small", checkpoint=path, resume=True, progress=told.append)
    assert [(p.stage, p.epoch) for p in told] == [("network", e) for e in range(stop + 1, 4)]
    assert network.digest == trained[0].digest
    assert network.info == trained[0].info


def test_a_stopped_teacher_goes_on(digits, tmp_path):
    torch = torch_or_skip()
    from oxnor.models.training.teacher import train_teacher

    def interrupt(epoch, _):
        if epoch == 2:
            raise StopHere

    images, labels = torch.from_numpy(digits[0][:300].copy()), torch.from_numpy(digits[1][:300].astype(np.int64))
    params = TeacherParams(epochs=3, channels=(4, 8, 8), batch=50)
    whole = train_teacher(params, images, labels)
    with pytest.raises(StopHere):
        train_teacher(params, images, labels, tmp_path, interrupt)
    (begun,) = tmp_path.iterdir()
    assert begun.name == f"teacher-{whole.digest}.begun.pt"
    told = []
    resumed = train_teacher(params, images, labels, tmp_path, lambda epoch, _: told.append(epoch))
    assert told == [3]
    assert [path.name for path in tmp_path.iterdir()] == [f"teacher-{whole.digest}.pt"]
    assert torch.equal(resumed.answers(images), whole.answers(images))


def test_checkpoint_of_another_training(digits, tmp_path):
    torch_or_skip()
    path = tmp_path / "state.pt"
    plain = dataclasses.replace(SMALL, epochs=1, views=0, teacher=TeacherParams(epochs=0))
    train(plain, *digits, checkpoint=path)
    with pytest.raises(InputError) as caught:
        train(dataclasses.replace(plain, lr=0.5), *digits, checkpoint=path, resume=True)
    assert str(caught.value) == f"{path}: params must be those of this training, not of another"
    with pytest.raises(InputError) as caught:
        train(plain, digits[0][::-1], digits[1], checkpoint=path, resume=True)
    assert str(caught.value) == f"{path}: images must be those of this training, not of another"
    import torch

    held = torch.load(path, weights_only=True)
    for change in ({"epoch": "2"}, {"best": None}, {"averages": held["averages"][:-1]}, {"best_averages": []}, {"step": -1}):
        torch.save(held | change, path)
        with pytest.raises(InputError) as caught:
            train(plain, *digits, checkpoint=path, resume=True)
        assert str(caught.value).endswith("must be a checkpoint of oxnor train, and lacks a part of one, or has one of another kind")
    torch.save(held | {"images": 1 << 31, "used": 1 << 31, "data": ""}, path)  # of which an order would be drawn
    with pytest.raises(InputError, match="images must be those of this training"):
        train(plain, *digits, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=re.escape(f"{path}: must be a checkpoint of oxnor train")):
        train(plain, *digits, checkpoint=path, resume=True)
    with pytest.raises(InputError, match=r"^resume must come with a `checkpoint` file$"):
        train(plain, *digits, resume=True)


def test_patience_stops_early(digits):
    torch_or_skip()
    told = []
    params = dataclasses.replace(SMALL, epochs=30, patience=1, views=0, teacher=TeacherParams(epochs=0))
    network = train(params, *digits, progress=told.append)
    assert len(told) < 30
    assert network.info["training"]["epoch"] == len(told) - 1
    assert network.info["training"]["epochs"] == len(told)


def test_bfloat16_trains(digits):
    torch_or_skip()
    params = dataclasses.replace(SMALL, epochs=1, views=0, teacher=TeacherParams(epochs=0), bfloat16=True)
    assert train(params, *digits).info["training"]["validation_accuracy"] > 0.3


def test_training_with_errors_is_repeatable_and_another_network(digits):
    torch_or_skip()
    plain = dataclasses.replace(SMALL, epochs=1, views=0, teacher=TeacherParams(epochs=0))
    found = [train(dataclasses.replace(plain, ber=ber), *digits).digest for ber in (0.0, 0.1, 0.1)]
    assert found[0] != found[1] == found[2]
    margin = train(dataclasses.replace(plain, margin=16.0), *digits)
    assert margin.digest != found[0]
    assert margin.info["training"]["validation_accuracy"] > 0.3


def test_errors_are_drawn_anew_at_each_step_and_the_gradient_goes_straight_through():
    torch = torch_or_skip()
    from oxnor.models.training.student import Student

    student = Student(dense_stages((300, 200, 10)), 1, 2.0, ber=0.2)
    binary = student.binary_weights(torch.float32)
    shares = []
    for _ in range(30):
        student.begin_step(0.9)
        used = student.with_errors(binary)
        flipped = [u.detach() != b.detach() for u, b in zip(used, binary, strict=True)]
        shares.append(float(flipped[0].float().mean()))
        assert abs(float(flipped[1].float().mean()) - shares[-1]) < 0.05
        student.average(binary)
        student.steps += 1
    # Rates are uniform in [0, 0.2].
    assert max(shares) < 0.21
    assert min(shares) < 0.05
    assert max(shares) > 0.15
    x = torch.sign(torch.randn(64, 300))
    (student.scores(x, used, binary) * torch.arange(10.0)).sum().backward()
    assert torch.equal(used[1].grad[0], torch.zeros(200))
    assert float(used[0].grad.abs().sum()) > 0


def test_errors_of_ternary_weights_are_those_of_their_synapses():
    torch = torch_or_skip()
    from oxnor.models.training.student import Student

    student = Student(dense_stages((300, 200, 10)), 1, 2.0, weight_bits=2, ber=0.2)
    binary = student.binary_weights(torch.float32)
    assert set(binary[0].unique().tolist()) == {-1, 0, 1}
    moved = []
    for _ in range(20):
        student.begin_step(0.9)
        used = student.with_errors(binary)[0].detach() - binary[0].detach()
        moved.append([float((used.abs() == k).float().mean()) for k in (1, 2)])
        student.average(binary)
        student.steps += 1
    one, two = np.mean(moved, axis=0)
    # Of a rate p a zero moves at 2 p (1 - p), the others by one step at p (1 - p) for each, and by two at p**2.
    assert 0.1 < one < 0.25
    assert 0 < two < 0.02


def test_statistics_of_the_clean_weights_are_used_with_errors():
    """What is normalised is the faulty sum, by the mean and spread of the sum without errors."""
    torch = torch_or_skip()
    from oxnor.models.training.student import Student

    student = Student(dense_stages((50, 20, 10)), 1, 2.0)
    binary = student.binary_weights(torch.float32)
    x = torch.sign(torch.randn(200, 50, generator=torch.Generator().manual_seed(1)))
    x[:, :40] = 1  # a mean far from 0, which errors move
    flipped = [b.detach().clone() for b in binary]
    flipped[0][:, :20] *= -1
    clean, faulty = (x @ w.detach().T for w in (binary[0], flipped[0]))
    expected = torch.where((faulty - clean.mean(0)) / clean.std(0, correction=0) >= 0, 1.0, -1.0) @ flipped[1].T
    assert torch.equal(student.scores(x, flipped, binary).detach(), expected)
    assert not torch.equal(student.scores(x, flipped).detach(), expected)


def test_deformation_is_keyed_and_small(digits):
    torch = torch_or_skip()
    from oxnor.models.training.deform import deform, generator

    images = torch.from_numpy(np.array(digits[0][:200]))
    how = Deformation()
    once, again, other = (deform(images, how, generator(7, key)) for key in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.dtype == torch.uint8
    assert once.shape == (200, 784)
    assert torch.equal(deform(images, how * 0, generator(1)), images)
    ink = once.float().mean() / images.float().mean()
    assert 0.8 < ink < 1.2


def test_split_is_fixed_and_disjoint():
    kept, held = split(60_000, 5000)
    assert len(held) == 5000
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(60_000))
    assert np.array_equal(split(60_000, 5000)[1], held)


@pytest.mark.parametrize(("changes", "message"), [
    ({"hidden": ()}, "hidden must be one or more sizes in [1, 65536], not none"),
    ({"hidden": (64, 0)}, "hidden must be one or more sizes in [1, 65536], not 64, 0"),
    ({"epochs": 0}, "epochs must be in [1, 100000], not 0"),
    ({"clean_epochs": 4}, "clean_epochs must be in [0, 3], not 4"),
    ({"seed": -1}, "seed must be in [0, 2147483647], not -1"),
    ({"lr": 0.0}, "lr must be in [1e-07, 1.0], not 0.0"),
    ({"lr": float("nan")}, "lr must be in [1e-07, 1.0], not nan"),
    ({"distill": 1.5}, "distill must be in [0, 1], not 1.5"),
    ({"ber": 0.5}, "ber must be in [0, 0.499], not 0.5"),
    ({"margin": -1.0}, "margin must be in [0, 65536], not -1.0"),
])
def test_parameter_errors(changes, message):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(SMALL, **changes)
    assert str(caught.value) == message


def test_deformation_errors():
    with pytest.raises(InputError, match=re.escape("deformation: scale must be in [0, 0.5], not 0.6")):
        Deformation(scale=0.6)


def test_too_large_validation(digits):
    with pytest.raises(InputError, match=r"^validation must be less than the 1500 training images, not 1500$"):
        split(1500, 1500)


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError) as caught:
        import_torch()
    assert str(caught.value) == 'training needs PyTorch, which is not installed: pip install -e ".[train]", in a checkout of oxnor'


@pytest.fixture(scope="module")
def small_sets():
    torch_or_skip()
    pytest.importorskip("sklearn", reason="the data set digits comes with scikit-learn")
    return TrainingData(load_dataset("digits", split="train"), load_dataset("digits"))


def test_trains_on_another_set_of_pictures(small_sets):
    params = TrainParams(hidden=(128,), epochs=30, batch=64, views=4, teacher=TeacherParams(epochs=3, batch=32),
                         deformation=Deformation() * 0.3, validation=5000)
    network = train_network("digits", params, small_sets, command="x")
    assert network.shape == (64, 128, 10)
    assert network.info["accuracy"] > 0.78
    assert network.info["accuracy"] == accuracy(network, small_sets.test.flat, small_sets.test.labels)
    assert network.info["test_images"] == 450
    assert network.data_set == "digits"
    assert network.info["training"]["params"]["validation"] == 1347 // 6


def test_trains_on_features(small_sets):
    def features(part):
        few = part.labels < 3
        return Dataset(part.name, part.flat[few], part.labels[few], ("zero", "one", "two"), part.source)

    data = TrainingData(features(small_sets.train), features(small_sets.test))
    network = train_network("features", TrainParams(hidden=(21,), epochs=10, batch=32, input_threshold=90), data)
    assert network.shape == (64, 21, 3)
    assert network.input_rule.to_json() == 90
    assert network.classes == ("zero", "one", "two")
    assert network.info["accuracy"] > 0.9
    with pytest.raises(InputError, match="must be 0 for features that are no pictures"):
        train(SMALL, data.train.flat, data.train.labels)


def test_sets_that_do_not_fit(small_sets):
    with pytest.raises(InputError, match="digits: images must have 784 elements for the training set mnist, not 64"):
        TrainingData(load_dataset("mnist"), small_sets.test)
    with pytest.raises(InputError, match="digits: must have labels, in a file given as `labels`"):
        TrainingData(dataclasses.replace(small_sets.train, labels=None), small_sets.test)


def test_a_set_without_a_split_gives_a_sixth_for_the_test(tmp_path):
    g = np.random.default_rng(1)
    np.savez(tmp_path / "mine.npz", images=g.integers(0, 256, (60, 4, 4)), labels=np.arange(60) % 3)
    data = TrainingData.load(tmp_path / "mine.npz")
    assert (len(data.train), len(data.test)) == (50, 10)
    rows = {tuple(row) for row in data.train.flat.tolist()} & {tuple(row) for row in data.test.flat.tolist()}
    assert not rows
    fit = data.fit(TrainParams())
    assert (fit.validation, fit.batch, fit.teacher.batch) == (8, 2, 2)
    assert fit.deformation.shift == TrainParams().deformation.shift * 4 / 28
    assert TrainingData(load_dataset("mnist"), load_dataset("mnist")).fit(TrainParams(validation=5)) == TrainParams(validation=5)


def test_explicit_epochs_and_classes_are_kept(small_sets):
    params = TrainParams(teacher=TeacherParams(epochs=2), batch=99)
    assert (small_sets.fit(params).teacher.epochs, small_sets.fit(params).batch) == (2, 99)
    other = dataclasses.replace(small_sets.test, classes=(*"012345678", "x"))
    with pytest.raises(InputError, match="digits: classes must be those of the training set; they differ in 9, x"):
        TrainingData(small_sets.train, other)


def test_a_test_set_of_some_of_the_classes(small_sets):
    held = small_sets.test
    few = held.labels >= 7
    part = Dataset("some", held.images[few], held.labels[few] - 7, tuple("789"))
    np.testing.assert_array_equal(TrainingData(small_sets.train, part).test.labels, held.labels[few])


def test_trains_on_a_thermometer_code_and_on_signs(small_sets, tmp_path):
    """Four features of a grey picture each: too few for one bit each."""
    def features(part):
        few = part.labels < 4
        means = part.images.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16)[few].astype(np.uint8)
        return Dataset("means", means, part.labels[few], tuple("abcd"))

    data = TrainingData(features(small_sets.train), features(small_sets.test))
    params = TrainParams(hidden=(32,), epochs=12, batch=32)
    plain, coded = (train_network("means", dataclasses.replace(params, input_bits=bits), data) for bits in (0, 5))
    assert coded.input_rule.kind == "thermometer"
    assert coded.shape == (80, 32, 4)
    assert coded.info["accuracy"] > plain.info["accuracy"]
    coded.save(tmp_path / "coded.npz")
    inputs = inputs_for(zoo.load(tmp_path / "coded.npz"), DataOptions(random_inputs=True, images=5))
    assert inputs.images.shape == (5, 80)
    with np.load(tmp_path / "coded.npz") as z:
        assert z["input_thresholds"].shape == (16, 5)

    for name, part in zip(("train", "test"), (data.train, data.test), strict=True):
        np.savez(tmp_path / f"{name}.npz", x=part.images.astype(float) - part.images.mean(0), y=part.labels)
    signed = TrainingData.load(tmp_path / "train.npz", test=tmp_path / "test.npz", signs=True)
    network = train_network("signs", params, signed)
    assert network.input_rule.signs
    assert network.info["accuracy"] > 0.8
    network.save(tmp_path / "signs.npz")
    inputs = inputs_for(zoo.load(tmp_path / "signs.npz"), DataOptions(source=tmp_path / "test.npz"))
    assert accuracy(network, inputs.images, inputs.labels) == network.info["accuracy"]
    with pytest.raises(InputError, match="input_bits must not be given together with `signs`"):
        train_network("signs", dataclasses.replace(params, input_bits=2), signed)


def test_help_has_the_defaults_of_training():
    params = asdict(TrainParams())
    params["teacher_epochs"] = params["teacher"]["epochs"]
    assert {key: params[key] for key in DEFAULTS} == DEFAULTS
