"""Emitted engines: written once for each structure, built once for each way to simulate them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from oxnor.hw.emit.verilog import Emitted
from oxnor.models.base.files import locked
from oxnor.sim.runner import cache, runner, tops

from .case import Case, EngineBuild
from .options import RunOptions


def generator_hash(package: Path | None = None) -> str:
    """Return the hash of everything that decides what Verilog a structure becomes.

    Parameters
    ----------
    package : Path, optional
        Folder of the gateware. Default: that of ``oxnor.hw``.
    """
    h = hashlib.sha256(f"{version('amaranth')} {version('oxnor')}".encode())
    package = package or Path(str(files("oxnor.hw")))
    for path in sorted([*package.rglob("*.py"), *package.glob("rtl/*.sv*")]):
        h.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return h.hexdigest()


@dataclass(frozen=True)
class Verilog:
    """The Verilog of an engine in the cache.

    Parameters
    ----------
    sources : tuple of Path
    top : str
        Top module.
    sidecar : dict
        The description of the engine.
    lease : cache.Lease
        Keeps the sources in the cache as long as this object lives.
    """

    sources: tuple[Path, ...]
    top: str
    sidecar: dict[str, Any]
    lease: cache.Lease = field(repr=False, compare=False)


#: Modules around an engine: see :mod:`oxnor.sim.runner.tops`.
TOPS = {"testbench": tops.registered_reset, "player": tops.stream_player}


def emitted(config: Any, root: Path, *, top: str, emit: Callable[[Path], Emitted]) -> Verilog:
    """Return the Verilog of an engine, emitted once and then taken from ``root/sim``.

    Parameters
    ----------
    config : EngineConfig or SpikingConfig
    root : Path
        Folder for builds.
    top : str
        What is around the engine: a key of :data:`TOPS`.
    emit : callable
        Emits it into a folder.
    """
    around = hashlib.sha256(Path(tops.__file__).read_bytes()).hexdigest()
    key = hashlib.sha256(f"{config.digest} {generator_hash()} {around}".encode()).hexdigest()[:24]
    target = root / "sim" / f"rtl-{key}"
    with locked(root / "sim" / f"rtl-{key}.lock"):
        if not cache.is_whole(target):
            with cache.new_entry(target) as work:
                verilog = emit(work)
                described = verilog.sidecar | {"top": verilog.top, "tops": {}}
                for which, wrap in TOPS.items():
                    name, text = wrap(verilog.sidecar["ports"], verilog.top)
                    (work / f"{name}.sv").write_text(text)
                    described["tops"][which] = name
                (work / "sidecar.json").write_text(json.dumps(described))
        lease = cache.Lease(target)
    sidecar = json.loads((target / "sidecar.json").read_text())
    name = sidecar["tops"][top]
    others = set(sidecar["tops"].values()) - {name}
    return Verilog(tuple(p for p in sorted(target.glob("*.sv")) if p.stem not in others), name, sidecar, lease)


def build_engine(case: Case, run: RunOptions, root: Path) -> EngineBuild:
    """Emit and build the engine of a case in its stream player."""
    verilog = emitted(case.config, root, top="player", emit=case.emit)
    build = runner.build(
        verilog.sources,
        verilog.top,
        simulator=run.simulator,
        defines=case.defines,
        waves=run.waves,
        public=run.public,
        root=root,
    )
    return EngineBuild(build, verilog.sidecar)


@contextlib.contextmanager
def run_directory(root: Path, name: str, keep: bool) -> Iterator[Path]:
    """Give a fresh working directory; it stays if the run fails, for its log."""
    (root / "run").mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-{time.strftime('%H%M%S')}-{os.getpid()}-", dir=root / "run"))
    with cache.Lease(directory):
        yield directory
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)
