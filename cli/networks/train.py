"""``oxnor train``: train a network on any data set."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, progress, say
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import DATA, AsJson, numbers, output, seed, writes
from oxnor.cli.options.source import DATA_SETS, DataDir, Labels
from oxnor.models.base.replace import check_file

if TYPE_CHECKING:
    from oxnor.models.datasets.mnist import DownloadProgress
    from oxnor.models.training.binarized import Progress as Step
    from oxnor.models.training.params import TrainParams


def sizes(text: str) -> tuple[int, ...]:
    """Return the numbers of a text such as ``64,64,64``."""
    return numbers("hidden", text, int, "whole numbers with commas between them")


def command_line(name: str, options: dict[str, object]) -> str:
    """Return the command that trains the same network."""
    parts = [f"--{key.replace('_', '-')} {value}".rstrip() for key, value in options.items() if value is not None]
    return " ".join(["oxnor", "train", name, *parts])


def _scores(step: Step) -> str:
    """Return the figures of an epoch, or of the part of it that is done."""
    loss = f"loss {step.loss:.4f}"
    if step.part:
        return f"{100 * step.part:.0f} % of the next epoch  {loss}"
    if math.isnan(step.accuracy):
        return loss
    return f"{loss}  validation {100 * step.accuracy:.2f} %  best {100 * step.best:.2f} %"


#: Defaults of a network that is not shipped, for the help: those of TrainParams, whose module takes long to load.
DEFAULTS: dict[str, Any] = {
    "epochs": 100, "seed": 1, "lr": 0.01, "batch": 256, "views": 16, "teacher_epochs": 6, "patience": 0, "ber": 0,
    "margin": 0, "input_threshold": 128, "input_bits": 0, "input_planes": 0, "presentations": 0,
    "activations": 1,
}  # fmt: skip


def _option(name: str, help: str) -> Any:
    return typer.Option(metavar="N", help=help, show_default=str(DEFAULTS[name]))


@dataclass(frozen=True)
class Training:
    """How to train; what is not given is as for the shipped network of that name."""

    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Sizes of the hidden layers, for example 64,64,64.")
    ] = None
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="C64-P-F512",
            help="A network with convolutions. C64: 3x3, 64 channels; C64k5s2p1g4: kernel 5x5, stride 2, one pixel of"
            " padding with -1, 4 groups of channels; C64p1r16: residual, 16 times its own channel is added."
            " P: pooling of 2x2, P3 of 3x3, P3s2p1 with stride 2, padded. F512: dense layer. The output layer is added;"
            " after an A at the end it is a convolution of 1x1, and its scores are means over all pixels.",
        ),
    ] = None
    epochs: Annotated[int | None, _option("epochs", "Passes over the training images.")] = None
    seed: Annotated[int | None, seed("Key of every random draw.", show_default=str(DEFAULTS["seed"]))] = None
    lr: Annotated[float | None, _option("lr", "First learning rate of Adam.")] = None
    batch: Annotated[int | None, _option("batch", "Images in a step; fewer for a small set.")] = None
    views: Annotated[int | None, _option("views", "Deformed copies of the training pictures; 0: none.")] = None
    teacher_epochs: Annotated[
        int | None, _option("teacher_epochs", "Epochs of the float teacher, more for a small set; 0: no teacher.")
    ] = None
    patience: Annotated[
        int | None, _option("patience", "Stop after so many epochs without a gain; 0: never.")
    ] = None
    ber: Annotated[float | None, _option("ber", "Bit error rate to train for, drawn anew each step.")] = None
    margin: Annotated[
        float | None, _option("margin", "Hinge loss with this lead of the right class's score; 0: cross entropy.")
    ] = None
    input_threshold: Annotated[
        int | None, _option("input_threshold", "A pixel becomes 1 if it is at least this; 1 to 255.")
    ] = None
    input_bits: Annotated[
        int | None,
        _option(
            "input_bits",
            "Thermometer code of N bits a feature, at thresholds between equal shares of its values; 1: at its median;"
            " 0: one threshold for all.",
        ),
    ] = None
    input_planes: Annotated[
        int | None,
        _option("input_planes", "Take the N highest bits of a value as bit planes: 8 for all; 0: bits by thresholds."),
    ] = None
    presentations: Annotated[
        int | None,
        _option("presentations", "Read each value as N random bits in a first layer that is dense; 0: not."),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="KIND", help="binary; ternary: -1, 0 and +1; or 3 to 8 bits.", show_default="binary"
        ),
    ] = None
    activations: Annotated[
        int | None,
        _option("activations", "Bits of what a hidden neuron gives, 1 to 4: above 1 as many bit planes."),
    ] = None
    bfloat16: Annotated[
        bool | None,
        typer.Option("--bfloat16", help="Multiply in bfloat16: twice as fast on processors that have it."),
    ] = None


@dataclass(frozen=True)
class TrainingSet:
    """What to train on."""

    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="NAME|FILE|FOLDER", show_default="mnist, or that of the shipped network",
            rich_help_panel=DATA, help=DATA_SETS,
        ),
    ] = None  # fmt: skip
    labels: Labels = None
    test: Annotated[
        str | None,
        typer.Option(
            "--test", metavar="NAME|FILE|FOLDER", rich_help_panel=DATA,
            help="Test set. Default: that of the data, or a sixth of the images.",
        ),
    ] = None  # fmt: skip
    data_dir: DataDir = None
    signs: Annotated[
        bool,
        typer.Option("--signs", help="Take the signs of signed numbers: at least 0 is bit 1.", rich_help_panel=DATA),
    ] = False
    download: Annotated[
        bool, typer.Option("--download", help="Download MNIST if it is found nowhere.", rich_help_panel=DATA)
    ] = False


@expanded
def train(
    name: Annotated[str, typer.Argument(help="A shipped network, or a new name with --hidden or --layers.")],
    training: Training,
    output: Annotated[Path | None, output("FILE", "Network file to write. Default: build/NAME.npz.", ".npz")] = None,
    data: TrainingSet = TrainingSet(),
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File to keep the state in, twice a minute at least.", callback=writes(check_file)),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --checkpoint.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a binarized network on any data set; the test images are looked at once, at the end.

    Grey pictures of a size are deformed and taught by a float network, pictures in colour are moved and mirrored for
    convolutions; other features are taken as they are. The defaults are those of a new name; a shipped network has its
    own. A training that stops goes on with --checkpoint and --resume, also when images were added to its set.

    Example: [bold]oxnor train mnist-tfc --epochs 40[/], or [bold]oxnor train clothes --hidden 512,512 --data
    fashion-mnist[/], or [bold]oxnor train small --layers C16-P-F64 --data digits[/]
    """
    from oxnor.models.networks.base import check_name
    from oxnor.models.training.presets import PRESET_SETS, TrainingData, preset, train_network
    from oxnor.models.training.stages import parse

    options = asdict(training)
    hidden = {"hidden": None if training.hidden is None else sizes(training.hidden)}
    if training.layers is not None:
        parse(training.layers)
    params: TrainParams = preset(name, options | hidden)
    check_name(name)
    output = output or Path("build") / f"{name}.npz"
    check_file(output)
    given = {k: v for k, v in asdict(data).items() if k in ("data", "labels", "test")}
    given |= {"signs": "" if data.signs else None, "bfloat16": "" if training.bfloat16 else None}

    def load(download: DownloadProgress | None) -> TrainingData:
        return TrainingData.load(
            data.data or PRESET_SETS.get(name, "mnist"), labels=data.labels, test=data.test, data_dir=data.data_dir,
            signs=data.signs, download=download,
        )  # fmt: skip

    with progress() as tell:
        sets = load((lambda what, done, total: tell(what, done, total, "bytes")) if data.download else None)
        if "half" in sets.train.source:
            note(f"{sets.train.name}: the first half alone; with the other beside it, --resume goes on with both")
        for part in (sets.train, sets.test):
            if part.gaps:
                note(f"{part.name}{part.gaps}")
        network = train_network(
            name, params, sets, command=command_line(name, options | given), checkpoint=checkpoint, resume=resume,
            progress=lambda step: tell(step.stage, step.epoch, step.epochs, _scores(step)),
        )  # fmt: skip
    network.save(output)
    if as_json:
        result = {"name": name, "file": str(output), "shape": list(network.shape), "weights": network.n_weights}
        print_json(result | dict(network.info))
        return
    say(
        f"{output}: {network.label}, test accuracy {100 * network.info['accuracy']:.2f} %,"
        f" validation {100 * network.info['validation_accuracy']:.2f} % (epoch {network.info['training']['epoch']})"
    )
