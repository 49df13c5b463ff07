"""``oxnor new``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json
from oxnor.cli.options.common import AsJson, writes
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_place


def new(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder to write; it is made if it is not there.", callback=writes(check_place)
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Write an example design with every key explained.

    The file my.toml names a network, data, an engine, errors and a sweep, and runs as it stands.

    Example: [bold]oxnor new mine[/], then [bold]oxnor run mine/my.toml[/]
    """
    from oxnor.example import EXAMPLE
    from oxnor.models.base.files import write_text

    path = folder / "my.toml"
    if path.exists():
        raise InputError(f"{path}: is there already: choose another folder")
    write_text(path, EXAMPLE)
    if as_json:
        print_json({"design": str(path)})
    else:
        note(f"Written to {path}: oxnor run {path}")
