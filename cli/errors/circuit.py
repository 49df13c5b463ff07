"""``oxnor device circuit``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import OUTPUT, PICTURES, WHERE, AsJson, in_range, output, seed, writes
from oxnor.cli.options.pictures import Panels
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file

from .circuit_text import print_circuit

if TYPE_CHECKING:
    from oxnor.models.technology.circuit import ReadCircuit
    from oxnor.models.technology.process import Process
    from oxnor.models.technology.results import Results

CIRCUIT = "Circuit"


def _circuit(flag: str, metavar: str, help: str, **more: Any) -> Any:
    return typer.Option(flag, metavar=metavar, help=help, rich_help_panel=CIRCUIT, **more)


@dataclass(frozen=True)
class Circuit:
    """The circuit and its conditions."""

    cell: Annotated[str, _circuit("--cell", "CELL", "2t2r, or 1t1r against a reference column.")] = "2t2r"
    lrs: Annotated[float, _circuit("--lrs", "OHM", "Low resistance.")] = 5e3
    hrs: Annotated[float, _circuit("--hrs", "OHM", "High resistance.")] = 100e3
    rows: Annotated[int, _circuit("--rows", "N", "Devices on a bit line.")] = 64
    row_capacitance: Annotated[
        float, _circuit("--row-capacitance", "FF", "Of a bit line for each row, in fF; nothing was laid out.")
    ] = 1.0
    vdd: Annotated[
        float | None, _circuit("--vdd", "V", "Supply.", show_default="1.8, or the most that the process stands")
    ] = None
    corner: Annotated[str, _circuit("--corner", "NAME", "tt, ss, ff, sf or fs.")] = "tt"
    temperature: Annotated[float, _circuit("--temperature", "C", "In degrees.")] = 27.0
    precharge_ns: Annotated[
        float | None,
        _circuit("--precharge", "NS", "Time of the precharge.", show_default="12 at 64 fF and 1.8 V: settled"),
    ] = None
    latch_width: Annotated[float, _circuit("--latch-width", "UM", "Width of the latch's transistors.")] = 1.0
    precharge_width: Annotated[float, _circuit("--precharge-width", "UM", "Of those that precharge.")] = 1.0
    switch_width: Annotated[float, _circuit("--switch-width", "UM", "Of the switches of the XNOR.")] = 2.0
    access_width: Annotated[float, _circuit("--access-width", "UM", "Of the access transistors.")] = 2.0
    models: Annotated[
        Path | None,
        _circuit("--models", "FILE", "Transistor models of another process: a .toml, see docs/circuit.md."),
    ] = None

    def build(self) -> tuple[ReadCircuit, Process]:
        """Return the circuit and its process."""
        from oxnor.models.technology.circuit import ReadCircuit
        from oxnor.models.technology.process import load_process, sky130

        process = sky130() if self.models is None else load_process(self.models)
        values = {name: value for name, value in vars(self).items() if name != "models"}
        if self.vdd is None:
            values["vdd"] = min(ReadCircuit.vdd, process.supplies[1])
        return ReadCircuit(**values, process=process.name), process


@dataclass(frozen=True)
class Study:
    """What is simulated of it, and where that goes."""

    full: Annotated[bool, typer.Option("--full", help="All conditions, and 400 amplifiers at each.")] = False
    draws: Annotated[
        int | None,
        typer.Option("--draws", metavar="N", help="Amplifiers with drawn mismatch.", show_default="200; --full: 400"),
    ] = None
    seed: Annotated[int, seed("Key of their mismatch.")] = 0
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", help="Simulations at a time.", show_default="every core", rich_help_panel=WHERE
        ),
    ] = None
    device: Annotated[
        str, typer.Option("--device", metavar="PRESET|FILE", help="The device that --output takes.")
    ] = "weak-3.3e-2"
    output: Annotated[
        Path | None,
        output("FILE", "Write that device with the offsets of the circuit as a .json preset.", ".json"),
    ] = None
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="FILE", help="Draw a read and the offsets: .svg, .png or .pdf.",
            rich_help_panel=OUTPUT, callback=writes(check_file, *PICTURES),
        ),
    ] = None
    panels: Panels = False
    results: Annotated[
        Path | None,
        typer.Option(
            "--results", metavar="FILE", help="Write every result as .json.", rich_help_panel=OUTPUT,
            callback=writes(check_file, ".json"),
        ),
    ] = None  # fmt: skip

    def check(self) -> None:
        """Refuse what cannot be done before anything is computed."""
        in_range("seed", self.seed)
        if self.jobs is not None and not 1 <= self.jobs <= 4096:
            raise InputError(f"must be in [1, 4096], not {self.jobs}", parameter="jobs")


@expanded
def circuit(circuit: Circuit, study: Study, as_json: AsJson = False) -> None:
    """Simulate the sense amplifier of a column in SPICE: delay, energy and offset of a read.

    The netlist has 12 transistors of sky130; the devices are resistors. The default circuit's results are shipped;
    others are simulated by ngspice and kept, point by point: a command that is stopped goes on where it was.
    docs/circuit.md says what is assumed.

    Example: [bold]oxnor device circuit --vdd 1.2 --picture circuit.svg[/]
    """
    from oxnor.models.devices.model import load
    from oxnor.models.technology.conditions import difference, plan
    from oxnor.models.technology.report import clock, describe
    from oxnor.sim.silicon.study import Study as Simulation
    from oxnor.sim.silicon.study import within

    study.check()
    base, process = circuit.build()
    device = load(study.device)
    asked, left_out = within(plan(base, full=study.full, draws=study.draws, seed=study.seed), process)
    simulation = Simulation(asked, process)
    with progress() as tell:
        results = simulation.run(study.jobs, tell)
    if study.output is not None:
        _write_device(study.output, device, base, results)
    if study.picture is not None:
        from oxnor.sim.silicon.picture import circuit_plot

        rows = clock(simulation.plan, results, device)
        picture = circuit_plot(base, results.waveforms[base], results.offsets[base], rows)
        picture.save(study.picture, panels=study.panels)
    if study.results is not None:
        results.save(study.results)
    report = describe(simulation.plan, results, device)
    if left_out:
        names = "; ".join(difference(c, base) for c in left_out)
        note(f"Left out, where the models of {process.name} do not hold: {names}")
    print_json(report) if as_json else print_circuit(report)


def _write_device(path: Path, device: Any, base: ReadCircuit, results: Results) -> None:
    from oxnor.models.technology.amplifiers import with_amplifier
    from oxnor.models.technology.offsets import statistics

    found = statistics(results.offsets[base])
    if found is None:
        raise InputError("must be more, for a device", parameter="draws")
    with_amplifier(device, base, found, results.noises[base], results.simulator).save(path)
