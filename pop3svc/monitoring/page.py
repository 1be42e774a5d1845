"""
The status page, for people: what the service is doing now and did in the last hour.

One document, nothing from elsewhere, no script. What comes from clients is a text in it
and nothing else; see L{pop3svc.monitoring.markup}.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .. import __version__
from ..certificates import WARNING
from .history import History
from .markup import Markup, join, tag
from .pictures import minutesPicture, usedPicture
from .style import SHEET
from .totals import Totals

# More are no help to anybody, and a page for a phone.
SESSIONS_MOST = 200
_NETWORKS_MOST = 15
# Seconds between two looks that may be asked for.
REFRESH_LEAST, REFRESH_MOST = 2, 3600


@dataclass(frozen=True)
class Shown:
    """
    All that is on the page.

    @ivar illnesses: as L{health.illnesses} has them.
    @ivar answers: of L{sessions.Sessions}, of each process.
    @ivar refresh: in how many seconds the page loads itself again; 0 for never.
    """

    host: str
    at: datetime
    illnesses: Sequence[str]
    totals: Totals
    history: History
    answers: Sequence[dict[str, Any]]
    refresh: int


def statusPage(shown: Shown) -> bytes:
    """@return: HTML in UTF-8."""
    body = tag(
        "body",
        tag("a", "Skip to the content", class_="skip", href="#main"),
        _header(shown),
        tag(
            "main",
            _tiles(shown),
            _hour(shown.history),
            _sessions(shown.answers),
            _refused(shown.answers),
            _certificates(shown),
            _workers(shown.answers),
            _limits(shown.totals),
            id="main",
            tabindex="-1",
        ),
        tag(
            "footer",
            tag("a", "Metrics", href="metrics"),
            " and ",
            tag("a", "health", href="healthz"),
            ", for programs.",
            class_="quiet",
        ),
    )
    refresh = tag("meta", http_equiv="refresh", content=shown.refresh) if shown.refresh else ""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        refresh,
        tag("title", f"pop3svc on {shown.host}: {_state(shown)}"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Markup(SHEET)),
    )
    document = "<!DOCTYPE html>\n" + tag("html", head, body, lang="en")
    # The path of a certificate may be no UTF-8.
    return document.encode("utf-8", "backslashreplace")


def _state(shown: Shown) -> str:
    return "not well" if shown.illnesses else "well"


def _header(shown: Shown) -> Markup:
    if shown.illnesses:
        state = tag("p", "Not well: ", "; ".join(shown.illnesses), ".", class_="bad", role="alert")
    else:
        state = tag("p", "Well: logins and maildrops work.", class_="good")
    # Where one is, is no link.
    looks = [
        tag("b", word, aria_current="true")
        if seconds == shown.refresh
        else tag("a", word, href=f"?refresh={seconds}" if seconds else ".")
        for seconds, word in ((0, "when asked"), (10, "every 10 s"), (60, "every minute"))
    ]
    return tag(
        "header",
        tag("h1", f"pop3svc on {shown.host}"),
        state,
        tag("p", f"Version {__version__}; {shown.at:%Y-%m-%d %H:%M:%S} UTC.", class_="quiet"),
        tag("nav", tag("span", "Loaded:"), *looks, aria_label="How often this page is loaded"),
    )


def _tiles(shown: Shown) -> Markup:
    def hour(name: str) -> float:
        return sum(each.get(name, 0) for each in shown.history.minutes)

    tiles = (
        ("Logged in", _count(sum(each["loggedIn"] for each in shown.answers))),
        ("Connections", _count(sum(each["count"] for each in shown.answers))),
        ("Logins, last hour", _count(hour("logins"))),
        ("Refused, last hour", _count(hour("refused"))),
        ("Delayed, last hour", _count(hour("throttled"))),
        ("Mail, last hour", octetsText(hour("octets"))),
    )
    return tag("dl", *(tag("div", tag("dt", what), tag("dd", value)) for what, value in tiles))


def _hour(history: History) -> Markup:
    pictures = (
        ("logins", "Logins", _count),
        ("refused", "Refused logins and connections", _count),
        ("throttled", "Logins made to wait", _count),
        ("octets", "Mail sent", octetsText),
    )
    return _section(
        "The last hour",
        tag(
            "div",
            *(
                minutesPicture(name, what, [each.get(name, 0) for each in history.minutes], say)
                for name, what, say in pictures
            ),
            class_="pictures",
        ),
    )


def _sessions(answers: Sequence[dict[str, Any]]) -> Markup:
    count = sum(each["count"] for each in answers)
    rows = sorted(
        (row for each in answers for row in each["sessions"]), key=lambda row: -row["age"]
    )
    shown = rows[:SESSIONS_MOST]
    caption = f"{_count(count)} connections" if count != 1 else "One connection"
    if count > len(shown):
        caption += f"; the {len(shown)} oldest are shown"
    return _section(
        "Sessions",
        _table(
            "sessions",
            caption + ".",
            ("User", "Network", "Doing", "#Age", "#Octets sent", "TLS", "Listener", "Session"),
            (
                (
                    row["user"] or "-",
                    row["network"],
                    row["doing"],
                    secondsText(row["age"]),
                    octetsText(row["octets"]),
                    row["tls"],
                    row["listener"],
                    row["id"],
                )
                for row in shown
            ),
        ),
    )


def _refused(answers: Sequence[dict[str, Any]]) -> Markup:
    counts: dict[str, int] = {}
    for each in answers:
        for network, count in each["refused"].items():
            counts[network] = counts.get(network, 0) + count
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_NETWORKS_MOST]
    return _section(
        "Refused most often",
        _table(
            "refused",
            "Networks with the most refused logins and connections, waits and abuse, in the"
            " last one or two hours; with very many networks the counts are upper bounds.",
            ("Network", "#Times"),
            ((network, _count(count)) for network, count in top),
        ),
    )


def _certificates(shown: Shown) -> Markup:
    found = shown.totals.numbers.get("certificate_expiry_timestamp_seconds", {})
    rows = []
    for (path,), expires in sorted(found.items()):
        assert not isinstance(expires, tuple)
        end = datetime.fromtimestamp(expires, UTC)
        left = end - shown.at
        isBad = left < WARNING
        word = "has ended" if left.total_seconds() <= 0 else "ends soon" if isBad else "good"
        state = tag("span", word, class_="bad" if isBad else "good")
        rows.append((path, f"{end:%Y-%m-%d %H:%M}", _count(left.days), state))
    return _section(
        "Certificates",
        _table(
            "certificates", "When they end, in UTC.", ("File", "End", "#Days left", "State"), rows
        ),
    )


def _workers(answers: Sequence[dict[str, Any]]) -> Markup:
    return _section(
        "Processes",
        _table(
            "workers",
            "The processes that serve.",
            ("Process id", "#Connections", "#Logged in", "#CPU time", "#Memory"),
            (
                (
                    str(each["pid"]),
                    _count(each["count"]),
                    _count(each["loggedIn"]),
                    f"{each['cpu']:,.1f} s",
                    octetsText(each["memory"]),
                )
                for each in answers
            ),
        ),
    )


def _limits(totals: Totals) -> Markup:
    reached = totals.numbers.get("limit_reached_total", {})
    used = totals.numbers.get("limit_used", {})
    rows = []
    for (name,) in sorted({*reached, *used}):
        bound, times = totals.value("limit", name), totals.value("limit_reached_total", name)
        if (name,) not in used and not times:
            continue
        share: str | Markup = "-"
        if (name,) in used and bound:
            part = totals.value("limit_used", name) / bound
            share = join(usedPicture(part), f"{totals.value('limit_used', name):,.0f}: {part:.0%}")
        rows.append((name, _count(bound), share, _count(times)))
    return _section(
        "Limits",
        _table(
            "limits",
            "Those that are in use, and those that were reached since the start.",
            ("Limit", "#Bound", "In use", "#Times reached"),
            rows,
        ),
    )


# Pieces.


def _section(title: str, *children: Markup) -> Markup:
    return tag("section", tag("h2", title), *children)


def _table(
    name: str,
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str | Markup]],
) -> Markup:
    """
    @param heads: of the columns; those of numbers begin with C{#}.
    """

    def cell(head: str, value: str | Markup, first: bool) -> Markup:
        kind = "number" if head.startswith("#") else "name"
        return (
            tag("th", value, scope="row", class_=kind) if first else tag("td", value, class_=kind)
        )

    lines = [
        tag("tr", *(cell(*each, not n) for n, each in enumerate(zip(heads, row, strict=True))))
        for row in rows
    ]
    if not lines:
        lines = [tag("tr", tag("td", "None.", colspan=len(heads)))]
    columns = [
        tag("th", head.removeprefix("#"), scope="col", class_="number" if head[0] == "#" else False)
        for head in heads
    ]
    table = tag(
        "table",
        tag("caption", tag("span", caption), id=f"{name}-caption"),
        tag("thead", tag("tr", *columns)),
        tag("tbody", *lines),
    )
    # Focusable, so that those without a mouse can scroll it, too.
    return tag(
        "div",
        table,
        class_="scroll",
        role="region",
        tabindex="0",
        aria_labelledby=f"{name}-caption",
    )


def _count(number: float) -> str:
    return f"{number:,.0f}"


def octetsText(octets: float) -> str:
    """C{1.5 MiB}."""
    if octets < 1024:
        return f"{octets:.0f} octets"
    for unit in ("KiB", "MiB", "GiB"):
        octets /= 1024
        if octets < 1024:
            return f"{octets:.1f} {unit}"
    return f"{octets / 1024:,.1f} TiB"


def secondsText(seconds: float) -> str:
    """C{2 min 5 s}."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
