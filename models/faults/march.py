"""March test of macros: its patterns, and the diagnosis from the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A word line counts as dead if this part of its pairs fails, those under dead columns and amplifiers left out.
DEAD_ROW_SHARE = 0.9
#: Fewer pairs or rows than these say nothing about their line.
ROW_PAIRS_MIN, COLUMN_ROWS_MIN = 4, 3


@dataclass(frozen=True)
class Step:
    """One element of the march: on each row in turn, read what the last element wrote, then write.

    Parameters
    ----------
    upwards : bool
        From row 0 to the last, or back.
    expected : ndarray of bool, shape (rows, cols), or None
        The expected answer of a read.
    written : ndarray of bool, shape (rows, cols), or None
        What is written after it.
    """

    upwards: bool
    expected: NDArray[np.bool_] | None
    written: NDArray[np.bool_] | None


def march(rows: int, cols: int, states: int = 2) -> Iterator[Step]:
    """Yield the march: all 0, all 1 upwards, all 0 downwards, and both checkerboards, each read before the next write.

    Reading a row just before it is written again, in both directions, also finds a row whose writing disturbs another.
    Pairs of three states have two bits each, and in place of checkerboards patterns of all three states, three times.
    """
    place = np.add.outer(np.arange(rows), np.arange(cols))
    zeros = np.zeros((rows, cols), int)
    levels = [zeros, zeros + states - 1, zeros, *((place + k) % states for k in range(states))]
    patterns = [(x[..., None] > np.arange(states - 1)).reshape(rows, -1) for x in levels]
    for k in range(len(patterns) + 1):
        yield Step(k != 2, patterns[k - 1] if k else None, patterns[k] if k < len(patterns) else None)


def as_states(bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the bits of pairs of three states, two each in the last axis, with both devices in HRS where they differ.

    That is the state of the value 0, which two synapses have in two ways.
    """
    pairs = bits.reshape(*bits.shape[:-1], -1, 2)
    return np.stack([pairs.any(axis=-1), pairs.all(axis=-1)], axis=-1).reshape(bits.shape)


#: What pairs of two and of three states may hold, from the lowest on.
STATES = {2: ("0", "1"), 3: ("-1", "0", "+1")}


@dataclass(frozen=True)
class PairFault:
    """One pair that does not hold all that it should.

    Parameters
    ----------
    row, column : int
    holds : str
        "0 only", "1 only" or "neither"; of three states also "0 and +1" and so on, and "none".
    """

    row: int
    column: int
    holds: str


@dataclass(frozen=True)
class MacroFaults:
    """What is broken in one macro; nothing is named twice.

    Parameters
    ----------
    layer, v, h : int
        Which macro.
    rows : tuple of int
        Dead word lines.
    columns : tuple of int
        Dead columns: they read one bit in all rows, whatever is written.
    amplifiers : tuple of int
        Dead sense amplifiers: their answer is the same whatever is stored and whatever the input is.
    pairs : tuple of PairFault
        Single pairs elsewhere.
    """

    layer: int
    v: int
    h: int
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    amplifiers: tuple[int, ...] = ()
    pairs: tuple[PairFault, ...] = ()

    @property
    def count(self) -> int:
        """Number of findings."""
        return len(self.rows) + len(self.columns) + len(self.amplifiers) + len(self.pairs)


