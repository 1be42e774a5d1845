"""
C{etc/pop3svc/pop3svc.toml} as a text in which every setting is known.

C{python -m tests.sampleconfig}, in the directory of the repository, writes its table of
limits anew, after one was added or has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from textwrap import wrap

from pop3svc.limits import Limits, optionName

SAMPLE = Path(__file__).parents[1] / "etc/pop3svc/pop3svc.toml"
_START, _END = "[limits]\n", "# -"
_COMMENTED = re.compile(r"^#(?=[a-z\[])", re.MULTILINE)
_EXAMPLE = re.compile(r"^#\[\[.*\n(?:#[a-z].*\n)*|^#[a-z].*\n", re.MULTILINE)


def limitsTable() -> str:
    """The lines between C{[limits]} and what follows, as they should be."""
    sections = []
    for each in fields(Limits):
        reason = wrap(each.metadata["reason"], 84)
        setting = f"{optionName(each.name)} = {each.default}"
        sections.append("".join(f"# {line}\n" for line in reason) + setting + "\n\n")
    return "\n" + "".join(sections)


def tableIn(text: str) -> str:
    """The same lines as they are."""
    table = text.partition(_START)[2]
    return table[: table.index(_END)]


def examples(text: str) -> Iterator[tuple[str, str]]:
    """
    Each setting that is commented out, and the text with it alone in force; a table
    with all of its lines.

    @return: pairs of the setting's name and the text.
    """
    for found in _EXAMPLE.finditer(text):
        name = found.group().lstrip("#[").partition(" ")[0].partition("]")[0]
        yield name, text[: found.start()] + inForce(found.group()) + text[found.end() :]


def inForce(text: str) -> str:
    """The text with every setting in force."""
    return _COMMENTED.sub("", text)


if __name__ == "__main__":
    sample = SAMPLE.read_text("utf-8")
    SAMPLE.write_text(sample.replace(tableIn(sample), limitsTable()), "utf-8")
