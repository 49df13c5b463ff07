"""Folding of batch norm and sign into one integer threshold, checked at every popcount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.weight_code import ONE_SYNAPSE, WeightCode


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalization of pre-activations z = 2p - n_in, in float32.

    Parameters
    ----------
    gamma, beta, mean, variance : ndarray of float32, shape (n_out,)
        Finite; variance >= 0.
    eps : float
        Added to the variance. Range (0, 1).

    Raises
    ------
    InputError
        If a shape or a range is wrong.
    """

    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    eps: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("gamma", "beta", "mean", "variance"):
            array = np.asarray(getattr(self, name), dtype=np.float32)
            if array.ndim != 1 or array.shape != np.shape(self.gamma):
                raise InputError(f"batch norm: {name} must have shape {np.shape(self.gamma)}, not {array.shape}")
            if not np.isfinite(array).all():
                raise InputError(f"batch norm: {name} must be finite, not {array[~np.isfinite(array)][0]}")
            object.__setattr__(self, name, array)
        if (self.variance < 0).any():
            raise InputError(f"batch norm: variance must be at least 0, not {self.variance.min()}")
        if not 0 < self.eps < 1:
            raise InputError(f"batch norm: eps must be in (0, 1), not {self.eps}")

    def some(self, part: slice) -> BatchNorm:
        """Return that of some neurons."""
        return BatchNorm(self.gamma[part], self.beta[part], self.mean[part], self.variance[part], self.eps)

    @property
    def scale(self) -> NDArray[np.float32]:
        """Factor gamma / sqrt(variance + eps), each step rounded to float32."""
        with np.errstate(over="ignore", under="ignore"):
            return self.gamma / np.sqrt(self.variance + np.float32(self.eps))

    def __call__(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (z - mean) * scale + beta for z of shape (n, n_out), each step rounded to float32.

        For one neuron this is monotone in z, because rounding is; overflow to infinity keeps that.
        """
        with np.errstate(over="ignore", under="ignore"):
            return (np.asarray(z, dtype=np.float32) - self.mean) * self.scale + self.beta


def cuts(bits: int) -> range:
    """Return where an activation of so many bits steps from one of its values to the next: 0 of one bit."""
    half = 1 << bits - 1
    return range(1 - half, half)


def fires(norm: BatchNorm, most: int, unit: int = 1, cut: int = 0) -> NDArray[np.bool_]:
    """Return the truth table of each neuron, shape (most + 1, n_out): row p is whether norm(z) reaches the cut.

    The pre-activation z is (2p - most) / unit.
    """
    z = ((2 * np.arange(most + 1) - most) / unit).astype(np.float32)
    return norm(z[:, None]) >= cut


def fold(
    weights: NDArray[np.bool_], norm: BatchNorm, top: int = 1, code: WeightCode = ONE_SYNAPSE, bits: int = 1,
    shortcut: int = 0,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Return weights and thresholds that give the values of norm(z) between its cuts for every popcount.

    A neuron with negative gamma has its weights negated, so that its popcount becomes most - p, where most is the sum
    of the largest weights times top; gamma = 0 gives a constant: threshold 0 (always) or most + 1 (never). The rule is
    that of section 4.3 of FINN's streamlining and of Larq's compute engine, with the threshold counted from the truth
    table instead of solved for, so that equality and rounding follow float32.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        True is +1; of a weight of several synapses all in a row.
    norm : BatchNorm
        Of n_out neurons, of pre-activations 2p - most, or half as much where weights are all integers, not odd ones.
    top : int
        Largest value of an input element: 2**planes - 1 of bit planes.
    code : WeightCode
        The synapses of a weight.
    bits : int
        Of an output: its value is how many of the :func:`cuts` norm(z) reaches.
    shortcut : int
        How often an element counts beside the synapses.

    Returns
    -------
    weights : ndarray of bool, shape (n_out, n_in)
    thresholds : ndarray of int64, shape (n_out,), or with more bits (n_out, 2**bits - 1); range [0, most + 1]

    Raises
    ------
    InputError
        If the shapes do not agree, the scale is not finite, or the result differs from the float32
        batch norm at any popcount; or if a neuron with a shortcut, which cannot be negated, has a negative scale.
    """
    weights = np.asarray(weights, dtype=bool)
    if weights.ndim != 2 or len(weights) != len(norm.gamma):
        raise InputError(f"batch norm: weights must have shape ({len(norm.gamma)}, n_in), not {weights.shape}")
    if not np.isfinite(norm.scale).all():
        raise InputError("batch norm: gamma / sqrt(variance + eps) must be finite in float32")
    most = (weights.shape[1] // code.bits * code.top + shortcut) * top
    negative = norm.scale < 0
    if shortcut and negative.any():
        neuron = np.flatnonzero(negative)[0]
        raise InputError(f"batch norm: gamma of neuron {neuron} must be at least 0 where there is a shortcut")
    columns = []
    for cut in cuts(bits):
        table = fires(norm, most, 2 - code.top % 2, cut)
        columns.append(most + 1 - np.count_nonzero(table, axis=0))
        check_fold(table, negative, columns[-1])
    thresholds = np.stack(columns, axis=1) if bits > 1 else columns[0]
    inverted = weights.copy()
    inverted[negative] = code.negated(weights[negative])
    return inverted, thresholds.astype(np.int64)


def check_fold(table: NDArray[np.bool_], inverted: NDArray[np.bool_], thresholds: NDArray[np.int64]) -> None:
    """Compare thresholds with the truth table at every popcount of every neuron.

    Parameters
    ----------
    table : ndarray of bool, shape (n_in + 1, n_out)
        From :func:`fires`; row p is popcount p of the weights before folding.
    inverted : ndarray of bool, shape (n_out,)
        Neurons whose weight row is inverted.
    thresholds : ndarray of int64, shape (n_out,)

    Raises
    ------
    InputError
        Naming the first neuron and popcount that differ.
    """
    p = np.arange(len(table))[:, None]
    folded = np.where(inverted, len(table) - 1 - p, p) >= thresholds
    wrong = np.argwhere((folded != table).T)
    if len(wrong):
        neuron, popcount = (int(v) for v in wrong[0])
        raise InputError(
            f"batch norm: the threshold of neuron {neuron} must give bit {int(table[popcount, neuron])}"
            f" at popcount {popcount}, as float32 does, not {int(folded[popcount, neuron])}"
        )
