"""Converters that learn: a feed-forward network of comparators, and a DAC, trained by the LMS rule.

The bits come from the highest to the lowest: D_i = 1 iff V >= b_i + sum over j > i of w_ij D_j, for V in [0, 1) of full
scale. A teacher says which bits are right; a bit that is wrong moves its weights by eta D_j and its bias by eta. The
idea is that of Danial et al., NANOARCH 2018 and JETCAS 2018; these equations are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .adc import check_bits

Floats = NDArray[np.floating]
#: Gives the right codes of values in [0, 1).
Teacher = Callable[[Floats], NDArray[np.int64]]
#: Samples, and the rates of the two halves of the training.
SAMPLES, RATES = 20_000, (0.01, 0.002)
#: Relative standard deviation of what a write does.
WRITE_NOISE = 0.1
_SINE, _CYCLES, _AMPLITUDE = 1 << 14, 127, 0.4999
_RAMP = 1 << 16


def uniform_teacher(bits: int) -> Teacher:
    """Return the teacher of equal steps."""
    return lambda v: np.clip(np.floor(np.asarray(v) * (1 << bits)), 0, (1 << bits) - 1).astype(np.int64)


def logarithmic_teacher(bits: int, base: float = 10.0) -> Teacher:
    """Return the teacher of codes floor(2**n log_B(1 + (B - 1) V)). No network of this form learns it exactly."""
    n = 1 << bits

    def codes(v: Floats) -> NDArray[np.int64]:
        share = np.log1p((base - 1) * np.asarray(v)) / np.log(base)
        return np.clip(np.floor(n * share), 0, n - 1).astype(np.int64)

    return codes


def threshold_teacher(thresholds: Floats) -> Teacher:
    """Return the teacher of codes that count how many rising thresholds a value reaches."""
    return lambda v: np.searchsorted(thresholds, np.asarray(v), side="right").astype(np.int64)


def lloyd_max(values: Floats, bits: int, rounds: int = 60) -> tuple[Floats, Floats]:
    """Return thresholds and levels with the least mean square error for a sample: (2**n - 1,) and (2**n,)."""
    v = np.sort(np.asarray(values, np.float64).ravel())
    n = 1 << check_bits(bits)
    levels = np.quantile(v, (np.arange(n) + 0.5) / n)
    sums = np.concatenate([[0.0], np.cumsum(v)])
    for _ in range(rounds):
        at = np.searchsorted(v, (levels[1:] + levels[:-1]) / 2)
        ends = np.concatenate([[0], at, [len(v)]])
        count = np.diff(ends)
        levels = np.where(count > 0, np.diff(sums[ends]) / np.maximum(count, 1), levels)
    return (levels[1:] + levels[:-1]) / 2, levels


@dataclass(eq=False)
class TrainableAdc:
    """Converters of n bits, one or more.

    Parameters
    ----------
    weights : ndarray of float, shape (converters, n, n)
        w_ij of bit i and bit j > i, as a share of full scale; bit 0 is the lowest.
    biases : ndarray of float, shape (converters, n)
    """

    weights: Floats
    biases: Floats

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.biases.shape[1]

    @classmethod
    def ideal(cls, bits: int, converters: int = 1) -> TrainableAdc:
        """Return converters of equal steps."""
        check_bits(bits)
        step = 2.0 ** np.arange(bits) / (1 << bits)
        above = np.triu(np.ones((bits, bits)), 1)
        return cls(np.repeat((above * step)[None], converters, 0), np.repeat(step[None], converters, 0))

    @classmethod
    def draw(cls, bits: int, mismatch: float, generator: np.random.Generator, converters: int = 1) -> TrainableAdc:
        """Return converters each of whose numbers is off by a relative standard deviation `mismatch`."""
        if not 0 <= mismatch < np.inf:
            raise InputError(f"must be 0 or more, not {mismatch:g}", parameter="mismatch")
        adc = cls.ideal(bits, converters)
        adc.weights = adc.weights * (1 + mismatch * generator.standard_normal(adc.weights.shape))
        adc.biases = adc.biases * (1 + mismatch * generator.standard_normal(adc.biases.shape))
        return adc

    def digits(self, v: Floats) -> NDArray[np.float64]:
        """Return the bits of values (..., converters), shape (..., converters, n)."""
        v = np.asarray(v, np.float64)
        d = np.zeros((*v.shape, self.bits))
        for i in reversed(range(self.bits)):
            reference = self.biases[:, i] + (self.weights[:, i] * d).sum(axis=-1)
            d[..., i] = v >= reference
        return d

    def codes(self, v: Floats) -> NDArray[np.int64]:
        """Return the codes of values in [0, 1), shape (..., converters)."""
        return (self.digits(v) @ (1 << np.arange(self.bits))).astype(np.int64)

    def train(
        self, samples: Floats, teacher: Teacher, generator: np.random.Generator, rates: tuple[float, ...] = RATES
    ) -> None:
        """Train every converter on the same samples, (n,), in equal parts with each of the rates."""
        right = (teacher(samples)[:, None] >> np.arange(self.bits)) & 1
        above = np.triu(np.ones((self.bits, self.bits)), 1)
        shape = (self.bits, self.bits + 1)
        for k, (v, t) in enumerate(zip(samples, right, strict=True)):
            eta = rates[k * len(rates) // len(samples)]
            d = self.digits(np.full(len(self.biases), v))
            error = t - d
            if not error.any():
                continue
            noise = 1 + WRITE_NOISE * generator.standard_normal((len(self.biases), *shape))
            self.weights -= eta * error[:, :, None] * d[:, None, :] * above * noise[:, :, :-1]
            self.biases -= eta * error * noise[:, :, -1]


@dataclass(eq=False)
class TrainableDac:
    """DACs of n bits: V = sum of w_i D_i.

    Parameters
    ----------
    weights : ndarray of float, shape (converters, n)
        As a share of full scale.
    """

    weights: Floats

    @classmethod
    def draw(cls, bits: int, mismatch: float, generator: np.random.Generator, converters: int = 1) -> TrainableDac:
        """Return DACs each of whose weights is off by a relative standard deviation `mismatch`."""
        step = np.repeat((2.0 ** np.arange(check_bits(bits)) / (1 << bits))[None], converters, 0)
        return cls(step * (1 + mismatch * generator.standard_normal(step.shape)))

    def convert(self, codes: NDArray[np.integer]) -> Floats:
        """Return the outputs of codes (n,), shape (n, converters)."""
        digits = (np.asarray(codes)[:, None] >> np.arange(self.weights.shape[1])) & 1
        return digits @ self.weights.T

    def train(self, codes: NDArray[np.integer], generator: np.random.Generator, rate: float = 0.05) -> None:
        """Train every DAC on codes (n,), whose right output is code / 2**n."""
        n = self.weights.shape[1]
        for code in np.asarray(codes):
            d = (int(code) >> np.arange(n)) & 1
            error = self.weights @ d - code / (1 << n)
            noise = 1 + WRITE_NOISE * generator.standard_normal(self.weights.shape)
            self.weights = self.weights - rate * error[:, None] * d * noise


@dataclass(frozen=True, eq=False)
class Quality:
    """How good converters are; arrays of one number a converter.

    Parameters
    ----------
    enob : ndarray of float
        Effective bits, (SNDR - 1.76) / 6.02, of a coherent sine over 99.98 % of full scale.
    dnl, inl : ndarray of float
        Largest magnitudes, in steps, from the histogram of a ramp.
    """

    enob: Floats
    dnl: Floats
    inl: Floats


def quality(adc: TrainableAdc) -> Quality:
    """Measure converters against equal steps."""
    count, n = len(adc.biases), 1 << adc.bits
    t = np.arange(_SINE)
    sine = 0.5 + _AMPLITUDE * np.sin(2 * np.pi * _CYCLES * t / _SINE)
    spectrum = np.abs(np.fft.rfft(adc.codes(np.repeat(sine[:, None], count, 1)), axis=0)) ** 2
    signal = spectrum[_CYCLES]
    rest = spectrum[1:].sum(axis=0) - signal
    sndr = 10 * np.log10(np.maximum(signal, 1e-30) / np.maximum(rest, 1e-30))
    ramp = (np.arange(_RAMP) + 0.5) / _RAMP
    codes = adc.codes(np.repeat(ramp[:, None], count, 1))
    widths = np.stack([np.bincount(c, minlength=n) for c in codes.T]) * (n / _RAMP) - 1
    return Quality((sndr - 1.76) / 6.02, np.abs(widths).max(axis=1), np.abs(np.cumsum(widths, axis=1)).max(axis=1))


@dataclass(frozen=True, eq=False)
class LevelAdc:
    """A converter of any rising thresholds; each code stands for a level.

    Parameters
    ----------
    thresholds : ndarray of float, shape (levels - 1,)
    levels : ndarray of float
    """

    thresholds: Floats
    levels: Floats

    @classmethod
    def lloyd_max(cls, values: Floats, bits: int) -> LevelAdc:
        """Return the converter with the least mean square error for a sample."""
        return cls(*lloyd_max(values, bits))

    def codes(self, values: Floats) -> NDArray[np.int64]:  # noqa: D102
        return np.searchsorted(self.thresholds.astype(values.dtype), values, side="right")

    def convert(self, values: Floats) -> Floats:  # noqa: D102
        return self.levels.astype(values.dtype)[self.codes(values)]


@dataclass(frozen=True, eq=False)
class TrainedAdc:
    """A converter that was trained on what it is to convert.

    Parameters
    ----------
    adc : TrainableAdc
        A single one.
    low, high : float
        What 0 and 1 of its full scale are.
    levels : ndarray of float, shape (2**n,)
        What its codes stand for.
    thresholds : ndarray of float
        Where its code changes, and `steps`, to which: from a fine ramp.
    """

    adc: TrainableAdc
    low: float
    high: float
    levels: Floats
    thresholds: Floats = field(repr=False)
    steps: NDArray[np.int64] = field(repr=False)

    @classmethod
    def train(
        cls, values: Floats, bits: int, mismatch: float, generator: np.random.Generator, samples: int = SAMPLES
    ) -> TrainedAdc:
        """Draw a converter and train it to the thresholds of :func:`lloyd_max`.

        Parameters
        ----------
        values : ndarray of float
            A sample of what it is to convert, of training images.
        bits : int
        mismatch : float
        generator : numpy.random.Generator
        samples : int
            Samples of the training.
        """
        values = np.asarray(values, np.float64).ravel()
        low, high = (float(v) for v in np.percentile(values, [0.01, 99.99]))
        if not low < high:
            raise InputError("must hold values that differ, to train a converter with", parameter="values")
        shares = np.clip((values - low) / (high - low), 0, 1 - 1e-9)
        thresholds, _ = lloyd_max(shares, bits)
        adc = TrainableAdc.draw(bits, mismatch, generator)
        # Half of the samples where the values are, half all over: the edges must be learnt too.
        drawn = np.where(generator.random(samples) < 0.5, generator.choice(shares, samples), generator.random(samples))
        adc.train(drawn, threshold_teacher(thresholds), generator)
        codes = adc.codes(shares[:, None])[:, 0]
        count = np.bincount(codes, minlength=1 << bits)
        sums = np.bincount(codes, values, minlength=1 << bits)
        middles = low + (high - low) * (np.arange(1 << bits) + 0.5) / (1 << bits)
        levels = np.where(count > 0, sums / np.maximum(count, 1), middles)
        ramp = (np.arange(_RAMP) + 0.5) / _RAMP
        seen = adc.codes(ramp[:, None])[:, 0]
        changes = np.flatnonzero(np.diff(seen)) + 1
        at = low + (high - low) * changes / _RAMP
        return cls(adc, low, high, levels, at, seen[np.concatenate([[0], changes])])

    def codes(self, values: Floats) -> NDArray[np.int64]:  # noqa: D102
        return self.steps[np.searchsorted(self.thresholds.astype(values.dtype), values, side="right")]

    def convert(self, values: Floats) -> Floats:  # noqa: D102
        return self.levels.astype(values.dtype)[self.codes(values)]
