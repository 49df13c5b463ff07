"""Networks on crossbars that learn by pulses: outer products, momentum, Tiki-Taka."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError, near_names

from . import crossbar_kernels as k
from . import draws, pulse_devices, update_tables
from .pulse_devices import PulseDevice, steps, symmetry_points
from .update_tables import UpdateTable

#: What a device is: None stands for numbers in float64.
Device = PulseDevice | UpdateTable | None
RULES = {"sgd": k.SGD, "momentum": k.MOMENTUM, "tiki-taka": k.TIKI_TAKA, "tiki-taka-v2": k.TIKI_TAKA}
IDEAL, ENODE = "float", "enode"


def device_names() -> list[str]:
    """Return the names that :func:`pulse_device` knows."""
    return [IDEAL, ENODE, *pulse_devices.names()]


def pulse_device(name: str | os.PathLike[str]) -> Device:
    """Return a device by its name, or of a ``.toml`` file; None for ``float``."""
    text = os.fspath(name)
    if text == IDEAL:
        return None
    if text == ENODE:
        return update_tables.enode()
    if not text.endswith(".toml") and text not in pulse_devices.names():
        rule = f"must be some of {', '.join(device_names())}, or .toml files"
        raise InputError(f"{rule}, not {text!r}{near_names(text, device_names())}", parameter="devices")
    return pulse_devices.load(text)


def without_write_noise(device: Device) -> Device:
    """Return a device whose reads see its state."""
    return replace(device, write_noise=0.0) if isinstance(device, PulseDevice) else device


def mean_steps(device: Device, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the change of weights by a pulse up and by one down, of a mean device; shape (2, *w.shape)."""
    if isinstance(device, UpdateTable):
        return device.mean_steps(w)
    if device is None:
        return np.zeros((2, *w.shape))
    return steps(device.constants(), device.mean_cells(w))


def crossbar(
    device: Device, start: NDArray[np.float64], generator: np.random.Generator, *, zero_shift: bool = False
) -> k.Tile:
    """Return a crossbar of devices whose weights start near some values.

    Parameters
    ----------
    device : PulseDevice or UpdateTable or None
    start : ndarray of float64, shape (n_in, n_out)
        Weights, which are clipped to the range of each device.
    generator : numpy.random.Generator
        Draws what differs between devices, and the write noise of the start.
    zero_shift : bool
        Whether the symmetry point of each device is subtracted by a reference.
    """
    shape, sides = start.shape, 2 if isinstance(device, PulseDevice) and device.pair else 1
    tables = np.zeros((1, 2, 1, 1), np.float32)
    law = np.zeros(k.CONSTANTS)
    law[k.KEEP] = 1.0
    cells = np.zeros((sides, *shape, k.NUMBERS))
    cells[..., k.LOW], cells[..., k.HIGH] = -np.inf, np.inf
    if isinstance(device, UpdateTable):
        tables, law = device.tables, device.constants()
        cells[..., k.LOW], cells[..., k.HIGH] = -1.0, 1.0
        cells[..., k.TABLE_OF] = generator.integers(len(tables), size=shape)
        if zero_shift:
            cells[..., k.REFERENCE] = device.symmetry_points()[cells[..., k.TABLE_OF].astype(int)]
    elif device is not None:
        law = device.constants()
        for side in cells:
            side[..., k.UP : k.HIGH + 1] = device.drawn(shape, generator)
        if zero_shift and not device.pair:
            cells[..., k.REFERENCE] = symmetry_points(law, cells)
    for side, sign in zip(cells, (1, -1), strict=False):
        side[..., k.STATE] = np.clip(sign * start + side[..., k.REFERENCE], side[..., k.LOW], side[..., k.HIGH])
    seen = cells[0, ..., k.STATE] - (cells[1, ..., k.STATE] if sides == 2 else cells[0, ..., k.REFERENCE])
    seen += law[k.WRITE_NOISE] * generator.standard_normal(shape)
    return k.Tile(cells, seen, law, tables)


