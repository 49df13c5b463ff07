"""oxnor: binarized neural networks compiled into differential-RRAM XNOR engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if __name__ != "oxnor":
    raise ImportError("import this package as 'oxnor': a second copy of it would break identity checks")

if TYPE_CHECKING:
    import os

    from oxnor.design import Design

__all__ = ["Design", "__version__", "load"]


def load(name_or_path: str | os.PathLike[str]) -> Any:
    """Return a shipped network or the network in a file.

    Parameters
    ----------
    name_or_path : str or path
        The name of a shipped network (``oxnor networks`` lists them) or an ``.npz`` file.

    Returns
    -------
    Network or SpikingNetwork

    Raises
    ------
    InputError
        If the file cannot be used, or no network has that name.
    """
    from oxnor.models import zoo

    return zoo.load(name_or_path)


def __getattr__(name: str) -> Any:
    """Return what is imported when it is first used."""
    value: Any
    if name == "Design":
        from oxnor.design import Design as value
    elif name == "__version__":
        from importlib.metadata import version

        value = version("oxnor")
    else:
        raise AttributeError(f"module 'oxnor' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*__all__, "fpga", "hw", "models", "sim"))
