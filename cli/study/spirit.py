"""``oxnor study spirit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from oxnor.cli.console import note, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import seed
from oxnor.cli.options.source import SpikingOption, TestSet
from oxnor.cli.options.study import StudyOutput


@dataclass(frozen=True)
class Task:
    """What is computed."""

    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Draws of wrong cells at each rate.")] = 5
    image: Annotated[int, typer.Option("--image", metavar="K", help="Which digit to draw event by event.")] = 0
    seed: Annotated[int, seed("Key of the drawn errors.")] = 0


@expanded
def spirit(
    source: SpikingOption,
    options: Task,
    *,
    data: TestSet,
    shown: StudyOutput,
) -> None:
    """Compare the spiking mode on the SPIRIT chip's task with the published figures.

    Accuracy and input spikes at Delta S = 10, the curves against Delta S, against wrong cells and, beside a network
    that is trained for them, against refractory periods, and one digit event by event until its decision. Everything
    comes from the golden model, which the RTL equals on every spike ([bold]oxnor simulate mnist-spirit[/]).

    Example: [bold]oxnor study spirit --pictures build/spirit[/]
    """
    from oxnor.models import zoo
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.golden.registry import only
    from oxnor.models.networks.spiking import SpikingNetwork
    from oxnor.sim.studies import spirit as task

    design = source.read(data, data=DataOptions(at_most=10_000))
    loaded = only(design.loaded, SpikingNetwork, "for this command")
    inputs = design.inputs()
    if inputs.labels is None:
        from oxnor.models.base.errors import InputError

        raise InputError(f"network {loaded.name!r}: must take digits of 28 x 28 pixels for this command")
    task.check(len(inputs.images), options.trials, options.image)
    beside = zoo.load("mnist-spirit-tanh")
    with progress() as tell:
        result = task.spirit(
            loaded, inputs.images, inputs.labels, trials=options.trials, seed=options.seed, image=options.image,
            beside=beside if beside.digest != loaded.digest else None,
            progress=lambda done, total: tell(loaded.name, done, total),
        )  # fmt: skip
    shown.give(result, task.plots, lambda found: _show(found, options.trials))


def _show(result: Any, trials: int) -> None:
    from oxnor.sim.studies import spirit as task

    print_table(("", "published", "oxnor"), task.table(result))
    rows = [
        (f"{d['delta_s']}", f"{100 * d['accuracy']:.2f} %", f"{d['input_spikes']:.1f}", f"{100 * d['undecided']:.1f} %")
        for d in result.deltas
    ]
    print_table(("Delta S", "accuracy", "input spikes", "undecided"), rows)
    cells = [(f"{c['rate']:g}", f"{100 * c['accuracy']:.2f} %", f"{100 * c['low']:.2f} to {100 * c['high']:.2f} %")
             for c in result.cells]  # fmt: skip
    print_table(("wrong cells", "accuracy", f"range of {trials} trials"), cells)
    periods = zip(task.REFRACTORIES, *result.refractory.values(), strict=True)
    held = [(str(ticks), *(f"{100 * a:.2f} %" for a in accuracy)) for ticks, *accuracy in periods]
    print_table(("refractory ticks", *result.refractory), held)
    for source in task.SOURCES:
        note(source)
