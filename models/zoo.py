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

from . import golden
from .augment import Deformation
from .datasets import DownloadProgress, load_mnist
from .errors import InputError
from .network import Network
from .train import Progress, TrainParams, train

LICENCE = "MIT"
DATA = "MNIST of handwritten digits (LeCun, Cortes, Burges; CC BY-SA 3.0), pixel >= 128 is 1"
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

#: Fields of the card that `entries` copies from a network's info.
CARD_FIELDS = ("origin", "licence", "data", "command", "validation_accuracy", "training")


def _folder() -> Path:
    return Path(str(resources.files(__package__))) / "data" / "networks"


def names() -> list[str]:
    """Return the names of the shipped networks, sorted."""
    return sorted(path.stem for path in _folder().glob("*.npz"))


def _unknown(name: str, known: list[str], what: str) -> InputError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return InputError(f"{what} must be one of {', '.join(known)}, not {name!r}{hint}")


def load(name: str) -> Network:
    """Return a shipped network.

    Raises
    ------
    InputError
        If there is none of that name: with the near names and the list.
    """
    known = names()
    if name not in known:
        raise _unknown(name, known, "network")
    return Network.load(_folder() / f"{name}.npz")


def resolve(name_or_path: str | os.PathLike[str]) -> Network:
    """Return the network of a file, or a shipped one.

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
        return load(text)
    if text.endswith(".npz") or os.path.basename(text) != text or Path(text).is_file():
        return Network.load(text)
    raise _unknown(text, names(), "network")


def entries() -> list[dict[str, Any]]:
    """Return one dictionary a shipped network, sorted by name.

    Returns
    -------
    list of dict
        ``name``; ``shape``, the sizes from input to output; ``weights``, their number; ``accuracy``, the fraction of
        the 10,000 test images that the golden model gets right; and the :data:`CARD_FIELDS`.
    """
    found = []
    for name in names():
        network = load(name)
        entry = {"name": name, "shape": list(network.shape), "weights": network.n_weights,
                 "accuracy": network.info.get("accuracy")}
        found.append(entry | {key: network.info.get(key) for key in CARD_FIELDS})
    return found


def accuracy(network: Network) -> float:
    """Return the fraction of the 10,000 test images that the golden model gets right."""
    images, labels = load_mnist("test")
    return float(np.mean(golden.predict(network, images) == labels))


def preset(name: str, changes: Mapping[str, Any] | None = None) -> TrainParams:
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
    if name in PRESETS:
        params = PRESETS[name]
    elif "hidden" in changes:
        params = TrainParams()
    else:
        raise _unknown(name, sorted(PRESETS), "without --hidden, the network")
    if "teacher_epochs" in changes:
        changes["teacher"] = replace(params.teacher, epochs=changes.pop("teacher_epochs"))
    if "epochs" in changes:
        changes["clean_epochs"] = min(params.clean_epochs, changes["epochs"])
    return replace(params, **changes)


def make(
    name: str,
    params: TrainParams,
    *,
    command: str = "",
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    download_progress: DownloadProgress | None = None,
) -> Network:
    """Train a network on MNIST, look at the test images once, and return it with its card in ``info``.

    Parameters
    ----------
    name : str
        Of the network.
    params : TrainParams
    command : str
        Command line that does the same, for the card.
    data_dir, download_progress
        As for :func:`oxnor.models.datasets.load_mnist`.
    checkpoint, resume, progress
        As for :func:`oxnor.models.train.train`.
    """
    images, labels = load_mnist("train", data_dir, download_progress)
    network = train(params, images, labels, name=name, checkpoint=checkpoint, resume=resume, progress=progress)
    return replace(network, info=card(network, params, command))


def card(network: Network, params: TrainParams, command: str) -> dict[str, Any]:
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
