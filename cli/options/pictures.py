"""How pictures are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file

from .common import OUTPUT, PICTURES, words, writes

if TYPE_CHECKING:
    from oxnor.sim.drawing.picture import Picture
    from oxnor.sim.drawing.plots import Limits

Format = Annotated[
    str, typer.Option("--format", metavar="KINDS", help="Kinds of those files: svg, png, pdf, or several as svg,pdf.")
]
Panels = Annotated[bool, typer.Option("--panels", help="Write each panel of a picture into a file of its own.")]


@dataclass(frozen=True)
class Axes:
    """Ends of the axes of a picture, and its curves as numbers."""

    x_limits: Annotated[
        str | None,
        typer.Option("--x-limits", metavar="LOW:HIGH", help="Ends of the horizontal axis.", rich_help_panel=OUTPUT),
    ] = None
    y_limits: Annotated[
        str | None,
        typer.Option("--y-limits", metavar="LOW:HIGH", help="Ends of the vertical axis.", rich_help_panel=OUTPUT),
    ] = None
    curves: Annotated[
        Path | None,
        typer.Option(
            "--curves", metavar="FILE", help="Also write every curve with its intervals as .csv.",
            rich_help_panel=OUTPUT, callback=writes(check_file, ".csv"),
        ),
    ] = None  # fmt: skip

    @property
    def limits(self) -> tuple[Limits, Limits]:
        """The ends of both axes."""
        return _ends("x_limits", self.x_limits), _ends("y_limits", self.y_limits)


def _ends(parameter: str, text: str | None) -> Limits:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(":"))
        if not -math.inf < low < high < math.inf:
            raise ValueError
    except ValueError:
        raise InputError(f"must be LOW:HIGH, two rising numbers, not {text!r}", parameter=parameter) from None
    return low, high


@dataclass(frozen=True)
class Kinds:
    """Kinds of the files in a folder of pictures."""

    format: Format = "svg,png"

    def __post_init__(self) -> None:
        known = [suffix[1:] for suffix in PICTURES]
        for kind in self._kinds:
            if kind not in known:
                raise InputError(f"must be some of {', '.join(known)}, not {kind!r}", parameter="format")

    @property
    def _kinds(self) -> tuple[str, ...]:
        return words(self.format)

    def save(self, pictures: Mapping[str, Picture], folder: Path, *, panels: bool = False) -> None:
        """Write pictures, by the stems of their names, into a folder."""
        for name, picture in pictures.items():
            for kind in self._kinds:
                picture.save(folder / f"{name}.{kind}", panels=panels)
