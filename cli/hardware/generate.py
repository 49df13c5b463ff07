"""``oxnor generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options import (
    DEVICE_PANEL,
    AsJson,
    Dataflow,
    Device,
    DeviceCycles,
    DeviceSeconds,
    FaultInjector,
    Fold,
    Macro,
    NetworkName,
    NoScores,
    Programming,
    StreamWidth,
    TargetName,
    engine_config,
    load_any_network,
    load_device,
)


def generate(
    network: NetworkName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    target: TargetName = "sim",
    macro: Macro = None,
    fold: Fold = None,
    dataflow: Dataflow = None,
    stream_width: StreamWidth = None,
    no_scores: NoScores = False,
    fault_injector: FaultInjector = False,
    programming: Programming = False,
    device: Device = None,
    cycles: DeviceCycles = 0,
    seconds: DeviceSeconds = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Key of the drawn devices.", rich_help_panel=DEVICE_PANEL)
    ] = 0,
    trial: Annotated[
        int, typer.Option("--trial", metavar="N", help="Which draw of that seed.", rich_help_panel=DEVICE_PANEL)
    ] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder even if it is not ours.")] = False,
    as_json: AsJson = False,
) -> None:
    """Get hardware: Verilog, memory images and a JSON sidecar.

    The folder has rtl/*.sv, mem/*.mem, a file list, and oxnor.json with the ports, registers, structure, timing and
    hashes. The same input gives the same bytes. A folder written before is replaced; another one only with --force.

    Example: [bold]oxnor generate mnist-tfc -o engine --target asic --macro 64x64[/]
    """
    from oxnor.hw.emit.generate import generate as write
    from oxnor.hw.placement.drawn_devices import DeviceDraw

    loaded = load_any_network(network)
    model = load_device(device, cycles, seconds)
    extras = {"fault_injector": fault_injector, "programming": programming}
    config = engine_config(loaded, target, macro, fold, stream_width, no_scores, dataflow, **extras)
    with progress() as tell:
        tell(f"writing {output}", 0, 0)
        draw = DeviceDraw(model, cycles, seconds, seed, trial) if model else None
        sidecar = write(loaded, output, config, devices=draw, force=force)
        tell(f"writing {output}", 1, 1)
    if as_json:
        print_json({"directory": str(output)} | sidecar)
        return
    rows = [
        ("top module", sidecar["top"]),
        ("Verilog files", str(len(sidecar["sources"]))),
        ("memory images", str(len(sidecar["images"]))),
        ("RRAM macros", f"{sum(y.macros for y in config.layers):,}"),
    ]
    # How long a spiking network takes is up to the image.
    timing = {"latency": "latency", "initiation_interval": "initiation interval"}
    rows += [(text, f"{sidecar[key]:,} cycles") for key, text in timing.items() if key in sidecar]
    print_table(("", ""), rows, left=2)
    note(f"Written to {output}; oxnor.json there describes it.")
