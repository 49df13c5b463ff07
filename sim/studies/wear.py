"""Error rate against cycles: devices that numpy draws, and those that the RTL forms, programs and reads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.bits import unpack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.devices.device_macro import FORM, RESET, SET, DeviceMacro, DeviceTables, margins, seeds
from oxnor.models.devices.draws import interval
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.devices.model import DeviceModel
from oxnor.sim.harness.device_macro import compare, macro_memory, macro_parameters
from oxnor.sim.harness.unit import UnitTestbench

from .device_plots import wear_plot

#: Pairs of the macro that is programmed in the RTL.
ROWS, COLS = 32, 64
#: Pairs that numpy draws for each number of cycles.
DRAWN = 1 << 21
#: Errors that are expected at least where a point is drawn: fewer say little.
ERRORS_MIN = 5
_CHUNK = 1 << 18
#: How often each pair is programmed in the RTL, for each number of cycles.
ROUNDS = 16
#: Points of each kind.
DRAWN_AGES, RTL_AGES = 13, 7


@dataclass(frozen=True)
class WearPoint:
    """Wrong bits at one age.

    Parameters
    ----------
    cycles : int
    errors, trials : int
        Pairs that read wrong without noise, and pairs.
    exact : float
        The rate in closed form.
    """

    cycles: int
    errors: int
    trials: int
    exact: float

    @property
    def rate(self) -> float:
        """Share of wrong bits."""
        return self.errors / self.trials

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the 99 % confidence interval of the rate."""
        return interval(self.errors, self.trials)

    def to_json(self) -> dict[str, Any]:
        """Return the fields, the rate and the ends of its interval."""
        low, high = self.ends
        return asdict(self) | {"rate": self.rate, "low": low, "high": high}


def ages(device: DeviceModel, trials: int, count: int = RTL_AGES) -> list[int]:
    """Return numbers of cycles at which `trials` pairs have at least :data:`ERRORS_MIN` errors: the last decades.

    Raises
    ------
    InputError
        If there are none.
    """
    low, high = device.valid_cycles
    candidates = [c for c in np.geomspace(max(low, 1), max(high, 1), 400) if _exact(device, c) * trials >= ERRORS_MIN]
    if not candidates or not device.wear.changes:
        raise InputError(f"device {device.name!r} must wear, and err in {ERRORS_MIN} of {trials:,} pairs at its end")
    places = np.geomspace(candidates[0], candidates[-1], count)
    return sorted({min(round(float(c)), int(high)) for c in places})


def _exact(device: DeviceModel, cycles: float) -> float:
    return device_rates(device, cycles).ber_2t2r_offset


def _quiet(device: DeviceModel, cycles: int) -> DeviceTables:
    """Return the tables without read noise: what is counted are bits that are wrong at every read."""
    return replace(DeviceTables.from_device(device, cycles), noise_sigma=0)


def drawn_point(device: DeviceModel, cycles: int, *, pairs: int = DRAWN, seed: int = 0) -> WearPoint:
    """Return the errors of pairs that numpy draws in fixed point, each with a sense amplifier of its own."""
    tables = _quiet(device, cycles)
    turns, errors = bool(tables.turning_sigma), 0
    for chunk, start in enumerate(range(0, pairs, _CHUNK)):
        count = min(_CHUNK, pairs - start)
        numbers = rng.stream("pairs", seed=seed, layer=cycles, trial=chunk)
        u = numbers.integers(0, 1 << 32, (5 + turns, count), np.uint32)
        weights = np.arange(count) % 2 == 0
        ln_r = tables.programmed(weights, u[:4].reshape(2, 2, count))
        offsets = tables.offsets(u[4]) + (tables.turnings(u[5]) if turns else 0)  # at x = 1
        errors += int(np.count_nonzero((margins(ln_r[:, None], offsets)[0] > 0) != weights))
    return WearPoint(cycles, errors, pairs, _exact(device, cycles))


