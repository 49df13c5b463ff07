"""What a study does with its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

from oxnor.cli.console import print_json

from .common import AsJson, pictures
from .pictures import Format, Kinds

if TYPE_CHECKING:
    from oxnor.sim.drawing.picture import Picture


class Result(Protocol):
    """What a study has found."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold."""


R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class StudyOutput:
    """In which forms a result is given."""

    pictures: Annotated[Path | None, pictures()] = None
    format: Format = "svg,png"
    as_json: AsJson = False

    def __post_init__(self) -> None:
        Kinds(self.format)

    def give(
        self, result: R, plots: Callable[[R], Mapping[str, Picture]], show: Callable[[R], None], **more: object
    ) -> None:
        """Write the pictures that were asked for, and print JSON, with `more` in it, or what `show` prints."""
        if self.pictures is not None:
            Kinds(self.format).save(plots(result), self.pictures)
        if self.as_json:
            print_json(result.to_json() | more)
        else:
            show(result)
