"""The training parameters of the shipped networks, and training with them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError, near_names
from oxnor.models.datasets.dataset import Dataset
from oxnor.models.datasets.files import NoSuchHalfError, labels_advice
from oxnor.models.datasets.known import load_dataset
from oxnor.models.datasets.mnist import MNIST_SIZE, DownloadProgress
from oxnor.models.datasets.splits import split
from oxnor.models.golden import spiking as golden
from oxnor.models.golden.registry import accuracy
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.spiking import Decision, Neuron, SpikingNetwork

from . import binarized, spiking
from .binarized import Progress
from .deform import MNIST_SHAPE, Deformation
from .params import TrainParams
from .spiking import SpikingTrainParams
from .teacher import TeacherParams

LICENCE = "MIT"
#: Sources and licences of the known sets, for cards.
DATA = {
    "mnist": "MNIST of handwritten digits (LeCun, Cortes, Burges; CC BY-SA 3.0)",
    "fashion-mnist": "Fashion-MNIST (Zalando Research; MIT)",
    "cifar10": "CIFAR-10 (Krizhevsky, 2009)",
}
SPIKING_DATA = f"{DATA['mnist']}, grey values as spike rates"
ORIGIN = "trained by oxnor"

#: Deformations of networks with convolutions, of sets that are not like MNIST.
DEFORMATIONS = {
    "fashion-mnist": Deformation(shift=0, rotation=0, scale=0, shear=0, elastic=0, crop=1, flip=0.5),
    "cifar10": Deformation(shift=0, rotation=0, scale=0, shear=0, elastic=0, crop=4, flip=0.5),
}

#: How each shipped network was trained: ``oxnor train NAME`` uses these.
PRESETS: dict[str, TrainParams] = {
    "mnist-tfc": TrainParams(
        hidden=(64, 64, 64), epochs=100, batch=512, lr=2e-2, lr_fall=1e-4, average=0.99, views=12,
        deformation=Deformation() * 0.5,
    ),
    "mnist-sfc": TrainParams(
        hidden=(256, 256, 256), epochs=80, batch=512, lr=2e-2, lr_fall=1e-4, average=0.995, views=16,
        deformation=Deformation() * 0.6,
    ),
    "mnist-mlp": TrainParams(
        hidden=(1024, 1024), epochs=40, batch=256, lr=1e-2, lr_fall=1e-4, average=0.998, views=16,
        deformation=Deformation() * 0.6, bfloat16=True,
    ),
    "mnist-mlp-robust": TrainParams(
        hidden=(1024, 1024), epochs=40, batch=256, lr=1e-2, lr_fall=1e-4, average=0.998, views=16,
        deformation=Deformation() * 0.6, bfloat16=True, ber=0.06,
    ),
}
#: The same for networks with convolutions. `cifar10-cnv` has the shape of FINN's CNV.
PRESETS |= {
    "mnist-cnn-small": TrainParams(
        layers="C16-P-C32-P-F64", epochs=40, clean_epochs=5, batch=256, lr=2e-2, lr_fall=1e-4, average=0.99, views=6,
        deformation=Deformation() * 0.5, bfloat16=True,
    ),
    "mnist-cnn": TrainParams(
        layers="C32k5-P-C64k5-P-F512", epochs=80, batch=256, lr=1e-2, average=0.99, views=40,
        deformation=Deformation() * 0.5, bfloat16=True,
        teacher=TeacherParams(15, (32, 64, 128), 2, lr=2e-3, deformation=Deformation() * 0.5),
    ),
    "fashion-cnn": TrainParams(
        layers="C64-C64-P-C128-C128-P-F512", input_planes=8, epochs=100, batch=128, lr=3e-3, average=0.995, views=15,
        deformation=DEFORMATIONS["fashion-mnist"], bfloat16=True,
        teacher=TeacherParams(15, (64, 128, 256), 2, lr=2e-3, deformation=DEFORMATIONS["fashion-mnist"]),
    ),
    "cifar10-cnv": TrainParams(
        layers="C64-C64-P-C128-C128-P-C256-C256-F512-F512", input_planes=8, epochs=280, batch=128, lr=3e-3,
        average=0.995, views=1000, deformation=DEFORMATIONS["cifar10"], validation=2500, bfloat16=True,
        teacher=TeacherParams(20, (64, 128, 256), 3, lr=2e-3, deformation=DEFORMATIONS["cifar10"]),
    ),
}
#: The same shape for devices that err, and with activations of two bits and residual additions.
PRESETS |= {
    "cifar10-cnv-robust": replace(PRESETS["cifar10-cnv"], epochs=150, views=40, ber=0.06),
    "cifar10-residual": replace(
        PRESETS["cifar10-cnv"], layers="C64-C64r16-P-C128-C128r16-P-C256-C256r16-F512-F512", epochs=90, views=40,
        activations=2,
    ),
}
#: What networks are trained on that are not trained on MNIST.
PRESET_SETS = {"fashion-cnn": "fashion-mnist"} | {name: "cifar10" for name in PRESETS if name.startswith("cifar10")}

#: The same for spiking networks.
SPIKING_PRESETS: dict[str, SpikingTrainParams] = {
    "mnist-spirit": SpikingTrainParams(epochs=30, lr=1e-2, batch=512, logit_scale=1.2),
    # Refractory for the shortest period of an input, 2**12 / 255 ticks; V then goes beyond theta, and needs bits.
    "mnist-spirit-tanh": SpikingTrainParams(
        epochs=30, lr=1e-2, batch=512, logit_scale=1.2, loss="tanh-mse", neurons=(Neuron(refractory=16, v_bits=14),),
    ),
    "mnist-spirit-deep": SpikingTrainParams(
        hidden=(128,), view="whole", epochs=12, lr=3e-3, batch=256, threads=2,
        neurons=(Neuron(bipolar=False, theta=16, v_bits=16), Neuron(v_bits=16)), decision=Decision(delta_s=10),
    ),
}  # fmt: skip


def preset(name: str, changes: Mapping[str, Any] | None = None) -> Any:
    """Return the training parameters of a shipped network, or the defaults for another name, with changes.

    Parameters
    ----------
    name : str
        A key of :data:`PRESETS`, or any other name if `changes` has ``hidden`` or ``layers``.
    changes : mapping, optional
        Fields of TrainParams; None leaves a field as it is. ``teacher_epochs`` is that of the teacher.

    Raises
    ------
    InputError
        If the name is unknown and neither ``hidden`` nor ``layers`` is given, or a value is out of its range.
    """
    changes = {key: value for key, value in (changes or {}).items() if value is not None}
    if name in SPIKING_PRESETS:
        return _spiking_preset(name, changes)
    if name in PRESETS:
        params = PRESETS[name]
    elif "hidden" in changes or "layers" in changes:
        params = TrainParams()
    else:
        known = sorted([*PRESETS, *SPIKING_PRESETS])
        raise InputError(
            f"must be given, or `layers`, for a network that is none of {', '.join(known)}: {name!r}"
            f"{near_names(name, known)}",
            parameter="hidden",
        )
    if "hidden" in changes and changes.setdefault("layers", ""):
        raise InputError("must not be given together with `hidden`", parameter="layers")
    if "teacher_epochs" in changes:
        changes["teacher"] = replace(params.teacher, epochs=changes.pop("teacher_epochs"))
    if "epochs" in changes:
        changes["clean_epochs"] = min(params.clean_epochs, changes["epochs"])
    return replace(params, **changes)


def _spiking_preset(name: str, changes: Mapping[str, Any]) -> SpikingTrainParams:
    allowed = ("epochs", "seed", "lr", "batch")
    for key in changes:
        if key not in allowed:
            raise InputError(
                f"must not be given for a spiking network: {name} takes {', '.join(f'`{a}`' for a in allowed)}",
                parameter=key,
            )
    return replace(SPIKING_PRESETS[name], **changes)


#: Training images below which a set is small, and most passes of a teacher over a small set.
SMALL, TEACHER_EPOCHS_MAX = 10_000, 60


def _passes(epochs: int, images: int) -> int:
    """Return the passes of a teacher over a set: as many as were asked for, or by default more over a small one."""
    if epochs != TeacherParams().epochs:
        return epochs
    return min(epochs * max(MNIST_SIZE["train"] // images, 1), TEACHER_EPOCHS_MAX)


@dataclass(frozen=True)
class TrainingData:
    """The images for training, and those for the one test at the end.

    Parameters
    ----------
    train : Dataset
        With labels.
    test : Dataset
        With labels; of the same size and classes.
    signs : bool
        Whether the bits of the sets are signs of numbers, which the network is to take.

    Raises
    ------
    InputError
        If there are no labels, or the two sets do not fit each other.
    """

    train: Dataset
    test: Dataset
    signs: bool = False

    def __post_init__(self) -> None:
        for part in (self.train, self.test):
            if part.labels is None:
                raise InputError(f"{part.name}: must have labels, {labels_advice(part.name)}")
        if len(np.unique(self.train.labels)) < 2:  # type: ignore[arg-type]
            raise InputError(f"{self.train.name}: labels must be of two classes or more{self.train.gaps}")
        if set(self.test.classes) < set(self.train.classes):  # a folder of some of the classes
            object.__setattr__(self, "test", self.test.in_classes(self.train.classes, self.train.name))
        if self.train.classes and self.test.classes and self.train.classes != self.test.classes:
            odd = sorted({*self.train.classes} ^ {*self.test.classes})
            rule = f"classes must be those of the training set; they differ in {', '.join(odd)}"
            raise InputError(f"{self.test.name}: {rule}")
        self.test.check_fit(self.train.n_pixels, self.train.n_classes, f"the training set {self.train.name}")

    @classmethod
    def load(
        cls,
        source: str | Path = "mnist",
        *,
        labels: str | Path | None = None,
        test: str | Path | None = None,
        data_dir: str | Path | None = None,
        signs: bool = False,
        download: DownloadProgress | None = None,
    ) -> TrainingData:
        """Return a data set to train on.

        Parameters
        ----------
        source, labels, data_dir, signs
            As for :func:`oxnor.models.datasets.known.load_dataset`.
        test : str or path, optional
            Test set. Default: that of `source`, or a sixth of its images if it has none.
        download : callable, optional
            Download a known set that is found nowhere, and report progress here. Default: nothing is downloaded.
        """
        load = partial(load_dataset, data_dir=data_dir, signs=signs)
        train = load(source, labels=labels, split="train", download=download is not None, progress=download)
        if test is not None:
            return cls(train, load(test), signs)
        try:
            held = load(source, labels=labels)
        except NoSuchHalfError:
            held = train
        if not np.array_equal(held.images, train.images):
            return cls(train, held, signs)
        kept, out = split(len(train), max(len(train) // 6, 1))
        return cls(train.some(kept, "five of six images"), train.some(out, "one of six images"), signs)

    def recorded(self, n_out: int) -> dict[str, Any]:
        """Return what a network of `n_out` outputs keeps of the set: its name, and the names of its classes."""
        classes = self.train.classes or self.test.classes
        return {"data_set": self.train.name, "classes": classes if len(classes) == n_out else ()}

    def fit(self, params: TrainParams) -> TrainParams:
        """Return `params` fit for the set; those of MNIST stay as they are.

        The validation set is at most a sixth. Deformations are those of 28 x 28 pixels, scaled. Small sets have
        smaller batches, and their teacher as many steps as MNIST's would have, up to :data:`TEACHER_EPOCHS_MAX` passes.
        Features that are no pictures have neither deformed copies nor a teacher, pictures in colour a deep teacher or
        none, and deformed copies for convolutions alone. Convolutions on the sets of :data:`DEFORMATIONS` have those.
        """
        n = len(self.train)
        params = replace(params, validation=min(params.validation, max(n // 6, 1)))
        if n < SMALL and params.batch == TrainParams().batch:
            params = replace(params, batch=min(params.batch, max(n // 40, 2)))
        size = self.train.images.shape[1:]
        if len(size) == 3 and params.layers:  # in colour, of which a small teacher knows too little
            if params.teacher.depth == 1:
                params = replace(params, teacher=replace(params.teacher, epochs=0))
        elif len(size) != 2:
            return replace(params, views=0, teacher=replace(params.teacher, epochs=0))
        if params.layers and self.train.name in DEFORMATIONS:
            if params.deformation != Deformation():
                return params  # in pixels of the set
            how = DEFORMATIONS[self.train.name]
            return replace(params, deformation=how, teacher=replace(params.teacher, deformation=how))
        side = min(size[:2])
        if side == MNIST_SHAPE[0] and n >= SMALL:
            return params
        scale, teacher = side / MNIST_SHAPE[0], params.teacher
        teacher = replace(
            teacher,
            deformation=teacher.deformation.in_pixels(scale),
            epochs=_passes(teacher.epochs, n),
            batch=min(teacher.batch, params.batch),
        )
        return replace(params, deformation=params.deformation.in_pixels(scale), teacher=teacher)


def train_network(
    name: str,
    params: TrainParams | SpikingTrainParams,
    data: TrainingData,
    *,
    command: str = "",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Any:
    """Train a network, test it once, and return it with its card in ``info``.

    Parameters
    ----------
    name : str
        Of the network.
    params : TrainParams or SpikingTrainParams
        A spiking network can only be trained on MNIST.
    data : TrainingData
    command : str
        Command line that does the same, for the card.
    checkpoint, resume, progress
        As for :func:`oxnor.models.training.binarized.train`; a spiking network has no checkpoints.
    """
    images, labels = data.train.images, data.train.labels
    assert labels is not None
    if images.dtype == bool:
        images = images.astype(np.uint8) * 255
    if isinstance(params, SpikingTrainParams):
        if checkpoint or resume:
            raise InputError(
                "must not be given for a spiking network: its training is short", parameter="checkpoint"
            )
        if data.train.name != "mnist":
            raise InputError(f"must be mnist for a spiking network, not {data.train.name}", parameter="data")
        made = spiking.train(params, data.train.flat, labels, name=name, progress=progress)
        return replace(made, info=spiking_card(made, params, data, command), **data.recorded(made.n_out))
    if data.signs and params.input_bits:
        raise InputError("must not be given together with `signs`", parameter="input_bits")
    network = binarized.train(
        data.fit(params), images, labels, name=name, checkpoint=checkpoint, resume=resume, progress=progress,
        classes=data.train.n_classes,
    )
    if data.signs:
        network = replace(network, input_rule=InputRule.bipolar())
    return replace(network, info=card(network, data.fit(params), data, command), **data.recorded(network.n_out))


def spiking_card(
    network: SpikingNetwork, params: SpikingTrainParams, data: TrainingData, command: str
) -> dict[str, Any]:
    """Return the card of a spiking network just trained, with the mean number of events of an image.

    If its outputs have a refractory period, the card also gives the accuracy without it.
    """
    images, labels = data.test.flat, data.test.labels
    run, without_refractory = golden.run(network, images), {}
    last = network.layers[-1]
    if last.neuron.refractory:
        free = replace(network, layers=(*network.layers[:-1], replace(last, neuron=replace(last.neuron, refractory=0))))
        without_refractory["accuracy_without_refractory"] = float(np.mean(golden.run(free, images).winners == labels))
    return card(network, params, data, command) | without_refractory | {
        "data": SPIKING_DATA,
        "input_spikes": float(run.used[:, 0].mean()),
        "synaptic_events": float(run.synaptic_events(network).mean()),
        "undecided": float(run.undecided.mean()),
    }


def card(
    network: Any, params: TrainParams | SpikingTrainParams, data: TrainingData, command: str
) -> dict[str, Any]:
    """Return the card of a network just trained; the only place that uses the test images."""
    import torch

    assert data.test.labels is not None
    training = dict(network.info["training"])
    about: dict[str, Any] = {"data": data.train.source}
    if data.train.name in DATA:
        about["data"] = f"{DATA[data.train.name]}, {_input_words(network)}"
    if data.train.name == "mnist" or network.name in PRESETS:
        about["licence"] = LICENCE
    return {
        "origin": ORIGIN,
        **about,
        "command": command,
        "accuracy": accuracy(network, data.test.flat, data.test.labels),
        "test_images": len(data.test),
        "validation_accuracy": training.pop("validation_accuracy"),
        "training": {
            **training,
            "seed": params.seed,
            "params": _plain(asdict(params)),
            "torch": torch.__version__.split("+")[0],
            "machine": platform.machine(),
        },
    }


def _input_words(network: Any) -> str:
    rule = getattr(network, "input_rule", InputRule.of(128))
    return f"pixel >= {rule.thresholds} is 1" if rule.kind == "threshold" and not rule.thresholds.ndim else rule.words()


def _plain(value: Any) -> Any:
    """Return `value` with tuples as lists, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
