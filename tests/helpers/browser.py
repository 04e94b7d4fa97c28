"""Headless Chromium by the WebDriver protocol (W3C), for tests of pages: no package is needed."""

import json
import re
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
KEYS = {"Enter": "\ue007", "ArrowDown": "\ue015", "Escape": "\ue00c"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One session of a driver."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/session"
        options = {"binary": CHROMIUM, "args": ["--headless=new", "--no-sandbox", "--disable-gpu"]}
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self.base += "/" + self.call("", {"capabilities": capabilities})["sessionId"]

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, address, width, height=900):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})
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

    def errors(self):
        return [entry["message"] for entry in self.call("/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]


@contextmanager
def browser():
    """A browser without a network to use; it ends with the block."""
    process = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                break
        session = Browser(found[1])
        try:
            yield session
        finally:
            urllib.request.urlopen(urllib.request.Request(session.base, method="DELETE"), timeout=60).close()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
