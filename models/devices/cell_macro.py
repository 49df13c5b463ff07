"""Golden model of the macro of single cells: the same integers as ``hw/rtl/rram_cells.sv``, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

FORM, SET, RESET = range(3)
#: Probabilities are so many parts.
PARTS = 1 << 16
#: Characters of the name of a macro's image that its seed is mixed with: the last ones.
NAME_CHARS = 64
_MASK = (1 << 32) - 1


@dataclass(frozen=True)
class CellSettings:
    """What the memory file ``cells_settings.mem`` says to every macro.

    Parameters
    ----------
    wait_max : int
        Most cycles that an access takes beyond its time, drawn evenly, in [0, 32767].
    form_yield, set_yield, reset_yield : float
        Probability that an operation on a cell does what it should; if not, the cell stays as it is.
    read_ber : float
        Probability that a read of a cell is wrong.
    is_formed : bool
        Whether all cells are formed, and hold the image.
    seed : int
        Of all draws, in [0, 2**32).
    """

    wait_max: int = 0
    form_yield: float = 1.0
    set_yield: float = 1.0
    reset_yield: float = 1.0
    read_ber: float = 0.0
    is_formed: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.wait_max < 1 << 15:
            raise InputError(f"must be in [0, 32767], not {self.wait_max}", parameter="wait_max")
        if not 0 <= self.seed <= _MASK:
            raise InputError(f"must be in [0, 2**32), not {self.seed}", parameter="seed")
        for name in ("form_yield", "set_yield", "reset_yield", "read_ber"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"must be in [0, 1], not {getattr(self, name)}", parameter=name)

    def words(self) -> list[int]:
        """Return the words of the memory file."""
        fails = [1 - self.form_yield, 1 - self.set_yield, 1 - self.reset_yield, self.read_ber]
        return [self.wait_max, *(round(PARTS * p) for p in fails), int(not self.is_formed), self.seed]

    def text(self) -> str:
        """Return the memory file."""
        return "".join(f"{word:08x}\n" for word in self.words())


#: Yields of the operations on the open sky130 ReRAM, published with its process design kit: [17] of docs/references.md.
PUBLISHED_YIELDS = replace(CellSettings(), form_yield=0.9273, reset_yield=0.9083, set_yield=0.9745)


def step(s: int) -> int:
    """Return the next state of the xorshift generator."""
    s ^= s << 13 & _MASK
    s ^= s >> 17
    return s ^ (s << 5 & _MASK)


class CellMacro:
    """One macro, access by access.

    Parameters
    ----------
    stored : ndarray of bool, shape (rows, cols)
        The pairs of its image.
    settings : CellSettings
    name : str
        Of its image, as the Verilog parameter has it.

    Attributes
    ----------
    on, formed : ndarray of bool, shape (rows, 2 * cols)
        Which cells are in LRS, and which are formed.
    waited : int
        Cycles that all accesses so far have taken beyond their time.
    """

    def __init__(self, stored: NDArray[np.bool_], settings: CellSettings, name: str):
        pairs = np.stack([stored, ~stored], axis=-1).reshape(len(stored), -1)
        self.formed = np.full(pairs.shape, settings.is_formed)
        self.on = pairs & self.formed
        self.waited = 0
        self._settings = settings.words()
        self._state = 0x811C9DC5 ^ settings.seed
        for char in name.encode()[-NAME_CHARS:]:
            self._state = (self._state ^ char) * 0x01000193 & _MASK
        self._state = self._state or 1

    def _drawn(self) -> int:
        """Return the number that says whether an access fails; let it wait."""
        self._state = step(self._state)
        self.waited += (self._state & 0xFFFF) * (self._settings[0] + 1) >> 16
        return self._state >> 16

    def read(self, row: int, column: int) -> bool:
        """Return what a read of a cell gives."""
        return bool(self.on[row, column]) ^ (self._drawn() < self._settings[4])

    def operate(self, op: int, row: int, column: int) -> int:
        """FORM, SET or RESET a cell; return the cycles that this takes beyond its time."""
        before = self.waited
        number = self._drawn()
        if number >= self._settings[1 + op] and (op == FORM or self.formed[row, column]):
            self.on[row, column] = op != RESET
            self.formed[row, column] = True
        return self.waited - before

    def read_row(self, row: int) -> NDArray[np.bool_]:
        """Return the pairs of a row as the adapter reads them, shape (cols,): cells that are alike give 0."""
        cells = np.array([self.read(row, column) for column in range(self.on.shape[1])])
        return cells[::2] & ~cells[1::2]
