"""Device models of a process for SPICE: those of sky130, which are shipped, or those that a TOML file names."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading
from oxnor.models.base.toml import Reader

#: The process whose models are shipped.
SHIPPED = "sky130"
_SIZE_MAX = 1 << 28


@dataclass(frozen=True)
class CornerFiles:
    """Files of models by corner: typical, slow and fast, and n-channel slow with p-channel fast and the reverse.

    Parameters
    ----------
    tt, ss, ff, sf, fs : Path, optional
    """

    tt: Path | None = None
    ss: Path | None = None
    ff: Path | None = None
    sf: Path | None = None
    fs: Path | None = None


CORNERS = tuple(f.name for f in fields(CornerFiles))


@dataclass(frozen=True)
class TransistorModel:
    """A transistor as the files of models have it.

    Parameters
    ----------
    name : str
        Of its subcircuit, with terminals d g s b and parameters w, l, ad, as, pd and ps.
    mismatch : tuple of str
        Parameters of an instance that take the standard normal numbers of its mismatch.
    """

    name: str
    mismatch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.name, *self.mismatch):
            if not text.isascii() or not text.replace("_", "a").isalnum():
                raise InputError(f"names must be letters, digits and _, not {text!r:.40}")
        if len(self.mismatch) > NORMALS:
            raise InputError(f"mismatch must be at most {NORMALS} names, not {len(self.mismatch)}")


#: Normal numbers that are drawn for each transistor.
NORMALS = 8


@dataclass(frozen=True)
class Process:
    """The models of a process.

    Parameters
    ----------
    name : str
    nmos, pmos : TransistorModel
    corners : CornerFiles
    length : float
        Channel length of all transistors, in um.
    widths : (float, float)
        Smallest and largest width, in um.
    supplies : (float, float)
        Lowest and highest supply, in V.
    scale : float
        Metres in which the models want widths and lengths, for ``.option scale``.
    """

    name: str
    nmos: TransistorModel
    pmos: TransistorModel
    corners: CornerFiles
    length: float
    widths: tuple[float, float]
    supplies: tuple[float, float]
    scale: float = 1e-6

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise InputError(f"name must be a text in one line, not {self.name!r:.40}")
        for name in ("length", "scale"):
            if not 0 < getattr(self, name) < 1e3:
                raise InputError(f"{name} must be above 0, not {getattr(self, name):g}")
        for name in ("widths", "supplies"):
            low, high = getattr(self, name)
            if not 0 < low <= high < 1e3:
                raise InputError(f"{name} must be two rising numbers above 0, not {low:g} and {high:g}")
        if not self.available:
            raise InputError("corners must name at least one file")

    @property
    def available(self) -> tuple[str, ...]:
        """Corners that have a file."""
        return tuple(c for c in CORNERS if getattr(self.corners, c) is not None)

    def file(self, corner: str) -> Path:
        """Return the file of a corner, or raise InputError if there is none."""
        path = getattr(self.corners, corner) if corner in CORNERS else None
        if path is None:
            raise InputError(f"must be one of {', '.join(self.available)}, not {corner!r}", parameter="corner")
        return path

    def text(self, corner: str) -> str:
        """Return the models of a corner."""
        return _text(self.file(corner))

    def digest(self, corner: str) -> str:
        """Return the SHA-256 of :meth:`text`: results hold for these models alone."""
        return _digest(self.file(corner))


@cache
def _text(path: Path) -> str:
    with reading(path):
        if path.stat().st_size > _SIZE_MAX:
            raise InputError(f"{path}: must have at most {_SIZE_MAX} bytes, not {path.stat().st_size}")
        data = path.read_bytes()
    try:
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        return data.decode("utf-8")
    except (lzma.LZMAError, UnicodeDecodeError):
        raise InputError(f"{path}: is not a file of models: it must be text in UTF-8") from None


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(_text(path).encode()).hexdigest()


@cache
def sky130() -> Process:
    """Return the 1.8 V transistors of sky130 (BSIM4), cut to widths of 0.42 to 5 um; their folder names the source."""
    folder = Path(str(resources.files("oxnor.models"))) / "data" / SHIPPED
    normals: Mapping[str, tuple[str, ...]] = {
        "nfet": ("z_toxe", "z_vth0", "z_voff"), "pfet": ("z_toxe", "z_vth0", "z_voff", "z_nfactor"),
    }  # fmt: skip
    nmos, pmos = (TransistorModel(f"sky130_fd_pr__{kind}_01v8", names) for kind, names in normals.items())
    corners = CornerFiles(**{c: folder / f"sky130_01v8_{c}.spice.xz" for c in CORNERS})
    return Process(SHIPPED, nmos, pmos, corners, length=0.15, widths=(0.42, 5.0), supplies=(0.9, 1.95))


def load_process(path: str | Path) -> Process:
    """Return the process of a TOML file, which is not trusted; paths in it are relative to its folder.

    Raises
    ------
    InputError
        Naming the file, the field and the rule that it breaks.
    """
    path = Path(path)
    process: Process = Reader(path).read(Process)
    files = {c: path.parent / getattr(process.corners, c) for c in process.available}
    for file in files.values():
        if not file.is_file():
            raise InputError(f"{path}: corners: {file}: no such file")
    return Process(
        process.name, process.nmos, process.pmos, CornerFiles(**files), process.length, process.widths,
        process.supplies, process.scale,
    )  # fmt: skip
