"""How a file of measured resistances is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.models.devices.lab.files import FileFormat

_PANEL = "How the file is written (default: found out, and said)"
_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|"}


@dataclass(frozen=True)
class LabFile:
    """Delimiter, decimal sign, unit and columns of a file."""

    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="ROLE=NAME", rich_help_panel=_PANEL,
            help="Column that is the device, state, resistance, lrs, hrs, cycles, seconds or temperature; NAME none for"
            " no column. May be given several times.",
        ),
    ] = None  # fmt: skip
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", metavar="CHAR", help="Between cells; or 'tab'.", rich_help_panel=_PANEL),
    ] = None
    decimal: Annotated[
        str | None, typer.Option("--decimal", metavar="SIGN", help="Decimal sign: . or ,", rich_help_panel=_PANEL)
    ] = None
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="UNIT", help="ohm, kohm, Mohm, Gohm, S, mS, uS or nS.",
            show_default="the header's, or ohm", rich_help_panel=_PANEL,
        ),
    ] = None  # fmt: skip
    lrs: Annotated[
        str | None,
        typer.Option("--lrs", metavar="TEXT", help="What the state column calls LRS.", rich_help_panel=_PANEL),
    ] = None
    hrs: Annotated[
        str | None,
        typer.Option("--hrs", metavar="TEXT", help="What the state column calls HRS.", rich_help_panel=_PANEL),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", metavar="T", help="Use the readings at T alone.", rich_help_panel=_PANEL),
    ] = None
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid", help="Leave out readings that are empty, no number, or not above 0.",
            rich_help_panel=_PANEL,
        ),
    ] = False  # fmt: skip

    def form(self) -> FileFormat:
        """Return how the file is written."""
        from oxnor.models.devices.lab.files import FileFormat

        columns: dict[str, str] = {}
        for text in self.column or []:
            role, equals, name = (part.strip() for part in text.partition("="))
            if not equals or not name:
                raise InputError(f"must be ROLE=NAME, for example state=status, not {text!r}", parameter="column")
            if role.lower() in columns:
                raise InputError(f"must name {role.lower()} once", parameter="column")
            columns[role.lower()] = name
        delimiter = _NAMES.get((self.delimiter or "").lower(), self.delimiter)
        return FileFormat(
            delimiter, self.decimal, self.unit, columns, self.lrs, self.hrs, self.temperature, self.skip_invalid
        )
