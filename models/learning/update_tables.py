"""Measured changes of conductance by a pulse: look-up tables in the format of CrossSim."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng, shipped
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading

from . import crossbar_kernels as k

#: Conductances and quantiles to which a table is resampled.
SHAPE = (64, 128)
FILES = ("dG_decreasing", "dG_increasing")
_SIZE_MAX = 64 << 20
_TABLES_MAX = 100
#: Trains of pulses that find the visited range: trains, pulses of each, devices.
_TRAINS, _PULSES, _WALKERS = 6, 500, 64


@dataclass(frozen=True, eq=False)
class TableFile:
    """One file: quantiles of the change of conductance by a pulse.

    Parameters
    ----------
    conductances : ndarray of float64, shape (bins,), rising, in siemens
    shares : ndarray of float64, shape (points,)
        Of the cumulative distribution, from 0 to 1.
    changes : ndarray of float64, shape (points, bins), in siemens
    """

    conductances: NDArray[np.float64]
    shares: NDArray[np.float64]
    changes: NDArray[np.float64]


def _numbers(line: str, where: str) -> NDArray[np.float64]:
    values = []
    for column, text in enumerate(line.rstrip(", \t").split(","), 1):
        try:
            values.append(float(text))
        except ValueError:
            raise InputError(f"{where}: column {column} must be a number, not {text.strip()!r}") from None
    found = np.array(values)
    if not np.isfinite(found).all():
        raise InputError(f"{where}: column {np.flatnonzero(~np.isfinite(found))[0] + 1} must be finite")
    return found


def read_table(path: Path) -> TableFile:
    """Return a file's table.

    The first line is a remark, the second has the conductances, the third the shares of the cumulative distribution;
    a line for each share follows, with the change at each conductance. Numbers have commas between them.

    Raises
    ------
    InputError
        Naming file and line.
    """
    with reading(path):
        if path.stat().st_size > _SIZE_MAX:
            raise InputError(f"{path}: must have at most {_SIZE_MAX} bytes, not {path.stat().st_size}")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise InputError(f"{path}: must be text in UTF-8") from None
    kept = [(n, line) for n, line in enumerate(lines, 1) if n > 1 and line.strip()]
    if len(kept) < 2:
        rule = "a remark, a line of conductances, one of shares, and a line for each share"
        raise InputError(f"{path}: must have {rule}")
    (first, text), (second, shares_text), *rows = kept
    where = f"{path}, line {first}"
    conductances, shares = _numbers(text, where), _numbers(shares_text, f"{path}, line {second}")
    if conductances.size < 2 or (np.diff(conductances) <= 0).any() or conductances[0] < 0:
        raise InputError(f"{where}: must be two or more rising conductances from 0 on")
    where = f"{path}, line {second}"
    if shares.size < 2 or (np.diff(shares) < 0).any() or abs(shares[0]) > 0.01 or abs(shares[-1] - 1) > 0.01:
        raise InputError(f"{where}: must be shares that rise from 0 to 1")
    if len(rows) != shares.size:
        raise InputError(f"{path}: must have {shares.size} lines of changes, one for each share of line {second},"
                         f" not {len(rows)}")  # fmt: skip
    changes = np.empty((shares.size, conductances.size))
    for row, (n, line) in enumerate(rows):
        values = _numbers(line, f"{path}, line {n}")
        if values.size != conductances.size:
            raise InputError(f"{path}, line {n}: must have {conductances.size} numbers, one for each conductance,"
                             f" not {values.size}")  # fmt: skip
        changes[row] = values
    return TableFile(conductances, shares, np.sort(changes, axis=0))


def _resampled(file: TableFile, at: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Return quantiles at even shares, for some conductances; shape (len(at), points)."""
    even = np.linspace(0, 1, points)
    columns = np.stack([np.interp(even, file.shares, column) for column in file.changes.T])  # (bins, points)
    return np.stack([np.interp(at, file.conductances, row) for row in columns.T], axis=1)


