"""The page in which an engine runs, in a real browser: what it answers, and what a reader does there."""

import json

import numpy as np
import pytest
from helpers.browser import Browser

from oxnor.hw.params.schedule import schedule
from oxnor.models import golden, zoo
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden.registry import type_of
from oxnor.sim.playground.playground import write_page
from oxnor.sim.verify.flows import flow_of
from oxnor.sim.verify.inputs import inputs_for

READY = "document.body && document.body.dataset.ready === '1'"


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
    """Return a function that opens the page of a network and waits for its first answer."""

    def at(name="mnist-tfc", fragment="", size=(1320, 950), **look):
        browser.events.clear()
        browser.size(*size, **look)
        browser.open(page_of(name), fragment)
        browser.wait(READY)
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
