"""Analog-to-digital converters of a crossbar's columns: ideal ones, and SAR and ramp converters with mismatch.

Equations of SAR and ramp: Spear et al., JxCDC 2023, as in CrossSim 3.2 (BSD-3), circuits/adc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

Floats = NDArray[np.floating]
BITS_MAX = 16
#: Converters whose levels have mismatch.
KINDS = {"sar": "SAR", "ramp": "ramp"}
#: Columns that share a SAR converter of an array: NeuroSim's default.
COLUMNS_OF_A_SAR = 8


class Converter(Protocol):
    """Anything that turns the sums of columns into codes, and says which value a code stands for."""

    def codes(self, values: Floats) -> NDArray[np.int64]:
        """Return the codes of values, shape (..., columns)."""

    def convert(self, values: Floats) -> Floats:
        """Return the values that the codes of values, shape (..., columns), stand for."""


def check_bits(bits: int) -> int:
    """Return `bits` if a converter can have so many, or raise InputError."""
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 1 <= bits <= BITS_MAX:
        raise InputError(f"must be an integer in [1, {BITS_MAX}], not {bits!r}", parameter="adc_bits")
    return int(bits)


@dataclass(frozen=True)
class UniformAdc:
    """Equal steps between the ends of a range, which are levels: y = lo + q rint((v - lo) / q), clipped.

    Ties go to the even code.

    Parameters
    ----------
    bits : int
        In [1, 16].
    low, high : float
        Values of the lowest and the highest code.
    levels : int, optional
        Number of codes. Default: 2**bits.
    """

    bits: int
    low: float
    high: float
    levels: int = 0

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if not -np.inf < self.low < self.high < np.inf:
            raise InputError(f"range of a converter must be two rising numbers, not {self.low:g} and {self.high:g}")
        if not self.levels:
            object.__setattr__(self, "levels", 1 << self.bits)

    @classmethod
    def sign_magnitude(cls, bits: int, limit: float) -> UniformAdc:
        """Return a converter with 2**bits - 1 levels from -limit to limit, of which 0 is one."""
        if check_bits(bits) < 2:
            raise InputError(f"must be at least 2 with a sign, not {bits}", parameter="adc_bits")
        return cls(bits, -limit, limit, (1 << bits) - 1)

    @property
    def step(self) -> float:
        """Difference of the values of two neighbouring codes."""
        return (self.high - self.low) / (self.levels - 1)

    def codes(self, values: Floats) -> NDArray[np.int64]:  # noqa: D102
        return np.clip(np.rint((values - self.low) / self.step), 0, self.levels - 1).astype(np.int64)

    def stochastic(self, values: Floats, generator: np.random.Generator) -> Floats:
        """Return converted values, each rounded up with the probability of its remainder."""
        whole = np.floor((values - self.low) / self.step + generator.random(np.shape(values)))
        return self.low + self.step * np.clip(whole, 0, self.levels - 1)

    def convert(self, values: Floats) -> Floats:  # noqa: D102
        step = np.asarray(self.step, getattr(values, "dtype", np.float64))
        codes = np.subtract(values, self.low)
        codes /= step
        np.rint(codes, out=codes)
        np.clip(codes, 0, self.levels - 1, out=codes)
        codes *= step
        codes += self.low
        return codes


@dataclass(frozen=True)
class AdcMismatch:
    """The converters of arrays whose capacitors and comparators are not what they should be.

    Parameters
    ----------
    kind : str
        A key of :data:`KINDS`.
    capacitor, comparator : float
        Standard deviations, as for :meth:`MismatchedAdc.draw`.
    """

    kind: str
    capacitor: float = 0.0
    comparator: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"must be one of {', '.join(KINDS)}, not {self.kind!r}", parameter="converter")
        for name in ("capacitor", "comparator"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"must be in [0, 1), not {getattr(self, name):g}", parameter=f"{name}_sd")

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}, sd {self.capacitor:g} / {self.comparator:g}"

    def draw(self, ideal: UniformAdc, columns: int, generator: np.random.Generator) -> MismatchedAdc:
        """Return the converters of an array: 2**bits levels between the ends of `ideal`, SAR ones of 8 columns."""
        full = UniformAdc(ideal.bits, ideal.low, ideal.high)
        return MismatchedAdc.draw(full, self.kind, columns, generator, sigma_capacitor=self.capacitor,
                                  sigma_comparator=self.comparator, group=COLUMNS_OF_A_SAR)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MismatchedAdc:
    """A converter whose levels come from a capacitive DAC with mismatch, and whose comparators have offsets.

    Parameters
    ----------
    ideal : UniformAdc
        Range and bits; what a code stands for.
    kind : str
        "sar": a binary search against the DAC, for each converter. "ramp": one DAC for the whole array, whose ramp all
        columns are compared with; a column has the code of the nearest level.
    levels : ndarray of float, shape (converters, 2**bits)
        Levels of each converter, in the unit of the range.
    offsets : ndarray of float, shape (comparators,)
    group : int
        Neighbouring columns that share a converter.
    """

    ideal: UniformAdc
    kind: str
    levels: Floats
    offsets: Floats
    group: int = 1

    @classmethod
    def draw(
        cls, ideal: UniformAdc, kind: str, columns: int, generator: np.random.Generator, *,
        sigma_capacitor: float = 0.0, sigma_comparator: float = 0.0, gain_db: float = 100.0, group: int = 1,
    ) -> MismatchedAdc:  # fmt: skip
        """Draw the converters of an array.

        Parameters
        ----------
        ideal : UniformAdc
        kind : str
            "sar" or "ramp".
        columns : int
        generator : numpy.random.Generator
        sigma_capacitor : float
            Relative standard deviation of a unit capacitor; that of 2**k units is sigma 2**(k / 2) units.
        sigma_comparator : float
            Standard deviation of a comparator's offset, as a share of the range.
        gain_db : float
            Gain of the amplifier: levels shrink by 1 / (1 + 1 / gain).
        group : int
            Columns that share a SAR converter.
        """
        if kind not in KINDS:
            raise InputError(f"must be one of {', '.join(KINDS)}, not {kind!r}", parameter="kind")
        converters = -(-columns // group) if kind == "sar" else 1
        units = 2.0 ** np.arange(ideal.bits)
        capacitors = units + sigma_capacitor * np.sqrt(units) * generator.standard_normal((converters, ideal.bits))
        total = capacitors.sum(axis=1, keepdims=True) + 1  # and the terminating unit
        on = (np.arange(1 << ideal.bits)[:, None] >> np.arange(ideal.bits)) & 1
        share = (capacitors @ on.T) / total * (1 << ideal.bits) / ((1 << ideal.bits) - 1)
        share /= 1 + 10 ** (-gain_db / 20)
        span = ideal.high - ideal.low
        comparators = converters if kind == "sar" else columns
        offsets = sigma_comparator * span * generator.standard_normal(comparators)
        return cls(ideal, kind, ideal.low + span * share, offsets, group if kind == "sar" else 1)

    def codes(self, values: Floats) -> NDArray[np.int64]:  # noqa: D102
        v = np.asarray(values)
        at = np.arange(v.shape[-1]) // self.group
        compared = v + self.offsets[at]
        if self.kind == "ramp":
            levels = np.maximum.accumulate(self.levels[0])
            return np.searchsorted((levels[1:] + levels[:-1]) / 2, compared).astype(np.int64)
        # Half a step below each level, so that a code has the values nearest to it.
        thresholds, found = self.levels - self.ideal.step / 2, np.zeros(v.shape, np.int64)
        for k in reversed(range(self.ideal.bits)):
            tried = found | (1 << k)
            found = np.where(compared >= thresholds[at, tried], tried, found)
        return found

    def convert(self, values: Floats) -> Floats:  # noqa: D102
        return self.ideal.low + self.ideal.step * self.codes(values)
