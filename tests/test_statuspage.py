"""The status page: what it shows, that it is valid and safe, and that it can be read."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

from twisted.trial.unittest import TestCase

from pop3svc.monitoring.markup import Markup, join, tag
from pop3svc.monitoring.page import SESSIONS_MOST, octetsText, secondsText
from pop3svc.monitoring.pictures import minutesPicture
from pop3svc.monitoring.style import DARK, LIGHT, PICTURES, SHEET, TEXTS

from .monitored import Monitored


class Document(HTMLParser):
    """
    A strict reader: each element ends where it must.

    @ivar elements: names and attributes, in their order.
    @ivar texts: by the elements around them.
    """

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(octets.decode("utf-8"))
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), attrs
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, name: str) -> list[dict[str, str | None]]:
        """The attributes of each element of that name."""
        return [attributes for found, attributes in self.elements if found == name]

    def text(self) -> str:
        """All that is read, but for the sheet."""
        return " ".join(data for around, data in self.texts if around != "style")


class PageTests(TestCase):
    def setUp(self) -> None:
        self.web = Monitored()
        self.web.serveSomebody()

    def page(self, query: bytes = b"") -> Document:
        return Document(self.web.get(b"/" + query))

    def test_shown(self) -> None:
        text = self.page().text()
        for part in (
            "Well: logins and maildrops work.",
            "One connection.",
            "<i>&\"' 127.0.0.9",
            "127.0.0.9 1",
            "chain.pem 2027-01-30 12:00 15 good",
            "120 octets in 60 minutes; most in one minute: 120 octets, in this minute",
            "logging-in-per-network 10 1: 10% 0",
        ):
            self.assertIn(part, text)

    def test_certificates(self) -> None:
        """The clock of the page stands at 2027-01-15 08:00."""
        (pair,) = self.web.certificates.pairs
        for day, words in ((29, "14 good"), (28, "13 ends soon"), (14, "-1 has ended")):
            pair.expires = pair.expires.replace(day=day)
            self.assertIn(f"2027-01-{day} 12:00 {words}", self.page().text())

    def test_notWell(self) -> None:
        self.web.closed = ["tcp:110"]
        page = self.page()
        self.assertIn("Not well: nobody listens on tcp:110.", page.text())
        self.assertIn("alert", [each.get("role") for each in page.all("p")])
        self.assertIn(("title", "not well"), [(a, t[-8:]) for a, t in page.texts])

    def test_refresh(self) -> None:
        """Only if asked for, and within reason."""
        for query, content in (
            (b"", None),
            (b"?refresh=0", None),
            (b"?refresh=5", "5"),
            (b"?refresh=1", "2"),
            (b"?refresh=9999", "3600"),
            (b"?refresh=99999", None),
            (b"?refresh=-5", None),
            (b"?refresh=5%3Burl=http://evil", None),
            (b"?refresh=%d9%a5", None),
            (b"?other=5", None),
        ):
            found = [
                each["content"] for each in self.page(query).all("meta") if "http-equiv" in each
            ]
            self.assertEqual(found, [content] if content else [], query)

    def test_bounded(self) -> None:
        """However many are connected."""
        row: dict[str, Any] = {
            "id": "s",
            "user": "u",
            "network": "n",
            "doing": "d",
            "tls": "t",
            "listener": "l",
            "octets": 1,
            "loggedIn": True,
        }
        sessions = [{**row, "age": age} for age in range(SESSIONS_MOST + 50)]
        answer = {
            "pid": 1,
            "cpu": 1.0,
            "memory": 1,
            "count": 900,
            "loggedIn": 800,
            "sessions": sessions,
            "refused": {f"192.0.2.{n}": n for n in range(200)},
        }
        self.web.questions.learn("sessions", lambda argument: answer)
        page = self.page()
        self.assertEqual(sum(cell == ("td", "n") for cell in page.texts), SESSIONS_MOST)
        self.assertIn("900 connections; the 200 oldest are shown.", page.text())
        self.assertIn("192.0.2.199 199 192.0.2.198 198", page.text())
        self.assertNotIn("192.0.2.184", page.text())

    def test_nothingFromElsewhere(self) -> None:
        """No script, no frame, no image, no style but the one that the policy names."""
        page = self.page()
        names = Counter(name for name, _ in page.elements)
        forbidden = {"script", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
        self.assertEqual(set(names) & forbidden, set())
        self.assertEqual(names["style"], 1)
        for name, attributes in page.elements:
            self.assertEqual([each for each in attributes if each.startswith("on")], [], name)
            self.assertNotIn("style", attributes)
            self.assertNotIn("src", attributes)
        links = {each["href"] for each in page.all("a")}
        self.assertEqual(links, {"#main", "?refresh=10", "?refresh=60", "metrics", "healthz"})
        self.assertEqual([each["href"] for each in page.all("link")], ["data:,"])

    def test_escaped(self) -> None:
        """Whatever a client, or a path of the administrator's, has in it."""
        evil = "\"'><script>alert(1)</script><!--&lt;"
        (pair,) = self.web.certificates.pairs
        pair.certificate = self.web.mail.factory.name = evil
        self.web.closed = [evil]
        mail = self.web.connect("127.0.0.3")
        mail.dataReceived(b"USER " + evil.encode().replace(b" ", b"") + b"\r\nPASS x\r\n")
        self.web.clock.advance(1)
        octets = self.web.get(b"/")
        self.assertNotIn(b"<script", octets)
        self.assertGreaterEqual(Document(octets).text().count(evil), 4)

    def test_accessible(self) -> None:
        """What a screen reader and a keyboard need."""
        page = self.page()
        (html,) = page.all("html")
        self.assertEqual(html["lang"], "en")
        levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
        self.assertEqual(levels[0], 1)
        self.assertTrue(all(b - a <= 1 for a, b in pairwise(levels)))
        self.assertEqual(levels.count(1), 1)
        identities = [a["id"] for _, a in page.elements if "id" in a]
        self.assertEqual(len(identities), len(set(identities)))
        tables = len(page.all("table"))
        self.assertEqual(len(page.all("caption")), tables)
        self.assertEqual({each.get("scope") for each in page.all("th")}, {"row", "col"})
        regions = [a for a in page.all("div") if a.get("role") == "region"]
        self.assertEqual(len(regions), tables)
        for each in regions:
            self.assertEqual(each["tabindex"], "0")
            self.assertIn(each["aria-labelledby"], identities)
        for each in page.all("svg"):
            hidden = each.get("aria-hidden") == "true"
            named = (each.get("aria-labelledby") or "").split()
            self.assertTrue(hidden or (each["role"] == "img" and set(named) <= set(identities)))
            self.assertEqual(hidden, not named)
        first = page.all("a")[0]
        self.assertEqual((first["href"], first["class"]), ("#main", "skip"))
        self.assertIn("main", identities)
        self.assertIn(
            "width=device-width, initial-scale=1", [a.get("content") for a in page.all("meta")]
        )


