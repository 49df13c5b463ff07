"""``oxnor study ternary``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, percent, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import numbers, output, seed, words, writes
from oxnor.cli.options.source import DataDir
from oxnor.cli.options.study import StudyOutput
from oxnor.models.base.replace import check_place

if TYPE_CHECKING:
    from oxnor.sim.studies.ternary import TernaryResult


@dataclass(frozen=True)
class Synapses:
    """What the weights are, and what moves them."""

    laws: Annotated[
        str,
        typer.Option("--laws", metavar="LAW,...", help="tanh (GXNOR), linear, and mtj: a pulse linear in the step."),
    ] = "tanh"
    weights: Annotated[
        str, typer.Option("--weights", metavar="KIND,...", help="ternary: -1, 0, +1; binary: -1, +1.")
    ] = "ternary"
    table: Annotated[
        int, typer.Option("--table", metavar="N", help="Entries of the table of probabilities, 8 to 16; 0: no table.")
    ] = 16
    theta0: Annotated[
        float | None,
        typer.Option("--theta0", metavar="RAD", help="Rms thermal angle of a junction.", show_default="0.1"),
    ] = None
    u50: Annotated[
        float | None, typer.Option("--u50", metavar="U", help="Instead: the pulse at which half of them switch.")
    ] = None
    spreads: Annotated[
        str,
        typer.Option("--spreads", metavar="X,...", help="Also with such a relative spread of pulses between devices."),
    ] = ""


@dataclass(frozen=True)
class Training:
    """How they are trained."""

    layers: Annotated[
        str, typer.Option("--layers", metavar="C64-P-F512", help="The network, as for [bold]oxnor train[/].")
    ] = "F256"
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="Passes over the training images.")] = 20
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings of each.")] = 1
    seed: Annotated[int, seed("Key of the first one.")] = 1
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Images in a step.")] = 256
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="NAME", help="adam, or sgd: no memory but the weight itself.")
    ] = "adam"
    lr: Annotated[float, typer.Option("--lr", metavar="X", help="First rate of the weights.")] = 0.02
    memory: Annotated[
        float, typer.Option("--memory", metavar="X", help="Share of the mean gradient that stays after a step of Adam.")
    ] = 0.98
    input_planes: Annotated[
        int, typer.Option("--input-planes", metavar="N", help="Bit planes of a pixel: 8 for all; 0: a threshold.")
    ] = 0
    views: Annotated[
        int, typer.Option("--views", metavar="N", help="Deformed copies of the training images; 0: none.")
    ] = 0
    validation: Annotated[
        int, typer.Option("--validation", metavar="N", help="Training images that choose the epoch instead.")
    ] = 5000
    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Use the first N training images alone.")
    ] = None
    baseline: Annotated[
        bool, typer.Option("--float/--no-float", help="Also train float weights of the same shape.")
    ] = True


@expanded
def ternary(
    synapses: Synapses = Synapses(),
    training: Training = Training(),
    *,
    data_dir: DataDir = None,
    output: Annotated[Path | None, output("FILE", "Write the first network.", ".npz")] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", metavar="DIR", help="Keep the state of each training there, after each epoch.",
                     callback=writes(check_place)),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --checkpoints.")] = False,
    shown: StudyOutput,
) -> None:  # fmt: skip
    """Learn MNIST in ternary synapses of magnetic tunnel junctions, in place: no float weight stands behind them.

    A gradient step is a whole step between values, taken with a probability: that of a junction to switch. Validation
    images choose the epoch; test images are looked at once. The network runs on the engine as it is.

    Example: [bold]oxnor study ternary --laws tanh,linear,mtj --seeds 3 --pictures build/ternary[/]
    """
    from oxnor.models.base.errors import InputError
    from oxnor.models.learning.in_place import InPlaceParams
    from oxnor.models.learning.mtj import Switching
    from oxnor.models.training.presets import TrainingData
    from oxnor.sim.studies import ternary as task

    if synapses.theta0 is not None and synapses.u50 is not None:
        raise InputError("must not be given together with `theta0`", parameter="u50")
    switching = Switching() if synapses.theta0 is None else Switching(synapses.theta0)
    if synapses.u50 is not None:
        switching = Switching.at(synapses.u50)
    names = ("layers", "epochs", "seed", "batch", "optimizer", "lr", "memory", "input_planes", "views", "validation")
    params = task.TernaryParams(
        _named(synapses.laws), _named(synapses.weights),
        numbers("spreads", synapses.spreads, float, "numbers with commas", blanks=True), synapses.table, switching,
        training.seeds, training.baseline, InPlaceParams(**{name: getattr(training, name) for name in names}),
    )  # fmt: skip
    sets = TrainingData.load("mnist", data_dir=data_dir)
    if training.images is not None:
        sets = TrainingData(sets.train.first(training.images), sets.test)
    with progress() as tell:
        result = task.study(
            sets, params, name=output.stem if output else "ternary", checkpoints=checkpoints, resume=resume,
            progress=lambda what, e: tell(what, e.number, training.epochs, f"validation {percent(e.accuracy)} %"),
        )  # fmt: skip
    if output:
        result.network.save(output)
    shown.give(result, task.plots, _show)


def _named(text: str) -> tuple[str, ...]:
    return tuple(filter(None, words(text)))


def _show(result: TernaryResult) -> None:
    from oxnor.sim.studies import ternary as task

    rows = []
    for name, trainings in result.trainings.items():
        p = result.test(name)
        validation = sum(t.best.accuracy for t in trainings) / len(trainings)
        changes = sum(t.epochs[-1].changes for t in trainings) / len(trainings)
        epochs, test = ", ".join(str(t.best.number) for t in trainings), percent(p.mean, p.mean_low, p.mean_high, 2)
        rows.append((name, epochs, f"{100 * validation:.2f}", test, "" if name == task.FLOAT else f"{changes:.2f}"))
    head = ("weights, law", "epoch", "validation (%)", "test (%)", "changes a weight")
    print_table(head, rows, title=f"{result.params.training.layers}, {result.params.training.epochs} epochs")
    several = result.params.seeds > 1
    seeds = f"means of {result.params.seeds} seeds with 95 % intervals" if several else "one seed"
    note(f"MNIST, {result.images} training and {result.test_images} test images, {seeds}; validation chooses the epoch")
    first = next(iter(result.trainings))
    note(f"other test images would move a rate by {100 * result.test(first).test_se:.2f} points (1 sd)")
    note(f"published, with other data for training and choice: {task.SOURCE}")
