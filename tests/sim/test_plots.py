"""Pictures: what is drawn, from which numbers, and that they are well-formed."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.pipeline import moments
from oxnor.hw.params.pixels import rows_kept
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.golden.feature_maps import feature_maps
from oxnor.models.networks.layers.window import Window
from oxnor.models.trials.curves import Curve
from oxnor.sim.drawing.diagram import engine_diagram
from oxnor.sim.drawing.feature_maps import feature_maps_plot
from oxnor.sim.drawing.html import facts, page, score_bars, table
from oxnor.sim.drawing.paths import subpaths
from oxnor.sim.drawing.plots import accuracy_plot, confusion_plot, image_png, layers_plot
from oxnor.sim.drawing.svg import PAPER, THEME_CSS, standalone
from oxnor.sim.drawing.waveform import SOURCES, Waveform, one_read, one_window, read_vcd, timing_diagram
from oxnor.sim.drawing.window_walk import window_picture


def texts(svg):
    """Return every text in a picture, after a check that it is well-formed."""
    return [e.text or "" for e in ET.fromstring(svg).iter() if e.tag.endswith("}text")]


def colours(svg):
    return set(re.findall(r"var\(--([a-z-]+)\)", svg))


@pytest.fixture
def curve():
    return Curve("net", {1e-3: [0.98, 0.98], 1e-2: [0.96, 0.98], 1e-1: [0.7, 0.8]}, 0.98, 1000)


def test_accuracy_plot_has_its_parts(curve):
    svg = accuracy_plot([curve], "Accuracy", points=[(0.0, 0.98), (1e-2, 0.97)], limit=0.01).svg()
    shown = " ".join(texts(svg))
    for text in ("bit error rate", "accuracy", "mean of 2 trials", "RTL in Verilator", "1 point lost", "95 % band, 2 trials"):
        assert text in shown
    assert {"ink", "line", "blue", "orange"} <= colours(svg)
    assert "10⁻³" in shown


def test_accuracy_plot_is_the_same_twice(curve):
    assert accuracy_plot([curve], "A").svg() == accuracy_plot([curve], "A").svg()


def test_accuracy_plot_without_points_has_no_markers(curve):
    assert "RTL in Verilator" not in " ".join(texts(accuracy_plot([curve], "A", points=[(0.0, 0.98)]).svg()))


def test_several_curves_have_names_and_colours_of_their_own(curve):
    other = Curve("other", {1e-2: [0.9], 1e-1: [0.5]}, 0.9, 1000)
    svg = accuracy_plot([curve, other], "A").svg()
    assert {"net", "other"} <= set(texts(svg))
    assert {"blue", "orange"} <= colours(svg)
    assert "purple" not in colours(svg)
    with pytest.raises(InputError, match=r"^a plot takes 1 to 5 curves, not 6$"):
        accuracy_plot([curve] * 6, "A")


def test_layers_and_confusions_are_labelled(curve):
    shown = texts(layers_plot({"layer 0": curve, "all layers": curve}, "L").svg())
    assert {"layer 0", "all layers"} <= set(shown)
    steep = Curve("steep", {1e-3: [0.5, 0.5]}, 0.98, 1000)
    assert any("below 0.001" in t for t in texts(layers_plot({"layer 0": steep}, "L").svg()))
    matrix = np.array([[9, 1], [0, 10]])
    shown = texts(confusion_plot({0.0: matrix, 0.01: matrix}, "C").svg())
    assert {"without errors", "error rate 0.01", "predicted class", "class", "90", "100"} <= set(shown)


def test_pictures_are_saved_by_the_end_of_the_name(curve, tmp_path):
    plot = accuracy_plot([curve], "A")
    plot.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    plot.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    with pytest.raises(InputError, match=r"a\.gif: a picture's name must end in \.svg, \.png or \.pdf$"):
        plot.save(tmp_path / "a.gif")


def test_colours_are_those_of_the_theme(curve, random_network):
    config = EngineConfig.for_network(random_network((37, 13, 5)))
    for svg in (accuracy_plot([curve] * 5, "A").svg(), engine_diagram(config, "E").svg()):
        assert colours(svg) <= set(re.findall(r"--([a-z-]+):", THEME_CSS))


def test_standalone_picture_has_size_and_theme(curve):
    svg = standalone(accuracy_plot([curve], "A").svg())
    root = ET.fromstring(svg)
    assert float(root.attrib["width"]) > 0
    assert float(root.attrib["height"]) > 0
    assert "prefers-color-scheme:dark" in svg


def test_standalone_picture_has_plain_colours(curve, random_network):
    """Outside browsers there are no CSS variables, and what has none is black."""
    config = EngineConfig.for_network(random_network((37, 13, 5)))
    for picture in (accuracy_plot([curve] * 5, "A").svg(), engine_diagram(config, "E").svg()):
        svg = standalone(picture)
        assert "var(" not in svg
        used = set(re.findall(r'(?:fill|stroke): ?([^;"]+)', svg.split("</style>", 1)[1])) - {"none"}
        assert used <= set(PAPER.values())
        assert len(used) > 3


@pytest.mark.parametrize("dataflow", ["parallel", "alternate"])
@pytest.mark.parametrize("target", ["sim", "ice40", "ecp5", "asic"])
@pytest.mark.parametrize("shape", [(784, 64, 64, 64, 10), (37, 13, 5), (8, 2)], ids=str)
def test_diagram_says_the_sizes_of_the_engine(random_network, shape, target, dataflow):
    config = EngineConfig.for_network(random_network(shape), target=target, dataflow=dataflow)
    shown = texts(engine_diagram(config, "Engine").svg())
    for k, layer in enumerate(config.layers):
        assert f"layer {k}: {layer.n_in:,} → {layer.n_out:,}" in shown
        assert any(t.endswith(f"of {layer.rows} × {layer.cols}") and t.startswith(f"{layer.macros:,} ") for t in shown)
        assert any(f"= {layer.reads:,} read" in t for t in shown)
        assert any(re.fullmatch(f"{layer.neurons:,} (score unit|integrate-and-fire neuron)s?", t) for t in shown)
    assert any(f"{config.stream_width} bits a beat" in t for t in shown)


CONVOLUTIONS = (
    (6, 8, 2),
    [Conv(9, pool=(2, 2), has_lowest=True, window={"pad": 0, "top": 1, "left": 1}), Conv(5, (2, 1))],
)


@pytest.mark.parametrize("target", ["sim", "asic"])
def test_diagram_says_what_convolutions_keep(target):
    config = EngineConfig.for_network(random_conv_network(*CONVOLUTIONS, dense=(9, 9, 9, 9)), target=target)
    picture = engine_diagram(config, "Engine")
    shown = texts(picture.svg())
    first = config.layers[0]
    assert f"4 rows of 8 pixels of {first.pixel_bits} bits" in shown
    assert "windows of 3 × 3 over 6 × 8: 35" in shown
    assert "pooling 2 × 2: OR and AND" in shown
    assert f"× 35 windows = {first.interval:,} an image" in shown
    assert f"{config.gathers(2)} pixels become a vector of {config.layers[2].n_in}" in shown
    for k, layer in enumerate(config.layers):
        assert f"layer {k}: {layer.n_in:,} → {layer.n_out:,}" in shown
    # Seven layers stand in two rows.
    assert picture.size[0] < 7 * 292
    wide = Conv(4, pool=(3, 3, 2, 2), window={"step_y": 2, "step_x": 1})
    shown = texts(engine_diagram(EngineConfig.for_network(random_conv_network((9, 7, 1), [wide])), "Engine").svg())
    assert {"5 rows of 7 pixels of 1 bit", "windows of 3 × 3 over 9 × 7, stride 2 × 1: 20", "pooling 3 × 3, stride 2: OR"} < {*shown}


def test_moments_are_those_of_every_window():
    """Each window is offered once, in raster order, when all its pixels have come and none has been overwritten."""
    for options in ({}, {"top": 1, "bottom": 1, "left": 1, "right": 1}, {"step_y": 2, "step_x": 3}, {"spread_y": 2}):
        w = Window(9, 8, 1, 3, 3, **options)
        for reads in (1, 9, 40):
            found = moments(w, reads)
            assert [(m.row, m.column) for m in found] == [*np.ndindex(w.out_height, w.out_width)]
            assert all(a.cycle < b.cycle for a, b in pairwise(found))
            for m in found:
                last_y = min(m.row * w.step_y - w.top + w.reach_y, w.height) - 1
                last_x = min(m.column * w.step_x - w.left + w.reach_x, w.width) - 1
                assert m.whole <= rows_kept(w)
                assert m.first + m.whole > last_y or (m.first + m.whole == last_y and m.come > last_x)


def test_window_picture_shows_what_is_kept():
    svg = window_picture(Window(6, 8, 1, 3, 3), 6, "Windows").svg()
    shown = texts(svg)
    assert [t for t in shown if t.startswith("window (")] == [f"window {k}" for k in
                                                              ("(0, 0)", "(0, 1)", "(0, 5)", "(1, 0)", "(1, 1)")]  # fmt: skip
    assert shown.count("ring of 4 rows") == 5
    assert "row 4" in shown  # has taken the place of row 0


def test_feature_maps_show_the_pixels_that_differ():
    network = random_conv_network(*CONVOLUTIONS)
    image = np.random.default_rng(1).integers(0, 256, 96, np.uint8)
    rates = (0.02, 0.3)
    errors = [FaultMap.draw(network, ber=rates[0]), ReadErrors.from_ber(rates[1])]
    maps = feature_maps(network, image, errors)
    clean = golden.layer_outputs(network, image[None])
    wrong = [golden.layer_outputs(errors[0].apply(network), image[None]),
             golden.layer_outputs(network, image[None], read_errors=errors[1])]  # fmt: skip
    assert [m.layer for m in maps] == [0, 1]
    for m in maps:
        assert np.array_equal(m.clean, np.moveaxis(clean[m.layer][0], -1, 0))
        assert m.shares == tuple(np.mean(w[m.layer] != clean[m.layer]) for w in wrong)
    shown = texts(feature_maps_plot(maps, rates, "Maps").svg())
    assert f"at 0.3: {100 * maps[0].shares[1]:.2g} % differ" in shown
    assert "layer 1: 5 channels of 1 × 3" in shown or f"layer 1: 5 channels of {maps[1].clean.shape[1]} × " in str(shown)


def test_diagram_escapes_its_title(random_network):
    svg = engine_diagram(EngineConfig.for_network(random_network((8, 2))), 'a "<b>"').svg()
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
    shown = texts(timing_diagram(read, "Reads").svg())
    assert {"clk", "row", "popcount", "threshold T", "t", "t+1", "t-2"} <= set(shown)


def test_signals_that_are_not_in_the_file_are_left_out(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd(hide=("threshold", "fire", "x")))
    read = one_read(read_vcd(path, 1, 2), cycles=6)
    assert read.value("fire = p ≥ T") is None
    assert "threshold T" not in texts(timing_diagram(read, "Reads").svg())


def test_waveform_of_another_layer(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(vcd())
    with pytest.raises(InputError, match=r"waves\.vcd: must show the macros of layer 0, and does not$"):
        read_vcd(path, 0, 2)
    with pytest.raises(InputError, match=r"waves\.vcd: must show the windows of layer 1, and does not$"):
        one_window(path, 1, 0)


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
    assert "X" in texts(timing_diagram(Waveform(1, tracks, 2, 2), "Reads").svg())


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
    card = {"test_accuracy": 0.9312, "hidden": [64, 64], "notes": ["one", "two"], "training": {"seed": 1, "note": None, "params": params}}
    assert facts(card) == [
        ("test accuracy", "93.12 %"),
        ("hidden", "64-64"),
        ("notes", "one; two"),
        ("training: seed", "1"),
        ("training: note", "none"),
        ("training: params", "lr 0.1, teacher (epochs 3)"),
    ]


def test_reading_waves_leaves_broken_pipes_alone(tmp_path):
    """The library that reads VCD would let any broken pipe kill the process from its import on."""
    code = "import signal; from oxnor.sim.drawing import waveform; waveform._vcd_reader(); print(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_pictures_as_pdf(curve, random_network, tmp_path):
    """Diagrams too, with no other tool; the same picture gives the same bytes."""
    diagram = engine_diagram(EngineConfig.for_network(random_network((37, 13, 5))), "E")
    for picture in (accuracy_plot([curve], "A"), diagram):
        assert picture.save(tmp_path / "a.pdf") == [tmp_path / "a.pdf"]
        assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
        assert picture.pdf() == picture.pdf()
        assert picture.png().startswith(b"\x89PNG")


def test_panels_in_files_of_their_own(tmp_path):
    matrix = np.array([[9, 1], [0, 10]])
    plot = confusion_plot({0.0: matrix, 0.01: matrix}, "C")
    names = [p.name for p in plot.save(tmp_path / "c.svg", panels=True)]
    assert names == ["c-0.svg", "c-0.01.svg"] == sorted((p.name for p in tmp_path.iterdir()), key=len)
    assert "error rate 0.01" in texts((tmp_path / "c-0.01.svg").read_text())
    assert confusion_plot({0.0: matrix}, "C").save(tmp_path / "one.svg", panels=True) == [tmp_path / "one.svg"]


def test_paths_of_diagrams():
    assert subpaths("M1 2H5V7h-2Z") == [([(1, 2), (5, 2), (5, 7), (3, 7)], True)]
    assert subpaths("M1 2l4 3l-8 6M0 0 3.5 -1L2 2v1.5") == [
        ([(1, 2), (5, 5), (-3, 11)], False), ([(0, 0), (3.5, -1), (2, 2), (2, 3.5)], False),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="must consist of M, L, H, V and Z, not C"):
        subpaths("M0 0C1 1 2 2 3 3")
