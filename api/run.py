"""``oxnor run``: every step of a design that is stale, and one page of all figures."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import locked, write_text
from oxnor.models.base.replace import check_place, whole_folder
from oxnor.steps import STEPS, code_version, digest, imported, is_foreign

if TYPE_CHECKING:
    from oxnor.design import Design

RECORD, WORK, PAGE = "record.json", ".work", "index.html"


class Tell(Protocol):
    """Told of (what is done, steps done, steps in all or 0 if not known)."""

    def __call__(self, what: str, done: int, total: int) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Record:
    """What a step gave.

    Parameters
    ----------
    step : str
        Its name.
    key : str
        Hash of its inputs and of the code.
    inputs : dict
        What it depends on.
    figures : dict
        What came out.
    seconds : float
        How long it took.
    """

    step: str
    key: str
    inputs: Mapping[str, Any]
    figures: Mapping[str, Any]
    seconds: float

    @property
    def is_check(self) -> bool:
        """Whether the step can fail."""
        return "ok" in self.figures

    @property
    def ok(self) -> bool:
        """Whether what was asked is true."""
        return bool(self.figures.get("ok", True))

    @classmethod
    def read(cls, folder: Path, key: str) -> Record | None:
        """Return the record in a folder if it is of these inputs."""
        try:
            values = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            return cls(**values) if values["key"] == key else None
        except (OSError, ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Parameters
    ----------
    directory : Path
    records : tuple of Record
        Of every step.
    done : tuple of str
        Steps that were done now; the others were up to date.
    page : Path
    """

    directory: Path
    records: tuple[Record, ...]
    done: tuple[str, ...]
    page: Path

    @property
    def ok(self) -> bool:
        """Whether everything that was asked is true."""
        return all(record.ok for record in self.records)

    def __repr__(self) -> str:
        what = f"did {', '.join(self.done)}" if self.done else "nothing to do"
        return f"{self.directory}: {what}; {len(self.records)} steps are up to date"

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        steps = {r.step: {"key": r.key, "figures": dict(r.figures), "seconds": r.seconds} for r in self.records}
        return {"ok": self.ok, "done": list(self.done), "page": str(self.page), "steps": steps}


def run(design: Design, directory: Path, command: str = "", tell: Tell | None = None) -> RunReport:
    """Do what is stale; see :meth:`oxnor.Design.run`."""
    check_place(directory)
    _check_folder(directory)
    tell = tell or (lambda *_: None)
    records: list[Record] = []
    done: list[str] = []
    with locked(directory / ".lock"):
        for name in chosen(design):
            step = STEPS[name]
            inputs = step.inputs(design) | {"code": code_version()}
            key = digest({"step": name, **inputs})
            record = Record.read(directory / name, key)
            if record is None:
                tell(name, 0, 0)
                record = _do(design, name, key, inputs, directory, tell)
                done.append(name)
            records.append(record)
            if name == "import":
                design = imported(design, directory / name)
        for name in STEPS.keys() - {r.step for r in records}:
            if (directory / name / RECORD).is_file():
                shutil.rmtree(directory / name, ignore_errors=True)
        page = _page(design, directory, tuple(records), command)
    return RunReport(directory, tuple(records), tuple(done), page)


def chosen(design: Design) -> list[str]:
    """Return the steps of a design, in order; one that it asks for must be described in it."""
    described = [name for name, step in STEPS.items() if step.wanted(design)]
    if not design.steps:
        return described
    for name in design.steps:
        if name not in described:
            raise InputError(f"must not have {name!r}: the design describes no {name}", parameter="steps")
    # What is not oxnor's own must be imported before anything else.
    return [n for n in described if n in design.steps or (n == "import" and is_foreign(design))]


def _check_folder(directory: Path) -> None:
    """Refuse a folder of something else: folders of steps in it are replaced."""
    ours = {*STEPS, PAGE}
    others = sorted(p.name for p in directory.iterdir() if p.name not in ours) if directory.is_dir() else []
    if others := [name for name in others if not name.startswith(".")]:
        raise InputError(f"{directory}: must be empty or hold an earlier run, and has {others[0]!r} in it")


def _do(design: Design, name: str, key: str, inputs: Mapping[str, Any], directory: Path, tell: Tell) -> Record:
    """Return what a step gives: its folder is there whole, with its record, or not at all."""
    step = STEPS[name]
    work = directory / WORK / f"{name}-{key[:24]}"
    start = time.perf_counter()
    with whole_folder(directory / name, marker=RECORD) as folder:
        if step.resumes:
            for old in set((directory / WORK).glob(f"{name}-*")) - {work}:
                shutil.rmtree(old, ignore_errors=True)
            work.mkdir(parents=True, exist_ok=True)
            figures = step.make(design, work, tell)
            shutil.copytree(work, folder, dirs_exist_ok=True)
        else:
            figures = step.make(design, folder, tell)
        record = Record(name, key, inputs, figures, round(time.perf_counter() - start, 3))
        (folder / RECORD).write_text(json.dumps(vars(record), indent=2, default=str) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    written = Record.read(directory / name, key)
    assert written is not None
    return written


def _page(design: Design, directory: Path, records: tuple[Record, ...], command: str) -> Path:
    """Return the page, which is written again if it is of other results."""
    from oxnor.page import page_text

    page = directory / PAGE
    mark = f"<!-- {digest([[r.key for r in records], command])} -->"
    if not page.is_file() or mark not in page.read_text(encoding="utf-8"):
        write_text(page, page_text(design, directory, records, command) + mark + "\n")
    return page
