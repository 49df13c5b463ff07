"""What the oscillators are compared with: a linear discriminant, and a perceptron of as many numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Fisher's linear discriminant of classes with one covariance and equal priors.

    Parameters
    ----------
    centre : ndarray of float64, shape (d,)
        Mean of the means of the classes.
    directions : ndarray of float64, shape (d, d)
        Columns, most telling first; in them the classes have unit covariance.
    means : ndarray of float64, shape (classes, d)
    """

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]
    means: NDArray[np.float64]

    @classmethod
    def fit(cls, x: NDArray[np.float64], labels: NDArray[np.int64]) -> Discriminant:
        """Fit to points of shape (n, d); every class 0 to the largest must be there."""
        classes = int(labels.max()) + 1
        means = np.array([x[labels == c].mean(axis=0) for c in range(classes)])
        rest, centre = x - means[labels], means.mean(axis=0)
        root = np.linalg.inv(np.linalg.cholesky(rest.T @ rest / (len(x) - classes)))
        values, vectors = np.linalg.eigh(root @ np.cov((means - centre).T, bias=True) @ root.T)
        directions = (root.T @ vectors)[:, ::-1]
        # Signs are free: the largest part of each is positive.
        signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(len(values))])
        return cls(centre, directions * signs, means)

    def project(self, x: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """Return points along the first directions, shape (n, count)."""
        return (x - self.centre) @ self.directions[:, :count]

    def predict(self, x: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        """Return the class of the nearest mean along the first directions."""
        apart = self.project(x, count)[:, None] - self.project(self.means, count)[None]
        return (apart**2).sum(axis=2).argmin(axis=1)

    def numbers(self, count: int) -> int:
        """Return how many numbers decide, given `count` inputs: a plane for every class but one."""
        return (len(self.means) - 1) * (count + 1)


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Inputs, hidden tanh units, softmax over classes.

    Parameters
    ----------
    first : ndarray of float64, shape (hidden, inputs + 1)
        Last column: biases.
    second : ndarray of float64, shape (classes, hidden + 1)
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @staticmethod
    def numbers(inputs: int, hidden: int, classes: int) -> int:
        """Return how many numbers decide; the scores of one class may be 0."""
        return hidden * (inputs + 1) + (classes - 1) * (hidden + 1)

    @classmethod
    def fit(
        cls, x: NDArray[np.float64], labels: NDArray[np.int64], hidden: int, *, seed: int, layer: int, trial: int,
        starts: int = 3, decay: float = 1e-3,
    ) -> Perceptron:  # fmt: skip
        """Return the best of some fits to points of unit scale (L-BFGS, cross entropy and a small weight decay)."""
        from scipy.optimize import minimize

        classes, shapes = int(labels.max()) + 1, [(hidden, x.shape[1] + 1), (int(labels.max()) + 1, hidden + 1)]
        cut, answer = hidden * (x.shape[1] + 1), np.eye(classes)[labels]
        ones, draws = np.ones((len(x), 1)), rng.stream("perceptron", seed=seed, layer=layer, trial=trial)
        with_one = np.hstack([x, ones])

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            first, second = flat[:cut].reshape(shapes[0]), flat[cut:].reshape(shapes[1])
            units = np.hstack([np.tanh(with_one @ first.T), ones])
            scores = units @ second.T
            scores -= scores.max(axis=1, keepdims=True)
            log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
            wrong = (np.exp(log_p) - answer) / len(x)
            back = (wrong @ second[:, :-1]) * (1 - units[:, :-1] ** 2)
            slope = np.concatenate([(back.T @ with_one).ravel(), (wrong.T @ units).ravel()])
            return -float((log_p * answer).sum()) / len(x) + decay * float(flat @ flat), slope + 2 * decay * flat

        fits = [minimize(loss, draws.standard_normal(cut + shapes[1][0] * shapes[1][1]), jac=True, method="L-BFGS-B")
                for _ in range(starts)]  # fmt: skip
        best = min(fits, key=lambda fit: fit.fun).x
        return cls(best[:cut].reshape(shapes[0]), best[cut:].reshape(shapes[1]))

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the class of the largest score."""
        ones = np.ones((len(x), 1))
        return (np.hstack([np.tanh(np.hstack([x, ones]) @ self.first.T), ones]) @ self.second.T).argmax(axis=1)
