"""The trials of :mod:`oxnor.models.trials.binarized` on a GPU, in PyTorch, with the same integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.faults.fault_map import FIELDS, FaultMap
from oxnor.models.networks.binarized import Network

from .binarized import Trials

_BATCH = 4096


class TorchTrials(Trials):
    """As :class:`oxnor.models.trials.binarized.Trials`, with products of +1 and -1 in floating point.

    Sums stay below 2**24, up to which 32-bit floats hold every integer: the results are exact on any device, also
    where the factors are rounded to ten bits (TF32), since +1, -1 and odd integers below 256 have no more to lose.

    Parameters
    ----------
    network, images, labels
        As there.
    device : str, optional
        PyTorch's name. Default: the first GPU, else the CPU.
    """

    def __init__(self, network: Network, images: NDArray, labels: NDArray | None = None, device: str | None = None):
        super().__init__(network, images, labels)
        torch = import_torch()
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._inputs = torch.from_numpy(golden.elements(network, images)).split(_BATCH)
        self._tensors = [self._as_signs(layer.weights) for layer in network.layers]

    def _as_signs(self, weights: NDArray[np.bool_]) -> Any:
        return import_torch().from_numpy(weights.astype(np.float32)).to(self.device) * 2 - 1

    def scores(self, faults: FaultMap) -> NDArray[np.int64]:  # noqa: D102
        torch = import_torch()
        faults.check(self.network)
        with torch.inference_mode():
            weights = [self._faulty(k, faults) for k in range(len(self._tensors))]
            return np.concatenate([self._batch(x.to(self.device).float(), weights) for x in self._inputs])

    def _faulty(self, k: int, faults: FaultMap) -> Any:
        torch = import_torch()
        w = self._tensors[k]
        named = [getattr(faults, name).get(k, np.zeros(0, np.int64)) for name in FIELDS]
        if not any(v.size for v in named):
            return w
        w = w.clone()
        flat = w.view(-1)
        flips, zeros, ones = (torch.tensor(v, device=w.device) for v in named)
        flat[flips] *= -1
        flat[zeros] = -1
        flat[ones] = 1
        return w

    def _batch(self, x: Any, weights: list[Any]) -> NDArray[np.int64]:
        """Return the scores of a batch of integers, the elements of images."""
        layers: Any = self.network.layers
        for layer, w in zip(layers, weights, strict=True):
            counts = layer.popcounts_torch(x, w)
            if layer.gives_scores:
                return layer.from_popcounts(counts.cpu().numpy().astype(np.int64))
            x = layer.outputs_torch(counts)
        raise AssertionError("the last layer of a network gives scores")
