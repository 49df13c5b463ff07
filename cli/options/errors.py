"""Errors of weights and reads, the devices that cause them, and sweeps of their rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.models.base.errors import InputError

from .common import DEVICES, ERRORS, in_range, pair, seed, whole

if TYPE_CHECKING:
    from oxnor.design import Design

ReadBer = Annotated[
    float | None,
    typer.Option(
        "--read-ber",
        metavar="RATE",
        help="Probability that a single read is wrong, in steps of 1/65536; needs the fault injector.",
        rich_help_panel=ERRORS,
    ),
]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Key:
    """The key of what is drawn."""

    seed: Annotated[int | None, seed("Key of drawn errors, devices and images.", rich_help_panel=ERRORS)] = None
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", help="Which draw of that seed.", rich_help_panel=ERRORS)
    ] = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        in_range("seed", self.seed)
        in_range("trial", self.trial)
        errors = replace(design.errors, **_given(seed=self.seed, trial=self.trial))
        return replace(design, errors=errors).with_data(seed=self.seed)


@dataclass(frozen=True)
class Errors(Key):
    """Errors of a simulation."""

    ber: Annotated[
        float | None,
        typer.Option("--ber", metavar="RATE", help="Share of weights that are wrong, 0 to 1.", rich_help_panel=ERRORS),
    ] = None
    faults: Annotated[
        Path | None,
        typer.Option(
            "--faults", metavar="FILE", help="Take the wrong weights from this file instead.", rich_help_panel=ERRORS
        ),
    ] = None
    read_ber: ReadBer = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        design = super().apply(design)
        changes = _given(ber=self.ber, faults=self.faults, read_ber=self.read_ber)
        if self.faults is not None and self.ber is None:
            changes["ber"] = 0.0
        return replace(design, errors=replace(design.errors, **changes))


@dataclass(frozen=True)
class BoardErrors:
    """Errors on a board."""

    faults: Annotated[
        Path | None,
        typer.Option(
            "--faults",
            metavar="FILE",
            help="Wrong weights of [bold]oxnor device faults[/] that are on the board.",
            rich_help_panel=ERRORS,
        ),
    ] = None
    read_ber: ReadBer = None
    seed: Annotated[int | None, seed("Key of --read-ber.", rich_help_panel=ERRORS)] = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        changes = _given(faults=self.faults, read_ber=self.read_ber, seed=self.seed)
        return replace(design, errors=replace(design.errors, **changes))


@dataclass(frozen=True)
class Devices:
    """Devices that hold the weights."""

    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="PRESET|FILE",
            help="Draw both devices of every synapse from this model.",
            rich_help_panel=DEVICES,
        ),
    ] = None
    cycles: Annotated[
        float | None,
        typer.Option(
            "--cycles", metavar="N", help="SET/RESET cycles that every device has done.", rich_help_panel=DEVICES
        ),
    ] = None
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", metavar="S", help="Seconds between programming and reading.", rich_help_panel=DEVICES
        ),
    ] = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        changes = _given(model=self.device, cycles=whole("cycles", self.cycles), seconds=self.seconds)
        if design.device is None and (self.cycles or self.seconds) and self.device is None:
            raise InputError("--cycles and --seconds are of a device: give --device too")
        return design.with_device(**changes)


@dataclass(frozen=True)
class ErrorKind:
    """Kinds of error, and what belongs to each."""

    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="static, read (of a sweep), asymmetric, stuck, cluster; of ternary weights sign or step.",
            show_default="static",
            rich_help_panel=ERRORS,
        ),
    ] = None
    ratio: Annotated[
        float | None,
        typer.Option(
            "--ratio",
            metavar="R",
            help="asymmetric: 0-to-1 errors for each 1-to-0 error.",
            show_default="0",
            rich_help_panel=ERRORS,
        ),
    ] = None
    ones: Annotated[
        float | None,
        typer.Option(
            "--ones",
            metavar="SHARE",
            help="stuck: share of them stuck at 1.",
            show_default="0.5",
            rich_help_panel=ERRORS,
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="LINE",
            help="cluster: row, column or amplifier.",
            show_default="column",
            rich_help_panel=ERRORS,
        ),
    ] = None
    macro: Annotated[
        str | None,
        typer.Option(
            "--macro",
            metavar="RxC",
            help="cluster and device: size of the macros.",
            show_default="32x32",
            rich_help_panel=ERRORS,
        ),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="PRESET|FILE",
            help="Errors of pairs of this device: a preset of [bold]oxnor device show[/], a .json file, or a .csv of"
            " measured resistances.",
            rich_help_panel=ERRORS,
        ),
    ] = None

    moves: Annotated[
        str | None,
        typer.Option(
            "--moves",
            metavar="WEIGHTS",
            help="step: which ternary weights move: all, zero (to +1 or -1) or nonzero (to 0).",
            show_default="all",
            rich_help_panel=ERRORS,
        ),
    ] = None
    pair_states: Annotated[
        int | None,
        typer.Option(
            "--pair-states",
            metavar="N",
            help="--device: 3 if a ternary weight is one pair, with both devices in HRS where it is 0.",
            show_default="2",
            rich_help_panel=ERRORS,
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return what was given of the kind."""
        size = pair("macro", self.macro, "x", "32x32") if self.macro else None
        return _given(ratio=self.ratio, ones=self.ones, cluster=self.cluster, macro_size=size, moves=self.moves,
                      pair_states=self.pair_states)  # fmt: skip

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        if self.device is not None and self.kind is not None:
            raise InputError("--device and --kind must not be given together: the device says what is wrong")
        changes = self.arguments()
        if self.kind is not None:
            changes |= {"kind": self.kind, "use_device": False}
        if self.device is not None:
            design, changes = design.with_device(model=self.device), changes | {"kind": None, "use_device": True}
        return design.with_tolerance(**changes)


