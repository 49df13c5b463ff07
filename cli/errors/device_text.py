"""Devices as tables for people."""

from __future__ import annotations

from typing import Any

from oxnor.cli.console import print_table, say
from oxnor.models.base.words import counted


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
    _print_rates(report)
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
        _print_ages(report["fit"]) if "ages" in report["fit"] else _print_fit(report["fit"])
        say(f"Read as: {'; '.join(report['fit']['read_as'])}.")
        for reason in report["not_log_normal"]:
            say(f"Not log-normal: {reason}.")


def _print_rates(report: dict[str, Any]) -> None:
    """Print the bit error rates: in closed form, counted over readings, by the law of their tails, and drawn."""
    from oxnor.models.devices.report import RATES

    ends, drawn = report.get("intervals", {}), report.get("monte_carlo", {})
    head, lines = ["stored as", "devices a bit", "bit error rate"], []
    extra = {"counted": "counted", "tail": "law of tails"}
    shown = {key: name for key, name in extra.items() if key in report}
    for key, (name, devices) in RATES.items():
        row = [name, _g(devices, 4), _g(report["error_rates"][key], 4)]
        row += [_span(ends.get(key))] * bool(ends)
        for part in shown:
            value = report[part].get(key)
            row.append("" if value is None else f"{_g(value['rate'], 3)} ({_span(value)})")
        if key in drawn:
            row += [_g(drawn[key]["rate"], 4), _span(drawn[key])]
        lines.append(row)
    head += ["99 % interval"] * bool(ends) + list(shown.values())
    print_table(head + (["Monte Carlo", "99 % interval"] if drawn else []), lines)
    three = report["three_states"]
    print_table(
        ("pairs of three states, one read", "rate"),
        [
            ("0 reads as +1 or -1", _g(three["zero"], 4)),
            ("+1 or -1 reads as 0", _g(three["lost"], 4)),
            ("+1 reads as -1, or -1 as +1", _g(three["sign"], 4)),
            ("both HRS above", f"{_g(three['threshold'], 4)} ohm"),
        ],
    )
    if "counted" in report:
        pairs, moved = report["counted"]["ber_2t2r"], report["counted"]["moved"]
        text = f"Counted: {pairs['errors']:,} wrong of {pairs['count']:,} pairs"
        say(text + (", all readings moved to this age by the law." if moved else "."))
    if "tail" in report:
        laws = ", ".join(f"{s.upper()} {report['tail'][s]['law']}" for s in ("lrs", "hrs"))
        say(f"Law of tails, by the likelihood of devices held out: {laws}.")


def _span(value: dict[str, float] | None) -> str:
    # A count with few devices at the edge has intervals that begin at next to nothing.
    return "" if value is None else f"{_g(value['low'] if value['low'] > 1e-15 else 0.0)} to {_g(value['high'])}"


def _print_ages(fit: dict[str, Any]) -> None:
    """Print what each age says alone, and the law that joins them."""
    axis, law = fit["axis"], fit["law"]
    head = [axis, "devices", *(f"{s} {what}" for s in ("LRS", "HRS") for what in ("(ohm)", "sigma", "p-value"))]
    head += ["2T2R", "counted", "99 % interval", "by the law"]
    rows = []
    for row in fit["ages"]:
        rate = row["ber_2t2r"]
        digits = {"median": 4, "sigma": 4, "normal_p": 2}
        states = [_g(row[s][key], n) for s in ("lrs", "hrs") for key, n in digits.items()]
        closed = [_g(rate["closed_form"]), _g(rate["counted"]["rate"]), _span(rate["counted"]), _g(rate["law"])]
        rows.append([_g(row[axis]), str(row["devices"]), *states, *closed])
    print_table(head, rows, title=f"Each age of {fit['file']} by itself; p-values of normality of ln R")
    for row in fit["ages"]:
        for state in ("lrs", "hrs"):
            if row[state]["outliers"]:
                say(f"Outliers of {state.upper()} at {_g(row[axis])} {axis} (lines): {_cell(row[state], 'outliers')}.")
    rows = [[name, _g(n["value"], 4), f"{_g(n['low'])} to {_g(n['high'])}"] for name, n in law["numbers"].items()]
    title = f"Law of {law['name']}; intervals by drawing {law['resampled']} again"
    print_table(("number", "value", "99 % interval"), rows, title=title)


def _print_fit(fit: dict[str, Any]) -> None:
    names = {
        "count": "readings", "devices": "devices", "median": "median (ohm)", "sigma": "sigma of ln R",
        "device_sigma": "from device to device", "cycle_sigma": "from cycle to cycle",
        "normal_p": "p-value of normality", "log_normal": "log-normal", "outliers": "outliers (lines)",
    }  # fmt: skip
    rows = [(name, *(_cell(fit[state], key) for state in ("lrs", "hrs"))) for key, name in names.items()]
    low, high = fit["readings_per_device"]
    readings = counted(low, "reading") if low == high else f"{low} to {high} readings"
    title = f"Fit of {fit['file']}: {counted(fit['devices'], 'device')} of {readings} each; 99 % intervals"
    print_table(("", "LRS", "HRS"), rows, title=title)


def _cell(fit: dict[str, Any], key: str) -> str:
    value = fit[key]
    if f"{key}_low" in fit:
        return f"{_g(value, 5)} ({_g(fit[f'{key}_low'], 5)} to {_g(fit[f'{key}_high'], 5)})"
    if isinstance(value, list):
        some = ", ".join(map(str, value[:6])) + (" ..." if len(value) > 6 else "")
        return f"{fit['outlier_count']} ({some})" if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else _g(value)
