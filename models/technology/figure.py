"""A number with its unit, where it is from, and how it was come by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oxnor.models.base.errors import InputError

#: How a number was come by.
TAGS = ("measured", "simulated", "published", "chosen")
#: What no number here reaches, in its unit.
FIGURE_MAX = 1e12


@dataclass(frozen=True)
class Figure:
    """A number, or a range where sources differ.

    Parameters
    ----------
    low : float
    unit : str
    tag : str
        One of :data:`TAGS`.
    source : str
        Where it is from, and what it covers.
    high : float, optional
        Default: `low`.

    Raises
    ------
    InputError
        If it is negative, falls, or has no source.
    """

    low: float
    unit: str
    tag: str
    source: str
    high: float | None = None

    def __post_init__(self) -> None:
        if self.tag not in TAGS:
            raise InputError(f"must be one of {', '.join(TAGS)}, not {self.tag!r}", parameter="tag")
        if not self.source.strip():
            raise InputError("must say where the number is from", parameter="source")
        if not 0 <= self.low <= self.top <= FIGURE_MAX:
            ends = f"{self.low:g} and {self.top:g}"
            rule = f"must be 0 or more, and at most high, which is at most {FIGURE_MAX:g}"
            raise InputError(f"{rule}, not {ends}", parameter="low")

    @property
    def top(self) -> float:
        """The high end."""
        return self.low if self.high is None else self.high

    def range(self, factor: float = 1.0) -> Range:
        """Return both ends, each `factor` times as large."""
        return Range(self.low * factor, self.top * factor)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        return {"low": self.low, "high": self.top, "unit": self.unit, "tag": self.tag, "source": self.source}


@dataclass(frozen=True)
class Range:
    """Two ends of what a number may be.

    Parameters
    ----------
    low, high : float
    """

    low: float
    high: float

    def __add__(self, other: Range | float) -> Range:
        if isinstance(other, Range):
            return Range(self.low + other.low, self.high + other.high)
        return Range(self.low + other, self.high + other)

    def overlaps(self, other: Range) -> bool:
        """Whether neither range is wholly below the other."""
        return self.low <= other.high and other.low <= self.high

    def to_json(self) -> list[float]:
        """Return both ends."""
        return [self.low, self.high]
