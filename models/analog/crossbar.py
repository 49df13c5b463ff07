"""A matrix of real weights on crossbars: programmed once, multiplied with vectors through converters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from . import array
from .adc import Converter
from .cell import AnalogCell
from .mapping import WeightMapping, mapping

Floats = NDArray[np.floating]
#: Gives the converter of what a layer's columns give: of profiled values.
Profile = Callable[[Floats], Converter]


@dataclass(frozen=True)
class CrossbarOptions:
    """How weights lie on crossbars.

    Parameters
    ----------
    mapping : str
        A key of :data:`oxnor.models.analog.mapping.MAPPINGS`.
    rows : int
        Inputs whose products one conversion adds.
    cell : AnalogCell, optional
        Default: without errors.
    seconds : float
        After programming.
    compensate : bool
        Whether the outputs are scaled by what a layer's one-hot inputs gave after programming over what they give now.
    wire : float
        Resistance between two cells, as a share of the resistance of a cell at its highest state; 0 for ideal wires.
    columns : int
        Of an array; used with a wire alone.
    """

    mapping: str = "differential"
    rows: int = 128
    cell: AnalogCell | None = None
    seconds: float = 0.0
    compensate: bool = False
    wire: float = 0.0
    columns: int = 128

    def __post_init__(self) -> None:
        mapping(self.mapping)
        if self.rows < 1 or self.columns < 1:
            raise InputError(f"must be at least 1, not {min(self.rows, self.columns)}", parameter="rows")

    @property
    def law(self) -> WeightMapping:
        """The mapping itself."""
        return mapping(self.mapping)


class Crossbar:
    """Weights that are programmed into cells.

    Parameters
    ----------
    weights : ndarray of float, shape (n_out, n_in)
    options : CrossbarOptions
    generator : numpy.random.Generator
        For programming, drift and, with :meth:`multiply`, reads.

    Members
    -------
    peak : float
        The weight that a cell at its highest state stands for.
    held : ndarray of float, shape (n_in, n_out)
        The weights that the cells stand for, in units of `peak`.
    """

    def __init__(self, weights: Floats, options: CrossbarOptions, generator: np.random.Generator):
        self.options = options
        self.peak = float(np.abs(weights).max(initial=0.0)) or 1.0
        law, cell = options.law, options.cell
        ideal = np.asarray(weights, np.float64).T / self.peak
        states = law.states(ideal)
        self._noise: Floats | None = None
        gain = 1.0
        if cell is not None:
            width = cell.high - cell.low
            targets = [cell.low + width * s for s in states]
            held = [cell.programmed(t, generator, options.seconds) for t in targets]
            sigma = [cell.read_sigma(h, options.seconds) / width for h in held]
            if any(s.any() for s in sigma):
                factor = 1.0 if law.cells == 2 else 2.0
                self._noise = sum(((factor * s) ** 2 for s in sigma), np.zeros(ideal.shape))
            states = tuple((h - cell.low) / width for h in held)
            if options.compensate and options.seconds:
                gain = self._gain(law, ideal, law.weights(*states))
        if options.wire:
            states = tuple(self._through_wires(s) for s in states)
        self.held = gain * law.weights(*states)
        if self._noise is not None:
            self._noise = gain**2 * self._noise

    @staticmethod
    def _gain(law: WeightMapping, before: Floats, after: Floats) -> float:
        # One-hot inputs give the weights themselves. What programming got wrong is small against their mean.
        return float(np.abs(before).mean() / np.abs(after).mean())

    def _through_wires(self, states: Floats) -> Floats:
        o, cell = self.options, self.options.cell
        low = (cell.low / cell.high) if cell else 0.0
        g = np.maximum(low + (1 - low) * states, 1e-12)  # in units of the highest state
        seen = np.empty_like(g)
        for r in range(0, g.shape[0], o.rows):
            for c in range(0, g.shape[1], o.columns):
                part = slice(r, r + o.rows), slice(c, c + o.columns)
                seen[part] = array.effective(g[part], o.wire)
        return (seen - low) / (1 - low)

    def sums(self, x: Floats, generator: np.random.Generator | None = None) -> list[Floats]:
        """Return what each group of rows gives of inputs (n, n_in), in units of `peak`: arrays (n, n_out).

        With a generator, read noise is drawn for each sum.
        """
        parts = []
        for k in range(0, len(self.held), self.options.rows):
            rows = slice(k, k + self.options.rows)
            part = x[:, rows] @ self.held[rows]
            if generator is not None and self._noise is not None:
                part += np.sqrt(x[:, rows] ** 2 @ self._noise[rows]) * generator.standard_normal(part.shape)
            parts.append(part)
        return parts

    def multiply(
        self, x: Floats, converter: Converter | None = None, generator: np.random.Generator | None = None
    ) -> Floats:
        """Return `x @ weights.T` as the crossbars compute it, shape (n, n_out).

        Parameters
        ----------
        x : ndarray of float, shape (n, n_in)
        converter : Converter, optional
            Of each group of rows, in units of `peak`. Default: none.
        generator : numpy.random.Generator, optional
            For read noise. Default: none.
        """
        parts = self.sums(x, generator)
        converted = parts if converter is None else [converter.convert(p) for p in parts]
        return self.peak * np.sum(converted, axis=0)

    def multiply_serially(
        self, x: NDArray[np.integer], bits: int, converter: Converter | None = None,
        generator: np.random.Generator | None = None,
    ) -> Floats:  # fmt: skip
        """As :meth:`multiply`, of integers in [0, 2**bits) bit by bit, each bit with conversions of its own.

        The bits are shifted and added in digital, the lowest first.
        """
        x = np.asarray(x, np.int64)
        if x.size and (x.min() < 0 or x.max() >> bits):
            raise InputError(f"must be in [0, {(1 << bits) - 1}]", parameter="x")
        total: Floats = np.zeros((len(x), self.held.shape[1]))
        for k in range(bits):
            total += 2.0**k * self.multiply((x >> k & 1).astype(np.float64), converter, generator)
        return total
