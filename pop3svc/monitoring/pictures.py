"""
Numbers as pictures in a page: SVG of rectangles, with a text that says the same.

No text stands inside, because a phone would shrink it with the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .markup import Markup, tag

_HEIGHT = 100.0
# A minute in which something happened is never invisible.
_LEAST = 2.0


def minutesPicture(
    name: str, what: str, values: Sequence[float], say: Callable[[float], str]
) -> Markup:
    """
    A bar a minute.

    @param name: unlike that of any other picture of the page.
    @param what: a heading.
    @param values: the oldest first.
    @param say: a value in words.
    """
    most = max(values)
    ago = len(values) - 1 - max(n for n, value in enumerate(values) if value == most)
    when = "in this minute" if not ago else f"{ago} minute{'' if ago == 1 else 's'} ago"
    text = f"{say(sum(values))} in {len(values)} minutes"
    if most:
        text += f"; most in one minute: {say(most)}, {when}"
    bars = [
        _bar(n + 0.1, 0.8, max(_LEAST, value / most * _HEIGHT))
        for n, value in enumerate(values)
        if value > 0
    ]
    picture = tag(
        "svg",
        tag("title", what, id=f"{name}-title"),
        tag("desc", text, id=f"{name}-text"),
        *bars,
        tag("rect", x=0, y=_HEIGHT - 1, width=len(values), height=1, class_="line"),
        class_="picture",
        viewBox=f"0 0 {len(values)} {_HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_labelledby=f"{name}-title {name}-text",
    )
    axis = tag(
        "div",
        tag("span", f"{len(values)} minutes ago"),
        tag("span", "now"),
        class_="axis",
        aria_hidden="true",
    )
    return tag("figure", tag("h3", what), tag("figcaption", text), picture, axis)


def usedPicture(part: float) -> Markup:
    """
    How much of a whole is used; what it says must stand beside it.

    @param part: 0 for nothing, 1 for all.
    """
    width = 100 * min(1.0, max(0.0, part))
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=f"{width:.1f}", height=10, class_="bar"),
        tag("rect", x=0, y=0, width=100, height=10, class_="frame"),
        class_="used",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _bar(x: float, width: float, height: float) -> Markup:
    return tag(
        "rect",
        x=f"{x:.1f}",
        y=f"{_HEIGHT - height:.1f}",
        width=f"{width:.1f}",
        height=f"{height:.1f}",
        class_="bar",
    )
