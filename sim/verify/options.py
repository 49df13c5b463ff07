"""How a network is run through its RTL: one record for every function that simulates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError


@dataclass(frozen=True)
class RunOptions:
    """How to simulate. Nothing in here but `min_margin` changes a result of correct RTL.

    Parameters
    ----------
    waves : str, optional
        "vcd" or "fst": record waves of the first images.
    corrupt_rtl : int
        Weights (cells, in a spiking network) of the output layer to invert in the RTL alone, which must end in
        mismatches.
    adder_tree : bool
        Simulate the popcounts that synthesis gets, not ``$countones``; about 100 times slower.
    public : bool
        Leave every signal visible to the testbench; several times slower.
    pauses : bool
        Draw pauses on all streams, with the seed of the errors; the cycles of such a run have no prediction.
    simulator : str
        "verilator" or "icarus".
    build_dir : path, optional
        Folder for builds and runs. Default: :func:`oxnor.models.base.files.build_root`.
    jobs : int, optional
        Simulators among which the images are shared out, in [1, 4096]. Default: as many as there are cores, fewer for
        a short run.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers build and simulate instead.
    min_margin : int, optional
        Give the engine margins, and call results unsure whose margin is less than this. Range [0, 2**32).
    """

    waves: str | None = None
    corrupt_rtl: int = 0
    adder_tree: bool = False
    public: bool = False
    pauses: bool = False
    simulator: str = "verilator"
    build_dir: str | Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    min_margin: int | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and not 1 <= self.jobs <= 4096:
            raise InputError(f"must be in [1, 4096], not {self.jobs}", parameter="jobs")
        if self.min_margin is not None and not 0 <= self.min_margin < 1 << 32:
            raise InputError(f"must be in [0, {(1 << 32) - 1}], not {self.min_margin}", parameter="min_margin")
