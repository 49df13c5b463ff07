"""``oxnor study vowels``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, percent, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import seed
from oxnor.cli.options.source import DataDir
from oxnor.cli.options.study import StudyOutput

if TYPE_CHECKING:
    from oxnor.sim.studies.vowels import VowelResult


@dataclass(frozen=True)
class Task:
    """What is computed."""

    formants: Annotated[
        str,
        typer.Option(
            "--formants", metavar="SET",
            help="vowels, drawn from class statistics and shipped, or hillenbrand, measured, from --data-dir.",
        ),
    ] = "vowels"  # fmt: skip
    partitions: Annotated[
        int, typer.Option("--partitions", metavar="N", help="Ways to split the speakers into five folds.")
    ] = 10
    curves: Annotated[
        int, typer.Option("--curves", metavar="N", help="Partitions in which devices are imperfect; 0: none.")
    ] = 2
    seed: Annotated[int, seed("Key of every draw.")] = 0


@dataclass(frozen=True)
class Network:
    """The oscillators and how they are trained."""

    oscillators: Annotated[int, typer.Option("--oscillators", metavar="N", help="Coupled oscillators, 1 to 6.")] = 4
    coupling: Annotated[
        float, typer.Option("--coupling", metavar="MHZ", help="Pull of a neighbour; two lock within twice this.")
    ] = 0.5
    linewidth: Annotated[
        float, typer.Option("--linewidth", metavar="MHZ", help="Phase noise of an oscillator during training.")
    ] = 0.0
    moves: Annotated[
        int, typer.Option("--moves", metavar="N", help="Moves of a frequency on the coupled model that are tried.")
    ] = 80
    copies: Annotated[int, typer.Option("--copies", metavar="N", help="Copies of each training token.")] = 4
    jitter: Annotated[
        float, typer.Option("--jitter", metavar="X", help="How far copies lie apart, in deviations of a class.")
    ] = 0.5


@expanded
def vowels(
    options: Task = Task(),
    network: Network = Network(),
    *,
    data_dir: DataDir = None,
    shown: StudyOutput,
) -> None:
    """Recognise vowels by which of four coupled oscillators lock to which of two inputs.

    Formants become two input frequencies; training moves the frequencies of the oscillators. Test speakers did not
    train. A linear discriminant and a perceptron run on the same folds. The oscillators are a model with chosen
    parameters: those of the published devices could not be read.

    Example: [bold]oxnor study vowels --formants hillenbrand --pictures build/vowels[/]
    """
    from oxnor.models.base.errors import InputError
    from oxnor.models.datasets.formants import FORMANT_SETS, load_formants
    from oxnor.models.oscillators.synchrony import Tuning
    from oxnor.sim.studies import vowels as task

    if options.formants not in FORMANT_SETS:
        raise InputError(f"must be one of {', '.join(FORMANT_SETS)}, not {options.formants!r}", parameter="formants")
    tuning = Tuning(
        network.coupling, network.oscillators, network.copies, network.jitter, network.moves, network.linewidth
    )
    params = task.VowelParams(options.partitions, options.curves, tuning, options.seed)
    data = load_formants(options.formants, data_dir)
    with progress() as tell:
        result = task.study(data, params, progress=lambda done, total: tell("folds", done, total))
    shown.give(result, task.plots, _show)


def _show(result: VowelResult) -> None:
    from oxnor.sim.studies import vowels as task

    rows = [
        (m.name, f"{m.numbers:.0f}", percent(m.train), percent(m.test.mean, m.test.mean_low, m.test.mean_high))
        for m in result.methods
    ]
    published = task.PUBLISHED
    rows.append(("published experiment (secondary page)", "", f"{100 * published['train']:.0f}",
                 f"{100 * published['test']:.0f}"))  # fmt: skip
    print_table(("method", "numbers", "training speakers (%)", "test speakers (%)"), rows)
    for name, points in result.curves.items():
        of = "linewidth (MHz)" if name == "phase noise" else "deviation (MHz)"
        rates = [f"{100 * p.mean:.1f}" for p in points]
        print_table((of, *(f"{p.rate:g}" for p in points)), [("right (%)", *rates)], title=name)
    several = result.params.partitions > 1
    spread = f"means of {result.params.partitions} partitions with 95 % intervals" if several else "one partition"
    note(f"{result.data}: {result.tokens} tokens of {result.speakers} speakers, {spread}; {task.CHOSEN}")
    note(f"other speakers would move a rate by {100 * result.methods[0].test.test_se:.1f} points (1 sd)")
    note(f"full equations and phase model agree on {100 * result.patterns_equal:.0f} % of the patterns")
    note(task.SOURCE)
