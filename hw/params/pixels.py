"""Feature maps on their way between layers: pixels of the image, rows that a window keeps."""

from __future__ import annotations

import math

from oxnor.models.networks.layers.window import Window


def pixels_of_word(bits: int, width: int) -> int:
    """Return the pixels of `bits` in a word of the image buffer, which is whole pixels and whole beats of `width`."""
    return math.lcm(bits, width) // bits


def rows_kept(window: Window) -> int:
    """Return the rows of the ring before the windows: those of a window, and those that come meanwhile."""
    return window.reach_y + window.step_y


def new_columns(window: Window) -> int:
    """Return the columns of a window that the one before, in its row, has not."""
    return window.step_x if window.spread_x == 1 and window.step_x < window.kernel_x else window.kernel_x


def gather_cycles(window: Window) -> int:
    """Return the cycles from window to window within a row, if its synapses are read in fewer."""
    return window.kernel_y * new_columns(window) + 1
