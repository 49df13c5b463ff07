"""What no test of the RTL can cover, and why: each rule is as narrow as its reason, and fails where something is covered."""

import re
from dataclasses import dataclass

CONSTANT = "constant in every build, as Yosys proves"


@dataclass(frozen=True)
class Rule:
    """Bits of signals, or lines, that no simulation of a sensible length reaches.

    Parameters
    ----------
    unit, what : str
        Regular expressions of the whole names of units, and of signals or texts of lines without their numbers.
    reason : str
    first : int
        The lowest of the bits.
    """

    unit: str
    what: str
    reason: str
    first: int = 0

    def holds(self, unit, what):
        """Return whether it is of this signal or line."""
        return bool(re.fullmatch(self.unit, unit) and re.fullmatch(self.what, what))


LONG = "high bits of counters: one that changes needs 2^k events"
SETTING = "read once from a memory file and kept: it rises at most"
WIDE = "registers and addresses wider than the engines that are simulated"
SIGNALS = (
    Rule(r"engine|spiking_engine", "cycles", LONG, 19),
    Rule(r"engine|spiking_engine", "latched", LONG),
    Rule("engine", "cycles_1", LONG, 8), Rule("engine", "cycles_2", LONG),
    Rule("engine", "(dropped|unsure|stalls|frames|results)", LONG, 13),
    Rule("engine", "(dropped|stalls|frames|results)_2", LONG),
    Rule("spiking_engine", "(dropped|frames|results|stalls)", LONG, 11),
    Rule("spiking_engine", "inside_", LONG, 4),
    Rule("spike_serializer|spiking_engine_events", "number|sum_1", LONG, 13),
    Rule("programming", "pulses|signal_3", LONG, 12),
    Rule("layer_array", "image", LONG, 11),
    Rule(r"spiking_engine(_encoder)?", r"(seeds|identity)(_\d+)*(_q)?", SETTING),
    Rule(r"rram_macro(_ternary)?_devices", "noise_sigma|form_fails|age|statistics", SETTING),
)
LINES = (
    Rule(r"coefficient_\w+|rram_macro_ternary", r"else (for|mem).*", "a memory without a file: in no engine there is one"),
)


def of_signal(unit, signal, bit):
    """Return the rule that leaves a bit of a signal out; None if there is none."""
    return next((r for r in SIGNALS if bit >= r.first and r.holds(unit, signal)), None)


def of_line(unit, text):
    """Return the rule that leaves a line out; None if there is none."""
    return next((r for r in LINES if r.holds(unit, text)), None)
