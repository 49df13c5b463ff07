"""Which devices hold a network, and their age: one record for every function that takes devices."""

from __future__ import annotations

from dataclasses import dataclass

from .model import DeviceModel


@dataclass(frozen=True)
class DeviceOptions:
    """The devices of a network.

    Seed and trial of :class:`oxnor.models.faults.options.ErrorOptions` key the draw.

    Parameters
    ----------
    model : DeviceModel
        What both devices of every synapse are drawn from.
    cycles : int
        SET/RESET cycles that every device has done.
    seconds : float
        Time between programming and reading, in seconds.
    """

    model: DeviceModel
    cycles: int = 0
    seconds: float = 0.0