def visited_range(tables: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Return the conductances between which trains of SET and RESET pulses move a device, all but the last 1 %.

    Parameters
    ----------
    tables : ndarray of float64, shape (2, bins, points)
        Changes by RESET and by SET at even conductances and shares.
    low, high : float
        Ends of those conductances.
    """
    g = rng.stream("pulses", seed=0, layer=0, trial=0)
    at = np.full(_WALKERS, (low + high) / 2)
    bins, points = tables.shape[1:]
    seen = []
    for train in range(_TRAINS):
        for _ in range(_PULSES):
            column = np.rint((at - low) / (high - low) * (bins - 1)).astype(int)
            at = np.clip(at + tables[train % 2, column, g.integers(points, size=at.size)], low, high)
            if train > 1:
                seen.append(at)
    ends = np.quantile(np.concatenate(seen), (0.005, 0.995))
    return float(ends[0]), float(ends[1])


@dataclass(frozen=True, eq=False)
class UpdateTable:
    """Devices that follow measured tables; a weight is drawn one of them, and -1 to 1 is the range that it visits.

    Parameters
    ----------
    name, description : str
    source : str
    tables : ndarray of float32, shape (tables, 2, *SHAPE)
        Change of the weight by a RESET and by a SET pulse.
    ranges : tuple of (float, float)
        Visited range of each table, in siemens.
    """

    name: str
    description: str
    source: str
    tables: NDArray[np.float32]
    ranges: tuple[tuple[float, float], ...]

    @property
    def dw_min(self) -> float:
        """Median over conductances of the mean change of the weight by a pulse."""
        return float(np.median(np.abs(self.tables.mean(axis=-1))))

    @property
    def steps(self) -> float:
        """Pulses over the range."""
        return 2 / self.dw_min

    def constants(self) -> NDArray[np.float64]:
        """Return the constants of the law, for the kernels."""
        law = np.zeros(k.CONSTANTS)
        law[k.KIND], law[k.DW_MIN], law[k.KEEP] = k.TABLE, self.dw_min, 1.0
        return law

    def mean_steps(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean change of weights by a SET and by a RESET pulse over all tables, shape (2, *w.shape)."""
        means = self.tables.mean(axis=(0, -1))
        return np.stack([np.interp(w, np.linspace(-1, 1, SHAPE[0]), means[side]) for side in (1, 0)])

    def symmetry_points(self) -> NDArray[np.float64]:
        """Return the weight of each table at which a pulse up and one down cancel, in the mean."""
        w = np.linspace(-1, 1, 1001)
        at = np.linspace(-1, 1, SHAPE[0])
        sums = self.tables.mean(axis=-1).sum(axis=1)  # (tables, conductances)
        return np.array([w[np.argmax(np.interp(w, at, row) <= 0)] for row in sums])


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return the files (RESET, SET) of each device in a folder, or in its folders."""
    if not folder.is_dir():
        raise InputError(f"must be a folder with {FILES[0]}.txt and {FILES[1]}.txt, not {folder}", parameter="table")
    found = []
    places = [folder, *sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: (len(p.name), p.name))]
    for place in places:
        for down in sorted(place.glob(f"{FILES[0]}*.txt"), key=lambda p: (len(p.name), p.name)):
            up = down.with_name(down.name.replace(FILES[0], FILES[1]))
            if not up.is_file():
                raise InputError(f"{down}: must have {up.name} beside it")
            found.append((down, up))
        if found and place == folder:
            break
    if not found:
        raise InputError(f"must be a folder with {FILES[0]}.txt and {FILES[1]}.txt, or with folders of them, not"
                         f" {folder}", parameter="table")  # fmt: skip
    if len(found) > _TABLES_MAX:
        raise InputError(f"{folder}: must have at most {_TABLES_MAX} tables, not {len(found)}")
    return found


def load_tables(folder: Path, name: str = "table", description: str = "", source: str = "") -> UpdateTable:
    """Return the devices of a folder, clipped to the ranges that they visit and resampled.

    Parameters
    ----------
    folder : Path
        With ``dG_decreasing.txt`` and ``dG_increasing.txt`` (a number may follow the names), or with folders of them.
    name, description, source : str

    Raises
    ------
    InputError
        Naming file, line and rule.
    """
    tables, ranges = [], []
    for down, up in _pairs(folder):
        files = [read_table(down), read_table(up)]
        low = max(f.conductances[0] for f in files)
        high = min(f.conductances[-1] for f in files)
        if low >= high:
            raise InputError(f"{up}: conductances must overlap with those of {down.name}")
        fine = np.stack([_resampled(f, np.linspace(low, high, 4 * SHAPE[0]), SHAPE[1]) for f in files])
        ends = visited_range(fine, low, high)
        if ends[1] - ends[0] < 1e-3 * (high - low):
            raise InputError(f"{up}: pulses of this table and of {down.name} must move the conductance")
        at = np.linspace(*ends, SHAPE[0])
        tables.append(2 / (ends[1] - ends[0]) * np.stack([_resampled(f, at, SHAPE[1]) for f in files]))
        ranges.append(ends)
    found = description or f"measured tables of {len(tables)} devices"
    return UpdateTable(name, found, source or str(folder), np.array(tables, np.float32), tuple(ranges))


def enode() -> UpdateTable:
    """Return the shipped table of an ENODe (ECRAM)."""
    return load_tables(
        shipped.folder("enode"), "enode", "ECRAM (ENODe), measured table of one device",
        "github.com/sandialabs/cross-sim-data, commit 2ebec1f (BSD-3-Clause)",
    )  # fmt: skip
