"""The windows of a convolution and of its pooling: where each output pixel's inputs lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Largest number of elements of an image or of a feature map.
ELEMENTS_MAX = 1 << 22
#: Largest number of kernel positions of all windows of an image together.
POSITIONS_MAX = 1 << 24
#: What stands at padded positions: -1 and +1 (in each plane a bit 0 or 1), or a zero that counts for neither.
PADS = (-1, 0, 1)
#: The fields of a window that say how far the map is padded at each edge.
PADDING = ("top", "left", "bottom", "right")


class _Padded:
    """What has the fields of :data:`PADDING`."""

    @property
    def is_padded(self) -> bool:
        """Whether any window reaches over an edge."""
        return any(getattr(self, name) for name in PADDING)


@dataclass(frozen=True)
class Pool(_Padded):
    """Windows of a pooling; what does not fill a window at the right and below is left out.

    Parameters
    ----------
    height, width : int
        Size of a window.
    step_y, step_x : int
        Distance of windows, the stride.
    top, left, bottom, right : int
        Padding, less than a window: what lies there is never the value that is taken.
    """

    height: int
    width: int
    step_y: int
    step_x: int
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        _check_positive(self, ("height", "width", "step_y", "step_x"), "pool")
        _check_padding(self, self.height, self.width, "pool")

    @property
    def sizes(self) -> dict[str, int]:
        """Its fields by name, without an edge that is not padded: padding came later than pools."""
        return {name: size for name, size in asdict(self).items() if size}

    @property
    def is_tiled(self) -> bool:
        """Whether the windows lie side by side, from the first pixel on."""
        return (self.height, self.width) == (self.step_y, self.step_x) and not self.is_padded

    def over(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of what comes out, or raise InputError if not even one window fits."""
        tall, wide = height + self.top + self.bottom, width + self.left + self.right
        if self.height > tall or self.width > wide:
            raise InputError(
                f"pool: windows must be at most as large as the {'padded ' * self.is_padded}feature map, {tall}x{wide},"
                f" not {self.height}x{self.width}"
            )
        return (tall - self.height) // self.step_y + 1, (wide - self.width) // self.step_x + 1

    def beyond(self, height: int, width: int) -> tuple[int, int]:
        """Return how many rows below a feature map and columns to its right the last windows reach."""
        rows, columns = self.over(height, width)
        below = (rows - 1) * self.step_y - self.top + self.height - height
        return max(0, below), max(0, (columns - 1) * self.step_x - self.left + self.width - width)


