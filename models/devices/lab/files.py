"""Readings of resistances from the file of a lab, with a statement of all that was assumed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading
from oxnor.models.base.words import counted

from .columns import UNITS, Header, listed, read_header, role_of, seconds_of, unit_of
from .numbers import decimal_sign, to_numbers

STATES = ("LRS", "HRS")
#: What labs call the two states.
_STATE_NAMES = {"LRS": ("LRS", "SET", "ON", "LOW"), "HRS": ("HRS", "RESET", "OFF", "HIGH")}
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SIZE_MAX = 1 << 26
#: Characters of the header by which a delimiter is found out.
_HEADER_MAX = 1 << 14


@dataclass(frozen=True)
class FileFormat:
    """How a file of readings is written; what is None is found out.

    Parameters
    ----------
    delimiter : str, optional
        Between cells: one character.
    decimal : str, optional
        "." or ",".
    unit : str, optional
        Of the readings, where the header does not say it: one of ohm, kohm, Mohm, Gohm, S, mS, uS, nS.
    columns : mapping of str to str
        Names of columns by role: device, state, resistance, lrs, hrs, cycles, seconds, temperature. "none" for a role
        that no column has.
    lrs, hrs : str, optional
        What the state column calls LRS and HRS.
    temperature : float, optional
        Take the readings at this temperature alone, in the unit of the file.
    skip_invalid : bool
        Leave out readings that are empty, no number or not above 0, instead of refusing the file.
    """

    delimiter: str | None = None
    decimal: str | None = None
    unit: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    lrs: str | None = None
    hrs: str | None = None
    temperature: float | None = None
    skip_invalid: bool = False

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise InputError(f"must be one character, or tab, not {self.delimiter!r}", parameter="delimiter")
        if self.decimal not in (None, ".", ","):
            raise InputError(f"must be . or ,, not {self.decimal!r}", parameter="decimal")
        if self.decimal is not None and self.decimal == self.delimiter:
            raise InputError("must differ from `delimiter`", parameter="decimal")
        if self.unit is not None and unit_of(self.unit) is None:
            raise InputError(f"must be one of {', '.join(UNITS)}, not {self.unit!r}", parameter="unit")


@dataclass(frozen=True, eq=False)
class Readings:
    """The readings of a file.

    Parameters
    ----------
    path : str
    names : tuple of str
        Of the devices.
    device : ndarray of int64, shape (n,)
        Number of the device of each reading.
    hrs : ndarray of bool, shape (n,)
        Which are of HRS.
    ln_r : ndarray of float, shape (n,)
        ln(R / ohm).
    lines : ndarray of int64, shape (n,)
        Lines of the file.
    ages : mapping of str to ndarray of float, shape (n,)
        "cycles" and "seconds", where the file has them.
    temperature : str
        Of all readings, with its unit; empty if the file does not say it.
    assumed : tuple of str
        How the file was read.
    """

    path: str
    names: tuple[str, ...]
    device: NDArray[np.int64]
    hrs: NDArray[np.bool_]
    ln_r: NDArray[np.float64]
    lines: NDArray[np.int64]
    ages: Mapping[str, NDArray[np.float64]]
    temperature: str
    assumed: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Readings({Path(self.path).name!r}, {len(self.ln_r):,} of {counted(len(self.names), 'device')})"

    def only(self, chosen: NDArray[np.bool_]) -> Readings:
        """Return some of the readings."""
        ages = {axis: values[chosen] for axis, values in self.ages.items()}
        parts = (self.device[chosen], self.hrs[chosen], self.ln_r[chosen], self.lines[chosen])
        return Readings(self.path, self.names, *parts, ages, self.temperature, self.assumed)


@dataclass(frozen=True, eq=False)
class _Table:
    """The cells of a file, with the line of each row."""

    header: Header
    rows: list[list[str]]
    lines: list[int]
    where: str

    def column(self, place: int) -> list[str]:
        return [row[place] for row in self.rows]


def read_readings(path: str | Path, form: FileFormat = FileFormat()) -> Readings:
    """Return the readings of a file.

    A file has a header and a line for each reading (long: columns device, state, resistance), or for both states of
    a device (wide: device, lrs, hrs). Delimiter, decimal sign, units and the roles of the columns are found out, by
    the names that labs use for them, unless `form` says them; other columns are ignored.

    Raises
    ------
    InputError
        Naming the file, the line, the column and the rule that it breaks.
    """
    path = Path(path)
    said: list[str] = []
    table = _table(path, _text(path, said), form, said)
    header, places = table.header, table.header.places
    roles = [role for role in (*header.readings, "cycles", "seconds", "temperature") if role in places]
    texts = {role: table.column(places[role]) for role in roles}
    decimal = form.decimal
    if decimal is None:
        decimal, how = decimal_sign([text for cells in texts.values() for text in cells], str(path))
        said.append(how)
    numbers = {role: to_numbers(cells, decimal) for role, cells in texts.items()}
    device, names = _devices(table, said)
    lines = np.array(table.lines, np.int64)
    ages: dict[str, NDArray[np.float64]] = {
        axis: _age(table, axis, numbers[axis], said) for axis in ("cycles", "seconds") if axis in numbers
    }
    chosen, temperature = _temperature(table, numbers, form, said)
    ohm, hrs = _ohm(table, numbers, form, said), _states(table, form, said)
    if header.wide:  # both states of a line, one after the other
        device, lines, chosen = np.repeat(device, 2), np.repeat(lines, 2), np.repeat(chosen, 2)
        ages = {axis: np.repeat(values, 2) for axis, values in ages.items()}
    valid = _valid(table, ohm, texts, form, lines, chosen, said) & chosen
    with np.errstate(divide="ignore", invalid="ignore"):
        ln_r = np.log(ohm)
    everything = Readings(str(path), names, device, hrs, ln_r, lines, ages, temperature, tuple(said))
    return everything.only(valid)


def _text(path: Path, said: list[str]) -> str:
    with reading(path):
        if path.stat().st_size > _SIZE_MAX:
            raise InputError(f"{path}: must have at most {_SIZE_MAX} bytes, not {path.stat().st_size}")
        data = path.read_bytes()
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return _lines(data.decode("utf-16" if wide else "utf-8-sig"))
    except UnicodeDecodeError:
        if wide or b"\0" in data:
            raise InputError(f"{path}: must be a CSV file, and is not text in UTF-8") from None
    said.append("text in Windows-1252, as it is not in UTF-8")
    return _lines(data.decode("cp1252", errors="replace"))


def _lines(text: str) -> str:
    """Return a text whose lines end in one way, also one of an old Macintosh."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _table(path: Path, text: str, form: FileFormat, said: list[str]) -> _Table:
    """Return the cells of a file, after remarks at its beginning."""
    skipped = remarks = at = 0
    while at < len(text) and (text[at] == "#" or not text[at : text.find("\n", at)].strip()):
        end = text.find("\n", at)
        if end < 0:
            break
        remarks += text[at] == "#"
        skipped, at = skipped + 1, end + 1
    if remarks:
        said.append(f"{counted(remarks, 'remark')} at the beginning left out")
    body = text[at:]
    first = body[: body.find("\n")] if "\n" in body else body
    delimiter = form.delimiter or _delimiter(first, form.columns)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
    rows, lines = [], []
    try:
        head = [cell.strip() for cell in next(reader, [])]
        where = f"{path}: line {skipped + max(1, reader.line_num)}"
        header = read_header(head, form.columns, where)
        _complete(header, where)
        last = max([*header.places.values(), *header.cell])
        for cells in reader:
            if len(cells) <= last:
                if not any(cell.strip() for cell in cells):
                    continue
                line = skipped + reader.line_num
                raise InputError(f"{path}: line {line} must have at least {last + 1} columns, not {len(cells)}")
            if not any(map(str.strip, cells)):
                continue
            rows.append(cells)
            lines.append(skipped + reader.line_num)
    except csv.Error as e:
        raise InputError(f"{path}: line {skipped + reader.line_num}: must be CSV ({e})") from None
    said.insert(0, f"delimiter {_DELIMITERS.get(delimiter, repr(delimiter))}, {'wide' if header.wide else 'long'}")
    used = {role: header.name(role) for role in header.places}
    renamed = [f"{role} is {name!r}" for role, name in used.items() if name.lower() != role]
    if renamed:
        said.append(", ".join(renamed))
    return _Table(header, rows, lines, str(path))


