"""What no test of the RTL can cover, and why: each rule is as narrow as its reason. One that leaves out what is covered, or
nothing, is told on the page."""

import re
from dataclasses import dataclass

CONSTANT = "constant in every build, as Yosys proves, with fewer than 2^16 events to an image, 2^15 ticks"


@dataclass(frozen=True)
class Rule:
    """Bits of signals, or lines, that no simulation of a sensible length reaches.

    Parameters
    ----------
    unit, what : str
        Regular expressions of the whole names of units, and of signals or texts of lines without their numbers.
    reason : str
    bits : range
        Which bits.
    """

    unit: str
    what: str
    reason: str
    bits: range = range(4096)

    def __str__(self):
        return f"`{self.what}` of `{self.unit}` ({self.reason})"

    def holds(self, unit, what, bit=0):
        """Return whether it is of this bit of a signal, or line."""
        return bit in self.bits and bool(re.fullmatch(self.unit, unit) and re.fullmatch(self.what, what))


def above(first):
    """Return all bits from `first` on."""
    return range(first, 4096)


LONG = "high bits of counters: one that changes needs 2^k events"
INSIDE = "images in a spiking engine at once: no more fit"
SETTING = "of a device model, read from its file and kept: it rises at most"
WIDE = "addresses of the programming bus beyond the largest engine that is simulated"
SPARE = "bit 15 of a log-resistance of 15 bits"
DEVICES = r"rram_macro(_ternary)?_devices"
BUS = r"programming(_sequence)?|learning_array|pulse_writer|engine|layer(_array)?|tile"
SIGNALS = (
    Rule("engine|spiking_engine", "latched", LONG),
    Rule("engine", "cycles_2|(dropped|stalls|frames|results)_2", LONG),
    Rule("engine", "cycles", LONG, above(24)),
    Rule("engine", "cycles_1", LONG, above(10)),
    Rule("engine", "dropped|unsure|stalls|frames|results", LONG, above(16)),
    Rule("spiking_engine", "cycles", LONG, above(24)),
    Rule("spiking_engine", "dropped|frames|results|stalls", LONG, above(14)),
    Rule("spiking_engine", "inside_", INSIDE, above(3)),
    Rule("spike_serializer|spiking_engine_events", "number|sum_1", LONG, above(16)),
    Rule("spiking_engine_encoder", r"signal_2|sum_\d+|bits_1", LONG, above(17)),
    Rule("spiking_engine_encoder", r"signal_2|sum_\d+", LONG, range(16, 17)),
    Rule("programming", "pulses|failures", LONG, above(16)),
    Rule("layer_array", "image", LONG, above(14)),
    Rule(DEVICES, "operations", LONG, above(8)),
    Rule(DEVICES, "noise_sigma|form_fails|column|turn|age|threshold", SETTING),
    Rule(DEVICES, "r", SPARE, range(15, 256, 16)),
    Rule(BUS, r".*(bus|program)__word", WIDE, above(4)),
    Rule(BUS, r".*(bus|program|sequence)_+column|column", WIDE, above(9)),
    Rule("programming", r"macro\d", WIDE, range(14, 24)),
    Rule("programming", r"macro\d", WIDE, above(27)),
    Rule("programming", r"row\d", WIDE, range(9, 16)),
)
LINES = (
    Rule(r"coefficient_\w+|rram_macro_(ternary|packed)", r"else (for|mem).*", "a memory without a file: in no engine there is one"),
    Rule("layer_array", r"at_end <= (#'\(row\) == #'h#;|#'b#; \(3\))|x <= #'[bh]#;", "between the rows of a layer of one row: there is nothing"),
)


def of_signal(unit, signal, bit):
    """Return the rule that leaves a bit of a signal out; None if there is none."""
    return next((r for r in SIGNALS if r.holds(unit, signal, bit)), None)


def of_line(unit, text):
    """Return the rule that leaves a statement out, this one of the equal ones or all; None if there is none."""
    texts = (text, re.sub(r" \(\d+\)$", "", text))
    return next((r for r in LINES if any(r.holds(unit, t) for t in texts)), None)
