"""The file of a sweep: every trial in SQLite, written one by one, never lost and never computed twice."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.words import counted
from oxnor.models.trials.axes import AXES, Axis
from oxnor.models.trials.curves import Curve
from oxnor.sim.runner.database import Database

from .trial import ALL_LAYERS, Key, Trial

FORMAT = "oxnor-sweep"
FORMAT_VERSION = 1
#: What must be the same for trials to stand in one file, with the name that a user knows it by.
IDENTITY = ("network", "network_digest", "images", "images_digest", "seed", "kind", "options")
_CLASSES_MAX, _IMAGES_MAX = 1 << 16, 1 << 31
#: Types of the fields of a header; those of the second row may be missing.
_FIELDS = {"network": str, "network_digest": str, "images_digest": str, "kind": str, "options": dict, "seed": int,
           "images": int, "classes": int,
           "inputs": str, "labels": str, "command": str, "shape": list, "made": dict,
           "class_names": list, "example": dict, "raster": dict, "weights": int, "supply": dict}  # fmt: skip
#: Value of header.labels where the trials count images that are right, not those that stay as they were.
LABELLED = "labels"

_SCHEMA = """
CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (
    layer INTEGER NOT NULL, rate REAL NOT NULL, trial INTEGER NOT NULL,
    errors INTEGER NOT NULL, correct INTEGER NOT NULL, confusion BLOB NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (layer, rate, trial)
) WITHOUT ROWID;
CREATE TABLE checks (
    layer INTEGER NOT NULL, rate REAL NOT NULL, trial INTEGER NOT NULL,
    mismatches INTEGER NOT NULL, simulator TEXT NOT NULL,
    PRIMARY KEY (layer, rate, trial)
) WITHOUT ROWID;
"""
#: Files of earlier releases have no such table; they get one when trials are added.
_CHANGES = """
CREATE TABLE IF NOT EXISTS changes (
    layer INTEGER NOT NULL, rate REAL NOT NULL, trial INTEGER NOT NULL,
    broken INTEGER NOT NULL, corrected INTEGER NOT NULL,
    PRIMARY KEY (layer, rate, trial)
) WITHOUT ROWID
"""


class Results(Database):
    """An open results file.

    Trials are written in one transaction each, with a write-ahead log: a process that is killed loses those it was
    computing, and no other.

    Parameters
    ----------
    path : path
    header : mapping, optional
        What the trials are of: :data:`IDENTITY` and anything else. A new file is made with it; one that exists must
        have the same identity. Without it, the file must exist and is only read.

    Raises
    ------
    InputError
        If the file is something else, is damaged, or holds trials of something else: by the name of the first
        difference.
    """

    what = "a results file of oxnor sweep"
    rows = "trials"

    def __init__(self, path: str | Path, header: Mapping[str, Any] | None = None):
        self._wanted = header
        super().__init__(path, writes=header is not None)

    def _open(self, exists: bool) -> None:
        header = self._wanted
        if not exists or not self._tables():
            if header is None:
                raise InputError(f"{self.path}: is not a results file of oxnor sweep")
            self._create(header)
        self.header = self._read_header()
        if header is not None:
            self._db.execute(_CHANGES)
        for key in IDENTITY if header is not None else ():
            assert header is not None
            mine, its = json.loads(json.dumps(header[key])), self.header.get(key)
            if mine != its:
                raise InputError(
                    f"{self.path}: {key.replace('_', ' ')} must be {_short(its)} as in the file, not {_short(mine)}:"
                    " give another file for other trials"
                )

    def _create(self, header: Mapping[str, Any]) -> None:
        with self._transaction():
            if self._tables():  # another process was faster
                return
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            full = {"format": FORMAT, "version": FORMAT_VERSION, **header}
            rows = [(key, json.dumps(value, sort_keys=True)) for key, value in full.items()]
            self._db.executemany("INSERT INTO header VALUES (?, ?)", rows)

    def _tables(self) -> bool:
        names = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if names and not {"header", "trials", "checks"} <= names:
            raise InputError(f"{self.path}: is not a results file of oxnor sweep")
        return bool(names)

    def _read_header(self) -> dict[str, Any]:
        try:
            header = {key: json.loads(value) for key, value in self._db.execute("SELECT key, value FROM header")}
        except (ValueError, TypeError, RecursionError):
            raise InputError(f"{self.path}: header must be JSON texts") from None
        if header.get("format") != FORMAT:
            raise InputError(f"{self.path}: header.format must be {FORMAT!r}: this is some other file")
        if header.get("version") != FORMAT_VERSION:
            raise InputError(
                f"{self.path}: header.version must be {FORMAT_VERSION}, not {header.get('version')!r}:"
                " the file is from another release"
            )
        missing = [key for key in (*IDENTITY, "classes") if key not in header]
        if missing:
            raise InputError(f"{self.path}: header.{missing[0]} is missing")
        for key, kind in _FIELDS.items():
            if key in header and type(header[key]) is not kind:
                value = _short(header[key])
                raise InputError(f"{self.path}: header.{key} must be of type {kind.__name__}, not {value}")
        for key, high in {"images": _IMAGES_MAX, "classes": _CLASSES_MAX}.items():
            if not 1 <= header[key] <= high:
                raise InputError(f"{self.path}: header.{key} must be in [1, {high}], not {_short(header[key])}")
        names = header.get("class_names", [])
        if names and (len(names) != header["classes"] or not all(isinstance(name, str) for name in names)):
            raise InputError(f"{self.path}: header.class_names must be {header['classes']} texts, one a class")
        return header

    @property
    def measure(self) -> str:
        """What the trials count: "accuracy", or "agreement" with the network without errors if there were no labels."""
        return "accuracy" if self.header.get("labels", LABELLED) == LABELLED else "agreement"

    @property
    def axis(self) -> Axis:
        """What the rates of the keys are."""
        against = self.header["options"].get("against", "ber")
        if not isinstance(against, str) or against not in AXES:
            known = ", ".join(AXES)
            raise InputError(f"{self.path}: header.options.against must be one of {known}, not {_short(against)}")
        return AXES[against]

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r}: {self.header['network']}, {counted(len(self.done()), 'trial')})"

    def add(self, trial: Trial) -> None:
        """Write one trial; one that is there already stays as it is."""
        key = trial.key
        blob = np.ascontiguousarray(trial.confusion, "<i4").tobytes()
        row = (key.layer, key.rate, key.trial, trial.errors, trial.correct, blob, trial.seconds)
        if trial.changes is not None:  # before the trial: what has the trial has its changes
            place = (key.layer, key.rate, key.trial)
            self._insert("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?)", (*place, *trial.changes))
        self._insert("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def add_check(self, key: Key, mismatches: int, simulator: str) -> None:
        """Write what the RTL said of one trial."""
        row = (key.layer, key.rate, key.trial, mismatches, simulator)
        self._insert("INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?)", row)

    def checks(self) -> dict[Key, int]:
        """Return the results that differed in the RTL, by trial that was checked."""
        rows = self._query("SELECT layer, rate, trial, mismatches FROM checks ORDER BY layer, rate, trial")
        return {self._key(*row[:3]): self._whole("mismatches", row[3], 0, self.header["images"]) for row in rows}

    def done(self) -> set[Key]:
        """Return which trials are there."""
        return {self._key(*row) for row in self._query("SELECT layer, rate, trial FROM trials")}

    def _whole(self, name: str, value: Any, low: int, high: int) -> int:
        if type(value) is not int or not low <= value <= high:
            raise InputError(f"{self.path}: {name} must be in [{low}, {high}], not {_short(value)}")
        return value

    def _key(self, layer: Any, rate: Any, trial: Any) -> Key:
        layers = len(self.header.get("shape", range(_CLASSES_MAX))) - 1
        high = self.axis.high
        if not isinstance(rate, float) or not 0 <= rate <= high or rate == math.inf:
            raise InputError(f"{self.path}: rate must be in [0, {high:g}], not {_short(rate)}")
        return Key(
            self._whole("layer", layer, ALL_LAYERS, layers - 1), rate, self._whole("trial", trial, 0, (1 << 63) - 1)
        )

    def trials(self) -> Iterator[Trial]:
        """Yield the trials, by layer, rate and number.

        Raises
        ------
        InputError
            If a row cannot be right.
        """
        n, images = self.header["classes"], self.header["images"]
        changes = self._changes()
        query = "SELECT layer, rate, trial, errors, confusion, seconds FROM trials ORDER BY layer, rate, trial"
        for layer, rate, trial, errors, blob, seconds in self._query(query):
            key = self._key(layer, rate, trial)
            name = f"{self.path}: trial {trial} of layer {layer} at rate {rate}"
            if not isinstance(blob, bytes) or len(blob) != 4 * n * n:
                raise InputError(f"{name}: confusion must have {4 * n * n} bytes")
            confusion = np.frombuffer(blob, "<i4").reshape(n, n).astype(np.int64)
            if confusion.min() < 0 or confusion.sum() != images:
                raise InputError(f"{name}: confusion must add up to the {images} images, not {confusion.sum()}")
            self._whole(f"errors of trial {trial} of layer {layer} at rate {rate}", errors, 0, (1 << 63) - 1)
            if not isinstance(seconds, float) or not 0 <= seconds < math.inf:
                raise InputError(f"{name}: seconds must be 0 or more, not {_short(seconds)}")
            yield Trial(key, errors, confusion, seconds, changes.get(key))

    def _changes(self) -> dict[Key, tuple[int, int]]:
        """Return the images that each trial broke and corrected, where the file has that."""
        tables = {row[0] for row in self._query("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "changes" not in tables:
            return {}
        images = self.header["images"]
        rows = self._query("SELECT layer, rate, trial, broken, corrected FROM changes")
        return {
            self._key(*row[:3]): (
                self._whole("broken", row[3], 0, images), self._whole("corrected", row[4], 0, images)
            )
            for row in rows
        }  # fmt: skip

    def curves(self) -> dict[int, Curve]:
        """Return accuracy against error rate by layer (:data:`ALL_LAYERS`: errors in all of them).

        Raises
        ------
        InputError
            If the trial without errors is missing.
        """
        by_layer: dict[int, dict[float, list[Trial]]] = {}
        clean = None
        for trial in self.trials():
            if trial.key.rate == 0:
                clean = trial.accuracy
            else:
                by_layer.setdefault(trial.key.layer, {}).setdefault(trial.key.rate, []).append(trial)
        if clean is None:
            raise InputError(f"{self.path}: holds no trial without errors yet: run the sweep again, it goes on")
        images, name = self.header["images"], str(self.header["network"])
        return {
            layer: Curve(
                name if layer == ALL_LAYERS else f"{name}, layer {layer}",
                {rate: np.array([t.accuracy for t in trials]) for rate, trials in rates.items()},
                clean,
                images,
                self.measure,
                self.axis,
                {rate: self._more(trials) for rate, trials in rates.items()},
            )
            for layer, rates in sorted(by_layer.items())
        }

    def _more(self, trials: Sequence[Trial]) -> dict[str, float | None]:
        """Return means that the accuracies do not say: shares of wrong weights, and of images broken and corrected."""
        weights, images = self.header.get("weights"), self.header["images"]
        changes = [t.changes for t in trials if t.changes is not None]
        found: dict[str, float | None] = {"wrong": None, "broken": None, "corrected": None}
        if weights and self.header["kind"] != "read":
            found["wrong"] = float(np.mean([t.errors for t in trials])) / weights
        if changes:
            found["broken"], found["corrected"] = (np.mean(changes, axis=0) / images).tolist()
        return found

    def confusions(self, layer: int = ALL_LAYERS) -> dict[float, NDArray[np.int64]]:
        """Return the confusion matrices summed over the trials of each rate."""
        by_rate: dict[float, NDArray[np.int64]] = {}
        for trial in self.trials():
            if trial.key.layer == layer or trial.key.rate == 0:
                by_rate[trial.key.rate] = by_rate.get(trial.key.rate, 0) + trial.confusion
        return dict(sorted(by_rate.items()))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=repr)
    if len(text) == 64 and " " not in text:
        return f"{text[:16]}…"
    return text if len(text) <= 200 else f"{text[:200]}…"
