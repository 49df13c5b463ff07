"""What all gateware units share: a module name, and a hierarchy that is kept in the emitted Verilog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class Unit(wiring.Component):
    """A component that becomes one Verilog module, named by :attr:`module_name`.

    Two units of the same name must be the same hardware: the module is emitted once and instantiated often.
    """

    # A unit that is placed twice is elaborated once: the others are used all the same.
    _MustUse__silence = True

    #: SystemVerilog expression for output ``o`` that a simulation may use instead of the module's body.
    behavioural: ClassVar[str | None] = None
    #: Whether the module has clock and reset ports.
    has_clock: bool = True
    #: Name of a hand-written source in ``hw/rtl`` that is the module, instead of what Amaranth would emit.
    rtl_source: str | None = None
    #: Verilog parameters of this instance.
    verilog_parameters: dict[str, str | int]
    #: Defaults of parameters of a hand-written source, where they are not those in the file.
    verilog_defaults: Mapping[str, int] = MappingProxyType({})

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        raise NotImplementedError

    @property
    def timing(self) -> str:
        """Latency and rate in numbers, for the comment at the head of the module; "" if its ports say all."""
        return ""


class EmitPlatform:
    """Elaboration for Verilog: a placed unit becomes an instance of its own module.

    Attributes
    ----------
    units : dict of str to Unit
        The units met so far, by module name.
    """

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}

    def instance(self, unit: Unit) -> Instance:
        """Return an instance of `unit`'s module, and remember the unit."""
        self.units.setdefault(unit.module_name, unit)
        ports: dict[str, object] = {f"p_{k}": v for k, v in getattr(unit, "verilog_parameters", {}).items()}
        for path, member, value in unit.signature.flatten(unit):
            direction = "i" if member.flow == In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = getattr(value, "as_value", lambda v=value: v)()
        if unit.has_clock:
            ports["i_clk"] = ClockSignal()
            if unit.rtl_source is None:
                ports["i_rst"] = ResetSignal()
        return Instance(unit.module_name, **ports)


def place(m: Module, platform: object, name: str, unit: Unit) -> None:
    """Make `unit` a submodule: whole in the Amaranth simulator, an instance of its module when Verilog is emitted."""
    m.submodules[name] = platform.instance(unit) if isinstance(platform, EmitPlatform) else unit


def times(value: Value, factor: int) -> Value:
    """Return `value` times a positive constant, by shifts and as few additions and subtractions as there must be."""
    added: list[Value] = []
    taken: list[Value] = []
    for shift in range(factor.bit_length() + 1):
        if factor >> shift & 1:
            is_run = factor >> shift & 2  # of ones: the bit after them less the first
            factor += 1 << shift if is_run else -(1 << shift)
            (taken if is_run else added).append(value << shift)
    total = sum_tree(added)
    return total - sum_tree(taken) if taken else total


def sum_tree(values: Sequence[Value]) -> Value:
    """Return the sum of `values` as a balanced tree of adders."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return sum_tree(values[:half]) + sum_tree(values[half:])
