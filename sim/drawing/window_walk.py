"""How a window walks over the rows that are kept of a feature map."""

from __future__ import annotations

from oxnor.hw.params.pipeline import Moment, moments
from oxnor.hw.params.pixels import new_columns, rows_kept
from oxnor.models.networks.layers.window import Window

from .diagrams import Diagram

_GAP, _LEFT, _TOP = 36, 56, 44
#: Looks of a pixel: what it is, fill and line.
_LOOKS = {
    "new": ("read for this window", "orange-fill", "orange"),
    "shared": ("kept from the window before", "green-fill", "green"),
    "ring": ("in the ring", "blue-fill", "blue"),
    "gone": ("a free place", "back", "line"),
    "later": ("has not come", "fill", "line"),
}


def _look(w: Window, moment: Moment, y: int, x: int) -> str:
    """Return what pixel (y, x) of the feature map is at a moment."""
    arriving = moment.first + moment.whole
    if y > arriving or (y == arriving and x >= moment.come):
        return "later"
    top, left = moment.row * w.step_y - w.top, moment.column * w.step_x - w.left
    i, j = (y - top) / w.spread_y, (x - left) / w.spread_x
    if i in range(w.kernel_y) and j in range(w.kernel_x):
        return "new" if moment.column == 0 or j >= w.kernel_x - new_columns(w) else "shared"
    return "gone" if y < moment.first else "ring"


def _chosen(w: Window, found: list[Moment]) -> list[Moment]:
    """Return the first two windows, the last one of their row, and the first two of the next."""
    wanted = {0, min(1, w.out_width - 1), w.out_width - 1, w.out_width, w.out_width + 1}
    return [found[k] for k in sorted(wanted) if k < len(found)]


def _ring_rows(w: Window, moment: Moment) -> list[int | None]:
    """Return the row of the feature map that each row of the ring has, as far as any of it has come."""
    rows = rows_kept(w)
    last = min(moment.first + moment.whole, w.height - 1)
    last -= not moment.come and last == moment.first + moment.whole
    held: list[int | None] = [None] * rows
    for y in range(last + 1):
        held[y % rows] = y
    return held


def window_picture(window: Window, reads: int, title: str) -> Diagram:
    """Return how a window walks: the feature map and the ring of rows when some windows are offered.

    Parameters
    ----------
    window : Window
    reads : int
        Cycles for which a window is read: pixels come meanwhile.
    title : str
        What the picture shows.
    """
    w, rows = window, rows_kept(window)
    diagram = Diagram(title)
    chosen = _chosen(w, moments(w, reads))
    cell = min(22.0, max(5.0, 200 / w.width))
    width = w.width * cell
    pitch = width + _LEFT + _GAP + max(w.right - 1, 0) * cell
    over = _TOP + w.top * cell
    below = over + (w.height + w.bottom) * cell + 52
    for k, moment in enumerate(chosen):
        x = k * pitch + _LEFT
        diagram.text(x + width / 2, 18, f"window ({moment.row}, {moment.column})", size=13, bold=True)
        diagram.text(x + width / 2, 34, f"cycle {moment.cycle:,}", size=11, colour="muted")
        for y in range(w.height):
            _row(diagram, w, moment, y, (x, over + y * cell), cell)
        _frame(diagram, w, moment, (x, over), cell)
        diagram.text(x + width / 2, below - 12, f"ring of {rows} rows", size=12, bold=True)
        for slot, held in enumerate(_ring_rows(w, moment)):
            top = below + slot * (cell + 4)
            if held is None:
                _empty(diagram, w, (x, top), cell)
                continue
            _row(diagram, w, moment, held, (x, top), cell, in_ring=True)
            diagram.text(x - 8, top + cell / 2 + 4, f"row {held}", size=11, anchor="end", colour="muted")
    legend = below + rows * (cell + 4) + 26
    x = float(_LEFT)
    for text, fill, line in _LOOKS.values():
        diagram.rect(x, legend - 11, 14, 14, fill=fill, line=line, r=2)
        diagram.text(x + 20, legend, text, size=12, anchor="start")
        x += 40 + 6.6 * len(text)
    return diagram.sized(max(len(chosen) * pitch + 4, x), legend + 14)


def _row(
    diagram: Diagram, w: Window, moment: Moment, y: int, at: tuple[float, float], cell: float, in_ring: bool = False
) -> None:
    """Draw row y of the feature map, pixels that look alike as one box where they are small."""
    left, top = at
    looks = [_look(w, moment, y, x) for x in range(w.width)]
    if in_ring:
        # A window keeps what it has read when the place is free; what comes is written over what was there.
        looks = ["gone" if look == "later" or y < moment.first else look for look in looks]
    x = 0
    while x < w.width:
        end = x + 1
        while cell < 10 and end < w.width and looks[end] == looks[x]:
            end += 1
        _, fill, line = _LOOKS[looks[x]]
        diagram.rect(left + x * cell, top, (end - x) * cell, cell, fill=fill, line=line, r=0, width=0.6)
        x = end


def _empty(diagram: Diagram, w: Window, at: tuple[float, float], cell: float) -> None:
    diagram.rect(*at, w.width * cell, cell, fill="fill", line="line", r=0, width=0.6)


def _frame(diagram: Diagram, w: Window, moment: Moment, at: tuple[float, float], cell: float) -> None:
    """Draw the outline of the window, which may reach over the edges."""
    x = at[0] + (moment.column * w.step_x - w.left) * cell
    y = at[1] + (moment.row * w.step_y - w.top) * cell
    diagram.rect(x, y, w.reach_x * cell, w.reach_y * cell, fill="none", line="ink", r=2, width=2)
