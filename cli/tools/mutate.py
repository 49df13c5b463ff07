"""``oxnor tools mutate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, percent, print_json, print_table, progress
from oxnor.cli.options.common import AsJson, writes
from oxnor.models.base.replace import check_file

if TYPE_CHECKING:
    from oxnor.sim.verify.mutations.summary import Score

_HEAD_OF_LIST = ("unit", "what", "mutants", "waiting", "score %")
_HEAD = ("unit", "mutants", "of", "killed", "equivalent", "with a reason", "alive", "waiting", "score %", "s")


def mutate(
    units: Annotated[
        list[str] | None,
        typer.Argument(metavar="[UNIT]...", help="Units, as the list names them.", show_default="all"),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the units and what is in the file, and stop.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="What came of each mutant of one draw; it goes on from there.",
            show_default="mutations.sqlite among the builds", callback=writes(check_file),
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Mutants to draw of a unit with more.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 1,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Break units in hundreds of small ways: their tests must find each.

    Yosys builds all mutants of a unit into one netlist, and the unit's own testbench runs on each. ABC then proves
    survivors equivalent to the unit, or finds that they are not. Exit code 1 if one is left without a reason.

    Example: [bold]oxnor tools mutate fifo argmax[/]
    """
    from oxnor.models.base.files import build_root
    from oxnor.sim.verify.mutations.run import try_all
    from oxnor.sim.verify.mutations.source_run import SOURCES
    from oxnor.sim.verify.mutations.store import Mutations
    from oxnor.sim.verify.mutations.summary import fate, results, scores, survivors
    from oxnor.sim.verify.mutations.units import UNITS, known

    path = output or build_root() / "mutations.sqlite"
    every = {name: unit.what for name, unit in (UNITS | SOURCES).items()}
    names = list(units or every)
    for name in names:
        known(name)
    with Mutations(path) as store:
        if not listed:
            with progress() as tell:
                try_all(names, store, sample=sample, seed=seed, progress=tell)
        found, left, whole = scores(store, names), survivors(store, names), results(store, names)
    tried = {s.unit: s for s in found}
    bad = [m for m in left if fate(m) == "alive"]
    if as_json:
        known_units = {"units": [_described(n, every[n], tried) for n in names]} if listed else {}
        print_json({"file": str(path)} | whole | known_units)
    elif listed:
        figures = {n: (str(s.mutants), str(s.waiting), _score(s)) for n, s in tried.items()}
        print_table(_HEAD_OF_LIST, [(n, every[n], *figures.get(n, ("", "", ""))) for n in names], left=2)
    else:
        counts = [[getattr(s, n) for n in ("mutants", "of", *_COUNTS)] for s in found]
        print_table(
            _HEAD,
            [(s.unit, *map(str, row), _score(s), f"{s.seconds:.0f}") for s, row in zip(found, counts, strict=True)],
        )
        for m in bad:
            note(f"{m.unit} {m.number}: {m.mutant}: {m.verdict}")
    if bad and not listed:
        raise typer.Exit(1)


_COUNTS = ("killed", "equivalent", "reasons", "alive", "waiting")


def _score(score: Score) -> str:
    if not score.trials:
        return "-"
    return percent(score.score, *((score.low, score.high) if score.mutants < score.of else ()))


def _described(name: str, what: str, tried: Mapping[str, Score]) -> dict[str, object]:
    known = name in tried and tried[name].trials
    return {"unit": name, "what": what, "score": tried[name].score if known else None}
