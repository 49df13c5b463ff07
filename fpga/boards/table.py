"""The boards that oxnor knows by name, and those of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oxnor.models.base.errors import InputError, install, near_names

from .board import ECP5_25, ECP5_85, UP5K, Board, gowin_chip


def _from_amaranth(platform: type, led: tuple[str, int]) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the pins of one of the platforms of amaranth-boards."""
    resources = {(r.name, r.number): r for r in platform.resources}  # type: ignore[attr-defined]
    clock, line = resources[platform.default_clk, 0], resources["uart", 0]  # type: ignore[attr-defined]
    uart = {s.name: s for s in line.ios}
    places = {
        "clk_pin": (clock, clock.ios[0]),
        "uart_rx": (line, uart["rx"].ios[0]),
        "uart_tx": (line, uart["tx"].ios[0]),
        "led": (resources[led], resources[led].ios[0]),
    }
    return {
        name: (pins.names[0], {k: str(v) for k, v in resource.attrs.items()})
        for name, (resource, pins) in places.items()
    }


def _icebreaker() -> Board:
    from amaranth_boards.icebreaker import ICEBreakerPlatform

    # SPI on PMOD 1A, pins 1 to 4 in the order that peripherals of SPI have there.
    pins = _from_amaranth(ICEBreakerPlatform, ("led_g", 0))
    return Board("icebreaker", UP5K, 12, 30, 1_000_000, pins, True, ("4", "2", "47", "45"))


def _ulx3s_85f() -> Board:
    from amaranth_boards.ulx3s import ULX3S_85F_Platform

    # SPI on GP0 to GP3 of J1.
    pins = _from_amaranth(ULX3S_85F_Platform, ("led", 0))
    return Board("ulx3s-85f", ECP5_85, 25, 100, 1_000_000, pins, False, ("B11", "A10", "A9", "B9"))


def _colorlight_i5() -> Board:
    # Not in amaranth-boards. Module v7.0 on its extension board; the serial line goes to the board's own USB probe.
    io = {"IO_TYPE": "LVCMOS33"}
    pins = {"clk_pin": ("P3", io), "uart_rx": ("H18", io), "uart_tx": ("J17", io), "led": ("U16", io)}
    # SPI on PMOD P4 (PMODE), pins 1 to 4.
    return Board("colorlight-i5", ECP5_25, 25, 100, 115_200, pins, True, ("C17", "B18", "B20", "F20"))


def _tang_nano_9k() -> Board:
    from amaranth_boards.tang_nano_9k import TangNano9kPlatform

    pins = _from_amaranth(TangNano9kPlatform, ("led", 0))
    return Board("tang-nano-9k", gowin_chip(TangNano9kPlatform.part), 27, 27, 115_200, pins, True, ())


def _tang_nano_20k() -> Board:
    # Not in amaranth-boards. The serial line goes to the board's own USB probe.
    io = {"IO_TYPE": "LVCMOS33"}
    pins = {"clk_pin": ("4", io), "uart_rx": ("70", io | {"PULL_MODE": "UP"}), "uart_tx": ("69", io), "led": ("15", io)}
    return Board("tang-nano-20k", gowin_chip("GW2AR-LV18QN88C8/I7"), 27, 27, 115_200, pins, True, ())


#: By the name of a board: what makes it.
BOARDS: dict[str, Callable[[], Board]] = {
    "icebreaker": _icebreaker,
    "ulx3s-85f": _ulx3s_85f,
    "colorlight-i5": _colorlight_i5,
    "tang-nano-9k": _tang_nano_9k,
    "tang-nano-20k": _tang_nano_20k,
}


def board(name: str | Path) -> Board:
    """Return a board by its name, or of a file ``*.toml`` (:mod:`oxnor.fpga.boards.file`).

    Raises
    ------
    InputError
        If there is no such board, its file is wrong, or amaranth-boards is not installed.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        from .file import read_board

        return read_board(Path(name))
    if name not in BOARDS:
        known = ", ".join(BOARDS)
        raise InputError(f"must be one of {known}, or a file *.toml, not {name!r}{near_names(name, BOARDS)}",
                         parameter="board")  # fmt: skip
    try:
        return BOARDS[name]()
    except ModuleNotFoundError:
        raise InputError(f"amaranth-boards is needed for the pins of this board: {install('fpga')}") from None
