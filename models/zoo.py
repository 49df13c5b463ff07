"""The shipped networks: what they are, how they were trained, and how a network is found by name."""

from __future__ import annotations

import difflib
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import DownloadProgress, load_mnist
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import Decision, Neuron, SpikingNetwork
from oxnor.models.training.binarized import Progress, TrainParams, train
from oxnor.models.training.deform import Deformation
from oxnor.models.training.spiking import SpikingTrainParams

from .golden import registry as kinds
from .golden import spiking as spiking_golden
from .training import spiking as train_spiking

LICENCE = "MIT"
DATA = "MNIST of handwritten digits (LeCun, Cortes, Burges; CC BY-SA 3.0), pixel >= 128 is 1"
SPIKING_DATA = "MNIST of handwritten digits (LeCun, Cortes, Burges; CC BY-SA 3.0), grey values as spike rates"
ORIGIN = "trained by oxnor"

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

#: Fields of the card that `entries` copies from a network's info.
CARD_FIELDS = ("origin", "licence", "data", "command", "validation_accuracy", "training")


def _folder() -> Path:
    return Path(str(resources.files("oxnor.models"))) / "data" / "networks"


def names() -> list[str]:
    """Return the names of the shipped networks, sorted."""
    return sorted(path.stem for path in _folder().glob("*.npz"))


def _unknown(name: str, known: list[str], what: str) -> InputError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return InputError(f"{what} must be one of {', '.join(known)}, not {name!r}{hint}")


def load_any(name: str) -> Any:
    """Return a shipped network of any kind.

    Raises
    ------
    InputError
        If there is none of that name: with the near names and the list.
    """
    known = names()
    if name not in known:
        raise _unknown(name, known, "network")
    return kinds.load(_folder() / f"{name}.npz")


def load(name: str) -> Network:
    """Return a shipped binarized network; otherwise as :func:`load_any`."""
    return kinds.only(load_any(name), Network, "here")


def resolve(name_or_path: str | os.PathLike[str]) -> Network:
    """Return the binarized network of a file, or a shipped one; otherwise as :func:`resolve_any`."""
    return kinds.only(resolve_any(name_or_path), Network, "for this command")


def resolve_any(name_or_path: str | os.PathLike[str]) -> Any:
    """Return the network of a file, or a shipped one, of any kind.

    Parameters
    ----------
    name_or_path : str or path
        A file that exists, a name that ends in ``.npz`` or has a folder in it, or the name of a shipped network.

    Raises
    ------
    InputError
        If the file cannot be used, or no network has that name.
    """
    text = os.fspath(name_or_path)
    if text in names():
        return load_any(text)
    if text.endswith(".npz") or os.path.basename(text) != text or Path(text).is_file():
        return kinds.load(text)
    raise _unknown(text, names(), "network")


def entries() -> list[dict[str, Any]]:
    """Return one dictionary a shipped network, sorted by name.

    Returns
    -------
    list of dict
        ``name``; ``kind``; ``shape``, the sizes from input to output; ``weights``, their number; ``accuracy``, the
        fraction of the 10,000 test images that the golden model gets right; and the :data:`CARD_FIELDS`.
    """
    found = []
    for name in names():
        network = load_any(name)
        entry = {"name": name, "kind": kinds.kind_of(network).name, "shape": list(network.shape),
                 "weights": network.n_weights, "accuracy": network.info.get("accuracy")}
        found.append(entry | {key: network.info.get(key) for key in CARD_FIELDS})
    return found


def accuracy(network: Any) -> float:
    """Return the fraction of the 10,000 test images that the golden model gets right."""
    images, labels = load_mnist("test")
    return float(np.mean(kinds.kind_of(network).predict(network, images) == labels))


def preset(name: str, changes: Mapping[str, Any] | None = None) -> Any:
    """Return the training parameters of a shipped network, or the defaults for another name, with changes.

    Parameters
    ----------
    name : str
        A key of :data:`PRESETS`, or any other name if `changes` has ``hidden``.
    changes : mapping, optional
        Fields of TrainParams; None leaves a field as it is. ``teacher_epochs`` is that of the teacher.

    Raises
    ------
    InputError
        If the name is unknown and no ``hidden`` is given, or a value is out of its range.
    """
    changes = {key: value for key, value in (changes or {}).items() if value is not None}
    if name in SPIKING_PRESETS:
        return _spiking_preset(name, changes)
    if name in PRESETS:
        params = PRESETS[name]
    elif "hidden" in changes:
        params = TrainParams()
    else:
        raise _unknown(name, sorted([*PRESETS, *SPIKING_PRESETS]), "without --hidden, the network")
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
                f"--{key.replace('_', '-')} must not be given for a spiking network: {name} takes"
                f" {', '.join('--' + a for a in allowed)}"
            )
    return replace(SPIKING_PRESETS[name], **changes)


def make(
    name: str,
    params: TrainParams | SpikingTrainParams,
    *,
    command: str = "",
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    download_progress: DownloadProgress | None = None,
) -> Any:
    """Train a network on MNIST, look at the test images once, and return it with its card in ``info``.

    Parameters
    ----------
    name : str
        Of the network.
    params : TrainParams or SpikingTrainParams
    command : str
        Command line that does the same, for the card.
    data_dir, download_progress
        As for :func:`oxnor.models.datasets.mnist.load_mnist`.
    checkpoint, resume, progress
        As for :func:`oxnor.models.training.binarized.train`; a spiking network has no checkpoints.
    """
    images, labels = load_mnist("train", data_dir, download_progress)
    if isinstance(params, SpikingTrainParams):
        if checkpoint or resume:
            raise InputError("checkpoint must not be given for a spiking network: its training is short")
        made = train_spiking.train(params, images.reshape(len(images), -1), labels, name=name, progress=progress)
        return replace(made, info=spiking_card(made, params, command))
    network = train(params, images, labels, name=name, checkpoint=checkpoint, resume=resume, progress=progress)
    return replace(network, info=card(network, params, command))


def spiking_card(network: SpikingNetwork, params: SpikingTrainParams, command: str) -> dict[str, Any]:
    """Return the card of a spiking network just trained: that of any, and the events that an image takes.

    Of one whose outputs have a refractory period also the accuracy without.
    """
    images, labels = load_mnist("test")
    found, told = spiking_golden.run(network, images), {}
    last = network.layers[-1]
    if last.neuron.refractory:
        free = replace(network, layers=(*network.layers[:-1], replace(last, neuron=replace(last.neuron, refractory=0))))
        told["accuracy_without_refractory"] = float(np.mean(spiking_golden.run(free, images).winners == labels))
    return card(network, params, command) | told | {
        "data": SPIKING_DATA,
        "input_spikes": float(found.used[:, 0].mean()),
        "synaptic_events": float(found.synaptic_events(network).mean()),
        "undecided": float(found.undecided.mean()),
    }


def card(network: Any, params: TrainParams | SpikingTrainParams, command: str) -> dict[str, Any]:
    """Return the card of a network just trained; the only place where the test images are looked at."""
    import torch

    told = dict(network.info["training"])
    return {
        "origin": ORIGIN,
        "licence": LICENCE,
        "data": DATA,
        "command": command,
        "accuracy": accuracy(network),
        "test_images": 10_000,
        "validation_accuracy": told.pop("validation_accuracy"),
        "training": {
            **told,
            "seed": params.seed,
            "params": _plain(asdict(params)),
            "torch": torch.__version__.split("+")[0],
            "machine": platform.machine(),
        },
    }


def _plain(value: Any) -> Any:
    """Return `value` with tuples as lists, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
