"""Options that several commands share, and the engine structure that they ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.models.devices.model import DeviceModel
    from oxnor.models.networks.binarized import Network

_ENGINE = "Engine"

NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK", help="A shipped network (see [bold]oxnor networks[/]) or a path to an .npz file."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with the MNIST files. Default: the shipped test images."),
]
TargetName = Annotated[
    str,
    typer.Option(
        "--target", help="Preset for macros, folding and stream: sim, ice40, ecp5 or asic.", rich_help_panel=_ENGINE
    ),
]
Macro = Annotated[
    str | None,
    typer.Option(
        "--macro",
        metavar="KIND[:SIZE]",
        help="Kind of every macro (bits, twin or blackbox) and its size: 64x64, twin, twin:64x64.",
        rich_help_panel=_ENGINE,
    ),
]
Fold = Annotated[
    list[str] | None,
    typer.Option(
        "--fold",
        metavar="H,V",
        help="Macros side by side (H) and groups of neurons (inputs if it is serial) at once (V) of a layer; once"
        " for each layer, in order.",
        rich_help_panel=_ENGINE,
    ),
]
Dataflow = Annotated[
    str | None,
    typer.Option(
        "--dataflow",
        metavar="FLOW",
        help="parallel (inputs on the columns), serial (inputs select rows), alternate, or one for each layer:"
        " parallel,serial,parallel.",
        rich_help_panel=_ENGINE,
    ),
]
StreamWidth = Annotated[
    int | None,
    typer.Option(
        "--stream-width",
        metavar="BITS",
        help="Bits a beat of the input stream; a multiple of 8.",
        rich_help_panel=_ENGINE,
    ),
]
NoScores = Annotated[
    bool, typer.Option("--no-scores", help="Give the class alone, without the scores.", rich_help_panel=_ENGINE)
]

FaultInjector = Annotated[
    bool,
    typer.Option(
        "--fault-injector",
        help="Generate per-read errors with registers for rate and seed; off until they are written.",
        rich_help_panel=_ENGINE,
    ),
]

Programming = Annotated[
    bool,
    typer.Option(
        "--programming",
        help="Generate the programming controller: weights and coefficients can be written and verified.",
        rich_help_panel=_ENGINE,
    ),
]

ERRORS_PANEL = "Errors"

Ratio = Annotated[
    float | None,
    typer.Option(
        "--ratio",
        metavar="R",
        help="asymmetric: 0-to-1 errors for each 1-to-0 error; default 0.",
        rich_help_panel=ERRORS_PANEL,
    ),
]
Ones = Annotated[
    float | None,
    typer.Option(
        "--ones", metavar="SHARE", help="stuck: share of them stuck at 1; default 0.5.", rich_help_panel=ERRORS_PANEL
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="LINE",
        help="cluster: row, column or amplifier; default column.",
        rich_help_panel=ERRORS_PANEL,
    ),
]
TileSize = Annotated[
    str | None,
    typer.Option(
        "--macro",
        metavar="RxC",
        help="cluster and device: size of the macros; default 32x32.",
        rich_help_panel=ERRORS_PANEL,
    ),
]
ErrorDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="PRESET",
        help="Errors of pairs of this device, a preset of oxnor device or its own file.",
        rich_help_panel=ERRORS_PANEL,
    ),
]

DEVICE_PANEL = "Devices"

Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="PRESET|FILE",
        help="Draw both devices of every synapse from this model.",
        rich_help_panel=DEVICE_PANEL,
    ),
]
DeviceCycles = Annotated[
    int,
    typer.Option(
        "--cycles", metavar="N", help="SET/RESET cycles that every device has done.", rich_help_panel=DEVICE_PANEL
    ),
]
DeviceSeconds = Annotated[
    float,
    typer.Option(
        "--seconds", metavar="S", help="Seconds between programming and reading.", rich_help_panel=DEVICE_PANEL
    ),
]


def load_device(name: str | None, cycles: int, seconds: float) -> DeviceModel | None:
    """Return the device model called `name`, a preset or in a file."""
    if name is None:
        if cycles or seconds:
            raise InputError("--cycles and --seconds are of a device: give --device too")
        return None
    from oxnor.models.devices import model as device

    return device.load(name)


def load_network(name: str) -> Network:
    """Return the network called `name`, shipped or in a file."""
    from oxnor.models import zoo

    return zoo.load_binarized(name)


def load_any_network(name: str) -> Any:
    """Return the network called `name`, shipped or in a file, binarized or spiking."""
    from oxnor.models import zoo

    return zoo.load(name)


def pair(option: str, text: str, separator: str, example: str, low: int) -> tuple[int, int]:
    """Return two integers, at least `low`, of a text such as ``64x64``."""
    match = re.fullmatch(rf"(\d{{1,9}}){separator}(\d{{1,9}})", text.strip(), re.IGNORECASE)
    if not match or min(int(match[1]), int(match[2])) < low:
        raise InputError(f"{option} must be two positive integers, for example {example}, not {text!r}")
    return int(match[1]), int(match[2])


#: Options that belong to some kinds of error, by their names in Python: (kinds, name of the kind's argument).
_OF_KIND = {
    "ratio": (("asymmetric",), "ratio"),
    "ones": (("stuck",), "ones"),
    "cluster": (("cluster",), "shape"),
    "macro": (("cluster", "device"), "macro"),
}


def kind_options(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a kind of error, after a check that they are of this kind."""
    found = {}
    for name, value in given.items():
        if value is None:
            continue
        kinds, argument = _OF_KIND[name]
        if kind not in kinds:
            raise InputError(f"--{name} goes with --kind {' or '.join(kinds)}, not with {kind}")
        found[argument] = list(value) if isinstance(value, tuple) else value
    return found


def _macro(text: str) -> dict[str, Any]:
    """Return the kind and the size that ``--macro`` asks for, each only if it is there."""
    from oxnor.hw.params.macro_kinds import MACRO_KINDS

    given: dict[str, Any] = {}
    kind, colon, size = text.strip().partition(":")
    if kind in MACRO_KINDS:
        given["macro_kind"] = kind
    elif colon or re.fullmatch("[A-Za-z]+", kind):
        kinds = ", ".join(MACRO_KINDS)
        raise InputError(f"--macro must be a kind ({kinds}), a size such as 64x64, or both as twin:64x64, not {text!r}")
    else:
        size = text
    if colon or not given:
        given["macro_size"] = pair("--macro", size, "x", "64x64", 1)
    return given


def engine_config(
    network: Any,
    target: str,
    macro: str | None = None,
    fold: list[str] | None = None,
    stream_width: int | None = None,
    no_scores: bool = False,
    dataflow: str | None = None,
    **extras: bool,
) -> Any:
    """Return the engine structure that the options ask for: that of the network's kind."""
    from oxnor.sim.verify.flows import flow_of

    if stream_width is not None and (stream_width < 8 or stream_width % 8):
        raise InputError(f"--stream-width must be a positive multiple of 8, not {stream_width}")
    given: dict[str, Any] = {}
    if macro is not None:
        given |= _macro(macro)
    if fold:
        given["folding"] = [pair("--fold", text, ",", "1,16", 1) for text in fold]
    if dataflow is not None:
        given["dataflow"] = dataflow
    if no_scores:
        given["with_scores"] = False
    given |= {name: True for name, wanted in extras.items() if wanted}
    if stream_width is not None:
        given["stream_width"] = stream_width
    return flow_of(network).config(network, target=target, **given)
