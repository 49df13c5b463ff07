"""How Verilator is set to build: which signals a testbench can reach, and what makes it fast."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from oxnor.models.base.errors import InputError

#: For the C++ compiler.
CXX_FLAGS = "-O2"
#: Cycles that a stream player may be granted at once, and what Verilator takes for a loop that never settles.
GRANT_CYCLES, CONVERGE_LIMIT = 16_384, 65_536
#: Statements up to which a design is one file of C++: several begin with two headers to be precompiled, which take as
#: long as 13,000 lines of a design. Functions keep Verilator's own limit.
SPLIT, SPLIT_FUNCTIONS = 60_000, 20_000

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_PORT = re.compile(
    r"\b(input|output|inout)\b\s*(?:(?:wire|reg|logic|var|signed|unsigned)\b\s*|\[[^\]]*\]\s*)*"
    r"((?!input\b|output\b|inout\b)[A-Za-z_]\w*(?:\s*,\s*(?!input\b|output\b|inout\b)[A-Za-z_]\w*)*)"
)


def port_directions(sources: Sequence[Path], top: str) -> dict[str, str]:
    """Return the direction of each port of module `top`, declared in its header or in its body.

    Raises
    ------
    InputError
        If no source has such a module, or it has no ports.
    """
    for path in sources:
        text = _COMMENT.sub(" ", path.read_text())
        match = re.search(rf"\bmodule\s+{re.escape(top)}\b(.*?)\bendmodule\b", text, re.DOTALL)
        if match:
            ports = {n.strip(): d for d, group in _PORT.findall(match.group(1)) for n in group.split(",")}
            if ports:
                return ports
            raise InputError(f"{path}: module {top} must have ports to be simulated")
    raise InputError(f"module {top} must be in one of the sources, and is in none of {[p.name for p in sources]}")


#: Modules of which a large engine has hundreds of instances: Verilator keeps them apart instead of writing each out
#: within its parent, which more than halves the C++ of an engine with real adder trees.
SHARED_MODULES = {"oxnor_popcount_*_tree": "io"}
#: The same of engines with a fault injector.
SHARED_IF_THERE = {"error_mix": ("mixed_a", "mixed_b", "mixed_c", "mixed_d"), "error_planes": ("mask",)}


def control_text(sources: Sequence[Path], top: str, public: bool) -> str:
    """Return a Verilator control file that makes the ports of `top`, and nothing else, visible to the testbench.

    Visible signals block optimisation, and Verilator takes each that can be written for an input that may change at
    any time, so that all logic behind it is evaluated once more at each clock edge. Outputs can only be read.
    With `public` everything is visible anyhow, and the file only says which modules are kept apart.
    """
    stems = {path.stem for path in sources}
    shared = SHARED_MODULES | {name: ports for name, ports in SHARED_IF_THERE.items() if name in stems}
    lines = ["`verilator_config", *(f'no_inline -module "{name}"' for name in shared)]
    if public:
        return "\n".join([*lines, ""])
    # Without a visible port their logic would be drawn into the parents again.
    lines += [f'public_flat_rd -module "{name}" -var "{port}"' for name, ports in shared.items() for port in ports]
    kinds = {"input": "public_flat_rw", "output": "public_flat_rd", "inout": "public_flat_rw"}
    directions = port_directions(sources, top)
    lines += [f'{kinds[direction]} -module "{top}" -var "{name}"' for name, direction in directions.items()]
    return "\n".join([*lines, ""])


def verilator_arguments(public: bool, waves: str | None) -> list[str]:
    """Return the arguments beside those that cocotb gives; see :func:`oxnor.sim.runner.runner.build`."""
    arguments = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing", "-O3", "-CFLAGS", CXX_FLAGS]
    arguments += ["--x-assign", "fast", "--x-initial", "fast", "--converge-limit", str(CONVERGE_LIMIT)]
    arguments += ["--output-split", str(SPLIT), "--output-split-cfuncs", str(SPLIT_FUNCTIONS)]
    if not public:
        arguments.append("--no-public-flat-rw")
    if waves == "fst":
        arguments.append("--trace-fst")
    return arguments
