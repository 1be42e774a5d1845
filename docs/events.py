"""
Prints events.rst: C{python -m docs.events > docs/events.rst} when an event has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from pop3svc.operations.events import EVENTS
from pop3svc.operations.formats import asLine
from pop3svc.operations.reasons import Reasons
from pop3svc.operations.schema import Event, Value
from pop3svc.operations.serviceevents import SERVICE_EVENTS
from pop3svc.operations.sessionevents import SESSION_EVENTS

_COLUMNS = 88
_KINDS = {str: "text", int: "whole number", float: "number"}

_HEAD = """\
Log events
==========

.. This page is made by docs/events.py from the schema that the service itself uses.

Each event is one line of the audit log: ``event=``, and behind it always the same fields
in the same order. A value of more than a word is quoted as in JSON; with ``--log-format
json`` a line is a JSON object with the same keys. Where the log is a file of its own
(``--audit-log``), ``time`` in UTC and ``level`` stand in front. A field that is called
*optional* stands only where there is something to say. New versions may add fields at
the end, and new events; what is here keeps its name and its meaning.

``pop3svc explain`` tells a session's events in words; `logs.rst <logs.rst>`_ says where the
lines go, and `privileges.rst <privileges.rst>`_ how fail2ban reads them.
"""

_LEFT_OUT = (
    "Of a flood of this event the log has the first of each second and network or session;"
    " ``left-out`` counts the others."
)


def page() -> str:
    """@return: the whole text of the page."""
    parts = [
        _HEAD,
        *_section("Sessions", SESSION_EVENTS),
        *_section("The service, and who is not served", SERVICE_EVENTS),
        *_reasonTables(),
    ]
    return "\n".join(parts)


def _section(title: str, events: tuple[Event, ...]) -> Iterator[str]:
    yield f"{title}\n{'-' * len(title)}\n"
    for each in events:
        yield from _event(each)


def _event(event: Event) -> Iterator[str]:
    yield f"{event.name}\n{'~' * len(event.name)}\n"
    yield _filled(event.means)
    facts = [f"Level: {' or '.join(event.levels)}."]
    if event.jail:
        facts.append(f"Counted by fail2ban's jail ``{event.jail}``.")
    if not event.always:
        facts.append(_LEFT_OUT)
    yield _filled(" ".join(facts))
    if event.todo:
        yield _filled(f"What to do: {event.todo}")
    for each in event.fields:
        optional = ", optional" if each.optional else ""
        yield f"``{each.name}`` ({_KINDS[each.kind]}{optional})\n    {each.means}"
    if event.fields:
        yield ""
    if event.reasons:
        words = ", ".join(f"``{each}``" for each in event.reasons)
        yield _filled(f"``{event.reasonField}`` is one of {words}; see `Reasons`_.")
    yield _example(event)


def _example(event: Event) -> str:
    stamp: dict[str, Value] = {"time": "2027-01-15T08:00:00.500Z", "level": event.levels[0]}
    text = asLine("text", event.name, event.example, stamp)
    record = asLine("json", event.name, event.example, stamp)
    return f"::\n\n    {text}\n    {record}\n"


def _reasonTables() -> Iterator[str]:
    yield "Reasons\n-------\n"
    tables: list[tuple[list[str], Reasons]] = []
    for event in EVENTS.values():
        for names, reasons in tables:
            if all(each in reasons for each in event.reasons):
                names.append(event.name)
                break
        else:
            if event.reasons:
                tables.append(([event.name], event.reasons))
    for names, reasons in tables:
        names = [each for each in names if EVENTS[each].reasons]
        title = f"Of {', '.join(names)}"
        yield f"{title}\n{'~' * len(title)}\n"
        for word, each in reasons.items():
            facts = [f"{each.means[0].upper()}{each.means[1:]}."]
            if each.abuse:
                facts.append("An event ``abuse`` says so, too.")
            if each.jail:
                facts.append(f"Counted by fail2ban's jail ``{each.jail}``.")
            if each.todo:
                facts.append(f"What to do: {each.todo}")
            yield f"``{word}``\n{_filled(' '.join(facts), '    ')}"


def _filled(text: str, indent: str = "") -> str:
    lines = wrap(
        text,
        _COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
