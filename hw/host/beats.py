"""What travels on the engine's streams, as bytes: images in beats, and results."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import signed_integers


def unpack_results(
    raw: NDArray[np.uint8], layout: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return classes (n,) and scores (n, n_out) or None from the bytes of the results (n, bytes).

    `layout` is the sidecar's ``result``.
    """
    split = layout["class_width"] // 8
    classes = signed_integers(np.pad(raw[:, :split], ((0, 0), (0, 1))))
    if not layout["scores"]:
        return classes, None
    size = layout["score_width"] // 8
    words = raw[:, split:].reshape(len(raw), layout["scores"], size)
    return classes, signed_integers(words)
