"""How a network is run through its RTL: one record for every function that simulates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """How to simulate. Nothing in here changes a result of correct RTL.

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
        Draw pauses on all streams of a spiking engine; slower.
    simulator : str
        "verilator" or "icarus".
    build_dir : path, optional
        Folder for builds and runs. Default: :func:`oxnor.models.base.files.build_root`.
    """

    waves: str | None = None
    corrupt_rtl: int = 0
    adder_tree: bool = False
    public: bool = False
    pauses: bool = False
    simulator: str = "verilator"
    build_dir: str | Path | None = None
