"""The app ``oxnor``: its commands, and how errors become exit codes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from oxnor.models.base.errors import InputError

from .console import sentence
from .errors import device, faults, sweep
from .hardware import fpga, generate, selftest, simulate
from .networks import exchange as importing
from .networks import train
from .start import demo, doctor, networks
from .study import spirit
from .tools import benchmark as bench
from .tools import vectors

#: Errors that are said in their own words, with exit code 1.
_FAILURES = {
    "oxnor.sim.runner.runner": "SimulationError",
    "oxnor.fpga.tools": "ToolError",
    "oxnor.fpga.host": "LinkError",
}


class Commands(TyperGroup):
    """Commands whose bad input ends in one sentence and exit code 2, and an interrupt in exit code 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except InputError as e:
            print(f"oxnor: {sentence(e)}", file=sys.stderr)
            ctx.exit(2)
        except RuntimeError as e:
            # Typer's own exits are RuntimeErrors too; a module is loaded if it is it that has failed.
            kinds = [getattr(sys.modules[m], name) for m, name in _FAILURES.items() if m in sys.modules]
            if not isinstance(e, tuple(kinds)):
                raise
            # A tool failed, the engine hangs, a board is silent: the text names the log and shows its end.
            print(f"oxnor: {e}", file=sys.stderr)
            ctx.exit(1)
        except KeyboardInterrupt:
            print("oxnor: interrupted", file=sys.stderr)
            ctx.exit(130)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oxnor {version('oxnor')}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    # A traceback is a defect of this program; it is wanted whole and plain in a report.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def about(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    r"""Binarized neural networks as differential-RRAM XNOR engines in Verilog, proved bit by bit.

    \b
    See it work:            oxnor demo
    Get the Verilog:        oxnor generate mnist-mlp -o engine
    Check it on digits:     oxnor simulate mnist-mlp --images 10000
    With wrong weights:     oxnor simulate mnist-mlp --ber 0.01
    How many it stands:     oxnor sweep mnist-mlp
    From device to errors:  oxnor device weak-3.3e-2
    What is shipped:        oxnor networks

    Exit codes: 0 it is as it should be, 1 it is not (a mismatch), 2 the input cannot be used, 130 interrupted.
    """


def _paragraphs(doc: str) -> str:
    """Return a docstring with the lines of each paragraph joined: the terminal breaks them, not the source."""
    return "\n\n".join(" ".join(p.split()) for p in inspect.cleandoc(doc).split("\n\n"))


_COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    generate.generate,
    simulate.simulate,
    selftest.selftest,
    sweep.sweep,
    sweep.report,
    spirit.spirit,
    faults.faults,
    selftest.selftest,
    networks.networks,
    networks.info,
    device.device,
    importing.import_,
    importing.export,
    vectors.vectors,
    train.train,
    doctor.doctor,
    bench.bench,
)
for _command in _COMMANDS:
    # A command may be called as Python calls no function.
    app.command(_command.__name__.rstrip("_"), help=_paragraphs(_command.__doc__ or ""))(_command)
for _registered in fpga.fpga.registered_commands:
    _registered.help = _paragraphs(_registered.callback.__doc__ or "") if _registered.callback else None
app.add_typer(fpga.fpga, name="fpga", help="It on a board: bitstreams with open tools, a host driver, a virtual board.")
