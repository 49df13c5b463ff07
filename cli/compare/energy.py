"""``oxnor energy``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table, progress, say
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import OUTPUT, PICTURES, AsJson, output, writes
from oxnor.cli.options.engine import Engine
from oxnor.cli.options.source import Data, Source
from oxnor.cli.text import command_line
from oxnor.hw.params.options import EngineOptions
from oxnor.models.base.replace import check_file

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.sim.silicon.energy import EnergyOptions


@dataclass(frozen=True)
class Silicon:
    """What the engine is made of."""

    technology: Annotated[
        str | None,
        typer.Option(
            "--technology", metavar="NAME|FILE.toml", help="Standard cells and macros: docs/energy.md.",
            show_default="ihp-sg13g2",
        ),
    ] = None
    rram: Annotated[
        str | None, typer.Option("--rram", metavar="NAME", help="RRAM macro of the technology. Default: its first.")
    ] = None
    periphery: Annotated[
        float | None,
        typer.Option(
            "--periphery", metavar="PJ", help="Energy of a read beside its sense amplifiers.",
            show_default="the technology's range",
        ),
    ] = None
    no_clock_gating: Annotated[
        bool, typer.Option("--no-clock-gating", help="Let the clock reach every flip-flop in every cycle.")
    ] = False  # fmt: skip

    device: Annotated[
        str,
        typer.Option("--device", metavar="PRESET|FILE", help="The devices of error rates (oxnor device show --list)."),
    ] = "calibrated-1e-4"

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        return design if self.technology is None else replace(design, technology=self.technology)

    def options(self) -> EnergyOptions:
        """Return them as the library takes them."""
        from oxnor.sim.silicon.energy import EnergyOptions

        return EnergyOptions(self.rram, self.periphery, not self.no_clock_gating, self.device)


@expanded
def energy(
    ctx: typer.Context,
    source: Source,
    silicon: Silicon,
    data: Data,
    engine: Engine,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="FILE", help="Draw energy by unit, with RRAM and with SRAM, there.",
            rich_help_panel=OUTPUT, callback=writes(check_file, *PICTURES),
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output("FILE", "Write unit energies, areas and counts with their sources: .yaml.", ".yaml", ".yml",
               rich_help_panel=OUTPUT),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compute energy, area and clock of the engine in standard cells, beside the same engine with SRAM.

    Synthesizes the engine (target asic unless --target says otherwise), runs images through its gates, compares each
    result with the golden model, and takes the energy of what changed from the cells' Liberty tables. Macros are reads
    times the energy of a read. Every number put in is printed with its source; what is left out, with an estimate.
    Exit code 1 if a result of the gates differs.

    Example: [bold]oxnor energy mnist-tfc --picture energy.svg[/]
    """
    design = source.read(data, engine, silicon, engine=EngineOptions(target="asic"))
    if source.design is None and engine.target is None:
        design = design.with_engine(target="asic")
    with progress() as tell:
        report = design.energy(silicon.options(), progress=lambda what: tell(what, 0, 0))
    if picture is not None:
        from oxnor.sim.silicon.energy_picture import energy_picture

        energy_picture(report).save(picture)
    if output is not None:
        from oxnor.models.base.files import write_text
        from oxnor.sim.silicon.components import components, yaml_text

        write_text(output, yaml_text(components(report), command_line(ctx, without=("as_json",))))
    described = report.to_json()
    if as_json:
        print_json(described)
    else:
        _print(described)
    if report.gates.differ:
        gates = report.gates
        note(f"oxnor: {gates.differ:,} of {gates.images:,} results of the gates differ from the golden model")
        raise typer.Exit(1)


