"""Numbers as labs write them: a decimal comma, signs between thousands, empty cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: What stands between thousands besides a comma or a point.
_GAPS = str.maketrans("", "", "'’\u00a0\u202f\u2009 ")
_THREES = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")
_ONE_COMMA = re.compile(r"[+-]?\d{1,3},\d{3}")


def decimal_sign(texts: Sequence[str], where: str) -> tuple[str, str]:
    """Return the decimal sign of numbers and how it was found.

    Parameters
    ----------
    texts : sequence of str
        All numbers of a file.
    where : str
        Names the file in errors.

    Raises
    ------
    InputError
        If the numbers leave it open: ``4,578`` may be about 5 or about 5,000.
    """
    commas = [text for text in texts if "," in text]
    if not commas:
        many = next((text for text in texts if text.count(".") > 1), None)
        return (",", f"decimal comma, as {many!r} has points between thousands") if many else (".", "decimal point")
    ends = {max(".,", key=text.rfind) for text in commas if "." in text}
    if len(ends) == 1:
        sign = ends.pop()
        return sign, f"decimal {'comma' if sign == ',' else 'point'}, as in {next(t for t in commas if '.' in t)!r}"
    if any(text.count(",") > 1 for text in commas):
        return ".", "decimal point, commas between thousands"
    if not ends and not all(_ONE_COMMA.fullmatch(text.strip()) for text in commas):
        return ",", "decimal comma"
    some = commas[0].strip()
    raise InputError(f"{where}: numbers such as {some!r} may be thousands or decimals: say `decimal` , or .")


def to_numbers(texts: Sequence[str], decimal: str) -> NDArray[np.float64]:
    """Return numbers; NaN for what is none, or has a sign between thousands at another place."""
    try:
        # The usual file: nothing to change.
        if decimal == "." and not any("," in text for text in texts):
            return np.array(texts, dtype=np.float64)
    except ValueError:
        pass
    return np.array([to_number(text, decimal) for text in texts], dtype=np.float64)


def to_number(text: str, decimal: str) -> float:
    """Return one number, or NaN."""
    thousands = "," if decimal == "." else "."
    text = text.strip().translate(_GAPS)
    if thousands in text:
        head = text.partition(decimal)[0]
        if not _THREES.fullmatch(head) or decimal in head:
            return float("nan")
        text = text.replace(thousands, "")
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return float("nan")
