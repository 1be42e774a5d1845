"""
What a section of C{pop3svc check} says, for tests.
"""

from __future__ import annotations

from pop3svc.checking.findings import Section
from pop3svc.options import Options


def facts(section: Section) -> list[str]:
    return [each.text for each in section.findings if each.kind == "fact"]


def errors(section: Section) -> list[str]:
    return [each.text for each in section.findings if each.kind == "error"]


def warnings(section: Section) -> list[str]:
    return [each.text for each in section.findings if each.kind == "warning"]


def optionsOf(*words: str) -> Options:
    options = Options()
    options.parseOptions(words)
    return options
