"""
What was found: facts, errors and warnings, in sections, as text or JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Literal

from ..errors import SettingError
from ..printable import printable

Kind = Literal["fact", "error", "warning"]
_WIDTH = 79


@dataclass(frozen=True)
class Finding:
    """
    @ivar text: a sentence, of an error or a warning with what to do.
    @ivar depth: how far below the fact before it belongs.
    """

    kind: Kind
    text: str
    depth: int = 0


@dataclass
class Section:
    """What was found about one thing."""

    title: str
    findings: list[Finding] = field(default_factory=list)

    def tell(self, text: str, depth: int = 0) -> None:
        """@param text: how it is."""
        self.findings.append(Finding("fact", text, depth))

    def error(self, sentence: str, depth: int = 0) -> None:
        """@param sentence: what is wrong, and what to do."""
        self.findings.append(Finding("error", sentence, depth))

    def warn(self, sentence: str, depth: int = 0) -> None:
        """@param sentence: what may be wrong, and what to do."""
        self.findings.append(Finding("warning", sentence, depth))

    @contextmanager
    def trying(self, depth: int = 0) -> Iterator[None]:
        """A wrong setting ends this part of the check, and is an error."""
        try:
            yield
        except SettingError as error:
            self.error(str(error), depth)


class Findings:
    """Everything, in the order in which it was found."""

    def __init__(self) -> None:
        self.sections: list[Section] = []

    def section(self, title: str) -> Section:
        """A new one, after all others."""
        self.sections.append(Section(title))
        return self.sections[-1]

    def count(self, kind: Kind) -> int:
        """How many findings of a kind there are."""
        return sum(each.kind == kind for section in self.sections for each in section.findings)

    def text(self) -> str:
        """For people, in lines of 79 columns where words allow."""
        lines: list[str] = []
        for section in self._filled():
            lines += [section.title, *_lines(section.findings), ""]
        return "\n".join([*lines, self._summary()])

    def json(self) -> str:
        """For programs."""
        sections = [
            {
                "title": section.title,
                "findings": [{"kind": each.kind, "text": each.text} for each in section.findings],
            }
            for section in self._filled()
        ]
        counts = {"errors": self.count("error"), "warnings": self.count("warning")}
        return json.dumps(counts | {"sections": sections}, indent=2)

    def _filled(self) -> list[Section]:
        return [each for each in self.sections if each.findings]

    def _summary(self) -> str:
        errors, warnings = self.count("error"), self.count("warning")
        if not errors and not warnings:
            return "All is well."
        found = [counted(errors, "error"), counted(warnings, "warning")]
        start = "it would not work as it is" if errors else "it would work"
        return f"{', '.join(found)}: {start}."


def counted(number: int, what: str) -> str:
    """C{1 message}, C{2 messages}."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _lines(findings: list[Finding]) -> Iterator[str]:
    for each in findings:
        indent = "  " * (each.depth + 1)
        mark = "" if each.kind == "fact" else f"{each.kind}: "
        yield from wrap(
            # Such as the name of a process, which whoever started it has chosen.
            printable(mark + each.text),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            # A path or an endpoint is to be copied whole.
            break_long_words=False,
            break_on_hyphens=False,
        )
