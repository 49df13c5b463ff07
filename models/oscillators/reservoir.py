"""One oscillator as many nodes, one after the other: time multiplexing, masks, and a linear read-out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError

from . import kernels

#: Share of the values of training words beyond which currents are clipped.
_CLIP = 0.001


@dataclass(frozen=True)
class ReservoirParams:
    """One oscillator and how it is driven; every number is chosen.

    Parameters
    ----------
    nodes : int
        Virtual nodes: how many currents each frame becomes.
    bias, swing : float
        Current over its threshold without input, and how far the largest inputs move it. Below 1 it dies away.
    node_time : float
        Time of a node, in relaxation times 1 / 2 Gamma (bias - 1).
    q : float
        Nonlinear damping.
    noise : float
        Standard deviation of white noise of the amplitude that is read, relative to its mean.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    nodes: int = 400
    bias: float = 1.2
    swing: float = 0.6
    node_time: float = 0.25
    q: float = 2.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= 4096:
            raise InputError(f"must be in [1, 4096], not {self.nodes}", parameter="nodes")
        if not 1 < self.bias < math.inf:
            raise InputError(f"must be above 1, the threshold, not {self.bias:g}", parameter="bias")
        for name in ("swing", "node_time"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise InputError(f"must be above 0, not {value:g}", parameter=name)
        for name in ("q", "noise"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise InputError(f"must be at least 0, not {value:g}", parameter=name)

    @property
    def gamma_t(self) -> float:
        """Time of a node in 1/Gamma."""
        return self.node_time / (2 * (self.bias - 1))

    @property
    def start(self) -> float:
        """Power without input."""
        return (self.bias - 1) / (self.bias + self.q)


@dataclass(frozen=True, eq=False)
class Reservoir:
    """A mask with the scale of what it is fed.

    Parameters
    ----------
    params : ReservoirParams
    mask : ndarray of float64, shape (channels, nodes)
        -1 and +1.
    scale : float
        Of a masked value that moves the current by the whole swing.
    """

    params: ReservoirParams
    mask: NDArray[np.float64]
    scale: float

    @classmethod
    def fit(cls, params: ReservoirParams, words: list[NDArray[np.float64]], *, seed: int, mask: int) -> Reservoir:
        """Draw a mask and take the scale from training words."""
        draws = rng.stream("mask", seed=seed, layer=mask, trial=0)
        signs = draws.choice([-1.0, 1.0], (words[0].shape[1], params.nodes))
        some = np.concatenate(words[:: max(1, len(words) // 200)])
        return cls(params, signs, max(float(np.quantile(np.abs(some @ signs), 1 - _CLIP)), 1e-300))

    def currents(self, word: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the current over its threshold at each node of each frame, shape (frames, nodes)."""
        p = self.params
        return p.bias + p.swing * np.clip(word @ self.mask / self.scale, -1, 1)

    def run(self, word: NDArray[np.float64], steps: int = 1) -> NDArray[np.float64]:
        """Return the amplitude at the end of each node, shape (frames, nodes * steps); `steps` points inside each."""
        p = self.params
        out = np.empty(word.shape[0] * p.nodes * steps)
        kernels.reservoir_run(self.currents(word).ravel(), steps, p.q, p.gamma_t, p.start, out)
        return out.reshape(len(word), -1)


class Sums:
    """Sums over frames that decide a ridge regression, added up over groups of words.

    Parameters
    ----------
    features, classes : int
    """

    def __init__(self, features: int, classes: int) -> None:
        self.gram, self.cross = np.zeros((features + 1, features + 1)), np.zeros((features + 1, classes))

    def add(self, rows: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
        """Add frames, shape (n, features), each of the class of its word."""
        x = np.hstack([rows, np.ones((len(rows), 1))])
        self.gram += x.T @ x
        for label in np.unique(labels):
            self.cross[:, label] += x[labels == label].sum(axis=0)

    def __add__(self, other: Sums) -> Sums:
        made = Sums(len(self.gram) - 1, self.cross.shape[1])
        made.gram, made.cross = self.gram + other.gram, self.cross + other.cross
        return made

    def weights(self, ridge: float) -> NDArray[np.float64]:
        """Return the weights, shape (features + 1, classes), last row biases; `ridge` in mean squares of a feature."""
        n = len(self.gram) - 1
        total = self.gram[-1, -1]
        mean = self.gram[-1, :-1] / total
        spread = self.gram[:-1, :-1] - total * np.outer(mean, mean)
        wanted = self.cross[:-1] - np.outer(mean, self.cross[-1])
        scale = max(float(np.trace(spread)) / n, 1e-300)
        slopes = np.linalg.solve(spread + ridge * scale * np.eye(n), wanted)
        return np.vstack([slopes, self.cross[-1] / total - mean @ slopes])


def scores(means: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over its frames of what a read-out says of each word; `means` has shape (words, features)."""
    return means @ weights[:-1] + weights[-1]