def _complete(header: Header, where: str) -> None:
    known = listed([name.lower() if name.lower() in header.needed else name for name in header.names])
    for role in header.needed:
        if role not in header.places:
            hint = f"; say `column` {role}=NAME" if header.names and any(map(role_of, header.names)) else ""
            raise InputError(f"{where}: column {role!r} is missing: there are {known}{hint}")


def _delimiter(first: str, columns: Mapping[str, str]) -> str:
    """Return the delimiter whose cells of the header are best understood."""
    wanted = {name.strip().lower() for name in columns.values()}

    def understood(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([first[:_HEADER_MAX]], delimiter=delimiter), [])
        return sum(role_of(cell) is not None or cell.strip().lower() in wanted for cell in cells), len(cells)

    return max(_DELIMITERS, key=understood)


def _devices(table: _Table, said: list[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the number of the device of each row, and the names of the devices."""
    header = table.header
    if header.cell:
        said.append(f"a device is a cell by {' and '.join(header.names[k] for k in header.cell)}")
        names = ["/".join(row[k].strip() for k in header.cell) for row in table.rows]
    else:
        names = [row[header.places["device"]].strip() for row in table.rows]
        if "" in names:
            line = table.lines[names.index("")]
            raise InputError(f"{table.where}: line {line}: device must be a name, not empty")
    numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64), tuple(numbers)


def _states(table: _Table, form: FileFormat, said: list[str]) -> NDArray[np.bool_]:
    """Return which readings are of HRS."""
    if table.header.wide:
        return np.tile([False, True], len(table.rows))
    called = {name: state for state, names in _STATE_NAMES.items() for name in names}
    for state, name in (("LRS", form.lrs), ("HRS", form.hrs)):
        if name is not None:
            called = {word: its for word, its in called.items() if its != state}
            called[name.strip().upper()] = state
    cells = [row[table.header.places["state"]].strip() for row in table.rows]
    words = {cell: called.get(cell.upper()) for cell in dict.fromkeys(cells)}
    if None in words.values():
        line = next(n for n, cell in zip(table.lines, cells, strict=True) if words[cell] is None)
        wrong = cells[table.lines.index(line)]
        hint = "; say `lrs` and `hrs` for other names" if len(words) == 2 and not (form.lrs or form.hrs) else ""
        hint = ", as `lrs` and `hrs` call them" if form.lrs or form.hrs else hint
        names = f"{form.lrs or 'LRS'} or {form.hrs or 'HRS'}"
        raise InputError(f"{table.where}: line {line}: state must be {names}, not {wrong!r:.40}{hint}")
    renamed = [f"{word} is {state}" for word, state in words.items() if word.upper() != state]
    if renamed:
        said.append(", ".join(renamed))
    return np.array([words[cell] == "HRS" for cell in cells], bool)


def _ohm(table: _Table, numbers: Mapping[str, NDArray], form: FileFormat, said: list[str]) -> NDArray[np.float64]:
    """Return the readings in ohm, of wide files both of a line one after the other."""
    columns = []
    for role in table.header.readings:
        written = table.header.units.get(role, "")
        unit = unit_of(form.unit or written or "ohm")
        if unit is None:
            raise InputError(f"{table.where}: column {table.header.name(role)!r}: unit must be one of"
                             f" {', '.join(UNITS)}, not {written!r}: say `unit`")  # fmt: skip
        if not form.unit and not written:
            name = table.header.name(role)
            if name.lower().startswith(("g", "cond")):
                raise InputError(f"{table.where}: column {name!r} is a conductance: say `unit` S, mS, uS or nS")
        said.append(f"{role} in {unit.name}" + ("" if written or form.unit else ", as no unit is given"))
        values = numbers[role] * unit.factor
        with np.errstate(divide="ignore", invalid="ignore"):
            columns.append(np.where(values > 0, 1 / values, np.nan) if unit.conductance else values)
    return np.stack(columns, axis=1).ravel()


def _age(table: _Table, axis: str, values: NDArray[np.float64], said: list[str]) -> NDArray[np.float64]:
    """Return the ages of the rows."""
    unit = table.header.units.get(axis, "")
    factor = seconds_of(unit) if axis == "seconds" else 1.0
    if factor is None:
        name = table.header.name(axis)
        raise InputError(f"{table.where}: column {name!r}: unit must be s, ms, min, h or d, not {unit!r}")
    wrong = np.flatnonzero(~((values >= 0) & (values < math.inf)))
    if wrong.size:
        k = int(wrong[0])
        cell = table.rows[k][table.header.places[axis]].strip()
        where = f"{table.where}: line {table.lines[k]}"
        raise InputError(f"{where}: {axis} must be a number of 0 or more, not {cell!r:.40}")
    if axis == "seconds":
        said.append(f"seconds in {unit or 's'}")
    return values * factor


def _temperature(
    table: _Table, numbers: Mapping[str, NDArray], form: FileFormat, said: list[str]
) -> tuple[NDArray[np.bool_], str]:
    """Return which rows are of the one temperature, and that with its unit."""
    everything = np.ones(len(table.rows), bool)
    if "temperature" not in numbers:
        if form.temperature is not None:
            raise InputError(f"{table.where}: column 'temperature' is missing: say `column` temperature=NAME")
        return everything, ""
    unit = table.header.units.get("temperature", "")
    values = numbers["temperature"]
    there = sorted(set(values[~np.isnan(values)].tolist()))
    if form.temperature is not None:
        chosen = values == form.temperature
        if not chosen.any():
            raise InputError(f"must be one of {_some(there)}, not {form.temperature:g}", parameter="temperature")
        said.append(f"readings at {form.temperature:g} {unit}".strip() + " alone")
        return chosen, f"{form.temperature:g} {unit}".strip()
    if len(there) > 1:
        several = f"{_some(there)} {unit}".strip()
        raise InputError(f"{table.where}: must be of one temperature, not of {several}: say `temperature`")
    return everything, f"{there[0]:g} {unit}".strip() if there else ""


def _some(values: Sequence[float]) -> str:
    texts = [f"{v:g}" for v in values]
    return ", ".join(texts) if len(texts) <= 6 else f"{', '.join(texts[:5])}, ... {texts[-1]}"


def _valid(
    table: _Table, ohm: NDArray[np.float64], texts: Mapping[str, Sequence[str]], form: FileFormat,
    lines: NDArray[np.int64], chosen: NDArray[np.bool_], said: list[str],
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which readings are numbers above 0; refuse the first that is not, or say how many are left out."""
    valid = (ohm > 0) & (ohm < math.inf)
    wrong = np.flatnonzero(~valid & chosen)
    if wrong.size and not form.skip_invalid:
        roles = table.header.readings
        row, k = divmod(int(wrong[0]), len(roles))
        said_unit = "" if table.header.wide else " ohm"
        raise InputError(f"{table.where}: line {table.lines[row]}: {roles[k]} must be a number above 0{said_unit}, not"
                         f" {texts[roles[k]][row].strip()!r:.40}")  # fmt: skip
    if wrong.size:
        some = ", ".join(str(n) for n in dict.fromkeys(lines[wrong[:6]].tolist())) + (" ..." if wrong.size > 6 else "")
        said.append(f"{counted(wrong.size, 'reading')} left out, not above 0 (lines {some})")
    return valid
