"""Gates in simulation: 64 streams of images at once, a bit of a word each, with every change counted.

Nothing has a delay: each net changes at most once a cycle. What would change more often, glitches, is not seen here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .gate_netlist import Netlist
from .program import Program

#: Streams that run at once.
LANES = 64
#: Cycles of reset before the first beat.
RESET_CYCLES = 4
_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, eq=False)
class Activity:
    """What changed in a netlist while images passed.

    Parameters
    ----------
    cycles : int
        Clock cycles that were counted, of all streams together.
    images : float
        Images to which these belong, at the engine's interval.
    rises, falls : ndarray of int64, shape (nets,)
        Changes of each net.
    flop_rises, flop_falls : ndarray of int64, shape (flops, 4)
        Rising and falling clock edges at each flip-flop by the state 2 D + Q in which it was.
    gate_rises : ndarray of int64, shape (gates,)
        Clock edges that each clock gate let pass.
    reads : ndarray of int64, shape (macros,)
        Rows that each macro sensed.
    """

    cycles: int
    images: float
    rises: NDArray[np.int64] = field(repr=False)
    falls: NDArray[np.int64] = field(repr=False)
    flop_rises: NDArray[np.int64] = field(repr=False)
    flop_falls: NDArray[np.int64] = field(repr=False)
    gate_rises: NDArray[np.int64] = field(repr=False)
    reads: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class GateRun:
    """A run of images through gates.

    Parameters
    ----------
    words : ndarray of uint8, shape (images, bytes)
        Results, lowest byte first, in the order of the images.
    times : ndarray of int64, shape (images,)
        Clock edges from the first beat of a stream to each result.
    total_reads : ndarray of int64, shape (macros,)
        Rows that each macro sensed for all images.
    activity : Activity
        Of the cycles in which the pipeline was full.
    """

    words: NDArray[np.uint8] = field(repr=False)
    times: NDArray[np.int64] = field(repr=False)
    total_reads: NDArray[np.int64] = field(repr=False)
    activity: Activity


def run_gates(
    netlist: Netlist, program: Program, beats: NDArray[np.uint8], images: int, window: tuple[int, int],
    limit: int, tail: int,
) -> GateRun:  # fmt: skip
    """Stream images through a netlist.

    Parameters
    ----------
    netlist : Netlist
    program : Program
    beats : ndarray of uint8, shape (64 * images * beats of an image, bytes)
        Beats of all images; those of the first stream come first.
    images : int
        Images of a stream.
    window : (int, int)
        First cycle that is counted, from the first beat on, and the one after the last.
    limit : int
        Cycles after which a stream has failed.
    tail : int
        Cycles after the last result in which macros may still sense: for pixels that a pooling leaves out.

    Raises
    ------
    InputError
        If results are missing at the limit.
    """
    ports = {name: np.array(nets, np.int32) for name, (_, nets) in netlist.ports.items()}
    outputs = ports["m_axis_tdata"]
    width = len(ports["s_axis_tdata"])
    bits = np.unpackbits(beats, axis=1, bitorder="little")[:, :width].reshape(LANES, -1, width)
    an_image = bits.shape[1] // images
    rises, falls = (np.zeros(program.nets, np.int64) for _ in range(2))
    flop_rises, flop_falls = (np.zeros((len(program.flops), 4), np.int64) for _ in range(2))
    gate_rises = np.zeros(len(program.gates), np.int64)
    m = program.macros
    reads = np.zeros((2, len(m.sense)), np.int64)
    words = np.zeros((LANES, images, len(outputs)), np.uint8)
    times = np.zeros((LANES, images), np.int64)
    done = np.zeros(LANES, np.int64)
    values = np.zeros(program.size, np.uint64)
    values[1] = _ONES
    single = {name: int(ports[name][0]) for name in
              ("rst", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast", "m_axis_tvalid", "m_axis_tready")}  # fmt: skip
    weights = np.where(m.weights, _ONES, np.uint64(0))
    macros = (m.sense, m.row, m.x, m.q, m.flip)
    # What a macro of one cycle has sensed it shows at once: the same array.
    idle = np.full(m.x.shape, _ONES)
    scratch = (
        values.copy(), np.zeros(len(program.flops), np.uint64), np.zeros(len(program.flops), np.uint64), idle,
        idle if m.latency == 1 else np.zeros_like(idle), np.zeros((m.latency, len(m.sense)), np.uint64),
    )  # fmt: skip
    _run(
        values, program.operations, program.flops, program.gates, macros, weights, scratch,
        np.array(list(single.values()), np.int32), ports["s_axis_tdata"], outputs, bits, an_image, window,
        (limit, tail), (rises, falls), (flop_rises, flop_falls), gate_rises, reads, words, times, done,
    )  # fmt: skip
    if done.min() < images:
        raise InputError(f"the netlist gives {int(done.min())} of {images} results in {limit} cycles")
    activity = Activity(
        LANES * (window[1] - window[0]), 0.0, rises, falls, flop_rises, flop_falls, gate_rises, reads[1]
    )  # fmt: skip
    packed = np.packbits(words.reshape(LANES * images, -1), axis=1, bitorder="little")
    return GateRun(packed, times.reshape(-1), reads[0], activity)


@numba.njit(cache=True)
def _ones(x):
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(cache=True)
def _settle(values, operations):
    for k in range(operations.shape[0]):
        kind, out = operations[k, 0], operations[k, 1]
        a = values[operations[k, 2]]
        if kind == 0:
            values[out] = a & values[operations[k, 3]]
        elif kind == 1:
            values[out] = a | values[operations[k, 3]]
        elif kind == 2:
            values[out] = a ^ values[operations[k, 3]]
        elif kind == 3:
            values[out] = ~a
        else:
            values[out] = a


@numba.njit(cache=True)
def _sense(values, ports, weights, held, reads):
    """Let macros sense at a clock edge: `held` becomes what they answer, in the streams that sense."""
    sense, row, x = ports[0], ports[1], ports[2]
    for k in range(sense.shape[0]):
        wanted = values[sense[k]]
        if wanted == 0:
            continue
        reads[k] += _ones(wanted)
        same, at = True, 0
        for b in range(row.shape[1]):
            bit = values[row[k, b]] & wanted
            if bit == wanted:
                at |= 1 << b
            elif bit != 0:
                same = False
        if same:
            for c in range(x.shape[1]):
                given = values[x[k, c]]
                agree = (weights[1, k, at, c] & given) | (weights[0, k, at, c] & ~given)
                held[k, c] = (held[k, c] & ~wanted) | (agree & wanted)
            continue
        for lane in range(64):
            one = np.uint64(1) << np.uint64(lane)
            if wanted & one:
                at = 0
                for b in range(row.shape[1]):
                    if values[row[k, b]] & one:
                        at |= 1 << b
                for c in range(x.shape[1]):
                    given = values[x[k, c]]
                    agree = (weights[1, k, at, c] & given) | (weights[0, k, at, c] & ~given)
                    held[k, c] = (held[k, c] & ~one) | (agree & one)


@numba.njit(cache=True)
def _show(values, ports, shown):
    q, flip = ports[3], ports[4]
    for k in range(q.shape[0]):
        for c in range(q.shape[1]):
            if q[k, c] >= 0:
                values[q[k, c]] = shown[k, c] ^ values[flip[k, c]]


@numba.njit(cache=True)
def _count(values, before, program, changes, edges, gate_rises, passed):
    """Count the changes of nets, and the clock edges at flip-flops: the one to come, and the fall of the one before."""
    nets, flops, gates = program
    for n in range(nets):
        new, old = values[n], before[n]
        if new != old:
            changes[0][n] += _ones(new & ~old)
            changes[1][n] += _ones(old & ~new)
    for f in range(flops.shape[0]):
        d, q, enabled = values[flops[f, 0]], values[flops[f, 1]], values[flops[f, 2]]
        for way in range(2):
            mask = enabled if way == 0 else passed[f]
            if mask:
                edges[way][f, 0] += _ones(mask & ~d & ~q)
                edges[way][f, 1] += _ones(mask & ~d & q)
                edges[way][f, 2] += _ones(mask & d & ~q)
                edges[way][f, 3] += _ones(mask & d & q)
    for g in range(gates.shape[0]):
        gate_rises[g] += _ones(values[gates[g]])


@numba.njit(cache=True)
def _drive(values, single, data, bits, at, an_image):
    """Offer the next beat of each stream."""
    valid, last = np.uint64(0), np.uint64(0)
    for n in range(data.shape[0]):
        values[data[n]] = 0
    for lane in range(bits.shape[0]):
        if at[lane] < bits.shape[1]:
            one = np.uint64(1) << np.uint64(lane)
            valid |= one
            if (at[lane] + 1) % an_image == 0:
                last |= one
            for n in range(data.shape[0]):
                if bits[lane, at[lane], n]:
                    values[data[n]] |= one
    values[single[1]] = valid
    values[single[3]] = last


@numba.njit(cache=True)
def _take(values, single, outputs, at, words, times, done, t):
    """Move on the streams whose beat was taken, and record results; return whether a beat was, and what is to come."""
    lanes, images = times.shape
    taken = values[single[1]] & values[single[2]]
    given = values[single[4]]
    left = 0
    for lane in range(lanes):
        one = np.uint64(1) << np.uint64(lane)
        if taken & one:
            at[lane] += 1
        if given & one and done[lane] < images:
            for n in range(outputs.shape[0]):
                if values[outputs[n]] & one:
                    words[lane, done[lane], n] = 1
            times[lane, done[lane]] = t
            done[lane] += 1
        left += images - done[lane]
    return taken != 0, left


@numba.njit(cache=True)
def _clock(values, flops, passed, coming):
    """Let every flip-flop take its input, where its clock passes."""
    for f in range(flops.shape[0]):
        enabled = values[flops[f, 2]]
        passed[f] = enabled
        coming[f] = (values[flops[f, 0]] & enabled) | (values[flops[f, 1]] & ~enabled)
    for f in range(flops.shape[0]):
        values[flops[f, 1]] = coming[f]


@numba.njit(cache=True)
def _copy(target, source):
    for n in range(source.shape[0]):
        target[n] = source[n]


@numba.njit(cache=True)
def _run(
    values, operations, flops, gates, ports, weights, scratch, single, data, outputs, bits, an_image, window, limits,
    changes, edges, gate_rises, reads, words, times, done,
):  # fmt: skip
    before, passed, coming, held, shown, pending = scratch
    at = np.zeros(times.shape[0], np.int64)
    nothing, everything = np.uint64(0), ~np.uint64(0)
    values[single[5]] = everything
    moves, rest = False, limits[1]
    for t in range(-RESET_CYCLES, limits[0] + limits[1]):
        values[single[0]] = everything if t < 0 else nothing
        if t == 0 or moves:
            _drive(values, single, data, bits, at, an_image)
        _show(values, ports, shown)
        _settle(values, operations)
        counted = window[0] <= t < window[1]
        if counted:
            _count(values, before, (changes[0].shape[0], flops, gates), changes, edges, gate_rises, passed)
        _copy(before, values)
        moves, left = _take(values, single, outputs, at, words, times, done, t)
        rest -= left == 0
        if rest < 0 and t >= window[1]:
            break
        # The clock edge: everything takes what was there before it.
        _answer(values, ports[0], shown, held, pending)
        _sense(values, ports, weights, held, reads[0])
        if counted:
            for k in range(ports[0].shape[0]):
                reads[1, k] += _ones(values[ports[0][k]])
        _clock(values, flops, passed, coming)


@numba.njit(cache=True)
def _answer(values, sense, shown, held, pending):
    """Show what macros sensed as many edges ago as they take, if that is more than one."""
    last = pending.shape[0] - 1
    for k in range(sense.shape[0]):
        for n in range(last, 0, -1):
            pending[n, k] = pending[n - 1, k]
        pending[0, k] = values[sense[k]]
        due = pending[last, k]
        if last and due:
            for c in range(shown.shape[1]):
                shown[k, c] = (shown[k, c] & ~due) | (held[k, c] & due)
