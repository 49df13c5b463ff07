"""AXI4-Stream from Python at one wake-up a transfer: what the fast testbench drives and listens with.

cocotbext-axi wakes at every clock edge, which a testbench with pauses needs and a long run cannot afford. An
engine that computes for 64 cycles on each image is left alone here for those 64 cycles.

Both sides see the bus as a register does: a value read at a rising edge is the value before that edge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cocotb.triggers import RisingEdge


async def send(
    clk: Any, data: Any, valid: Any, ready: Any, last: Any, beats: Sequence[int], per_frame: int, now: Callable[[], int]
) -> int:
    """Send frames back to back; ``valid`` never waits for ``ready``.

    Parameters
    ----------
    clk, data, valid, ready, last : cocotb handles
        The clock and the stream.
    beats : sequence of int
        All beats.
    per_frame : int
        Beats to a frame.
    now : callable
        Returns the present time.

    Returns
    -------
    int
        Time of the first transfer.
    """
    edge, readable = RisingEdge(clk), RisingEdge(ready)
    first = -1
    # A frame of one beat keeps `last` at 1: it is written when it changes, as every write costs.
    last_now = per_frame == 1
    last.value = int(last_now)
    valid.value = 1
    for k, beat in enumerate(beats):
        data.value = beat
        is_last = (k + 1) % per_frame == 0
        if is_last != last_now:
            last.value = int(is_last)
            last_now = is_last
        await edge
        while ready.value == 0:
            await readable
            await edge
        if first < 0:
            first = now()
    valid.value = 0
    return first


async def receive(clk: Any, valid: Any, count: int, take: Callable[[], None]) -> None:
    """Call `take` at each of the next `count` transfers of a stream whose ``ready`` is held at 1.

    Parameters
    ----------
    clk, valid : cocotb handles
        The clock and the stream's ``valid``.
    count : int
        Number of transfers.
    take : callable
        Reads the payload; called at the rising edge of the transfer.
    """
    edge, offered = RisingEdge(clk), RisingEdge(valid)
    for _ in range(count):
        await edge
        while valid.value == 0:
            await offered
            await edge
        take()
