"""Testbench of the programming controller beside rows of many words: how far its columns, words and counters go."""

from __future__ import annotations

from typing import Any

import cocotb

from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS
from oxnor.hw.macros.program_bus import WORD
from oxnor.sim.benches.blocks.tb_controller import Host, begin
from oxnor.sim.benches.models.controller import ONES


async def begin_with_errors(dut: Any) -> Host:
    """Reset the controller, beside macros that take their time and answer with four wrong bits a word."""
    host = await begin(dut)
    host.odds, host.errors, host.most = {"ready": 0.5, "done": 0.5, "idle": 0}, 1, 4
    return host


async def command(host: Host, *without: str) -> None:
    """Let all commands but some be carried out, and addresses of what fails be read at once.

    A CLEAR that is refused, before and meanwhile, clears nothing.
    """
    await host.step("PROG_COMMAND", value=PROGRAMMING_COMMANDS["CLEAR"])
    host.odds["idle"] = 1
    await host.step("PROG_COMMAND", value=sum(bit for name, bit in PROGRAMMING_COMMANDS.items() if name not in without))
    while host.model.busy:
        await host.step("PROG_COMMAND", "PROG_FAIL", PROGRAMMING_COMMANDS["CLEAR"])
    host.odds["idle"] = 0


@cocotb.test()
async def rows_of_many_words(dut: Any) -> None:
    """Rows are formed, programmed, verified, repaired, reported and read up to their last bits."""
    host = await begin_with_errors(dut)
    for k in range(host.settings["words"] + 2):
        await host.step("PROG_DATA", value=ONES // 7 * (k + 1) & ONES)
    await host.step("PROG_RETRIES", value=1)
    for number, layer in enumerate(host.settings["layers"]):
        for macro, without in ((0, "READ"), (0, "READ_INVERTED"), (layer["macros"], "READ")):
            for name, value in {"PROG_LAYER": number, "PROG_MACRO": macro}.items():
                await host.step(name, value=value)
            await command(host, without)


@cocotb.test()
async def counters_of_all_bits(dut: Any) -> None:
    """Pulses and failures are counted in all their bits: as no test counts to 2^32, they begin anywhere."""
    host = await begin_with_errors(dut)
    host.most = WORD
    layers = host.settings["layers"]
    await host.step("PROG_LAYER", value=min(range(len(layers)), key=lambda k: layers[k]["cols"]))
    for bit in range(1, WORD):
        if cocotb.SIM_NAME.startswith("Icarus"):  # Verilator keeps no names of what is inside
            dut.pulses.value = dut.failures.value = host.model.pulses = host.model.failures = ONES >> bit
        await host.step()
        await command(host, "CLEAR", "REPAIR", "PROGRAM")
