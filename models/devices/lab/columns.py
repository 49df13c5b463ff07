"""What the columns of a lab's file are: their roles, by the names that labs use, and their units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oxnor.models.base.errors import InputError, near_names

#: What a column may be.
ROLES = ("device", "state", "resistance", "lrs", "hrs", "cycles", "seconds", "temperature")
#: The names of each role, in small letters without what stands between the words.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "device": ("device", "deviceid", "devicename", "dut", "cell", "cellid", "sample", "memristor"),
    "state": ("state", "status", "level", "operation", "op"),
    "resistance": ("resistance", "r", "res", "rread", "resist", "conductance", "g", "cond", "gread"),
    "lrs": ("lrs", "rlrs", "ron", "rset", "glrs", "gon", "gset", "rlow", "resistancelrs", "lrsresistance", "lrsr"),
    "hrs": ("hrs", "rhrs", "roff", "rreset", "ghrs", "goff", "greset", "rhigh", "resistancehrs", "hrsresistance",
            "hrsr"),
    "cycles": ("cycle", "cycles", "cyclenumber", "cyclecount", "cycleno", "ncycle", "ncycles", "endurancecycles"),
    "seconds": ("seconds", "retentiontime", "retention", "bakingtime", "timeafterprogramming"),
    "temperature": ("temperature", "temp", "tempc", "temperaturec"),
}  # fmt: skip
#: A name that is a role only beside one of these units.
_BY_UNIT = {"t": {"s": "seconds", "degc": "temperature"}, "time": {"s": "seconds"}}
#: Row and column of a cell, which name it where nothing else does.
_PLACES = (("wl", "bl"), ("row", "col"), ("row", "column"), ("x", "y"))
_PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9}
_OHM, _SIEMENS = ("ohm", "ohms", "ω", "Ω".lower(), "Ω".lower()), ("s", "siemens", "mho")
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "hours": 3600.0, "d": 86400.0}
_BRACKETS = re.compile(r"(.*?)\s*[\[(]\s*([^\])]*?)\s*[\])]\s*")
_SLASH = re.compile(r"(.+?)\s*/\s*([^/]+?)\s*")
_DEGREES = ("degc", "°c", "c", "celsius", "k", "kelvin")
#: Units of resistances and conductances that an option may name.
UNITS = ("ohm", "kohm", "Mohm", "Gohm", "S", "mS", "uS", "nS")


@dataclass(frozen=True)
class Unit:
    """The unit of a resistance or a conductance.

    Parameters
    ----------
    name : str
        As written.
    factor : float
        In ohm, or in siemens.
    conductance : bool
    """

    name: str
    factor: float
    conductance: bool


def unit_of(text: str) -> Unit | None:
    """Return a unit of resistance or conductance by its name; None for anything else."""
    word = text.strip()
    for names, conductance in ((_OHM, False), (_SIEMENS, True)):
        for name in names:
            prefix = word[: len(word) - len(name)]
            # "S" is siemens, "s" is seconds.
            same = word[len(prefix) :] == "S" if name == "s" else word[len(prefix) :].lower() == name
            if same and prefix in _PREFIXES:
                return Unit(word, _PREFIXES[prefix], conductance)
    return None


@dataclass(frozen=True)
class Header:
    """The columns of a file by role.

    Parameters
    ----------
    names : tuple of str
        Of all columns, as written.
    places : mapping of str to int
        Column of each role that was found.
    units : mapping of str to str
        Units in the header, by role.
    cell : tuple of int
        Columns that name a device together, where there is none for it alone.
    """

    names: tuple[str, ...]
    places: Mapping[str, int]
    units: Mapping[str, str]
    cell: tuple[int, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether a line has both states."""
        return "lrs" in self.places or "hrs" in self.places

    @property
    def readings(self) -> tuple[str, ...]:
        """The roles that are readings."""
        return ("lrs", "hrs") if self.wide else ("resistance",)

    @property
    def needed(self) -> tuple[str, ...]:
        """The roles without which there is nothing to fit."""
        device = () if self.cell else ("device",)
        return device + (("lrs", "hrs") if self.wide else ("state", "resistance"))

    def name(self, role: str) -> str:
        """Return how a column is called in the file."""
        return self.names[self.places[role]]


def split_unit(name: str) -> tuple[str, str]:
    """Return a column's name without its unit, and the unit: of ``R [kOhm]``, ``R (kOhm)``, ``R/kOhm``, ``R_kOhm``."""
    match = _BRACKETS.fullmatch(name) or _SLASH.fullmatch(name)
    if match and match[1]:
        return match[1], match[2]
    match = re.fullmatch(r"(.+?)[_ ]([^_ ]+)", name)
    if match and (unit_of(match[2]) or (match[1].lower() in _BY_UNIT and match[2].lower() in _SECONDS)):
        return match[1], match[2]
    return name, ""


def _kind(unit: str) -> str:
    low = unit.lower()
    return "s" if low in _SECONDS else "degc" if low in _DEGREES else low


def role_of(name: str) -> str | None:
    """Return the role of a column by its name, if labs use it so."""
    bare, unit = split_unit(name)
    word = re.sub(r"[^a-z0-9]", "", re.sub("#|№", "number", bare.lower()).replace("numbernumber", "number"))
    if word in _BY_UNIT:
        return _BY_UNIT[word].get(_kind(unit))
    return next((role for role, names in _NAMES.items() if word in names), None)


def listed(names: Sequence[str]) -> str:
    """Return names of columns for a message: in one line, whatever is in them."""
    return ", ".join(" ".join(name.split()) for name in names) or "none"


def read_header(names: Sequence[str], chosen: Mapping[str, str], where: str) -> Header:
    """Return the roles of columns.

    Parameters
    ----------
    names : sequence of str
        As in the file.
    chosen : mapping of str to str
        Names of columns by role, which go before what the names say; "none" for a role that no column has.
    where : str
        Names the line in errors.

    Raises
    ------
    InputError
        If a chosen column is not there, or two columns have one role.
    """
    places: dict[str, int] = {}
    low = [name.strip().lower() for name in names]
    known = listed(names)
    for role, column in chosen.items():
        if role not in ROLES:
            rule = f"must be ROLE=NAME with a role of {', '.join(ROLES)}, not {role!r}"
            raise InputError(f"{rule}{near_names(role, ROLES)}", parameter="column")
        want = column.strip().lower()
        if want == "none":
            continue
        matches = [k for k, name in enumerate(low) if want in (name, split_unit(name)[0])]
        if len(matches) != 1:
            raise InputError(f"{where}: column {column!r} {'is missing' if not matches else 'must be there once'}:"
                             f" there are {known}")  # fmt: skip
        places[role] = matches[0]
    taken = set(places.values())
    for k, name in enumerate(names):
        its = role_of(name)
        if its is None or its in chosen or k in taken:
            continue
        role = its
        if role in places:
            if low[places[role]] == low[k]:
                raise InputError(f"{where}: column {name!r} must be there once: there are {known}")
            first, other = listed([names[places[role]]]), listed([name])
            raise InputError(f"{where}: {role} must be one column: say `column` {role}={first} or {role}={other}")
        places[role] = k
    units = {role: unit for role, k in places.items() if (unit := split_unit(names[k])[1])}
    cell: tuple[int, ...] = ()
    if "device" not in places:
        for pair in _PLACES:
            if all(low.count(part) == 1 for part in pair):
                cell = tuple(low.index(part) for part in pair)
                break
    return Header(tuple(names), places, units, cell)


def seconds_of(unit: str) -> float | None:
    """Return a unit of time in seconds, or None if it is none."""
    return _SECONDS.get(unit.lower() or "s")
