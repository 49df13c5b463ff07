"""PyTorch, an optional dependency: its import, and files of tensors."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from .errors import InputError, install
from .replace import whole_file

#: PyTorch's default of ``eps`` in batch norm.
BATCH_NORM_EPS = 1e-5


def import_torch(purpose: str = "training") -> Any:
    """Return the torch module.

    Parameters
    ----------
    purpose : str
        What needs it, for the message.

    Raises
    ------
    InputError
        If PyTorch is not installed, with the command that installs it.
    """
    try:
        import torch
    except ImportError:
        raise InputError(f"{purpose} needs PyTorch, which is not installed: {install('train')}") from None
    return torch


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values, whole or not at all."""
    torch = import_torch()
    with whole_file(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, what: str = "a checkpoint of oxnor train") -> dict[str, Any]:
    """Read a dictionary that ``torch.save`` wrote; only tensors and plain values are ever loaded, into main memory.

    Parameters
    ----------
    path : path
    what : str
        What the file must be, for the message.

    Raises
    ------
    InputError
        If the file is missing or is something else.
    """
    torch = import_torch()
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as e:  # torch documents no list of what it raises at damaged pickles
        raise InputError(f"{path}: must be {what}, and {_reason(str(e))}") from None
    if not isinstance(state, dict):
        raise InputError(f"{path}: must be {what}, and holds a {type(state).__name__}")
    return state


def _reason(text: str) -> str:
    """Return what a message of ``torch.load`` says of the file."""
    if "TorchScript" in text:
        return "is a TorchScript program"
    if match := re.search(r"GLOBAL ([\w.]+)", text):
        return f"holds Python objects ({match[1]}), which could run any program and are never loaded"
    return "cannot be read, or is cut short"
