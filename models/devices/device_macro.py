"""Golden model of the device macro: the same integers as ``hw/rtl/rram_macro_devices.sv``, bit for bit.

Resistances, offsets and noise are integers in steps of 2**-10 of ln(R / ohm), 0.1 % of a resistance; rounding to it
adds a standard deviation of 2**-10 / sqrt(12) = 0.0003 to a ln R. A number is drawn from 32 random bits: bit 31 is the
sign, and the others choose one of 1,024 cells of the half normal distribution (octaves of probability, each in 64 equal
parts), and returns the mean of the cell. So the tails are as fine as the middle, and end at 5.2 sigma.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from . import device_macro_kernels as kernels
from . import ternary_kernels
from .device_macro_kernels import (
    AGE_LIMIT,
    AMPLIFIER_DEAD,
    AMPLIFIER_GIVES,
    BUCKETS,
    COLUMN_DEAD,
    COLUMN_READS,
    COUNT_BITS,
    FORM,
    NORMAL_STEPS,
    RESET,
    SET,
    SIGMA_STEPS,
    STEPS,
    STUCK,
    TOP,
    TURNING_MAX,
    Amplifiers,
)
from .model import DeviceModel
from .three_states import sense_threshold

__all__ = [
    "AGE_LIMIT", "AMPLIFIER_DEAD", "AMPLIFIER_GIVES", "BUCKETS", "COLUMN_DEAD", "COLUMN_READS", "COUNT_BITS", "FORM",
    "NORMAL_STEPS", "RESET", "SET", "SIGMA_STEPS", "STEPS", "STUCK", "TOP", "TURNING_MAX", "DeviceMacro",
    "DeviceTables", "count_reads", "image_words", "margins", "normal_table", "seeds", "totals",
]

@cache
def normal_table() -> NDArray[np.uint16]:
    """Return the 1,024 magnitudes of the standard normal distribution, in steps of 1 / :data:`NORMAL_STEPS`.

    Cell {octave, part}: |z| is exceeded with a probability between 2**-octave and half of that, in 64 equal parts;
    the last octave reaches to 0. Each magnitude is the mean of |z| within its cell.
    """
    normal = NormalDist()
    table = np.empty(1024, np.uint16)
    for octave in range(16):
        top = 2.0**-octave
        part = (top if octave == 15 else top / 2) / 64
        edges = [top - k * part for k in range(65)]
        density = [normal.pdf(normal.inv_cdf(p / 2)) if p > 0 else 0.0 for p in edges]
        for k in range(64):
            mean = 2 * (density[k] - density[k + 1]) / part
            table[64 * octave + k] = round(abs(mean) * NORMAL_STEPS)
    table.setflags(write=False)
    return table


@dataclass(frozen=True, eq=False)
class DeviceTables:
    """The integers that all devices of a macro share: those of ``mem/devices_tables.mem``.

    Parameters
    ----------
    means, sigmas : ndarray of int64, shape (2, BUCKETS)
        ln R of LRS (row 0) and HRS (row 1) in each wear bucket, in steps of 1 / :data:`STEPS`, and its standard
        deviation in steps of 1 / :data:`SIGMA_STEPS`.
    noise_sigma, offset_sigma : int
        Of a read and of a sense amplifier, in steps of 1 / :data:`SIGMA_STEPS`: of the offset the part that stays.
    form_fails : int
        FORM fails if a 32-bit number is below it.
    age : int
        SET/RESET cycles of every device before its first operation here.
    turning_sigma : int
        Of the part of a sense amplifier's offset that turns with the input, as `offset_sigma`.
    threshold : int
        ln R above which both devices must be for a pair to be 0, in steps of 1 / :data:`STEPS`; 0: pairs hold two
        states.
    """

    means: NDArray[np.int64]
    sigmas: NDArray[np.int64]
    noise_sigma: int = 0
    offset_sigma: int = 0
    form_fails: int = 0
    age: int = 0
    turning_sigma: int = 0
    threshold: int = 0

    def __post_init__(self) -> None:
        limits: dict[str, tuple[Any, int]] = {
            "means": (self.means, TOP - 1),
            "sigmas": (self.sigmas, (1 << 16) - 1),
            "noise_sigma": (self.noise_sigma, (1 << 16) - 1),
            "offset_sigma": (self.offset_sigma, (1 << 16) - 1),
            "turning_sigma": (self.turning_sigma, (1 << 16) - 1),
            "form_fails": (self.form_fails, (1 << 32) - 1),
            "age": (self.age, AGE_LIMIT - 1),
            "threshold": (self.threshold, TOP - 1),
        }
        for name, (value, high) in limits.items():
            if np.min(value) < 0 or np.max(value) > high:
                raise InputError(f"device macro: {name} must be in [0, {high}], not {np.min(value)} to {np.max(value)}")

    @classmethod
    def from_device(
        cls, device: DeviceModel, cycles: int = 0, seconds: float = 0.0, pair_states: int = 2
    ) -> DeviceTables:
        """Return the tables of a device that has done `cycles` and is read `seconds` after it was programmed.

        Of pairs of three states the threshold is :func:`oxnor.models.devices.three_states.sense_threshold`.

        A wear bucket has the statistics of the geometric middle of its cycles, and that of `cycles` those of `cycles`
        itself; beyond the device's range of validity it has those of the end of the range.

        Raises
        ------
        InputError
            If the device does not hold there, or its numbers are outside what the fixed point can say:
            ln(R / ohm) in [0, 32), standard deviations below 8.
        """
        if not 0 <= cycles < AGE_LIMIT or cycles != int(cycles):
            raise InputError(f"must be an integer in [0, {AGE_LIMIT}), not {cycles!r}", parameter="cycles")
        low, high = device.valid_cycles
        places = [0.0] + [2.0 ** (b - 0.5) for b in range(1, BUCKETS)]
        places = [min(max(p, low), high) for p in places]
        places[int(cycles).bit_length()] = cycles
        states = [device.at(p, seconds) for p in places]

        def fixed(what: str, values: list[float], steps: int, limit: int) -> list[int]:
            integers = [round(v * steps) for v in values]
            if min(integers) < 0 or max(integers) > limit:
                bound = f"[0, {(limit + 1) / steps:g})"
                raise InputError(f"device {device.name!r}: {what} must be in {bound} for a device macro")
            return integers

        means = [fixed("ln(R / ohm)", [getattr(s, f"{k}_mu") for s in states], STEPS, TOP - 1) for k in ("lrs", "hrs")]
        sigmas = [
            fixed("sigma", [getattr(s, f"{k}_sigma") for s in states], SIGMA_STEPS, (1 << 16) - 1)
            for k in ("lrs", "hrs")
        ]
        (noise_sigma,) = fixed("read_noise_sigma", [device.read_noise_sigma], SIGMA_STEPS, (1 << 16) - 1)
        (offset_sigma,) = fixed("offset_sigma", [device.offset_sigma], SIGMA_STEPS, (1 << 16) - 1)
        turning = [device.turning_offset_sigma]
        (turning_sigma,) = fixed("turning_offset_sigma", turning, SIGMA_STEPS, (1 << 16) - 1)
        fails = min(round((1 - device.forming_yield) * 2**32), 2**32 - 1)
        threshold = round(sense_threshold(device) * STEPS) if pair_states == 3 else 0
        return cls(
            np.array(means), np.array(sigmas), noise_sigma, offset_sigma, fails, int(cycles), turning_sigma, threshold
        )

    def __repr__(self) -> str:
        return f"DeviceTables(noise_sigma={self.noise_sigma}, offset_sigma={self.offset_sigma}, age={self.age})"

    def bucket(self, operations: int = 0) -> int:
        """Return the wear bucket after that many operations here; two operations are a cycle."""
        return (self.age + operations // 2).bit_length()

    def words(self) -> NDArray[np.uint32]:
        """Return the content of ``mem/devices_tables.mem``, shape (128,); the SystemVerilog documents the layout."""
        words = np.zeros((2, 64), np.uint32)
        words[:, :BUCKETS] = self.sigmas << 16 | self.means
        words[0, 61:] = self.threshold, self.noise_sigma, self.form_fails
        words[1, 62:] = self.age & 0xFFFFFFFF, self.age >> 32
        return words.reshape(-1)

    def deviations(self, u: NDArray[np.uint32], sigma: int) -> NDArray[np.int64]:
        """Return sigma times the normal number of each 32 random bits, in steps of ln R, in the shape of `u`."""
        out = np.empty(u.size, np.int64)
        kernels.draw_many(u.reshape(-1), sigma, normal_table(), out)
        return out.reshape(u.shape)

    def offsets(self, u: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the offset of an amplifier for each 32 random bits, in steps of ln R."""
        return np.clip(self.deviations(u, self.offset_sigma), -(1 << 15), (1 << 15) - 1)

    def turnings(self, u: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the part of an offset that turns with the input for each 32 random bits, in steps of ln R."""
        return np.clip(self.deviations(u, self.turning_sigma), -TURNING_MAX, TURNING_MAX)

    def programmed(self, weights: NDArray[np.bool_], u: NDArray[np.uint32]) -> NDArray[np.uint16]:
        """Return ln R of freshly formed and programmed pairs.

        Parameters
        ----------
        weights : ndarray of bool
            Bit 1 is (BL in LRS, BLb in HRS). Of pairs of three states the two bits in the last axis: whether BLb is in
            HRS, and whether BL is in LRS.
        u : ndarray of uint32, shape (2, 2, ...)
            Random numbers: of the value and of forming, of BL and BLb.

        Returns
        -------
        ndarray of uint16, shape (2, ...)
            Of BL and BLb.
        """
        bl, blb = (weights[..., 1], ~weights[..., 0]) if self.threshold else (weights, ~weights)
        bucket = self.bucket()
        drawn = np.empty(u.shape[1:], np.uint16)
        for side in range(2):
            high = ~blb if side else ~bl
            values = np.where(
                high,
                self.means[1, bucket] + self.deviations(u[0, side], int(self.sigmas[1, bucket])),
                self.means[0, bucket] + self.deviations(u[0, side], int(self.sigmas[0, bucket])),
            )
            drawn[side] = np.where(u[1, side] < self.form_fails, TOP, np.clip(values, 0, TOP - 1))
        return drawn


def seeds(u: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return random numbers as states of generators, which must not be 0."""
    return np.where(u == 0, np.uint32(1), u)


def margins(pairs: NDArray[np.uint16], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return ln R(BLb) - ln R(BL) + offset, without noise: shape (..., rows, cols) of pairs (2, ..., rows, cols)."""
    left, right = ((pairs[side] & TOP).astype(np.int32) for side in range(2))
    return right - left + offsets[..., None, :].astype(np.int32)


def totals(pairs: NDArray[np.uint16]) -> NDArray[np.int32]:
    """Return ln R(BLb) + ln R(BL): shape (..., rows, cols) of pairs (2, ..., rows, cols)."""
    left, right = ((pairs[side] & TOP).astype(np.int32) for side in range(2))
    return left + right


def _dead_columns(flags: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the bit that dead columns read, -1 for good ones."""
    return np.where(flags & COLUMN_DEAD, flags & COLUMN_READS, -1).astype(np.int8)


def _amplifiers(flags: NDArray[np.uint8], turning: NDArray[np.int64], tables: DeviceTables) -> Amplifiers:
    gives = np.where(flags & AMPLIFIER_DEAD, (flags & AMPLIFIER_GIVES) // AMPLIFIER_GIVES, -1).astype(np.int8)
    return Amplifiers(_dead_columns(flags), gives, tables.noise_sigma, normal_table(), turning)


def count_reads(
    tables: DeviceTables,
    margin: NDArray[np.int32],
    flags: NDArray[np.uint8],
    noise: NDArray[np.uint32],
    x: NDArray[np.bool_],
    used: NDArray[np.int64],
    turning: NDArray[np.int64] | None = None,
    planes: int = 1,
    total: NDArray[np.int32] | None = None,
    factors: tuple[int, ...] = (1,),
) -> NDArray[np.int64]:
    """Return the agreeing bits that macros count while they read all their rows in order, image after image.

    Parameters
    ----------
    tables : DeviceTables
    margin : ndarray of int32, shape (macros, reads, cols)
        From :func:`margins`; macros = groups * across, the macros side by side next to each other.
    flags : ndarray of uint8, shape (macros, cols)
    noise : ndarray of uint32, shape (macros, cols)
        States of the generators; stepped.
    x : ndarray of bool, shape (n, across, slices, cols)
        Inputs on the columns.
    used : ndarray of int64, shape (across, slices)
        Columns in use.
    turning : ndarray of int64, shape (macros, cols), optional
        Part of the offsets that turns with the input. Default 0.
    planes : int
        So many of `x` in a row are planes of one vector: the slices of a pass are read for each of them before the
        next pass.
    total : ndarray of int32, shape (macros, reads, cols), optional
        From :func:`totals`, of pairs of three states: agreement counts 2 then, and a pair that is 0 counts 1.
    factors : tuple of int
        How much the columns of a macro count, over and over; of pairs of two states.

    Returns
    -------
    ndarray of int64, shape (macros, n, reads // slices)
    """
    counts = np.zeros((len(margin), len(x), margin.shape[1] // x.shape[2]), np.int64)
    turning = np.zeros(flags.shape, np.int64) if turning is None else turning
    amplifiers = _amplifiers(flags, turning, tables)
    if total is None:
        kernels.count(margin, amplifiers, noise, x, used, np.array(factors), planes, counts)
    else:
        ternary_kernels.count((margin, total), tables.threshold, amplifiers, noise, x, used, planes, counts)
    return counts


@dataclass(eq=False)
class DeviceMacro:
    """State of one device macro: reads and programming operations change it as they change the RTL.

    Parameters
    ----------
    tables : DeviceTables
    pairs : ndarray of uint16, shape (2, rows, cols)
        ln R of BL and BLb, with :data:`STUCK`.
    offsets : ndarray of int64, shape (cols,)
        Range [-2**15, 2**15).
    flags : ndarray of uint8, shape (cols,)
        Sums of :data:`COLUMN_DEAD` and the like.
    noise : ndarray of uint32, shape (cols,)
        States of the noise generators, not 0.
    generator : int
        State of the generator of programming, not 0.
    operations : ndarray of int64, shape (2, rows, cols), optional
        Operations that each device has had; saturate. Default 0.
    count_bits : int
        Width of the counters.
    turning : ndarray of int64, shape (cols,), optional
        Part of the offsets that turns with the input: added for x = 1, subtracted for x = 0; at most
        :data:`TURNING_MAX`. Default 0.

    Examples
    --------
    >>> macro = DeviceMacro.unformed(tables, 4, 8)
    >>> macro.program(FORM, 0, 2, 5); macro.program(FORM, 1, 2, 5); macro.program(RESET, 1, 2, 5)
    >>> macro.read(np.array([2]), np.ones((1, 8), bool))[0, 5]
    True
    """

    tables: DeviceTables
    pairs: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    flags: NDArray[np.uint8]
    noise: NDArray[np.uint32]
    generator: int = 1
    operations: NDArray[np.int64] = None  # type: ignore[assignment]  # an array once made
    count_bits: int = COUNT_BITS
    turning: NDArray[np.int64] = None  # type: ignore[assignment]  # the same

    def __post_init__(self) -> None:
        if self.turning is None:
            self.turning = np.zeros(self.pairs.shape[2], np.int64)
        if self.operations is None:
            self.operations = np.zeros(self.pairs.shape, np.int64)

    def __repr__(self) -> str:
        rows, cols = self.pairs.shape[1:]
        return f"DeviceMacro({rows} x {cols} pairs, {int(self.operations.sum()):,} programming operations)"

    @classmethod
    def unformed(cls, tables: DeviceTables, rows: int, cols: int) -> DeviceMacro:
        """Return a new macro: no device formed, no offset, generators that start at 1, 2, ..."""
        pairs = np.full((2, rows, cols), TOP, np.uint16)
        noise = np.arange(1, cols + 1, dtype=np.uint32)
        return cls(tables, pairs, np.zeros(cols, np.int64), np.zeros(cols, np.uint8), noise)

    def weights(self, x: int = 1) -> NDArray[np.bool_]:
        """Return the weights that reads without noise find at input `x`, shape (rows, cols); dead amplifiers aside."""
        reads = _dead_columns(self.flags)
        offsets = self.offsets + (self.turning if x else -self.turning)
        return np.where(reads >= 0, reads == 1, margins(self.pairs, offsets) > 0)

    def read(self, rows: NDArray[np.int64], x: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Sense rows one after the other; return q, shape (n, cols), of x, shape (n, cols), without error mask.

        Of pairs of three states what both synapses of each answer, shape (n, 2 * cols).
        """
        margin, amplifiers = margins(self.pairs, self.offsets), _amplifiers(self.flags, self.turning, self.tables)
        threshold = self.tables.threshold
        out = np.empty((len(x), x.shape[1] * (2 if threshold else 1)), np.bool_)
        if threshold:
            pairs = margin, totals(self.pairs)
            ternary_kernels.decide(rows, x, pairs, threshold, amplifiers, self.noise, out)
        else:
            kernels.decide(rows, x, margin, amplifiers, self.noise, out)
        return out

    def program(self, op: int, side: int, row: int, col: int) -> None:
        """Do one operation (FORM, SET or RESET) on the device of BL (side 0) or BLb (side 1)."""
        self.program_many(np.array([[op, side, row, col]]))

    def program_many(self, operations: NDArray[np.int64]) -> None:
        """Do operations one after the other, shape (n, 4): operation, side, row, column."""
        t = self.tables
        limits = t.form_fails, t.age, (1 << self.count_bits) - 1
        self.generator = int(
            kernels.program(
                operations, self.generator, self.pairs, self.operations, t.means, t.sigmas, limits, normal_table()
            )
        )

    def words(self) -> NDArray[np.uint32]:
        """Return the memory file, shape (rows + 3, cols); the SystemVerilog documents the layout."""
        generator = np.full(self.noise.shape, self.generator, np.uint32)
        return image_words(self.pairs, self.offsets, self.flags, self.noise, generator, self.turning)


def image_words(
    pairs: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    flags: NDArray[np.uint8],
    noise: NDArray[np.uint32],
    generator: NDArray[np.uint32],
    turning: NDArray[np.int64] | int = 0,
) -> NDArray[np.uint32]:
    """Return memory files, shape (..., rows + 3, cols): the pairs, then rows with the rest of the initial state."""
    pair_words = pairs[1].astype(np.uint32) << 16 | pairs[0]
    columns = flags.astype(np.uint32) << 16 | (offsets & 0xFFFF).astype(np.uint32)
    columns |= (np.broadcast_to(turning, offsets.shape) & 0xFFF).astype(np.uint32) << 20
    extra = np.stack([columns, noise, generator], axis=-2)
    return np.concatenate([pair_words, extra], axis=-2)

