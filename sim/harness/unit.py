"""One unit in its testbench: emit, build, lay out the run directory, run, count the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.emit.verilog import emit_component, hand_written
from oxnor.models.base.bits import hex_lines
from oxnor.sim.runner import runner


@dataclass(frozen=True)
class UnitTestbench:
    """A unit, and what its testbench needs.

    Parameters
    ----------
    module : str
        Module in ``oxnor.sim.benches``, for example "layers.tb_tile".
    tests : int
        How many tests it has.
    unit : Unit or str
        Gateware, or the name of a module in ``hw/rtl``.
    job : mapping
        Becomes ``job.json``.
    arrays : mapping of str to ndarray
        Become ``<name>.npy``.
    memory : mapping of str to ndarray of bool, shape (rows, bits)
        Memory images: become ``mem/<name>.mem``.
    texts : mapping of str to str
        Memory files as they are: become ``mem/<name>``.
    parameters, defines : mapping
        Verilog parameters and defines.
    change : (str, str), optional
        See :meth:`broken`.
    """

    module: str
    tests: int
    unit: Unit | str
    job: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    memory: Mapping[str, NDArray] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    defines: Mapping[str, object] = field(default_factory=dict)
    change: tuple[str, str] | None = None

    def sources(self, directory: Path) -> tuple[list[Path], str]:
        """Write or find the Verilog; return the files and the top module."""
        if isinstance(self.unit, str):
            directory.mkdir(parents=True, exist_ok=True)
            source = directory / f"{self.unit}.sv"
            source.write_text(hand_written(source.name), encoding="utf-8")
            sources, top = [source], self.unit
        else:
            emitted = emit_component(self.unit, directory)
            sources, top = list(emitted.sources), emitted.top
        if self.change:
            old, new = self.change
            (path,) = [p for p in sources if old in p.read_text()]
            path.write_text(path.read_text().replace(old, new, 1))
        return sources, top

    def broken(self, old: str, new: str) -> UnitTestbench:
        """Return the same testbench with a piece of its Verilog, which must be in one file, replaced: it must fail."""
        return replace(self, change=(old, new))

    def run(self, directory: Path, *, simulator: str = "icarus", seed: int = 1, root: Path | None = None) -> runner.Run:
        """Run the testbench with `directory` as its working directory.

        Raises
        ------
        oxnor.sim.runner.runner.SimulationError
            If a test fails or not all of them ran.
        """
        sources, top = self.lay_out(directory)
        build = runner.build(
            sources, top, simulator=simulator, defines=self.defines, parameters=self.parameters, root=root
        )
        return runner.run(build, f"oxnor.sim.benches.{self.module}", directory, runner.Selection(self.tests, seed=seed))

    def lay_out(self, directory: Path) -> tuple[list[Path], str]:
        """Write all that a run needs into its working directory; return the Verilog and the top module."""
        directory.mkdir(parents=True, exist_ok=True)
        sources, top = self.sources(directory / "rtl")
        (directory / "job.json").write_text(json.dumps(dict(self.job)))
        for name, array in self.arrays.items():
            np.save(directory / f"{name}.npy", array)
        texts = {f"{name}.mem": hex_lines(rows) for name, rows in self.memory.items()} | dict(self.texts)
        for name, text in texts.items():
            path = directory / "mem" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return sources, top
