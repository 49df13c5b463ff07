"""The macro made of devices in its bench: a twin's state becomes memory images, arrays and a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.hw.images import word_bits
from oxnor.hw.macros import TWIN_FILES
from oxnor.models.twin import Twin, TwinTables, normal_table

from .unit_bench import UnitBench

_STATE = ("pairs", "offsets", "flags", "noise")
_TABLES = ("noise_sigma", "offset_sigma", "form_fails", "age")


def twin_bench(bench: str, tests: int, twin: Twin, **job: Any) -> UnitBench:
    """Return a bench of ``rram_macro_twin`` that starts in the state of `twin`.

    Parameters
    ----------
    bench, tests
        As for :class:`UnitBench`.
    twin : Twin
        Operations that its devices have had must be 0: the macro counts those since it was loaded.
    job
        What the bench reads from ``job.json``.
    """
    rows, cols = twin.pairs.shape[1:]
    tables = twin.tables
    told = {name: getattr(tables, name) for name in _TABLES}
    return UnitBench(
        bench,
        tests,
        "rram_macro_twin",
        job={**job, "tables": told, "generator": twin.generator, "count_bits": twin.count_bits},
        arrays={name: getattr(twin, name) for name in _STATE} | {"means": tables.means, "sigmas": tables.sigmas},
        memory={
            "macro": word_bits(twin.words(), 32),
            "twin_normal": word_bits(normal_table()[:, None], 16),
            "twin_device": word_bits(tables.words()[:, None], 32),
        },
        parameters={
            "ROWS": rows,
            "COLS": cols,
            "INIT_FILE": '"mem/macro.mem"',
            "COUNT_BITS": twin.count_bits,
            **{name: f'"{path}"' for name, path in TWIN_FILES.items()},
        },
    )


def load_twin() -> tuple[Twin, dict[str, Any]]:
    """Return the twin and the job of the run directory that this process is in."""
    job = json.loads(Path("job.json").read_text())
    tables = TwinTables(np.load("means.npy"), np.load("sigmas.npy"), **job["tables"])
    state = {name: np.load(f"{name}.npy") for name in _STATE}
    return Twin(tables, **state, generator=job["generator"], count_bits=job["count_bits"]), job
