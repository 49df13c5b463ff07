"""The control of an engine with convolutions, cycle by cycle: when each image leaves it.

Pixels come in bursts once there is pooling, so that there is no closed form. Here every unit has its registers without
its data, and all advance together, as the gateware does. A pipeline that is in a state for the second time goes on as
it did after the first: from there on nothing need be computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np

from oxnor.models.networks.layers.window import Pool, Window

from .engine import EngineConfig
from .layer_kinds import LAYER_KINDS
from .pixels import new_columns, pixels_of_word, rows_kept

_IMAGES, _WINDOWS, _READS, _POOLS, _GATHERS, _ADMITS = range(6)
_FIELDS = 20
#: Images after which a pipeline must have been in a state twice.
_IMAGES_MAX = 64


@dataclass(frozen=True)
class Flow:
    """When things happen to images that come without a pause, and leave at once.

    Parameters
    ----------
    results : tuple of int
        Clock edges from the transfer of the first beat to that of each result; later ones repeat.
    period : tuple of int
        Clock edges from result to result, over and over after `results`.
    latencies : tuple of int
        Of each layer, for the first image: clock edges from its last input transfer to its last output transfer.
    """

    results: tuple[int, ...]
    period: tuple[int, ...]
    latencies: tuple[int, ...]

    @property
    def interval(self) -> int:
        """Clock edges from image to image, rounded up if they differ."""
        return -(-sum(self.period) // len(self.period))

    def cycles(self, images: int) -> int:
        """Return the clock edges from the first beat's transfer to the last result's, for `images` in a row."""
        known = self.results
        if images <= len(known):
            return known[images - 1]
        rounds, rest = divmod(images - len(known), len(self.period))
        return known[-1] + rounds * sum(self.period) + sum(self.period[:rest])


def window_unit(w: Window) -> list[int]:
    """Return the sizes of a :class:`oxnor.hw.layers.window.WindowMaker`."""
    return [
        _WINDOWS, w.height, w.width, w.kernel_y, w.kernel_x, w.step_y, w.step_x, w.spread_y, w.spread_x,
        w.top, w.left, w.out_height, w.out_width, rows_kept(w), w.kernel_x - new_columns(w),
    ]  # fmt: skip


def pool_unit(size: tuple[int, int], pool: Pool) -> list[int]:
    """Return the sizes of a :class:`oxnor.hw.layers.pool.PoolMaker` over a feature map of (height, width)."""
    reached = (n + more for n, more in zip(size, pool.beyond(*size), strict=True))
    return [_POOLS, *size, pool.height, pool.width, pool.step_y, pool.step_x, pool.top, pool.left, *reached]


def _chain(config: EngineConfig, admission: tuple[int, int] | None) -> tuple[list[list[int]], list[int]]:
    """Return the units with their sizes, and for each layer the number of the unit that gives what leaves it."""
    first = config.layers[0]
    assert first.window is not None
    lanes = pixels_of_word(first.pixel_bits, config.stream_width)
    words = -(-first.pixels_in // lanes)
    units = [[_IMAGES, config.beats, words, lanes, first.pixels_in - (words - 1) * lanes]]
    if admission:
        units.append([_ADMITS, *admission])
    leaves = []
    for k, layer in enumerate(config.layers):
        if layer.window:
            units.append(window_unit(layer.window))
        elif pixels := config.gathers(k):
            units.append([_GATHERS, pixels])
        stages = layer.count_latency + LAYER_KINDS[layer.kind].output_stages - 1
        units.append([_READS, layer.read_cycles, stages, layer.windows_summed])
        if layer.window and (pool := layer.pool):
            units.append(pool_unit(layer.window.out_size, pool))
        leaves.append(len(units) - 1)
    return units, leaves


def flow(config: EngineConfig, admission: tuple[int, int] | None = None) -> Flow:
    """Return when images leave an engine.

    Parameters
    ----------
    config : EngineConfig
        With windows.
    admission : (interval, places), optional
        Images enter the layers at that interval, so many at most at once.
    """
    units, leaves = _chain(config, admission)
    sizes = np.zeros((len(units), _FIELDS), np.int64)
    for row, unit in zip(sizes, units, strict=True):
        row[: len(unit)] = unit
    counts = [config.layers[0].pixels_in, *(layer.pixels_out for layer in config.layers)]
    streams = [int(admission is not None), *leaves]
    last = np.zeros(len(units), np.int64)
    for stream, count in zip(streams, counts, strict=True):
        last[stream] = count
    times, begins, transfers = _run(sizes, last, _IMAGES_MAX)
    results, start = [int(t) for t in times], int(begins)
    period = tuple(b - a for a, b in pairwise(results[start:]))
    at = [int(transfers[stream]) for stream in streams]
    return Flow(tuple(results[: start + 1]), period, tuple(b - a for a, b in pairwise(at)))


@dataclass(frozen=True)
class Moment:
    """What a window's rows hold when it is offered.

    Parameters
    ----------
    cycle : int
        Clock edges since the first pixel's transfer.
    row, column : int
        Which window.
    first, whole, come : int
        The first row of the ring that is still needed, the whole rows from it on, and the pixels of the row that comes.
    """

    cycle: int
    row: int
    column: int
    first: int
    whole: int
    come: int


def moments(window: Window, reads: int) -> list[Moment]:
    """Return when each window of an image is offered: a pixel comes in every cycle that takes one.

    Parameters
    ----------
    window : Window
    reads : int
        Cycles for which a window is read.
    """
    sizes, r = np.zeros(_FIELDS, np.int64), np.zeros(_FIELDS, np.int64)
    unit = window_unit(window)
    sizes[: len(unit)] = unit
    found: list[Moment] = []
    busy, t, pixels = 0, 0, 0
    while len(found) < window.pixels:
        offered, ready = bool(r[0]), not busy
        if offered and ready:
            busy = reads
        busy = max(0, busy - 1)
        comes = r[1] != rows_kept(window)
        _advance_window(sizes, r, comes, ready)
        pixels += comes
        t += 1
        if r[0] and not (offered and not ready):
            first = int(pixels // window.width - r[1])
            found.append(Moment(t, *divmod(len(found), window.out_width), first, int(r[1]), int(r[2])))
    return found


@numba.njit(cache=True)
def _run(sizes, last, images_max):
    """Return the times of results, the one whose state is that of the last, and of the first image's last transfers."""
    n = sizes.shape[0]
    state = np.zeros((n, _FIELDS), np.int64)
    valid = np.zeros(n, np.bool_)
    ready = np.zeros(n, np.bool_)
    transfers = np.zeros(n, np.int64)
    counted = np.zeros(n, np.int64)
    seen = np.zeros((images_max, n, _FIELDS), np.int64)
    times = np.zeros(images_max, np.int64)
    results = 0
    t = 0
    for u in range(n):
        if sizes[u, 0] == _ADMITS:
            state[u, 0] = 1  # rested
    while True:
        _offer(sizes, state, valid)
        _accept(sizes, state, valid, ready)
        for u in range(n):
            if valid[u] and ready[u] and counted[u] < last[u]:
                counted[u] += 1
                transfers[u] = t
        delivered = valid[n - 1]
        _advance(sizes, state, valid, ready, delivered)
        if delivered:
            times[results] = t
            seen[results] = state
            for k in range(results):
                if np.all(seen[k] == state):
                    return times[: results + 1], k, transfers
            results += 1
            if results == images_max:
                return times, images_max - 2, transfers
        t += 1


