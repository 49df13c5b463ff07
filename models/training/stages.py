"""The layers of a network in training: a short description of them, their sums in PyTorch, and what they fold into."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.networks.layers.conv import ConvLayer, check_shortcut
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.presentations import limits
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.weight_code import WeightCode
from oxnor.models.networks.layers.window import Pool, Window
from oxnor.models.networks.layers.windowed import largest_torch

from .fold import BatchNorm, fold

_PART = re.compile(
    r"C(?P<C>\d{1,12})(?:k(?P<k>\d{1,12}))?(?:s(?P<s>\d{1,12}))?(?:p(?P<p>\d{1,12}))?(?:g(?P<g>\d{1,12}))?(?:r(?P<r>\d{1,12}))?"
    r"|P(?P<P>\d{0,12})(?:s(?P<steps>\d{1,12}))?(?:p(?P<edge>\d{1,12}))?|F(?P<F>\d{1,12})|A",
    re.ASCII,
)
_KERNEL, _POOL = 3, 2
#: Up to how many channels a product of gathered windows is faster than a convolution (CPU).
_GATHERED = 4
#: Most neurons of a layer, and most parts of a description.
_NEURONS_MAX, _PARTS_MAX = 1 << 16, 64
#: Largest number of rows times neurons in the table of a fold.
_TABLE_MAX = 1 << 24


@dataclass(frozen=True)
class Part:
    """A part of a description: a convolution, a pooling, a dense layer, or a mean over all pixels.

    Parameters
    ----------
    kind : str
        "C", "P", "F" or "A".
    size : int
        Channels, neurons, or the side of the windows of a pooling.
    kernel, groups : int
        Of a convolution.
    stride, padding : int
        Of a convolution or a pooling. Padded pixels are -1 for a convolution, and nothing for a pooling.
    shortcut : int
        How often the value of its own channel under the centre of a window is added to a sum; 0: never.
    """

    kind: str
    size: int
    kernel: int = _KERNEL
    stride: int = 1
    padding: int = 0
    groups: int = 1
    shortcut: int = 0


def parse(text: str) -> tuple[Part, ...]:
    """Return the parts of a description such as ``C64-C64-P-F512``.

    ``C64`` is a convolution of 64 channels, 3 x 3, stride 1, not padded; ``C64k5s2p1g4`` has kernels of 5 x 5, stride
    2, one padded pixel at each edge, and four groups of channels. ``C64r16`` adds 16 times the value of its own channel
    under the centre of a window to the sum of a neuron. ``P`` pools windows of 2 x 2 and ``P3`` of 3 x 3, side by side;
    ``P3s2p1`` has stride 2 and one padded pixel at each edge. ``F512`` is a dense layer of 512 neurons. The output
    layer is not written: it is dense, or after an ``A`` at the end a convolution of 1 x 1 whose scores are the means
    over all pixels.

    Raises
    ------
    InputError
        Naming the part that is none of these, or in the wrong place.
    """
    texts = text.split("-")
    if len(texts) > _PARTS_MAX:
        raise InputError(f"must have at most {_PARTS_MAX} parts, not {len(texts)}", parameter="layers")
    parts: list[Part] = []
    for k, item in enumerate(texts):
        match = _PART.fullmatch(item)
        if match is None:
            rule = "must have parts such as C64, C64k5s1p2, C64p1r16, P, P3, P3s2p1, F512 and A with hyphens between"
            raise InputError(f"{rule} them, not {item!r}", parameter="layers")
        part = _part({name: int(value) for name, value in match.groupdict().items() if value}, item[0])
        before = parts[-1].kind if parts else "F"
        if part.kind == "P" and before != "C":
            raise InputError(f"must have a pooling only after a convolution: part {k + 1}, {item}", parameter="layers")
        if before == "A" or (part.kind == "A" and before == "F"):
            rule = "must have A only at its end, after a convolution"
            raise InputError(f"{rule}: part {k + 1}, {item}", parameter="layers")
        if part.kind == "C" and before == "F" and parts:
            raise InputError(f"must have no convolution after a dense layer: part {k + 1}, {item}", parameter="layers")
        sizes = part.size, part.kernel, part.stride, part.groups
        if not all(1 <= size <= _NEURONS_MAX for size in sizes):
            raise InputError(f"must have sizes in [1, {_NEURONS_MAX}], not {item}", parameter="layers")
        if part.padding >= (part.size if part.kind == "P" else part.kernel):
            raise InputError(f"must pad fewer pixels than a window has: part {k + 1}, {item}", parameter="layers")
        if part.size % part.groups:
            raise InputError(f"must have channels in groups of one size: part {k + 1}, {item}", parameter="layers")
        parts.append(part)
    return tuple(parts)


def _part(sizes: Mapping[str, int], kind: str) -> Part:
    """Return a part from the numbers in its description."""
    if kind == "A":
        return Part("A", 1)
    if kind == "P":
        size = sizes.get("P", _POOL)
        return Part("P", size, stride=sizes.get("steps", size), padding=sizes.get("edge", 0))
    rest = (sizes.get(name, default) for name, default in (("k", _KERNEL), ("s", 1), ("p", 0), ("g", 1), ("r", 0)))
    return Part(kind, sizes[kind], *rest)


@dataclass(frozen=True)
class DenseStage:
    """A dense layer in training.

    Parameters
    ----------
    n_in, n_out : int
    planes : int
        Bit planes of an input element u, which the sums take as 2u - (2**planes - 1).
    presentations : int
        Above 0: an element is that many random bits instead, whose signs the sums add up.
    bits : int
        Of what a neuron gives.
    """

    n_in: int
    n_out: int
    planes: int = 1
    presentations: int = 0
    bits: int = 1

    def sums(self, x: Any, signs: Any) -> Any:
        """Return the pre-activations, float32 (n, n_out), of inputs (n, n_in) and weights (n_out, n_in)."""
        torch = import_torch()
        if self.presentations:
            table = torch.from_numpy(limits(self.presentations, self.n_in).astype(np.float32)).to(x.device)
            # An element u came as 2u - 255.
            x = sum((x > row).float() for row in 2 * table - 255) * 2 - self.presentations
        return torch.nn.functional.linear(x.to(signs.dtype), signs).float()

    def layer(self, synapses: NDArray[np.bool_], norm: BatchNorm) -> DenseLayer:
        """Return the layer that it folds into."""
        code = WeightCode.narrow(synapses.shape[1] // self.n_in)
        folded = _fold(synapses, norm, self.presentations or (1 << self.planes) - 1, code, self.bits)
        return DenseLayer(*folded, presentations=self.presentations, **_reads(self, synapses))

    def output(self, synapses: NDArray[np.bool_]) -> ScoreLayer:
        """Return the output layer that it is."""
        return ScoreLayer(synapses, **_reads(self, synapses))


@dataclass(frozen=True)
class ConvStage:
    """A convolution in training, with the pooling of its sums.

    Parameters
    ----------
    window : Window
    n_out : int
    pool : Pool or None
        Of the sums, before batch norm: the largest. A network pools bits, after the threshold, which gives the same,
        as AND where the factor of the batch norm is negative.
    planes, bits : int
        As in :class:`DenseStage`.
    shortcut : int
        As in :class:`Part`.
    """

    window: Window
    n_out: int
    pool: Pool | None = None
    planes: int = 1
    bits: int = 1
    shortcut: int = 0

    @property
    def n_in(self) -> int:
        """Synapses of a neuron."""
        return self.window.n_in

    @cached_property
    def size_out(self) -> tuple[int, int]:
        """Height and width of what it gives."""
        return self.pool.over(*self.window.out_size) if self.pool else self.window.out_size

    def sums(self, x: Any, signs: Any) -> Any:
        """Return the pre-activations, (n, n_out, height, width), of inputs in the order (y, x, channel)."""
        functional, w = import_torch().nn.functional, self.window
        image = x.to(signs.dtype).reshape(-1, w.height, w.width, w.channels)
        own = self._centres(image).permute(0, 3, 1, 2) if self.shortcut else None
        if w.is_padded:
            edges = (0, 0, w.left, w.right, w.top, w.bottom)
            image = functional.pad(image, edges, value=float(w.pad * ((1 << self.planes) - 1)))
        if w.channels <= _GATHERED and w.groups == 1:
            windows = image.unfold(1, w.kernel_y, w.step_y).unfold(2, w.kernel_x, w.step_x).permute(0, 1, 2, 4, 5, 3)
            z = functional.linear(windows.reshape(-1, w.n_in), signs)
            z = z.reshape(-1, *w.out_size, self.n_out).permute(0, 3, 1, 2)
        else:
            kernel = signs.reshape(-1, w.kernel_y, w.kernel_x, w.channels // w.groups).permute(0, 3, 1, 2)
            z = functional.conv2d(image.permute(0, 3, 1, 2), kernel, stride=(w.step_y, w.step_x), groups=w.groups)
        if own is not None:
            z = z + self.shortcut * own
        if self.pool:
            z = largest_torch(z, self.pool)
        return z

    def _centres(self, image: Any) -> Any:
        """Return the pixels of (n, height, width, channels) under the centres of the windows."""
        w = self.window
        y, x = w.kernel_y // 2 - w.top, w.kernel_x // 2 - w.left
        rows, columns = ((count - 1) * step + 1 for count, step in zip(w.out_size, (w.step_y, w.step_x), strict=True))
        return image[:, y : y + rows : w.step_y, x : x + columns : w.step_x]

    def folded_shortcut(self, code: WeightCode) -> int:
        """Return the shortcut of the layer: sums are half of what synapses of an even number count."""
        return self.shortcut * code.step

    def layer(self, synapses: NDArray[np.bool_], norm: BatchNorm) -> ConvLayer:
        """Return the layer that it folds into."""
        code = WeightCode.narrow(synapses.shape[1] // self.n_in)
        shortcut = self.folded_shortcut(code)
        folded = _fold(synapses, norm, (1 << self.planes) - 1, code, self.bits, shortcut)
        return ConvLayer(*folded, self.window, self.pool, norm.scale < 0, shortcut=shortcut, **_reads(self, synapses))


@dataclass(frozen=True)
class ConvOutputStage:
    """An output layer in training whose scores are means over all windows.

    Parameters
    ----------
    conv : ConvStage
        What gives a score a class and window.
    """

    conv: ConvStage

    @property
    def n_in(self) -> int:
        """Weights of a class."""
        return self.conv.n_in

    @property
    def n_out(self) -> int:
        """Classes."""
        return self.conv.n_out

    def sums(self, x: Any, signs: Any) -> Any:
        """Return the scores, float32 (n, n_out), of inputs in the order (y, x, channel)."""
        return self.conv.sums(x, signs).float().mean(dim=(2, 3))

    def output(self, synapses: NDArray[np.bool_]) -> ConvScoreLayer:
        """Return the output layer that it is."""
        return ConvScoreLayer(synapses, window=self.conv.window, **_reads(self.conv, synapses))


def _reads(stage: DenseStage | ConvStage, synapses: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how a layer reads its inputs and weights."""
    code = WeightCode.narrow(synapses.shape[1] // stage.n_in)
    return {"planes": stage.planes, "weight_bits": code.bits, "weight_max": code.largest}


def _fold(
    weights: NDArray[np.bool_], norm: BatchNorm, top: int, code: WeightCode, bits: int, shortcut: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Fold some neurons at a time: the table of all popcounts of many planes is large."""
    step = max(1, _TABLE_MAX // (weights.shape[1] // code.bits * code.top * top + 1))
    parts = [slice(k, k + step) for k in range(0, len(weights), step)]
    folded = [fold(weights[part], norm.some(part), top, code, bits, shortcut) for part in parts]
    return np.concatenate([w for w, _ in folded]), np.concatenate([t for _, t in folded])


def flat(values: Any) -> Any:
    """Return what a stage gives as inputs of the next, (n, elements): of maps in the order (y, x, channel)."""
    return values.permute(0, 2, 3, 1).reshape(len(values), -1) if values.ndim == 4 else values


def dense_stages(sizes: Sequence[int], planes: int = 1, bits: int = 1) -> list[DenseStage]:
    """Return the layers of a dense network, from its inputs to its classes; between them are values of `bits`."""
    planes_in = [planes] + [bits] * (len(sizes) - 2)
    return [DenseStage(a, b, p, bits=bits) for a, b, p in zip(sizes[:-1], sizes[1:], planes_in, strict=True)]


def stages(
    parts: Sequence[Part], shape: tuple[int, int, int], classes: int, planes: int = 1, bits: int = 1
) -> list[Any]:
    """Return the layers of a description, and the output layer.

    Parameters
    ----------
    parts : sequence of Part
    shape : (int, int, int)
        Height, width and elements a pixel of the images.
    classes : int
    planes, bits : int
        Bit planes of an element of the images, and of what a neuron gives.

    Raises
    ------
    InputError
        If a window does not fit the feature map, or a shortcut its convolution.
    """
    made: list[Any] = []
    images = shape
    for k, part in enumerate(parts):
        following = parts[k + 1] if k + 1 < len(parts) else None
        if part.kind == "C":
            height, width, channels = shape
            edges = dict.fromkeys(("top", "left", "bottom", "right"), part.padding)
            kernel = {"kernel_y": part.kernel, "kernel_x": part.kernel, "step_y": part.stride, "step_x": part.stride}
            pool = None
            if following and following.kind == "P":
                pool = Pool(*[following.size] * 2, *[following.stride] * 2, *[following.padding] * 4)
            try:
                window = Window(height, width, channels, **kernel, **edges, groups=part.groups)
                check_shortcut(window, part.size, part.shortcut, "convolution")
                made.append(ConvStage(window, part.size, pool, planes, bits, part.shortcut))
                shape, planes = (*made[-1].size_out, part.size), bits
            except InputError as e:
                where = f"must fit images of {'x'.join(map(str, images))}: part {k + 1}, C{part.size}"
                raise InputError(f"{where}: {e}", parameter="layers") from None
        elif part.kind == "A":
            return [*made, ConvOutputStage(ConvStage(Window(*shape, 1, 1), classes, planes=planes))]
        elif part.kind == "F":
            made.append(DenseStage(math.prod(shape), part.size, planes, bits=bits))
            shape, planes = (1, 1, part.size), bits
    return [*made, DenseStage(math.prod(shape), classes, planes)]
