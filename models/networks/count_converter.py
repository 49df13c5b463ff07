"""An n-bit converter of the counts of a macro, in integers: the same object makes the golden model and the hardware."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CountConverter:
    """What turns the count of the agreeing columns of one read into the nearest of 2**bits multiples of a power of two.

    code = min((count + step / 2) div step, 2**bits - 1), and the value of a code is code * step, at most as many as the
    synapses that were read. The step is the least power of two with which the codes reach the columns.

    Parameters
    ----------
    bits : int
        In [1, 16].
    columns : int
        Columns of a macro: synapses that one conversion adds.
    """

    bits: int
    columns: int

    @property
    def shift(self) -> int:
        """Logarithm of the step to base two."""
        return max(0, (self.columns - 1).bit_length() - self.bits)

    @property
    def top(self) -> int:
        """The highest code."""
        return (1 << self.bits) - 1

    def codes(self, counts: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return the codes of counts."""
        half = (1 << self.shift) >> 1
        return np.minimum((counts + half) >> self.shift, self.top)

    def convert(self, counts: NDArray[np.integer], synapses: int) -> NDArray[np.integer]:
        """Return the values of counts of so many synapses, at most the columns."""
        return np.minimum(self.codes(counts) << self.shift, synapses)
