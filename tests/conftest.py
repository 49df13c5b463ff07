"""Fixtures that all levels of the suite share."""

import json
import os
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from oxnor.models.networks.binarized import Network

# One folder for the builds of all tests and workers, apart from the user's cache.
os.environ["OXNOR_BUILD"] = str(Path(__file__).parents[1] / "build" / "tests")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail what would be skipped for want of a tool, where the tools must be there (``.ci/run``)."""
    report = yield
    if report.skipped and os.environ.get("OXNOR_REQUIRE_TOOLS"):
        report.outcome, report.longrepr = "failed", f"skipped, but OXNOR_REQUIRE_TOOLS is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def random_network() -> Callable[..., Network]:
    """Return a maker of networks with thresholds around the middle, where both outputs are likely."""
    from oxnor.sim.harness import networks

    return networks.random_network


_PROBE = """<script>addEventListener('load',()=>{const all=[...document.querySelectorAll('svg,img')];
const small=all.filter(e=>{const r=e.getBoundingClientRect();return r.width<20||r.height<20});
const broken=[...document.images].filter(i=>!i.complete||!i.naturalWidth);
const asked=performance.getEntriesByType('resource').map(e=>e.name).filter(n=>!n.startsWith('data:'));
const wide=document.documentElement.scrollWidth-document.documentElement.clientWidth;
document.title=JSON.stringify({figures:document.querySelectorAll('figure').length,pictures:all.length,
small:small.length,broken:broken.length,asked,wide})})</script>"""


@pytest.fixture
def in_browser(tmp_path) -> Callable[..., dict]:
    """Return a function that opens a page in headless Chromium and counts its figures and pictures.

    It fails unless every picture is visible, none is broken, nothing is wider than the window and nothing was asked of
    a network.
    """
    browser = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
    if browser is None:
        pytest.skip("chromium is not installed: apt-get install chromium")

    def look(page) -> dict:
        probed = tmp_path / "probed.html"
        probed.write_text(page.read_text(encoding="utf-8").replace("</body>", _PROBE + "</body>"), encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        url = "file://" + urllib.parse.quote(str(probed))
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [browser, *flags, profile, "--window-size=1200,900", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        title = re.search(r"<title>(\{.*?\})</title>", done.stdout)
        assert title, done.stderr[-2000:]
        found = json.loads(title[1].replace("&quot;", '"'))
        wrong = {k: found[k] for k in ("small", "broken", "asked", "wide")}
        assert wrong == {"small": 0, "broken": 0, "asked": [], "wide": 0}
        return found

    return look
