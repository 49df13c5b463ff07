"""Which network: its name, or a design that names it with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import typer

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.names import KNOWN_NAMES

from .common import DATA

if TYPE_CHECKING:
    from oxnor.design import Design

DesignFile = Annotated[
    Path | None,
    typer.Option(
        "--design", metavar="FILE.toml", help="Take what is not given here from this design ([bold]oxnor new[/])."
    ),
]

#: What ``--data`` takes.
DATA_SETS = (
    f"Data set: {', '.join(KNOWN_NAMES[:-1])} or {KNOWN_NAMES[-1]}, a file (.npz, .npy, .csv, IDX), or a folder with a"
    " folder of pictures for each class."
)
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="Labels, if they are not in the data.", rich_help_panel=DATA),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Folder in which known sets are looked for first.", rich_help_panel=DATA
    ),
]


class Options(Protocol):
    """Options that change a design."""

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""


@dataclass(frozen=True)
class Source:
    """The network of a command, and the design that its other options start from."""

    network: Annotated[
        str | None,
        typer.Argument(
            metavar="NETWORK", show_default=False, help="A shipped network (see [bold]oxnor networks[/]) or a file."
        ),
    ] = None
    design: DesignFile = None

    #: The network if none is given.
    default: ClassVar[str | None] = None

    def read(self, *options: Options, **start: Any) -> Design:
        """Return the design that the command line asks for.

        Parameters
        ----------
        *options
            Records of the command, which override the design file.
        **start
            Fields of the design where there is no file.
        """
        from oxnor import Design

        if self.design is not None:
            design = Design.load(self.design)
            if self.network is not None:
                design = replace(design, network=self.network)
        else:
            network = self.network or self.default
            if network is None:
                raise InputError("NETWORK or --design must be given")
            design = Design(network, **start)
        for record in options:
            design = record.apply(design)
        return design


@dataclass(frozen=True)
class BoardSource(Source):
    """The network on a board."""

    default: ClassVar[str | None] = "mnist-tfc"


@dataclass(frozen=True)
class NetworkOption(Source):
    """The network of a demonstration, which has a default."""

    network: Annotated[str | None, typer.Option("--network", metavar="NETWORK", help="The network to show.")] = None
    default: ClassVar[str | None] = "mnist-mlp"


@dataclass(frozen=True)
class SpikingOption(NetworkOption):
    """The spiking network of a study."""

    default: ClassVar[str | None] = "mnist-spirit"


@dataclass(frozen=True)
class Data:
    """Images to run."""

    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Images to run.", show_default="1000, or all")
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME|FILE|FOLDER",
            help=f"{DATA_SETS} Default: the set that the network was made for.",
            rich_help_panel=DATA,
        ),
    ] = None
    labels: Labels = None
    data_dir: DataDir = None
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", metavar="FILE",
            help="Spiking network that takes events: tick, address, sign, sample and label, as .csv or .npz.",
            rich_help_panel=DATA,
        ),
    ] = None  # fmt: skip
    random_inputs: Annotated[
        bool,
        typer.Option("--random-inputs", help="Draw inputs, which have no labels, instead.", rich_help_panel=DATA),
    ] = False

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        return design.with_data(
            images=self.images, source=self.data, labels=self.labels, directory=self.data_dir,
            events=self.events, random_inputs=self.random_inputs or None,
        )  # fmt: skip



@dataclass(frozen=True)
class TestSet(Data):
    """Images of a study: the whole test set."""

    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Test images.", show_default="10000, or all")
    ] = None
