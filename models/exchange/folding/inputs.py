"""Input codings: the value of a grey level 0 to 255, or of a bit, at the source's input."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Codings by name, with what they mean.
CODINGS = {
    "unit": "pixel / 255",
    "byte": "pixel, 0 to 255",
    "signed": "2 * pixel / 255 - 1",
    "bipolar": "bits, -1 or +1",
    "binary": "bits, 0 or 1",
}
#: What is tried, in this order, when nothing is said: the first under which the network's own threshold
#: lies among the grey levels.
GREY = ("unit", "byte", "signed")
#: Codings whose images are bits.
BITS = ("bipolar", "binary")


def levels(coding: str, dtype: type = np.float32) -> NDArray:
    """Return the values of the input: one a grey level (256), or one a bit (2).

    Parameters
    ----------
    coding : str
        A key of :data:`CODINGS`, or ``MEAN,STD`` for (pixel / 255 - MEAN) / STD.

    Raises
    ------
    InputError
        If there is no such coding.
    """
    grey = np.arange(256, dtype=np.float32)
    bits = np.arange(2, dtype=np.float32)
    known = {
        "unit": grey / np.float32(255),
        "byte": grey,
        "signed": np.float32(2) * (grey / np.float32(255)) - np.float32(1),
        "bipolar": 2 * bits - 1,
        "binary": bits,
    }
    if coding in known:
        return known[coding].astype(dtype)
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?),(\d+(?:\.\d+)?)", coding)
    if not match or float(match[2]) == 0:
        raise InputError(
            f"input coding must be one of {', '.join(CODINGS)}, or MEAN,STD as 0.1307,0.3081, not {coding!r}"
        )
    return ((grey / np.float32(255) - np.float32(match[1])) / np.float32(match[2])).astype(dtype)


def source_levels(coding: str, dtype: type) -> NDArray:
    """Return :func:`levels` as a source takes them.

    Raises
    ------
    InputError
        If its type of input does not hold them.
    """
    values = levels(coding)
    found: NDArray = values.astype(dtype)
    if (found != values).any():
        raise InputError(f"the input cannot be {meaning(coding)}, as its type is {np.dtype(dtype)}: see `coding`")
    return found


def meaning(coding: str) -> str:
    """Return what a coding means, for the report."""
    if coding in CODINGS:
        return CODINGS[coding]
    mean, std = coding.split(",")
    return f"(pixel / 255 - {mean}) / {std}"
