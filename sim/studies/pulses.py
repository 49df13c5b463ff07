"""Learning by pulses on crossbars: devices and rules compared on MNIST, and pulse counts against exact coincidences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.learning import crossbar_kernels as kernels
from oxnor.models.learning import draws
from oxnor.models.learning.crossbar import (
    IDEAL,
    Device,
    LearningParams,
    PulseNetwork,
    crossbar,
    mean_steps,
    pulse_device,
    without_write_noise,
)
from oxnor.models.learning.pulse_devices import PulseDevice
from oxnor.models.learning.update_tables import load_tables
from oxnor.models.trials.curves import Point, point
from oxnor.sim.drawing.plots import SERIES, Plot
from oxnor.sim.runner.workers import cores

#: What a device is said to be wherever its numbers are shown.
CHOSEN = "models with published parameters; the network and its learning rate are chosen"
DEVICES = (IDEAL, "gokmen-vlasov", "ecram", "enode", "reram-sb", "reram-array-om", "reram-array-hfo2")
TABLE = "table"
#: Learning rates that are tried for each device, in parts of the given one.
TRIED = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)
#: Images of the training set that only choose learning rates.
VALIDATION = 10_000
#: Writes that a device for training is asked to endure.
ENDURANCE = 1e12
#: Requirements (for training, for inference) and their source.
REQUIREMENTS = {
    "symmetry of up and down": ("critical", "-"),
    "endurance": (f"critical, above {ENDURANCE:.0e}", "-"),
    "linearity, stochasticity, speed": ("important", "-"),
    "programming error": ("less", "critical"),
    "retention, read noise, range": ("-", "important"),
}
REQUIREMENTS_SOURCE = "M. Marinella, slides on analog training accelerators (2022)"
#: Side of the array, and updates, of the comparison with exact coincidences.
_SIDE, _UPDATES = 16, 4000


@dataclass(frozen=True)
class PulseParams:
    """What the study computes.

    Parameters
    ----------
    devices : tuple of str
        Names or ``.toml`` files.
    rules : tuple of str
        Of training.
    learning : LearningParams
        The rule in it is replaced by each of `rules`.
    table : Path, optional
        Folder of measured tables: one more device.
    write_noise : bool
        Whether reads see the write noise of the devices.
    seeds : int
        Networks of each device and rule.
    tune : bool
        Whether a learning rate is chosen for each device and rule on validation images too.
    seed : int
        Key of every draw.

    Raises
    ------
    InputError
        If a number is out of its range or a name is given twice.
    """

    devices: tuple[str, ...] = DEVICES
    rules: tuple[str, ...] = ("sgd",)
    learning: LearningParams = field(default_factory=LearningParams)
    table: Path | None = None
    write_noise: bool = True
    seeds: int = 3
    tune: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        rng.check_key("seed", self.seed)
        if not 1 <= self.seeds <= 100:
            raise InputError(f"must be in [1, 100], not {self.seeds}", parameter="seeds")
        for name in ("devices", "rules"):
            values = getattr(self, name)
            twice = [v for v in values if values.count(v) > 1]
            if not values or twice:
                raise InputError(f"must name {f'{twice[0]!r} once' if twice else 'one or more'}", parameter=name)
        for rule in self.rules:
            replace(self.learning, rule=rule)

    def loaded(self) -> dict[str, Device]:
        """Return the devices by name."""
        found = {Path(name).stem: pulse_device(name) for name in self.devices}
        if self.table is not None:
            found[TABLE] = load_tables(self.table, TABLE)
        return found if self.write_noise else {name: without_write_noise(d) for name, d in found.items()}


@dataclass(frozen=True)
class Learner:
    """How networks of one device and one rule learnt.

    Parameters
    ----------
    device, rule : str
    lr : float
        Learning rate of the first epoch.
    points : tuple of Point
        Accuracy on test images after each epoch, over seeds.
    steps : float or None
        Pulses over the device's range.
    pulses : float
        Of a device: mean over devices and seeds.
    pulses_max : int
        Of the device that had most.
    tuned : bool
        Whether the learning rate was chosen on validation images.
    """

    device: str
    rule: str
    lr: float
    points: tuple[Point, ...]
    steps: float | None
    pulses: float
    pulses_max: int
    tuned: bool = False


@dataclass(frozen=True)
class Coincidences:
    """The closed form of pulse counts against coincidences slot by slot, on 16 x 16 devices of constant steps.

    Parameters
    ----------
    updates : int
    difference, error : float
        Of the mean change of all weights, in parts of that change: closed form less exact, and its standard error.
    largest : float
        Largest difference of a single weight, in standard errors.
    weights : int
    variance_ratio : float
        Mean variance of a weight's change, closed form over exact.
    """

    updates: int
    difference: float
    error: float
    largest: float
    weights: int
    variance_ratio: float


@dataclass(frozen=True, eq=False)
class PulseResult:
    """What :func:`study` found."""

    params: PulseParams
    devices: Mapping[str, Device]
    images: tuple[int, int]
    learners: tuple[Learner, ...]
    coincidences: Coincidences

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        p = self.params
        return {
            "data": "mnist", "training_images": self.images[0], "test_images": self.images[1], "model": CHOSEN,
            "network": f"784-{p.learning.hidden}-10", "seeds": p.seeds, "images_an_epoch": p.learning.images,
            "devices": {name: _described(device) for name, device in self.devices.items()},
            "learners": [
                {
                    "device": one.device, "rule": one.rule, "lr": one.lr, "tuned": one.tuned,
                    "accuracy": [{"epoch": int(q.rate), "mean": q.mean, "low": q.mean_low, "high": q.mean_high}
                                 for q in one.points],
                    "test_se": one.points[-1].test_se, "pulses_a_device": one.pulses, "pulses_max": one.pulses_max,
                    "endurance_used": one.pulses_max / ENDURANCE,
                }
                for one in self.learners
            ],
            "coincidences": vars(self.coincidences),
            "requirements": {k: {"training": a, "inference": b} for k, (a, b) in REQUIREMENTS.items()},
            "requirements_source": REQUIREMENTS_SOURCE,
        }  # fmt: skip


def _described(device: Device) -> dict[str, Any]:
    if device is None:
        return {"description": "numbers in float64, no device"}
    return {"description": device.description, "source": device.source, "steps": device.steps}


def coincidences(seed: int = 0, updates: int = _UPDATES) -> Coincidences:
    """Return how the closed form of pulse counts compares with exact coincidences."""
    device = PulseDevice("ideal steps", "", "", "constant", 2e-3, w_min=-1e9, w_max=1e9)
    g = rng.stream("crossbar", seed=seed, layer=2, trial=0)
    x, d = g.random(_SIDE), g.normal(0, 0.05, _SIDE)
    found = []
    for trial, update in enumerate((kernels.update_closed, kernels.update_exact)):
        state = draws.state("pulses", seed=seed, layer=1, trial=trial)
        tile = crossbar(device, np.zeros((_SIDE, _SIDE)), g)
        changes = np.empty((updates, _SIDE, _SIDE))
        for k in range(updates):
            tile.cells[..., kernels.STATE] = 0.0
            update(tile, x, d, 0.1, 31, state)
            changes[k] = tile.cells[0, ..., kernels.STATE]
        found.append(changes)
    means, variances = (np.stack([f(changes, axis=0) for changes in found]) for f in (np.mean, np.var))
    errors = np.sqrt(variances.sum(axis=0) / updates)
    signs = np.sign(-np.outer(x, d))
    totals = [(changes * signs).sum(axis=(1, 2)) for changes in found]
    whole = np.mean(totals[1])
    return Coincidences(
        updates, float((np.mean(totals[0]) - whole) / whole),
        float(np.sqrt(sum(np.var(t) for t in totals) / updates) / whole),
        float(np.max(np.abs(means[0] - means[1]) / np.maximum(errors, 1e-12))), _SIDE**2,
        float(np.mean(variances[0]) / np.mean(variances[1])),
    )  # fmt: skip


class _Study:
    """The images, the devices, and what trains a network."""

    def __init__(self, params: PulseParams, data_dir: Path | None) -> None:
        self.params, self.devices = params, params.loaded()
        images, labels = load_mnist("train", data_dir)
        cut = len(images) - min(VALIDATION, len(images) // 6)
        self.train, self.validation = (images[:cut], labels[:cut]), (images[cut:], labels[cut:])
        self.test = load_mnist("test", data_dir)

    def network(self, device: str, rule: str, lr: float, key: int, *, chooses: bool = False) -> tuple[Any, ...]:
        """Return (accuracies by epoch, mean and largest number of pulses) of one network."""
        p = self.params
        learning = replace(p.learning, rule=rule, lr=lr)
        net = PulseNetwork(self.devices[device], learning, self.train[0].shape[1], 10, p.seed + key)
        found = []
        for _ in range(learning.epochs):
            net.train(*self.train)
            found.append(net.accuracy(*(self.validation if chooses else self.test)))
        return np.array(found), float(net.pulses.mean()), int(net.pulses.max())


def study(
    params: PulseParams, data_dir: Path | None = None, *, progress: Callable[[int, int, str], object] | None = None
) -> PulseResult:
    """Train the networks of every device, rule and seed on MNIST.

    Parameters
    ----------
    params : PulseParams
    data_dir : path, optional
        Where MNIST's training images are looked for first.
    progress : callable, optional
        Called with (networks done, networks, the last one).
    """
    work = _Study(params, data_dir)
    pairs = list(product(work.devices, params.rules))
    given, counted = params.learning.lr, [0, len(pairs) * params.seeds]
    if params.tune:
        counted[1] += len(pairs) * (len(TRIED) + params.seeds)

    def tell(name: str) -> None:
        counted[0] += 1
        if progress:
            progress(counted[0], counted[1], name)

    with ThreadPoolExecutor(cores()) as threads:

        def run(jobs: Mapping[Any, tuple[Any, ...]], chooses: bool = False) -> dict[Any, tuple[Any, ...]]:
            futures = {threads.submit(work.network, *job, chooses=chooses): key for key, job in jobs.items()}
            found = {}
            try:
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    tell(futures[future][0])
            finally:
                for future in futures:
                    future.cancel()
            return found

        def learners(rates: Mapping[tuple[str, str], float], tuned: bool) -> Iterator[Learner]:
            jobs = {(*pair, key): (*pair, rates[pair], key) for pair in pairs for key in range(params.seeds)}
            runs = run(jobs)
            for pair in pairs:
                yield _learner(work, pair, rates[pair], [runs[(*pair, k)] for k in range(params.seeds)], tuned)

        found = list(learners(dict.fromkeys(pairs, given), False))
        if params.tune:
            # The networks that choose are no others' seeds: their start and order are new.
            jobs = {(*pair, t): (*pair, given * t, params.seeds) for pair in pairs for t in TRIED}
            chosen = run(jobs, chooses=True)
            best = {p: given * TRIED[int(np.argmax([chosen[(*p, t)][0][-1] for t in TRIED]))] for p in pairs}
            found += learners(best, True)
    sizes = (len(work.train[0]), len(work.test[0]))
    return PulseResult(params, work.devices, sizes, tuple(found), coincidences(params.seed))


def _learner(
    work: _Study, pair: tuple[str, str], lr: float, runs: Sequence[tuple[Any, ...]], tuned: bool
) -> Learner:
    accuracies = np.stack([r[0] for r in runs], axis=1)  # (epochs, seeds)
    device = work.devices[pair[0]]
    return Learner(
        *pair, lr, tuple(point(epoch, row, len(work.test[0])) for epoch, row in enumerate(accuracies, 1)),
        None if device is None else device.steps, float(np.mean([r[1] for r in runs])),
        max(r[2] for r in runs), tuned,
    )  # fmt: skip


def plots(result: PulseResult) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    made = {"pulses-accuracy": accuracy_plot(result)}
    return made | ({"pulses-steps": steps_plot(result)} if any(result.devices.values()) else {})


def accuracy_plot(result: PulseResult) -> Plot:
    """Return accuracy against epochs, by device and rule, with the interval of the mean over seeds."""
    tuned = [one for one in result.learners if one.tuned]
    given = [one for one in result.learners if not one.tuned]
    several = len(result.params.rules) > 1

    def panel(axes: Any, learners: Sequence[Learner], colours: Mapping[str, str]) -> None:
        for k, one in enumerate(sorted(learners, key=lambda one: -one.points[-1].mean)):
            (name, marker), dashed = SERIES[k % len(SERIES)], k >= len(SERIES)
            epochs = [p.rate for p in one.points]
            if one.points[0].mean_low is not None:
                axes.fill_between(epochs, [100 * (p.mean_low or 0) for p in one.points],
                                  [100 * (p.mean_high or 0) for p in one.points], color=colours[name], alpha=0.15,
                                  lw=0)  # fmt: skip
            label = f"{one.device}, {one.rule}" if several else one.device
            axes.plot(epochs, [100 * p.mean for p in one.points], color=colours[name], marker=marker, lw=2, ms=5,
                      ls="--" if dashed else "-", label=f"{label}, {one.lr:g}" if one.tuned else label)  # fmt: skip
        axes.set(xlabel=f"epochs of {result.params.learning.images:,} images", xticks=epochs)
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        panels = [given, tuned] if tuned else [given]
        for axes, learners in zip(np.atleast_1d(figure.subplots(1, len(panels), sharey=True)), panels, strict=True):
            panel(axes, learners, colours)
            chosen = "learning rate chosen for each" if learners is tuned else f"learning rate {given[0].lr:g}"
            axes.set_title(chosen, fontsize=11)
        figure.axes[0].set_ylabel("right on test images (%)")

    label = f"Accuracy of networks that learn by pulses, with 95 % intervals over {result.params.seeds} seeds"
    return Plot(label, (12.5 if tuned else 7.5, 4.6), draw)


def steps_plot(result: PulseResult) -> Plot:
    """Return the mean change of a weight by a pulse up and by one down against the weight, by device."""
    shown = {name: device for name, device in result.devices.items() if device is not None}
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)

    def ends(device: Device) -> NDArray[np.float64]:
        low, high = (device.w_min, device.w_max) if isinstance(device, PulseDevice) else (-1.0, 1.0)
        return np.linspace(low, high, 101)

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        every = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
        for axes, (name, device) in zip(every, shown.items(), strict=False):
            w = ends(device)
            up, down = 100 * mean_steps(device, w) / (w[-1] - w[0])
            axes.plot(w, up, color=colours["blue"], lw=2, label="up")
            axes.plot(w, -down, color=colours["orange"], lw=2, ls="--", label="down")
            axes.axhline(0, color=colours["line"], lw=1)
            axes.set_title(name, fontsize=11)
            axes.grid(True, lw=0.5, alpha=0.4)
            axes.set_ylim(min(0, 1.1 * min(up.min(), (-down).min())), 1.15 * max(up.max(), (-down).max()))
        for axes in every[len(shown) :]:
            axes.set_axis_off()
        every[0].legend(loc="lower left")
        figure.supxlabel("weight", fontsize=11)
        figure.supylabel("mean step of a pulse (% of the range)", fontsize=11)

    label = "Mean step of a pulse up and of one down against the weight, by device"
    return Plot(label, (3.6 * columns, 2.7 * rows), draw)
