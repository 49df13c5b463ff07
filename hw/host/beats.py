"""What travels on the engine's streams, as bytes: images in beats, and results."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_beats(bits: NDArray[np.bool_], width: int) -> NDArray[np.uint8]:
    """Return images (n, n_in) as the bytes of their beats of `width` bits, little-endian, the last one zero padded."""
    beats = -(-bits.shape[1] // width)
    padded = np.zeros((len(bits), beats * width), bool)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little")


def unpack_results(
    raw: NDArray[np.uint8], layout: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return classes (n,) and scores (n, n_out) or None from the bytes of the results (n, bytes).

    `layout` is the sidecar's ``result``.
    """
    split = layout["class_width"] // 8
    classes = raw[:, :split].astype(np.int64) @ (1 << np.arange(0, 8 * split, 8, dtype=np.int64))
    if not layout["scores"]:
        return classes, None
    size = layout["score_width"] // 8
    words = raw[:, split:].reshape(len(raw), layout["scores"], size)
    # Sign extension to the eight bytes of an int64.
    wide = np.where(words[:, :, -1:] & 0x80, np.uint8(0xFF), np.uint8(0)).repeat(8, axis=2)
    wide[:, :, :size] = words
    return classes, np.ascontiguousarray(wide).view("<i8")[:, :, 0].astype(np.int64)
