"""Devices as tables for people."""

from __future__ import annotations

from typing import Any

from oxnor.cli.console import print_table, say


def _g(value: float | None, digits: int = 3) -> str:
    return "none" if value is None else f"{value:.{digits}g}"


def print_presets(report: list[dict[str, Any]]) -> None:
    """Print the shipped presets."""
    rows = [(e["name"], e["description"], _g(e["ber_1t1r"]), _g(e["ber_2t2r_offset"])) for e in report]
    print_table(("preset", "what it is", "1T1R", "2T2R with offset"), rows, left=2)


def print_table_of_rates(report: dict[str, Any]) -> None:
    """Print error rates for states of one spread."""
    law = "(n - 1) p\u00b2"
    head = ("1T1R: p", "2T2R", "SECDED(8,4)", law, "SECDED(39,32)", law, "SECDED(72,64)", law)
    rows = [
        tuple(_g(v) for key, v in row.items() if not key.endswith("pessimistic")) for row in report["error_rates"]
    ]
    print_table(head, rows, title="Bit error rates, for states of one sigma and ideal amplifiers")
    rows = [(_g(r["ber_2t2r"]), _g(r["in_sigmas"]), _g(r["ber_1t1r"])) for r in report["separations"]]
    print_table(("2T2R wanted", "D in sigmas", "1T1R there"), rows, title="Separation D of the means of ln R")
    _print_target(report)


def _print_target(report: dict[str, Any]) -> None:
    from oxnor.models.devices.report import RATES

    if "target" not in report:
        return
    target = dict(report["target"])
    title = f"Separation for an error rate of {target.pop('error_rate'):g}"
    rows = [(RATES[k][0], _g(v["ratio"], 4), _g(v["difference"], 4), _g(v["in_sigmas"], 4)) for k, v in target.items()]
    print_table(("stored as", "HRS / LRS", "D (ln)", "D in sigmas"), rows, title=title)


def print_device(report: dict[str, Any]) -> None:
    """Print a device, its error rates, and what was drawn or measured of it."""
    from oxnor.models.devices.report import RATES

    states, reference = report["states"], report["reference"]
    say(f"{report['device']}: {report['description']}")
    rows = [(s.upper(), _g(states[f"{s}_median"], 4), _g(states[f"{s}_sigma"], 4)) for s in ("lrs", "hrs")]
    print_table(("state", "median (ohm)", "sigma of ln R"), rows)
    about = [
        ("age", f"{report['cycles']:g} cycles, {report['seconds']:g} s after programming"),
        ("HRS / LRS", _g(states["ratio"], 4)),
        ("best reference", f"{reference['best']:.4g} ohm: fewest errors"),
        ("equalising reference", f"{reference['equalising']:.4g} ohm: LRS and HRS err equally often"),
    ]
    print_table(("", ""), about, left=2)
    drawn = report.get("monte_carlo", {})
    lines = []
    for key, (name, devices) in RATES.items():
        row = [name, _g(devices, 4), _g(report["error_rates"][key], 4)]
        if key in drawn:
            e = drawn[key]
            row += [_g(e["rate"], 4), f"{e['low']:.3g} to {e['high']:.3g}"]
        lines.append(row)
    head = ["stored as", "devices a bit", "bit error rate"]
    print_table(head + (["Monte Carlo", "99 % interval"] if drawn else []), lines)
    _print_target(report)
    if "wear_curve" in report:
        curve = report["wear_curve"]
        some = range(0, len(curve["cycles"]), 5)
        keys = ("cycles", "ber_1t1r", "ber_2t2r", "ber_2t2r_offset", "secded_8_4")
        head = [RATES[key][0] if key in RATES else key for key in keys]
        print_table(head, [[_g(curve[key][k]) for key in keys] for k in some], title="Wear")
    for name, points in report.get("wear", {}).items():
        head = ["cycles", "wrong bits", "of", "bit error rate", "99 % interval", "closed form"]
        lines = [
            [_g(p["cycles"]), f"{p['errors']:,}", f"{p['trials']:,}", _g(p["rate"]),
             f"{p['low']:.3g} to {p['high']:.3g}", _g(p["exact"])]
            for p in points
        ]  # fmt: skip
        print_table(head, lines, title={"numpy": "Drawn by numpy", "rtl": "Programmed in the RTL"}[name])
    if "fit" in report:
        _print_fit(report["fit"])


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