def _print(r: dict[str, Any]) -> None:
    gates = r["gates"]
    gating = "clocks gated" if gates["clock_gating"] else "clocks not gated"
    rows = [
        (u["unit"], f"{u['cells']:,}", f"{u['flops']:,}", f"{u['clock_gates']:,}", f"{u['area_um2']:,.0f}",
         *(f"{u[k]:,.1f}" for k in ("data_pj", "clock_pj", "leakage_pj", "total_pj")))
        for u in r["units"]
    ]  # fmt: skip
    d = r["digital"]
    rows.append(
        ("all units", f"{gates['cells']:,}", f"{gates['flops']:,}", f"{sum(u['clock_gates'] for u in r['units']):,}",
         f"{1e6 * gates['area_mm2']:,.0f}",
         *(f"{d[k]:,.1f}" for k in ("data_pj", "clock_pj", "leakage_pj", "total_pj")))
    )  # fmt: skip
    head = ("unit", "cells", "flip-flops", "clock gates", "um2", "data, pJ", "clock, pJ", "leakage, pJ", "pJ an image")
    print_table(head, rows, title=f"{r['network']} in {r['technology']}, {r['supply_v']:g} V, {gating}")
    say(
        f"{gates['images']:,} images ({gates['source']}) through the gates: {gates['differ']:,} results differ from the"
        f" golden model. Changes of {gates['counted']:,.0f} images are counted. Delays: {r['timing']['tool']}.\n"
    )
    print_table(("an image", "with RRAM", "with SRAM"), _kinds(r))
    rram = r["rram"]
    tall = "" if rram["rows"] is None else f" of {rram['rows']} rows"
    offset = "is not simulated: oxnor device circuit"
    if rram["offset_sd"] is not None:
        offset = "has a standard deviation of {:.3f} and {:.3f} in ln R for x = 1 and 0".format(*rram["offset_sd"])
    conditions = f"{rram['supply_v']:g} V, a precharge of {rram['precharge_ns']:g} ns"
    say(f"RRAM macro {rram['name']}{tall}: {conditions}, at which the offset of its amplifiers {offset}.")
    say(f"{_sentence(r['comparison'])} {r['precision']}, {r['node_nm']:g} nm; an XNOR and its addition are"
        f" {r['operations_per_xnor']} operations.\n")  # fmt: skip
    if r["clocks"]["rows"]:
        _print_clocks(r["clocks"])
    print_table(("not included", "pJ an image", "tag", "estimate from"),
                [(e["what"], _range(e["pj"], ",.0f"), e["tag"], e["source"]) for e in r["excluded"]],
                left=4)  # fmt: skip
    print_table(("standby", ""), _standby(r["standby"]), left=2)
    print_table(("number put in", "value", "unit", "tag", "source"),
                [(name, _range([f["low"], f["high"]]), f["unit"], f["tag"], f["source"])
                 for name, f in r["numbers"].items()], left=5)  # fmt: skip
    print_table(("published by others", "node", "precision", "value", "unit", "source"),
                [(p["what"], f"{p['node_nm']} nm" if p["node_nm"] else "", p["precision"], f"{p['value']:.3g}",
                  p["unit"], p["source"]) for p in r["published"]], left=6)  # fmt: skip



def _print_clocks(clocks: dict[str, Any]) -> None:
    """Print what each precharge costs in errors and allows in clock."""
    rows = [
        (f"{c['precharge_ns']:g}{' (this engine)' if c['used'] else ''}", f"{c['clock_mhz']:.3g}", c["limit"],
         f"{c['offset']:.4f}", f"{c['ber_2t2r']:.4g}", f"{c['read_fj']:.4g}")
        for c in clocks["rows"]
    ]  # fmt: skip
    head = ("precharge (ns)", "clock (MHz)", "set by the", "offset (ln R)", "2T2R error rate", "fJ a bit")
    print_table(head, rows, title=f"Clock against error rate, devices of {clocks['device']}")


def _kinds(r: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table of both kinds of macros."""
    both = (r["rram"], r["sram"])
    rows: list[tuple[str, ...]] = [("digital, nJ", *(f"{1e-3 * f['digital_pj']:.3f}" for f in both))]
    for k, figures in enumerate(both):
        rows += [
            (f"{name}, nJ", *(_range([1e-3 * v for v in part]) if j == k else "" for j in range(2)))
            for name, part in figures["parts_pj"].items()
        ]
    names = {"nj_per_image": "energy, nJ", "fj_per_xnor": "fJ an XNOR", "tops_per_w": "TOPS/W"}
    rows += [(text, *(_range(f[name]) for f in both)) for name, text in names.items()]
    paths = r["timing"]
    rows.append(("longest path, ns", *(f"{paths[k]['ns']:.2f}" for k in ("rram", "sram"))))
    if (second := paths["second"]) is not None:
        rows.append((f"by {second['tool']}", *(f"{second[f'{k}_ns']:.2f}" for k in ("rram", "sram"))))
    digital = paths["digital"]
    rows.append(("without macros, ns", *2 * (f"{digital['ns']:.2f}",)))
    names = {
        "clock_mhz": "clock, MHz", "latency_us": "latency, us", "images_per_s": "images/s", "area_mm2": "area, mm2",
        "tops_per_mm2": "TOPS/mm2",
    }  # fmt: skip
    rows += [(text, *(f"{f[name]:,.4g}" for f in both)) for name, text in names.items()]
    rows.append(("standby, uW", *(f"{1e6 * f['standby_w']:.3g}" for f in both)))
    return rows


def _standby(s: dict[str, Any]) -> list[tuple[str, str]]:
    program = _range([1e6 * v for v in s["rram_program_j"]])
    rows = [
        ("SRAM keeps its weights", f"{1e6 * s['sram_retention_w']:.3g} uW"),
        ("SRAM loads them again", f"{1e6 * s['sram_reload_j']:.3g} uJ"),
        ("RRAM keeps its weights", "0 uW"),
        ("RRAM wakes up", f"{_range(s['rram_wake_us'])} us"),
        ("RRAM is programmed", f"{program} uJ, as much as {_range(s['rram_program_images'], ',.0f')} images"),
        ("break-even", s["break_even"]),
    ]  # fmt: skip
    if s["sram_off_longer_than_s"] is not None:
        rows.insert(2, ("loading takes less than keeping", f"after {s['sram_off_longer_than_s']:.3g} s"))
    return rows


def _range(ends: list[float], form: str = ".4g") -> str:
    low, high = (format(v, form) for v in ends)
    return low if low == high else f"{low} to {high}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
