"""
HTML out of calls. Text is escaped unless it was made here, so that whoever forgets
something shows too many signs, and never lets somebody else's in.
"""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is HTML already; made by L{tag} and by nobody else."""

    __slots__ = ()


# Some elements have no end tag.
_VOID = frozenset({"meta", "link", "br"})


def tag(name: str, /, *children: str | Markup, **attributes: str | float | bool) -> Markup:
    """
    One element.

    @param children: texts and elements, in their order.
    @param attributes: their values; a C{_} stands for C{-}, at the end for nothing, and
        C{False} leaves an attribute out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is False:
            continue
        # Before the minus, so that class_ becomes class.
        word = key.removesuffix("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{escape(str(value))}"')
    start = Markup(f"<{' '.join(words)}>")
    if name in _VOID:
        return start
    return Markup(f"{start}{join(*children)}</{name}>")


def join(*children: str | Markup) -> Markup:
    """Texts and elements, one behind the other."""
    return Markup("".join(each if isinstance(each, Markup) else escape(each) for each in children))
