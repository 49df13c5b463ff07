"""``oxnor study spoken-digits``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, percent, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import numbers, seed, words
from oxnor.cli.options.source import DataDir
from oxnor.cli.options.study import StudyOutput
from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.sim.studies.spoken_digits import DigitResult


@dataclass(frozen=True)
class Task:
    """What is computed."""

    front_end: Annotated[
        str, typer.Option("--front-end", metavar="NAMES", help="spectrogram, cochlea, or both with a comma.")
    ] = "spectrogram,cochlea"
    masks: Annotated[int, typer.Option("--masks", metavar="N", help="Masks to draw.")] = 5
    noises: Annotated[
        str,
        typer.Option("--noises", metavar="X,X,...", help="Output noise to try, relative to the mean; none: no curve."),
    ] = "0.001,0.003,0.01,0.03,0.1"
    recordings: Annotated[
        int | None,
        typer.Option(
            "--recordings", metavar="N", show_default="all 50", help="The first N of each speaker and digit alone."
        ),
    ] = None  # fmt: skip
    seed: Annotated[int, seed("Key of masks and noise.")] = 0

    def levels(self) -> tuple[float, ...]:
        """Return the noises that are tried."""
        return () if self.noises == "none" else numbers("noises", self.noises, float, "numbers with commas")


@dataclass(frozen=True)
class Oscillator:
    """The oscillator."""

    nodes: Annotated[int, typer.Option("--nodes", metavar="N", help="Virtual nodes of a frame.")] = 400
    bias: Annotated[float, typer.Option("--bias", metavar="X", help="Current without input, over the threshold.")] = 1.2
    swing: Annotated[float, typer.Option("--swing", metavar="X", help="How far inputs move it.")] = 0.6
    node_time: Annotated[
        float, typer.Option("--node-time", metavar="X", help="Time of a node, in relaxation times of the amplitude.")
    ] = 0.25
    noise: Annotated[
        float, typer.Option("--noise", metavar="X", help="Output noise of every mask, relative to the mean.")
    ] = 0.0


@expanded
def spoken_digits(
    options: Task = Task(),
    oscillator: Oscillator = Oscillator(),
    *,
    data_dir: DataDir = None,
    shown: StudyOutput,
) -> None:
    """Recognise spoken digits by one oscillator as a reservoir, and show what it gains over its front end alone.

    The Free Spoken Digit Dataset is looked for as other sets are. The oscillator is a model with chosen parameters.
    Rates are of other words of the same speakers (the set's own split), and of speakers that did not train.

    Example: [bold]oxnor study spoken-digits --pictures build/digits[/]
    """
    from oxnor.models.datasets.recordings import VALIDATION_BELOW, load_recordings
    from oxnor.models.oscillators.reservoir import ReservoirParams
    from oxnor.sim.studies import spoken_digits as task

    reservoir = ReservoirParams(
        oscillator.nodes, oscillator.bias, oscillator.swing, oscillator.node_time, noise=oscillator.noise
    )
    names = tuple(dict.fromkeys(words(options.front_end)))
    params = task.DigitParams(names, reservoir, options.masks, options.levels(), options.seed)
    if options.recordings is not None and not VALIDATION_BELOW < options.recordings <= 50:
        low = VALIDATION_BELOW + 1
        raise InputError(f"must be in [{low}, 50], not {options.recordings}", parameter="recordings")
    recordings = load_recordings(data_dir)
    if options.recordings is not None:
        recordings = recordings.first(options.recordings)
    with progress() as tell:
        result = task.study(recordings, params, progress=tell)
    shown.give(result, task.plots, _show)


def _show(result: DigitResult) -> None:
    from oxnor.sim.studies import spoken_digits as task

    rows = []
    for f in result.front_ends:
        a, test, other = f.alone, f.test, f.strangers
        rows.append((f"{f.name}, {f.channels} channels, alone", f"{100 * a.train:.1f}", f"{100 * a.test:.1f}", "",
                     f"{100 * a.strangers:.1f}"))  # fmt: skip
        train = sum(m.train for m in f.masks) / len(f.masks)
        rows.append((f"{f.name}, oscillator, {result.params.reservoir.nodes} nodes", f"{100 * train:.1f}",
                     percent(test.mean, test.mean_low, test.mean_high), percent(*f.gain),
                     percent(other.mean, other.mean_low, other.mean_high)))  # fmt: skip
    print_table(("", "training words (%)", "test words (%)", "gain (points)", "other speakers (%)"), rows)
    for f in result.front_ends if result.params.noises else ():
        print_table(
            ("noise", *(f"{x:g}" for x, _ in f.noise)), [("right (%)", *(f"{100 * r:.1f}" for _, r in f.noise))],
            title=f"{f.name}, oscillator, first mask",
        )  # fmt: skip
    masks = f"{result.params.masks} masks with 95 % intervals" if result.params.masks > 1 else "one mask"
    note(f"{result.source}: {result.words:,} words of {result.speakers} speakers, {result.test_words} test; {masks}")
    note(f"other words would move a rate by {100 * result.front_ends[0].test.test_se:.1f} points (1 sd)")
    note(f"{task.CHOSEN}; {task.SOURCE}")
