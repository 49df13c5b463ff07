"""The machine and the versions that a measured time depends on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine() -> dict[str, str]:
    """Return the processor, the cores and the versions that a measured time depends on; no name of the machine."""
    try:
        match = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        match = None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    facts = {
        "processor": match.group(1) if match else platform.processor() or platform.machine(),
        "cores": str(cores),
        "system": platform.system(),
        "Python": platform.python_version(),
    }
    for package in ("oxnor", "amaranth", "cocotb", "cocotbext-axi", "numpy", "numba"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts
