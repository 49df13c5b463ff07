"""Convolutions and pooling of NIR as matrices, from a feature map of (channels, height, width) to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: A feature map: channels, height, width.
Map = tuple[int, int, int]


def _pair(values: NDArray, name: str, least: int) -> tuple[int, int]:
    whole = np.broadcast_to(np.rint(values.reshape(-1)), (2,)) if values.size in (1, 2) else np.array([-1, -1])
    if (whole < least).any() or (values != np.rint(values)).any() or (whole > 1 << 16).any():
        raise InputError(f"{name} must be 2 whole numbers from {least}, not {values.reshape(-1).tolist()}")
    return int(whole[0]), int(whole[1])


def _steps(size: int, kernel: int, stride: int, padding: int, dilation: int, name: str) -> int:
    """Return how many windows fit along one side."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if count < 1:
        raise InputError(f"{name} must fit into a feature map of {size} along each side, with its padding")
    return count


def conv_matrix(
    shape: Map, weight: NDArray, stride: NDArray, padding: NDArray, dilation: NDArray, groups: int, limit: int
) -> tuple[NDArray[np.float64], Map]:
    """Return the matrix of a convolution, shape (n_out, n_in), and the feature map that it gives.

    Parameters
    ----------
    shape : tuple of int
        Of the feature map that comes.
    weight : ndarray, shape (channels out, channels in / groups, height, width)
    stride, padding, dilation : ndarray of numbers
        For height and width.
    groups : int
    limit : int
        Most weights of the matrix.

    Raises
    ------
    InputError
        If the sizes do not fit each other.
    """
    channels, height, width = shape
    out, inner, *kernel = weight.shape
    if groups < 1 or out % groups or inner * groups != channels:
        raise InputError(f"weight must have {channels} input channels, not {inner * max(groups, 1)}")
    (sy, sx), (py, px) = _pair(stride, "stride", 1), _pair(padding, "padding", 0)
    dy, dx = _pair(dilation, "dilation", 1)
    rows = _steps(height, kernel[0], sy, py, dy, "weight")
    columns = _steps(width, kernel[1], sx, px, dx, "weight")
    if out * rows * columns * channels * height * width > limit:
        raise InputError(f"must have at most {limit:,} weights, one for each position of its windows")
    matrix = np.zeros((out, rows, columns, channels, height, width))
    part = out // groups
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            for oy in range(rows):
                y = oy * sy - py + ky * dy
                if not 0 <= y < height:
                    continue
                for ox in range(columns):
                    x = ox * sx - px + kx * dx
                    if not 0 <= x < width:
                        continue
                    for g in range(groups):
                        here, there = slice(g * part, (g + 1) * part), slice(g * inner, (g + 1) * inner)
                        matrix[here, oy, ox, there, y, x] = weight[here, :, ky, kx]
    return matrix.reshape(out * rows * columns, -1), (out, rows, columns)


def pool_matrix(
    shape: Map, kernel: NDArray, stride: NDArray, padding: NDArray, limit: int, *, mean: bool
) -> tuple[NDArray[np.float64], Map]:
    """Return the matrix of sums, or means, over the windows of each channel, and the feature map that they give."""
    ky, kx = _pair(kernel, "kernel_size", 1)
    weight = np.full((shape[0], 1, ky, kx), 1 / (ky * kx) if mean else 1.0)
    return conv_matrix(shape, weight, stride, padding, np.ones(2), shape[0], limit)
