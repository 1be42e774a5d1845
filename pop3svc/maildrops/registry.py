"""
C{--maildrop KIND:ARGUMENTS} to a source of maildrops, by plugin.
"""

from __future__ import annotations

from difflib import get_close_matches
from textwrap import indent

from twisted.plugin import getPlugins

from ..errors import SettingError
from ..interfaces import IMaildropSource, IMaildropSourceFactory


def makeSource(text: str) -> IMaildropSource:
    """
    @param text: what stands behind C{--maildrop}, C{KIND:ARGUMENTS}.
    @raise SettingError: with a sentence that says what to write.
    """
    kind, colon, argumentText = text.partition(":")
    if not colon:
        raise SettingError(
            f"a maildrop is written KIND:ARGUMENTS, not {text!r}; --help-maildrop lists the kinds"
        )
    known = _factories()
    if kind not in known:
        near = get_close_matches(kind.lower(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        raise SettingError(f"there is no kind of maildrop {kind!r}; {hint}")
    if len(known[kind]) > 1:
        modules = " and ".join(sorted(each.__module__ for each in known[kind]))
        raise SettingError(f"{modules} both provide the maildrop kind {kind!r}; remove one of them")
    return known[kind][0].makeSource(argumentText)


def helpText() -> str:
    """Each kind with its arguments, for C{--help-maildrop}."""
    sections = []
    for kind, factories in sorted(_factories().items()):
        for factory in factories:
            shape, _, meaning = factory.argumentHelp.partition("\n")
            sections.append(f"  {kind}:{shape}\n" + indent(meaning.strip("\n"), " " * 6))
    return "\n".join(sections)


def _factories() -> dict[str, list[IMaildropSourceFactory]]:
    """The factories of every kind; two of a kind are a fault to report."""
    found: dict[str, list[IMaildropSourceFactory]] = {}
    for factory in getPlugins(IMaildropSourceFactory):
        found.setdefault(factory.kind, []).append(factory)
    return found
