"""A deep belief network on Y-Flash devices that learns digits: layer by layer, then by wake-sleep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader
from oxnor.models.base.replace import whole_file
from oxnor.models.rbm.belief import BeliefParams, DeepBelief, accuracy, binarized
from oxnor.models.rbm.y_flash import curves
from oxnor.sim.drawing.plots import SERIES, Plot

PUBLISHED = 0.9705
SOURCE = "W. Wang et al., Nature Electronics 5:870 (2022): up to 97.05 % in simulation, 784-500-500-(+10)-2000 units"
FORMAT = "oxnor-belief"
#: Draws of the reading after each epoch, which only the curve shows.
CURVE_DRAWS = 5
#: Called with (what is done, steps done, steps in all, what came last).
Tell = Callable[[str, int, int, str], object]


@dataclass(frozen=True)
class DbnParams:
    """What the study computes.

    Parameters
    ----------
    belief : BeliefParams
    epochs : int
        For each RBM.
    tuning : int
        Epochs of wake-sleep after them.
    draws : int
        Of the sampled reading at the end.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    belief: BeliefParams = field(default_factory=BeliefParams)
    epochs: int = 30
    tuning: int = 30
    draws: int = 50

    def __post_init__(self) -> None:
        for name, low in {"epochs": 1, "tuning": 0, "draws": 1}.items():
            value = getattr(self, name)
            if not low <= value <= 10_000:
                raise InputError(f"must be in [{low}, 10000], not {value}", parameter=name)

    @property
    def steps(self) -> list[tuple[int, int]]:
        """(stage, epoch) of each pass over the images."""
        stages = self.belief.stages
        steps = [(stage, epoch) for stage in range(stages) for epoch in range(self.epochs)]
        return steps + [(stages, epoch) for epoch in range(self.tuning)]


@dataclass(frozen=True)
class Epoch:
    """After a pass over the images.

    Parameters
    ----------
    stage, epoch : int
        Counted from 0; wake-sleep is the last stage.
    error : float
        Mean share of the visible units that a step of sampling changed.
    frozen, sampled : float or None
        Shares of test images that are right, as soon as there are labels; sampled with :data:`CURVE_DRAWS` draws.
    pulses : float
        Mean number of pulses of the devices that have learnt.
    """

    stage: int
    epoch: int
    error: float
    frozen: float | None
    sampled: float | None
    pulses: float


@dataclass(frozen=True)
class Reading:
    """Shares of test images that are right: every threshold 1/2, sampled, and by free energies, as a computer would."""

    frozen: float
    sampled: float
    free_energy: float


@dataclass(frozen=True, eq=False)
class DbnResult:
    """What :func:`study` found.

    Parameters
    ----------
    params : DbnParams
    train, test : int
        Images.
    curve : tuple of Epoch
    readings : mapping of str to Reading
        Before and after wake-sleep.
    writes : mapping of str to ndarray of int32
        Pulses of each device, by the array.
    pictures : (ndarray, ndarray)
        Test images, one a class, and what the way down makes of them, (classes, inputs).
    """

    params: DbnParams
    train: int
    test: int
    curve: tuple[Epoch, ...]
    readings: Mapping[str, Reading]
    writes: Mapping[str, NDArray[np.int32]]
    pictures: tuple[NDArray, NDArray]

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "params": asdict(self.params), "train": self.train, "test": self.test,
            "curve": [asdict(e) for e in self.curve],
            "readings": {name: asdict(r) for name, r in self.readings.items()},
            "pulses": {
                name: {"devices": w.size, "mean": float(w.mean()), "max": int(w.max())}
                for name, w in self.writes.items()
            },
            "published": PUBLISHED, "source": SOURCE,
        }  # fmt: skip


