"""``oxnor study dbn``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, percent, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import numbers, seed, writes
from oxnor.cli.options.source import DataDir
from oxnor.cli.options.study import StudyOutput
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file

if TYPE_CHECKING:
    from oxnor.sim.studies.dbn import DbnResult


@dataclass(frozen=True)
class Network:
    """The network and its devices."""

    hidden: Annotated[
        str, typer.Option("--hidden", metavar="N,N,...", help="Units of each layer; labels join the last but one.")
    ] = "500,500,2000"
    synapses: Annotated[
        str, typer.Option("--synapses", metavar="KIND", help="y-flash, or float: numbers that learn at once.")
    ] = "y-flash"
    threshold: Annotated[
        int, typer.Option("--threshold", metavar="N", help="Count of a synapse that asks for a pulse.")
    ] = 100
    multiples: Annotated[
        bool, typer.Option("--multiples", help="Ask for a pulse a multiple of the threshold, not one in all.")
    ] = False
    spread: Annotated[
        float, typer.Option("--spread", metavar="X", help="Differences between devices, in measured ones; 0: none.")
    ] = 1.0


@dataclass(frozen=True)
class Learning:
    """How it learns."""

    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="Passes over the images for each RBM.")] = 30
    tuning: Annotated[int, typer.Option("--tuning", metavar="N", help="Passes of wake-sleep after them.")] = 30
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Images before counts are looked at.")] = 100
    draws: Annotated[int, typer.Option("--draws", metavar="N", help="Draws of the sampled reading.")] = 50
    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Training images.", show_default="all")
    ] = None
    seed: Annotated[int, seed("Key of every draw.")] = 0


@expanded
def dbn(
    network: Network = Network(),
    learning: Learning = Learning(),
    *,
    data_dir: DataDir = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File to keep the state in, after each epoch.", callback=writes(check_file)),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --checkpoint.")] = False,
    shown: StudyOutput,
) -> None:
    """Train a deep belief network on MNIST where its weights live: in Y-Flash devices with a counter each.

    Counters add what contrastive divergence says and ask for a program or an erase pulse at a threshold. RBMs learn
    one after the other, then all layers by wake-sleep. The defaults are the published network; --hidden 300,500
    --epochs 8 --tuning 0 takes minutes. The training images must be in --data-dir or in a usual place.

    Example: [bold]oxnor study dbn --checkpoint build/dbn.npz --resume --pictures build/dbn[/]
    """
    from oxnor.models.datasets.mnist import load_mnist
    from oxnor.models.rbm.belief import BeliefParams
    from oxnor.models.rbm.synapses import CounterParams
    from oxnor.models.rbm.y_flash import DeviceSpread
    from oxnor.sim.studies import dbn as task

    belief = BeliefParams(
        numbers("hidden", network.hidden, int, "whole numbers with commas"),
        counter=CounterParams(network.threshold, not network.multiples),
        spread=DeviceSpread(network.spread), batch=learning.batch, synapses=network.synapses, seed=learning.seed,
    )  # fmt: skip
    params = task.DbnParams(belief, learning.epochs, learning.tuning, learning.draws)
    images, labels = load_mnist("train", data_dir)
    count = len(images) if learning.images is None else learning.images
    if not 1 <= count <= len(images):
        raise InputError(f"must be in [1, {len(images)}], not {count}", parameter="images")
    with progress() as tell:
        result = task.study(
            (images[:count], labels[:count]), load_mnist("test", data_dir), params, checkpoint=checkpoint,
            resume=resume, progress=tell,
        )  # fmt: skip
    shown.give(result, task.plots, _show)


def _show(result: DbnResult) -> None:
    from oxnor.sim.studies import dbn as task

    params = result.params
    rows = [
        (name, percent(r.frozen), percent(r.sampled), percent(r.free_energy)) for name, r in result.readings.items()
    ]
    print_table(("learnt", "frozen (%)", f"sampled, {params.draws} draws (%)", "by free energies (%)"), rows)
    pulses = [
        (name, str(w.size), f"{w.mean():.2f}", str(w.max())) for name, w in result.writes.items() if "weights" in name
    ]
    if pulses:
        print_table(("devices", "number", "mean pulses", "most"), pulses)
    sizes = "-".join(map(str, params.belief.sizes))
    note(f"{sizes} units, {result.train} training and {result.test} test images, seed {params.belief.seed}")
    note(task.SOURCE)
