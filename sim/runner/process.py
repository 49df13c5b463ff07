"""cocotb's runners as a library needs them: a time limit, a log file, and a run that ends where it was started."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from oxnor.models.base.errors import InputError

SIMULATORS = ("verilator", "icarus")
#: Seconds between two looks at a running simulation.
POLL_S = 0.1


#: What the system says of a full disk.
_FULL = (errno.ENOSPC, errno.EDQUOT)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented."""
    text = log.read_text(errors="replace").rstrip() if log.is_file() else "(no log)"
    return "\n".join("    " + line[:300] for line in text.split("\n")[-lines:])


def _is_full(folder: Path) -> bool:
    """Return whether nothing can be written: not every tool says so."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(bytes(4096))
    except OSError as e:
        return e.errno in _FULL
    finally:
        probe.unlink(missing_ok=True)
    return False


def failure(kind: type[Exception], what: str, log: Path, lines: int = 15) -> Exception:
    """Return the error for a tool that has failed: of `kind`, with the end of its log, or that the disk is full."""
    text = tail(log, lines)
    if any(os.strerror(e) in text for e in _FULL) or _is_full(log.parent):
        return InputError(f"{log.parent}: cannot be written: the disk is full; {what}")
    return kind(f"{what}; see {log}, which ends\n{text}")


class Watched:
    """Mixin for cocotb's runners: a time limit, a log file, and no settings from the caller's environment.

    cocotb lets WAVES, GUI and every COCOTB_ variable of the environment win over its arguments, waits without limit,
    and under pytest leaves by ``sys.exit``; a library must do none of these.
    """

    extra_env: Mapping[str, str] = {}
    wanted_waves = False
    timeout_s: float = 3600
    poll: Callable[[], object] | None = None
    after_first: Callable[[], object] | None = None
    executable_path: Path | None = None
    returncode = 0

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(self.executable_path)

    def _build_command(self) -> Any:
        self.waves = self.wanted_waves
        return super()._build_command()  # type: ignore[misc]

    def _test_command(self) -> Any:
        self.waves, self.gui = self.wanted_waves, False
        return super()._test_command()  # type: ignore[misc]

    def _execute_cmds(self, cmds: Sequence[Sequence[str]], cwd: Any, stdout: IO[str] | None = None) -> None:
        inherited = {k for k, v in os.environ.items() if k.startswith("COCOTB_") and self.env.get(k) == v}  # type: ignore[attr-defined]
        env = {k: v for k, v in self.env.items() if k not in inherited} | dict(self.extra_env)  # type: ignore[attr-defined]
        deadline = time.monotonic() + self.timeout_s
        for command in cmds:
            self.returncode = execute(command, Path(cwd), env, stdout, deadline, self.poll)
            if self.returncode:
                return
            if self.after_first and command is cmds[0]:
                self.after_first()


def execute(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    log: IO[str] | None,
    deadline: float,
    poll: Callable[[], object] | None,
) -> int:
    """Run a command as a process group of its own and return its exit code; raise TimeoutError at the deadline."""
    if log:
        log.write("$ " + " ".join(command) + "\n")
        log.flush()
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        while True:
            try:
                return process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if poll:
                    poll()
                if time.monotonic() > deadline:
                    raise TimeoutError from None
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def make_runner(simulator: str) -> Any:
    """Return a watched runner by the name of its simulator."""
    if simulator not in SIMULATORS:
        raise InputError(f"must be one of {', '.join(SIMULATORS)}, not {simulator!r}", parameter="simulator")
    from cocotb_tools import runner  # with pytest behind it, which other tools do not need

    base = runner.Verilator if simulator == "verilator" else runner.Icarus
    return type(f"Watched{base.__name__}", (Watched, base), {})()