@dataclass
class _Run:
    """A training, and what a checkpoint keeps of it."""

    params: DbnParams
    belief: DeepBelief
    digest: str
    curve: list[Epoch] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)

    @property
    def _key(self) -> dict[str, Any]:
        # More epochs of wake-sleep, or more draws, go on from the same file.
        params = json.loads(json.dumps(asdict(self.params)))
        return {"belief": params["belief"], "epochs": params["epochs"], "images": self.digest}

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        header = {
            "format": FORMAT, "version": 1, "key": self._key, "curve": [asdict(e) for e in self.curve],
            "readings": {name: asdict(r) for name, r in self.readings.items()},
        }  # fmt: skip
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with whole_file(path) as temporary, temporary.open("wb") as f:
            arrays: dict[str, Any] = self.belief.state()
            np.savez(f, header=text, **arrays)

    def restore(self, path: Path) -> None:
        """Go back to a checkpoint."""
        with NpzReader(path) as reader:
            header = reader.json_header(FORMAT, 1)
            if header.get("key") != self._key:
                raise InputError(f"{path}: must be of the same network, images and epochs, not of another training")
            try:
                self.curve = [Epoch(**e) for e in header["curve"]]
                self.readings = {name: Reading(**r) for name, r in header["readings"].items()}
                tuned = self.curve[-1].stage >= self.params.belief.stages
            except (KeyError, TypeError, IndexError, AttributeError) as e:
                raise InputError(f"{path}: header must have a curve and readings ({e!r})") from None
            if tuned:
                self.belief.untie()
            self.belief.restore(reader.array)


def study(
    train: tuple[NDArray[np.uint8], NDArray[np.integer]],
    test: tuple[NDArray[np.uint8], NDArray[np.integer]],
    params: DbnParams,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Tell | None = None,
) -> DbnResult:
    """Train a network and read it; nothing is chosen by the test images.

    Parameters
    ----------
    train, test : (ndarray of uint8, ndarray of int)
        Grey images and labels.
    params : DbnParams
    checkpoint : path, optional
        File to keep the state in, after each epoch.
    resume : bool
        Go on from it, if it is there.
    progress : callable, optional
    """
    if resume and checkpoint is None:
        raise InputError("must come with a `checkpoint` file", parameter="resume")
    tell = progress or (lambda *_: None)
    bits, test_bits = binarized(train[0]), binarized(test[0])
    digest = hashlib.sha256(np.packbits(bits).tobytes() + np.asarray(train[1], np.uint8).tobytes()).hexdigest()
    run = _Run(params, DeepBelief(params.belief), digest)
    if resume and checkpoint is not None and checkpoint.is_file():
        run.restore(checkpoint)
    belief, stages, steps = run.belief, params.belief.stages, params.steps
    names = [f"RBM {k + 1}" for k in range(stages)] + ["wake-sleep"]

    def read(draws: int) -> float:
        return accuracy(belief.read(test_bits, draws, params.belief.seed), test[1])

    def readings(name: str) -> None:
        if name not in run.readings:
            free = accuracy(-belief.free_energies(test_bits), test[1])
            run.readings[name] = Reading(read(0), read(params.draws), free)

    for stage, epoch in steps[len(run.curve) :]:
        if stage == stages and not belief.generative:
            belief.untie()
        what = f"{names[stage]}, epoch {epoch + 1} of {params.tuning if stage == stages else params.epochs}"
        latest = f"{100 * (run.curve[-1].sampled or 0):.1f} % right" if stage >= stages - 1 and run.curve else ""

        def told(done: int, total: int, what: str = what, latest: str = latest) -> None:
            tell(what, done, total, latest)

        error = belief.learn(stage, epoch, bits, train[1], told)
        has_labels = stage >= stages - 1
        frozen, sampled = (read(0), read(CURVE_DRAWS)) if has_labels else (None, None)
        run.curve.append(Epoch(stage, epoch, error, frozen, sampled, _pulses(belief, stage)))
        if (stage, epoch) == (stages - 1, params.epochs - 1):
            readings("layer by layer")
        if checkpoint is not None:
            run.save(checkpoint)
    run.readings.pop("wake-sleep", None)
    if params.tuning:
        readings("wake-sleep")
    first = [int(np.flatnonzero(test[1] == k)[0]) for k in np.unique(test[1])]
    pictures = (np.asarray(test[0])[first].reshape(len(first), -1), belief.reconstructed(test_bits[first]))
    return DbnResult(params, len(bits), len(test_bits), tuple(run.curve), run.readings, belief.writes(), pictures)


