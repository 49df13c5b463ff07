"""A device model with the amplifier of a simulated circuit."""

from __future__ import annotations

from dataclasses import replace

from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel, Provenance

from .circuit import ReadCircuit
from .offsets import OffsetStatistics, Spread
from .results import Noise


def with_amplifier(
    device: DeviceModel, circuit: ReadCircuit, offsets: OffsetStatistics, noise: Noise, simulator: str
) -> DeviceModel:
    """Return a device whose offsets and noise are those of a circuit, tagged ``simulated``; all else stays.

    A ``2t2r`` circuit gives the part that stays with the bit lines, the part that turns with the input and the thermal
    noise of a read, a ``1t1r`` circuit the offset of single devices. Means are left out: mismatch has none. So is what
    the devices' own resistance does from read to read, which no circuit knows.

    Raises
    ------
    InputError
        If not every amplifier that was drawn has a known offset.
    """
    if offsets.known < offsets.draws:
        reasons = "; ".join(f"{count} x {why}" for why, count in offsets.problems.items())
        raise InputError(f"the offset of {offsets.draws - offsets.known} amplifiers is not known ({reasons})")
    if offsets.stays and offsets.turns:
        spreads = {"offset_sigma": offsets.stays, "turning_offset_sigma": offsets.turns}
    else:
        spreads = {"single_offset_sigma": offsets.by_input[0]}
    provenance = dict(device.provenance)
    for name, spread in spreads.items():
        source = f"{circuit.describe()}; {_interval(spread)} from {offsets.draws} amplifiers, {simulator}"
        provenance[name] = Provenance(source, "simulated", device.valid_cycles, device.valid_seconds)
    sigmas = {name: spread.sigma for name, spread in spreads.items()}
    if offsets.turns:
        source = f"{circuit.describe()}; upper bound of thermal noise, 2 kT/C on each node, {simulator}"
        provenance["read_noise_sigma"] = Provenance(source, "simulated", device.valid_cycles, device.valid_seconds)
        sigmas["read_noise_sigma"] = noise.sigma
    name = device.name if device.name.endswith(f"+{circuit.process}") else f"{device.name}+{circuit.process}"
    return replace(device, name=name, provenance=provenance, **sigmas)  # type: ignore[arg-type]


def _interval(spread: Spread) -> str:
    return f"99 % interval {spread.low:.4g} to {spread.high:.4g}"