@numba.njit(cache=True)
def _offer(sizes, state, valid):
    """Find out which unit offers something."""
    for u in range(sizes.shape[0]):
        kind, s, r = sizes[u, 0], sizes[u], state[u]
        if kind == _IMAGES:
            valid[u] = r[4] != 0
        elif kind == _ADMITS:
            valid[u] = valid[u - 1] and _goes(s, r, state[u - 1])
        elif kind == _POOLS:
            valid[u] = (valid[u - 1] or _is_beyond(s, r)) and _ends_window(s, r)
        else:
            valid[u] = r[0] != 0


@numba.njit(cache=True)
def _accept(sizes, state, valid, ready):
    """Find out whose output is taken: `ready` of a unit is that of the one after."""
    out = True
    for u in range(sizes.shape[0] - 1, -1, -1):
        ready[u] = out
        kind, s, r = sizes[u, 0], sizes[u], state[u]
        if kind == _ADMITS:
            out = ready[u] and _goes(s, r, state[u - 1])
        elif kind == _POOLS:
            out = not _is_beyond(s, r) and (ready[u] or not _ends_window(s, r))
        elif kind == _GATHERS:
            out = ready[u] or r[0] == 0
        elif kind == _READS:
            out = (ready[u] or r[0] == 0) and (r[1] == 0 or r[2] == s[1] - 1)
        elif kind == _WINDOWS:
            out = r[1] != s[13]


@numba.njit(cache=True)
def _goes(s, r, image):
    """Whether a pixel passes: the first of an image if it is admitted."""
    is_first = image[6] != 0 and image[3] == 0
    return not is_first or (r[0] != 0 and r[2] != s[2])


@numba.njit(cache=True)
def _is_beyond(s, r):
    """Whether the position of a pooling is below the feature map or at its right, where no pixel comes."""
    return r[0] >= s[1] or r[1] >= s[2]


@numba.njit(cache=True)
def _ends_window(s, r):
    """Whether the position of a pooling is the last one of a window."""
    y, x = r[0] + s[7] - (s[3] - 1), r[1] + s[8] - (s[4] - 1)
    return y >= 0 and x >= 0 and y % s[5] == 0 and x % s[6] == 0


