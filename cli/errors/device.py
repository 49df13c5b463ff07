"""``oxnor device show`` and ``oxnor device fit``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import PICTURES, AsJson, in_range, output, seed, writes
from oxnor.cli.options.lab_file import LabFile
from oxnor.cli.options.pictures import Axes, Panels
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file

from .device_text import print_device, print_presets, print_table_of_rates

if TYPE_CHECKING:
    from oxnor.models.devices.fit import Fit
    from oxnor.models.devices.fit_file import AgedFit
    from oxnor.models.devices.model import DeviceModel


@dataclass(frozen=True)
class Study:
    """What is computed of a device, and where it goes."""

    cycles: Annotated[
        float | None,
        typer.Option(
            "--cycles", metavar="N", help="SET/RESET cycles that the devices have done.",
            show_default="the first at which the device holds",
        ),
    ] = None
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="T", help="Seconds since they were programmed.", show_default="the first"),
    ] = None
    target_ber: Annotated[
        float | None,
        typer.Option("--target-ber", metavar="P", help="Also compute how far apart LRS and HRS must be for this rate."),
    ] = None
    monte_carlo: Annotated[
        int | None,
        typer.Option("--monte-carlo", metavar="N", help="Draw N bits of each kind too; exit code 1 if they disagree."),
    ] = None
    seed: Annotated[int, seed("Key of those draws.")] = 0
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Write the picture: .svg, .png or .pdf.",
            callback=writes(check_file, *PICTURES),
        ),
    ] = None
    wear: Annotated[
        Path | None,
        typer.Option(
            "--wear",
            metavar="FILE",
            help="Write a picture of error rate against cycles: closed form, numpy, and the RTL in Verilator.",
            callback=writes(check_file, *PICTURES),
        ),
    ] = None
    panels: Panels = False
    output: Annotated[Path | None, output("FILE", "Write the device as a .json preset.")] = None

    def age(self, model: DeviceModel) -> dict[str, float]:
        """Return cycles and seconds: those given, or the first at which the device holds."""
        given = {"cycles": self.cycles, "seconds": self.seconds}
        return {axis: getattr(model, f"valid_{axis}")[0] if age is None else age for axis, age in given.items()}

    def check(self) -> None:
        """Refuse what cannot be done before anything is computed."""
        in_range("seed", self.seed)

    def check_alone(self) -> None:
        """Refuse what is about one device."""
        alone = {
            "cycles": self.cycles, "seconds": self.seconds, "monte_carlo": self.monte_carlo, "output": self.output,
            "wear": self.wear,
        }  # fmt: skip
        for name, value in alone.items():
            if value is not None:
                raise InputError("must have a PRESET beside it: it is about one device", parameter=name)


@expanded
def show(
    study: Study,
    axes: Axes,
    preset: Annotated[
        str | None, typer.Argument(metavar="PRESET", help="A shipped preset (see --list) or a .json file.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the shipped presets.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a device, or compute bit error rates from statistics: 1T1R, 2T2R, and error-correcting codes.

    ln R of both states is normal, so every error rate has a closed form; docs/devices.md has the equations. Without a
    preset: the table for equal spreads, from 1T1R rate to 2T2R and codes. Presets are calibrated from a wanted error
    rate, or from published yields; none is a measured device.

    Example: [bold]oxnor device show weak-3.3e-2 --target-ber 1e-3 --plot weak.svg[/]
    """
    from oxnor.models.devices import report
    from oxnor.models.devices.model import load

    study.check()
    if preset is None:
        study.check_alone()
    if listing:
        presets = report.presets()
        print_json(presets) if as_json else print_presets(presets)
    elif preset is None:
        result = report.table(study.target_ber)
        if study.plot is not None:
            from oxnor.sim.studies.device_plots import device_plot

            device_plot(study.plot, panels=study.panels, limits=axes.limits)
        if axes.curves is not None:
            from oxnor.sim.studies.device_curves import write_curves

            write_curves(axes.curves)
        print_json(result) if as_json else print_table_of_rates(result)
    else:
        _describe(load(preset), None, study, axes, as_json)


@expanded
def fit(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="CSV", help="A header, and a line for each reading, or for both states of a device (LRS and HRS)."
        ),
    ],
    form: LabFile,
    study: Study,
    axes: Axes,
    law: Annotated[
        bool,
        typer.Option("--law/--no-law", help="Join readings of several ages by a law, or take those at --cycles alone."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Fit a device to measured resistances.

    Delimiter, decimal sign, units and columns are found out and said. Readings of several ages, in a column of cycles
    or of seconds, are fitted each alone and joined by a law of ageing. The device holds at the ages that were measured;
    --cycles and --seconds say the age where the file does not. What a resistance does not say is left ideal.

    Example: [bold]oxnor device fit measured.csv -o mine.json[/], then [bold]oxnor device show mine.json[/]
    """
    from oxnor.models.devices.fit_file import fit_csv

    study.check()
    fitted = fit_csv(file, form.form(), law=law, cycles=study.cycles, seconds=study.seconds)
    _describe(fitted.device(study.cycles, study.seconds), fitted, study, axes, as_json)


def _describe(model: DeviceModel, fitted: Fit | AgedFit | None, study: Study, axes: Axes, as_json: bool) -> None:
    from oxnor.models.devices import report
    from oxnor.models.devices.draws import check_trials
    from oxnor.models.devices.draws import monte_carlo as draw

    if study.monte_carlo is not None:
        check_trials(study.monte_carlo)
    age, limits = study.age(model), axes.limits
    aged = (model, age["cycles"], age["seconds"])
    result: dict[str, Any] = report.describe(model, **age, target=study.target_ber)
    drawn = None
    if study.monte_carlo is not None:
        with progress() as tell:
            tell("Monte Carlo", 0, 0)
            drawn = draw(
                model, study.monte_carlo, **age, seed=study.seed,
                progress=lambda k, n: tell("Monte Carlo", k, n),
            )  # fmt: skip
        result |= report.monte_carlo(drawn)
    if fitted is not None:
        result |= report.measured(fitted, model, **age)
    if study.plot is not None:
        from oxnor.sim.studies.device_plots import device_plot

        device_plot(study.plot, aged, drawn, fitted, panels=study.panels, limits=limits)
    if axes.curves is not None:
        from oxnor.sim.studies.device_curves import write_curves

        write_curves(axes.curves, aged, fitted)
    if study.wear is not None:
        result["wear"] = _wear(study.wear, model, study.seed)
    if study.output is not None:
        model.save(study.output)
    print_json(result) if as_json else print_device(result)
    if drawn and not all(estimate.agrees for estimate in drawn.values()):
        names = ", ".join(key for key, estimate in drawn.items() if not estimate.agrees)
        note(f"oxnor: Monte Carlo and closed form differ: {names}")
        raise typer.Exit(1)


def _wear(picture: Path, model: DeviceModel, seed: int) -> dict[str, Any]:
    from oxnor.sim.studies.wear import wear_picture

    with progress() as tell:
        tell("wear", 0, 0)
        points = wear_picture(picture, model, seed=seed, progress=lambda k, n: tell("wear", k, n))
    return {name: [p.to_json() for p in values] for name, values in points.items()}
