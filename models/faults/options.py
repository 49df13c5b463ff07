"""Which errors a network gets: one record for every function that takes errors."""

from __future__ import annotations

from dataclasses import dataclass

from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork

from .fault_map import FaultMap
from .read_errors import ReadErrors


@dataclass(frozen=True)
class ErrorOptions:
    """The errors of a network. Default: none.

    Parameters
    ----------
    ber : float
        Bit error rate of the weights (of the cells, in a spiking network), in [0, 1].
    seed, trial : int
        Key of the draw, each in [0, 2**63).
    faults : FaultMap, optional
        The wrong weights themselves, instead of `ber`.
    read_errors : ReadErrors, optional
        Errors of single reads; a fault map may hold some too, but not both.

    Raises
    ------
    InputError
        If errors of one sort are given twice.
    """

    ber: float = 0.0
    seed: int = 0
    trial: int = 0
    faults: FaultMap | None = None
    read_errors: ReadErrors | None = None

    def __post_init__(self) -> None:
        if self.faults is not None and self.ber:
            raise InputError("bit errors must come from ber or from a fault map, not from both")
        if self.faults is not None and self.faults.read and self.read_errors:
            raise InputError("errors of single reads must come from the fault map or be given, not both")

    @property
    def are_static(self) -> bool:
        """Whether weights may be wrong at every read."""
        return bool(self.ber) or self.faults is not None

    @property
    def reads(self) -> ReadErrors | None:
        """Errors of single reads, given or from the fault map."""
        return self.read_errors or (self.faults.read if self.faults is not None else None)

    def fault_map(self, network: Network | SpikingNetwork) -> FaultMap:
        """Return the wrong weights of `network`: the given ones, or drawn ones."""
        if self.faults is not None:
            return self.faults
        return FaultMap.draw(network, ber=self.ber, seed=self.seed, trial=self.trial)
