"""The weights of Keras models, as their HDF5 files name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import NDArray

#: Groups of layers in files that name them by class and number.
_FOLDERS = ("layers", "_layer_checkpoint_dependencies")


@dataclass(frozen=True)
class KerasWeights:
    """The arrays of a model by layer and name.

    Parameters
    ----------
    arrays : mapping
    by_folder : bool
        Layers are named by class and number, as ``.keras`` and ``.weights.h5`` files do, not by their own names.
    """

    arrays: Mapping[str, Mapping[str, NDArray]]
    by_folder: bool

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray]) -> KerasWeights:
        """Return arrays of an HDF5 file: of a whole model, of weights alone, or of either by class and number."""
        split = {name: name.split("/") for name in arrays}
        by_folder = any(parts[0] in _FOLDERS and parts[-2:-1] == ["vars"] for parts in split.values())
        whole = any(parts[0] == "model_weights" for parts in split.values())
        layers: dict[str, dict[str, NDArray]] = {}
        for name, parts in split.items():
            if by_folder and len(parts) >= 3 and parts[-2] == "vars" and parts[0] in _FOLDERS:
                layers.setdefault("/".join(parts[1:-2]), {})[parts[-1]] = arrays[name]
            elif not by_folder and (not whole or parts[0] == "model_weights") and len(parts) > 1 + whole:
                layers.setdefault(parts[whole], {})[re.sub(r":\d+$", "", parts[-1])] = arrays[name]
        return cls(layers, by_folder)