def script(weights: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the steps that form a macro, program each of `weights` (rounds, rows, cols) in it and read its rows.

    Both devices are formed first; then in each round one device of each pair is SET and the other RESET.
    """
    rounds, rows, cols = weights.shape
    at = np.indices((rows, cols)).reshape(2, -1).T
    count = len(at)

    def step(op: int, side: Any) -> NDArray[np.int64]:
        return np.column_stack([np.broadcast_to(op, count), np.broadcast_to(side, count), at])

    reads = np.column_stack([np.full(rows, -1), np.zeros(rows, int), np.arange(rows), np.zeros(rows, int)])
    parts = [step(FORM, 0), step(FORM, 1)]
    for k in range(rounds):
        bits = weights[k].reshape(-1)
        parts += [step(SET, np.where(bits, 0, 1)), step(RESET, np.where(bits, 1, 0)), reads]
    return np.concatenate(parts)


def rtl_point(
    device: DeviceModel, cycles: int, directory: Path, *, rounds: int = ROUNDS, seed: int = 0, root: Path | None = None
) -> WearPoint:
    """Return the errors of pairs that the RTL has formed, programmed and read; every bit is also compared.

    Raises
    ------
    oxnor.sim.runner.runner.SimulationError
        If a bit differs from the golden model.
    """
    macro = DeviceMacro.unformed(_quiet(device, cycles), ROWS, COLS)
    numbers = rng.stream("columns", seed=seed, layer=cycles, trial=0)
    u = numbers.integers(0, 1 << 32, 2 * COLS + 1, np.uint32)
    macro.offsets, macro.noise = macro.tables.offsets(u[:COLS].copy()), seeds(u[COLS:-1])
    macro.generator = int(seeds(u[-1:])[0])
    if macro.tables.turning_sigma:
        macro.turning = macro.tables.turnings(numbers.integers(0, 1 << 32, COLS, np.uint32))
    weights = np.random.default_rng([seed, cycles]).random((rounds, ROWS, COLS)) < 0.5
    testbench = UnitTestbench(
        "macros.tb_wear",
        1,
        "rram_macro_devices",
        job={"cols": COLS},
        arrays={"script": script(weights)},
        memory=macro_memory(macro),
        parameters=macro_parameters(macro),
    )
    testbench.run(directory, simulator="verilator", root=root)
    with np.load(directory / "record.npz") as record:
        compare(macro, record)
        shown = unpack_bytes(record["q"], COLS)
    errors = np.count_nonzero(shown.reshape(weights.shape) != weights)
    return WearPoint(cycles, int(errors), weights.size, _exact(device, cycles))


def wear_picture(
    path: Path,
    device: DeviceModel,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
    root: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, list[WearPoint]]:
    """Write the closed form, numpy's draws and the device macro in RTL in one picture of error rate against cycles.

    Parameters
    ----------
    path : Path
        Ends in ``.svg`` or ``.png``.
    device : DeviceModel
        One that wears.
    rounds : int
        How often each of the :data:`ROWS` x :data:`COLS` pairs is programmed in the RTL, for each number of cycles.
    seed : int
    root : Path, optional
        Folder of builds. Default as for :func:`oxnor.sim.runner.runner.build`.
    progress : callable, optional
        Called with (points done, points).

    Returns
    -------
    dict of str to list of WearPoint
        "numpy" and "rtl".
    """
    places = {"numpy": ages(device, DRAWN, DRAWN_AGES), "rtl": ages(device, rounds * ROWS * COLS, RTL_AGES)}
    total = sum(map(len, places.values()))
    points: dict[str, list[WearPoint]] = {name: [] for name in places}
    with tempfile.TemporaryDirectory(dir=build_root(root), prefix="wear-") as folder:
        for name, cycles in ((name, c) for name, values in places.items() for c in values):
            if name == "numpy":
                point = drawn_point(device, cycles, pairs=DRAWN, seed=seed)
            else:
                point = rtl_point(device, cycles, Path(folder) / str(cycles), rounds=rounds, seed=seed, root=root)
            points[name].append(point)
            if progress:
                progress(sum(map(len, points.values())), total)
    labels = {"numpy": f"numpy, {DRAWN:,} pairs", "rtl": f"RTL in Verilator, {rounds * ROWS * COLS:,} pairs"}
    wear_plot(path, device, {labels[name]: _arrays(of_kind) for name, of_kind in points.items()})
    return points


def _arrays(points: list[WearPoint]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    points = [p for p in points if p.errors]
    ends = np.array([p.ends for p in points]).reshape(-1, 2).T
    return np.array([p.cycles for p in points], float), np.array([p.rate for p in points]), ends
