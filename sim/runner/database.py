"""A SQLite file that several processes write to, and that outlives any of them being killed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from oxnor.models.base.errors import InputError

#: Seconds for which a file that another process has locked is tried again.
_PATIENCE = 60
#: What Python raises on a damaged file besides sqlite3's own errors.
_DAMAGED = (sqlite3.Error, ValueError, TypeError, OverflowError, RecursionError, MemoryError)


class Database:
    """An open file of rows, each written in a transaction of its own, with a write-ahead log.

    A process that is killed loses the rows that it was computing, and no other.

    Parameters
    ----------
    path : path
    writes : bool
        Whether rows may be added; the file is made if it is missing. Else it must exist and is only read.

    Raises
    ------
    InputError
        If the file is something else or is damaged.
    """

    #: What the file is, and what it holds, for messages.
    what: ClassVar[str]
    rows: ClassVar[str]

    def __init__(self, path: str | Path, *, writes: bool):
        self.path, self._writes = Path(path), writes
        exists = self.path.is_file() and self.path.stat().st_size > 0
        if self.path.is_dir():
            raise InputError(f"{self.path}: is a folder, not a file")
        if not exists and not writes:
            what = f"is empty: not {self.what}" if self.path.exists() else "no such file"
            raise InputError(f"{self.path}: {what}")
        if exists:
            with open(self.path, "rb") as file:
                if file.read(16) != b"SQLite format 3\0":
                    raise InputError(f"{self.path}: is not {self.what}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Readers write too: a log that a killed process left behind is taken in by whoever opens the file next.
            self._db = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        except (OSError, sqlite3.Error) as e:
            raise InputError(f"{self.path}: cannot be opened ({e})") from None
        try:
            self._open_when_free(exists)
        except InputError:
            self._db.close()
            raise
        except _DAMAGED as e:
            self._db.close()
            raise self._unusable(e) from None
        except BaseException:
            self._db.close()
            raise

    def _begin(self, exists: bool) -> None:
        if self._writes:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
        if exists and (found := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise InputError(f"{self.path}: is damaged ({' '.join(found.split())})")

    def _open(self, exists: bool) -> None:
        """Check what is in the file, or make it."""
        raise NotImplementedError

    def _unusable(self, e: Exception) -> InputError:
        code = getattr(e, "sqlite_errorcode", 0) & 0xFF
        # Where a limit of the process is met, or the disk is full beside the log, SQLite speaks of input and output.
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            why = "the disk is full" if code == sqlite3.SQLITE_FULL else str(e)
            return InputError(f"{self.path}: cannot be written: {why}; the {self.rows} in it are kept")
        return InputError(f"{self.path}: cannot be used as a results file ({' '.join(str(e).split())})")

    def _query(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; what the file's bytes make of it is one sentence."""
        cursor = None
        while True:
            try:
                cursor = cursor or self._db.execute(sql)
                row = cursor.fetchone()
            except _DAMAGED as e:
                raise self._unusable(e) from None
            if row is None:
                return
            yield row

    def _open_when_free(self, exists: bool) -> None:
        # SQLite does not wait where waiting could be for ever: of two that turn on the log at once, one is told "busy".
        give_up = time.monotonic() + _PATIENCE
        while True:
            try:
                self._begin(exists)
                return self._open(exists)
            except sqlite3.OperationalError as e:
                if getattr(e, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
            time.sleep(0.02)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _insert(self, sql: str, row: tuple[Any, ...]) -> None:
        try:
            self._db.execute(sql, row)
        except sqlite3.OperationalError as e:
            raise self._unusable(e) from None
