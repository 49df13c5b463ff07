"""The tables of a design that name things: devices, errors, a tolerance sweep, a board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oxnor.models.base.errors import InputError, check_rate

if TYPE_CHECKING:
    from oxnor.fpga.options import BuildOptions
    from oxnor.models.devices.model import DeviceModel
    from oxnor.models.devices.options import DeviceOptions
    from oxnor.models.faults.fault_map import FaultMap
    from oxnor.models.faults.options import ErrorOptions

#: Files of other tools that are imported before anything else is done.
FOREIGN = (".onnx", ".h5", ".keras", ".pt", ".pth", ".nir")


@dataclass(frozen=True)
class Device:
    """The devices that hold the weights, and their age.

    Parameters
    ----------
    model : str, path or DeviceModel
        A shipped preset, a ``.json`` file, or a ``.csv`` file of measured resistances, to which a device is fitted.
    cycles : int
        SET/RESET cycles that every device has done.
    seconds : float
        Seconds between programming and reading.
    """

    model: str | Path | DeviceModel
    cycles: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", name_or_path(self.model, (".json", ".csv")))

    def options(self) -> DeviceOptions:
        """Return the devices, read from their file or fitted to their measurements."""
        from oxnor.models.devices import model as models
        from oxnor.models.devices.fit_file import fit_csv
        from oxnor.models.devices.options import DeviceOptions

        name, age = self.model, (self.cycles, self.seconds)
        if isinstance(name, Path) and name.suffix == ".csv":
            fitted = fit_csv(name)
            return DeviceOptions(fitted.device(*age), *age)
        return DeviceOptions(models.load(name) if isinstance(name, str | Path) else name, *age)


@dataclass(frozen=True)
class Errors:
    """The errors of the weights and of their reads. Default: none.

    Parameters
    ----------
    ber : float
        Bit error rate of the weights, in [0, 1].
    seed, trial : int
        Key of every draw: of these errors, of devices, of a tolerance sweep. Each in [0, 2**63).
    faults : path or FaultMap, optional
        The wrong weights themselves, instead of `ber`.
    read_ber : float
        Probability that a single read is wrong, in steps of 1/65536.
    """

    ber: float = 0.0
    seed: int = 0
    trial: int = 0
    faults: str | Path | FaultMap | None = None
    read_ber: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.faults, str):
            object.__setattr__(self, "faults", Path(self.faults))
        check_rate("ber", self.ber)
        for name in ("seed", "trial"):
            if not 0 <= getattr(self, name) < 1 << 63:
                raise InputError(f"must be in [0, 2**63), not {getattr(self, name)}", parameter=name)

    def options(self) -> ErrorOptions:
        """Return the errors, with the fault map read from its file."""
        from oxnor.models.faults.fault_map import FaultMap
        from oxnor.models.faults.options import ErrorOptions
        from oxnor.models.faults.read_errors import ReadErrors

        faults = FaultMap.load(self.faults) if isinstance(self.faults, str | Path) else self.faults
        reads = ReadErrors.from_ber(self.read_ber, self.seed) if self.read_ber else None
        return ErrorOptions(self.ber, self.seed, self.trial, faults, reads)


@dataclass(frozen=True)
class Tolerance:
    """A sweep of accuracy against error rate, or the age or numbers of a device.

    What is None is as in :class:`oxnor.sim.SweepParams`.

    Parameters
    ----------
    rates : str or tuple of float
        Error rates: ``low:high:count``, log-spaced, or numbers, each above 0 and at most 1.
    trials : int, optional
        Draws of errors at each rate.
    kind : str, optional
        static, read, asymmetric, stuck or cluster. With `use_device`: none.
    layer : int or str
        ``all``, ``each``, or the number of one layer.
    adaptive : float, optional
        Go on where the 95 % interval of the mean is wider than plus or minus this many points.
    max_trials : int, optional
        Most trials at a rate, of an adaptive sweep or one with a half width.
    half_width : float, optional
        Draw until the mean at each rate is known to plus or minus this many points; see
        :mod:`oxnor.models.trials.sequential`.
    confidence : float
        With this probability, in percent.
    against : str
        ber; or of the design's device, as it is: cycles, seconds, sigma, ratio or vdd.
    values : str or tuple of float, optional
        Of `against`, as `rates`. Default: all ages at which the device holds, or some about its sigma or ratio.
    also : tuple of str, optional
        Errors of other kinds beside it, each ``KIND=RATE``.
    ratio : float, optional
        Of kind asymmetric: 0-to-1 errors for each 1-to-0 error.
    ones : float, optional
        Of kind stuck: share of them that is stuck at 1.
    cluster : str, optional
        Of kind cluster: row, column or amplifier.
    macro_size : (rows, columns), optional
        Of kind cluster, and of errors of a device.
    moves : str, optional
        Of kind step: which ternary weights move, all, zero or nonzero.
    pair_states : int, optional
        Of errors of a device: 3 if a ternary weight is one pair.
    use_device : bool
        Take the errors of pairs of the design's device, whose states are moved to each rate.
    limit : float
        Points of accuracy lost at the knee.
    """

    rates: str | tuple[float, ...] = "1e-5:1e-1:13"
    trials: int | None = None
    kind: str | None = None
    layer: int | str = "all"
    adaptive: float | None = None
    max_trials: int | None = None
    ratio: float | None = None
    ones: float | None = None
    cluster: str | None = None
    macro_size: tuple[int, int] | None = None
    use_device: bool = False
    limit: float = 0.5
    half_width: float | None = None
    confidence: float = 99.0
    against: str = "ber"
    values: str | tuple[float, ...] | None = None
    also: tuple[str, ...] = ()
    moves: str | None = None
    pair_states: int | None = None

    def __post_init__(self) -> None:
        if self.use_device and self.kind is not None:
            raise InputError("must not be given with a device, which says what is wrong", parameter="kind")
        if self.half_width is not None and not 0 < self.half_width < 100:
            raise InputError(f"must be above 0 and below 100 points, not {self.half_width}", parameter="half_width")
        if not 50 <= self.confidence < 100:
            raise InputError(f"must be in [50, 100) percent, not {self.confidence}", parameter="confidence")
        if not 0 < self.limit < 100:
            raise InputError(f"must be above 0 and below 100 points, not {self.limit}", parameter="limit")


@dataclass(frozen=True)
class Board:
    """An FPGA board. What is None is as the board has it.

    Parameters
    ----------
    name : str or path
        A key of :data:`oxnor.fpga.boards.BOARDS`, or a file ``*.toml`` (:mod:`oxnor.fpga.boards.file`).
    interval : int, optional
        Clock cycles from image to image that are enough: the smallest engine of that speed. Default: the fastest that
        fits.
    freq_mhz : float, optional
        Clock of the engine, in MHz.
    link : str
        Serial line to the host: uart or spi.
    baud : int, optional
        Bit rate of the UART.
    seed : int
        Of the placer.
    """

    name: str | Path
    interval: int | None = None
    freq_mhz: float | None = None
    link: str = "uart"
    baud: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", name_or_path(self.name, (".toml",)))
        if self.interval is not None and self.interval < 1:
            raise InputError(f"must be 1 or more, not {self.interval}", parameter="interval")
        self.options()  # which checks the rest

    def options(self) -> BuildOptions:
        """Return how an engine is put on the board."""
        from oxnor.fpga.options import BuildOptions

        return BuildOptions(self.freq_mhz, self.link, self.baud, seed=self.seed)


def name_or_path(value: Any, suffixes: tuple[str, ...]) -> Any:
    """Return a text as a path if it names a file, by its suffix or a folder in it; everything else as it is."""
    if isinstance(value, str) and (value.endswith(suffixes) or Path(value).name != value):
        return Path(value)
    return value
