"""The steps of ``oxnor run``: what each depends on, and what it writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models.base.errors import InputError
from oxnor.sections import FOREIGN, Board

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.run import Tell


@dataclass(frozen=True)
class Step:
    """One step.

    Parameters
    ----------
    wanted : callable
        Design to whether it describes this step.
    inputs : callable
        Design to all that the result depends on, JSON-able.
    make : callable
        (design, folder, tell) writes the results into the folder and returns its figures, JSON-able; ``ok`` is false
        where what was asked is not true.
    resumes : bool
        Whether `make` goes on with what it finds in the folder.
    """

    wanted: Callable[[Design], bool]
    inputs: Callable[[Design], dict[str, Any]]
    make: Callable[[Design, Path, Tell], dict[str, Any]]
    resumes: bool = False


def digest(value: Any) -> str:
    """Return the hash of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def code_version() -> str:
    """Return the version of oxnor and the hash of its sources."""
    h = hashlib.sha256()
    for package in ("models", "hw", "sim", "fpga"):
        folder = Path(str(files(f"oxnor.{package}")))
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".sv", ".svh", ".v", ".cpp")):
            h.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('oxnor')}+{h.hexdigest()[:16]}"


def is_foreign(design: Design) -> bool:
    """Return whether the network is a file of another tool."""
    return isinstance(design.network, Path) and design.network.suffix in FOREIGN


def imported(design: Design, folder: Path) -> Design:
    """Return the design with the network that its import wrote into `folder`."""
    return replace(design, network=folder / "network.npz")


# What steps depend on


def _file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror})") from None


def _network(design: Design) -> dict[str, Any]:
    return {"network": design.loaded.digest, "name": design.loaded.name}


def _data(design: Design) -> dict[str, Any]:
    inputs = design.inputs()
    return {"images": len(inputs.images), "data": inputs.digest}


def _device(design: Design) -> dict[str, Any]:
    held = design.device_options
    return {"device": None if held is None else asdict(held)}


def _errors(design: Design) -> dict[str, Any]:
    e = design.errors
    faults = e.faults
    result: dict[str, Any] = {"ber": e.ber, "seed": e.seed, "trial": e.trial, "read_ber": e.read_ber, "faults": None}
    if isinstance(faults, Path):
        result["faults"] = _file(faults)
    elif faults is not None:
        raise InputError("must be a file for a run: save the fault map first", parameter="faults")
    return result


def _engine(design: Design) -> dict[str, Any]:
    return {"engine": design.config().digest}


def _key_of_draws(design: Design) -> dict[str, Any]:
    return {"seed": design.errors.seed, "trial": design.errors.trial} if design.device is not None else {}


def _sweep_inputs(design: Design) -> dict[str, Any]:
    return _network(design) | _data(design) | {"sweep": asdict(design.sweep_params())}


def _board_inputs(design: Design) -> dict[str, Any]:
    board = asdict(design.board) if is_dataclass(design.board) else None
    return _network(design) | {"board": board, "engine": asdict(design.engine)} | _verilog(design)


def _verilog(design: Design) -> dict[str, Any]:
    """Return names and reset if they are not the default, as steps of older versions have none."""
    return {} if design.verilog == VerilogOptions() else {"verilog": asdict(design.verilog)}


# What steps do


def _import(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    from oxnor.models.exchange.import_network import import_network

    assert isinstance(design.network, Path)
    result = import_network(design.network, tell=tell)
    if not result.ok:
        raise InputError(f"{design.network}: the imported network differs from it: see oxnor import")
    result.network.save(folder / "network.npz")
    report = result.report
    checked = report["thresholds"]
    return {
        "file": report["source"]["file"], "format": report["source"]["format"], "weights": report["weights"],
        "thresholds_checked": checked["checked"], "thresholds_that_differ": checked["differ"],
    }  # fmt: skip


def _accuracy(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    result = design.accuracy()
    np.save(folder / "classes.npy", result.classes)
    return result.to_json()


def _devices(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    from oxnor.models.devices import report
    from oxnor.sim.studies.device_plots import device_plot

    held = design.device_options
    assert held is not None
    device_plot(folder / "device.svg", (held.model, held.cycles, held.seconds), None, None)
    result = report.describe(held.model, cycles=held.cycles, seconds=held.seconds)
    return {key: result[key] for key in ("device", "description", "cycles", "seconds", "states", "error_rates")}


def _generate(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    generated = design.generate(folder / "engine")
    sidecar = generated.sidecar
    result = {
        "top": generated.top, "verilog_files": len(sidecar["sources"]), "macros": generated.macros,
        "latency": sidecar.get("latency"), "initiation_interval": sidecar.get("initiation_interval"),
    }  # fmt: skip
    return {name: value for name, value in result.items() if value is not None}


def _simulate(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    from oxnor.sim.verify.per_image import write_csv

    inputs = design.inputs()
    result = design.simulate(inputs=inputs, progress=lambda done, total: tell("simulate", done, total))
    write_csv(folder / "images.csv", result, inputs)
    return {"ok": result.ok} | result.to_json()


def _sweep(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    result = design.sweep(folder / "results.sqlite", progress=lambda done, total, _: tell("sweep", done, total))
    for name, plot in result.story.plots.items():
        plot.save(folder / f"{name}.svg")
    curve = result.story.curve
    return {
        "images": curve.images, "measure": curve.measure, "accuracy": curve.clean if curve.is_accuracy else None,
        "trials": sum(p.trials for p in curve.points),
        "knee": str(curve.knee(result.limit)) if curve.is_accuracy else None, "limit": result.limit,
        "points": [{"rate": p.rate, "trials": p.trials, "mean": p.mean} for p in curve.points],
    }  # fmt: skip


def _board(design: Design, folder: Path, tell: Tell) -> dict[str, Any]:
    result = design.build(folder / "board", progress=lambda step, done, total: tell(f"board: {step}", done, total))
    return {"ok": result.ok} | result.to_json()


def _always(design: Design) -> bool:
    return True


#: By name, in the order in which they are done.
STEPS: Mapping[str, Step] = {
    "import": Step(is_foreign, lambda d: {"file": _file(Path(str(d.network)))}, _import),
    "accuracy": Step(_always, lambda d: _network(d) | _data(d) | _errors(d) | _device(d), _accuracy),
    "devices": Step(lambda d: d.device is not None, _device, _devices),
    "generate": Step(
        _always, lambda d: _network(d) | _engine(d) | _device(d) | _key_of_draws(d) | _verilog(d), _generate
    ),
    "simulate": Step(
        _always, lambda d: _network(d) | _data(d) | _errors(d) | _engine(d) | _device(d), _simulate
    ),
    "sweep": Step(lambda d: d.tolerance is not None, _sweep_inputs, _sweep, resumes=True),
    "board": Step(lambda d: isinstance(d.board, Board), _board_inputs, _board),
}  # fmt: skip
