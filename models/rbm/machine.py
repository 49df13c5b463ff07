"""Restricted Boltzmann machines of binary units: probabilities, samples, and the contrasts that they learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

Floats = NDArray[np.floating]


@numba.njit(cache=True, boundscheck=False)
def _fire(currents, thresholds):
    for k in range(currents.size):
        # p > u without the division.
        currents[k] = 1.0 if thresholds[k] * (1 + np.exp(-currents[k])) < 1 else 0.0


def currents(inputs: Floats, weights: Floats, bias: Floats) -> Floats:
    """Return what flows into units, (n, units), from the states of others, (n, inputs)."""
    found = inputs @ weights
    found += bias
    return found


def fire(x: Floats, generator: np.random.Generator) -> Floats:
    """Return states drawn with the probabilities of currents, in place: 1 where u < sigmoid(x)."""
    _fire(x.reshape(-1), generator.random(x.size, dtype=x.dtype))
    return x


def step(x: Floats) -> Floats:
    """Return the likelier states, as floats: every threshold is 1/2."""
    return (x > 0).astype(x.dtype)


@dataclass(frozen=True, eq=False)
class Contrast:
    """What a batch says about a machine: positive less negative phase, sums over the batch.

    Parameters
    ----------
    weights : ndarray, shape (visible, hidden)
    visible : ndarray, shape (visible,)
    hidden : ndarray, shape (hidden,)
    negative : (ndarray, ndarray)
        Visible and hidden states of the negative phase.
    """

    weights: Floats
    visible: Floats
    hidden: Floats
    negative: tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class Machine:
    """Weights and biases of an RBM, of any float type.

    Parameters
    ----------
    weights : ndarray of float, shape (visible, hidden)
    visible_bias, hidden_bias : ndarray of float
    classes : int
        So many visible units, the last ones, are a soft-max group. Their states are drawn one by one all the same, as
        in the published code: several may be 1, or none.
    """

    weights: Floats
    visible_bias: Floats
    hidden_bias: Floats
    classes: int = 0

    def hidden(self, visible: Floats) -> Floats:
        """Return the currents of hidden units, (n, hidden)."""
        return currents(visible, self.weights, self.hidden_bias)

    def visible(self, hidden: Floats) -> Floats:
        """Return the currents of visible units, (n, visible)."""
        return currents(hidden, self.weights.T, self.visible_bias)

    def draw_visible(self, hidden: Floats, generator: np.random.Generator) -> Floats:
        """Return drawn states of visible units."""
        x = self.visible(hidden)
        if not self.classes:
            return fire(x, generator)
        labels = softmax(x[:, -self.classes :], axis=1)
        x = fire(x, generator)
        x[:, -self.classes :] = generator.random(labels.shape, dtype=x.dtype) < labels
        return x

    def contrast(
        self, visible: Floats, generator: np.random.Generator, *, chain: Floats | None = None, mean: bool = False
    ) -> Contrast:
        """Return the contrast of a batch, by one step of Gibbs sampling.

        Parameters
        ----------
        visible : ndarray of float, shape (n, visible)
            States of the positive phase.
        generator : numpy.random.Generator
        chain : ndarray, optional
            Hidden states that the negative phase starts from (persistent chains); by default those drawn in the
            positive one.
        mean : bool
            Take probabilities of hidden units in place of states, which counters could not count.
        """
        x = self.hidden(visible)
        if mean:
            positive = expit(x)
            start = fire(x, generator) if chain is None else chain
        else:
            positive = fire(x, generator)
            start = positive if chain is None else chain
        drawn = self.draw_visible(start, generator)
        negative = expit(self.hidden(drawn)) if mean else fire(self.hidden(drawn), generator)
        return Contrast(
            visible.T @ positive - drawn.T @ negative, (visible - drawn).sum(axis=0),
            (positive - negative).sum(axis=0), (drawn, negative),
        )  # fmt: skip

    def free_energies(self, pen: Floats) -> Floats:
        """Return the free energy of each class, (n, classes), but for what the other visible units add to all alike."""
        base = currents(pen, self.weights[: -self.classes], self.hidden_bias)
        found = np.empty((len(pen), self.classes), base.dtype)
        for k in range(self.classes):
            row = len(self.weights) - self.classes + k
            x = base + self.weights[row]
            found[:, k] = -self.visible_bias[row] - np.logaddexp(0, x).sum(axis=1)
        return found
