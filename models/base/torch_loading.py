"""PyTorch, an optional dependency: its import, and files of tensors."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError, install
from .replace import whole_file

#: What ``torch.load`` says of a class or function that it does not load.
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
#: Most kinds of such objects in a file.
_OBJECTS_MAX = 32
#: What a file of :func:`load_state` must be, where nothing else is said.
CHECKPOINT = "a checkpoint of oxnor train"
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
    # Into memory first: what torch raises where a file cannot be written is not an error of the system.
    buffer = io.BytesIO()
    import_torch().save(state, buffer)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


@contextmanager
def restoring(path: Path, what: str = CHECKPOINT) -> Iterator[None]:
    """Raise InputError where what a file of :func:`load_state` holds cannot be taken."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError):
        raise InputError(f"{path}: must be {what}, and lacks a part of one, or has one of another kind") from None


class _LeftOut:
    """Stands for an object that is not loaded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def load_state(path: Path, what: str = CHECKPOINT, *, objects: bool = False) -> dict[str, Any]:
    """Read a dictionary that ``torch.save`` wrote; only tensors and plain values are ever loaded, into main memory.

    Parameters
    ----------
    path : path
    what : str
        What the file must be, for the message.
    objects : bool
        Whether it may hold other Python objects too, such as a loss function. They are not loaded: an empty object of
        ours is in the place of each.

    Raises
    ------
    InputError
        If the file is missing or is something else.
    """
    torch = import_torch()
    left_out: dict[str, Any] = {}
    while True:
        try:
            stand_ins = [(kind, name) for name, kind in left_out.items()]
            with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(stand_ins):
                state = torch.load(path, weights_only=True, map_location="cpu")
            break
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except Exception as e:  # torch documents no list of what it raises at damaged pickles
            match = _GLOBAL.search(str(e))
            if not objects or not match or match[1] in left_out or len(left_out) >= _OBJECTS_MAX:
                raise InputError(f"{path}: must be {what}, and {_reason(str(e))}") from None
            left_out[match[1]] = type("LeftOut", (_LeftOut,), {})
    if isinstance(state, _LeftOut):
        raise InputError(f"{path}: must be {what}, and {_reason(f'GLOBAL {next(iter(left_out))}')}")
    if not isinstance(state, dict):
        raise InputError(f"{path}: must be {what}, and holds a {type(state).__name__}")
    return state


def _reason(text: str) -> str:
    """Return what a message of ``torch.load`` says of the file."""
    if "TorchScript" in text:
        return "is a TorchScript program"
    if match := _GLOBAL.search(text):
        return f"holds Python objects ({match[1]}), which could run any program and are never loaded"
    return "cannot be read, or is cut short"