@numba.njit(cache=True)
def _advance(sizes, state, valid, ready, delivered):
    is_first = state[0, 6] != 0 and state[0, 3] == 0
    for u in range(sizes.shape[0]):
        kind, s, r = sizes[u, 0], sizes[u], state[u]
        comes = u > 0 and valid[u - 1] and ready[u - 1]
        if kind == _IMAGES:
            _advance_images(s, r, ready[u])
        elif kind == _ADMITS:
            _advance_admission(s, r, valid[u] and ready[u] and is_first, delivered)
        elif kind == _WINDOWS:
            _advance_window(s, r, comes, ready[u])
        elif kind == _READS:
            _advance_reads(s, r, valid[u - 1], ready[u])
        elif kind == _GATHERS:
            if ready[u]:
                r[0] = 0
            if comes:
                r[1] += 1
                if r[1] == s[1]:
                    r[0], r[1] = 1, 0
        elif comes or (_is_beyond(s, r) and (ready[u] or not _ends_window(s, r))):
            r[1] += 1
            if r[1] == s[10]:
                r[1] = 0
                r[0] = (r[0] + 1) % s[9]


@numba.njit(cache=True)
def _advance_images(s, r, out_ready):
    """Image buffer: beat, whole images, word, lane, shows, shows_last, shows_first."""
    beats, words, lanes, in_last = s[1], s[2], s[3], s[4]
    takes = r[1] != 2
    comes = takes and r[0] == beats - 1
    shows = r[4] != 0
    done = out_ready and r[3] == (in_last if r[5] else lanes) - 1
    reads = r[1] != 0 and (not shows or done)
    leaves = reads and r[2] == words - 1
    if takes:
        r[0] = 0 if comes else r[0] + 1
    r[1] += int(comes) - int(leaves)
    if shows and out_ready:
        r[3] += 1
    if not shows or done:
        r[3] = 0
        r[4] = int(reads)
    if reads:
        r[6] = int(r[2] == 0)
        r[5] = int(leaves)
        r[2] = 0 if leaves else r[2] + 1


@numba.njit(cache=True)
def _advance_admission(s, r, entered, delivered):
    """Admission: rested, waited, inside."""
    r[2] += int(entered) - int(delivered)
    if s[1] > 1:
        if entered:
            r[0], r[1] = 0, 1
        elif r[0] == 0:
            r[0] = int(r[1] == s[1] - 1)
            r[1] = 0 if r[0] else r[1] + 1


@numba.njit(cache=True)
def _advance_window(s, r, comes, out_ready):
    """Window: offers, rows ahead, pixels of the row that comes, y, x, i, j, turns, lands_last."""
    height, width, kernel_y, kernel_x, step_y, step_x = s[1], s[2], s[3], s[4], s[5], s[6]
    top, left, out_height, out_width = s[9], s[10], s[11], s[12]
    ahead, come, y, x, i, j = r[1], r[2], r[3], r[4], r[5], r[6]
    needed = max(y, top)
    freed = 0
    goes = ends_window = False
    if r[7]:
        is_last = y == (out_height - 1) * step_y
        past = (top + height if is_last else max(y + step_y, top)) - needed
        if past <= ahead:
            freed = past
            r[7] = 0
            r[3] = 0 if is_last else y + step_y
    elif not r[8] and (r[0] == 0 or out_ready):
        at_y, at_x = y + i * s[7], x + j * s[8]
        pads = at_y < top or at_y >= top + height or at_x < left or at_x >= left + width
        row, column = at_y - needed, at_x - left
        goes = pads or row < ahead or (row == ahead and column < come)
    if goes:
        ends_column = i == kernel_y - 1
        ends_window = ends_column and j == kernel_x - 1
        r[5] = 0 if ends_column else i + 1
        if ends_window:
            ends_row = x == (out_width - 1) * step_x
            r[6] = 0 if ends_row else s[14]
            r[4] = 0 if ends_row else x + step_x
            r[7] = int(ends_row)
        elif ends_column:
            r[6] = j + 1
    if r[8]:
        r[0] = 1
    elif out_ready:
        r[0] = 0
    r[8] = int(ends_window)
    whole = comes and come == width - 1
    if comes:
        r[2] = 0 if whole else come + 1
    r[1] = ahead + int(whole) - freed


@numba.njit(cache=True)
def _advance_reads(s, r, offered, out_ready):
    """Array and neurons: offers, busy, read, the reads on their way that end an output, and vectors of one so far."""
    if r[0] and not out_ready:
        return
    reads, stages = s[1], s[2]
    ends = r[1] != 0 and r[2] == reads - 1
    if ends:
        r[4] = (r[4] + 1) % s[3]
        ends = r[4] == 0
    r[0] = (r[3] >> (stages - 1)) & 1 if stages else int(ends)
    r[3] = ((r[3] << 1) | int(ends)) & ((1 << stages) - 1)
    if r[1] == 0 or r[2] == reads - 1:
        r[1], r[2] = int(offered), 0
    else:
        r[2] += 1
