"""Which units are mutated, alone or as part of another, and which are not."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from amaranth.hdl import Fragment

import oxnor.hw
from oxnor.hw.blocks.unit import EmitPlatform, Unit

from .units import UNITS

_WHOLE = "compared with its model in whole engines only; it has no testbench of its own that finds mutants one by one"
_BYTES = "compared with the protocol's model in Amaranth's simulator, which the emitted netlist is not run in"
_DEVICES = "reads depend on drawn numbers: most mutants show only in close ones; broken in 30 chosen ways instead"
_CELLS = "the macro of single cells is a model for simulation, of which no netlist can be made"
#: Units that are not mutated, by class or hand-written module, and why.
LEFT_OUT: dict[str, str] = {
    "engine.wishbone.WishboneEngine": _WHOLE,
    **{f"spiking.{name}": _WHOLE for name in (
        "aer_input.EventInput", "aer_output.SpikeSerializer", "engine.SpikingEngine", "layer.SpikingLayer",
        "rate_encoder.RateEncoder", "readout.Readout",
    )},
    **{f"link.{name}": _BYTES for name in (
        "board.BoardLogic", "engine_access.EngineAccess", "link.Link", "receiver.LinkReceiver",
        "registers_access.RegistersAccess", "sender.LinkSender",
    )},
    "macros.cell_adapter.CellAdapter": _CELLS,
    "macros.cell_adapter.RramCells": _CELLS,
    "rram_cells": _CELLS,
    "rram_macro_ternary": _WHOLE,
    "rram_macro_devices": _DEVICES,
    "rram_macro_ternary_devices": _DEVICES,
}  # fmt: skip


def _every(cls: type[Unit]) -> Iterator[type[Unit]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _every(sub)


def _name(cls: type) -> str:
    return f"{cls.__module__.removeprefix('oxnor.hw.')}.{cls.__name__}"


def all_units() -> set[str]:
    """Return the classes of gateware that can be emitted, and the hand-written modules."""
    for module in pkgutil.walk_packages(oxnor.hw.__path__, "oxnor.hw."):
        importlib.import_module(module.name)
    written = {p.stem for p in (Path(oxnor.hw.__path__[0]) / "rtl").glob("*.sv")}
    # A chip's own macro stands in the place of a black box.
    written -= {name for name in written if name.endswith("_blackbox")}
    # Bases of others are no hardware of their own.
    classes = {c for c in _every(Unit) if c.__module__.startswith("oxnor.hw.") and "module_name" in dir(c)}
    bases = {base for c in classes for base in c.__bases__ if base.__subclasses__() and not _is_emitted(base)}
    # A class of ports stands for its hand-written module.
    return {_name(c) for c in classes - bases if not c.rtl_source} | written


def _is_emitted(cls: type) -> bool:
    """Return whether a class that others inherit from says itself what its hardware is."""
    return "elaborate" in vars(cls) and not cls.__name__.startswith("_")


def _inside(unit: Unit | str) -> Iterator[str]:
    """Yield what a unit is made of, itself included."""
    if isinstance(unit, str):
        yield unit
        return
    if unit.rtl_source:
        yield Path(unit.rtl_source).stem
    if not type(unit).rtl_source:
        yield _name(type(unit))
    if unit.rtl_source:
        return
    platform = EmitPlatform()
    Fragment.get(unit, platform)
    for part in platform.units.values():
        yield from _inside(part)


def mutated() -> set[str]:
    """Return the units that are mutated, alone or as part of another."""
    found: set[str] = set()
    for unit in UNITS.values():
        names = [*_inside(unit.testbench().unit)]
        found |= {names[0], *unit.parts} if unit.only else {*names}
    return {name for name in found if not name.startswith("oxnor.")}  # nor what is made for a testbench alone
