"""Pictures: what is drawn, from which numbers, and that they are well-formed."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from oxnor.hw.config import EngineConfig
from oxnor.models.errors import InputError
from oxnor.sim.diagram import engine_svg
from oxnor.sim.plots import Sweep, accuracy_plot, image_png
from oxnor.sim.report import facts, page, score_bars, table
from oxnor.sim.svg import THEME_CSS, standalone
from oxnor.sim.waveform import SOURCES, Waveform, one_read, read_vcd, waveform_svg


def texts(svg):
    """Return every text in a picture, after a check that it is well-formed."""
    return [e.text or "" for e in ET.fromstring(svg).iter() if e.tag.endswith("}text")]


def colours(svg):
    return set(re.findall(r"var\(--([a-z-]+)\)", svg))


@pytest.fixture
def sweep():
    rates = np.geomspace(1e-3, 1e-1, 3)
    return Sweep(rates, np.array([[0.98, 0.98], [0.96, 0.98], [0.7, 0.8]]), 0.98)


def test_knee_is_between_the_rates_around_it(sweep):
    # The mean falls from 0.98 to 0.97 at the second rate: there one point is lost.
    assert sweep.knee() == pytest.approx(1e-2)
    assert sweep.knee(0.005) == pytest.approx(10**-2.5)


def test_knee_is_none_or_the_first_rate(sweep):
    assert sweep.knee(0.5) is None
    assert sweep.knee(0.0) == pytest.approx(1e-3)


def test_accuracy_plot_has_its_parts(sweep):
    svg = accuracy_plot(sweep, [(0.0, 0.98), (1e-2, 0.97)], "Accuracy")
    shown = " ".join(texts(svg))
    for text in ("bit error rate", "accuracy", "golden model", "RTL in Verilator", "1 point lost", "range of 2 trials"):
        assert text in shown
    assert {"ink", "line", "blue", "orange"} <= colours(svg)
    assert "10⁻³" in shown


def test_accuracy_plot_is_the_same_twice(sweep):
    assert accuracy_plot(sweep, [(1e-2, 0.97)], "A") == accuracy_plot(sweep, [(1e-2, 0.97)], "A")


def test_accuracy_plot_without_points_has_no_markers(sweep):
    assert "RTL in Verilator" not in " ".join(texts(accuracy_plot(sweep, [(0.0, 0.98)], "A")))


def test_colours_are_those_of_the_theme(sweep, random_network):
    config = EngineConfig.for_network(random_network((37, 13, 5)))
    for svg in (accuracy_plot(sweep, [(1e-2, 0.9)], "A"), engine_svg(config, "E")):
        assert colours(svg) <= set(re.findall(r"--([a-z-]+):", THEME_CSS))


def test_standalone_picture_has_size_and_theme(sweep):
    svg = standalone(accuracy_plot(sweep, [], "A"))
    root = ET.fromstring(svg)
    assert float(root.attrib["width"]) > 0
    assert float(root.attrib["height"]) > 0
    assert "prefers-color-scheme:dark" in svg


@pytest.mark.parametrize("target", ["sim", "ice40", "ecp5", "asic"])
@pytest.mark.parametrize("shape", [(784, 64, 64, 64, 10), (37, 13, 5), (8, 2)], ids=str)
def test_diagram_says_the_sizes_of_the_engine(random_network, shape, target):
    config = EngineConfig.for_network(random_network(shape), target=target)
    shown = texts(engine_svg(config, "Engine"))
    for k, layer in enumerate(config.layers):
        assert f"layer {k}: {layer.n_in:,} → {layer.n_out:,}" in shown
        assert any(t.endswith(f"of {layer.rows} × {layer.cols}") and t.startswith(f"{layer.macros:,} ") for t in shown)
        assert any(f"= {layer.reads:,} read" in t for t in shown)
    assert any(f"{config.stream_width} bits a beat" in t for t in shown)


def test_diagram_escapes_its_title(random_network):
    svg = engine_svg(EngineConfig.for_network(random_network((8, 2))), 'a "<b>"')
    assert ET.fromstring(svg).attrib["aria-label"] == 'a "<b>"'


def vcd(reads=14, hide=()):
    """Return a waveform file of one layer: row r is read in cycle r, and the pipeline follows."""
    widths = {"row": 4, "sense": 1, "x": 8, "q": 8, "count": 4, "total": 4, "threshold": 4, "fire": 1}
    paths = {"row": "macro", "sense": "macro", "x": "macro", "q": "macro", "count": "tile"}
    names = [n for n in widths if n not in hide]
    ids = {n: chr(40 + k) for k, n in enumerate(widths)}

    def variables(scope):
        return [f"$var wire {widths[n]} {ids[n]} {n} $end" for n in names if paths.get(n, "neuron") == scope]

    lines = ["$timescale 1ps $end", "$scope module oxnor_engine $end", "$var wire 1 ! clk $end"]
    lines += [
        "$scope module layer1 $end",
        "$scope module array $end",
        "$scope module tile_v0_h0 $end",
        *variables("tile"),
    ]
    lines += ["$scope module macro $end", *variables("macro"), "$upscope $end", "$upscope $end", "$upscope $end"]
    lines += ["$scope module neuron0 $end", *variables("neuron"), "$upscope $end", "$upscope $end", "$upscope $end"]
    lines += ["$enddefinitions $end", "#0", "0!"]
    values = {"x": lambda k: 0b1010, "sense": lambda k: 1, "row": lambda k: k % 16, "q": lambda k: (k - 1) % 256}
    values |= {"count": lambda k: (k - 2) % 16, "total": lambda k: (k - 2) % 16, "threshold": lambda k: 5}
    values["fire"] = lambda k: int((k - 2) % 16 >= 5)
    for k in range(reads):
        lines += [f"#{10 * k + 5}", "1!"]
        for name in names:
            bits = f"{values[name](k):b}"
            lines.append(f"{bits}{ids[name]}" if widths[name] == 1 else f"b{bits} {ids[name]}")
        lines += [f"#{10 * k + 10}", "0!"]
    return "\n".join(lines) + "\n"


def test_vcd_is_read_by_cycle(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd())
    waveform = read_vcd(path, 1, 2)
    tracks = {t.source.label: t for t in waveform.tracks}
    assert list(tracks) == [s.label for s in SOURCES]
    assert tracks["row"].values == tuple(range(13))
    assert tracks["q = XNOR(w, x)"].values[1:] == tuple(range(12))
    assert tracks["x (inputs)"].width == 8


def test_one_read_shows_a_neuron_that_fires_and_its_neighbour_that_does_not(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd())
    read = one_read(read_vcd(path, 1, 2), cycles=6)
    # Row 5 is the first whose count reaches the threshold of 5.
    assert (read.value("row"), read.value("popcount"), read.value("sum p"), read.value("fire = p ≥ T")) == (5, 5, 5, 1)
    assert read.value("q = XNOR(w, x)") == 5
    shown = texts(waveform_svg(read, "Reads"))
    assert {"clk", "row", "popcount", "threshold T", "t", "t+1", "t-2"} <= set(shown)


def test_signals_that_are_not_in_the_file_are_left_out(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd(hide=("threshold", "fire", "x")))
    read = one_read(read_vcd(path, 1, 2), cycles=6)
    assert read.value("fire = p ≥ T") is None
    assert "threshold T" not in texts(waveform_svg(read, "Reads"))


def test_waveform_of_another_layer(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd())
    with pytest.raises(InputError, match=r"waves\.vcd: must show the macros of layer 0, and does not$"):
        read_vcd(path, 0, 2)


def test_waveform_that_is_too_short(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd(reads=5))
    with pytest.raises(InputError, match=r"^the waveform of layer 1 must show 9 reads in a row, and does not$"):
        one_read(read_vcd(path, 1, 2))


def test_unknown_values_are_drawn_as_x(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd())
    read = one_read(read_vcd(path, 1, 2), cycles=6)
    tracks = tuple(t if t.source.label != "popcount" else type(t)(t.source, 4, (None,) * 6) for t in read.tracks)
    assert "X" in texts(waveform_svg(Waveform(1, tracks, 2, 2), "Reads"))


def test_image_png_is_a_png():
    assert image_png(np.zeros((28, 28), np.uint8)).startswith(b"\x89PNG")


def test_score_bars_mark_the_chosen_and_the_right_class():
    scores = np.array([3, 9, 5])
    assert "green" in colours(score_bars(scores, 1, 1))
    assert "orange" in colours(score_bars(scores, 1, 2))
    assert "orange" in colours(score_bars(np.array([4, 4]), 0, 1))


def test_page_loads_nothing_and_escapes_texts():
    text = page("a <b>", [table(("x",), [("<script>",)])])
    assert "<title>a &lt;b&gt;</title>" in text
    assert "&lt;script&gt;" in text
    assert "http" not in text


def test_facts_are_flat():
    params = {"lr": 0.1, "teacher": {"epochs": 3}}
    card = {"test_accuracy": 0.9312, "hidden": [64, 64], "training": {"seed": 1, "note": None, "params": params}}
    assert facts(card) == [
        ("test accuracy", "93.12 %"),
        ("hidden", "64-64"),
        ("training: seed", "1"),
        ("training: note", "none"),
        ("training: params", "lr 0.1, teacher (epochs 3)"),
    ]


def test_reading_waves_leaves_broken_pipes_alone(tmp_path):
    """The library that reads VCD would let any broken pipe kill the process from its import on."""
    code = "import signal; from oxnor.sim import waveform; waveform._vcd_reader(); print(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
