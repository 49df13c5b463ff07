"""Fixtures that all levels of the suite share."""

import itertools
import os
from collections.abc import Callable

import numpy as np
import pytest

from oxnor.models.network import Network


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail what would be skipped for want of a tool, where the tools must be there (``.ci/run``)."""
    report = yield
    if report.skipped and os.environ.get("OXNOR_REQUIRE_TOOLS"):
        report.outcome, report.longrepr = "failed", f"skipped, but OXNOR_REQUIRE_TOOLS is set: {report.longrepr}"
    return report


@pytest.fixture
def random_network() -> Callable[..., Network]:
    """Return a maker of networks with thresholds around the middle, where both outputs are likely."""

    def make(shape: tuple[int, ...], seed: int = 0, *, affine: bool = False, name: str = "random") -> Network:
        g = np.random.default_rng([seed, *shape])
        weights = [g.random((n_out, n_in)) < 0.5 for n_in, n_out in itertools.pairwise(shape)]
        thresholds = [g.integers(max(0, w.shape[1] // 2 - 3), w.shape[1] // 2 + 2, len(w)) for w in weights[:-1]]
        extra = {}
        if affine:
            extra = {"scales": g.integers(-9, 10, shape[-1]), "offsets": g.integers(-99, 100, shape[-1])}
        return Network.from_arrays(weights, [*thresholds, None], name=name, **extra)

    return make
