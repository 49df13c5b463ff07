"""Public names of a package, imported when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package whose public names are not overwritten by submodules of the same name.

    Importing a submodule sets it as an attribute of its package, which would hide the public object of that name.
    """

    _public: Mapping[str, str]

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and self._public.get(name, value.__name__) != value.__name__):
            super().__setattr__(name, value)


def lazy_names(
    package: str, table: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for the ``__init__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    table : mapping
        Public name to the full name of the module that defines it. A subpackage that is itself a public name has its
        own full name as the value.

    Examples
    --------
    >>> __getattr__, __dir__, __all__ = lazy_names(__name__, {"Network": "oxnor.models.networks.binarized"})
    """
    module = sys.modules[package]
    module.__class__ = _Package
    module.__dict__["_public"] = dict(table)

    def get(name: str) -> Any:
        if name not in table:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        source = import_module(table[name])
        value = source if table[name] == f"{package}.{name}" else getattr(source, name)
        module.__dict__[name] = value
        return value

    return get, lambda: sorted({*module.__dict__, *table}), sorted(table)
