"""
Headless Chromium, by its DevTools protocol over a pipe: pages as they look, what a
keyboard reaches, and what a browser complains about.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

from .harness import environment
from .programs import findProgram

_SECONDS = 40.0


class Browser:
    """
    One tab. A context manager that ends the browser.

    @ivar complaints: errors of the console, of scripts and of the network.
    @ivar requested: the URLs that were asked for.
    """

    def __init__(self, directory: Path) -> None:
        """@param directory: for its profile."""
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._number = 0
        self._unread = b""
        self._events: list[dict[str, Any]] = []
        toBrowser, self._to = os.pipe()
        self._from, fromBrowser = os.pipe()

        def place() -> None:
            """It reads commands from descriptor 3, and writes to 4."""
            ends = os.dup(toBrowser), os.dup(fromBrowser)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [
                *(findProgram("chromium"), "--headless", "--no-sandbox", "--disable-gpu"),
                *("--remote-debugging-pipe", f"--user-data-dir={directory}", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            preexec_fn=place,
            env=environment(directory),
        )
        os.close(toBrowser)
        os.close(fromBrowser)
        self._session: str | None = None
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Network", "Runtime"):
            self.do(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait(_SECONDS)
        os.close(self._to)
        os.close(self._from)

    def look(self, width: int, height: int, scheme: str) -> None:
        """@param scheme: C{light} or C{dark}."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.do("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        """Load a page, to its end."""
        self._events.clear()
        self.do("Page.navigate", url=url)
        while not any(each["method"] == "Page.loadEventFired" for each in self._events):
            self._hear()

    def evaluate(self, expression: str) -> Any:
        """@return: the value of an expression of JavaScript, which the page's policy allows us."""
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """@param key: such as C{Tab}."""
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.do(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
            )

    def screenshot(self, path: Path) -> bytes:
        """@return: the pixels, as PNG has them; also in a file, for people."""
        octets = base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(octets)
        return _pixels(octets)

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise AssertionError(f"{method}: {heard['error']}")
                result: dict[str, Any] = heard["result"]
                return result

    def _hear(self) -> dict[str, Any]:
        giveUp = time.monotonic() + _SECONDS
        while b"\0" not in self._unread:
            octets = os.read(self._from, 1 << 16)
            if not octets or time.monotonic() > giveUp:
                raise AssertionError("the browser has ended, or says nothing")
            self._unread += octets
        first, _, self._unread = self._unread.partition(b"\0")
        heard: dict[str, Any] = json.loads(first)
        if "method" in heard:
            self._events.append(heard)
            self._judge(heard["method"], heard["params"])
        return heard

    def _judge(self, method: str, about: dict[str, Any]) -> None:
        if method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(about["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif method == "Network.loadingFailed":
            self.complaints.append(f"{about['type']}: {about['errorText']}")
        elif method == "Network.requestWillBeSent":
            self.requested.append(about["request"]["url"])


def _pixels(octets: bytes) -> bytes:
    """Those of a PNG as differences from their neighbours: of a blank one nearly all 0."""
    data, at = b"", 8
    while at < len(octets):
        length, kind = int.from_bytes(octets[at : at + 4]), octets[at + 4 : at + 8]
        if kind == b"IDAT":
            data += octets[at + 8 : at + 8 + length]
        at += length + 12
    return zlib.decompress(data)
