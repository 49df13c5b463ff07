"""The array of each dataflow, in one table."""

from __future__ import annotations

from .parallel_array import SynapseArray
from .serial_array import SerialArray

#: By the name of a dataflow, one of :data:`oxnor.hw.params.options.DATAFLOWS`. All have the same ports.
ARRAYS: dict[str, type[SynapseArray]] = {"parallel": SynapseArray, "serial": SerialArray}
