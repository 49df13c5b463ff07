"""Golden twin of a macro made of devices: the same integers as ``hw/rtl/rram_macro_twin.sv``, bit for bit.

Resistances, offsets and noise are integers in steps of 2**-10 of ln(R / ohm), 0.1 % of a resistance; rounding to it
adds a standard deviation of 2**-10 / sqrt(12) = 0.0003 to a ln R. A number is drawn from 32 random bits: bit 31 is the
sign, and the others choose one of 1,024 cells of the half normal distribution (octaves of probability, each in 64 equal
parts), which stands for the mean of what is in it. So the tails are as fine as the middle, and end at 5.2 sigma.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .model import DeviceModel

#: Steps to one unit of ln R.
STEPS = 1 << 10
#: ln R of a device that is not formed; the drawn ones are below.
TOP = (1 << 15) - 1
#: Flag of a device whose ln R never changes, beside its ln R.
STUCK = 1 << 15
#: Steps to one unit of a standard deviation, and of a normal number.
SIGMA_STEPS, NORMAL_STEPS = 1 << 13, 1 << 12
#: Wear buckets of each state: the bit length of the number of SET/RESET cycles.
BUCKETS = 42
#: Cycles before the first operation are below this.
AGE_LIMIT = 1 << 40
#: Bits of the endurance counters, in operations since the macro was loaded.
COUNT_BITS = 24

FORM, SET, RESET = range(3)
#: Flags of a column, from bit 16 of its word: what it reads or gives, and that it is dead.
COLUMN_READS, COLUMN_DEAD, AMPLIFIER_GIVES, AMPLIFIER_DEAD = 1, 2, 4, 8

_HALF = SIGMA_STEPS * NORMAL_STEPS // STEPS // 2


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


@numba.njit(cache=True, inline="always")
def _step(s):
    s ^= (s << 13) & 0xFFFFFFFF
    s ^= s >> 17
    s ^= (s << 5) & 0xFFFFFFFF
    return s


@numba.njit(cache=True, inline="always")
def _drawn(u, sigma, normal):
    """Return sigma times the normal number of 32 random bits, in steps of ln R."""
    octave = 15
    for i in range(30, 15, -1):
        if u >> i & 1:
            octave = 30 - i
            break
    magnitude = (sigma * np.int64(normal[octave << 6 | u & 63]) + _HALF) >> 15
    return -magnitude if u >> 31 & 1 else magnitude


@numba.njit(cache=True)
def _draw_many(u, sigma, normal, out):
    for k in range(u.size):
        out[k] = _drawn(np.int64(u[k]), sigma, normal)


@numba.njit(cache=True)
def _program(steps, generator, pairs, operations, means, sigmas, limits, normal):
    """Do programming operations one after the other; return the state of the generator."""
    form_fails, age, count_max = limits
    for n in range(len(steps)):
        op, side, row, col = steps[n]
        u = _step(generator)
        generator = _step(u)
        count = operations[side, row, col]
        operations[side, row, col] = min(count + 1, count_max)
        before = pairs[side, row, col]
        fails = op != FORM or generator < form_fails
        if before & STUCK or (before == TOP and fails):
            continue
        cycles, bucket = age + (count >> 1), 0
        while cycles:
            cycles >>= 1
            bucket += 1
        state = 1 if op == RESET else 0
        value = means[state, bucket] + _drawn(u, sigmas[state, bucket], normal)
        pairs[side, row, col] = min(max(value, 0), TOP - 1)
    return generator


@numba.njit(cache=True)
def _decide(rows, x, margins, reads, gives, sigma, normal, noise, out):
    """Fill `out` (n, cols) with q of each read, and step the generators."""
    for c in range(noise.size):
        s = np.int64(noise[c])
        for n in range(rows.size):
            s = _step(s)
            w = margins[rows[n], c] + _drawn(s, sigma, normal) > 0
            if reads[c] >= 0:
                w = reads[c] == 1
            out[n, c] = gives[c] == 1 if gives[c] >= 0 else w == x[n, c]
        noise[c] = s


@numba.njit(parallel=True, cache=True)
def _count(margins, reads, gives, sigma, normal, noise, x, used, counts):
    """Add up the agreeing bits of each image and pass: see :func:`count_reads`."""
    macros, rows, cols = margins.shape
    slices = x.shape[2]
    for m in numba.prange(macros):
        h = m % x.shape[1]
        for c in range(cols):
            s = np.int64(noise[m, c])
            for i in range(x.shape[0]):
                slice_ = 0
                pass_ = 0
                for r in range(rows):
                    s = _step(s)
                    if c < used[h, slice_]:
                        w = margins[m, r, c] + _drawn(s, sigma, normal) > 0
                        if reads[m, c] >= 0:
                            w = reads[m, c] == 1
                        q = gives[m, c] == 1 if gives[m, c] >= 0 else w == x[i, h, slice_, c]
                        counts[m, i, pass_] += q
                    slice_ += 1
                    if slice_ == slices:
                        slice_ = 0
                        pass_ += 1
            noise[m, c] = s


@dataclass(frozen=True, eq=False)
class TwinTables:
    """What the devices of a macro have in common: the integers of ``mem/twin_device.mem``.

    Parameters
    ----------
    means, sigmas : ndarray of int64, shape (2, BUCKETS)
        ln R of LRS (row 0) and HRS (row 1) in each wear bucket, in steps of 1 / :data:`STEPS`, and its standard
        deviation in steps of 1 / :data:`SIGMA_STEPS`.
    noise_sigma, offset_sigma : int
        Of a read and of a sense amplifier, in steps of 1 / :data:`SIGMA_STEPS`.
    form_fails : int
        FORM fails if a 32-bit number is below it.
    age : int
        SET/RESET cycles of every device before its first operation here.
    """

    means: NDArray[np.int64]
    sigmas: NDArray[np.int64]
    noise_sigma: int = 0
    offset_sigma: int = 0
    form_fails: int = 0
    age: int = 0

    def __post_init__(self) -> None:
        limits: dict[str, tuple[Any, int]] = {
            "means": (self.means, TOP - 1),
            "sigmas": (self.sigmas, (1 << 16) - 1),
            "noise_sigma": (self.noise_sigma, (1 << 16) - 1),
            "offset_sigma": (self.offset_sigma, (1 << 16) - 1),
            "form_fails": (self.form_fails, (1 << 32) - 1),
            "age": (self.age, AGE_LIMIT - 1),
        }
        for name, (value, high) in limits.items():
            if np.min(value) < 0 or np.max(value) > high:
                raise InputError(f"twin: {name} must be in [0, {high}], not {np.min(value)} to {np.max(value)}")

    @classmethod
    def from_device(cls, device: DeviceModel, cycles: int = 0, seconds: float = 0.0) -> TwinTables:
        """Return the tables of a device that has done `cycles` and is read `seconds` after it was programmed.

        A wear bucket stands for the geometric middle of its cycles, and the one that `cycles` is in for `cycles`
        itself; where the device's range of validity ends, its end stands for what is beyond.

        Raises
        ------
        InputError
            If the device does not hold there, or its numbers are outside what the fixed point can say:
            ln(R / ohm) in [0, 32), standard deviations below 8.
        """
        if not 0 <= cycles < AGE_LIMIT or cycles != int(cycles):
            raise InputError(f"cycles must be an integer in [0, {AGE_LIMIT}), not {cycles!r}")
        low, high = device.valid_cycles
        places = [0.0] + [2.0 ** (b - 0.5) for b in range(1, BUCKETS)]
        places = [min(max(p, low), high) for p in places]
        places[int(cycles).bit_length()] = cycles
        states = [device.at(p, seconds) for p in places]

        def fixed(what: str, values: list[float], steps: int, limit: int) -> list[int]:
            integers = [round(v * steps) for v in values]
            if min(integers) < 0 or max(integers) > limit:
                raise InputError(f"device {device.name!r}: {what} must be in [0, {(limit + 1) / steps:g}) for a twin")
            return integers

        means = [fixed("ln(R / ohm)", [getattr(s, f"{k}_mu") for s in states], STEPS, TOP - 1) for k in ("lrs", "hrs")]
        sigmas = [
            fixed("sigma", [getattr(s, f"{k}_sigma") for s in states], SIGMA_STEPS, (1 << 16) - 1)
            for k in ("lrs", "hrs")
        ]
        (noise_sigma,) = fixed("read_noise_sigma", [device.read_noise_sigma], SIGMA_STEPS, (1 << 16) - 1)
        (offset_sigma,) = fixed("offset_sigma", [device.offset_sigma], SIGMA_STEPS, (1 << 16) - 1)
        fails = min(round((1 - device.forming_yield) * 2**32), 2**32 - 1)
        return cls(np.array(means), np.array(sigmas), noise_sigma, offset_sigma, fails, int(cycles))

    def bucket(self, operations: int = 0) -> int:
        """Return the wear bucket after that many operations here; two operations are a cycle."""
        return (self.age + operations // 2).bit_length()

    def words(self) -> NDArray[np.uint32]:
        """Return the content of ``mem/twin_device.mem``, shape (128,); the layout is told in the SystemVerilog."""
        words = np.zeros((2, 64), np.uint32)
        words[:, :BUCKETS] = self.sigmas << 16 | self.means
        words[0, 62:] = self.noise_sigma, self.form_fails
        words[1, 62:] = self.age & 0xFFFFFFFF, self.age >> 32
        return words.reshape(-1)

    def deviations(self, u: NDArray[np.uint32], sigma: int) -> NDArray[np.int64]:
        """Return sigma times the normal number of each 32 random bits, in steps of ln R, in the shape of `u`."""
        out = np.empty(u.size, np.int64)
        _draw_many(u.reshape(-1), sigma, normal_table(), out)
        return out.reshape(u.shape)

    def offsets(self, u: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the offset of an amplifier for each 32 random bits, in steps of ln R."""
        return np.clip(self.deviations(u, self.offset_sigma), -(1 << 15), (1 << 15) - 1)

    def programmed(self, weights: NDArray[np.bool_], u: NDArray[np.uint32]) -> NDArray[np.uint16]:
        """Return ln R of freshly formed and programmed pairs.

        Parameters
        ----------
        weights : ndarray of bool
            Bit 1 is (BL in LRS, BLb in HRS).
        u : ndarray of uint32, shape (2, 2, *weights.shape)
            Random numbers: of the value and of forming, of BL and BLb.

        Returns
        -------
        ndarray of uint16, shape (2, *weights.shape)
            Of BL and BLb.
        """
        bucket = self.bucket()
        drawn = np.empty(u.shape[1:], np.uint16)
        for side in range(2):
            high = weights if side else ~weights
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


