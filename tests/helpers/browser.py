"""Headless Chromium by the WebDriver protocol (W3C), for tests of pages: no package is needed."""

import base64
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
KEYS = {
    "Enter": "\ue007",
    "Tab": "\ue004",
    "Escape": "\ue00c",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Shift": "\ue008",
    "Home": "\ue011",
    "End": "\ue010",
}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
#: Chromium asks no host of its own makers, and resolves no name but that of this machine.
ALONE = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class Browser:
    """One session of a driver."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/session"
        options = {
            "binary": CHROMIUM,
            "args": ALONE,
            "perfLoggingPrefs": {"enableNetwork": True, "enablePage": False},
        }
        logs = {"browser": "ALL", "performance": "ALL"}
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logs}}
        self.base += "/" + self.call("", {"capabilities": capabilities})["sessionId"]
        self.call("/timeouts", {"script": 110_000})

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:2000]) from error

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.call("/goog/cdp/execute", {"cmd": name, "params": parameters})

    def media(self, theme="light", kind=""):
        """The colours that the system prefers, and ``kind="print"``."""
        self.command(
            "Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": theme}]
        )

    def open(self, address, width=1280, height=900, theme="light"):
        self.media(theme)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("/url", {"url": "about:blank"})
        self.call("/url", {"url": address})

    def run(self, script, *args):
        return self.call("/execute/sync", {"script": script, "args": list(args)})

    def run_async(self, script, *args):
        """What the script gives to the function that is its last argument."""
        return self.call("/execute/async", {"script": script, "args": list(args)})

    def find(self, selector):
        return self.call("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call(f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.call(f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """Press keys, by name or letter, wherever the focus is: ``press("Shift+Tab", "o")``."""
        actions = []
        for each in keys:
            parts = [KEYS.get(part, part) for part in (each.split("+") if len(each) > 1 else [each])]
            actions += [{"type": "keyDown", "value": part} for part in parts]
            actions += [{"type": "keyUp", "value": part} for part in reversed(parts)]
        self.call("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def picture(self):
        """What is shown, as a PNG file."""
        return base64.b64decode(self.call("/screenshot"))

    def errors(self):
        """The errors on the console since the last call."""
        return [entry["message"] for entry in self.call("/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def requests(self):
        """The addresses that were asked for since the last call, about:blank apart."""
        entries = [json.loads(entry["message"])["message"] for entry in self.call("/se/log", {"type": "performance"})]
        sent = [each["params"]["request"]["url"] for each in entries if each["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if url != "about:blank"]


def started(port, tries=3):
    """A session; on a machine that is busy, a browser may not start in the minute that its driver waits."""
    try:
        return Browser(port)
    except RuntimeError as error:
        if tries == 1 or "session not created" not in str(error):
            raise
        return started(port, tries - 1)


@contextmanager
def browser():
    """A browser without a network to use; it ends with the block."""
    process = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                break
        session = started(found[1])
        try:
            yield session
        finally:
            urllib.request.urlopen(urllib.request.Request(session.base, method="DELETE"), timeout=60).close()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
