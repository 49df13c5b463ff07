"""Feature maps of an image, and the pixels that errors change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.golden.feature_maps import FeatureMaps

from .plots import Plot
from .svg import PAPER

#: Height of a feature map up to which eight of them stand side by side, not four; and of the picture of one, in dots.
_SMALL, _DOTS = 16, 64


def _rgb(colour: str) -> NDArray[np.int64]:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])


#: Mosaics have their own paper, so that they look the same in both themes.
_LOW, _HIGH, _GAP = map(_rgb, ("#e8eef3", "#24445c", "#8c959f"))
_ROSE, _FELL = _rgb(PAPER["orange"]), _rgb(PAPER["purple"])


def _across(maps: FeatureMaps) -> int:
    return 8 if maps.clean.shape[1] <= _SMALL else 4


def _mosaic(maps: FeatureMaps, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the channels side by side as colours, uint8 (height, width, 3); pixels that differ stand out."""
    across = _across(maps)
    colours = _LOW + values[..., None] / maps.levels * (_HIGH - _LOW)
    colours = np.where((values > maps.clean)[..., None], _ROSE, colours)
    colours = np.where((values < maps.clean)[..., None], _FELL, colours)
    # Small maps are drawn with large dots, so that the gaps are alike.
    scale = max(1, _DOTS // max(maps.clean.shape[1:]))
    colours = colours.repeat(scale, 1).repeat(scale, 2)
    count, h, w = colours.shape[:3]
    gap = max(1, h // 24)
    down = -(-count // across)
    canvas = np.empty((down * (h + gap) - gap, min(count, across) * (w + gap) - gap, 3), np.uint8)
    canvas[:] = _GAP
    for k in range(count):
        y, x = k // across * (h + gap), k % across * (w + gap)
        canvas[y : y + h, x : x + w] = colours[k]
    return canvas


def feature_maps_plot(
    maps: Sequence[FeatureMaps], rates: Sequence[float], title: str, image: NDArray[np.uint8] | None = None
) -> Plot:
    """Return the feature maps of an image: a row a layer, without errors and at each error rate.

    Parameters
    ----------
    maps : sequence of FeatureMaps
        At least one.
    rates : sequence of float
        Error rates, one for each of ``wrong``.
    title : str
        What the picture shows.
    image : ndarray of uint8, shape (height, width) or (height, width, 3), optional
        The image itself.
    """
    rows = len(maps) + (image is not None)
    columns = 1 + len(rates)
    heights = [1.05 if _across(m) == 8 else 3.1 for m in maps]
    heights = ([1.9] if image is not None else []) + heights

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
        for axes in grid.flat:
            axes.set_axis_off()
        if image is not None:
            grid[0, 0].imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            grid[0, 0].set_title("the image", fontsize=10)
            for k, (name, text) in enumerate({"orange": "higher than without errors", "purple": "lower"}.items()):
                legend = grid[0, min(1, columns - 1)]
                legend.text(0.02, 0.62 - 0.2 * k, "■ ", color=colours[name], fontsize=12, transform=legend.transAxes)
                legend.text(0.12, 0.62 - 0.2 * k, text, fontsize=10, transform=legend.transAxes)
        for row, m in zip(grid[rows - len(maps) :], maps, strict=True):
            h, w = m.clean.shape[1:]
            channels = f"{len(m.clean)} of {m.channels}" if len(m.clean) < m.channels else f"{m.channels}"
            row[0].set_title(f"layer {m.layer}: {channels} channels of {h} × {w}", fontsize=10)
            row[0].imshow(_mosaic(m, m.clean), interpolation="nearest")
            for axes, rate, values, share in zip(row[1:], rates, m.wrong, m.shares, strict=True):
                axes.set_title(f"at {rate:.2g}: {100 * share:.2g} % differ", fontsize=10)
                axes.imshow(_mosaic(m, values), interpolation="nearest")

    return Plot(title, (3.0 * columns, 0.3 + sum(heights)), draw)
