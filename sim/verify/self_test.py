"""The self-test of an engine's macros in simulation."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import OLD_FILES
from oxnor.hw.placement.drawn_devices import DeviceDraw, EngineDevices
from oxnor.hw.placement.memory_files import write_images
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.faults.march import SelfTestReport, march
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner import runner

from .engines import emitted, run_directory

#: Cycles that an access of a register takes, and more than an operation on a device takes in any macro.
ACCESS_CYCLES, PULSE_CYCLES = 8, 16


def _with_own_macros(sources: list[Path], path: Path, config: EngineConfig) -> list[Path]:
    """Return the sources with the macros of a file in the place of those of the same name."""
    needed = {y.macro.module for y in config.layers}
    own = needed & set(re.findall(r"^\s*module\s+(\w+)", path.read_text(encoding="utf-8"), re.M))
    if not own:
        raise InputError(f"{path}: must have a module {' or '.join(sorted(needed))}, and has none")
    return [p for p in sources if p.stem not in own] + [path]


def self_test(
    network: Network,
    config: EngineConfig | None = None,
    *,
    macro_file: str | Path | None = None,
    memory: str | Path | None = None,
    device: DeviceDraw | None = None,
    build_dir: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> SelfTestReport:
    """March through all macros of a network's engine in Verilator and return what is broken.

    Parameters
    ----------
    network : Network
        What the macros hold at first.
    config : EngineConfig, optional
        Structure of the engine; its programming controller is generated in any case.
    macro_file : path, optional
        SystemVerilog with a module of macros (``rram_macro``), which takes the place of oxnor's.
    memory : path, optional
        Folder of further files that this macro reads from ``mem/``.
    device : DeviceDraw, optional
        The devices in macros of kind `devices`; all are formed first.
    build_dir : path, optional
        Folder for builds and runs. Default: :func:`oxnor.models.base.files.build_root`.
    progress : callable, optional
        Called with (macros tested, macros).

    Raises
    ------
    InputError
        If a file or a tool is missing.
    oxnor.sim.runner.runner.SimulationError
        If the build fails or a macro does not answer.
    """
    config = replace(config or EngineConfig.for_network(network), programming=True)
    for path in (macro_file, memory):
        if path is not None and not Path(path).exists():
            raise InputError(f"{path}: must be there, and is not")
    root = build_root(build_dir)
    verilog = emitted(config, root, top="testbench", emit=lambda folder: emit_engine(config, folder))
    sources = list(verilog.sources)
    if macro_file is not None:
        sources = _with_own_macros(sources, Path(macro_file), config)
    built = runner.build(sources, verilog.top, defines={"OXNOR_BEHAVIOURAL": 1}, root=root)
    macros = sum(y.macros for y in config.layers)
    cycles = 0
    for y in config.layers:
        words, steps = -(-y.cols // 32), len(list(march(1, 1, y.pair_states)))
        cycles += y.macros * y.rows * steps * (ACCESS_CYCLES * 4 * (words + 20) + 4 * y.cols * PULSE_CYCLES)
    with run_directory(root, f"{network.name}-selftest", keep=False) as directory:
        devices = EngineDevices.draw(network, config, device) if device else None
        write_images(devices.stored() if devices else network, config, directory, devices.texts() if devices else None)
        if memory is not None:
            shutil.copytree(memory, directory / "mem", dirs_exist_ok=True)
            for old, new in OLD_FILES.items():
                if (Path(memory) / old).exists() and not (Path(memory) / new).exists():
                    shutil.copyfile(Path(memory) / old, directory / "mem" / new)
        job = {"config": asdict(config), "cycle_limit": cycles + 10_000, "form": device is not None}
        (directory / "job.json").write_text(json.dumps(job))

        runner.run(
            built,
            "oxnor.sim.benches.engine.tb_self_test",
            directory,
            timeout_s=600 + cycles / 5000,
            poll=runner.progress_file(directory, macros, progress),
        )
        if (stuck := directory / "stuck.txt").is_file():
            raise runner.SimulationError(stuck.read_text())
        if progress:
            progress(macros, macros)
        return SelfTestReport.from_json(json.loads((directory / "report.json").read_text()))
