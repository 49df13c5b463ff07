"""One network, one set of images, one set of devices: read as digital pairs, single devices, codes, and analog sums."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.analog.adc import AdcMismatch
from oxnor.models.analog.binarized import AnalogNetwork, ArrayOptions
from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading, write_text
from oxnor.models.devices.codes import CODES, Secded
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.error_rates import ber_2t2r
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.single import draw_single
from oxnor.models.networks.binarized import Network
from oxnor.models.technology.figure import Figure
from oxnor.models.trials.binarized import Trials
from oxnor.models.trials.curves import Point, point

from . import compare_costs as costs

FORMAT, VERSION = "oxnor-compare", 1
DRAWS = 10
#: Standard deviations of ln R of both states in the picture.
SPREADS = (0.1, 0.3, 0.5, 0.8)
RATIO_MAX = 1e6
#: Images that effective bits are measured with.
_PROBED = 50
#: What lists are called where they are given.
_LISTS = {"mappings": "mapping", "mismatches": "converter"}
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CompareParams:
    """What is compared.

    Parameters
    ----------
    device : DeviceModel
    cycles : float
        Age of the devices in SET/RESET cycles.
    seconds : tuple of float
        Times after programming: each is a row.
    draws : int
        Sets of devices, at least 2.
    mappings : tuple of str
        Of the analog rows.
    adc_bits : tuple of int
        Of their converters; 0 for an ideal one.
    rows : tuple of int
        Synapses that one conversion adds.
    spreads : tuple of float
        Standard deviations of ln R for the picture; none without it.
    seed : int
    ratio : float, optional
        HRS over LRS of the medians in the picture. Default: that of the device.
    mismatches : tuple of AdcMismatch or None
        Of the converters of the analog rows: each is a row; None is an ideal one.
    """

    device: DeviceModel
    cycles: float = 0.0
    seconds: tuple[float, ...] = (0.0,)
    draws: int = DRAWS
    mappings: tuple[str, ...] = ("VI", "I")
    adc_bits: tuple[int, ...] = (4, 5, 6)
    rows: tuple[int, ...] = (128,)
    spreads: tuple[float, ...] = SPREADS
    seed: int = 0
    ratio: float | None = None
    mismatches: tuple[AdcMismatch | None, ...] = (None,)

    def __post_init__(self) -> None:
        rng.check_key("seed", self.seed)
        if self.ratio is not None and not 1 < self.ratio <= RATIO_MAX:
            raise InputError(f"must be above 1 and at most {RATIO_MAX:g}, not {self.ratio:g}", parameter="ratio")
        if self.draws < 2:
            raise InputError(f"must be at least 2, for an interval, not {self.draws}", parameter="draws")
        if any(not 0 < s < math.inf for s in self.spreads):
            raise InputError("must be above 0", parameter="spreads")
        for t in self.seconds:
            self.device.at(self.cycles, t)
        for _ in self.analog(0.0):
            pass
        for name in ("seconds", "mappings", "adc_bits", "rows", "spreads", "mismatches"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise InputError("must name each value once", parameter=_LISTS.get(name, name))

    def analog(self, seconds: float) -> Iterator[ArrayOptions]:
        """Yield the arrays of each analog row."""
        for mapping in self.mappings:
            for rows in self.rows:
                for bits, mismatch in product(self.adc_bits, self.mismatches):
                    yield ArrayOptions(
                        rows, bits, mapping=mapping, device=self.device, cycles=self.cycles, seconds=seconds,
                        compensate=seconds > 0, mismatch=mismatch,
                    )  # fmt: skip

    def with_spread(self, sigma: float) -> DeviceModel:
        """Return the device with another spread of both states, and the ratio of the picture."""
        device = replace(self.device, name=f"sigma-{sigma:g}", lrs_sigma=sigma, hrs_sigma=sigma)
        if self.ratio is None:
            return device
        return replace(device, name=f"{device.name}-ratio-{self.ratio:g}", hrs_median=device.lrs_median * self.ratio)


@dataclass(frozen=True)
class Read:
    """One way to read one set of devices.

    Parameters
    ----------
    kind : str
        "2T2R", "1T1R" or "analog"; "SRAM" for one without devices.
    device : DeviceModel
    cycles, seconds : float
    code : Secded, optional
        Of 1T1R.
    array : ArrayOptions, optional
        Of analog arrays.
    """

    kind: str
    device: DeviceModel
    cycles: float = 0.0
    seconds: float = 0.0
    code: Secded | None = None
    array: ArrayOptions | None = None

    @property
    def name(self) -> str:
        """What a row of the table is called."""
        age = f", {self.seconds:g} s" if self.seconds else ""
        if self.array is not None:
            adc = f"{self.array.adc_bits} bits" if self.array.adc_bits else "ideal converter"
            adc += f", {self.array.mismatch}" if self.array.mismatch else ""
            return f"analog {self.array.mapping}, {self.array.rows} rows, {adc}{age}"
        if self.code is not None:
            return f"1T1R, {self.code.name}{age}"
        return {"2T2R": "digital 2T2R", "1T1R": "1T1R", "SRAM": "digital, SRAM"}[self.kind] + age

    @property
    def leaves_out(self) -> str:
        """What the row does not have."""
        digital = "area of sense amplifiers and logic, noise of single reads, programming energy, host"
        return {
            "2T2R": f"{digital}, supply droop",
            "1T1R": f"{digital}, spread of the reference" + (", the decoder's energy and area" if self.code else ""),
            "analog": "wires, read noise, "
            + ("" if self.array is not None and self.array.mismatch else "mismatch and ")
            + "calibration of converters, adders, programming energy, host",
            "SRAM": "leakage, reload after power-down (40 pJ/bit from DRAM), area, latency, host",
        }[self.kind]

    def key(self, trial: int) -> str:
        """Return what names a trial in a file."""
        return f"{self.device.name}|{self.cycles:g}|{self.name}|{trial}"


def reads(params: CompareParams) -> list[Read]:
    """Return the rows of the table that have devices."""
    d, c = params.device, params.cycles
    rows = []
    for t in params.seconds:
        rows += [Read("2T2R", d, c, t), Read("1T1R", d, c, t)]
        rows += [Read("1T1R", d, c, t, code) for code in CODES]
        rows += [Read("analog", d, c, t, array=a) for a in params.analog(t)]
    return rows


def spread_reads(params: CompareParams) -> dict[float, list[Read]]:
    """Return the reads of the picture, by spread: the pair, and each mapping with an ideal converter."""
    found = {}
    for sigma in sorted(params.spreads):
        d = params.with_spread(sigma)
        arrays = [ArrayOptions(params.rows[0], mapping=m, device=d) for m in params.mappings]
        found[sigma] = [Read("2T2R", d), *(Read("analog", d, array=a) for a in arrays)]
    return found


class _Evaluator:
    """Runs trials on one network and one set of images."""

    def __init__(self, network: Network, images: NDArray, labels: NDArray[np.int64], seed: int):
        self.network, self.images, self.labels, self.seed = network, images, labels, seed
        self._trials = Trials(network, images, labels)

    def run(self, read: Read, trial: int) -> dict[str, float]:
        """Return right answers, and errors of the weights or effective bits, of one set of devices."""
        key: dict[str, Any] = {"seed": self.seed, "trial": trial}
        if read.kind == "analog":
            assert read.array is not None
            chip = AnalogNetwork(self.network, read.array, **key)
            right = int(np.sum(chip.predict(self.images) == self.labels))
            return {"right": right, "effective_bits": chip.effective_bits(self.images[:_PROBED])}
        key |= {"cycles": read.cycles, "seconds": read.seconds}
        if read.kind == "2T2R":
            faults = draw_faults(self.network, read.device, **key)
        else:
            faults = draw_single(self.network, read.device, read.code, **key)
        right = int(np.sum(self._trials.predict(faults) == self.labels))
        wrong = sum(v.size for field in (faults.flips, faults.stuck_0, faults.stuck_1) for v in field.values())
        return {"right": right, "wrong": wrong}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    name : str
    accuracy : Point
        Over the draws; without a spread where there are no devices.
    errors : str
        Bit error rate of the weights, or effective bits of a partial sum.
    costs : Costs
    leaves_out : str
    """

    name: str
    accuracy: Point
    errors: str
    costs: costs.Costs
    leaves_out: str

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy over devices and images: both errors added as squares."""
        half = ((self.accuracy.mean_high or self.accuracy.mean) - (self.accuracy.mean_low or self.accuracy.mean)) / 2
        both = math.hypot(half, 1.96 * self.accuracy.test_se)
        return max(0.0, self.accuracy.mean - both), min(1.0, self.accuracy.mean + both)

    def to_json(self) -> dict[str, Any]:
        """Return the row for JSON."""
        low, high = self.interval
        cost = {k: v.to_json() if isinstance(v, Figure) else v for k, v in vars(self.costs).items()}
        return {"name": self.name, "accuracy": vars(self.accuracy) | {"low": low, "high": high}, "errors": self.errors,
                **cost, "leaves_out": self.leaves_out}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Parameters
    ----------
    network : Network
    params : CompareParams
    images : int
    clean : float
        Accuracy without errors.
    results : dict
        By :meth:`Read.key`.
    computed : int
        Trials that were not in the file.
    synthesized : mapping of str to Costs
        What was computed of the engine, by the kind of a read, in place of cited figures.
    """

    network: Network
    params: CompareParams
    images: int
    clean: float
    results: dict[str, dict[str, float]] = field(repr=False)
    computed: int = 0
    synthesized: Mapping[str, costs.Costs] = field(default_factory=dict, repr=False)

    def accuracy(self, read: Read) -> Point:
        """Return the statistics of a read over the draws."""
        right = [self.results[read.key(k)]["right"] for k in range(self.params.draws)]
        return point(0.0, np.array(right) / self.images, self.images)

    def _errors(self, read: Read) -> str:
        found = [self.results[read.key(k)] for k in range(self.params.draws)]
        if read.kind == "analog":
            return f"{np.mean([f['effective_bits'] for f in found]):.2f} bits"
        wrong, weights = sum(f["wrong"] for f in found), self.network.n_weights * len(found)
        return f"{wrong / weights:.2g}" if wrong else f"below {3 / weights:.1g}"

    def _costs(self, read: Read) -> costs.Costs:
        if read.kind in self.synthesized:
            return self.synthesized[read.kind]
        if read.array is not None:
            return costs.analog(self.network, read.array, self.node_nm)
        cells = 2.0 if read.kind == "2T2R" else read.code.redundancy if read.code else 1.0
        return costs.digital(self.network, cells)

    @property
    def node_nm(self) -> float | None:
        """Node of what was computed of the engine, in nm."""
        made = self.synthesized.get("2T2R")
        return None if made is None else float(made.node.split()[0])

    def _leaves_out(self, read: Read) -> str:
        if read.kind not in self.synthesized:
            return read.leaves_out
        own = {"2T2R": "level shifters, noise of single reads, programming energy", "SRAM": "reload after power-down"}
        return f"wires, clock tree, glitches (estimates: oxnor energy), {own[read.kind]}, host"

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The table."""
        rows = [
            Row(r.name, self.accuracy(r), self._errors(r), self._costs(r), self._leaves_out(r))
            for r in reads(self.params)
        ]
        exact = Read("SRAM", self.params.device)
        alone = point(0.0, np.array([self.clean]), self.images)
        cost = self.synthesized.get("SRAM") or costs.sram(self.network)
        return (*rows, Row(exact.name, alone, "0", cost, self._leaves_out(exact)))

    @cached_property
    def spread(self) -> dict[str, dict[float, Point]]:
        """Accuracy by way of reading and spread of ln R."""
        found: dict[str, dict[float, Point]] = {}
        for sigma, row in spread_reads(self.params).items():
            for r in row:
                found.setdefault(r.name, {})[sigma] = self.accuracy(r)
        return found

    @property
    def bit_error_rates(self) -> dict[float, float]:
        """Bit error rate of the pair by spread, in closed form with an ideal sense amplifier."""
        return {s: ber_2t2r(self.params.with_spread(s).at(0, 0)) for s in sorted(self.params.spreads)}

    def to_json(self) -> dict[str, Any]:
        """Return everything for JSON."""
        spread = {name: {f"{s:g}": vars(p) for s, p in points.items()} for name, points in self.spread.items()}
        return {
            "network": self.network.name, "device": self.params.device.to_json(), "images": self.images,
            "draws": self.params.draws, "seed": self.params.seed, "clean": self.clean,
            "rows": [row.to_json() for row in self.rows], "spread": spread,
            "bit_error_rates": {f"{s:g}": b for s, b in self.bit_error_rates.items()},
        }  # fmt: skip


def _identity(network: Network, images: NDArray, labels: NDArray[np.int64], params: CompareParams) -> dict[str, Any]:
    h = hashlib.sha256(np.ascontiguousarray(images).tobytes())
    h.update(np.asarray(labels, np.int64).tobytes())
    device = hashlib.sha256(json.dumps(params.device.to_json(), sort_keys=True).encode()).hexdigest()
    return {"format": FORMAT, "version": VERSION, "network": network.digest, "data": h.hexdigest(), "device": device,
            "seed": params.seed}  # fmt: skip


def _read_file(path: Path, identity: dict[str, Any], images: int, weights: int) -> dict[str, dict[str, float]]:
    """Return the trials that a file has, which is not trusted; none if it is not there."""
    if not path.exists():
        return {}
    try:
        with reading(path):
            found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as e:
        raise InputError(f"{path}: must be JSON, and is not from line {e.lineno} on") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: must be JSON with numbers and nesting of a reasonable size") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("trials"), dict):
        raise InputError(f"{path}: is not a file of `oxnor compare`: delete it, or name another")
    for name, value in identity.items():
        if found.get(name) != value:
            raise InputError(f"{path}: holds a comparison of another {name}: name another file")
    for key, trial in found["trials"].items():
        _check_trial(trial, key, f"{path}: trials.{key!r:.80}", images, weights)
    return found["trials"]


def _check_trial(trial: Any, key: str, where: str, images: int, weights: int) -> None:
    """Raise InputError unless a trial of a file has what :meth:`_Evaluator.run` gives."""
    analog = key.count("|") == 3 and key.split("|")[2].startswith("analog ")
    fields = ("right", "effective_bits" if analog else "wrong")
    if key.count("|") != 3 or not isinstance(trial, dict) or set(trial) != set(fields):
        raise InputError(f"{where} must be a trial with {' and '.join(fields)}")
    for name, most in (("right", images), ("wrong", weights)):
        value = trial.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise InputError(f"{where}.{name} must be a whole number in [0, {most}], not {value!r:.40}")
    bits = trial.get("effective_bits", 0.0)
    # Infinite where no sum was wrong.
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not bits >= -64:
        raise InputError(f"{where}.effective_bits must be a number of -64 or more, not {bits!r:.40}")


def compare(
    network: Network, images: NDArray, labels: NDArray[np.int64], params: CompareParams, path: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:  # fmt: skip
    """Read the same devices in every way, draw by draw.

    Parameters
    ----------
    network : Network
    images, labels : ndarray
    params : CompareParams
    path : path, optional
        File of the trials: what it holds is not computed again, and each trial is written as it comes.
    progress : callable, optional
        Told of (what, trials done, trials in all).

    Raises
    ------
    InputError
        If the file holds another comparison.
    """
    identity = _identity(network, images, labels, params)
    results = {} if path is None else _read_file(Path(path), identity, len(images), network.n_weights)
    rows: Sequence[Read] = reads(params)
    wanted = [("rows", r, k) for k in range(params.draws) for r in rows]
    wanted += [("spread", r, k) for k in range(params.draws) for row in spread_reads(params).values() for r in row]
    missing = [(what, r, k) for what, r, k in wanted if r.key(k) not in results]
    evaluator = _Evaluator(network, images, np.asarray(labels, np.int64), params.seed) if missing else None
    for done, (_, read, trial) in enumerate(missing):
        if progress:
            progress(network.name, done, len(missing))
        assert evaluator is not None
        results[read.key(trial)] = evaluator.run(read, trial)
        if path is not None:
            write_text(path, json.dumps(identity | {"trials": results}, indent=0) + "\n")
    if progress and missing:
        progress(network.name, len(missing), len(missing))
    clean = float(np.mean(golden.predict(network, images) == labels))
    return Comparison(network, params, len(images), clean, results, len(missing))


#: ResNet-50 on 1,000 images of ImageNet, 8 bits, top 1 and top 5 in per cent (M. Marinella, slides, 2022).
IMAGENET = (
    ("float", "77.5", "93.3"),
    ("SONOS 40 nm", "74.0 ± 1.0", "92.5 ± 0.4"),
    ("TaOx", "76.4 ± 0.2", "93.3 ± 0.1"),
    ("PCM, without training for its noise", "28.2 ± 6.4", "49.7 ± 7.8"),
)
WARNING = (
    "Digits do not separate what ImageNet separates: excellent accuracy on MNIST does not mean accuracy on ImageNet."
)