def _pulses(belief: DeepBelief, stage: int) -> float:
    """Return the mean number of pulses of the devices of all stages so far."""
    later = tuple(f"up{k}." for k in range(stage + 1, belief.params.stages))
    learnt = [w for name, w in belief.writes().items() if not name.startswith(later)]
    return float(sum(int(w.sum()) for w in learnt) / max(1, sum(w.size for w in learnt)))


def plots(result: DbnResult) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    found = {"dbn-accuracy": accuracy_plot(result), "dbn-reconstructions": reconstruction_plot(result)}
    return found | ({"dbn-pulses": pulse_plot(result)} if result.writes else {})


def accuracy_plot(result: DbnResult) -> Plot:
    """Return the accuracy against the epochs since there are labels."""
    epochs = [e for e in result.curve if e.frozen is not None]
    before = sum(e.stage < result.params.belief.stages for e in epochs)

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        x = np.arange(1, len(epochs) + 1)
        for (colour, marker), name in zip(SERIES, ("frozen", "sampled"), strict=False):
            label = f"sampled, {CURVE_DRAWS} draws" if name == "sampled" else "frozen"
            values = [100 * getattr(e, name) for e in epochs]
            axes.plot(x, values, color=colours[colour], marker=marker, ms=4, lw=1.5, label=label)
        axes.axhline(100 * PUBLISHED, color=colours["muted"], ls=":", lw=1.5, label="published")
        if 0 < before < len(epochs):
            axes.axvline(before + 0.5, color=colours["line"], lw=1, ls="--")
            axes.annotate("wake-sleep", (before + 0.7, axes.get_ylim()[0]), va="bottom", color=colours["muted"])
        axes.set(xlabel="epochs of the RBM with the labels, then of wake-sleep", ylabel="right test images (%)")
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="lower right")

    return Plot("Accuracy of the deep belief network against epochs", (8.5, 4.6), draw)


def reconstruction_plot(result: DbnResult) -> Plot:
    """Return test images and what the way down makes of their states below the labels."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        images, found = result.pictures
        side = int(np.sqrt(images.shape[1]))
        grid = figure.subplots(2, len(images), squeeze=False)
        for row, pictures in zip(grid, (images / 255, found), strict=True):
            for axes, picture in zip(row, pictures, strict=True):
                axes.imshow(picture.reshape(side, -1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axes.set(xticks=[], yticks=[])
        grid[0, 0].set_ylabel("image")
        grid[1, 0].set_ylabel("made of it")

    return Plot("A test image of each digit, and what the network makes of it on the way down", (9, 2.2), draw)


def pulse_plot(result: DbnResult) -> Plot:
    """Return the conductance against pulses, and how many devices have had how many."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        left, right = figure.subplots(1, 2)
        down, up = curves()
        for (colour, marker), values, name in zip(SERIES, (down, up), ("program", "erase"), strict=False):
            label = f"{name}, {len(values) - 1}"
            left.plot(values * 1e6, color=colours[colour], marker=marker, ms=3, lw=1, label=label)
        left.set(xlabel="pulses", ylabel="conductance (µS)")
        left.grid(True, lw=0.5, alpha=0.4)
        left.legend()
        for (colour, _), (name, writes) in zip(SERIES, _by_layer(result.writes).items(), strict=False):
            counts = np.bincount(np.minimum(writes, 60)) / writes.size
            right.step(np.arange(len(counts)), 100 * counts, where="mid", color=colours[colour],
                       label=f"{name}, mean {writes.mean():.1f}")  # fmt: skip
        right.set(xlabel="pulses of a device (60: or more)", ylabel="devices (%)", yscale="log")
        right.grid(True, lw=0.5, alpha=0.4)
        right.legend()

    return Plot("Y-Flash: conductance against pulses of a fresh device, and pulses of each device", (10, 4.4), draw)


def _by_layer(writes: Mapping[str, NDArray[np.int32]]) -> dict[str, NDArray[np.int32]]:
    """Return the pulses of the weights of each layer, both ways."""
    layers: dict[str, list[NDArray[np.int32]]] = {}
    for name, w in writes.items():
        way, _, part = name.partition(".")
        if part == "weights":
            layers.setdefault(f"layer {int(way.lstrip('updown')) + 1}", []).append(w.reshape(-1))
    return {name: np.concatenate(parts) for name, parts in layers.items()}
