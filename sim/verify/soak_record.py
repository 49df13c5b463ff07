"""The record of soaks: what was tried of each kind, with counts and seeds, in one file that several processes write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import locked
from oxnor.models.base.replace import whole_file

#: What a row of each kind of soak is of.
NAMES = {"soaks": "engine", "files": "format", "kills": "command", "disk": "command"}
#: No soak runs these.
_APART = ("-sim/verify/mutations", "-sim/verify/proofs", "-sim/benches/blocks", "-tests/helpers/covered")
#: Nor does any command that is killed, or whose disk is full: benches of units, where `simulate` runs whole engines.
_OF_UNITS = ("-sim/harness", *(f"-sim/benches/{name}" for name in ("analog", "layers", "learning", "macros", "models")))
#: Folders of the repository whose files decide what comes of each kind, and after a minus those in them that do not.
SOURCES = {
    "soaks": ("models", "hw", "sim/harness", "sim/runner", "sim/verify", *_APART),
    "files": ("models", "hw", "fpga", "sim", "api", "tests/helpers", *_APART, *_OF_UNITS),
    **dict.fromkeys(("kills", "disk"), ("models", "hw", "fpga", "sim", "cli", "tests/helpers", *_APART, *_OF_UNITS)),
}  # fmt: skip


def sources_hash(root: Path, folders: Sequence[str]) -> str:
    """Return the hash of the files in some folders of a checkout, without those in folders after a minus."""
    h = hashlib.sha256()
    apart = {root / folder[1:] for folder in folders if folder.startswith("-")}
    for folder in folders:
        for path in sorted(p for p in (root / folder).rglob("*") if p.is_file()):
            if path.parent.name == "__pycache__" or not apart.isdisjoint(path.parents):
                continue
            h.update(f"{path.relative_to(root).as_posix()} ".encode() + path.read_bytes())
    return h.hexdigest()[:16]


class Record:
    """The rows of a kind of soak, kept in a file if one is given, so that none runs twice.

    Parameters
    ----------
    path : Path, optional
        Read if it is there.
    kind : str
        A key of :data:`NAMES`.
    **run
        What a row must have to be of this run: seed, sources and such.

    Raises
    ------
    InputError
        If the file is not a record of soaks.
    """

    def __init__(self, path: Path | None, kind: str, **run: Any):
        self.path, self.kind, self._run = path, kind, run
        self.rows: list[dict[str, Any]] = self._read().get(kind, [])

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        if not self.path or not self.path.exists():
            return {}
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            good = (
                isinstance(found, dict)
                and set(found) <= set(NAMES)
                and all(
                    isinstance(row[NAMES[kind]], str) and isinstance(row["counts"], dict)
                    for kind, rows in found.items()
                    for row in rows
                )
            )
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            good = False
        if not good:
            raise InputError(f"{self.path} must be a record of soaks: choose another name")
        return dict(found)

    def find(self, name: str, **more: Any) -> dict[str, Any] | None:
        """Return the row of this run that is named, None if there is none, or if it is of something else."""
        wanted = {NAMES[self.kind]: name, **self._run, **more}
        return next((row for row in self.rows if wanted.items() <= row.items()), None)

    def put(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        """Put a row in the place of the last one of this name, write the file, and return the row."""
        key = NAMES[self.kind]
        row = {key: name, **self._run, **row}
        self.rows = [*(r for r in self.rows if r[key] != name), row]
        if self.path:
            with locked(self.path.with_name(f".{self.path.name}.lock")), whole_file(self.path) as temporary:
                kinds = self._read() | {self.kind: self.rows}
                temporary.write_text(json.dumps(kinds, indent=1) + "\n", encoding="utf-8")
        return row