@dataclass(frozen=True)
class Trials:
    """Which trials a sweep has."""

    ber: Annotated[
        str | None,
        typer.Option(
            "--ber",
            metavar="RATES",
            help="Error rates: LOW:HIGH:COUNT, log-spaced, or numbers with commas.",
            show_default="1e-5:1e-1:13",
            rich_help_panel=ERRORS,
        ),
    ] = None
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            metavar="N",
            help="Draws of errors at each rate.",
            show_default="20",
            rich_help_panel=ERRORS,
        ),
    ] = None
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="N",
            help="Errors in layer N alone, or 'each': all layers, then each alone.",
            rich_help_panel=ERRORS,
        ),
    ] = None
    seed: Annotated[int | None, seed("Key of all draws.", rich_help_panel=ERRORS)] = None
    adaptive: Annotated[
        float | None,
        typer.Option(
            "--adaptive",
            metavar="POINTS",
            help="Go on where the 95 % interval of the mean is wider than plus or minus this many points.",
            rich_help_panel=ERRORS,
        ),
    ] = None
    max_trials: Annotated[
        int | None,
        typer.Option(
            "--max-trials",
            metavar="N",
            help="Most trials at a rate with --adaptive or --half-width.",
            show_default="200",
            rich_help_panel=ERRORS,
        ),
    ] = None
    half_width: Annotated[
        float | None,
        typer.Option(
            "--half-width", metavar="POINTS", rich_help_panel=ERRORS,
            help="Draw until the mean at each rate is known to plus or minus this, by Stein's rule of two stages; where"
            " that takes more than --max-trials, draw --trials.",
        ),
    ] = None  # fmt: skip
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence", metavar="PERCENT", show_default="99", rich_help_panel=ERRORS,
            help="How surely, with --half-width; tables keep intervals of 95 %.",
        ),
    ] = None  # fmt: skip
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="AXIS", show_default="ber", rich_help_panel=ERRORS,
            help="Instead of an error rate: cycles, seconds, sigma or ratio of the --device, as it is, or vdd.",
        ),
    ] = None  # fmt: skip
    values: Annotated[
        str | None,
        typer.Option(
            "--values", metavar="VALUES", show_default="where the device holds", rich_help_panel=ERRORS,
            help="Of --against: LOW:HIGH:COUNT, log-spaced, or numbers with commas.",
        ),
    ] = None  # fmt: skip
    cycles: Annotated[
        float | None,
        typer.Option("--cycles", metavar="N", help="Age of the device of --against.", rich_help_panel=ERRORS),
    ] = None
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="S", help="The same, after programming.", rich_help_panel=ERRORS),
    ] = None
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also", metavar="KIND=RATE", rich_help_panel=ERRORS,
            help="Errors of another kind beside those of the sweep, for example read=1e-3. May be given several times.",
        ),
    ] = None  # fmt: skip

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        if self.adaptive is not None and not 0 < self.adaptive < 100:
            raise InputError(f"must be above 0 and below 100 points, not {self.adaptive}", parameter="adaptive")
        half_width = self.half_width or getattr(design.tolerance, "half_width", None)
        if self.confidence is not None and half_width is None:
            raise InputError("must come with --half-width", parameter="confidence")
        age = _given(cycles=whole("cycles", self.cycles), seconds=self.seconds)
        if age and (design.device is None or (self.against or getattr(design.tolerance, "against", "ber")) == "ber"):
            raise InputError("--cycles and --seconds are of the --device of --against")
        errors = replace(design.errors, **_given(seed=self.seed))
        return replace(design.with_device(**age), errors=errors).with_data(seed=self.seed).with_tolerance(
            **_given(
                rates=self.ber,
                trials=self.trials,
                layer=self.layer,
                adaptive=self.adaptive,
                max_trials=self.max_trials,
                half_width=self.half_width,
                confidence=self.confidence,
                against=self.against,
                values=self.values,
                also=tuple(self.also) if self.also else None,
            )
        )
