"""The structure of the engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.hw.params.macro_kinds import DEFAULT_MACRO, MACRO_TYPES, OLD_NAMES
from oxnor.hw.params.options import OPTIONAL_PARTS
from oxnor.models.base.errors import InputError

from .common import ENGINE, pair

if TYPE_CHECKING:
    from oxnor.design import Design

Fold = Annotated[
    list[str] | None,
    typer.Option(
        "--fold",
        metavar="H,V",
        help="Macros side by side (H) and groups of neurons (inputs if it is serial) at once (V) of a layer; once"
        " for each layer, in order.",
        rich_help_panel=ENGINE,
    ),
]
FaultInjector = Annotated[
    bool | None,
    typer.Option(
        "--fault-injector",
        help="Generate per-read errors with registers for rate and seed; off until they are written.",
        rich_help_panel=ENGINE,
    ),
]
Programming = Annotated[
    bool | None,
    typer.Option(
        "--programming",
        help="Generate the programming controller: weights and coefficients can be written and verified.",
        rich_help_panel=ENGINE,
    ),
]
Margin = Annotated[
    bool | None,
    typer.Option(
        "--margin",
        help="Give the margin of each result, and whether it is below the least in a register: class, or unsure.",
        rich_help_panel=ENGINE,
    ),
]
Packed = Annotated[
    bool | None,
    typer.Option(
        "--packed",
        help="Keep ternary weights five to a byte, where block RAM is scarce: in memories that are not programmed.",
        rich_help_panel=ENGINE,
    ),
]


@dataclass(frozen=True)
class Engine:
    """Options of the engine."""

    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="Preset for macros, folding and stream: sim, ice40, ecp5 or asic.",
            show_default="sim",
            rich_help_panel=ENGINE,
        ),
    ] = None
    macro: Annotated[
        str | None,
        typer.Option(
            "--macro",
            metavar="KIND[:SIZE]",
            help=f"Kind of every macro ({', '.join(MACRO_TYPES)}) and its size: 64x64, devices, devices:64x64; or one"
            " for each layer: devices:64x64,bits.",
            rich_help_panel=ENGINE,
        ),
    ] = None
    fold: Fold = None
    dataflow: Annotated[
        str | None,
        typer.Option(
            "--dataflow",
            metavar="FLOW",
            help="parallel (inputs on the columns), serial (inputs select rows), alternate, or one for each layer:"
            " parallel,serial,parallel.",
            rich_help_panel=ENGINE,
        ),
    ] = None
    sense_latency: Annotated[
        int | None,
        typer.Option(
            "--sense-latency",
            metavar="CYCLES",
            help="Cycles that every macro takes to sense a row, 1 to 64: one read in so many.",
            show_default="1",
            rich_help_panel=ENGINE,
        ),
    ] = None
    converter_bits: Annotated[
        int | None,
        typer.Option(
            "--converter-bits",
            metavar="N",
            help="Put an N-bit converter between each macro and the adder tree, as an analog array has it; 0 for none.",
            rich_help_panel=ENGINE,
        ),
    ] = None
    pair_states: Annotated[
        int | None,
        typer.Option(
            "--pair-states",
            metavar="N",
            help="3: a pair with both devices in HRS is a weight of 0, so that a ternary weight is one pair, not two.",
            show_default="2",
            rich_help_panel=ENGINE,
        ),
    ] = None
    stream_width: Annotated[
        int | None,
        typer.Option(
            "--stream-width",
            metavar="BITS",
            help="Bits a beat of the input stream; a multiple of 8.",
            rich_help_panel=ENGINE,
        ),
    ] = None
    no_scores: Annotated[
        bool | None,
        typer.Option("--no-scores", help="Give the class alone, without the scores.", rich_help_panel=ENGINE),
    ] = None
    fault_injector: FaultInjector = None
    programming: Programming = None
    margin: Margin = None
    packed: Packed = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        width = self.stream_width
        if width is not None and (width < 8 or width % 8):
            raise InputError(f"must be a positive multiple of 8, not {width}", parameter="stream_width")
        changes: dict[str, Any] = {
            "target": self.target, "dataflow": self.dataflow, "stream_width": width,
            "with_scores": False if self.no_scores else None, "folding": folds(self.fold),
            "fault_injector": self.fault_injector, "programming": self.programming,
            "sense_latency": self.sense_latency, "converter_bits": self.converter_bits, "margin": self.margin,
            "pair_states": self.pair_states, "packed": self.packed,
        }  # fmt: skip
        changes |= macro(self.macro) if self.macro is not None else {}
        return design.with_engine(**{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True)
class Features:
    """What else the engine of a board is generated with."""

    fault_injector: FaultInjector = None
    programming: Programming = None
    margin: Margin = None
    packed: Packed = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        changes = {name: getattr(self, name) for name in OPTIONAL_PARTS}
        return design.with_engine(**{name: value for name, value in changes.items() if value is not None})


def folds(texts: list[str] | None) -> list[tuple[int, int]] | None:
    """Return the folding of each layer, or None if there is no text."""
    return [pair("folding", text, ",", "1,16") for text in texts] if texts else None


def macro(text: str) -> dict[str, Any]:
    """Return the kinds and the sizes that ``--macro`` asks for, each only if it is there."""
    each = [_macro(part) for part in text.split(",")]
    if len(each) == 1:
        return each[0]
    kinds, sizes = ([one.get(name) for one in each] for name in ("macro_kind", "macro_size"))
    changes: dict[str, Any] = {"macro_size": sizes} if any(sizes) else {}
    if any(kinds):
        changes["macro_kind"] = [kind or DEFAULT_MACRO for kind in kinds]
    return changes


def _macro(text: str) -> dict[str, Any]:
    """Return the kind and the size of one part of ``--macro``, each only if it is there."""
    changes: dict[str, Any] = {}
    kind, colon, size = text.strip().partition(":")
    if kind in (*MACRO_TYPES, *OLD_NAMES):
        changes["macro_kind"] = kind
    elif colon or re.fullmatch("[A-Za-z]+", kind):
        kinds = ", ".join(MACRO_TYPES)
        raise InputError(
            f"must be a kind ({kinds}), a size such as 64x64, or both as devices:64x64, not {text!r}",
            parameter="macro",
        )
    else:
        size = text
    if colon or not changes:
        changes["macro_size"] = pair("macro", size, "x", "64x64")
    return changes
