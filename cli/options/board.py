"""The board and its serial line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.models.base.errors import InputError

from .common import BOARD
from .engine import Fold, folds
from .source import Source

if TYPE_CHECKING:
    from oxnor.design import Design

Port = Annotated[
    str,
    typer.Option(
        "--port", metavar="PORT", help="Serial port, for example /dev/ttyUSB1; or SPI, for example spi:/dev/spidev0.0."
    ),
]
Link = Annotated[
    str | None,
    typer.Option(
        "--link", metavar="KIND", help="Serial line to the host: uart or spi.", show_default="uart",
        rich_help_panel=BOARD,
    ),
]  # fmt: skip
Baud = Annotated[
    int | None,
    typer.Option("--baud", metavar="RATE", help="Bit rate. Default: the board's.", rich_help_panel=BOARD),
]


def change(design: Design, **values: Any) -> Design:
    """Return the design with other options of its board, of those that are not None."""
    from oxnor.sections import Board

    changes = {name: value for name, value in values.items() if value is not None}
    board = design.board
    return replace(design, board=replace(board, **changes) if isinstance(board, Board) else Board(**changes))


@dataclass(frozen=True)
class Board:
    """Which board, and how fast an engine."""

    board: Annotated[
        str | None,
        typer.Option(
            "--board", metavar="NAME|FILE", show_default="icebreaker",
            help="icebreaker, ulx3s-85f, colorlight-i5, tang-nano-9k, tang-nano-20k, or a .toml file of your own.",
            rich_help_panel=BOARD,
        ),
    ] = None  # fmt: skip
    interval: Annotated[
        int | None,
        typer.Option(
            "--interval",
            metavar="CYCLES",
            help="Clock cycles from image to image that are enough: the smallest engine of that speed. "
            "Default: the fastest that fits.",
            rich_help_panel=BOARD,
        ),
    ] = None
    fold: Fold = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        if self.interval is not None and self.fold:
            raise InputError("--interval and --fold must not be given together: each of them decides the folding")
        name = self.board or (None if design.board else "icebreaker")
        design = change(design, name=name, interval=self.interval)
        folding = folds(self.fold)
        return design.with_engine(folding=folding) if folding else design


@dataclass(frozen=True)
class Line:
    """The serial line of a board that is made."""

    link: Link = None
    baud: Baud = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        return change(design, link=self.link, baud=self.baud)


@dataclass(frozen=True)
class Speed:
    """The bit rate of a board that is there."""

    baud: Baud = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        return change(design, baud=self.baud)


def run_command(source: Source, board: Board, port: str = "PORT", baud: int | None = None) -> str:
    """Return the command that runs images on the board of these options, with all that its identity depends on."""
    options = {"design": source.design, "board": board.board, "interval": board.interval, "port": port, "baud": baud}
    words = ["oxnor", "fpga", "run", *filter(None, [source.network])]
    for name, value in options.items():
        words += [f"--{name}", str(value)] if value is not None else []
    for fold in board.fold or ():
        words += ["--fold", fold]
    return shlex.join(words)
