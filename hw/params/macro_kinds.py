"""The kinds of RRAM macro behind the same ports, in one table; nothing outside it asks for a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What all macros of kind `twin` read besides their own image: the parameter of the module and the file.
TWIN_FILES = {"NORMAL_FILE": "mem/twin_normal.mem", "DEVICE_FILE": "mem/twin_device.mem"}


@dataclass(frozen=True)
class MacroKind:
    """A macro with the ports of :class:`oxnor.hw.macros.rram_macro.RramMacro`.

    Parameters
    ----------
    module : str
        Verilog module.
    rtl_source : str
        Its file in ``hw/rtl``.
    what : str
        One line for people.
    has_devices : bool
        Whether its image holds devices (:class:`oxnor.hw.placement.drawn_devices.EngineDevices`) instead of bits.
    can_simulate : bool
        Whether there is anything behind its ports.
    files : mapping of str to str
        Parameters that are the same in every macro.
    """

    module: str
    rtl_source: str
    what: str
    has_devices: bool = False
    can_simulate: bool = True
    files: Mapping[str, str] = field(default_factory=dict)


#: By the name that ``--macro`` takes. The first is the default.
MACRO_KINDS = {
    "bits": MacroKind("rram_macro", "rram_macro.sv", "what programming left, one bit a pair; maps to block RAM"),
    "twin": MacroKind(
        "rram_macro_twin",
        "rram_macro_twin.sv",
        "both devices of each pair, sense offsets, read noise, programming and wear",
        has_devices=True,
        files=TWIN_FILES,
    ),
    "blackbox": MacroKind(
        "rram_macro",
        "rram_macro_blackbox.sv",
        "the ports alone, for a chip's own macro",
        can_simulate=False,
    ),
}
DEFAULT_KIND = next(iter(MACRO_KINDS))
