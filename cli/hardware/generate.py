"""``oxnor generate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, output
from oxnor.cli.options.engine import Engine
from oxnor.cli.options.errors import Devices, Key
from oxnor.cli.options.source import Source
from oxnor.cli.options.verilog import Verilog
from oxnor.cli.text import cycles_text
from oxnor.models.base.replace import check_folder

if TYPE_CHECKING:
    from oxnor.hw.emit.generate import Generated


#: Sizes of a module in the sidecar, and what they are called.
_SIZES = {"instances": "instances", "register_bits": "bits of registers", "memory_bits": "bits of memory"}


@expanded
def generate(
    source: Source,
    output: Annotated[Path, output("DIR", "Folder to write.", check=check_folder)],
    engine: Engine,
    verilog: Verilog,
    devices: Devices,
    key: Key,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Take the place of a folder that holds something else, which is kept as NAME.old."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Generate the Verilog: sources, memory files and a JSON sidecar.

    The folder has rtl/*.sv, mem/*.mem, a file list, constraints, a FuseSoC core, and oxnor.json with the ports,
    registers, structure, modules, timing and hashes. The same input gives the same bytes. A folder written before is
    replaced.

    Example: [bold]oxnor generate mnist-tfc -o engine --target asic --macro 64x64[/]
    """
    design = source.read(engine, verilog, devices, key)
    with progress() as tell:
        tell(f"writing {output}", 0, 0)
        generated = design.generate(output, force=force)
        tell(f"writing {output}", 1, 1)
    if as_json:
        print_json(generated.to_json())
        return
    print_table(("", ""), _rows(generated), left=2)
    rows = [[m["name"], *(f"{m[key]:,}" if m[key] else "" for key in _SIZES)] for m in generated.sidecar["modules"]]
    print_table(("module", *_SIZES.values()), rows, title="Modules: sizes of one instance, the largest if they differ")
    note(f"Written to {output}; oxnor.json there describes it.")


def _rows(generated: Generated) -> list[tuple[str, str]]:
    sidecar = generated.sidecar
    rows = [
        ("top module", generated.top),
        ("Verilog files", str(len(sidecar["sources"]))),
        ("memory files", str(len(sidecar["images"]))),
        ("RRAM macros", f"{generated.macros:,}"),
    ]
    # How long a spiking network takes depends on the image.
    timing = {"latency": "latency", "initiation_interval": "initiation interval"}
    return rows + [(text, cycles_text(sidecar, key)) for key, text in timing.items() if key in sidecar]
