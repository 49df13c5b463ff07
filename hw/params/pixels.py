"""Feature maps on their way between layers: pixels of the image, rows that a window keeps."""

from __future__ import annotations

from oxnor.models.networks.layers.window import Window


def rows_kept(window: Window) -> int:
    """Return the rows of the ring before the windows: those of a window, and those that come meanwhile."""
    return window.reach_y + window.step_y


def gather_cycles(window: Window) -> int:
    """Return the cycles from window to window within a row, if its synapses are read in fewer."""
    columns = window.step_x if window.spread_x == 1 and window.step_x < window.kernel_x else window.kernel_x
    return window.kernel_y * columns + 1
