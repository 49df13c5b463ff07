"""One record of a design: which network, data, devices, engine, errors and board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models.base.errors import InputError, near_names
from oxnor.models.datasets.options import DataOptions
from oxnor.models.technology.names import DEFAULT as DEFAULT_TECHNOLOGY
from oxnor.models.technology.names import find as find_technology
from oxnor.sections import FOREIGN, Board, Device, Errors, Tolerance, name_or_path

if TYPE_CHECKING:
    from oxnor.fpga.report import BuildReport
    from oxnor.hw.emit.generate import Generated
    from oxnor.hw.params.explain import Explanation
    from oxnor.models.devices.model import DeviceModel
    from oxnor.models.devices.options import DeviceOptions
    from oxnor.models.faults.options import ErrorOptions
    from oxnor.models.networks.binarized import Network
    from oxnor.models.networks.spiking import SpikingNetwork
    from oxnor.results import Accuracy
    from oxnor.run import RunReport
    from oxnor.sim.drawing.picture import Picture
    from oxnor.sim.silicon.energy import EnergyOptions
    from oxnor.sim.sweeps.params import WorkerOptions
    from oxnor.sim.sweeps.result import SweepResult
    from oxnor.sim.verify.inputs import Inputs
    from oxnor.sim.verify.options import RunOptions

#: What `oxnor run` may do, in this order.
STEPS = ("import", "accuracy", "devices", "generate", "simulate", "sweep", "board")

#: Told of (steps done, steps in all).
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Design:
    """A network with the data, devices, engine, errors and board that it is tried with.

    A design is equal to its TOML file: ``Design.load(file)`` reads it, :meth:`save` writes it.

    Parameters
    ----------
    network : str, path, Network or SpikingNetwork
        A shipped network, an ``.npz`` file, or a file of another tool (ONNX, Keras, PyTorch, NIR), which is imported.
    data : DataOptions
        Images to run.
    device : Device, str, path or DeviceModel, optional
        Devices that hold the weights.
    engine : EngineOptions
        Structure of the engine.
    errors : Errors
        Errors of the weights and of their reads.
    tolerance : Tolerance, optional
        A sweep of accuracy against error rate.
    board : Board or str, optional
        An FPGA board.
    technology : str or path
        Standard cells and macros of :meth:`energy`: a shipped technology, or a ``.toml`` file (docs/energy.md).
    verilog : VerilogOptions
        Names and reset in the Verilog of :meth:`generate`, and the reset on a board.
    steps : tuple of str
        What ``oxnor run`` does, of :data:`STEPS`. Default: all that the design describes.

    Raises
    ------
    InputError
        If a value is out of its range, naming the parameter.

    Examples
    --------
    >>> design = Design(network="mnist-tfc", errors=Errors(ber=0.01))
    >>> print(design)
    Design of mnist-tfc: 1,000 images, target sim, ber 0.01
    """

    network: str | Path | Network | SpikingNetwork
    data: DataOptions = field(default_factory=DataOptions)
    device: Device | str | Path | DeviceModel | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    errors: Errors = field(default_factory=Errors)
    tolerance: Tolerance | None = None
    board: Board | str | None = None
    technology: str | Path = DEFAULT_TECHNOLOGY
    verilog: VerilogOptions = field(default_factory=VerilogOptions)
    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("network", name_or_path(self.network, (".npz", *FOREIGN)))
        put("technology", name_or_path(self.technology, (".toml",)))
        if isinstance(self.network, str):
            from oxnor.models import zoo

            zoo.find(self.network)
        find_technology(self.technology)
        if self.device is not None and not isinstance(self.device, Device):
            put("device", Device(self.device))
        if isinstance(self.board, str):
            put("board", Board(self.board))
        for step in self.steps:
            if step not in STEPS:
                hint = near_names(step, STEPS)
                raise InputError(f"must be some of {', '.join(STEPS)}, not {step!r}{hint}", parameter="steps")

    @classmethod
    def load(cls, path: str | Path) -> Design:
        """Read a design file.

        Raises
        ------
        InputError
            Naming the file, the field and the rule that it breaks.
        """
        from oxnor.models.base.toml import Reader

        path = Path(path)
        return Reader(path).read(cls)._moved(path.parent)

    def _moved(self, folder: Path) -> Design:
        """Return the design with relative paths taken from `folder`."""

        def path(value: Any) -> Any:
            return folder / value if isinstance(value, Path) else value

        device = replace(self.device, model=path(self.device.model)) if isinstance(self.device, Device) else None
        return replace(
            self, network=path(self.network), device=device, technology=path(self.technology),
            data=replace(
                self.data, source=path(self.data.source), labels=path(self.data.labels),
                directory=path(self.data.directory), events=path(self.data.events),
            ),
            errors=replace(self.errors, faults=path(self.errors.faults)),
            board=replace(self.board, name=path(self.board.name)) if isinstance(self.board, Board) else None,
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the design file, whole or not at all.

        Raises
        ------
        InputError
            If the network, the device or the fault map is an object and not a name or a file.
        """
        import tomli_w

        from oxnor.models.base.files import write_text
        from oxnor.models.base.toml import plain

        write_text(path, tomli_w.dumps(plain(self, Path(path).parent)))

    def __str__(self) -> str:
        parts = [self.data.wanted, f"target {self.engine.target}"]
        if isinstance(self.device, Device):
            parts.append(f"device {getattr(self.device.model, 'name', self.device.model)}")
        parts += [f"{name} {value:g}" for name in ("ber", "read_ber") if (value := getattr(self.errors, name))]
        if self.errors.faults is not None:
            parts.append("a fault map")
        if isinstance(self.board, Board):
            parts.append(f"board {self.board.name}")
        return f"Design of {getattr(self.network, 'name', self.network)}: {', '.join(parts)}"

    __repr__ = __str__

    # Changes

    def with_engine(self, **changes: Any) -> Design:
        """Return the design with other options of its engine.

        Parameters
        ----------
        **changes
            Fields of EngineOptions, or of LayerOptions for all layers. A list has a value for each layer.
        """
        options = self.engine
        of_layers = {name: changes.pop(name) for name in tuple(changes) if name in LayerOptions.__dataclass_fields__}
        if not isinstance(options.layers, LayerOptions) or any(isinstance(v, list) for v in of_layers.values()):
            if isinstance(options.layers, LayerOptions):
                of_layers.setdefault("dataflow", options.layers.dataflow)
            return replace(self, engine=options.changed(len(self.loaded.layers), **changes, **of_layers))
        return replace(self, engine=replace(options, layers=replace(options.layers, **of_layers), **changes))

    def with_data(self, **changes: Any) -> Design:
        """Return the design with other images; `changes` are fields of DataOptions, None leaves one as it is."""
        values = {name: value for name, value in changes.items() if value is not None}
        return replace(self, data=replace(self.data, **values))

    def with_device(self, model: str | Path | DeviceModel | None = None, **age: float) -> Design:
        """Return the design with another device or age (`cycles`, `seconds`)."""
        changes: dict[str, Any] = age if model is None else {"model": model, **age}
        if self.device is None and not changes:
            return self
        held = self.device
        return replace(self, device=replace(held, **changes) if isinstance(held, Device) else Device(**changes))

    def with_tolerance(self, **changes: Any) -> Design:
        """Return the design with another sweep; `changes` are fields of Tolerance."""
        return replace(self, tolerance=replace(self.tolerance or Tolerance(), **changes))

    # What the names stand for

    @cached_property
    def loaded(self) -> Network | SpikingNetwork:
        """The network itself; one of another tool is imported."""
        if not isinstance(self.network, str | Path):
            return self.network
        if Path(self.network).suffix in FOREIGN:
            from oxnor.models.exchange.import_network import import_network

            imported = import_network(self.network)
            if not imported.ok:
                raise InputError(f"{self.network}: the imported network differs from it: see oxnor import")
            return imported.network
        import oxnor

        return oxnor.load(self.network)

    @cached_property
    def binarized(self) -> Network:
        """The network, refused if it is a spiking one."""
        from oxnor.models.golden.registry import only
        from oxnor.models.networks.binarized import Network

        return only(self.loaded, Network, "for this command")

    @cached_property
    def device_options(self) -> DeviceOptions | None:
        """The devices, read from their file or fitted to their measurements."""
        return self.device.options() if isinstance(self.device, Device) else None

    @cached_property
    def error_options(self) -> ErrorOptions:
        """The errors, with the fault map read from its file."""
        return self.errors.options()

    def config(self) -> Any:
        """Return the structure of the engine: an EngineConfig, or a SpikingConfig for a spiking network."""
        from dataclasses import asdict

        from oxnor.sim.verify.flows import flow_of

        options, network = self.engine, self.loaded
        changes: dict[str, Any] = {}
        if isinstance(options.layers, LayerOptions):
            # For all layers, where a dataflow may also alternate.
            changes = {k: v for k, v in asdict(options.layers).items() if v != getattr(LayerOptions(), k)}
            options = replace(options, layers=LayerOptions())
        return flow_of(network).config(network, options, **changes)

    def inputs(self) -> Inputs:
        """Return the images, and their labels if there are any."""
        from oxnor.sim.verify.inputs import inputs_for

        return inputs_for(self.loaded, self.data)

    # What is done with them

    def describe(self) -> dict[str, Any]:
        """Return the network and its engine as a JSON-able dict."""
        from oxnor.sim.verify.flows import flow_of

        return flow_of(self.loaded).describe(self.loaded, self.config())

    def explain(self) -> Explanation:
        """Return why the engine is folded as it is; of a binarized network."""
        from oxnor.hw.params.explain import explain

        return explain(self.binarized, self.config(), self.engine)

    def pictures(self) -> dict[str, Picture]:
        """Return pictures of the engine by name: its diagram, and how the windows of each convolution walk."""
        from oxnor.sim.drawing.diagram import engine_pictures

        return engine_pictures(self.config(), self.binarized.name)

    def accuracy(self) -> Accuracy:
        """Return the accuracy of the golden model, with the design's errors or drawn devices."""
        from oxnor.results import measure

        return measure(self)

    def generate(self, directory: str | Path, *, force: bool = False) -> Generated:
        """Write the engine's Verilog, memory files and sidecar; see :func:`oxnor.hw.generate`.

        Parameters
        ----------
        directory : path
        force : bool
            Take the place of a folder that holds something else, which is kept as ``NAME.old``.

        Returns
        -------
        Generated
        """
        from oxnor.hw.emit.generate import generate
        from oxnor.hw.placement.drawn_devices import DeviceDraw

        held, e = self.device_options, self.errors
        draw = DeviceDraw(held.model, held.cycles, held.seconds, e.seed, e.trial) if held else None
        return generate(self.loaded, directory, self.config(), devices=draw, verilog=self.verilog, force=force)

    def simulate(
        self, run: RunOptions | None = None, *, inputs: Inputs | None = None, progress: Progress | None = None
    ) -> Any:
        """Run the images through the engine's Verilog and compare every result with the golden model.

        Parameters
        ----------
        run : RunOptions, optional
            Waves and the like; see :func:`oxnor.sim.simulate`.
        inputs : Inputs, optional
            The images, if they are at hand.
        progress : callable, optional
            Told of (images done, images).

        Returns
        -------
        SimulationResult or SpikingResult
        """
        from oxnor.sim.verify.options import RunOptions
        from oxnor.sim.verify.simulate import simulate

        inputs = inputs or self.inputs()
        return simulate(
            self.loaded, inputs.images, labels=inputs.labels, errors=self.error_options, device=self.device_options,
            engine=self.config(), run=run or RunOptions(), progress=progress,
        )  # fmt: skip

    def energy(self, options: EnergyOptions | None = None, *, progress: Callable[[str], object] | None = None) -> Any:
        """Return energy, area and clock of the engine in standard cells, with RRAM and with SRAM macros.

        Parameters
        ----------
        options : EnergyOptions, optional
            Which RRAM macro, and whether clocks are gated; see :class:`oxnor.sim.EnergyOptions`.
        progress : callable, optional
            Told of what is done.

        Returns
        -------
        oxnor.sim.silicon.report.EnergyReport
        """
        from oxnor.models.technology.technology import load
        from oxnor.sim.silicon.energy import energy

        tell = progress or (lambda what: None)
        return energy(self.binarized, self.inputs(), self.config(), load(self.technology), options, progress=tell)

    def sweep_params(self) -> Any:
        """Return which trials a sweep has: :class:`oxnor.sim.SweepParams`."""
        from oxnor.results import sweep_params

        return sweep_params(self)

    def sweep(
        self,
        path: str | Path | None = None,
        *,
        workers: WorkerOptions | None = None,
        command: str = "",
        progress: Callable[[int, int, str], None] | None = None,
    ) -> SweepResult:
        """Measure accuracy against error rate; what the file holds already is not computed again.

        Parameters
        ----------
        path : path, optional
            Results file. Default: ``NETWORK.sqlite``.
        workers : WorkerOptions, optional
            Where the trials are computed.
        command : str
            Command line that does the same, for the file.
        progress : callable, optional
            Told of (trials done, trials, what the last one gave).
        """
        from oxnor.sim.sweeps.params import WorkerOptions
        from oxnor.sim.sweeps.run import sweep

        result = sweep(
            self.loaded, self.data, self.sweep_params(), path or f"{self.loaded.name}.sqlite",
            workers=workers or WorkerOptions(), command=command, progress=progress,
        )  # fmt: skip
        return replace(result, limit=(self.tolerance or Tolerance()).limit / 100)

    def run(self, directory: str | Path, *, command: str = "", tell: Callable[..., None] | None = None) -> RunReport:
        """Do all steps that are stale, and write a page of every figure.

        Parameters
        ----------
        directory : path
            A folder for each step, and the page ``index.html``.
        command : str
            Command line that does the same, for the page.
        tell : callable, optional
            Told of (what is done, steps done, steps in all or 0 if not known).

        Returns
        -------
        RunReport
        """
        from oxnor.run import run

        return run(self, Path(directory), command, tell)

    def board_config(self) -> tuple[Any, Any, tuple[str, ...]]:
        """Return the board, the engine for it, and in words why it is this one."""
        from oxnor.boards import board_config

        return board_config(self)

    def build(
        self, directory: str | Path, *, progress: Callable[[str, int, int], None] | None = None
    ) -> BuildReport:
        """Build the bitstream of the board.

        Parameters
        ----------
        directory : path
            The bitstream, ``report.json`` and ``oxnor-board.json`` go here.
        progress : callable, optional
            Told of (step, steps done, steps).

        Returns
        -------
        BuildReport
            ``fits`` says whether there is a bitstream, ``advice`` what to change if not.
        """
        from oxnor.boards import build

        return build(self, Path(directory), progress)
