"""What travels on the engine's streams, as bytes: images in beats, and results."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import signed_integers


class Results(NamedTuple):
    """What an engine says of images.

    Parameters
    ----------
    classes : ndarray of int64, shape (n,)
    scores : ndarray of int64, shape (n, n_out), or None
        None if the engine does not give them; so with the next two.
    margins : ndarray of int64, shape (n,), or None
        How far the score of the class leads the second best; the largest number that fits stands for larger ones too.
    unsure : ndarray of bool, shape (n,), or None
        Whether that is below the least margin.
    """

    classes: NDArray[np.int64]
    scores: NDArray[np.int64] | None
    margins: NDArray[np.int64] | None
    unsure: NDArray[np.bool_] | None


def unpack_results(raw: NDArray[np.uint8], layout: dict[str, int]) -> Results:
    """Return what the bytes of results (n, bytes) say.

    `layout` is the sidecar's ``result``.
    """
    split, margin_bits = layout["class_width"] // 8, layout.get("margin_bits", 0)
    classes = _unsigned(raw[:, :split])
    scores = margins = unsure = None
    if margin_bits:
        field = _unsigned(raw[:, split : (split := split + (margin_bits + 1) // 8)])
        margins, unsure = field & ((1 << margin_bits) - 1), field >> margin_bits != 0
    if layout["scores"]:
        words = raw[:, split:].reshape(len(raw), layout["scores"], layout["score_width"] // 8)
        scores = signed_integers(words)
    return Results(classes, scores, margins, unsure)


def _unsigned(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return bytes as integers; of eight bytes the last bit is their sign."""
    return signed_integers(np.pad(data, ((0, 0), (0, 1)))[:, :8])
