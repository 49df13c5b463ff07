"""Draw the picture of convolution.md: ``python docs/site/window.py docs/pictures`` (`make pictures`)."""

from __future__ import annotations

import sys
from pathlib import Path

from oxnor.models.networks.layers.window import Window
from oxnor.sim.drawing.window_walk import window_picture


def draw(directory: Path) -> list[Path]:
    """Write the picture into a folder and return its path."""
    picture = window_picture(Window(6, 8, 1, 3, 3), 6, "Windows of 3 x 3 over a feature map of 6 x 8, read in 6 cycles")
    return picture.save(directory / "window.svg")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
