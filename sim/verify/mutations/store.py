"""The file of mutation testing: what came of every mutant, written one by one, never lost and never computed twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError
from oxnor.sim.runner.database import Database

FORMAT = "oxnor-mutations"
FORMAT_VERSION = 1

_SCHEMA = """
CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE units (
    unit TEXT PRIMARY KEY, digest TEXT NOT NULL, total INTEGER NOT NULL, seed INTEGER NOT NULL, tool TEXT NOT NULL,
    made TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE mutants (
    unit TEXT NOT NULL, number INTEGER NOT NULL, mutant TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT '', test TEXT NOT NULL DEFAULT '', seconds REAL NOT NULL DEFAULT 0,
    verdict TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (unit, number)
) WITHOUT ROWID;
"""

#: What a mutant's tests did: found it, ended it for lack of time, died of it, or passed.
UNFINISHED = ("hung", "died")
KILLED, SURVIVED = ("failed", *UNFINISHED), "survived"
EQUIVALENT = "equivalent"


@dataclass(frozen=True)
class UnitRow:
    """A unit whose mutants are in the file.

    Parameters
    ----------
    unit, digest : str
        Name, and digest of all that decides what comes of its mutants.
    total : int
        Mutants that it has; those in the file may be a sample.
    seed : int
        Of the sample.
    tool, made : str
        What made them, and the day.
    """

    unit: str
    digest: str
    total: int
    seed: int
    tool: str
    made: str


@dataclass(frozen=True)
class MutantRow:
    """A mutant, and what came of it.

    Parameters
    ----------
    unit : str
    number : int
    mutant : str
        What is changed.
    outcome : str
        One of :data:`KILLED`, :data:`SURVIVED`, or "" if it has not run.
    test : str
        The test that failed.
    seconds : float
    verdict : str
        Of the proof, for a survivor: :data:`EQUIVALENT`, "different in cycle N", or "unknown".
    """

    unit: str
    number: int
    mutant: str
    outcome: str
    test: str
    seconds: float
    verdict: str

    @property
    def killed(self) -> bool:
        """Whether a test has found it."""
        return self.outcome in KILLED


class Mutations(Database):
    """An open file of mutation testing.

    Parameters
    ----------
    path : path
    writes : bool
        Whether mutants may be added; the file is made if it is missing.

    Raises
    ------
    InputError
        If the file is something else, is damaged, or is missing and only read.
    """

    what = "a file of oxnor tools mutate"
    rows = "mutants"

    def __init__(self, path: str | Path, *, writes: bool = True):
        super().__init__(path, writes=writes)

    def _open(self, exists: bool) -> None:
        names = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not names and self._writes:
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                rows = [("format", FORMAT), ("version", str(FORMAT_VERSION))]
                self._db.executemany("INSERT INTO header VALUES (?, ?)", rows)
            return
        if not {"header", "units", "mutants"} <= names:
            raise InputError(f"{self.path}: is not {self.what}")
        header = dict(self._db.execute("SELECT key, value FROM header"))
        if header.get("format") != FORMAT:
            raise InputError(f"{self.path}: is not {self.what}")
        if header.get("version") != str(FORMAT_VERSION):
            raise InputError(
                f"{self.path}: header.version must be {FORMAT_VERSION}, not {header.get('version')!r}:"
                " the file is from another release"
            )

    def begin(self, row: UnitRow, mutants: Sequence[str]) -> None:
        """Put the mutants of a unit in the file, unless they are there: those of what it was before go.

        Raises
        ------
        InputError
            If those of another draw are there.
        """
        with self._transaction():
            found = self._db.execute("SELECT digest, seed, total FROM units WHERE unit = ?", (row.unit,)).fetchone()
            if found and found[0] == row.digest:
                return
            there = sum(1 for _ in self.mutants(row.unit))
            if found and (found[1] != row.seed or (found[2] == row.total and there != len(mutants))):
                mine = f"{there} mutants of {row.unit} by seed {found[1]}"
                raise InputError(f"{self.path} has {mine}: choose another file")
            self._db.execute("DELETE FROM mutants WHERE unit = ?", (row.unit,))
            values = (row.unit, row.digest, row.total, row.seed, row.tool, row.made)
            self._db.execute("INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?)", values)
            self._db.executemany(
                "INSERT INTO mutants (unit, number, mutant) VALUES (?, ?, ?)",
                [(row.unit, k, text) for k, text in enumerate(mutants, 1)],
            )

    def add(self, unit: str, number: int, outcome: str, test: str, seconds: float) -> None:
        """Write what the tests said of a mutant."""
        self._insert(
            "UPDATE mutants SET outcome = ?, test = ?, seconds = ? WHERE unit = ? AND number = ?",
            (outcome, test, seconds, unit, number),
        )

    def add_verdict(self, unit: str, number: int, verdict: str) -> None:
        """Write what the proof said of a survivor."""
        self._insert("UPDATE mutants SET verdict = ? WHERE unit = ? AND number = ?", (verdict, unit, number))

    def units(self) -> dict[str, UnitRow]:
        """Return the units in the file by name."""
        rows = self._query("SELECT unit, digest, total, seed, tool, made FROM units ORDER BY unit")
        return {row[0]: UnitRow(*row) for row in rows}

    def mutants(self, unit: str) -> Iterator[MutantRow]:
        """Yield the mutants of a unit."""
        columns = "unit, number, mutant, outcome, test, seconds, verdict"
        for row in self._query(f"SELECT {columns} FROM mutants ORDER BY unit, number"):
            if row[0] == unit:
                yield MutantRow(*row)
