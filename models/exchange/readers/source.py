"""What every reader of a binarized network returns."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.build import Built
from oxnor.models.exchange.folding.graph import Graph


@dataclass(frozen=True)
class Unsaid:
    """What some files do not say of their network, so that the user must.

    Parameters
    ----------
    binarize : bool
        Of a PyTorch state dict: take weights that are not binary by their signs (0 is +1).
    input_threshold : float or ndarray of float, shape (n_in,), optional
        Of a PyTorch state dict: an input, in the values of the input coding, is bit 1 if it reaches this. Default: the
        inputs are bits.
    weights : path, optional
        Of a Keras model in a ``.json`` file: the HDF5 file with its weights. Default: that of the same name beside it.
    last_layer_bits : int, optional
        Round float weights of the last layer to so many bits, with a bound on every score; range [2, 8]. Default:
        refuse them.
    """

    binarize: bool = False
    input_threshold: float | NDArray | None = None
    weights: str | Path | None = None
    last_layer_bits: int | None = None

    def __post_init__(self) -> None:
        bits = self.last_layer_bits
        if bits is None:
            return
        if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 2 <= bits <= 8:
            raise InputError(f"must be an integer in [2, 8], not {bits!r}", parameter="last_layer_bits")
        object.__setattr__(self, "last_layer_bits", int(bits))

    def check_taken(self, names: Collection[str], kind: str) -> None:
        """Raise InputError if anything is said that files of this kind say themselves, or cannot use."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        wrong = [f"`{name}`" for name, v in said.items() if name not in names and v is not None and v is not False]
        if wrong:
            raise InputError(f"{', '.join(wrong)} must not be given for {kind}")


@dataclass(frozen=True)
class SourceFile:
    """A source network with the format of its file.

    Parameters
    ----------
    graph : Graph
    kind : str
        The format in words.
    reference : callable, optional
        Returns another implementation of the source, for the comparison.
    takes : tuple of str
        Fields of :class:`Unsaid` that go with this kind of file.
    """

    graph: Graph
    kind: str
    reference: Callable[[Built], Any] | None = None
    takes: tuple[str, ...] = ()
