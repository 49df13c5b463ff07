"""``oxnor study abstain``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import OUTPUT, numbers, output, seed
from oxnor.cli.options.source import Source, TestSet
from oxnor.cli.options.study import StudyOutput
from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.models.networks.binarized import Network
    from oxnor.models.trials.curves import Point
    from oxnor.sim.studies.abstain import Abstention
    from oxnor.sim.sweeps.params import SweepParams


@dataclass(frozen=True)
class Task:
    """What is computed."""

    ber: Annotated[
        str,
        typer.Option(
            "--ber", metavar="RATES", help="Error rates: LOW:HIGH:COUNT, log-spaced, or numbers with commas."
        ),
    ] = "1e-3:1e-1:7"
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="FILE",
            help="Draw errors of pairs of this device, a preset or a file; with --against as it is.",
        ),
    ] = None  # fmt: skip
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="AXIS",
            help="Instead of an error rate: vdd, cycles, seconds, sigma or ratio of the --device.",
        ),
    ] = "ber"  # fmt: skip
    values: Annotated[
        str | None,
        typer.Option(
            "--values", metavar="VALUES", show_default="where the device holds", help="Of --against, as --ber."
        ),
    ] = None
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Draws of errors at each rate.")] = 5
    min_margin: Annotated[
        str | None,
        typer.Option(
            "--min-margin", metavar="MARGINS", show_default="where 2, 5, 10 and 20 % are unsure without errors",
            help="Least margins of a sure result, with commas.",
        ),
    ] = None  # fmt: skip
    fallback: Annotated[
        str | None,
        typer.Option(
            "--fallback", metavar="NETWORK", help="A network that answers for the unsure images, without errors."
        ),
    ] = None
    fallback_cost: Annotated[
        float | None,
        typer.Option(
            "--fallback-cost", metavar="X", show_default="the ratio of synapses read",
            help="What an inference of it costs, in inferences of the network.",
        ),
    ] = None  # fmt: skip
    seed: Annotated[int, seed("Key of the drawn errors.")] = 0

    def margins(self) -> list[int]:
        """Return the least margins that were given."""
        return [*numbers("min_margin", self.min_margin, int, "whole numbers with commas")] if self.min_margin else []

    def params(self) -> SweepParams:
        """Return which errors are drawn."""
        from oxnor.models.devices.model import load
        from oxnor.models.trials.axes import AXES
        from oxnor.sim.sweeps.params import SweepParams, default_values, parse_rates

        device = load(self.device) if self.device is not None else None
        if self.against == "ber":
            if self.values is not None:
                raise InputError("--values must come with --against")
            rates = parse_rates(self.ber)
        elif self.against not in AXES:
            raise InputError(f"must be one of {', '.join(AXES)}, not {self.against!r}", parameter="against")
        elif device is None:
            raise InputError("--against must come with --device")
        elif self.values is not None:
            rates = parse_rates(self.values, self.against)
        else:
            rates = default_values(device, self.against, {})
        kind = "device" if device else "static"
        return SweepParams(rates, self.trials, kind, seed=self.seed, device=device, against=self.against)

    def other(self) -> tuple[Network, float | None] | None:
        """Return the fallback and its cost."""
        if self.fallback is None:
            if self.fallback_cost is not None:
                raise InputError("--fallback-cost must come with --fallback")
            return None
        if self.fallback_cost is not None and not 0 <= self.fallback_cost < 1e12:
            raise InputError(f"must be 0 or more, not {self.fallback_cost}", parameter="fallback_cost")
        from oxnor.design import Design

        return Design(network=self.fallback).binarized, self.fallback_cost


@expanded
def abstain(
    source: Source,
    options: Task,
    *,
    data: TestSet,
    table: Annotated[
        Path | None, output("FILE.csv", "Also write a row for each image there.", ".csv", rich_help_panel=OUTPUT)
    ] = None,
    shown: StudyOutput,
) -> None:
    """Let a network say that it is unsure, and measure what that costs and gains as errors grow.

    A result is unsure if its best score leads the second by less than a least margin. Shows how often that is, how
    right the other results are, and how well margins tell right from wrong. With --fallback another network answers
    for the unsure images: accuracy and cost of both together. With --against vdd the errors are those of the sense
    amplifiers at a supply, and the cost is energy too. The RTL does the same with the register MIN_MARGIN
    ([bold]oxnor simulate --min-margin[/]).

    Example: [bold]oxnor study abstain mnist-tfc --fallback mnist-mlp --pictures build/abstain[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.sim.studies import abstain as task
    from oxnor.sim.verify.per_image import write_columns

    margins, other, params = options.margins(), options.other(), options.params()
    design = source.read(data, data=DataOptions(at_most=10_000))
    network, inputs = design.binarized, design.inputs()
    if inputs.labels is None:
        raise InputError("images must have labels: without them nothing is right or wrong")
    with progress() as tell:
        result = task.abstain(
            network, inputs.images, inputs.labels, params, min_margins=margins, fallback=other,
            progress=lambda done, total: tell(network.name, done, total),
        )  # fmt: skip
    if table is not None:
        write_columns(table, result.columns())
    shown.give(result, task.plots, _show, inputs=inputs.source)


def _percent(p: Point | None) -> str:
    if p is None:
        return "none is sure"
    if p.mean_low is None or p.mean_high is None:
        return f"{100 * p.mean:.2f}"
    # Of few draws an end of the interval may lie at 0 or at 1.
    half = 100 * max(p.mean - p.mean_low, p.mean_high - p.mean)
    return f"{100 * p.mean:.2f}" + (f" +- {half:.2f}" if half < 10 else " (draws too few)")


def _show(result: Abstention) -> None:
    from oxnor.models.trials.axes import AXES

    together = ("with fallback (%)", "cost") if result.fallback else ()
    energy = ("energy (nJ)",) if result.levels[0].at[0].energy_nj is not None else ()
    head = "wrong weights" if result.against == "ber" else AXES[result.against].head
    rows = []
    for level in result.levels:
        name = f"{level.rate:.3g}" if level.rate else "no errors"
        alone = ("", "1.00") if together else ()
        used = () if level.energy_nj is None else (f"{level.energy_nj:.3g}",)
        rows.append((name, "0", "0.00", _percent(level.accuracy), *alone, *used))
        for a in level.at:
            more = (_percent(a.system_accuracy), f"{a.cost:.2f}") if result.fallback else ()
            used = () if a.energy_nj is None else (f"{a.energy_nj:.3g}",)
            rows.append(("", str(a.min_margin), _percent(a.unsure), _percent(a.sure_accuracy), *more, *used))
    print_table((head, "least margin", "unsure (%)", "sure and right (%)", *together, *energy), rows)
    says = []
    for x in result.levels:
        name = f"{x.rate:.3g}" if x.rate else "no errors"
        says.append((name, f"{x.auc:.3f}", "" if x.lost_auc is None else f"{x.lost_auc:.3f}"))
    print_table((head, "margin of right above wrong", "lost had less margin before"), says)
    if first := result.first_lost():
        rows = [(*(str(x[name]) for name in ("image", "label", "margin")), format(x["rate"], ".3g")) for x in first]
        print_table(("lost first", "label", "margin without errors", f"at {head}"), rows)
    draws = f"means of {result.trials} draws with 95 % intervals" if result.trials > 1 else "one draw at each rate"
    note(f"{result.images:,} images, {draws}")
    if result.fallback:
        note(f"an inference of {result.fallback} costs {result.fallback_cost:.3g} of {result.network}")