@dataclass(frozen=True)
class LearningParams:
    """How a network learns.

    Parameters
    ----------
    hidden : int
        Neurons of the hidden layer.
    epochs : int
    images : int
        Presented in an epoch.
    lr : float
        Learning rate of the first epoch.
    decay : float
        Factor of the learning rate from epoch to epoch.
    rule : str
        Of :data:`RULES`.
    momentum : float
    transfer : float
        Rate of transfer of Tiki-Taka: of the fast weights to the slow ones.
    longest : int
        Slots of the longest pulse train.
    exact : bool
        Whether coincidences are drawn slot by slot, instead of their number in closed form.
    zero_shift : bool
        Whether symmetry points are subtracted. Those of the fast arrays of Tiki-Taka always are.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    hidden: int = 64
    epochs: int = 3
    images: int = 10_000
    lr: float = 0.1
    decay: float = 0.75
    rule: str = "sgd"
    momentum: float = 0.9
    transfer: float = 0.005
    longest: int = 31
    exact: bool = False
    zero_shift: bool = False

    def __post_init__(self) -> None:
        for name, most in (("hidden", 4096), ("epochs", 1000), ("images", 10**6), ("longest", 10_000)):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"must be in [1, {most}], not {getattr(self, name)}", parameter=name)
        for name in ("lr", "transfer"):
            if not 0 < getattr(self, name) <= 100:
                raise InputError(f"must be above 0 and at most 100, not {getattr(self, name):g}", parameter=name)
        if not 0 < self.decay <= 1:
            raise InputError(f"must be above 0 and at most 1, not {self.decay:g}", parameter="decay")
        if not 0 <= self.momentum < 1:
            raise InputError(f"must be in [0, 1), not {self.momentum:g}", parameter="momentum")
        if self.rule not in RULES:
            raise InputError(f"must be some of {', '.join(RULES)}, not {self.rule!r}", parameter="rules")


class PulseNetwork:
    """Two layers on crossbars, sigmoid and softmax, biases in a last row.

    Parameters
    ----------
    device : PulseDevice or UpdateTable or None
    params : LearningParams
    pixels, classes : int
    seed : int
        Key of every draw: start, devices, order of the images, pulses. The start and the order are those of any device.
    """

    def __init__(self, device: Device, params: LearningParams, pixels: int, classes: int, seed: int) -> None:
        self.device, self.params, self.seed, self.epochs_done = device, params, seed, 0
        self._tiki = params.rule.startswith("tiki-taka")
        sizes = (pixels, params.hidden, classes)
        layers, fast, memory = [], [], []
        for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
            limit = 1 / np.sqrt(n_in)
            start = rng.stream("start", seed=seed, layer=layer, trial=0).uniform(-limit, limit, (n_in + 1, n_out))
            g = rng.stream("crossbar", seed=seed, layer=layer, trial=0)
            layers.append(crossbar(device, start, g, zero_shift=params.zero_shift))
            zeros = np.zeros_like(start)
            fast.append(crossbar(device, zeros, g, zero_shift=True) if self._tiki else layers[-1])
            memory.append(zeros if params.rule in ("momentum", "tiki-taka-v2") else np.zeros((1, 1)))
        self.layers, self._fast, self._memory = tuple(layers), tuple(fast), tuple(memory)
        self._state = draws.state("pulses", seed=seed, layer=0, trial=1)

    def train(self, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> None:
        """Train for an epoch.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, pixels)
        labels : ndarray of int, shape (n,)
        """
        p, epoch = self.params, self.epochs_done
        # One order of all images, gone through from epoch to epoch.
        at = epoch * p.images + np.arange(p.images)
        rounds = range(at[0] // len(images), at[-1] // len(images) + 1)
        orders = [rng.stream("order", seed=self.seed, layer=0, trial=r).permutation(len(images)) for r in rounds]
        order = np.concatenate(orders)[at - rounds[0] * len(images)]
        rates = (p.lr * p.decay**epoch, p.momentum if p.rule == "momentum" else p.transfer)
        k.epoch(
            images, labels.astype(np.int64), order, self.layers, self._fast, self._memory, RULES[p.rule], rates,
            p.longest, p.exact, self._state,
        )  # fmt: skip
        self.epochs_done += 1

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return what the last layer adds up for each image, shape (n, classes)."""
        first, last = (tile.seen for tile in self.layers)
        hidden = expit(images / 255.0 @ first[:-1] + first[-1])
        return hidden @ last[:-1] + last[-1]

    def accuracy(self, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> float:
        """Return the share of images that are classified right."""
        return float(np.mean(self.scores(images).argmax(axis=1) == labels))

    @property
    def pulses(self) -> NDArray[np.float64]:
        """Pulses that each device has had, those of the fast arrays of Tiki-Taka too; shape (devices,)."""
        tiles = (*self.layers, *self._fast) if self._tiki else self.layers
        return np.concatenate([tile.cells[..., k.PULSES].ravel() for tile in tiles])
