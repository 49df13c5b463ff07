"""Statistics of a resistive memory device: log-normal states that wear with cycles and relax with time.

The model and its equations are in ``docs/devices.md``. A device is LRS or HRS; ln R of each state is normal. Two
medians and two standard deviations of ln R say how far the states are apart; what the sense amplifier adds is in
the same unit, so that every error rate is a tail of a normal distribution (``models/devices/error_rates.py``).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oxnor.models.base import shipped
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading, write_text

from .states import LN_MAX, LogLaw, Statistics, require
from .uncertainty import Uncertainty

FORMAT = "oxnor-device"
FORMAT_VERSION = 1
_SIZE_MAX = 1 << 20
_PLACE = "devices"

#: Median resistance of a device that never formed, in ohm: a filament is missing, so it lies far above any HRS.
#: Its spread in ln R is that of HRS.
UNFORMED_OHM = 1e9
#: How far a number of a preset is to be trusted.
TAGS = {
    "measured": "fitted to measurements",
    "published": "read in a published source",
    "simulated": "simulated from a circuit and the models of a process, under the conditions that the source names",
    "chosen": "chosen so that the model has a desired property; does not describe a real device",
}
#: The numbers of a preset and their units; the second part of a name with a dot is a field of a law.
UNITS = {
    "lrs_median": "ohm",
    "hrs_median": "ohm",
    "lrs_sigma": "ln",
    "hrs_sigma": "ln",
    "offset_sigma": "ln",
    "turning_offset_sigma": "ln",
    "single_offset_sigma": "ln",
    "read_noise_sigma": "ln",
    "forming_yield": "1",
}
for _prefix, _unit in (("wear", "cycles"), ("relaxation", "s")):
    UNITS[f"{_prefix}.scale"] = _unit
    UNITS |= {f"{_prefix}.{_n}": "ln/decade" for _n in ("lrs_mu", "hrs_mu", "lrs_sigma", "hrs_sigma")}
#: The numbers that a preset must have; the others have the defaults of :class:`DeviceModel`.
REQUIRED = ("lrs_median", "hrs_median", "lrs_sigma", "hrs_sigma")
_AMPLIFIER = ("offset_sigma", "read_noise_sigma", "turning_offset_sigma", "single_offset_sigma")
#: Numbers that files, and the hashes of devices, have only where they are not 0: those of before have none.
ZERO_BEFORE = ("turning_offset_sigma", "single_offset_sigma")


@dataclass(frozen=True)
class Provenance:
    """Where a number of a device comes from.

    Parameters
    ----------
    source : str
        A work and its figure, a file, or the rule by which the number was chosen.
    tag : str
        How far to trust it: a key of :data:`TAGS`.
    cycles, seconds : (float, float)
        SET/RESET cycles, and seconds after programming, between which it holds.
    """

    source: str
    tag: str
    cycles: tuple[float, float]
    seconds: tuple[float, float]


@dataclass(frozen=True)
class DeviceModel:
    """Statistics of a kind of device and of the sense amplifiers that read it.

    Parameters
    ----------
    name : str
    lrs_median, hrs_median : float
        Median resistances after the first programming, in ohm; 0 < LRS < HRS < :data:`UNFORMED_OHM`.
    lrs_sigma, hrs_sigma : float
        Standard deviations of ln R, above 0.
    offset_sigma : float
        Standard deviation of the offset of a sense amplifier, in ln units of resistance, 0 or more: of the part that
        stays with the bit lines, whatever the input is. Drawn once for each column of a macro.
    read_noise_sigma : float
        Standard deviation of what is added to the decision in each read, in ln units, 0 or more.
    forming_yield : float
        Probability that a device forms, in [0, 1].
    wear : LogLaw
        Change with SET/RESET cycles.
    relaxation : LogLaw
        Change with seconds after programming.
    valid_cycles, valid_seconds : (float, float)
        Where the model holds; outside it raises.
    description : str
    provenance : mapping of str to Provenance
        For each number, by the name it has in a file; not part of the comparison of two models.
    uncertainty : Uncertainty, optional
        Of the numbers, where they are measured; not part of the comparison either.
    turning_offset_sigma : float
        Of the part of the offset that turns with the input: added for x = 1, subtracted for x = 0. Drawn once for each
        column too.
    single_offset_sigma : float
        Standard deviation of the offset of an amplifier that compares one device with a reference (1T1R), 0 or more.
    """

    name: str
    lrs_median: float
    hrs_median: float
    lrs_sigma: float
    hrs_sigma: float
    offset_sigma: float = 0.0
    read_noise_sigma: float = 0.0
    forming_yield: float = 1.0
    wear: LogLaw = field(default_factory=LogLaw)
    relaxation: LogLaw = field(default_factory=LogLaw)
    valid_cycles: tuple[float, float] = (0.0, 1e12)
    valid_seconds: tuple[float, float] = (0.0, 1e9)
    description: str = ""
    provenance: Mapping[str, Provenance] = field(default_factory=dict, compare=False, repr=False)
    uncertainty: Uncertainty | None = field(default=None, compare=False, repr=False)
    turning_offset_sigma: float = 0.0
    single_offset_sigma: float = 0.0

    def __repr__(self) -> str:
        return (
            f"DeviceModel({self.name!r}, LRS {self.lrs_median:.4g} ohm (sigma {self.lrs_sigma:.4g}),"
            f" HRS {self.hrs_median:.4g} ohm (sigma {self.hrs_sigma:.4g}))"
        )

    def __post_init__(self) -> None:
        low, high = self.lrs_median, self.hrs_median
        require("lrs_median", low, "above 0 ohm", low > 0)
        rule = f"above lrs_median = {low:g} ohm and below {UNFORMED_OHM:g} ohm"
        require("hrs_median", high, rule, low < high < UNFORMED_OHM)
        for name in ("lrs_sigma", "hrs_sigma"):
            require(name, getattr(self, name), "above 0", getattr(self, name) > 0)
        for name in _AMPLIFIER:
            require(name, getattr(self, name), "0 or more", getattr(self, name) >= 0)
        for name in ("lrs_sigma", "hrs_sigma", *_AMPLIFIER):
            require(name, getattr(self, name), f"at most {LN_MAX:g}", getattr(self, name) <= LN_MAX)
        require("forming_yield", self.forming_yield, "in [0, 1]", 0 <= self.forming_yield <= 1)
        for name in ("valid_cycles", "valid_seconds"):
            a, b = getattr(self, name)
            if not 0 <= a <= b < math.inf:
                raise InputError(f"{name} must be two rising numbers from 0 on, not {a:g} to {b:g}")
        # The laws are monotone in both variables: what holds in the corners holds between them.
        for cycles in self.valid_cycles:
            for seconds in self.valid_seconds:
                try:
                    self.at(cycles, seconds)
                except InputError as e:
                    raise InputError(f"at {cycles:g} cycles and {seconds:g} s {e}") from None

    @property
    def pair_offset_sigma(self) -> float:
        """Standard deviation of the whole offset of an amplifier of pairs, over amplifiers, at one input."""
        return math.hypot(self.offset_sigma, self.turning_offset_sigma)

    def at(self, cycles: float = 0.0, seconds: float = 0.0) -> Statistics:
        """Return the statistics after `cycles` SET/RESET cycles, `seconds` after the last programming.

        Raises
        ------
        InputError
            Outside the range in which the model holds.
        """
        for name, value, unit in (("cycles", cycles, "cycles"), ("seconds", seconds, "s")):
            a, b = getattr(self, f"valid_{name}")
            if not a <= value <= b:
                rule = f"in [{a:g}, {b:g}] {unit}, where {self.name!r} holds"
                if a == b:
                    rule = f"{a:g} {unit}, the one age at which {self.name!r} holds"
                raise InputError(f"must be {rule}, not {value:g}", parameter=name)
        base = {
            "lrs_mu": math.log(self.lrs_median),
            "lrs_sigma": self.lrs_sigma,
            "hrs_mu": math.log(self.hrs_median),
            "hrs_sigma": self.hrs_sigma,
        }
        for law, x in ((self.wear, cycles), (self.relaxation, seconds)):
            decades = law.decades(x)
            base = {key: value + getattr(law, key) * decades for key, value in base.items()}
        return Statistics(**base)

    def to_json(self) -> dict[str, Any]:
        """Return the model as the JSON object of a preset file."""
        numbers = {name: getattr(self, name) for name in UNITS if "." not in name}
        numbers = {name: value for name, value in numbers.items() if value or name not in ZERO_BEFORE}
        for law, values in (("wear", self.wear), ("relaxation", self.relaxation)):
            if values.changes:
                numbers |= {n: getattr(values, n.partition(".")[2]) for n in UNITS if n.startswith(f"{law}.")}
        unknown = Provenance("not stated", "chosen", self.valid_cycles, self.valid_seconds)
        entries = {}
        for name, value in numbers.items():
            provenance = self.provenance.get(name, unknown)
            valid = {"cycles": _common(provenance.cycles, self.valid_cycles)}
            valid["seconds"] = _common(provenance.seconds, self.valid_seconds)
            entries[name] = {
                "value": value, "unit": UNITS[name], "source": provenance.source, "tag": provenance.tag, "valid": valid,
            }  # fmt: skip
        return {
            "format": FORMAT, "version": FORMAT_VERSION, "name": self.name, "description": self.description,
            "numbers": entries,
            **({"uncertainty": self.uncertainty.to_json()} if self.uncertainty else {}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any, where: str) -> DeviceModel:
        """Return the model of a JSON value that is not trusted; `where` names it in errors."""
        if not isinstance(value, dict):
            raise InputError(f"{where}: must be a JSON object, not {type(value).__name__}")
        _keys(value, where, ("format", "version", "name", "description", "numbers"), ("uncertainty",))
        if value["format"] != FORMAT:
            raise InputError(f"{where}: format must be {FORMAT!r}, not {value['format']!r}: this is some other file")
        if value["version"] != FORMAT_VERSION or isinstance(value["version"], bool):
            raise InputError(
                f"{where}: version must be {FORMAT_VERSION}, not {value['version']!r}: the file is from another release"
            )
        for key in ("name", "description"):
            text = value[key]
            if not isinstance(text, str) or not text.isprintable() or (key == "name" and not text):
                raise InputError(f"{where}: {key} must be a text in one line, not {text!r:.40}")
        entries = value["numbers"]
        _keys(entries, f"{where}: numbers", REQUIRED, tuple(UNITS))
        numbers, provenance = {}, {}
        for name, entry in entries.items():
            numbers[name], provenance[name] = _number(entry, name, f"{where}: {name}")
        laws: dict[str, dict[str, float]] = {"wear": {}, "relaxation": {}}
        flat: dict[str, Any] = {}
        for name, number in numbers.items():
            law, dot, part = name.partition(".")
            (laws[law] if dot else flat)[part if dot else name] = number
        for axis in ("cycles", "seconds"):  # the range common to all numbers
            ranges = [getattr(p, axis) for p in provenance.values()]
            flat[f"valid_{axis}"] = (max(low for low, _ in ranges), min(high for _, high in ranges))
        try:
            for law, parts in laws.items():
                if parts and "scale" not in parts:
                    raise InputError(f"{law}.scale is missing")
                flat[law] = _law(law, parts)
            if "uncertainty" in value:
                flat["uncertainty"] = Uncertainty.from_json(value["uncertainty"])
            return cls(name=value["name"], description=value["description"], provenance=provenance, **flat)
        except InputError as e:
            raise InputError(f"{where}: {e}") from None

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> DeviceModel:
        """Return a shipped preset, or the device of a file; see :func:`oxnor.models.devices.model.load`."""
        return load(name_or_path)

    def save(self, path: str | Path) -> None:
        """Write a preset file, whole or not at all."""
        text = json.dumps(self.to_json(), indent=2, allow_nan=False)
        # A range in one line: it is read by people.
        text = re.sub(r"\[\n\s+([^\s,]+),\n\s+([^\s]+)\n\s+\]", r"[\1, \2]", text)
        text = re.sub(r"\{\n\s+(\"cycles\": \[.*\],)\n\s+(\"seconds\": \[.*\])\n\s+\}", r"{\1 \2}", text)
        write_text(path, text + "\n")


def _common(valid: tuple[float, float], model: tuple[float, float]) -> list[float]:
    """Return the part of the range of a number in which its model holds, or all of that if there is none."""
    low, high = max(valid[0], model[0]), min(valid[1], model[1])
    return [low, high] if low <= high else list(model)


def _keys(value: Any, where: str, required: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Raise InputError unless `value` is an object with the `required` keys and none but those and `allowed`."""
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a JSON object, not {type(value).__name__}")
    for key in required:
        if key not in value:
            raise InputError(f"{where}: {key} is missing")
    for key in value:
        if key not in required and key not in allowed:
            known = ", ".join(dict.fromkeys(required + allowed))
            raise InputError(f"{where}: {key!r} is not a field: there are {known}")


