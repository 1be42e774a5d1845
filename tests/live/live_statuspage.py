"""
The status page in a browser: on a phone and on a desk, light and dark, by keyboard.
"""

from __future__ import annotations

import contextlib
import poplib
import time

from .browser import Browser
from .harness import LOOPBACK, USER
from .pages import SECONDS, PagesCase
from .programs import findProgram

_SIZES = ((390, 844), (1280, 900))

# Each text that is seen, with its contrast to the ground behind it.
_CONTRASTS = """
(() => {
  const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = numbers(colour).slice(0, 3).map(part => {
      part /= 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest('svg, style')) continue;
    const [one, other] = [getComputedStyle(element).color, ground(element)].map(luminance);
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push([texts.currentNode.data, contrast]);
  }
  return found;
})()
"""
_FOCUSED = """
(() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    name: element.getAttribute('href') || element.getAttribute('aria-labelledby'),
    outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight,
  };
})()
"""


class StatusPageTests(PagesCase):
    def setUp(self) -> None:
        super().setUp()
        findProgram("chromium")
        service = self.servePages()
        for _ in range(10):
            client = self.session(service)
            client.retr(1)
            client.quit()
        clients = [self.session(service), poplib.POP3(LOOPBACK, service.port(), SECONDS)]
        for client in clients:
            self.addCleanup(client.close)
        with contextlib.suppress(poplib.error_proto):
            clients[1].user("<script>alert(1)</script>")
            clients[1].pass_("wrong")
        browser = Browser(self.directory / "profile")
        self.addCleanup(browser.__exit__)
        self.browser = browser
        self.url = f"http://localhost:{self.web}/"

    def test_looks(self) -> None:
        """
        On a phone and on a desk, light and dark: not blank, as broad as the screen, each
        text readable, and the browser has nothing to complain about.
        """
        shots = {}
        for width, height in _SIZES:
            for scheme in ("light", "dark"):
                self.browser.look(width, height, scheme)
                self.browser.go(self.url)
                path = self.directory / f"{scheme}-{width}.png"
                shots[width, scheme] = pixels = self.browser.screenshot(path)
                self.assertLess(pixels.count(0), 0.99 * len(pixels), path)
                self.assertGreater(len(set(pixels)), 100, path)
                broad = self.browser.evaluate("document.documentElement.scrollWidth")
                self.assertLessEqual(broad, width)
                contrasts = self.browser.evaluate(_CONTRASTS)
                self.assertGreater(len(contrasts), 80)
                self.assertEqual([each for each in contrasts if each[1] < 4.5], [])
        self.assertEqual(len(set(shots.values())), 4)
        self.assertEqual(self.browser.complaints, [])
        self.assertEqual({*self.browser.requested} - {self.url, "data:,"}, set())

    def test_keyboard(self) -> None:
        """Each stop is seen when it has the focus; the first goes to the content."""
        self.browser.look(1280, 900, "light")
        self.browser.go(self.url)
        stops = []
        for _ in range(10):
            self.browser.press("Tab")
            stops.append(self.browser.evaluate(_FOCUSED))
        self.assertEqual([each for each in stops if not (each["outline"] and each["seen"])], [])
        names = [each["name"] for each in stops]
        self.assertEqual(names[:3], ["#main", "?refresh=10", "?refresh=60"])
        self.assertIn("sessions-caption", names)
        self.assertEqual(names[-2:], ["metrics", "healthz"])
        self.browser.go(self.url)
        self.browser.press("Tab")
        self.browser.press("Enter")
        self.assertEqual(self.browser.evaluate("location.hash"), "#main")
        self.browser.press("Tab")
        self.assertEqual(self.browser.evaluate(_FOCUSED)["name"], "sessions-caption")

    def test_names(self) -> None:
        """What a client calls itself is a text."""
        self.browser.look(1280, 900, "light")
        self.browser.go(self.url)
        text = self.browser.evaluate("document.body.innerText")
        self.assertIn("<script>alert(1)</script>", text)
        self.assertEqual(self.browser.evaluate("document.scripts.length"), 0)
        self.assertIn(f"{USER}\t127.0.0.1\tlogged in", text)

    def test_refresh(self) -> None:
        """It loads itself again, without a script, if that is asked for."""
        self.browser.look(1280, 900, "light")
        self.browser.go(self.url + "?refresh=2")
        first = self.browser.evaluate("performance.timeOrigin")
        giveUp = time.monotonic() + SECONDS
        while self.browser.evaluate("performance.timeOrigin") == first:
            self.assertLess(time.monotonic(), giveUp)
            time.sleep(0.2)
