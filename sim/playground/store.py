"""Modules that are there already: those in the package, and those that were compiled before."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from oxnor.hw.emit.spiking import emit_spiking_engine
from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root, locked
from oxnor.sim.runner import cache
from oxnor.sim.runner.places import make_place
from oxnor.sim.verify.engines import Verilog, emitted

from . import module as compiler
from .module import Module, compile_module

#: Folder of the shipped modules in this package, and the list of them by the structure of their engine.
SHIPPED, INDEX = "modules", "index.json"
#: Synapses of the largest network of a page: its memories are filled from the page itself.
SYNAPSES_MAX = 8_000_000
#: Columns of all popcounts up to which their adder trees are compiled.
TREE_COLUMNS = 2000

Progress = Callable[[str, int, int], None]


def check_size(network: Any) -> None:
    """Raise InputError if a network is too large for a page."""
    synapses = sum(int(y.weights.size) for y in network.layers)
    if synapses > SYNAPSES_MAX:
        raise InputError(
            f"network {network.name!r}: a page holds up to {SYNAPSES_MAX:,} synapses, and it has {synapses:,}:"
            " simulate it (oxnor simulate), or show a smaller one"
        )


def emit(config: Any, root: Path) -> Verilog:
    """Return the Verilog of an engine, from the cache if it is there."""
    write = emit_spiking_engine if isinstance(config, SpikingConfig) else emit_engine
    return emitted(config, root, top="testbench", emit=lambda place: write(config, place))


def has_trees(config: Any) -> bool:
    """Return whether the adder trees of an engine's popcounts are small enough to be compiled."""
    if isinstance(config, SpikingConfig):
        return True
    return sum(y.groups * y.across * min(y.cols, y.n_in) for y in config.layers) <= TREE_COLUMNS


def sources_hash(verilog: Verilog) -> str:
    """Return the hash of everything that decides what a module does: the Verilog and the C++ around it."""
    h = hashlib.sha256()
    for path in verilog.sources:
        h.update(path.name.encode() + path.read_bytes())
    h.update((files(__package__) / compiler.SOURCE).read_bytes() + Path(compiler.__file__).read_bytes())
    return h.hexdigest()


def shipped_index() -> dict[str, Any]:
    """Return what is shipped: modules by structure, and sweeps by network."""
    path = files(__package__) / SHIPPED / INDEX
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"modules": {}, "sweeps": {}}


def is_shipped(config: Any) -> bool:
    """Return whether the module of an engine is in the package."""
    return config.digest in shipped_index()["modules"]


def engine_module(config: Any, build_dir: Path | None = None, progress: Progress | None = None) -> Module:
    """Return the module of an engine: shipped, or from the cache, or compiled now.

    Parameters
    ----------
    config : EngineConfig or SpikingConfig
    build_dir : Path, optional
        Folder for builds.
    progress : callable, optional
        Called with what is done, as the compiler begins.

    Raises
    ------
    InputError
        If a tool is missing.
    oxnor.sim.runner.synthesis.ToolError
        If a tool fails.
    """
    shipped = shipped_index()["modules"].get(config.digest)
    if shipped:
        return Module((files(__package__) / SHIPPED / shipped["file"]).read_bytes(), shipped["description"])
    return _compiled(config, build_root(build_dir), progress)[0]


def _compiled(config: Any, root: Path, progress: Progress | None) -> tuple[Module, str]:
    """Return a module from the cache, compiled if it is not there, and the hash of its sources."""
    tell = progress or (lambda what, done, total: None)
    tell("Verilog of the engine", 0, 0)
    verilog = emit(config, root)
    key = sources_hash(verilog)
    target = root / "page" / key[:24]
    with locked(target.with_name(f"{target.name}.lock")):
        if not cache.is_whole(target):
            tell("Yosys and zig compile the engine", 0, 0)
            with cache.new_entry(target) as work:
                _compile_into(work, verilog, has_trees(config))
        with cache.Lease(target):
            description = json.loads((target / "description.json").read_text())
            return Module((target / "engine.wasm").read_bytes(), description), key


def _compile_into(work: Path, verilog: Verilog, trees: bool) -> None:
    with make_place(work / "build") as place:
        module = compile_module(verilog, place, trees)
    shutil.rmtree(work / "build")
    (work / "engine.wasm").write_bytes(module.wasm)
    (work / "description.json").write_text(json.dumps(module.description))


def ship(config: Any, name: str, folder: Path, build_dir: Path | None = None) -> dict[str, Any]:
    """Write the module of an engine into the folder of those that are shipped; return its entry of the list."""
    module, key = _compiled(config, build_root(build_dir), None)
    (folder / f"{name}.wasm").write_bytes(module.wasm)
    return {"file": f"{name}.wasm", "sources": key, "description": module.description}
