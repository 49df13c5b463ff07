"""Commands whose parameters are records of options."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from oxnor.cli.expand import expanded


@dataclass(frozen=True)
class Size:
    rows: Annotated[int, typer.Option("--rows", help="Word lines.")] = 3
    names: Annotated[list[str] | None, typer.Option("--name")] = None


@dataclass(frozen=True)
class Again:
    rows: Annotated[int, typer.Option("--rows")] = 4


def app_of(command):
    app = typer.Typer()
    app.command()(expanded(command))
    return app


def test_each_field_is_an_option():
    calls = []

    def command(file: Annotated[str, typer.Argument()], size: Size, fast: Annotated[bool, typer.Option("--fast")] = False):
        calls.append((file, size, fast))

    app = app_of(command)
    assert CliRunner().invoke(app, ["a", "--rows", "7", "--name", "x", "--name", "y", "--fast"]).exit_code == 0
    assert CliRunner().invoke(app, ["b"]).exit_code == 0
    assert calls == [("a", Size(7, ["x", "y"]), True), ("b", Size(), False)]
    assert "Word lines." in CliRunner().invoke(app, ["--help"]).stdout
    assert CliRunner().invoke(app, ["b", "--rows", "many"]).exit_code == 2


def test_the_same_option_twice():
    def command(size: Size, again: Again):
        pass

    with pytest.raises(TypeError, match=r"^command: options rows stand in two records$"):
        expanded(command)
