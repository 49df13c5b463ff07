"""``oxnor study pulses``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, percent, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import seed, words
from oxnor.cli.options.source import DataDir
from oxnor.cli.options.study import StudyOutput

if TYPE_CHECKING:
    from oxnor.models.learning.crossbar import LearningParams
    from oxnor.sim.studies.pulses import PulseResult


@dataclass(frozen=True)
class Task:
    """What is compared."""

    devices: Annotated[
        str,
        typer.Option(
            "--devices", metavar="LIST",
            help="Devices: shipped ones, float, or .toml files. An unknown name lists them.",
        ),
    ] = "float,gokmen-vlasov,ecram,enode,reram-sb,reram-array-om,reram-array-hfo2"  # fmt: skip
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", metavar="FOLDER",
            help="One more device: measured tables, dG_increasing.txt and dG_decreasing.txt of CrossSim.",
        ),
    ] = None  # fmt: skip
    rules: Annotated[
        str, typer.Option("--rules", metavar="LIST", help="Of training: sgd, momentum, tiki-taka, tiki-taka-v2.")
    ] = "sgd"
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Networks of each device and rule.")] = 3
    tune: Annotated[
        bool, typer.Option("--tune", help="Also choose a learning rate for each device, on validation images.")
    ] = False
    seed: Annotated[int, seed("Key of every draw.")] = 0


@dataclass(frozen=True)
class Learning:
    """How the networks learn."""

    hidden: Annotated[int, typer.Option("--hidden", metavar="N", help="Hidden neurons.")] = 64
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="Epochs; the learning rate falls by 0.75.")] = 3
    images: Annotated[int, typer.Option("--images", metavar="N", help="Images in an epoch.")] = 10_000
    lr: Annotated[float, typer.Option("--lr", metavar="X", help="Learning rate of the first epoch.")] = 0.1
    momentum: Annotated[float, typer.Option("--momentum", metavar="X", help="Of the rule momentum.")] = 0.9
    transfer: Annotated[
        float, typer.Option("--transfer", metavar="X", help="Share of the fast weights that Tiki-Taka moves on.")
    ] = 0.005
    longest: Annotated[
        int, typer.Option("--longest", metavar="N", help="Slots of the longest pulse train.")
    ] = 31
    exact: Annotated[
        bool, typer.Option("--exact", help="Draw coincidences slot by slot, instead of their number.")
    ] = False
    zero_shift: Annotated[
        bool, typer.Option("--zero-shift", help="Subtract the symmetry point of each device.")
    ] = False
    no_write_noise: Annotated[
        bool, typer.Option("--no-write-noise", help="Let reads see the state of devices.")
    ] = False

    @property
    def params(self) -> LearningParams:
        """The parameters of the library."""
        from oxnor.models.learning.crossbar import LearningParams

        return LearningParams(
            self.hidden, self.epochs, self.images, self.lr, momentum=self.momentum, transfer=self.transfer,
            longest=self.longest, exact=self.exact, zero_shift=self.zero_shift,
        )  # fmt: skip


@expanded
def pulses(
    options: Task = Task(),
    learning: Learning = Learning(),
    *,
    data_dir: DataDir = None,
    shown: StudyOutput,
) -> None:
    """Train a network in place, by pulses on crossbars, and compare devices.

    784-64-10 on MNIST, one image after the other: every update is an outer product, written by pulses whose steps
    depend on the weight, differ between devices and are noisy. Devices are published fits and measured tables.

    Example: [bold]oxnor study pulses --devices float,ecram,reram-array-om --rules sgd,tiki-taka-v2[/]
    """
    from oxnor.sim.studies import pulses as task

    params = task.PulseParams(
        words(options.devices), words(options.rules), learning.params, options.table, not learning.no_write_noise,
        options.seeds, options.tune, options.seed,
    )  # fmt: skip
    with progress() as tell:
        result = task.study(params, data_dir, progress=lambda done, total, last: tell("networks", done, total, last))
    shown.give(result, task.plots, _show)


def _show(result: PulseResult) -> None:
    from oxnor.sim.studies import pulses as task

    p = result.params
    for tuned in (False, True) if p.tune else (False,):
        rows = []
        for one in (one for one in result.learners if one.tuned == tuned):
            last = one.points[-1]
            used = "-" if one.steps is None else f"{one.pulses_max / task.ENDURANCE:.0e}"
            rows.append((
                one.device, one.rule, "-" if one.steps is None else f"{one.steps:.3g}", f"{one.lr:g}",
                *(f"{100 * q.mean:.1f}" for q in one.points[:-1]),
                percent(last.mean, last.mean_low, last.mean_high),
                f"{one.pulses:,.0f}", f"{one.pulses_max:,}", used,
            ))  # fmt: skip
        given = f"one learning rate for all, {p.learning.lr:g}"
        title = "learning rates chosen on validation images" if tuned else given
        epochs = [f"epoch {k}" for k in range(1, p.learning.epochs + 1)]
        head = ("device", "rule", "steps", "rate", *epochs[:-1], f"{epochs[-1]} (%)", "pulses a device", "most",
                f"of {task.ENDURANCE:.0e}")  # fmt: skip
        print_table(head, rows, left=2, title=title)
    rows = [(name, *words) for name, words in task.REQUIREMENTS.items()]
    print_table(("what a device needs", "training", "inference"), rows, left=3)
    c = result.coincidences
    note(f"closed form against exact coincidences, {c.weights} devices, {c.updates} updates: mean change differs by"
         f" {100 * c.difference:.2f} % (standard error {100 * c.error:.2f} %), a single device by at most"
         f" {c.largest:.1f} standard errors; variance ratio {c.variance_ratio:.2f}")  # fmt: skip
    seeds = f"means of {p.seeds} seeds with 95 % intervals" if p.seeds > 1 else "one seed"
    test = 100 * result.learners[0].points[-1].test_se
    note(f"MNIST, {result.images[1]:,} test images (1 sd: {test:.1f} points and more), {seeds}; {task.CHOSEN}")
    note(f"requirements: {task.REQUIREMENTS_SOURCE}")
