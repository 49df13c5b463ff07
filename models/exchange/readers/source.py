"""What every reader of a binarized network returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oxnor.models.exchange.folding.build import Built
from oxnor.models.exchange.folding.graph import Graph


@dataclass(frozen=True)
class SourceFile:
    """A source network with the format of its file.

    Parameters
    ----------
    graph : Graph
    kind : str
        The format in words.
    reference : callable, optional
        Returns another implementation of the source, for the comparison.
    """

    graph: Graph
    kind: str
    reference: Callable[[Built], Any] | None = None
