"""How pictures are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.models.base.errors import InputError

from .common import PICTURES

if TYPE_CHECKING:
    from oxnor.sim.drawing.picture import Picture

Panels = Annotated[bool, typer.Option("--panels", help="Write each panel of a picture into a file of its own.")]


@dataclass(frozen=True)
class Kinds:
    """Kinds of the files in a folder of pictures."""

    format: Annotated[
        str,
        typer.Option("--format", metavar="KINDS", help="Kinds of those files: svg, png, pdf, or several as svg,pdf."),
    ] = "svg,png"

    def __post_init__(self) -> None:
        known = [suffix[1:] for suffix in PICTURES]
        for kind in self._kinds:
            if kind not in known:
                raise InputError(f"must be some of {', '.join(known)}, not {kind!r}", parameter="format")

    @property
    def _kinds(self) -> list[str]:
        return [kind.strip() for kind in self.format.split(",")]

    def save(self, pictures: Mapping[str, Picture], folder: Path, *, panels: bool = False) -> None:
        """Write pictures, by the stems of their names, into a folder."""
        for name, picture in pictures.items():
            for kind in self._kinds:
                picture.save(folder / f"{name}.{kind}", panels=panels)
