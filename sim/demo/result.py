"""What the demonstration gives: runs through the RTL, a curve of the golden model, and a waveform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.networks.binarized import Network
from oxnor.models.trials.curves import Curve
from oxnor.sim.drawing.waveform import Waveform
from oxnor.sim.verify.inputs import Inputs
from oxnor.sim.verify.results import SimulationResult

#: Accuracy that is lost at the rate which the page names: one point.
KNEE_LIMIT = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class Demo:
    """All that the demonstration shows.

    Parameters
    ----------
    network : Network
    config : EngineConfig
    inputs : Inputs
        The digits.
    runs : tuple of SimulationResult
        One for each of the bit error rates, in their order.
    curve : Curve
        The golden model at more rates.
    waveform : Waveform
        Real reads of a hidden layer.
    wave_network : str
        Name of the network that they belong to.
    seconds : float
        Wall time of all of it.
    """

    network: Network
    config: EngineConfig
    inputs: Inputs
    runs: tuple[SimulationResult, ...]
    curve: Curve
    waveform: Waveform
    wave_network: str
    seconds: float

    def __repr__(self) -> str:
        verdict = "all equal to the golden model" if self.ok else "NOT equal to the golden model"
        return f"Demo({self.network.name!r}, {len(self.inputs.images):,} digits, {len(self.runs)} runs: {verdict})"

    @property
    def ok(self) -> bool:
        """Whether every run agreed with the golden model on every bit and with the schedule on every cycle."""
        return all(run.ok for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON-able dict."""
        return {
            "network": self.network.name,
            "images": len(self.inputs.images),
            "ok": self.ok,
            "runs": [run.to_json() for run in self.runs],
            "sweep": self.curve.to_json(KNEE_LIMIT),
            "seconds": round(self.seconds, 1),
        }
