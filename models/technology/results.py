"""Results of circuits as files: reads, offsets, waveforms, with the circuit that each belongs to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading, write_text

from .circuit import ReadCircuit

FORMAT, FORMAT_VERSION = "oxnor-circuit", 1
_SIZE_MAX = 1 << 26
#: ln(R_BLb / R_BL) at which a decision flips, or why that is not known.
Flip = float | str
#: Parts of the energy of a read.
ENERGIES = ("supply", "word_line", "sense")
#: Nodes whose noise counts.
NOISY = ("bl", "blb", "q", "qb")
#: Nodes of a waveform.
NODES = ("sen", "bl", "blb", "q", "qb")
#: A bit line that still differs by more from its partner, in mV, remembers the read before.
LEFT_MAX_MV = 2.0


@dataclass(frozen=True)
class Read:
    """A read of every combination of bit and input, in the second cycle: the one before it was the same read.

    Parameters
    ----------
    outputs : tuple of int or None
        q of (bit, x) = (0, 0), (0, 1), (1, 0), (1, 1), of a ``1t1r`` column of bit 0 and 1; None where the outputs did
        not settle.
    delay_ns : float or None
        From the start of the sense signal until the outputs differ by 80 % of the supply, the slowest combination; None
        if one does not settle.
    energy_fj : mapping of str to float
        Of a bit, by source: from the supply, for the word line of this column and for the sense signal. From the start
        of a read to that of the next, the mean of all combinations.
    sense_ns : float
        How long word line and sense signal were high.
    precharged_v : float
        Voltage of the lower bit line at the end of the precharge.
    left_mv : float
        By what the bit lines still differ then from the read before, in mV.
    """

    outputs: tuple[int | None, ...]
    delay_ns: float | None
    energy_fj: Mapping[str, float]
    sense_ns: float
    precharged_v: float
    left_mv: float

    @property
    def total_fj(self) -> float:
        """Energy of a bit, in fJ."""
        return sum(self.energy_fj.values())

    @property
    def right(self) -> bool:
        """Whether every combination gives XNOR, or the stored bit."""
        return self.outputs == ((1, 0, 0, 1) if len(self.outputs) == 4 else (0, 1))

    def problems(self) -> list[str]:
        """Return what is wrong with the read, in words."""
        texts = []
        if self.delay_ns is None or None in self.outputs:
            texts.append(f"does not settle within {self.sense_ns:g} ns")
        elif not self.right:
            texts.append(f"reads {''.join(map(str, self.outputs))}")
        if self.left_mv > LEFT_MAX_MV:
            texts.append(f"bit lines still differ by {self.left_mv:.3g} mV from the read before")
        return texts


@dataclass(frozen=True)
class Noise:
    """Thermal noise of a decision: an upper bound.

    Parameters
    ----------
    parts : mapping of str to float
        Standard deviation in ln R, by the node that it comes from.
    """

    parts: Mapping[str, float]

    @property
    def sigma(self) -> float:
        """Standard deviation of all of it, in ln R."""
        return math.sqrt(sum(part * part for part in self.parts.values()))


@dataclass(frozen=True)
class Waveform:
    """Voltages of a precharge and the read after it.

    Parameters
    ----------
    time_ns : tuple of float
    volts : mapping of str to tuple of float
        By node.
    """

    time_ns: tuple[float, ...]
    volts: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Offsets:
    """Where the decisions of drawn amplifiers flip; each transient begins at 0 V, with one precharge and one read.

    Parameters
    ----------
    seed : int
        Key of the mismatch; draw k is the number of the amplifier.
    nominal : tuple of Flip
        Without mismatch, as `flips`.
    flips : tuple of tuple of Flip
        For each draw: ln(R_BLb / R_BL) at the flip for x = 1 and x = 0, of a ``1t1r`` column one number.
    """

    seed: int
    nominal: tuple[Flip, ...]
    flips: tuple[tuple[Flip, ...], ...]


@dataclass(frozen=True)
class Results:
    """What was simulated, by circuit.

    Parameters
    ----------
    simulator : str
    models : mapping of str to str
        SHA-256 of the models, by corner.
    netlists : str
        Hash of the netlists that were simulated; those of another release may give other results.
    reads : mapping of ReadCircuit to Read
    offsets : mapping of ReadCircuit to Offsets
    waveforms : mapping of ReadCircuit to Waveform
    noises : mapping of ReadCircuit to Noise
    """

    simulator: str
    models: Mapping[str, str]
    netlists: str
    reads: Mapping[ReadCircuit, Read] = field(default_factory=dict)
    offsets: Mapping[ReadCircuit, Offsets] = field(default_factory=dict)
    waveforms: Mapping[ReadCircuit, Waveform] = field(default_factory=dict)
    noises: Mapping[ReadCircuit, Noise] = field(default_factory=dict)

    def with_all(self, other: Results) -> Results:
        """Return these results and the others; where both have one, that of the others."""
        kinds = ("reads", "offsets", "waveforms", "noises")
        joined: dict[str, Any] = {name: {**getattr(self, name), **getattr(other, name)} for name in kinds}
        return replace(self, models={**self.models, **other.models}, **joined)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a file."""
        return {
            "format": FORMAT, "version": FORMAT_VERSION, "simulator": self.simulator, "models": dict(self.models),
            "netlists": self.netlists,
            "reads": [{"circuit": c.to_json(), **_plain(r)} for c, r in self.reads.items()],
            "offsets": [{"circuit": c.to_json(), **_plain(o)} for c, o in self.offsets.items()],
            "waveforms": [{"circuit": c.to_json(), **_plain(w)} for c, w in self.waveforms.items()],
            "noises": [{"circuit": c.to_json(), **_plain(n)} for c, n in self.noises.items()],
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write a file, whole or not at all; one result a line."""
        value = self.to_json()
        lists = {k: v for k, v in value.items() if isinstance(v, list)}
        head = json.dumps({k: v for k, v in value.items() if k not in lists}, allow_nan=False)[:-1]
        for name, entries in lists.items():
            body = ",\n".join(json.dumps(e, allow_nan=False, separators=(",", ":")) for e in entries)
            head += f',\n"{name}": [\n{body}\n]'
        write_text(path, head + "}\n")

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Return the results of a file, which is not trusted.

        Raises
        ------
        InputError
            Naming the file, the field and the rule that it breaks.
        """
        path = Path(path)
        with reading(path):
            if path.stat().st_size > _SIZE_MAX:
                raise InputError(f"{path}: must have at most {_SIZE_MAX} bytes, not {path.stat().st_size}")
            data = path.read_bytes()
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            raise InputError(f"{path}: must be JSON") from None
        return cls.from_json(value, str(path))

    @classmethod
    def from_json(cls, value: Any, where: str) -> Results:
        """Return the results of a JSON value that is not trusted; `where` names it in errors."""
        lists = {"reads": _read, "offsets": _offsets, "waveforms": _waveform, "noises": _noise}
        if isinstance(value, dict):
            value = {"noises": []} | value  # the first files have none
        _keys(value, where, ("format", "version", "simulator", "models", "netlists", *lists))
        if value["format"] != FORMAT:
            raise InputError(f"{where}: format must be {FORMAT!r}: this is some other file")
        if value["version"] != FORMAT_VERSION or isinstance(value["version"], bool):
            raise InputError(f"{where}: version must be {FORMAT_VERSION}, not {value['version']!r:.40}")
        for name in ("simulator", "netlists"):
            _text(value[name], f"{where}: {name}")
        if not isinstance(value["models"], dict):
            raise InputError(f"{where}: models must be a JSON object")
        for corner, digest in value["models"].items():
            _text(digest, f"{where}: models.{corner:.10}")
        found: dict[str, dict[ReadCircuit, Any]] = {}
        for name, parse in lists.items():
            if not isinstance(value[name], list):
                raise InputError(f"{where}: {name} must be a list")
            found[name] = {}
            for k, entry in enumerate(value[name]):
                at = f"{where}: {name}[{k}]"
                if not isinstance(entry, dict) or "circuit" not in entry:
                    raise InputError(f"{at} must be a JSON object with a circuit")
                circuit = _circuit(entry["circuit"], f"{at}.circuit")
                found[name][circuit] = parse({k: v for k, v in entry.items() if k != "circuit"}, circuit, at)
        return cls(value["simulator"], value["models"], value["netlists"], **found)


def _plain(record: Read | Offsets | Waveform | Noise) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def _keys(value: Any, where: str, keys: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be a JSON object, not {type(value).__name__}")
    for key in (*(k for k in keys if k not in value), *(k for k in value if k not in keys)):
        what = "is missing" if key in keys else f"is not a field: there are {', '.join(keys)}"
        raise InputError(f"{where}: {key!r:.40} {what}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise InputError(f"{where} must be a text in one line, not {value!r:.40}")
    return value


def _number(value: Any, where: str, low: float = -1e12) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= 1e12:
        raise InputError(f"{where} must be a number{'' if low < 0 else ' of 0 or more'}, not {value!r:.40}")
    return float(value)


def _circuit(value: Any, where: str) -> ReadCircuit:
    known = {f.name: f for f in fields(ReadCircuit)}
    _keys(value, where, tuple(known))
    numbers: dict[str, Any] = {}
    for name, default in ((n, f.default) for n, f in known.items()):
        at = f"{where}.{name}"
        if isinstance(default, str):
            numbers[name] = _text(value[name], at)
        elif name == "rows":
            if isinstance(value[name], bool) or not isinstance(value[name], int):
                raise InputError(f"{at} must be a whole number, not {value[name]!r:.40}")
            numbers[name] = value[name]
        else:
            numbers[name] = _number(value[name], at)
    try:
        return ReadCircuit(**numbers)
    except InputError as e:
        raise InputError(f"{where}.{e}") from None


def _read(value: Any, circuit: ReadCircuit, where: str) -> Read:
    _keys(value, where, tuple(f.name for f in fields(Read)))
    count = 4 if circuit.cell == "2t2r" else 2
    outputs = value["outputs"]
    fits = isinstance(outputs, list) and len(outputs) == count
    if not fits or not all(q is None or (q in (0, 1) and type(q) is int) for q in outputs):
        raise InputError(f"{where}.outputs must be {count} of 0, 1 and null")
    _keys(value["energy_fj"], f"{where}.energy_fj", ENERGIES)
    energies = {n: _number(v, f"{where}.energy_fj.{n}") for n, v in value["energy_fj"].items()}
    numbers = {n: _number(value[n], f"{where}.{n}", 0) for n in ("sense_ns", "precharged_v", "left_mv")}
    delay = value["delay_ns"]
    delay = None if delay is None else _number(delay, f"{where}.delay_ns", 0)
    return Read(tuple(outputs), delay, energies, **numbers)


def _flips(value: Any, circuit: ReadCircuit, where: str) -> tuple[Flip, ...]:
    count = 2 if circuit.cell == "2t2r" else 1
    if not isinstance(value, list) or len(value) != count:
        raise InputError(f"{where} must be a list of {count}")
    flips: list[Flip] = []
    for v in value:
        if isinstance(v, str):
            flips.append(_text(v, where))
        elif abs(number := _number(v, where)) <= 10 and math.isfinite(number):
            flips.append(number)
        else:
            raise InputError(f"{where} must be in [-10, 10], not {v:g}")
    return tuple(flips)


def _offsets(value: Any, circuit: ReadCircuit, where: str) -> Offsets:
    _keys(value, where, tuple(f.name for f in fields(Offsets)))
    seed = value["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise InputError(f"{where}.seed must be in [0, 2**63), not {seed!r:.40}")
    if not isinstance(value["flips"], list):
        raise InputError(f"{where}.flips must be a list")
    flips = [_flips(v, circuit, f"{where}.flips[{k}]") for k, v in enumerate(value["flips"])]
    return Offsets(seed, _flips(value["nominal"], circuit, f"{where}.nominal"), tuple(flips))


def _waveform(value: Any, circuit: ReadCircuit, where: str) -> Waveform:
    _keys(value, where, tuple(f.name for f in fields(Waveform)))
    _keys(value["volts"], f"{where}.volts", NODES)
    columns = {"time_ns": value["time_ns"], **value["volts"]}
    lists: dict[str, tuple[float, ...]] = {}
    for name, numbers in columns.items():
        if not isinstance(numbers, list) or len(numbers) != len(value["time_ns"]) or len(numbers) < 2:
            raise InputError(f"{where}.{name} must be a list as long as the others")
        lists[name] = tuple(_number(v, f"{where}.{name}") for v in numbers)
    return Waveform(lists.pop("time_ns"), lists)


def _noise(value: Any, circuit: ReadCircuit, where: str) -> Noise:
    _keys(value, where, ("parts",))
    _keys(value["parts"], f"{where}.parts", NOISY)
    return Noise({node: _number(v, f"{where}.parts.{node}", 0) for node, v in value["parts"].items()})


@cache
def shipped() -> Results:
    """Return the results that come with the package: the default circuits in sky130."""
    return Results.load(Path(str(resources.files("oxnor.models"))) / "data" / "circuits" / "sky130.json")