@dataclass(frozen=True)
class Window(_Padded):
    """Windows of a convolution over an image of `height` x `width` x `channels` elements, channel fastest.

    The row of weights of a neuron has its synapses in the order (y, x, channel) of the kernel.

    Parameters
    ----------
    height, width, channels : int
        Of the input.
    kernel_y, kernel_x : int
        Size of the kernel.
    step_y, step_x : int
        Stride.
    spread_y, spread_x : int
        Dilation.
    top, left, bottom, right : int
        Padding.
    pad : int
        One of :data:`PADS`.
    groups : int
        Output channel j sees the input channels of group ``j // (n_out / groups)``.

    Raises
    ------
    InputError
        If a field is out of range, or no window fits.
    """

    height: int
    width: int
    channels: int
    kernel_y: int
    kernel_x: int
    step_y: int = 1
    step_x: int = 1
    spread_y: int = 1
    spread_x: int = 1
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    pad: int = -1
    groups: int = 1

    def __post_init__(self) -> None:
        _check_positive(self, [f.name for f in fields(self) if f.name not in (*PADDING, "pad")], "convolution")
        _check_padding(self, self.reach_y, self.reach_x, "convolution")
        if self.pad not in PADS:
            raise InputError(f"convolution: pad must be one of {', '.join(map(str, PADS))}, not {self.pad}")
        if self.channels % self.groups:
            raise InputError(
                f"convolution: groups must divide the {self.channels} input channels, not be {self.groups}"
            )
        if self.height * self.width * self.channels > ELEMENTS_MAX:
            raise InputError(
                f"convolution: input must have at most {ELEMENTS_MAX} elements,"
                f" not {self.height}x{self.width}x{self.channels}"
            )
        tall, wide = self.height + self.top + self.bottom, self.width + self.left + self.right
        if self.reach_y > tall or self.reach_x > wide:
            raise InputError(
                f"convolution: kernel must be at most as large as the padded input, {tall}x{wide},"
                f" not {self.reach_y}x{self.reach_x}"
            )

        if self.pixels * self.kernel_y * self.kernel_x > POSITIONS_MAX:
            raise InputError(
                f"convolution: the windows of an image must have at most {POSITIONS_MAX} positions,"
                f" not {self.pixels * self.kernel_y * self.kernel_x}"
            )
        # Else an engine would give results of no image: such windows wait for no pixel.
        if not all(inside.any() for _, inside in self._under):
            raise InputError("convolution: a window must see a pixel, but all lie in the padding")

    @property
    def reach_y(self) -> int:
        """Rows from the first to the last of a window."""
        return (self.kernel_y - 1) * self.spread_y + 1

    @property
    def reach_x(self) -> int:
        """Columns from the first to the last of a window."""
        return (self.kernel_x - 1) * self.spread_x + 1

    @property
    def n_in(self) -> int:
        """Synapses of a neuron."""
        return self.kernel_y * self.kernel_x * self.channels // self.groups

    @property
    def centre(self) -> int:
        """Kernel position in the middle, the next one after it where a side is even."""
        return self.kernel_y // 2 * self.kernel_x + self.kernel_x // 2

    @property
    def out_height(self) -> int:
        """Rows of output pixels."""
        return (self.height + self.top + self.bottom - self.reach_y) // self.step_y + 1

    @property
    def out_width(self) -> int:
        """Output pixels of a row."""
        return (self.width + self.left + self.right - self.reach_x) // self.step_x + 1

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        return self.out_height, self.out_width

    @property
    def pixels(self) -> int:
        """Windows of an image: the output pixels."""
        return self.out_height * self.out_width

    @property
    def _under(self) -> tuple[tuple[NDArray[np.intp], NDArray[np.bool_]], ...]:
        """Rows, then columns, of the input under each window and kernel position, and whether they are in it."""
        y = np.arange(self.out_height)[:, None] * self.step_y + np.arange(self.kernel_y) * self.spread_y - self.top
        x = np.arange(self.out_width)[:, None] * self.step_x + np.arange(self.kernel_x) * self.spread_x - self.left
        return (y, (y >= 0) & (y < self.height)), (x, (x >= 0) & (x < self.width))

    @cached_property
    def sources(self) -> NDArray[np.int64]:
        """Input pixel (``y * width + x``) of each kernel position of each window, -1 where it is padding.

        Shape (pixels, kernel_y * kernel_x).
        """
        (y, in_y), (x, in_x) = self._under
        inside = in_y[:, None, :, None] & in_x[None, :, None, :]
        at = y[:, None, :, None] * self.width + x[None, :, None, :]
        sources = np.where(inside, at, -1).reshape(self.pixels, -1).astype(np.int64)
        sources.setflags(write=False)
        return sources

    @property
    def centres(self) -> NDArray[np.int64]:
        """Input pixel under the centre of each window, shape (pixels,), -1 where it is padding."""
        return self.sources[:, self.centre]


def _check_positive(owner: object, names: Iterable[str], what: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{what}: {name} must be an integer of at least 1, not {value!r}")


def _check_padding(owner: object, reach_y: int, reach_x: int, what: str) -> None:
    for name in PADDING:
        reach, size = (reach_y, "height") if name in ("top", "bottom") else (reach_x, "width")
        if not 0 <= getattr(owner, name) < reach:
            raise InputError(
                f"{what}: {name} must be at least 0 and less than the {size} of the window, {reach}, "
                f"not {getattr(owner, name)}"
            )
