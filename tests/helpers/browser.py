"""Debian's Chromium, driven over a pipe by its own protocol: real keys, pointers and window sizes, no packages."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.parse
from contextlib import contextmanager

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)
#: Seconds for anything: a loaded machine is slow.
LIMIT_S = 300


def find():
    """Return the program; skip the test if there is none."""
    browser = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
    if browser is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    return browser


class Browser:
    """One page in Chromium. Commands go to file descriptor 3 of the browser, answers come from its 4."""

    def __init__(self, profile):
        to_it, self._write = os.pipe()
        self._read, from_it = os.pipe()

        def arrange():
            # Above both first, so that neither is overwritten before it is copied.
            a, b = os.dup2(to_it, 100), os.dup2(from_it, 101)
            os.dup2(a, 3)
            os.dup2(b, 4)

        command = [find(), *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, preexec_fn=arrange, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_it)
        os.close(from_it)
        self._buffer, self._number, self._session, self.events = b"", 0, None, []
        target = next(t for t in self._call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self._call(f"{domain}.enable")

    def close(self):
        self._session = None
        self._call("Browser.close")
        self._process.wait(LIMIT_S)
        os.close(self._write)
        os.close(self._read)

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                part = os.read(self._read, 1 << 16)
                assert part, "chromium has ended"
                self._buffer += part
            raw, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(raw)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def run(self, code):
        """Return the value of an expression in the page, awaited."""
        found = self._call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"].get("exception", found)
        return found["result"].get("value")

    def wait(self, code):
        """Wait until an expression in the page is true."""
        end = time.monotonic() + LIMIT_S
        while not self.run(code):
            assert time.monotonic() < end, code
            time.sleep(0.02)

    def size(self, width, height, *, dark=False, phone=False):
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self._call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    @contextmanager
    def before(self, code):
        """Run a script before those of every page that is opened within."""
        script = self._call("Page.addScriptToEvaluateOnNewDocument", source=code)
        yield
        self._call("Page.removeScriptToEvaluateOnNewDocument", **script)

    def open(self, path, fragment=""):
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url="file://" + urllib.parse.quote(str(path)) + fragment)

    def key(self, key, text="", *, shift=False):
        for kind in ("keyDown", "keyUp"):
            down = {"text": text or key} if kind == "keyDown" and len(text or key) == 1 else {}
            code = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27, "Tab": 9}.get(key, 0)
            self._call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=8 * shift, **down)

    def place(self, selector, x=0.5, y=0.5):
        """Return a point of an element, in shares of its size, after it has been scrolled into sight."""
        where = f"document.querySelector({json.dumps(selector)})"
        box = self.run(
            f"({where}.scrollIntoView({{block: 'center', behavior: 'instant'}}), (r => [r.x, r.y, r.width, r.height])({where}.getBoundingClientRect()))"
        )
        return box[0] + x * box[2], box[1] + y * box[3]

    def mouse(self, kind, x, y):
        buttons = {"mousePressed": 1, "mouseMoved": 1, "mouseReleased": 0}[kind]
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

    def click(self, selector, x=0.5, y=0.5):
        at = self.place(selector, x, y)
        self.mouse("mousePressed", *at)
        self.mouse("mouseReleased", *at)

    def drag(self, selector, points):
        """Draw a line through points of an element, in shares of its size."""
        x, y = self.place(selector, 0, 0)
        width, height = self.run(f"(r => [r.width, r.height])(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")
        path = [(x + a * width, y + b * height) for a, b in points]
        self.mouse("mousePressed", *path[0])
        for point in path[1:]:
            self.mouse("mouseMoved", *point)
        self.mouse("mouseReleased", *path[-1])

    def picture(self, path, *, whole=True):
        if whole:
            height = self.run("document.documentElement.scrollHeight")
            width = self.run("document.documentElement.clientWidth")
            more = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}, "captureBeyondViewport": True}
        else:
            more = {}
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png", **more)["data"]))

    def asked(self):
        """Return what the page asked of a network or a disk, but for itself and what it holds."""
        urls = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [u for u in urls if not u.startswith(("data:", "about:", "blob:")) and not u.split("#")[0].endswith(".html")]