def _number(entry: Any, name: str, where: str) -> tuple[float, Provenance]:
    _keys(entry, where, ("value", "unit", "source", "tag", "valid"), ())
    number = _as_float(entry["value"])
    if not math.isfinite(number):
        raise InputError(f"{where}.value must be a number, not {entry['value']!r:.40}")
    if entry["unit"] != UNITS[name]:
        raise InputError(f"{where}.unit must be {UNITS[name]!r}, not {entry['unit']!r}")
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise InputError(f"{where}.source must say where the number comes from, not {entry['source']!r}")
    if not isinstance(entry["tag"], str) or entry["tag"] not in TAGS:
        raise InputError(f"{where}.tag must be one of {', '.join(TAGS)}, not {entry['tag']!r}")
    _keys(entry["valid"], f"{where}.valid", ("cycles", "seconds"), ())
    ranges: dict[str, tuple[float, float]] = {}
    for axis, pair in entry["valid"].items():
        low, high = map(_as_float, pair) if isinstance(pair, list) and len(pair) == 2 else (math.nan, math.nan)
        if not 0 <= low <= high < math.inf:
            raise InputError(f"{where}.valid.{axis} must be two rising numbers from 0 on, not {pair!r:.40}")
        ranges[axis] = (low, high)
    return number, Provenance(entry["source"], entry["tag"], **ranges)


