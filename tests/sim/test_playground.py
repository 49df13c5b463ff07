"""The page in which an engine runs, in a real browser: what it answers, and what a reader does there."""

import json
import re
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.browser import Browser
from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.devices.codes import CODES
from oxnor.models.devices.error_rates import error_rates
from oxnor.models.devices.model import load as load_device
from oxnor.models.devices.states import Statistics
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.registry import type_of
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.technology.supply import shipped_curve
from oxnor.sim.demo import page as demo_page
from oxnor.sim.harness.networks import shortcut_network, with_conv_scores
from oxnor.sim.playground.data import PageData
from oxnor.sim.playground.module import Module
from oxnor.sim.playground.page import build_page
from oxnor.sim.playground.playground import write_page
from oxnor.sim.playground.shipping import NAMES
from oxnor.sim.playground.store import emit, shipped_index, sources_hash
from oxnor.sim.verify.flows import flow_of
from oxnor.sim.verify.inputs import inputs_for

READY = "document.body && document.body.dataset.ready === '1'"


#: What a page forgets as it is opened.
AS_OPENED = """(() => {
  document.activeElement.blur();
  playground.runs.points.length = 0;
  Object.assign(playground.state, {layer: 0, cursor: null});
  history.replaceState(null, '', 'FRAGMENT');
  dispatchEvent(new HashChangeEvent('hashchange'));
  document.querySelector('#progress').textContent = '';
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """Return a function that writes the page of a shipped network, once."""
    pages = {}

    def write(name):
        if name not in pages:
            pages[name] = write_page(zoo.load(name), tmp_path_factory.mktemp("pages") / f"{name}.html")
        return pages[name]

    return write


@pytest.fixture
def opened(browser, page_of):
    """Return a function that shows the page of a network in a state: opened with `fresh`, else where it is open already."""

    def at(name="mnist-tfc", fragment="", size=(1320, 950), fresh=False, **look):
        browser.size(*size, **look)
        if fresh or not browser.run(f"location.pathname === {json.dumps(str(page_of(name)))} && {READY}"):
            browser.events.clear()
            browser.open(page_of(name), fragment)
            browser.wait(READY)
        else:
            browser.run(AS_OPENED.replace("FRAGMENT", fragment or "#"))
        return browser

    return at


ANSWERS = """(() => {
  const {engine, imageFrame, drawnFlips} = playground;
  engine.setFlips(drawnFlips(RATE, "SEED", "TRIAL"));
  engine.feed(Array.from({length: COUNT}, (_, k) => imageFrame(k)), false);
  const began = performance.now();
  engine.code.advance(0xffffffff);
  const seconds = (performance.now() - began) / 1000;
  return JSON.stringify({seconds, results: Array.from({length: COUNT}, (_, k) => engine.result(k))});
})()"""


def answers(browser, count, rate=0, seed=0, trial=0):
    """Return what the engine of a page answers, and in how many seconds."""
    code = ANSWERS.replace("COUNT", str(count)).replace("RATE", str(rate)).replace("SEED", str(seed))
    found = json.loads(browser.run(code.replace("TRIAL", str(trial))))
    results = found["results"]
    return [np.array([r[key] for r in results]) for key in ("class", "scores", "cycles")] + [found["seconds"]]


@pytest.mark.parametrize("rate", [0, 0.01])
def test_answers_are_those_of_the_golden_model(opened, rate):
    browser, count = opened(), 200
    assert_same(browser, "mnist-tfc", count, rate)


def assert_same(browser, name, count, rate):
    """Classes, scores and cycles of the first images are those of the golden model and of the schedule."""
    network = zoo.load(name)
    bits = type_of(network).inputs(network, inputs_for(network).images[:count])
    faulty = FaultMap.draw(network, ber=rate, seed=3, trial=5).apply(network) if rate else network
    expected = golden.scores(faulty, bits)
    classes, scores, cycles, seconds = answers(browser, count, rate, 3, 5)
    assert np.array_equal(scores, expected)
    assert np.array_equal(classes, expected.argmax(axis=1))
    config = flow_of(network).config(network)
    assert cycles[-1] == schedule(config).cycles(count)
    return seconds


def text(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")


def choose(browser, selector, value, event="input"):
    """Set a control as its user does, with the event that the browser then fires."""
    where = f"document.querySelector({json.dumps(selector)})"
    browser.run(f"({where}.value = {value!r}, {where}.dispatchEvent(new Event('{event}', {{bubbles: true}})))")
    browser.run("new Promise(requestAnimationFrame)")


def test_faults_of_a_seed_and_trial_are_those_of_numpy(opened):
    """Few and many synapses, few and many errors: each way in which numpy draws."""
    browser, cases = opened(), []
    for size in (1, 10, 640, 50_176, 101_632):
        weights = np.zeros((1, size), bool)
        network = SimpleNamespace(layers=[SimpleNamespace(weights=weights)] * 3)
        for rate in (0, 1e-5, 1e-3, 3e-3, 1e-2, 0.06, 0.3, 0.5, 0.7, 1):
            for seed, layer, trial in ((0, 0, 0), ((1 << 62) + 12345, 2, (1 << 40) + 7)):
                wanted = FaultMap.draw(network, ber=rate, seed=seed, trial=trial, layer=layer).flips[layer]
                code = f"Array.from(playground.drawFlips({size}, {rate}, {seed}n, {layer}, {trial}n)).sort((a, b) => a - b)"
                cases.append((f"{code}.reduce((h, x) => (h * 31 + x) % 1000003, 7)", wanted))
    found = browser.run(f"[{', '.join(code for code, _ in cases)}]")
    for (code, wanted), got in zip(cases, found, strict=True):
        expected = 7
        for index in wanted.tolist():
            expected = (expected * 31 + index) % 1000003
        assert got == expected, code


def test_closed_forms_are_those_of_the_device_models(opened):
    browser = opened()
    device = load_device("calibrated-1e-4")
    for sigma, vdd in ((0.3, 1.8), (0.5, 1.8), (0.9, 1.05), (1.5, 0.9)):
        stats = device.at(0.0, 0.0)
        stats = Statistics(stats.lrs_mu, sigma, stats.hrs_mu, sigma)
        supply = shipped_curve(20.0)
        found = browser.run(f"playground.cellRates(playground.data.device, {sigma}, {vdd})")
        rates = error_rates(stats)
        assert found["1t1r"] == pytest.approx(rates.ber_1t1r, rel=1e-9)
        assert found["code"] == pytest.approx(rates.secded_8_4, rel=1e-9)
        if vdd in supply.vdd:
            both = float(np.hypot(supply.at(vdd, "stays"), supply.at(vdd, "turns")))
            assert found["2t2r"] == pytest.approx(error_rates(stats, both).ber_2t2r_offset, rel=1e-9)


def test_a_drawn_digit_is_answered(opened):
    browser = opened()
    browser.click("#clear")
    browser.drag("#pad", [(0.5, 0.15 + 0.05 * k) for k in range(15)])
    browser.run("new Promise(requestAnimationFrame)")
    assert text(browser, "#class") == "1"
    pixels = np.array(browser.run("Array.from(playground.state.pixels)"))
    network = zoo.load("mnist-tfc")
    assert 30 < np.count_nonzero(pixels) < 200
    scores = golden.scores(network, (pixels[None] > 0))
    assert browser.run("playground.state.clean.scores") == scores[0].tolist()
    state = browser.run("location.hash")
    assert "draw=" in state
    # Where the address is opened, the drawing is on the pad again, as it is taken.
    opened(fragment=state, fresh=True)
    assert browser.run("playground.state.clean.scores") == scores[0].tolist()
    light = "[...document.querySelector('#pad').getContext('2d').getImageData(100, 20, 80, 180).data].filter((v, i) => i % 4 === 0 && v > 128).length"
    assert browser.run(light) > 2000


def test_a_digit_is_drawn_with_keys(opened):
    """A 1: the pen goes up to row 6, is lowered, and comes down; each move is announced."""
    browser = opened()
    browser.run("document.querySelector('#pad').focus()")
    for _ in range(2):
        browser.key("ArrowUp", shift=True)
    assert browser.run("[playground.state.drawn, playground.state.image]") == [False, 0]
    assert text(browser, "#pen") == "Pen up, column 15, row 7 of 28"
    browser.key(" ")
    for _ in range(4):
        browser.key("ArrowDown", shift=True)
    assert text(browser, "#pen") == "Pen down, column 15, row 23 of 28"
    browser.key("Escape")
    browser.key("ArrowLeft")
    browser.wait("playground.state.answer && document.querySelector('#class').textContent === '1'")
    columns = browser.run("[...new Set([...playground.state.pixels.keys()].filter(i => playground.state.pixels[i]).map(i => i % 28))]")
    assert len(columns) <= 4
    assert browser.run("document.activeElement.id") == "pad"


def test_pictures_show_how_a_bit_is_kept(opened):
    """The devices of the chosen bit, for each way to keep it; a code with the check bits of the device models."""
    browser = opened(fragment="#image=3&rate=0.02&seed=0&trial=0")
    weights = zoo.load("mnist-tfc").layers[0].weights
    first = 5 * 784 + 200
    browser.run(f"(playground.state.cursor = {first + 2}, playground.state.rate = 0, playground.refresh())")
    states = "[...document.querySelectorAll('#pair text')].map(t => t.textContent).filter(t => ['LRS', 'HRS', 'reference'].includes(t))"
    names, held = np.array(["HRS", "LRS"]), weights.reshape(-1)[first : first + 4].astype(int)
    for cell, wanted in (
        ("2t2r", [names[held[2]], names[1 - held[2]]]),
        ("1t1r", [names[held[2]], "reference"]),
        ("code", names[CODES[0].encode(held[None])[0].astype(int)].tolist()),
    ):
        browser.click(f"input[value='{cell}']")
        assert browser.run(states) == wanted
    # Why it is wrong: what its cell does, at the rate of a spread; else the rate that was set, or the reader, whatever the cell.
    index = first + 2
    drawn = f"playground.state.seed = String(Array.from({{length: 99}}, (_, s) => s).find(s => playground.drawnFlips(playground.state.rate, s, 0)[0].has({index})))"
    for cell, why in (("2t2r", "amplifier decides the wrong way"), ("1t1r", "wrong side of the reference"), ("code", "for the decoder")):
        browser.run(f"(Object.assign(playground.state, {{cell: {cell!r}, linked: true, sigma: 1.5, rate: 0.1}}), playground.refresh(), {drawn}, playground.refresh())")
        assert why in text(browser, "#synapse")
        assert "read wrong:" in text(browser, "#pair")
        browser.run("(playground.state.linked = false, playground.refresh())")
        assert "it is drawn as wrong, at the rate that you set" in text(browser, "#synapse")
        browser.run(f"(playground.state.rate = 0, playground.state.extra = new Map([['0:{index}', true]]), playground.refresh())")
        assert ", but you flipped it: it reads" in text(browser, "#synapse")
        browser.run("playground.state.extra.clear()")
    browser.run(f"(playground.state.extra.set('0:{index}', true), playground.refresh())")
    assert f"Neuron 5, input 202: word line 5, column 202 of macro v0_h0. Its weight is {'+1' if held[2] else '−1'}, but" in text(browser, "#synapse")


def test_what_an_address_cannot_mean_is_named_and_left_out(opened):
    browser = opened(fragment="#image=2&trial=3")
    shown = "[...['image', 'seed', 'trial', 'cell'].map(name => playground.state[name]), playground.state.extra.size]"
    said = "!document.querySelector('#ignored').hidden && document.querySelector('#ignored').textContent"
    assert browser.run(said) is False
    for given, named in {
        "image=10000": "image=10000", "image=-1": "image=-1", "rate=2": "rate=2", "rate=": "rate=", "seed=1e3": "seed=1e3",
        "cell=3t": "cell=3t", "cell=toString": "cell=toString", "vdd=9": "vdd=9", "flip=9:1,0:50175,0:50176": "flip=9:1, flip=0:50176",
        "draw=%25%25": "draw=%%", "draw=AAAA": "draw=AAAA", "other=<b>": "other",
    }.items():  # fmt: skip
        browser.run(f"location.hash = '#trial=4&{given}'")
        browser.wait(f"({said} || '').endsWith({json.dumps(f': {named}.')})")
        assert browser.run(shown) == [0, "0", "4", "2t2r", int("50175" in given)]
        browser.run("location.hash = '#image=2&trial=3'")
        browser.wait("document.querySelector('#ignored').hidden && playground.state.image === 2")
    # It is told until the reader goes on.
    browser.run("location.hash = '#image=-1'")
    browser.wait("!document.querySelector('#ignored').hidden")
    browser.click("#next")
    assert browser.run(said) is False


def test_errors_follow_the_controls(opened):
    browser = opened(fragment="#image=3&rate=0.05&seed=1&trial=2")
    network = zoo.load("mnist-tfc")
    faults = FaultMap.draw(network, ber=0.05, seed=1, trial=2)
    bits = type_of(network).inputs(network, inputs_for(network).images[3:4])
    assert browser.run("playground.state.answer.scores") == golden.scores(faults.apply(network), bits)[0].tolist()
    assert text(browser, "#wrong") == f"{faults.count:,} of 59,008 wrong"
    assert "oxnor simulate mnist-tfc --images 4 --ber 0.05 --seed 1 --trial 2" in text(browser, "#command")
    choose(browser, "#rate", "0")
    assert text(browser, "#wrong") == "0 of 59,008 wrong"
    choose(browser, "#rate", "80")
    many = browser.run("playground.state.rate")
    assert many > 0.01
    browser.click("input[value='1t1r']")
    single = browser.run("playground.state.rate")
    assert "0.0102\u00a0% of the bits wrong at 1.8 V, 0.0127\u00a0% at 0.9 V. It does not act on the chosen cell" in text(browser, "#supply-note")
    browser.click("input[value='2t2r']")
    assert browser.run("playground.state.rate") < single / 10
    choose(browser, "#sigma", "1.2")
    assert browser.run("playground.state.rate") > 0.05
    browser.click("#mend")
    # A synapse, turned by hand: one wrong bit, which the address keeps.
    browser.click("#weights", 0.3008, 0.4)
    assert "Neuron 25, input 235" in text(browser, "#synapse")
    browser.click("#flip")
    assert text(browser, "#wrong") == "1 of 59,008 wrong"
    assert f"flip=0:{25 * 784 + 235}" in browser.run("location.hash")
    state = browser.run("location.hash")
    opened(fragment=state)
    assert text(browser, "#wrong") == "1 of 59,008 wrong"


def test_what_the_pair_buys(opened):
    """The three ways side by side, at one rounding, against what the network tolerates; the rates follow the spread or the reader."""
    browser = opened(fragment="#image=3")
    table = "[...document.querySelectorAll('#ways tr')].slice(1).map(row => [...row.children].map(cell => cell.textContent))"
    limits = {"2T2R": "×\u00a02.25", "1T1R + code": "×\u00a02.13", "1T1R": "×\u00a01.78"}

    def ways():
        return {row[0]: (row[1].replace("\u00a0", " "), row[3]) for row in browser.run(table)}

    assert ways() == {name: (rate, limits[name]) for name, rate in zip(limits, ("0.0102 % ✓", "0.0127 % ✓", "0.427 % ✓"), strict=True)}
    assert [text(browser, f"#rate-{cell}").replace("\u00a0", " ") for cell in ("2t2r", "1t1r")] == ["0.0102 % ✓", "0.427 % ✓"]
    assert "42 times less often than 1T1R (0.0102\u00a0% against 0.427\u00a0%): rates of an assumed device" in text(browser, "#assumed")
    assert "the network works with each. What the pair buys is room: 2T2R lets the spread grow to ×\u00a02.25, 1T1R only to ×\u00a01.78" in text(browser, "#buys")
    browser.click("#differ")
    assert ways() == {name: (rate, limits[name]) for name, rate in zip(limits, ("0.277 % ✓", "0.411 % ✓", "2.49 % ✗"), strict=True)}
    assert "Here 1T1R reads more than 1.1\u00a0% of the bits wrong, and the network loses accuracy; with 2T2R and 1T1R + code it works" in text(browser, "#buys")
    # A rate set by hand leaves the spread alone, and says so, until it is to follow again.
    browser.click("#mend")
    assert text(browser, "#sigma-out").endswith("not used")
    assert "the rates of the spread, not the 0 set by hand" in text(browser, "#verdicts")
    assert browser.run("document.querySelector('#again').disabled")
    assert browser.run("[document.querySelector('#by-hand').hidden, document.querySelector('[name=cell]').checked]") == [False, True]
    browser.click("#follow")
    assert [text(browser, "#rate-out"), browser.run("document.activeElement.id")] == ["0.277\u00a0%", "rate"]
    choose(browser, "#vdd", "0.9")
    choose(browser, "#sigma", "1.5")
    assert "Here all three read more than 1.1\u00a0% of the bits wrong" in text(browser, "#buys")
    # The pins stand on the curve of the stored sweep.
    on_curve = """[...document.querySelectorAll('#accuracy circle')].map(pin => {
      const line = document.querySelector('#accuracy polyline').points, [x, y] = [pin.cx.baseVal.value, pin.cy.baseVal.value];
      const k = [...line].findIndex(point => point.x >= x), [a, b] = [line[k - 1], line[k]];
      return Math.abs(a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x) - y) < 0.5;
    })"""
    assert browser.run(on_curve) == [True] * 3


def test_a_bit_is_chosen_where_the_map_is_enlarged(opened):
    browser = opened(fragment="#image=0&rate=0&seed=0&trial=0", size=(390, 800), phone=True)
    browser.click("#weights", 0.5, 0.5)
    chosen, columns = browser.run("[playground.state.cursor, document.querySelector('#loupe').clientWidth / 14]")
    assert abs(chosen - 32 * 784 - 392) <= 784 + 4  # a cell of the map is less than a pixel
    browser.click("#loupe", (columns // 2 + 2.5) / columns, 5.5 / 9)
    assert browser.run("playground.state.cursor") == chosen + 784 + 2
    browser.click("#flip")
    assert text(browser, "#wrong") == "1 of 59,008 wrong"


def test_clocks_show_the_reads(opened):
    """Every neuron of the first layer once: its popcount, its threshold, its decision."""
    browser = opened(fragment="#image=4&rate=0.02&seed=0&trial=0")
    network = zoo.load("mnist-tfc")
    faulty = FaultMap.draw(network, ber=0.02).apply(network)
    bits = type_of(network).inputs(network, inputs_for(network).images[4:5])[0]
    counts = np.count_nonzero(faulty.layers[0].weights == bits, axis=1)
    browser.click("#restart")
    rows = []
    for _ in range(70):
        browser.key("s")
        rows.append(browser.run("[...document.querySelectorAll('#wave tr')].map(row => row.lastChild.textContent)"))
    lines = {int(row[1]): k for k, row in enumerate(rows) if row[1]}
    assert len(lines) == 64
    # Until the first read has come so far, popcount, threshold and neuron are of no read.
    assert not any(cell for row in rows[: lines[0] + 2] for cell in row[2:4])
    assert not any(row[4] for row in rows[: lines[0] + 3])
    for neuron, k in lines.items():
        p, t, fires = (int(x) for x in (*rows[k + 2][2:4], rows[k + 3][4]))
        assert (p, t) == (counts[neuron], faulty.layers[0].thresholds[neuron])
        assert fires == (counts[neuron] >= faulty.layers[0].thresholds[neuron])
    assert "Its bits are with layer 1 now" in text(browser, "#now")
    # One read is followed from its word line to its decision: what the table marks is shown above it.
    browser.click("#restart")
    assert [text(browser, "#now"), text(browser, "#clock")] == ["The image comes in.", "clock 0 of 216"]
    for _ in range(4):
        browser.key("s")
    marked = browser.run("[...document.querySelectorAll('#wave .same')].map(cell => cell.textContent)")
    shown = browser.run("[...document.querySelectorAll('#read .value, #read .lamp')].map(e => e.textContent)")
    p, t = counts[0], faulty.layers[0].thresholds[0]
    assert marked == ["0", str(p), str(t), str(int(p >= t))]
    assert shown == ["0", f"p = {p}", str(int(p >= t))]
    browser.click("#finish")
    assert [text(browser, "#clock"), browser.run("document.querySelector('#step').disabled")] == ["clock 216 of 216", True]
    assert f"The answer: {text(browser, '#class')}, as its score" in text(browser, "#now")


def test_accuracy_grows_as_a_curve(opened):
    browser = opened(fragment="#image=0&rate=0&seed=0&trial=0")
    choose(browser, "#count", "100", "change")
    browser.click("#run")
    browser.wait("document.querySelector('#stop').hidden")
    network = zoo.load("mnist-tfc")
    inputs = inputs_for(network)
    right = np.mean(type_of(network).predict(network, inputs.images[:100]) == inputs.labels[:100])
    said = text(browser, "#progress")
    assert f"{100 * right:.2f} % right (± {100 * np.sqrt(right * (1 - right) / 100):.2f} percentage points)" in said
    assert "100 of them have the class of the reference model" in said
    points = "document.querySelectorAll('#accuracy path').length"
    assert browser.run(points) == 1
    # A point without errors stands for every draw; one with errors only for its own.
    choose(browser, "#rate", "80")
    browser.run("document.querySelector('#run').click()")
    browser.wait("document.querySelector('#stop').hidden")
    assert browser.run(points) == 2
    browser.click("#again")
    assert browser.run(points) == 1
    browser.run("document.querySelector('#weights').focus()")
    browser.key("ArrowRight")
    browser.key("Enter", "\r")
    assert browser.run(points) == 0
    assert text(browser, "#progress") == ""
    # Of this draw, and with the bits that were flipped: here all of the last layer, whose lowest score then wins.
    rate = browser.run(
        "(playground.state.extra = new Map(Array.from({length: 640}, (_, k) => [`3:${k}`, true])), playground.refresh(), playground.state.rate)"
    )
    browser.run("document.querySelector('#run').click()")
    browser.wait("document.querySelector('#stop').hidden")
    faulty = FaultMap.draw(network, ber=rate, trial=1).apply(network)
    scores = golden.scores(faulty, type_of(network).inputs(network, inputs.images[:100]))
    right = np.mean(scores.argmin(axis=1) == inputs.labels[:100])
    assert f" {100 * right:.2f} % right" in text(browser, "#progress")
    assert browser.run("document.querySelectorAll('#accuracy polyline').length") == 1


def test_a_run_of_images_is_not_disturbed(opened):
    """What is touched while images run waits; images that were stopped leave no point."""
    browser = opened(fragment="#image=0&rate=0&seed=0&trial=0")
    assert "about 1.1\u00a0% wrong bits: with 649 of 59,008 wrong, its accuracy falls by one point, from 93.6 to 92.6" in text(browser, "#stands")
    choose(browser, "#count", "100", "change")
    touched = """(document.querySelector('#run').click(), location.hash = '#image=5&rate=0.3',
      document.querySelector('#rate').value = 100, document.querySelector('#rate').dispatchEvent(new Event('input')),
      document.querySelector('.errors').inert)"""
    assert browser.run(touched)
    browser.wait("document.querySelector('#stop').hidden")
    assert "100 of them have the class of the reference model" in text(browser, "#progress")
    assert not browser.run("document.querySelector('.errors').inert")
    points = "document.querySelectorAll('#accuracy path').length"
    assert browser.run(points) == 1
    # While images run, the map shows the wrong bits of their rate.
    browser.run("""(globalThis.seen = [], new MutationObserver(() => seen.push(document.querySelector('#wrong').textContent))
      .observe(document.querySelector('#wrong'), {childList: true}), document.querySelector('#sweep').click())""")
    browser.wait("document.querySelector('#stop').hidden")
    network, rates = zoo.load("mnist-tfc"), (1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 5e-2, 0.1, 0.2)
    counts = [0, *(FaultMap.draw(network, ber=rate).count for rate in (*rates, 0.3))]
    assert browser.run("seen") == [f"{count:,} of 59,008 wrong" for count in counts]
    assert browser.run(points) == 10
    assert re.search(r"By these runs, one draw each, it tolerates about [0-9.]+\u00a0% wrong bits", text(browser, "#progress"))
    # Where no sweep comes with a network, runs at ten rates say what it tolerates.
    says = "(playground.data.sweep = null, playground.refresh(), document.querySelector('#stands').textContent)"
    browser.run("globalThis.sweep = playground.data.sweep")
    assert re.match(r"It tolerates about [0-9.]+\u00a0% wrong bits: .* \(the first 100 of 10,000 test images\)", browser.run(says))
    browser.run("playground.runs.points.length = 0")
    assert browser.run(says) == "No sweep comes with this network: run it below at 10 rates."
    browser.run("(playground.data.sweep = sweep, playground.refresh())")
    browser.run("document.querySelector('#run').click(); document.querySelector('#stop').click()")
    browser.wait("document.querySelector('#stop').hidden")
    assert browser.run(points) == 0


def test_pictures_of_a_view_have_its_size(opened):
    """The 144 inputs of the spiking network are a picture of 12 x 12, in which a drawing lands."""
    browser = opened("mnist-spirit")
    assert browser.run("playground.data.image") == [12, 12, 1]
    browser.click("#clear")
    browser.wait("document.querySelector('#said').textContent.startsWith('nothing is drawn')")  # in the next frame
    assert browser.run("document.querySelector('#scores').hidden")
    browser.drag("#pad", [(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)])
    browser.wait("playground.state.answer.class === 1")
    assert browser.run("playground.state.pixels.length") == 144


def test_keys_do_what_the_pointer_does(opened):
    browser = opened(fragment="#image=0&rate=0.01&seed=0&trial=0")
    browser.key("ArrowRight")
    assert browser.run("playground.state.image") == 1
    browser.key("r")
    assert browser.run("playground.state.trial") == "1"
    browser.key("0")
    assert browser.run("playground.state.rate") == 0
    browser.run("document.querySelector('#weights').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        browser.key(key, "\r" if key == "Enter" else "")
    assert browser.run("[...playground.state.extra.keys()]") == ["0:786"]
    unnamed = browser.run(
        "[...document.querySelectorAll('button, input, select, canvas:not([aria-hidden]), [role=img]')].filter(e => e.offsetParent && !(e.labels?.length"
        " || e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML.slice(0, 90))"
    )
    assert unnamed == []


#: Texts whose contrast is below that of WCAG 2, level AA; pictures have their own texts.
TOO_PALE = """(() => {
  for (const e of document.querySelectorAll('details')) e.open = true;
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const back = (e) => { while (e && (numbers(getComputedStyle(e).backgroundColor)[3] ?? 1) === 0) e = e.parentElement; return light(getComputedStyle(e ?? document.body).backgroundColor); };
  return [...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && e.offsetParent && !e.disabled && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).filter(e => {
    const style = getComputedStyle(e), [a, b] = [light(style.color), back(e)].sort((x, y) => y - x), size = parseFloat(style.fontSize);
    return (a + 0.05) / (b + 0.05) < (size >= 24 || size >= 18.7 && style.fontWeight >= 700 ? 3 : 4.5);
  }).map(e => e.outerHTML.slice(0, 90));
})()"""


@pytest.mark.parametrize("name", ["mnist-tfc", "mnist-cnn-small", "mnist-spirit"])
@pytest.mark.parametrize(("width", "look"), [(360, {"phone": True}), (1320, {"dark": True})], ids=["phone", "dark"])
def test_nothing_is_wider_than_the_window_or_asked_of_a_network(opened, name, width, look):
    browser = opened(name, size=(width, 800), fresh=True, **look)
    assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert browser.asked() == []
    assert [e for e in browser.events if e["method"] == "Runtime.exceptionThrown"] == []
    assert browser.run(TOO_PALE) == []
    back = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (int(back.removeprefix("rgb(").split(",")[0]) < 60) == ("dark" in look)


def test_sizes_of_pages(page_of):
    for name in ("mnist-tfc", "mnist-cnn-small", "mnist-spirit"):
        assert page_of(name).stat().st_size <= 1e6


def test_convolutions_and_spikes_answer_as_the_golden_model(opened):
    assert_same(opened("mnist-cnn-small"), "mnist-cnn-small", 3, 0.01)
    browser, network = opened("mnist-spirit"), zoo.load("mnist-spirit")
    faulty = FaultMap.draw(network, ber=0.01, seed=3, trial=5).apply(network)
    expected = spiking_golden.respond(faulty, inputs_for(network).images[:5])
    classes, counts, _, _ = answers(browser, 5, 0.01, 3, 5)
    assert np.array_equal(classes, expected.winners)
    assert np.array_equal(counts, expected.counts)
    opened("mnist-spirit", "#image=3&rate=0.01&seed=3&trial=5")
    assert browser.run("playground.state.answer.scores") == expected.counts[3].tolist()
    assert browser.run("document.querySelectorAll('#bits rect').length") > 5
    # Step by step: each event adds the weight of its word line to the membrane, and a spike takes theta off.
    rows = []
    for _ in range(8):
        browser.key("s")
        rows.append(browser.run("[...document.querySelectorAll('#wave tr')].map(row => row.lastChild.textContent)"))
    before = rows[0]
    assert len({row[0] for row in rows}) == len(rows)
    theta = network.layers[0].neuron.theta
    for row in rows[1:]:
        w, v, old = (int(text.replace("−", "-")) for text in (*row[1:3], before[2]))
        assert v in (old + w, old + w - theta, old + w + theta)
        assert (row[3] == "1") == (v != old + w)
        before = row
    assert text(browser, "#now").endswith("every neuron adds its weight to its membrane.")
    browser.click("#finish")
    assert re.search(r"The answer: \d, as \d+ spikes, counted with their signs", text(browser, "#now"))


def test_a_page_that_cannot_run_says_why(tmp_path, browser, page_of):
    """A browser that lacks what the engine needs sees still pictures; a file that was cut off is told from that."""
    whole = page_of("mnist-tfc").read_text()
    at = whole.index('id="blobs"') + 100_000
    (tmp_path / "changed.html").write_text(whole[:at] + "....." + whole[at + 5 :])
    (tmp_path / "short.html").write_text(whole[:at] + whole[whole.index("</script>", at) :])
    browser.size(1200, 900)
    for name in ("changed", "short"):
        browser.open(tmp_path / f"{name}.html")
        browser.wait("document.querySelector('#notice') && !document.querySelector('#notice').hidden")
        assert "This file is damaged or cut off" in text(browser, "#notice")
    for missing in ("WebAssembly", "DecompressionStream"):
        name, pictures = {"WebAssembly": ("mnist-tfc", 2), "DecompressionStream": ("mnist-spirit", 1)}[missing]
        with browser.before(f"delete globalThis.{missing}"):
            browser.open(page_of(name))
            browser.wait("document.querySelector('#notice') && !document.querySelector('#notice').hidden")
        assert "This browser has no WebAssembly" in text(browser, "#notice")
        assert browser.run("document.querySelector('#main').checkVisibility()") is False
        assert browser.run("[...document.querySelectorAll('#stills svg')].filter(svg => svg.clientHeight > 100).length") == pictures
    # Before the script has run, the page says that it loads, and takes nothing.
    (tmp_path / "early.html").write_text(re.sub(r"<script>.*</script>", "", whole, flags=re.S))
    browser.open(tmp_path / "early.html")
    browser.wait("document.querySelector('#said') !== null")
    assert text(browser, "#said") == "Loading the engine…"
    assert browser.run("document.querySelector('#main').inert")


def test_what_does_not_fit_a_page_is_refused(random_network, tmp_path, monkeypatch):
    small, spiking = random_network((9, 7, 2)), zoo.load("mnist-spirit")
    first = DenseLayer(np.zeros((7, 9), bool), np.zeros(7, int), planes=8, presentations=3)
    random_bits = Network("random-bits", (first, small.layers[1]), InputRule.planes())
    events = replace(spiking, encoder=replace(spiking.encoder, kind="external"))
    unfit = "layer 0: a page shows macros of kind"
    large = SimpleNamespace(name="large", layers=[SimpleNamespace(weights=np.zeros(shape, bool)) for shape in ((2700, 3000), (5, 2700))])
    for network, options, sentence in (
        (large, {}, "network 'large': a page holds up to 8,000,000 synapses, and it has 8,113,500: simulate it"),
        (events, {}, "must take images for a page, not events"),
        (random_bits, {}, "layer 0: a page shows no layers of random bits"),
        (shortcut_network(), {}, "layer 0: a page shows no convolution with a shortcut around it"),
        (with_conv_scores(random_conv_network((4, 4, 1), (Conv(2),), dense=())), {}, "layer 1: a page shows no convolution that gives scores"),
        (small, {"dataflow": "serial"}, "layer 0: a page shows input-parallel layers, not input-serial ones"),
        (small, {"converter_bits": 4}, unfit),
    ):
        config = EngineConfig.for_network(network, **options) if options else None
        with pytest.raises(InputError, match=re.escape(sentence)):
            write_page(network, tmp_path / "page.html", config)
    monkeypatch.setattr("oxnor.sim.playground.page.PAGE_BYTES", 100_000)
    data = PageData({"name": "full", "images": {"source": ""}}, {"images": np.random.default_rng(0).bytes(400_000)})
    with pytest.raises(InputError, match=r"network 'full': its page would take 0\.7 MB, more than 0 MB"):
        build_page(data, Module(b"", {}), None)
    for tool, sentence in (("packaged_tool", "zig is not installed"), ("find_yosys", "Yosys is not installed")):
        monkeypatch.setattr(f"oxnor.sim.playground.module.{tool}", lambda *_: None)
        with pytest.raises(InputError, match=rf"{sentence}, which .*: pip install"):
            write_page(small, tmp_path / "page.html", build_dir=tmp_path / "build")
    assert list(tmp_path.glob("*.html")) == []


@pytest.mark.slow
def test_own_network_is_compiled_once(random_network, tmp_path, opened, browser):
    """A network of odd sizes, with scales and offsets, through Yosys and zig."""
    network = random_network((37, 13, 5), name="toy", affine=True)
    began = time.monotonic()
    written = write_page(network, tmp_path / "toy.html", build_dir=tmp_path / "build")
    first, began = time.monotonic() - began, time.monotonic()
    write_page(network, tmp_path / "again.html", build_dir=tmp_path / "build")
    assert time.monotonic() - began < first / 3
    browser.open(written)
    browser.wait(READY)
    bits = inputs_for(network).images[:20]
    assert np.array_equal(answers(browser, 20)[1], golden.scores(network, bits))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_shipped_engines_are_those_of_the_verilog_now(name, tmp_path):
    """A change of the Verilog, or of the C++ around it, makes them stale: `make playground` compiles them again."""
    config = flow_of(zoo.load(name)).config(zoo.load(name))
    assert shipped_index()["modules"][config.digest]["sources"] == sources_hash(emit(config, build_root()))


@pytest.mark.parametrize("name", ["mnist-tfc", "mnist-cnn-small"])
def test_the_demonstration_links_each_image_to_the_engine(opened, name):
    """The page of the engine opens at the image with the wrong weights of its run, and answers as the run did."""
    network = zoo.load(name)
    inputs = inputs_for(network)
    inputs = replace(inputs, images=inputs.images[:200], labels=inputs.labels[:200])
    bits, config = type_of(network).inputs(network, inputs.images), flow_of(network).config(network)
    runs = []
    for ber in (0.0, 0.1):
        scores = golden.scores(FaultMap.draw(network, ber=ber).apply(network) if ber else network, bits)
        runs.append(SimpleNamespace(ber=ber, seed=0, trial=0, scores=scores, classes=scores.argmax(axis=1), bit_errors=0))
    text = demo_page._digits(SimpleNamespace(runs=runs, inputs=inputs, network=network, config=config), "playground.html")
    links = re.findall(r'href="playground.html(#[^"]*)"', text)
    assert len(links) > 12
    lost = np.flatnonzero((runs[0].classes == inputs.labels) & (runs[1].classes != inputs.labels))
    assert len(lost) > 6
    assert f"All {len(lost)}, by their number" in text
    assert [re.search("image=([0-9]+)", link)[1] for link in links[-len(lost) :]] == [str(k) for k in lost]
    image, rate = re.fullmatch("#image=([0-9]+)&amp;rate=([0-9.]+)&amp;seed=0&amp;trial=0", links[-1]).groups()
    assert rate == "0.1"
    browser = opened(name, links[-1].replace("&amp;", "&"))
    assert browser.run("playground.state.answer.scores") == runs[1].scores[int(image)].tolist()