def _forced(flags: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return what dead columns read and dead amplifiers give, -1 for good ones."""
    reads = np.where(flags & COLUMN_DEAD, flags & COLUMN_READS, -1).astype(np.int8)
    gives = np.where(flags & AMPLIFIER_DEAD, (flags & AMPLIFIER_GIVES) // AMPLIFIER_GIVES, -1).astype(np.int8)
    return reads, gives


def count_reads(
    tables: TwinTables,
    margin: NDArray[np.int32],
    flags: NDArray[np.uint8],
    noise: NDArray[np.uint32],
    x: NDArray[np.bool_],
    used: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the agreeing bits that macros count while they read all their rows in order, image after image.

    Parameters
    ----------
    tables : TwinTables
    margin : ndarray of int32, shape (macros, reads, cols)
        From :func:`margins`; macros = groups * across, the macros side by side next to each other.
    flags : ndarray of uint8, shape (macros, cols)
    noise : ndarray of uint32, shape (macros, cols)
        States of the generators; stepped.
    x : ndarray of bool, shape (n, across, slices, cols)
        Inputs on the columns.
    used : ndarray of int64, shape (across, slices)
        Columns in use.

    Returns
    -------
    ndarray of int64, shape (macros, n, reads // slices)
    """
    counts = np.zeros((len(margin), len(x), margin.shape[1] // x.shape[2]), np.int64)
    _count(margin, *_forced(flags), tables.noise_sigma, normal_table(), noise, x, used, counts)
    return counts


@dataclass(eq=False)
class Twin:
    """State of one macro: reads and programming operations change it as they change the RTL.

    Parameters
    ----------
    tables : TwinTables
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

    Examples
    --------
    >>> twin = Twin.unformed(tables, 4, 8)
    >>> twin.program(FORM, 0, 2, 5); twin.program(FORM, 1, 2, 5); twin.program(RESET, 1, 2, 5)
    >>> twin.read(np.array([2]), np.ones((1, 8), bool))[0, 5]
    True
    """

    tables: TwinTables
    pairs: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    flags: NDArray[np.uint8]
    noise: NDArray[np.uint32]
    generator: int = 1
    operations: NDArray[np.int64] = None  # type: ignore[assignment]  # an array once made
    count_bits: int = COUNT_BITS

    def __post_init__(self) -> None:
        if self.operations is None:
            self.operations = np.zeros(self.pairs.shape, np.int64)

    @classmethod
    def unformed(cls, tables: TwinTables, rows: int, cols: int) -> Twin:
        """Return a new macro: no device formed, no offset, generators that start at 1, 2, ..."""
        pairs = np.full((2, rows, cols), TOP, np.uint16)
        noise = np.arange(1, cols + 1, dtype=np.uint32)
        return cls(tables, pairs, np.zeros(cols, np.int64), np.zeros(cols, np.uint8), noise)

    def weights(self) -> NDArray[np.bool_]:
        """Return what reads without noise give, shape (rows, cols); dead amplifiers aside."""
        reads, _ = _forced(self.flags)
        return np.where(reads >= 0, reads == 1, margins(self.pairs, self.offsets) > 0)

    def read(self, rows: NDArray[np.int64], x: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Sense rows one after the other; return q, shape (n, cols), of x, shape (n, cols), without error mask."""
        out = np.empty(x.shape, np.bool_)
        margin = margins(self.pairs, self.offsets)
        _decide(rows, x, margin, *_forced(self.flags), self.tables.noise_sigma, normal_table(), self.noise, out)
        return out

    def program(self, op: int, side: int, row: int, col: int) -> None:
        """Do one operation (FORM, SET or RESET) on the device of BL (side 0) or BLb (side 1)."""
        self.program_many(np.array([[op, side, row, col]]))

    def program_many(self, operations: NDArray[np.int64]) -> None:
        """Do operations one after the other, shape (n, 4): operation, side, row, column."""
        t = self.tables
        limits = t.form_fails, t.age, (1 << self.count_bits) - 1
        self.generator = int(
            _program(
                operations, self.generator, self.pairs, self.operations, t.means, t.sigmas, limits, normal_table()
            )
        )

    def words(self) -> NDArray[np.uint32]:
        """Return the memory image, shape (rows + 3, cols); the layout is told in the SystemVerilog."""
        generator = np.full(self.noise.shape, self.generator, np.uint32)
        return image_words(self.pairs, self.offsets, self.flags, self.noise, generator)


def image_words(
    pairs: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    flags: NDArray[np.uint8],
    noise: NDArray[np.uint32],
    generator: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    """Return memory images, shape (..., rows + 3, cols): the pairs, and rows of what else a macro starts with."""
    pair_words = pairs[1].astype(np.uint32) << 16 | pairs[0]
    columns = flags.astype(np.uint32) << 16 | (offsets & 0xFFFF).astype(np.uint32)
    extra = np.stack([columns, noise, generator], axis=-2)
    return np.concatenate([pair_words, extra], axis=-2)