def _as_float(value: Any) -> float:
    """Return a JSON number as a float; NaN for what is none, or is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _law(name: str, parts: dict[str, float]) -> LogLaw:
    try:
        return LogLaw(**parts)
    except InputError as e:
        raise InputError(f"{name}.{e}") from None


def names() -> list[str]:
    """Return the names of the shipped presets, sorted."""
    return shipped.names(_PLACE, ".json")


def load(name_or_path: str | os.PathLike[str]) -> DeviceModel:
    """Return a shipped preset, or the device of a file.

    Parameters
    ----------
    name_or_path : str or path
        The name of a preset; or a file that exists, a name that ends in ``.json`` or has a folder in it.

    Raises
    ------
    InputError
        If no preset has that name, or naming the file, the field and the rule that it breaks.
    """
    path = shipped.find(name_or_path, _PLACE, ".json", "device")
    return DeviceModel.from_json(_read_json(path), str(path))


def _once(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        twice = next(key for k, (key, _) in enumerate(pairs) if key in dict(pairs[:k]))
        raise InputError(f"{path}: {twice!r} must not be there twice")
    return entries


def _read_json(path: Path) -> Any:
    try:
        with reading(path):
            if path.stat().st_size > _SIZE_MAX:
                raise InputError(f"{path}: must have at most {_SIZE_MAX} bytes, not {path.stat().st_size}")
            return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: _once(pairs, path))
    except UnicodeDecodeError:
        raise InputError(f"{path}: must be JSON, and is not text in UTF-8") from None
    except json.JSONDecodeError as e:
        raise InputError(f"{path}: must be JSON, and is not from line {e.lineno} on") from None
    except InputError:
        raise
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        raise InputError(f"{path}: must be JSON with numbers and nesting of a reasonable size") from None
