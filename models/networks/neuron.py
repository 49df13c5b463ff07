"""Settings of a spiking network: its integrate-and-fire neurons, and its decision.

The neuron is that of the SPIRIT chip and of N2D2's spiking cells (docs/references.md): bipolar, reset by subtraction,
refractory periods in which it may keep integrating, and a decision as soon as the leading output is far enough ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from oxnor.models.base.errors import InputError

from .encoders import WINDOW_MAX

#: Fields of :class:`Neuron` that older files do not have, and what they are there.
OPTIONAL: Mapping[str, int] = {"fraction": 0, "leak_factor": 1, "v_reset": 0}


def _check(where: str, values: Any, ranges: Mapping[str, tuple[int, int]], choices: Mapping[str, tuple]) -> None:
    for name, (low, high) in ranges.items():
        value = getattr(values, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{where}: {name} must be an integer in [{low}, {high}], not {value!r}")
    for name, allowed in choices.items():
        value = getattr(values, name)
        if not any(value is a or (isinstance(a, str) and value == a) for a in allowed):
            listed = ", ".join(str(a).lower() if isinstance(a, bool) else a for a in allowed)
            raise InputError(f"{where}: {name} must be one of {listed}, not {value!r}")


@dataclass(frozen=True)
class Neuron:
    """The integrate-and-fire neurons of a layer.

    An event with sign s at weight w: V <- saturate(V + s * w * 2**fraction), at any time. Then, if V >= theta (or,
    bipolar, -V >= theta) outside a refractory period, the neuron fires once: V loses theta of its sign (or becomes
    v_reset), and a refractory period begins.

    Parameters
    ----------
    weight_max : int
        Weights are in [-weight_max, weight_max]: each bank has so many cells. Range [1, 15].
    theta : int
        Threshold. Range [1, 2**(v_bits - 1) - 1].
    bipolar : bool
        Whether the neuron fires negative spikes too.
    reset : str
        ``subtract``, or ``zero``: V becomes `v_reset`.
    compare : str
        ``ge`` (fires at theta) or ``gt`` (above it).
    refractory : int
        Ticks after a spike in which the neuron cannot fire: a spike at tick t blocks ticks below t + refractory.
    refractory_integrate : bool
        Whether it integrates in them; if not, V is held at 0.
    leak : int
        At each tick V loses V * leak_factor / 2**leak, rounded towards 0; 0: no leak. Range [0, 31].
    v_init : int
        V at the start of an image.
    v_bits : int
        Bits of V, two's complement; V saturates. Range [2, 31].
    fraction : int
        Bits of V below the unit of a weight: a leak loses less to rounding. theta, v_init and v_reset count in them.
        Range [0, 16].
    leak_factor : int
        See `leak`: the multiplier where a power of two is too coarse. Range [1, 2**leak - 1], at most 255.
    v_reset : int
        See `reset`; 0 if that is ``subtract``.
    """

    weight_max: int = 4
    theta: int = 4
    bipolar: bool = True
    reset: str = "subtract"
    compare: str = "ge"
    refractory: int = 0
    refractory_integrate: bool = True
    leak: int = 0
    v_init: int = 0
    v_bits: int = 12
    fraction: int = 0
    leak_factor: int = 1
    v_reset: int = 0

    def __post_init__(self) -> None:
        _check("neuron", self, {"weight_max": (1, 15), "v_bits": (2, 31), "leak": (0, 31), "fraction": (0, 16)}, {
            "bipolar": (True, False), "refractory_integrate": (True, False),
            "reset": ("subtract", "zero"), "compare": ("ge", "gt"),
        })  # fmt: skip
        resets = (self.v_min, self.v_max) if self.reset == "zero" else (0, 0)
        _check("neuron", self, {
            "theta": (1, self.v_max), "refractory": (0, WINDOW_MAX), "v_init": (self.v_min, self.v_max),
            "leak_factor": (1, max(1, min(255, (1 << self.leak) - 1))), "v_reset": resets,
        }, {})  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Return the fields by name, as files have them: those of :data:`OPTIONAL` only where they say something."""
        return {k: v for k, v in asdict(self).items() if k not in OPTIONAL or v != OPTIONAL[k]}

    @property
    def v_min(self) -> int:
        """Smallest membrane value."""
        return -(1 << (self.v_bits - 1))

    @property
    def v_max(self) -> int:
        """Largest membrane value."""
        return (1 << (self.v_bits - 1)) - 1

    @property
    def limit(self) -> int:
        """The neuron fires iff V (or -V) reaches this."""
        return self.theta + (self.compare == "gt")

    @property
    def cells(self) -> int:
        """Cells to a weight: a positive and a negative bank."""
        return 2 * self.weight_max


@dataclass(frozen=True)
class Decision:
    """When an image is decided, and for what.

    Tested once for each event of the last layer at which an output fired, after all outputs are updated.

    Parameters
    ----------
    delta_s : int
        Stop when the leading signed count is so far ahead of the next; 0: never.
    terminate_max : int
        Stop when the leading count reaches this; 0: never.
    window : int
        Ticks to an image: later events are ignored. Range [1, 32768].
    tie : str
        Which of equal counts wins: the ``lowest`` or the ``highest`` index.
    count_bits : int
        Bits of a count, two's complement; counts saturate. Range [2, 31].
    """

    delta_s: int = 10
    terminate_max: int = 0
    window: int = 640
    tie: str = "lowest"
    count_bits: int = 16

    def __post_init__(self) -> None:
        _check("decision", self, {"count_bits": (2, 31)}, {"tie": ("lowest", "highest")})
        top = self.count_max
        limits = {"delta_s": (0, top), "terminate_max": (0, top), "window": (1, WINDOW_MAX)}
        _check("decision", self, limits, {})

    @property
    def count_max(self) -> int:
        """Largest count; the smallest is its negative."""
        return (1 << (self.count_bits - 1)) - 1
