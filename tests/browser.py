"""Debian's Chromium without a window, spoken to over its own pipe: DevTools messages, each ended by a zero byte.

No driver and no package: two pipes and JSON are all that it needs (https://chromedevtools.github.io/devtools-protocol).
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PROGRAM = next((found for name in NAMES if (found := shutil.which(name))), None)
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which root may not have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
_PATIENCE = 30.0
# Between this process and the browser; a function to be run after a fork is no choice where JAX has made threads.
_WIRED = "import os, sys; a = sys.argv; os.dup2(int(a[1]), 3); os.dup2(int(a[2]), 4); os.execv(a[3], a[3:])"


class Page:
    """One page, and everything that it complained of."""

    def __init__(self, process, read, write):
        self._process, self._read, self._write = process, read, write
        self._rest, self._number, self._session = b"", 0, None
        self.complaints = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        """One command and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._hear(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def open(self, address, *, width=1280, height=900, dark=False, phone=False):
        """Go to an address, on a screen of this size."""
        self.screen(width=width, height=height, dark=dark, phone=phone)
        self.ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def screen(self, *, width, height, dark=False, phone=False):
        """The size and the preferred colours."""
        ratio = 2 if phone else 1
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script):
        """What a piece of JavaScript gives, promises awaited."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script):
        """Wait until it holds."""
        end = time.monotonic() + _PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never: {script}"
            time.sleep(0.02)

    def hover(self, selector, script):
        """The pointer into the middle of an element, again where the page was still being laid out, until it shows."""
        end = time.monotonic() + _PATIENCE
        self.run(f"document.querySelector('{selector}').scrollIntoView({{block: 'center'}})")
        while not self.run(script):
            assert time.monotonic() < end, f"never: {script}"
            box = self.run(f"JSON.stringify(document.querySelector('{selector}').getBoundingClientRect())")
            x, y, width, height = (json.loads(box)[name] for name in ("x", "y", "width", "height"))
            self.move(0, 0)
            self.move(x + width / 2, y + height / 2)
            time.sleep(0.05)

    def move(self, x, y):
        """The pointer to a place on the screen."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key):
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def picture(self, path, *, whole=False):
        """A screenshot as PNG."""
        import base64

        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self):
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser is silent"
            came = os.read(self._read, 1 << 20)
            assert came, "the browser is gone"
            self._rest += came
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _hear(self, message):
        name, told = message.get("method"), message.get("params", {})
        if name == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"].get("exception", {}).get("description") or str(told))
        elif name == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one)) for one in told["args"]))
        elif name == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif name == "Network.requestWillBeSent" and told["request"]["url"].startswith("http"):
            self.complaints.append(f"asked the network for {told['request']['url']}")


@contextlib.contextmanager
def page():
    """A page of a browser of its own, which ends with it."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Out of the way of the numbers 3 and 4, which the browser reads and writes.
        high = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (theirs_in, theirs_out)]
        process = subprocess.Popen(
            [sys.executable, "-c", _WIRED, *map(str, high), PROGRAM, *_FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=high,
            start_new_session=True,
        )
        for one in (theirs_in, theirs_out, *high):
            os.close(one)
        try:
            yield Page(process, ours_in, ours_out)
        finally:
            os.close(ours_out)
            os.close(ours_in)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
