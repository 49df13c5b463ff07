"""What an engine says of its own certainty beside what it should say: margins, and which results are unsure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden


def compare_margins(
    margins: NDArray[np.int64], unsure: NDArray[np.bool_], golden_scores: NDArray[np.int64], min_margin: int, most: int
) -> NDArray[np.bool_]:
    """Return which images have another margin or flag than they should, shape (n,).

    Parameters
    ----------
    margins, unsure : ndarray, shape (n,)
        What the engine gave.
    golden_scores : ndarray of int64, shape (n, n_out)
    min_margin : int
        Least margin of a sure result.
    most : int
        The largest margin in a result, which stands for larger ones too.
    """
    expected = golden.margins(golden_scores)
    return (margins != np.minimum(expected, most)) | (unsure != (expected < min_margin))


def confidence(
    unsure: NDArray[np.bool_] | None, min_margin: int, classes: NDArray[np.int64], labels: NDArray | None
) -> dict[str, Any]:
    """Return ``min_margin``, ``unsure`` (images) and ``sure_accuracy`` of a run; all None of an engine without margins.

    The last is None without labels too, and if no result is sure.
    """
    if unsure is None:
        return dict.fromkeys(("min_margin", "unsure", "sure_accuracy"))
    is_sure = labels is not None and not unsure.all()
    return {
        "min_margin": min_margin,
        "unsure": int(np.count_nonzero(unsure)),
        "sure_accuracy": float(np.mean((classes == labels)[~unsure])) if is_sure else None,
    }