def classify(
    layer: int, v: int, h: int, expected: NDArray[np.bool_], plain: NDArray[np.bool_], inverted: NDArray[np.bool_],
    states: int = 2,
) -> MacroFaults:  # fmt: skip
    """Return what is broken in a macro.

    Parameters
    ----------
    layer, v, h : int
        Which macro.
    expected : ndarray of bool, shape (patterns, rows, bits)
        What was written, a bit a pair, or two. Each pair must have held all states.
    plain, inverted : ndarray of bool, shape (patterns, rows, bits)
        What was answered with all inputs 1 (the bit) and with all inputs 0 (its inverse).
    states : int
        Of a pair, 2 or 3.
    """
    # (patterns, rows, cols, bits of a pair)
    expected, plain, inverted = (a.reshape(*a.shape[:2], -1, states - 1) for a in (expected, plain, inverted))
    wrong = ((plain != expected) | (inverted == expected)).any(axis=-1)
    fails = wrong.any(axis=0)  # (rows, cols)
    dead = fails.any(axis=0) & (fails.shape[0] >= COLUMN_ROWS_MIN)

    def constant(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return (values == values[0, 0]).all(axis=(0, 1, 3))

    steady = dead & constant(plain) & constant(inverted)
    amplifiers = steady & (plain[0, 0] == inverted[0, 0]).all(axis=-1)
    columns = steady & ~amplifiers
    others = ~(amplifiers | columns)
    rows = np.zeros(len(fails), bool)
    if others.sum() >= ROW_PAIRS_MIN:
        rows = fails[:, others].mean(axis=1) >= DEAD_ROW_SHARE
    pairs = []
    for row, column in np.argwhere(fails & others & ~rows[:, None]).tolist():
        bad = set(expected[wrong[:, row, column], row, column].sum(axis=-1).tolist())
        pairs.append(PairFault(row, column, _holds([s for k, s in enumerate(STATES[states]) if k not in bad], states)))

    def numbers(which: NDArray[np.bool_]) -> tuple[int, ...]:
        return tuple(np.flatnonzero(which).tolist())

    return MacroFaults(layer, v, h, numbers(rows), numbers(columns), numbers(amplifiers), tuple(pairs))


def _holds(held: list[str], states: int) -> str:
    """Return what a pair still holds, in words."""
    if not held:
        return "neither" if states == 2 else "none"
    return f"{held[0]} only" if len(held) == 1 else " and ".join(held)


@dataclass(frozen=True)
class SelfTestReport:
    """The result of a self-test.

    Parameters
    ----------
    macros : int
        Macros that were tested.
    pairs : int
        Pairs that were tested.
    faulty : tuple of MacroFaults
        Macros with faults.
    """

    macros: int
    pairs: int
    faulty: tuple[MacroFaults, ...]

    def __repr__(self) -> str:
        counts = ", ".join(f"{what} {n}" for what, n in self.counts().items() if n)
        return f"SelfTestReport({self.macros} macros, {self.pairs:,} pairs: {counts or 'no fault'})"

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not self.faulty

    def counts(self) -> dict[str, int]:
        """Return the numbers of findings by kind."""
        kinds = ("rows", "columns", "amplifiers", "pairs")
        return {kind: sum(len(getattr(f, kind)) for f in self.faulty) for kind in kinds}

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Return rows (layer, v, h, kind of fault, places) to print."""
        rows = []
        for f in self.faulty:
            kinds = dict.fromkeys(("0 only", "1 only", "neither", *sorted(p.holds for p in f.pairs)))
            pairs = {holds: [p for p in f.pairs if p.holds == holds] for holds in kinds}
            listed = {
                "dead word lines": f.rows,
                "dead columns": f.columns,
                "dead sense amplifiers": f.amplifiers,
                **{f"pairs that hold {k}": [f"{p.row}:{p.column}" for p in held] for k, held in pairs.items()},
            }
            for what, places in listed.items():
                if places:
                    rows.append((str(f.layer), str(f.v), str(f.h), what, " ".join(map(str, places))))
        return rows

    @classmethod
    def from_json(cls, report: dict[str, Any]) -> SelfTestReport:
        """Undo :meth:`to_json`."""
        lines = ("rows", "columns", "amplifiers")
        macros = [
            MacroFaults(**f | {k: tuple(f[k]) for k in lines} | {"pairs": tuple(PairFault(**p) for p in f["pairs"])})
            for f in report["found"]
        ]
        return cls(report["macros"], report["pairs"], tuple(macros))

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "macros": self.macros,
            "pairs": self.pairs,
            "counts": self.counts(),
            "found": [asdict(f) for f in self.faulty],
            "ok": self.ok,
        }
