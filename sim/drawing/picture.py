"""Pictures of any kind: as SVG that follows the reader's theme, as PNG or PDF on paper, whole or one panel a file."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.base.replace import whole_file

from .svg import PAPER, standalone

#: Ends of the names of pictures.
SUFFIXES = (".svg", ".png", ".pdf")
# The same picture gives the same bytes.
_METADATA: Mapping[str, Mapping[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class Picture(ABC):
    """A picture that can be drawn in every form.

    Attributes
    ----------
    label : str
        What it shows, for readers who cannot see it.
    panels : mapping of str to Picture
        Its panels by name, where it has several.
    """

    label: str
    panels: Mapping[str, Picture]

    @abstractmethod
    def svg(self) -> str:
        """Return an inline ``svg`` element with theme colours; the same picture gives the same bytes."""

    @abstractmethod
    def figure(self) -> Any:
        """Return the picture as a matplotlib figure, dark on white."""

    def _on_paper(self, kind: str) -> bytes:
        import matplotlib as mpl

        buffer = io.BytesIO()
        with mpl.rc_context({"pdf.fonttype": 42}):
            options: dict[str, Any] = {"metadata": dict(_METADATA[kind]), "dpi": 150, "facecolor": PAPER["back"]}
            self.figure().savefig(buffer, format=kind, **options)
        return buffer.getvalue()

    def png(self) -> bytes:
        """Return the picture as PNG, dark on white."""
        return self._on_paper("png")

    def pdf(self) -> bytes:
        """Return the picture as PDF, dark on white, with texts as texts."""
        return self._on_paper("pdf")

    def save(self, path: str | Path, *, panels: bool = False) -> list[Path]:
        """Write the picture as SVG, PNG or PDF, by the end of the name, and return the files.

        Parameters
        ----------
        path : path
        panels : bool
            Write each panel into a file of its own, ``NAME-PANEL.svg``, where there are several.
        """
        path = check_name(path)
        if panels and self.panels:
            named = {path.with_name(f"{path.stem}-{name}{path.suffix}"): p for name, p in self.panels.items()}
            return [written for place, panel in named.items() for written in panel.save(place)]
        if path.suffix == ".svg":
            write_text(path, standalone(self.svg()))
        else:
            with whole_file(path) as temporary:
                temporary.write_bytes(self._on_paper(path.suffix[1:]))
        return [path]

    def _repr_svg_(self) -> str:
        """Return what a notebook shows."""
        return standalone(self.svg())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r})"


def check_name(path: str | Path) -> Path:
    """Return the path of a picture, or raise InputError unless its name says SVG, PNG or PDF."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a picture's name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return path
