"""Draw the pictures of one-neuron.md: ``python docs/site/one_neuron.py docs/pictures`` (`make pictures`)."""

from __future__ import annotations

import sys
from pathlib import Path

from oxnor.sim.drawing.diagrams import Diagram

W = (1, 0, 1, 1, 0, 0, 1, 0)
X = (1, 1, 1, 0, 0, 1, 1, 0)
THRESHOLD = 4
AGREE = tuple(int(w == x) for w, x in zip(W, X, strict=True))
P = sum(AGREE)


def _trapezium(art: Diagram, x: float, y: float, width: float, height: float, cut: float) -> None:
    """Draw a popcount, which gets narrower as bits become a number."""
    outline = f"M{x:g} {y:g}H{x + width:g}L{x + width - cut:g} {y + height:g}H{x + cut:g}Z"
    art.path(outline, line="green", fill="green-fill")


def neuron() -> Diagram:
    """Eight inputs, eight weights, their XNOR, the popcount and the threshold."""
    art = Diagram(f"A neuron of 8 inputs: {P} of 8 bits agree, and {P} >= {THRESHOLD} gives 1")
    left, step, size = 132, 60, 40
    rows = (("input x", X, 16), ("weight w", W, 68), ("XNOR", AGREE, 132))
    for label, bits, y in rows:
        art.text(left - 16, y + 25, label, size=14, anchor="end", bold=True)
        for k, bit in enumerate(bits):
            agree = AGREE[k] and bits is AGREE
            fill, line = ("green-fill", "green") if agree else ("fill", "line")
            x = left + k * step
            art.rect(x, y, size, size, fill=fill, line=line)
            art.text(x + size / 2, y + 20, str(bit), size=15, mono=True, bold=True)
            note = "+1" if bit else "−1"
            art.text(x + size / 2, y + 34, note, size=10, colour="muted")
    for k in range(len(X)):
        x = left + k * step + size / 2
        art.path(f"M{x:g} 110V130", line="muted", arrow=True)
        art.path(f"M{x:g} 174V190", line="muted", arrow=True)
    width = (len(X) - 1) * step + size
    _trapezium(art, left, 193, width, 44, 120)
    middle = left + width / 2
    art.text(middle, 212, f"popcount: p = {P}", size=14, bold=True)
    art.text(middle, 229, f"sum of products: 2 · {P} − 8 = {2 * P - 8}", size=11, colour="muted")
    art.path(f"M{middle:g} 239V257", line="muted", arrow=True)
    art.rect(middle - 110, 260, 220, 36, fill="orange-fill", line="orange")
    art.text(middle, 283, f"p ≥ T:  {P} ≥ {THRESHOLD}", size=14, bold=True)
    art.path(f"M{middle + 112:g} 278H{middle + 158:g}", line="muted", arrow=True)
    art.text(middle + 166, 283, f"output {int(P >= THRESHOLD)}", size=14, anchor="start", bold=True)
    return art


def _device(art: Diagram, x: float, y: float, state: str, bit_line: str) -> None:
    """Draw a bit line, a device as a resistor, and the transistor that the word line opens."""
    colour = "blue" if state == "LRS" else "orange"
    art.text(x, y - 8, bit_line, size=13, bold=True)
    art.path(f"M{x:g} {y:g}V{y + 18:g}", line="ink")
    turns = "".join(f"l{-8 if k % 2 else 8:g} 6" for k in range(1, 6))
    art.path(f"M{x:g} {y + 18:g}l4 3{turns}l4 3", line=colour, width=2.6)
    art.path(f"M{x:g} {y + 54:g}V{y + 66:g}h-9M{x - 9:g} {y + 66:g}v28M{x - 9:g} {y + 94:g}h9V{y + 112:g}", line="ink")
    art.path(f"M{x - 15:g} {y + 68:g}v24M{x - 15:g} {y + 80:g}h-12", line="ink")
    art.path(f"M{x - 27:g} {y + 80:g}v22", line="blue")
    art.text(x + 12, y + 32, state, size=12, anchor="start", colour=colour, bold=True)
    words = "low R" if state == "LRS" else "high R"
    art.text(x + 12, y + 46, words, size=10, anchor="start", colour="muted")


