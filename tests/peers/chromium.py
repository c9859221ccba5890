"""A headless Chromium, driven through a pipe with its DevTools protocol."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

from browser_checks import Failed

PATIENCE = 120  # seconds for one answer; never waited out


class Chromium:
    """One browser with one tab."""

    def __init__(self, work):
        program = os.environ.get("CHROMIUM") or shutil.which("chromium")
        # The browser reads commands from descriptor 3 and answers on 4.
        their_in, self.out = os.pipe()
        self.inp, their_out = os.pipe()
        for one in (their_in, their_out):
            os.set_inheritable(one, True)
        flags = [
            "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--no-default-browser-check", "--mute-audio",
            # A file may ask this machine, so that what is refused is refused by the page.
            "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
            "--font-render-hinting=none", f"--user-data-dir={work / 'profile'}",
        ]  # fmt: skip
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        self.log = open(work / "chromium.log", "wb")
        script = 'exec "$@" 3<&%d 4>&%d' % (their_in, their_out)
        self.process = subprocess.Popen(
            ["bash", "-c", script, "chromium", program, *flags, "about:blank"],
            pass_fds=(their_in, their_out), stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, env={**os.environ, "HOME": str(work)},
        )  # fmt: skip
        os.close(their_in)
        os.close(their_out)
        self.buffer, self.number, self.events, self.session = b"", 0, [], None
        tabs = self.call("Target.getTargets")["targetInfos"]
        tab = next(one for one in tabs if one["type"] == "page")
        found = self.call("Target.attachToTarget", targetId=tab["targetId"], flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (Failed, OSError):
            self.process.kill()
        self.process.wait()
        self.log.close()

    def call(self, method, **params):
        self.number += 1
        wanted = self.number
        message = {"id": wanted, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read(method)
            if answer.get("id") == wanted:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def read(self, what):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            if not select.select([self.inp], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed(f"Chromium does not answer {what}")
            more = os.read(self.inp, 1 << 20)
            if not more:
                raise Failed(f"Chromium ended at {what}: {open(self.log.name).read()[-2000:]}")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def await_event(self, method):
        while True:
            for index, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(index)["params"]
            self.events.append(self.read(method))

    def taken(self, *methods):
        """Events of these kinds since the last call; all others are forgotten."""
        found = [one for one in self.events if one.get("method") in methods]
        self.events = []
        return found

    def open(self, url):
        self.events = []
        self.call("Page.navigate", url=url)
        self.await_event("Page.loadEventFired")

    def js(self, expression):
        """The value of an expression, awaited if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise Failed(f"{expression[:200]}: {json.dumps(answer['exceptionDetails'])[:900]}")
        return answer["result"].get("value")

    def size(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip

    def media(self, scheme=None, kind=""):
        features = [{"name": "prefers-color-scheme", "value": scheme}] if scheme else []
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def key(self, key, code=None, text=None, number=0, modifiers=0):
        common = {
            "key": key, "code": code or key, "windowsVirtualKeyCode": number,
            "modifiers": modifiers,
        }  # fmt: skip
        down = {"type": "keyDown", "text": text, **common} if text else {"type": "rawKeyDown", **common}
        self.call("Input.dispatchKeyEvent", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def tab(self):
        self.key("Tab", number=9)

    def enter(self):
        self.key("Enter", text="\r", number=13)

    def type(self, text):
        for one in text:
            self.key(one, text=one)

    def picture(self, path, whole=False):
        params = {"format": "png", "optimizeForSpeed": False}
        if whole:
            box = self.call("Page.getLayoutMetrics")["cssContentSize"]
            params["captureBeyondViewport"] = True
            params["clip"] = {
                "x": 0, "y": 0, "width": box["width"], "height": min(box["height"], 6000),
                "scale": 1,
            }  # fmt: skip
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **params)["data"]))
