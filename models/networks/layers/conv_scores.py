"""Output layer that is a convolution: the counts of each class, summed over all windows of the feature map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.kernels import packed as kernels

from . import windowed
from .base import Reads
from .fields import BITS, PLANES, SIZE_MAX, WEIGHT_BITS, ArrayField, LayerFields, Sizes, per_neuron
from .hidden import unpack_planes
from .scores import ScoreLayer
from .window import Window
from .windowed import Windowed

#: Sums over all windows are below this: a score times 2 fits int64.
_SUM_MAX = 1 << 30
#: Images whose feature maps are unpacked at once.
_IMAGES = 256


@dataclass(frozen=True, eq=False, repr=False)
class ConvScoreLayer(Windowed, ScoreLayer):
    """An output layer whose neurons are read in each window: score = scale * (sum of their popcounts) + offset.

    That is a convolution with one channel a class, and the mean over all its pixels (global average pooling), up to a
    factor that all classes share.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        As of :class:`ConvLayer`.
    scales, offsets : ndarray of int64, shape (n_out,), optional
        As of :class:`ScoreLayer`.
    window : Window
        Where the windows lie; ``pad`` is -1 or 1.
    planes, weight_bits, weight_max : int
        See :class:`Layer`.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong, or a sum can reach 2**30.
    """

    kind: ClassVar[str] = "conv-scores"
    fields: ClassVar[LayerFields] = LayerFields(
        {
            "weights": ArrayField(BITS, lambda s: (s["n_out"], windowed.synapses(s))),
            "scales": ArrayField("<i8", per_neuron),
            "offsets": ArrayField("<i8", per_neuron),
        },
        {"n_out": (1, SIZE_MAX), **windowed.SIZES},
        PLANES | WEIGHT_BITS | windowed.OPTIONAL,
        version=7,
    )

    window: Window = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"{self.kind} layer"
        self.check_window(where)
        if self.window.pad == 0:
            raise InputError(f"{where}: pad must be -1 or 1, not 0")
        if self.most >= _SUM_MAX:
            raise InputError(f"{where}: the sum over all windows must be below {_SUM_MAX:,}, not up to {self.most:,}")

    @property
    def most(self) -> int:
        """Largest sum of the popcounts of all windows."""
        return self.full * ((1 << self.planes) - 1) * self.window.pixels

    @property
    def sizes(self) -> dict[str, int]:  # noqa: D102
        own = {"n_out": self.n_out} | {name: getattr(self, name) for name in self.read_with}
        return self.fields.without_defaults(own | asdict(self.window))

    @classmethod
    def from_fields(cls, sizes: Sizes, arrays: Mapping[str, NDArray]) -> Self:  # noqa: D102
        values: dict[str, Any] = {**arrays, **{name: sizes[name] for name in cls.read_with}}
        return cls(window=windowed.window_of(sizes), **values)

    @property
    def label(self) -> str:  # noqa: D102
        return f"{self.window_label()}-A"

    def popcounts(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int64]:  # type: ignore[override]
        """Return the counts of all windows together, shape (n, n_out), range [0, most]."""
        if reads is kernels and backend == "numba":
            return self._sums(x, self.factors)
        counts = self.window_counts_numpy(x) if reads is kernels else self.window_counts(x, backend, reads)
        return counts.sum(axis=1, dtype=np.int64)

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.int64]:  # noqa: D102
        synapses = unpack_words(w, self.n_in).reshape(self.n_out, self.inputs, self.weight_bits)
        return self.from_popcounts(self._sums(x, self.weight_code.decode(synapses)))

    def popcounts_torch(self, x: Any, signs: Any) -> Any:  # noqa: D102
        return self.window_counts_torch(x, signs).double().sum(dim=1)

    def _sums(self, x: NDArray[np.uint64], factors: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return what all windows count with weights (n_out, inputs), by one product with what each weight sees in all.

        A sum over windows of products with the same weights is the product with a sum.
        """
        groups = self.window.groups
        weights = factors.astype(np.float64).reshape(groups, -1, self.inputs).transpose(0, 2, 1)
        sums = np.empty((len(x), self.n_out))
        for k in range(0, len(x), _IMAGES):
            part = self._seen(x[k : k + _IMAGES]).swapaxes(0, 1) @ weights
            sums[k : k + _IMAGES] = part.swapaxes(0, 1).reshape(-1, self.n_out)
        return ((sums + self.most) / 2).astype(np.int64)

    def _seen(self, x: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return the sum over all windows of 2u - top of what each weight sees, shape (n, groups, inputs)."""
        window, top = self.window, (1 << self.planes) - 1
        values = unpack_planes(x, (window.height * window.width, window.channels), self.planes)
        seen = np.empty((len(x), window.sources.shape[1], window.channels))
        for k, pixels in enumerate(window.sources.T):
            inside = pixels[pixels >= 0]
            seen[:, k] = 2 * values[:, inside].sum(axis=1, dtype=np.int64) - top * len(inside)
            seen[:, k] += window.pad * top * (len(pixels) - len(inside))
        by_group = seen.reshape(len(x), -1, window.groups, window.channels // window.groups).swapaxes(1, 2)
        return by_group.reshape(len(x), window.groups, self.inputs)