class ContrastTests(TestCase):
    def test_bothSchemes(self) -> None:
        """WCAG 2.2: 4.5 to 1 for texts (1.4.3), 3 to 1 for pictures (1.4.11)."""
        for scheme in (LIGHT, DARK):
            for ground in (scheme["ground"], scheme["card"]):
                for name in TEXTS:
                    self.assertGreaterEqual(_contrast(scheme[name], ground), 4.5, name)
                for name in PICTURES:
                    self.assertGreaterEqual(_contrast(scheme[name], ground), 3, name)

    def test_formula(self) -> None:
        self.assertAlmostEqual(_contrast("#000000", "#ffffff"), 21, places=6)
        self.assertAlmostEqual(_contrast("#777777", "#ffffff"), 4.478, places=3)

    def test_onlyNamedColours(self) -> None:
        """No rule has another colour than those that are tested."""
        self.assertEqual(set(LIGHT), set(DARK))
        self.assertEqual(set(LIGHT), {*TEXTS, *PICTURES, "ground", "card"})
        self.assertEqual(
            Counter(re.findall(r"#[0-9a-fA-F]{3,8}", SHEET)),
            Counter([*LIGHT.values(), *DARK.values()]),
        )
        used = set(re.findall(r"var\(--(\w+)\)", SHEET))
        self.assertEqual(used, set(LIGHT))


class MarkupTests(TestCase):
    def test_escapes(self) -> None:
        self.assertEqual(
            tag("a", "<b>", tag("i", "&"), class_="x", href='"', hidden=True, open=False),
            '<a class="x" href="&quot;" hidden>&lt;b&gt;<i>&amp;</i></a>',
        )
        self.assertEqual(join("<", Markup("<br>")), "&lt;<br>")
        self.assertEqual(tag("meta", name="a"), '<meta name="a">')


class PictureTests(TestCase):
    def test_bars(self) -> None:
        """As high as their part of the highest; nothing is nothing, and little is seen."""
        picture = minutesPicture("x", "Things", [0, 1, 100, 50], str)
        heights = re.findall(r'height="([0-9.]+)" class="bar"', picture)
        self.assertEqual(heights, ["2.0", "100.0", "50.0"])
        self.assertIn("151 in 4 minutes; most in one minute: 100, 1 minute ago", picture)
        self.assertIn('viewBox="0 0 4 100"', picture)

    def test_none(self) -> None:
        picture = minutesPicture("x", "Things", [0, 0], str)
        self.assertNotIn('class="bar"', picture)
        self.assertIn("<figcaption>0 in 2 minutes</figcaption>", picture)


class WordsTests(TestCase):
    def test_octets(self) -> None:
        for octets, words in (
            (0, "0 octets"),
            (1023, "1023 octets"),
            (1024, "1.0 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 40, "3.0 TiB"),
        ):
            self.assertEqual(octetsText(octets), words)

    def test_seconds(self) -> None:
        for seconds, words in ((0.9, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")):
            self.assertEqual(secondsText(seconds), words)


def _contrast(one: str, other: str) -> float:
    """The formula of WCAG 2.2 for two colours as C{#rrggbb}."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
