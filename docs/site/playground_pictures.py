"""Pictures of the engine in Chromium: ``python docs/site/playground_pictures.py docs/pictures`` (`make pictures`)."""

import sys
import tempfile
from pathlib import Path

from oxnor.models import zoo
from oxnor.sim.playground.playground import write_page

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from helpers.browser import Browser

#: Name, width, height, look, and what the page is asked to show.
PICTURES = (
    ("playground", 1280, 1670, {}, "#image=3&cell=1t1r&sigma=0.68"),
    ("playground-dark", 1280, 980, {"dark": True}, "#image=3&cell=1t1r&sigma=0.68"),
    ("playground-phone", 390, 1300, {"phone": True}, "#image=3&sigma=0.68"),
)


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    with tempfile.TemporaryDirectory() as work:
        page, browser = write_page(zoo.load("mnist-tfc"), Path(work) / "page.html"), Browser(Path(work) / "profile")
        try:
            for name, width, height, look, state in PICTURES:
                browser.size(width, height, **look)
                browser.open(page, state)
                browser.wait("document.body && document.body.dataset.ready === '1'")
                browser.run("new Promise((done) => setTimeout(done, 300))")
                browser.picture(folder / f"{name}.png", whole=False)
        finally:
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
