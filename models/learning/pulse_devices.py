"""Devices written by pulses: published fits of how far a pulse moves a weight, and what differs between devices."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import shipped
from oxnor.models.base.errors import InputError
from oxnor.models.base.toml import Reader

from . import crossbar_kernels as k

_PLACE = "pulse-devices"
#: Update laws. A pulse up, with w_max the end of the range:
#: constant dw; linear dw (1 - gamma w / w_max); soft-bounds, the same with gamma 1; exponential
#: dw max(1 - A exp(gamma z), 0), z = 2 a w / range + b; exponential-rate, the solution of
#: dw/dt ~ exp(-gamma (w - w_min) / range) over a pulse.
LAWS = {
    "constant": k.LINEAR, "linear": k.LINEAR, "soft-bounds": k.LINEAR, "exponential": k.EXPONENTIAL,
    "exponential-rate": k.EXPONENTIAL_RATE,
}  # fmt: skip


@dataclass(frozen=True)
class PulseDevice:
    """A kind of device that pulses move up and down, weights in units of which the range is about [-1, 1].

    Parameters
    ----------
    name, description : str
    source : str
        Where the numbers are from.
    law : str
        Of :data:`LAWS`.
    dw_min : float
        Mean change of the weight 0 by a pulse.
    dw_min_dtod : float
        Its relative spread between devices.
    log_normal : bool
        Whether that spread is one of the logarithm.
    up_down, up_down_dtod : float
        Asymmetry of up and down in parts of `dw_min`: the mean, and its spread between devices.
    c2c : float
        Spread of a pulse in parts of its mean; with `additive`, of the device's `dw_min`.
    additive : bool
    c2c_offset, c2c_slope : float
        More spread, in parts of `c2c`: constant, and by |w|.
    w_min, w_max : float
        Ends of the range; 0 <= w_max, w_min <= 0.
    w_min_dtod, w_max_dtod : float
        Relative spread of the ends between devices.
    mean_bounds : bool
        Whether the slopes of the linear law follow the mean ends, not those of each device.
    gamma_up, gamma_down : float
    gamma_up_dtod, gamma_down_dtod : float
        Relative spread between devices, of the linear law.
    a, b, a_up, a_down : float
        Of the exponential law.
    write_noise : float
        Spread of what reads see after a write, in units of `dw_min`; the state itself has none.
    lifetime : float
        Images after which a weight has leaked to 1/e; 0: never.
    pair : bool
        Whether two devices that know pulses up alone make a weight.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    name: str
    description: str
    source: str
    law: str
    dw_min: float
    dw_min_dtod: float = 0.0
    log_normal: bool = False
    up_down: float = 0.0
    up_down_dtod: float = 0.0
    c2c: float = 0.0
    additive: bool = False
    c2c_offset: float = 0.0
    c2c_slope: float = 0.0
    w_min: float = -1.0
    w_max: float = 1.0
    w_min_dtod: float = 0.0
    w_max_dtod: float = 0.0
    mean_bounds: bool = False
    gamma_up: float = 0.0
    gamma_down: float = 0.0
    gamma_up_dtod: float = 0.0
    gamma_down_dtod: float = 0.0
    a: float = 0.0
    b: float = 0.0
    a_up: float = 0.0
    a_down: float = 0.0
    write_noise: float = 0.0
    lifetime: float = 0.0
    pair: bool = False

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise InputError(f"must be one of {', '.join(LAWS)}, not {self.law!r}", parameter="law")
        for name in ("dw_min_dtod", "up_down_dtod", "c2c", "c2c_offset", "c2c_slope", "w_min_dtod", "w_max_dtod",
                     "write_noise", "lifetime"):  # fmt: skip
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"must be at least 0, not {getattr(self, name):g}", parameter=name)
        if not 0 < self.dw_min < np.inf:
            raise InputError(f"must be above 0, not {self.dw_min:g}", parameter="dw_min")
        if not -np.inf < self.w_min <= 0:
            raise InputError(f"must be at most 0, not {self.w_min:g}", parameter="w_min")
        if not 0 < self.w_max < np.inf:
            raise InputError(f"must be above 0, not {self.w_max:g}", parameter="w_max")
        if self.law == "exponential-rate" and min(self.gamma_up, self.gamma_down) <= 0:
            raise InputError("must be above 0 in the law exponential-rate", parameter="gamma_up and gamma_down")

    @property
    def steps(self) -> float:
        """Pulses over the range, each as at the weight 0."""
        return (self.w_max - self.w_min) / self.dw_min

    def constants(self) -> NDArray[np.float64]:
        """Return the constants of the law, for the kernels."""
        law = np.zeros(k.CONSTANTS)
        law[k.KIND], law[k.DW_MIN], law[k.C2C], law[k.ADDITIVE] = LAWS[self.law], self.dw_min, self.c2c, self.additive
        law[k.C2C_OFFSET], law[k.C2C_SLOPE] = self.c2c_offset, self.c2c_slope
        law[k.WRITE_NOISE] = self.write_noise * self.dw_min
        law[k.KEEP] = np.exp(-1 / self.lifetime) if self.lifetime else 1.0
        law[k.A], law[k.B], law[k.A_UP], law[k.A_DOWN] = self.a, self.b, self.a_up, self.a_down
        law[k.GAMMA_UP], law[k.GAMMA_DOWN] = self.gamma_up, self.gamma_down
        return law

    def drawn(self, shape: tuple[int, ...], generator: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Return UP to HIGH of devices, shape (*shape, 6); all are the mean one without a generator."""

        def spread(sd: float) -> NDArray[np.float64]:
            return sd * generator.standard_normal(shape) if generator else np.zeros(shape)

        high, low = self.w_max * (1 + spread(self.w_max_dtod)), self.w_min * (1 + spread(self.w_min_dtod))
        high, low = np.abs(high), -np.abs(low)
        gain = np.exp(spread(self.dw_min_dtod)) if self.log_normal else 1 + spread(self.dw_min_dtod)
        apart = spread(self.up_down_dtod)
        up = self.dw_min * np.abs(gain + min(self.up_down, 0.0) + apart)
        down = self.dw_min * np.abs(gain - max(self.up_down, 0.0) - apart)
        gammas = {"soft-bounds": (1.0, 1.0), "linear": (self.gamma_up, self.gamma_down)}.get(self.law, (0.0, 0.0))

        def slope(gamma: float, dtod: float, step: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray:
            return step * gamma * (1 + spread(dtod)) / np.maximum(end, 1e-9) if gamma else np.zeros(shape)

        ends = (np.full(shape, self.w_max), np.full(shape, -self.w_min)) if self.mean_bounds else (high, -low)
        slope_up = slope(gammas[0], self.gamma_up_dtod, up, ends[0])
        slope_down = slope(gammas[1], self.gamma_down_dtod, down, ends[1])
        return np.stack([up, down, slope_up, slope_down, low, high], axis=-1)

    def mean_cells(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return mean devices in some states, shape (*w.shape, NUMBERS)."""
        cells = np.zeros((*w.shape, k.NUMBERS))
        cells[..., k.STATE], cells[..., k.UP : k.HIGH + 1] = w, self.drawn(w.shape)
        return cells


def steps(law: NDArray[np.float64], cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean change of states by one pulse up and by one down, shape (2, ...).

    Parameters
    ----------
    law : ndarray of float64, shape (CONSTANTS,)
    cells : ndarray of float64, shape (..., NUMBERS)
    """
    w, up, down, slope_up, slope_down, low, high = np.moveaxis(cells[..., : k.HIGH + 1], -1, 0)
    if law[k.KIND] == k.LINEAR:
        return np.stack([up - slope_up * w, -(down + slope_down * w)])
    reach = np.maximum(high - low, 1e-12)
    if law[k.KIND] == k.EXPONENTIAL:
        z = 2 * law[k.A] * w / reach + law[k.B]
        return np.stack([up * np.maximum(1 - law[k.A_UP] * np.exp(law[k.GAMMA_UP] * z), 0),
                         -down * np.maximum(1 - law[k.A_DOWN] * np.exp(-law[k.GAMMA_DOWN] * z), 0)])  # fmt: skip
    sides = ((law[k.GAMMA_UP], up, w - low, 1), (law[k.GAMMA_DOWN], down, high - w, -1))
    return np.stack([sign * reach / g * np.log1p(g / reach * step * np.exp(-g * far / reach))
                     for g, step, far, sign in sides])  # fmt: skip


def symmetry_points(law: NDArray[np.float64], cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the state of each device at which a pulse up and one down cancel, in the mean; 0 where there is none."""
    cells = cells.copy()

    def rises(w: NDArray[np.float64]) -> NDArray[np.bool_]:
        cells[..., k.STATE] = w
        return steps(law, cells).sum(axis=0) > 0

    low, high = cells[..., k.LOW].copy(), cells[..., k.HIGH].copy()
    crosses = rises(low) & ~rises(high)
    for _ in range(50):
        middle = (low + high) / 2
        up = rises(middle)
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return np.where(crosses, (low + high) / 2, 0.0)


def neurosim(levels: int, nl_up: float, nl_down: float, c2c: float = 0.0, name: str = "neurosim") -> PulseDevice:
    """Return the device of NeuroSim's exponential pulse model.

    w(p) = B (1 - exp(-p/A)) - 1, B = 2 / (1 - exp(-levels/A)), after p pulses up, and mirrored down. One more pulse
    changes w by (B - 1 - w) (1 - exp(-1/A)): steps are linear in w, so it is the linear law.

    Parameters
    ----------
    levels : int
        Pulses over the range.
    nl_up, nl_down : float
        Nonlinearity, in (0, 2]. A = levels (1.263 - 0.0113 NL^2) / NL: within 0.3 % of the published table at NL 0.01,
        0.1, 1 and 2.
    c2c : float
        Spread of a pulse in parts of half the range.
    """
    for parameter, nl in (("nl_up", nl_up), ("nl_down", nl_down)):
        if not 0 < nl <= 2:
            raise InputError(f"must be in (0, 2], not {nl:g}", parameter=parameter)
    if not 2 <= levels <= 10**6:
        raise InputError(f"must be in [2, 1000000], not {levels}", parameter="levels")
    kept = [np.exp(-nl / (levels * (1.263 - 0.0113 * nl * nl))) for nl in (nl_up, nl_down)]
    ends = [2 / (1 - q**levels) - 1 for q in kept]
    up, down = ((1 - q) * end for q, end in zip(kept, ends, strict=True))
    dw = max(up, down)
    apart = up / dw - 1 if up < down else 1 - down / dw
    return PulseDevice(
        name, f"NeuroSim's exponential pulse model, {levels} levels, nonlinearity {nl_up:g} and {nl_down:g}",
        "equations of DNN+NeuroSim 2.1", "linear", dw, up_down=apart, c2c=2 * c2c / dw, additive=True, mean_bounds=True,
        gamma_up=1 / ends[0], gamma_down=1 / ends[1],
    )  # fmt: skip


def names() -> list[str]:
    """Return the names of the shipped devices, sorted."""
    return shipped.names(_PLACE, ".toml")


def load(name_or_path: str | os.PathLike[str], parameter: str = "devices") -> PulseDevice:
    """Return a shipped device, or that of a ``.toml`` file.

    Raises
    ------
    InputError
        If nothing has that name, or naming the file, the field and the rule that it breaks.
    """
    return Reader(shipped.find(name_or_path, _PLACE, ".toml", parameter)).read(PulseDevice)
