"""The host's side of programming: networks into engines, over anything that reads and writes registers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.interface.registers import INDEX, PROGRAMMING_COMMANDS
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.arrange import check_shape, coefficient_rows, macro_bits, synapse_at
from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.march import SelfTestReport, classify, march
from oxnor.models.networks.binarized import Network

T = TypeVar("T")
#: Byte address of a register, and the value to write there; None reads it.
Access = tuple[int, int | None]
#: Reads of a status register before the engine counts as hung.
POLLS = 1_000_000


class EngineError(RuntimeError):
    """The engine does not do what it says it does."""


@dataclass(frozen=True, order=True)
class Synapse:
    """One weight by its logical place; input -1 stands for a coefficient of the neuron."""

    layer: int
    neuron: int
    input: int


@dataclass(frozen=True, eq=False)
class Step:
    """One command on one row.

    Parameters
    ----------
    row : int
    names : tuple of str
        Keys of :data:`oxnor.hw.interface.registers.PROGRAMMING_COMMANDS`.
    words : ndarray of uint32, optional
        The row's data.
    width : int
        Bits of the result that are wanted: what was read, or what failed.
    """

    row: int
    names: tuple[str, ...]
    words: NDArray[np.uint32] | None = None
    width: int = 0


def run_now(coroutine: Coroutine[object, None, T]) -> T:
    """Return the result of a coroutine that never has to wait, because its transport answers at once."""
    try:
        coroutine.send(None)
    except StopIteration as e:
        return e.value
    raise RuntimeError("the transport waits: run the coroutine in its event loop")


def at_once(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """Return a plain function as one that is awaited."""

    async def answer(*arguments: int | Sequence[Access]) -> T:
        return function(*arguments)

    return answer


class Programmer:
    """Programs, verifies and reads an engine that was generated with its programming controller.

    All methods are coroutines, so that a bench can await its bus. Over a transport of plain functions::

        p = Programmer(config, at_once(uart.read), at_once(uart.write))
        failing = run_now(p.program_network(network))

    Parameters
    ----------
    config : EngineConfig
        Structure of the engine.
    read : callable
        ``await read(byte address)`` returns a register.
    write : callable
        ``await write(byte address, value)`` writes one.
    pause : callable, optional
        ``await pause(polls)`` between two polls of a busy controller, for transports that are faster than it.
    access : callable, optional
        ``await access(list of (byte address, value or None))`` writes and reads registers in order, returns what was
        read, and ends a write of PROG_COMMAND when the command is done: for transports to which each access alone is
        a long way. What it is given may be repeated as a whole, but not in a self-test, which reads before it writes.
    room : int
        Most accesses in one call of it; a row is not divided.
    polls : int, optional
        Reads of a status register before the engine counts as hung. Default: :data:`POLLS`.

    Raises
    ------
    InputError
        If the engine has no programming controller.
    """

    def __init__(
        self,
        config: EngineConfig,
        read: Callable[[int], Awaitable[int]],
        write: Callable[[int, int], Awaitable[object]],
        pause: Callable[[int], Awaitable[object]] | None = None,
        access: Callable[[Sequence[Access]], Awaitable[list[int]]] | None = None,
        room: int = 1 << 16,
        polls: int | None = None,
    ):
        if not config.programming:
            raise InputError("engine must be generated with its programming controller (`programming`)")
        self.config = config
        self.offsets = {name: 4 * k for name, k in INDEX.items()}
        self._polls = polls or POLLS
        self._read, self._write, self._pause = read, write, pause
        self._access, self._room = access or self._one_by_one, room

    async def get(self, name: str) -> int:
        """Return a register by name."""
        return await self._read(self.offsets[name])

    async def set(self, name: str, value: int) -> None:
        """Write a register by name."""
        await self._write(self.offsets[name], value)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the input stream, wait until no image is in the engine, and let go at the end."""
        await self.set("PROG_HOLD", 1)
        try:
            for _ in range(self._polls):
                if not await self.get("STATUS") & 1:
                    break
            else:
                raise EngineError("an image stays in the engine: its result has to be taken")
            yield
        finally:
            await self.set("PROG_HOLD", 0)

    async def command(self, layer: int, macro: int, row: int, *names: str, words: NDArray | None = None) -> int:
        """Carry out a command on one row; return PROG_STATUS.

        Parameters
        ----------
        layer, macro, row : int
            Where; see the registers PROG_LAYER, PROG_MACRO and PROG_ROW.
        *names : str
            Keys of :data:`oxnor.hw.interface.registers.PROGRAMMING_COMMANDS`.
        words : ndarray of uint32, optional
            The row's data.
        """
        return (await self._commands(layer, macro, [Step(row, names, words)]))[0][0]

    async def _commands(
        self, layer: int, macro: int, steps: Sequence[Step]
    ) -> list[tuple[int, NDArray[np.bool_]]]:
        """Carry out commands on rows of one memory; return PROG_STATUS and the result of each.

        A transport that takes many accesses at once gets whole rows, so that one that is repeated does no harm.
        """
        results, waiting = [], list(steps)
        while waiting:
            accesses = self._named(("PROG_LAYER", layer), ("PROG_MACRO", macro), ("CONTROL", 2))
            row, count = -1, 0
            for step in waiting:
                more = self._step(step, row)
                if count and len(accesses) + len(more) + 1 > self._room:
                    break
                accesses += more
                row, count = step.row, count + 1
            *answers, state = await self._access([*accesses, *self._named(("STATUS", None))])
            if state & 2:
                raise EngineError("the engine has refused a command: an image is in it")
            values = iter(answers)
            for step in waiting[:count]:
                status = next(values)
                if status & 4:
                    raise EngineError(f"the engine has no row {step.row} in macro {macro} of layer {layer}")
                words = [next(values) for _ in range(-(-step.width // 32))]
                results.append((status, unpack_words(np.array(words, np.uint32), step.width)))
            del waiting[:count]
        return results

    def _step(self, step: Step, row: int) -> list[Access]:
        """Return the accesses of a command after one on `row`; they give PROG_STATUS, and the words of its result."""
        accesses: list[tuple[str, int | None]] = [("PROG_ROW", step.row)] if step.row != row else []
        if step.words is not None:
            accesses += [("PROG_WORD", 0), *(("PROG_DATA", int(w)) for w in step.words)]
        accesses += [("PROG_COMMAND", sum(PROGRAMMING_COMMANDS[n] for n in step.names)), ("PROG_STATUS", None)]
        if step.width:
            accesses += [("PROG_WORD", 0), *[("PROG_DATA", None)] * -(-step.width // 32)]
        return self._named(*accesses)

    def _named(self, *accesses: tuple[str, int | None]) -> list[Access]:
        return [(self.offsets[name], value) for name, value in accesses]

    async def _one_by_one(self, accesses: Sequence[Access]) -> list[int]:
        """Carry out accesses over single reads and writes; after a command, wait until it is done."""
        answers = []
        for address, value in accesses:
            if value is None:
                answers.append(await self._read(address))
                continue
            await self._write(address, value)
            if address == self.offsets["PROG_COMMAND"]:
                for polls in range(self._polls):
                    if not await self.get("PROG_STATUS") & 1:
                        break
                    if self._pause:
                        await self._pause(polls)
                else:
                    raise EngineError("the programming controller stays busy")
        return answers

    async def result(self, width: int) -> NDArray[np.bool_]:
        """Return the bits that the last command has read, or that failed in it, shape (width,)."""
        await self.set("PROG_WORD", 0)
        words = [await self.get("PROG_DATA") for _ in range(-(-width // 32))]
        return unpack_words(np.array(words, np.uint32), width)

    def _memories(self, network: Network) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
        """Yield (layer, macro, rows of bits) of everything that a network is in this engine."""
        for k, (layer, c) in enumerate(zip(network.layers, self.config.layers, strict=True)):
            stored = macro_bits(layer.weights, c).reshape(c.macros, c.word_lines, c.cols)
            yield from ((k, macro, stored[macro]) for macro in range(c.macros))
            coefficients = coefficient_rows(network, k, c)
            if coefficients.size:
                yield k, c.macros, coefficients

    async def program_network(
        self,
        network: Network,
        faults: FaultMap | None = None,
        *,
        form: bool = False,
        retries: int = 3,
        progress: Callable[[int, int], object] | None = None,
    ) -> list[Synapse]:
        """Program and verify weights, coefficients and identity; images wait meanwhile.

        Parameters
        ----------
        network : Network
            Of the engine's shape.
        faults : FaultMap, optional
            Static errors that are programmed with it.
        form : bool
            Form all devices first, as is needed once.
        retries : int
            How often a failing pair is programmed again, in [0, 255].
        progress : callable, optional
            Called with (memories programmed, memories).

        Returns
        -------
        list of Synapse
            Those that still read wrong.

        Raises
        ------
        InputError
            If the network does not fit the engine.
        EngineError
            If the engine hangs.
        """
        names = ("FORM",) * form + ("PROGRAM", "VERIFY", "REPAIR")
        return await self._network(network, faults, names, retries, progress)

    async def verify_network(self, network: Network, faults: FaultMap | None = None) -> list[Synapse]:
        """Return the synapses that do not read as `network` has them; arguments as :meth:`program_network`."""
        return await self._network(network, faults, ("VERIFY",), 0, None)

    async def _network(
        self,
        network: Network,
        faults: FaultMap | None,
        names: tuple[str, ...],
        retries: int,
        progress: Callable[[int, int], object] | None,
    ) -> list[Synapse]:
        check_shape(network, self.config)
        network = faults.apply(network) if faults else network
        memories = list(self._memories(network))  # before anything is written: it may not fit
        failing: list[Synapse] = []
        async with self.held():
            await self.set("PROG_RETRIES", retries)
            if "PROGRAM" in names:
                await self.set("NETWORK", int(network.digest[:8], 16))
            for n, (k, macro, rows) in enumerate(memories):
                width = rows.shape[1]
                words = pack_words(rows, np.uint32)
                steps = [Step(row, ("CLEAR", *names), words[row], width) for row in range(len(rows))]
                for row, (status, wrong) in enumerate(await self._commands(k, macro, steps)):
                    columns = np.flatnonzero(wrong).tolist() if status & 8 else []
                    if macro == self.config.layers[k].macros:
                        neurons = self.config.layers[k].neurons
                        lanes = {column * neurons // width for column in columns}
                        failing += [Synapse(k, row * neurons + lane, -1) for lane in lanes]
                    else:
                        failing += [s for column in columns if (s := self.synapse(k, macro, row, column))]
                if progress:
                    progress(n + 1, len(memories))
        return sorted(failing)

    def synapse(self, layer: int, macro: int, row: int, column: int) -> Synapse | None:
        """Return the weight that a pair holds, or None if it holds none."""
        place = synapse_at(self.config.layers[layer], macro, row, column)
        return Synapse(layer, *place) if place else None

    async def self_test(
        self, progress: Callable[[int, int], object] | None = None, *, form: bool = False
    ) -> SelfTestReport:
        """March through every macro and return what is broken. The network is lost: program it again.

        Parameters
        ----------
        form : bool
            Form all devices first, those that hold no synapse too.
        progress : callable, optional
            Called with (macros tested, macros).
        """
        macros = [(k, macro) for k, c in enumerate(self.config.layers) for macro in range(c.macros)]
        broken, pairs = [], 0
        async with self.held():
            for n, (k, macro) in enumerate(macros):
                if progress:
                    progress(n, len(macros))
                c = self.config.layers[k]
                faults = classify(k, *divmod(macro, c.across), *await self._march(k, macro, form), c.pair_states)
                broken += [faults] if faults.count else []
                pairs += c.rows * c.pairs
        return SelfTestReport(len(macros), pairs, tuple(broken))

    async def _march(
        self, layer: int, macro: int, form: bool
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return what was written to a macro and what it answered with inputs 1 and 0, (patterns, rows, cols) each."""
        c = self.config.layers[layer]
        expected: list[NDArray[np.bool_]] = []
        plain: list[NDArray[np.bool_]] = []
        inverted: list[NDArray[np.bool_]] = []
        for step in march(c.rows, c.pairs, c.pair_states):
            order = range(c.rows) if step.upwards else range(c.rows - 1, -1, -1)
            # CLEAR, so that PROG_PULSES says how far a macro got that does not answer.
            names = ("CLEAR",) + ("FORM",) * (form and step.expected is None) + ("PROGRAM",)
            reads = ("READ", "READ_INVERTED") if step.expected is not None else ()
            steps = []
            for row in order:
                steps += [Step(row, (name,), width=c.cols) for name in reads]
                if step.written is not None:
                    steps.append(Step(row, names, pack_words(step.written[row], np.uint32)))
            results = await self._commands(layer, macro, steps)
            if step.expected is not None:
                expected.append(step.expected)
                for n, answers in enumerate((plain, inverted)):
                    bits = np.stack([bits for _, bits in results[n :: len(steps) // c.rows]])
                    answers.append(bits if step.upwards else bits[::-1])
        return np.stack(expected), np.stack(plain), np.stack(inverted)

    async def read_row(self, layer: int, macro: int, row: int, inverted: bool = False) -> NDArray[np.bool_]:
        """Return what a row of a macro answers with all inputs 1, or with all inputs 0; the stream must be held."""
        await self.command(layer, macro, row, "READ_INVERTED" if inverted else "READ")
        return await self.result(self.config.layers[layer].cols)
