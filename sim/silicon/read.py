"""One read in SPICE: whether it is right, its delay, its energy."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.process import Process
from oxnor.models.technology.results import Read, Waveform

from .netlist import netlist, period_ns
from .spice import measured, run

#: Share of the supply by which the outputs of a decision that is over differ.
DECIDED = 0.8
#: Shortest time of a decision whose energy is measured, in ns; else it is twice the delay.
SENSE_MIN_NS = 1.0
#: Points of a waveform.
_POINTS = 400
_NODES = ("sen", "bl", "blb", "q", "qb")


def combinations(circuit: ReadCircuit) -> list[tuple[int, int]]:
    """Return the combinations of bit and input that a circuit can be in; a ``1t1r`` read has no input."""
    return list(itertools.product((0, 1), (0, 1) if circuit.cell == "2t2r" else (1,)))


def _resistances(circuit: ReadCircuit, bit: int) -> tuple[float, float]:
    if circuit.cell == "1t1r":
        return (circuit.lrs if bit else circuit.hrs), circuit.reference
    return (circuit.lrs, circuit.hrs) if bit else (circuit.hrs, circuit.lrs)


def read_netlist(circuit: ReadCircuit, process: Process, bit: int, x: int, sense_ns: float, save: str = "") -> str:
    """Return the netlist of two reads one after the other, of which the second is measured.

    The energy is that between the starts of two reads: of a read and the precharge that repairs what it did.
    """
    period, h = period_ns(circuit, sense_ns), circuit.precharge
    start = period + h
    step, longest = (h + sense_ns) / 2000, (h + sense_ns) / 100
    stop, margin = start + sense_ns - 0.01, 0.05
    control = [
        f"tran {step}n {2 * period + h + margin}n 0 {longest}n uic",
        f"meas tran q_end find v(q) at={stop}n", f"meas tran qb_end find v(qb) at={stop}n",
        f"meas tran bl_start find v(bl) at={start - 0.01}n", f"meas tran blb_start find v(blb) at={start - 0.01}n",
        "let difference=abs(v(q)-v(qb))",
        f"meas tran decided when difference={DECIDED * circuit.vdd} td={start}n rise=1",
    ]  # fmt: skip
    for name, node, source in (("supply", "vdd", "vdd"), ("word_line", "wl", "vwl"), ("sense", "sen", "vsen")):
        control += [f"let p_{name}=-v({node})*i({source})"]
        control += [f"meas tran e_{name} integ p_{name} from={start - margin}n to={start + period - margin}n"]
    if save:
        control += [f"linearize {' '.join(f'v({n})' for n in _NODES)}", "set wr_singlescale",
                    f"wrdata {save} {' '.join(f'v({n})' for n in _NODES)}"]  # fmt: skip
    resistances = _resistances(circuit, bit)
    return netlist(circuit, process, control, x=x, resistances=resistances, sense_ns=sense_ns)


def read(circuit: ReadCircuit, process: Process) -> Read:
    """Return a read of every combination of bit and input: the slowest delay, the mean energy.

    The first pass leaves the decision much time, the second twice the delay that was found, and its energy counts.
    """
    longest = circuit.sense_ns(circuit.reference if circuit.cell == "1t1r" else circuit.lrs)
    first = [_measure(circuit, process, bit, x, longest) for bit, x in combinations(circuit)]
    delays = [m.get("delay", math.inf) for m in first]
    if not all(map(math.isfinite, delays)):
        return _as_read(circuit, first, longest)
    sense_ns = max(SENSE_MIN_NS, 2 * max(delays))
    return _as_read(circuit, [_measure(circuit, process, b, x, sense_ns) for b, x in combinations(circuit)], sense_ns)


def _measure(circuit: ReadCircuit, process: Process, bit: int, x: int, sense_ns: float) -> dict[str, float]:
    text = run(read_netlist(circuit, process, bit, x, sense_ns))
    energies = [f"e_{name}" for name in ("supply", "word_line", "sense")]
    m = measured(text, "q_end", "qb_end", "bl_start", "blb_start", *energies)
    start = (period_ns(circuit, sense_ns) + circuit.precharge) * 1e-9
    if "decided" in m and m["decided"] - start <= sense_ns * 1e-9:
        m["delay"] = 1e9 * (m["decided"] - start)
    return m


def _as_read(circuit: ReadCircuit, reads: list[dict[str, float]], sense_ns: float) -> Read:
    outputs: list[int | None] = []
    for m in reads:
        difference = m["q_end"] - m["qb_end"]
        outputs.append(int(difference > 0) if abs(difference) >= DECIDED * circuit.vdd else None)
    delays = [m.get("delay") for m in reads]
    known = [d for d in delays if d is not None]
    lines = [(m["bl_start"], m["blb_start"]) for m in reads]
    parts = {name: float(np.mean([m[f"e_{name}"] for m in reads])) * 1e15 for name in ("supply", "word_line", "sense")}
    return Read(
        outputs=tuple(outputs),
        delay_ns=_short(max(known)) if len(known) == len(reads) else None,
        energy_fj={name: _short(value) for name, value in parts.items()},
        sense_ns=_short(sense_ns),
        precharged_v=_short(min(min(pair) for pair in lines)),
        left_mv=_short(1e3 * max(abs(a - b) for a, b in lines)),
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def waveform(circuit: ReadCircuit, process: Process, sense_ns: float) -> Waveform:
    """Return the voltages of a read of bit 1 with input 1, its precharge before it, in the second cycle."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wave"
        run(read_netlist(circuit, process, 1, 1, sense_ns, save="wave.data"), {"wave.data": path})
        table: NDArray[np.float64] = np.loadtxt(path)
    begin = period_ns(circuit, sense_ns) * 1e-9
    table = table[(table[:, 0] >= begin) & (table[:, 0] <= 2 * begin)]
    picked = table[np.linspace(0, len(table) - 1, min(_POINTS, len(table))).astype(int)]
    time = [_short(1e9 * (t - begin)) for t in picked[:, 0].tolist()]
    nodes = {name: tuple(round(v, 4) for v in picked[:, k + 1].tolist()) for k, name in enumerate(_NODES)}
    return Waveform(tuple(time), nodes)