def _cell(art: Diagram, x: float, weight: int, bit: int) -> None:
    """Draw one pair above its sense amplifier."""
    states = ("LRS", "HRS") if weight else ("HRS", "LRS")
    art.text(x + 110, 22, f"weight {weight}", size=15, bold=True)
    art.rect(x, 34, 220, 148, r=8)
    _device(art, x + 62, 62, states[0], "BL")
    _device(art, x + 152, 62, states[1], "BLb")
    art.path(f"M{x + 62:g} 172V200M{x + 152:g} 172V200", line="ink")
    art.rect(x, 200, 220, 46, fill="green-fill", line="green")
    art.text(x + 110, 220, "sense amplifier with XNOR", size=13, bold=True)
    winner = "BL" if weight else "BLb"
    art.text(x + 110, 237, f"lower resistance on {winner}: weight {weight}", size=11)
    art.path(f"M{x + 62:g} 274V250", line="muted", arrow=True)
    art.text(x + 62, 290, f"input x = {bit}", size=13)
    art.path(f"M{x + 152:g} 248V274", line="muted", arrow=True)
    art.text(x + 152, 290, f"q = {int(weight == bit)}", size=13, bold=True)


def pair() -> Diagram:
    """The two weights as pairs of devices."""
    art = Diagram("Weight 1: BL in LRS, BLb in HRS; weight 0: the reverse; the sense amplifier gives XNOR(w, x)")
    _cell(art, 86, 1, 1)
    _cell(art, 346, 0, 1)
    art.path("M14 164H586", line="blue", width=2.6)
    art.text(14, 156, "word line", size=12, anchor="start", colour="blue", bold=True)
    return art


def macro() -> Diagram:
    """One row of a macro being read."""
    art = Diagram(f"A macro of 6 rows and 8 columns: row 2 is sensed, {P} of 8 bits are 1, the neuron outputs 1")
    left, top, step, rows, selected = 132, 20, 56, 6, 2
    for r in range(rows):
        y = top + r * 32
        on = r == selected
        art.path(f"M{left - 16:g} {y + 13:g}H{left + 8 * step:g}", line="blue" if on else "line", width=3 if on else 1)
        for k in range(8):
            fill, line = ("blue-fill", "blue") if on else ("fill", "line")
            art.rect(left + k * step, y, 40, 26, fill=fill, line=line, r=4)
            if on:
                art.text(left + k * step + 20, y + 18, str(W[k]), size=14, mono=True, bold=True)
    art.rect(16, top, 96, rows * 32 - 6)
    art.text(64, top + 60, "row", size=13, bold=True)
    art.text(64, top + 82, f"{selected}", size=20, bold=True, colour="blue")
    art.text(64, top + 104, "neuron 2", size=11, colour="muted")
    y = top + rows * 32 + 8
    for k in range(8):
        x = left + k * step
        art.path(f"M{x + 20:g} {y - 14:g}V{y:g}", line="line")
        art.rect(x, y, 40, 44, fill="green-fill", line="green", r=4)
        art.text(x + 20, y + 18, "XNOR", size=10)
        art.text(x + 20, y + 35, f"x = {X[k]}", size=11, mono=True)
        art.path(f"M{x + 20:g} {y + 46:g}V{y + 58:g}", line="muted")
        art.text(x + 20, y + 74, str(AGREE[k]), size=15, mono=True, bold=True, colour="green" if AGREE[k] else "muted")
    art.text(64, y + 20, "sense", size=12, bold=True)
    art.text(64, y + 36, "amplifiers", size=12, bold=True)
    art.text(64, y + 74, "q", size=13, bold=True)
    width = 7 * step + 40
    middle = left + width / 2
    _trapezium(art, left, y + 84, width, 34, 110)
    art.text(middle, y + 106, f"popcount: p = {P}", size=14, bold=True)
    art.path(f"M{middle:g} {y + 120:g}V{y + 136:g}", line="muted", arrow=True)
    art.rect(middle - 130, y + 139, 260, 38, fill="orange-fill", line="orange")
    art.text(middle, y + 163, f"neuron: p ≥ T of row {selected}:  {P} ≥ {THRESHOLD}", size=13, bold=True)
    art.path(f"M{middle + 132:g} {y + 158:g}H{middle + 170:g}", line="muted", arrow=True)
    art.text(middle + 178, y + 163, f"{int(P >= THRESHOLD)}", size=16, anchor="start", bold=True)
    return art


#: File names, how they are drawn, and their sizes.
PICTURES = {"neuron": (neuron, 640, 306), "pair": (pair, 600, 304), "macro": (macro, 610, 408)}


def draw(directory: Path) -> list[Path]:
    """Write the pictures into a folder and return their paths."""
    paths: list[Path] = []
    for name, (function, width, height) in PICTURES.items():
        path = directory / f"{name}.svg"
        function().sized(width, height).save(path)
        paths.append(path)
    return paths


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
