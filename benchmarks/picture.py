"""
The picture of a run: bars of what a session costs, one panel a scenario.
"""

from __future__ import annotations

from html import escape

from .measure import Results
from .scenarios import scenarios
from .table import middle, number

_COLOURS = {
    "pop3svc": "#1b7f5c",
    "dovecot": "#c2543b",
    "courier": "#a98227",
    "stock": "#6d6fa8",
    "canned": "#9aa5ad",
    "floor": "#c9d0d4",
}
_OTHER = "#4c9f83"
_WIDTH, _LABEL, _VALUE = 860, 120, 70
_BAR, _GAP, _TITLE = 16, 4, 26


def drawPicture(results: Results) -> str:
    """
    @return: SVG. Bars are in proportion within a panel; those longer than four times
        pop3svc's and Dovecot's are cut, and say so.
    """
    servers, shapes, top = results["servers"], [], 40
    for scenario in scenarios():
        if scenario.name not in results["scenarios"]:
            continue
        cells = results["scenarios"][scenario.name]
        shapes.append(
            f'<text x="10" y="{top + 16}" font-weight="bold">{escape(scenario.title)}</text>'
        )
        top += _TITLE
        values = {name: middle(cells[name], "cost") for name in servers}
        scale = _scale(values)
        for name in servers:
            shapes.append(_bar(name, values[name], scale, top))
            top += _BAR + _GAP
        top += 10
    heading = "ms of the server's processor a session; shorter is better"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top + 10}"'
        f' viewBox="0 0 {_WIDTH} {top + 10}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="24" font-size="15">{heading}</text>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def _scale(values: dict[str, float | None]) -> float:
    """What the longest bar stands for."""
    known = [each for each in values.values() if each is not None]
    main = [values.get(name) or 0 for name in ("pop3svc", "dovecot")]
    longest = max(known, default=0) or 1.0
    return min(longest, 4 * max(main)) if any(main) else longest


def _bar(name: str, value: float | None, scale: float, top: int) -> str:
    middleLine = top + 13
    label = f'<text x="{_LABEL - 8}" y="{middleLine}" text-anchor="end">{escape(name)}</text>'
    if value is None:
        return f'{label}<text x="{_LABEL}" y="{middleLine}" fill="#a00">wrong answers</text>'
    room = _WIDTH - _LABEL - _VALUE
    width = max(1, round(min(value / scale, 1) * room))
    cut = " »" if value > scale else ""
    return (
        f'{label}<rect x="{_LABEL}" y="{top}" width="{width}" height="{_BAR}"'
        f' fill="{_COLOURS.get(name, _OTHER)}"/>'
        f'<text x="{_LABEL + width + 6}" y="{middleLine}">{number(value)}{cut}</text>'
    )
