"""The app ``oxnor``: its commands by help panel."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Annotated, Any

import typer

from .commands import Command, Commands, Group
from .compare import compare, energy
from .console import note
from .errors import circuit, device, faults, report, sweep
from .expand import expanded
from .hardware import fpga_board, fpga_build, generate, selftest, simulate
from .networks import exchange, train
from .start import demo, doctor, networks, new, playground, run
from .study import abstain, dbn, pulses, spirit, spoken_digits, ternary, tiling, vowels
from .tools import benchmark, cache, mutate, prove, soak, vectors


class Devices(Group):
    """``oxnor device``, which also takes what it took when it was one command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments, with the name of today's command before them."""
        if args[:1] and args[0] in (*self.commands, *ctx.help_option_names):
            return super().parse_args(ctx, args)
        fit = next((k for k, a in enumerate(args) if a == "--fit" or a.startswith("--fit=")), None)
        if fit is None:
            args = ["show", *args]
        else:
            file = args[fit].partition("=")[2:] if "=" in args[fit] else tuple(args[fit + 1 : fit + 2])
            args = ["fit", *file, *args[:fit], *args[fit + (1 if "=" in args[fit] else 2) :]]
        _moved("device", f"device {args[0]}")
        return super().parse_args(ctx, args)


def _moved(old: str, now: str) -> None:
    note(f"oxnor: `oxnor {old}` is now `oxnor {now}`")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oxnor {version('oxnor')}")
        raise typer.Exit


_CONTEXT = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    # A traceback is a defect of this program; it is wanted whole and plain in a report.
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
)


@app.callback()
def about(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Compile binarized neural networks into differential-RRAM XNOR engines in Verilog, proved bit by bit.

    Start with [bold]oxnor demo[/], or with [bold]oxnor new mine[/] for a design of your own.

    Exit codes: 0 success, 1 mismatch or failure, 2 invalid input, 130 interrupted.
    """


#: By help panel: the commands, and the groups of commands.
_PANELS: Mapping[str, tuple[Callable[..., None], ...]] = {
    "Start": (demo.demo, playground.playground, doctor.doctor, networks.networks, networks.info, new.new, run.run),
    "Networks": (exchange.import_, exchange.export, train.train),
    "Hardware": (generate.generate, simulate.simulate, selftest.selftest),
    "Errors": (sweep.sweep, report.report),
    "Compare": (energy.energy, compare.compare),
}
_GROUPS: Mapping[str, tuple[str, type[Group], str, tuple[Callable[..., None], ...]]] = {
    "fpga": (
        "Hardware",
        Group,
        "Build bitstreams and run networks on FPGA boards.",
        (
            fpga_build.build, fpga_build.generate, fpga_board.emulate, fpga_board.run, fpga_board.load,
            fpga_board.selftest, fpga_build.check, fpga_board.fuzz,
        ),
    ),
    "device": (
        "Errors",
        Devices,
        "Compute error rates of devices, fit measurements, simulate the amplifier, and draw wrong weights.",
        (device.show, device.fit, circuit.circuit, faults.faults),
    ),
    "study": (
        "Compare",
        Group,
        "Repeat published studies.",
        (
            spirit.spirit, abstain.abstain, pulses.pulses, vowels.vowels, spoken_digits.spoken_digits, ternary.ternary,
            dbn.dbn, tiling.tiling,
        ),
    ),
    "tools": (
        "Tools",
        Group,
        "Write golden vectors, measure speed, look after the cache.",
        (vectors.vectors, benchmark.benchmark, prove.prove, mutate.mutate, soak.soak, cache.cache),
    ),
}  # fmt: skip
#: Names of before, and what they are now.
_OLD: Mapping[str, tuple[str, Callable[..., None]]] = {
    "bench": ("tools benchmark", benchmark.benchmark),
    "faults": ("device faults", faults.faults),
    "spirit": ("study spirit", spirit.spirit),
    "vectors": ("tools vectors", vectors.vectors),
}


def _paragraphs(doc: str) -> str:
    """Return a docstring with the lines of each paragraph joined: the terminal breaks them, not the source."""
    return "\n\n".join(" ".join(p.split()) for p in inspect.cleandoc(doc).split("\n\n"))


def _add(group: typer.Typer, command: Callable[..., None], **options: Any) -> None:
    """Register a command; its name may end in ``_`` in Python, where it would be a keyword."""
    name = command.__name__.rstrip("_").replace("_", "-")
    group.command(name, cls=Command, help=_paragraphs(command.__doc__ or ""), **options)(command)


def _old(name: str, now: str, command: Callable[..., None]) -> None:
    """Register a command under the name that it had before."""
    whole = expanded(command)

    def moved(**values: Any) -> None:
        _moved(name, now)
        whole(**values)

    moved.__signature__ = inspect.signature(whole)  # type: ignore[attr-defined]
    moved.__annotations__ = whole.__annotations__
    app.command(name, cls=Command, hidden=True, help=_paragraphs(command.__doc__ or ""))(moved)


def _register() -> None:
    """Register every command below its panel."""
    for panel, commands in _PANELS.items():
        for command in commands:
            _add(app, command, rich_help_panel=panel)
        for name, (beside, cls, text, members) in _GROUPS.items():
            if beside == panel:
                _add_group(name, cls, text, members, panel)
    for name, (beside, cls, text, members) in _GROUPS.items():
        if beside not in _PANELS:
            _add_group(name, cls, text, members, beside)
    for name, (now, command) in _OLD.items():
        _old(name, now, command)


def _add_group(
    name: str, cls: type[Group], text: str, members: tuple[Callable[..., None], ...], panel: str
) -> None:
    group = typer.Typer(cls=cls, no_args_is_help=cls is Group, rich_markup_mode="rich", context_settings=_CONTEXT)
    for member in members:
        _add(group, member)
    app.add_typer(group, name=name, help=text, rich_help_panel=panel)


_register()
