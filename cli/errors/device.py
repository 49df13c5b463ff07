"""``oxnor device``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options import AsJson
from oxnor.models.base.errors import InputError

_FIT = "Your own measurements"


def device(
    preset: Annotated[
        str | None, typer.Argument(metavar="PRESET", help="A shipped preset (see --list) or a path to a .json file.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the shipped presets.")] = False,
    cycles: Annotated[
        float, typer.Option("--cycles", metavar="N", help="SET/RESET cycles that the devices have behind them.")
    ] = 0.0,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="T", help="Seconds since they were programmed.")
    ] = 0.0,
    target_ber: Annotated[
        float | None,
        typer.Option("--target-ber", metavar="P", help="Also tell how far apart LRS and HRS must be for this rate."),
    ] = None,
    monte_carlo: Annotated[
        int | None,
        typer.Option("--monte-carlo", metavar="N", help="Draw N bits of each kind too; exit code 1 if they disagree."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Key of those draws.")] = 0,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Write the picture: .svg, .png or .pdf.")
    ] = None,
    wear: Annotated[
        Path | None,
        typer.Option(
            "--wear",
            metavar="FILE",
            help="Write a picture of error rate against cycles: closed form, numpy, and the RTL in Verilator.",
        ),
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(
            "--fit",
            metavar="CSV",
            help="Fit a device to a file with the columns device, state (LRS or HRS), resistance (ohm).",
            rich_help_panel=_FIT,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the device as a .json preset.", rich_help_panel=_FIT
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """From device statistics to bit error rates: 1T1R, 2T2R, and error-correcting codes.

    ln R of both states is normal, so every error rate has a closed form; docs/devices.md has the equations. Without a
    preset: the table for equal spreads, from 1T1R rate to 2T2R and codes. Presets are calibrated from a wanted error
    rate; none is a measured device.

    Example: [bold]oxnor device weak-3.3e-2 --target-ber 1e-3 --plot weak.svg[/]

    Your own: [bold]oxnor device --fit measured.csv -o mine.json[/], then [bold]oxnor device mine.json[/].
    """
    if seed < 0 or seed >= 1 << 63:
        raise InputError(f"--seed must be in [0, 2**63), not {seed}")
    if preset is not None and fit is not None:
        raise InputError("PRESET and --fit must not be given together: a fit is its own device")
    if preset is None and fit is None:
        alone = {"--cycles": cycles or None, "--seconds": seconds or None, "--monte-carlo": monte_carlo, "-o": output}
        alone |= {"--wear": wear}
        for name, given in alone.items():
            if given is not None:
                raise InputError(f"{name} must have a PRESET or --fit beside it: it is about one device")
    from oxnor.models.devices import report as device_report

    for picture in (plot, wear):
        if picture is not None:
            from oxnor.sim.drawing.picture import check_name

            check_name(picture)
    if show:
        presets = device_report.presets()
        print_json(presets) if as_json else _print_presets(presets)
        return

    from oxnor.models.devices.draws import check_trials
    from oxnor.models.devices.draws import monte_carlo as draw
    from oxnor.models.devices.fit import fit_csv
    from oxnor.models.devices.model import load

    if monte_carlo is not None:
        check_trials(monte_carlo)
    fitted = fit_csv(fit) if fit is not None else None
    model = load(preset) if preset is not None else fitted.device(cycles, seconds) if fitted is not None else None
    drawn = None
    if model is None:
        found = device_report.table(target_ber)
    else:
        aged: dict[str, Any] = {"cycles": cycles, "seconds": seconds}
        found = device_report.describe(model, **aged, target=target_ber)
        if monte_carlo is not None:
            with progress() as tell:
                tell("Monte Carlo", 0, 0)
                drawn = draw(model, monte_carlo, **aged, seed=seed, progress=lambda k, n: tell("Monte Carlo", k, n))
            found |= device_report.monte_carlo(drawn)
        if fitted is not None:
            found["fit"] = fitted.to_json()
    if plot is not None:
        from oxnor.sim.studies.device_plots import device_plot

        device_plot(plot, None if model is None else (model, cycles, seconds), drawn, fitted)
    if wear is not None and model is not None:
        from oxnor.sim.studies.wear import wear_picture

        with progress() as tell:
            tell("wear", 0, 0)
            points = wear_picture(wear, model, seed=seed, progress=lambda k, n: tell("wear", k, n))
        found["wear"] = {name: [p.to_json() for p in values] for name, values in points.items()}
    if output is not None and model is not None:
        model.save(output)
    if as_json:
        print_json(found)
    elif model is None:
        _print_table(found)
    else:
        _print_device(found)
    if drawn and not all(estimate.agrees for estimate in drawn.values()):
        names = ", ".join(key for key, estimate in drawn.items() if not estimate.agrees)
        note(f"oxnor: Monte Carlo and closed form differ: {names}")
        raise typer.Exit(1)


def _g(value: float | None, digits: int = 3) -> str:
    return "none" if value is None else f"{value:.{digits}g}"


def _print_presets(found: list[dict[str, Any]]) -> None:
    rows = [(e["name"], e["description"], _g(e["ber_1t1r"]), _g(e["ber_2t2r_offset"])) for e in found]
    print_table(("preset", "what it is", "1T1R", "2T2R with offset"), rows, left=2)


def _print_table(found: dict[str, Any]) -> None:
    law = "(n - 1) p\u00b2"
    head = ("1T1R: p", "2T2R", "SECDED(8,4)", law, "SECDED(39,32)", law, "SECDED(72,64)", law)
    rows = [
        tuple(_g(v) for key, v in row.items() if not key.endswith("pessimistic")) for row in found["error_rates"]
    ]
    print_table(head, rows, title="Bit error rates, for states of one sigma and ideal amplifiers")
    rows = [(_g(r["ber_2t2r"]), _g(r["in_sigmas"]), _g(r["ber_1t1r"])) for r in found["separations"]]
    print_table(("2T2R wanted", "D in sigmas", "1T1R there"), rows, title="Separation D of the means of ln R")
    _print_target(found)


def _print_target(found: dict[str, Any]) -> None:
    from oxnor.models.devices.report import RATES

    if "target" not in found:
        return
    target = dict(found["target"])
    title = f"Separation for an error rate of {target.pop('error_rate'):g}"
    rows = [(RATES[k][0], _g(v["ratio"], 4), _g(v["difference"], 4), _g(v["in_sigmas"], 4)) for k, v in target.items()]
    print_table(("stored as", "HRS / LRS", "D (ln)", "D in sigmas"), rows, title=title)


def _print_device(found: dict[str, Any]) -> None:
    from oxnor.models.devices.report import RATES

    states, reference = found["states"], found["reference"]
    typer.echo(f"{found['device']}: {found['description']}")
    rows = [(s.upper(), _g(states[f"{s}_median"], 4), _g(states[f"{s}_sigma"], 4)) for s in ("lrs", "hrs")]
    print_table(("state", "median (ohm)", "sigma of ln R"), rows)
    about = [
        ("age", f"{found['cycles']:g} cycles, {found['seconds']:g} s after programming"),
        ("HRS / LRS", _g(states["ratio"], 4)),
        ("best reference", f"{reference['best']:.4g} ohm: fewest errors"),
        ("equalising reference", f"{reference['equalising']:.4g} ohm: LRS and HRS err equally often"),
    ]
    print_table(("", ""), about, left=2)
    drawn = found.get("monte_carlo", {})
    lines = []
    for key, (name, devices) in RATES.items():
        row = [name, _g(devices, 4), _g(found["error_rates"][key], 4)]
        if key in drawn:
            e = drawn[key]
            row += [_g(e["rate"], 4), f"{e['low']:.3g} to {e['high']:.3g}"]
        lines.append(row)
    head = ["stored as", "devices a bit", "bit error rate"]
    print_table(head + (["Monte Carlo", "99 % interval"] if drawn else []), lines)
    _print_target(found)
    if "wear_curve" in found:
        curve = found["wear_curve"]
        some = range(0, len(curve["cycles"]), 5)
        keys = ("cycles", "ber_1t1r", "ber_2t2r", "ber_2t2r_offset", "secded_8_4")
        head = [RATES[key][0] if key in RATES else key for key in keys]
        print_table(head, [[_g(curve[key][k]) for key in keys] for k in some], title="Wear")
    for name, points in found.get("wear", {}).items():
        head = ["cycles", "wrong bits", "of", "bit error rate", "99 % interval", "closed form"]
        lines = [
            [_g(p["cycles"]), f"{p['errors']:,}", f"{p['trials']:,}", _g(p["rate"]),
             f"{p['low']:.3g} to {p['high']:.3g}", _g(p["exact"])]
            for p in points
        ]  # fmt: skip
        print_table(head, lines, title={"numpy": "Drawn by numpy", "rtl": "Programmed in the RTL"}[name])
    if "fit" in found:
        _print_fit(found["fit"])


def _print_fit(fit: dict[str, Any]) -> None:
    names = {
        "count": "readings", "devices": "devices", "median": "median (ohm)", "sigma": "sigma of ln R",
        "device_sigma": "from device to device", "cycle_sigma": "from cycle to cycle",
        "normal_p": "p-value of normality", "log_normal": "log-normal", "outliers": "outliers (lines)",
    }  # fmt: skip
    rows = [(name, *(_cell(fit[state], key) for state in ("lrs", "hrs"))) for key, name in names.items()]
    counts = [a["lrs"] + a["hrs"] for a in fit["per_device"].values()]
    title = f"Fit of {fit['file']}: {len(counts):,} devices of {min(counts)} to {max(counts)} readings; 99 % intervals"
    print_table(("", "LRS", "HRS"), rows, title=title)


def _cell(fit: dict[str, Any], key: str) -> str:
    value = fit[key]
    if f"{key}_low" in fit:
        return f"{_g(value, 5)} ({_g(fit[f'{key}_low'], 5)} to {_g(fit[f'{key}_high'], 5)})"
    if isinstance(value, list):
        some = ", ".join(map(str, value[:6])) + (" ..." if len(value) > 6 else "")
        return f"{len(value)} ({some})" if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else _g(value)
