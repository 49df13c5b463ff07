"""The shipped networks, and networks by name or file."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oxnor.models.base.errors import InputError, near_names

if TYPE_CHECKING:
    from oxnor.models.networks.binarized import Network

#: Fields of a network's info that `entries` copies.
CARD_FIELDS = ("origin", "licence", "data", "command", "validation_accuracy", "training")


def _folder() -> Path:
    return Path(str(resources.files("oxnor.models"))) / "data" / "networks"


def names() -> list[str]:
    """Return the names of the shipped networks, sorted."""
    return sorted(path.stem for path in _folder().glob("*.npz"))


def load(name_or_path: str | os.PathLike[str]) -> Any:
    """Return a shipped network or the network in a file: a Network or a SpikingNetwork.

    Parameters
    ----------
    name_or_path : str or path
        The name of a shipped network; otherwise a file that exists, or a name that ends in ``.npz`` or contains a
        folder.

    Raises
    ------
    InputError
        If the file cannot be used, or no network has that name: with the list of names and those that are near.
    """
    from .golden import registry

    return registry.load(find(name_or_path))


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a shipped network, or the path that a text is; parameters and errors as for :func:`load`."""
    text = os.fspath(name_or_path)
    known = names()
    if text in known:
        return _folder() / f"{text}.npz"
    if text.endswith(".npz") or os.path.basename(text) != text or Path(text).is_file():
        return Path(text)
    raise InputError(f"network must be one of {', '.join(known)}, not {text!r}{near_names(text, known)}")


def load_binarized(name_or_path: str | os.PathLike[str]) -> Network:
    """Return a binarized network; otherwise as :func:`load`.

    Raises
    ------
    InputError
        Also if the network is of another type.
    """
    from oxnor.models.networks.binarized import Network

    from .golden import registry

    return registry.only(load(name_or_path), Network, "for this command")


def entries() -> list[dict[str, Any]]:
    """Return one dictionary a shipped network, sorted by name.

    Returns
    -------
    list of dict
        ``name``; ``kind``; ``label``, the layers in a line; ``shape``, the inputs and the neurons or channels of each;
        ``weights``, their number; ``accuracy``, the fraction of the 10,000 test images that the golden model gets
        right; and the :data:`CARD_FIELDS`.
    """
    from .golden import registry

    rows = []
    for name in names():
        network = load(name)
        entry = {"name": name, "kind": registry.type_of(network).name, "label": network.label,
                 "shape": list(network.shape), "weights": network.n_weights,
                 "accuracy": network.info.get("accuracy")}
        rows.append(entry | {key: network.info.get(key) for key in CARD_FIELDS})
    return rows
