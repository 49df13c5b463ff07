"""What accuracy is measured against: an error rate, or what an experimenter turns."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of a curve.

    Parameters
    ----------
    head : str
        Of its column in a table.
    label : str
        Of the axis of a picture, and in titles.
    unit : str
        Behind a value in a sentence.
    high : float
        Largest value.
    rising : bool
        Whether larger values are worse.
    """

    head: str
    label: str
    unit: str = ""
    high: float = math.inf
    rising: bool = True

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:.2g}{f' {self.unit}' if self.unit else ''}"


#: By the name that an option gives it.
AXES = {
    "ber": Axis("error rate", "error rate", high=1.0),
    "cycles": Axis("cycles", "SET/RESET cycles", "cycles"),
    "seconds": Axis("seconds", "seconds after programming", "s"),
    "sigma": Axis("sigma", "sigma of ln R"),
    "vdd": Axis("supply (V)", "supply (V)", "V", rising=False),
    "ratio": Axis("HRS / LRS", "ratio of the medians, HRS / LRS", rising=False),
}
BER = AXES["ber"]
