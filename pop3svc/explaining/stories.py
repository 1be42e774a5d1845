"""
What happened to a session and why, in words; the words are those of the events' schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import wrap

from ..operations.events import EVENTS
from ..operations.schema import Event
from ..printable import printable
from .finding import Found
from .records import Record

_COLUMNS = 80
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(.*)")
_ENDS = frozenset({"logout", "ended", "abuse"})
# What one of something is called.
_ONES = (("messages", "message"), ("octets", "octet"))


def story(session: str, found: Found) -> str:
    """
    @return: some paragraphs of 80 columns, with a line end.
    """
    records = [*found.first, *found.last]
    peer = next(filter(None, (each.text("peer") for each in records)), "")
    tls = [each.text("tls") for each in records if each.text("tls") not in ("", "none")]
    day, zone = _day(records[0].time)
    title = [f"Session {session}", f"from {peer}" if peer else ""]
    title += [tls[-1] if tls else "without TLS", f"{day} {zone}".strip()]
    lines = [*wrap(printable(", ".join(filter(None, title))), _COLUMNS), ""]
    advised: set[str] = set()
    for number, record in enumerate(records):
        if found.omitted and number == len(found.first):
            lines.append(f"... and {found.omitted} more events ...")
        lines += told(record, advised)
    if not _ENDS.intersection(each.event for each in records):
        lines += ["", *wrap(_NO_END, _COLUMNS)]
    return "\n".join(lines) + "\n"


_NO_END = (
    "The log has no end of it: the session goes on, or the service was killed, or a monitor or"
    " scanner went without a word."
)


def told(record: Record, advised: set[str]) -> Iterator[str]:
    """
    @param advised: what was already said to do; more is added.
    @return: lines for one record, the time in front of the first.
    """
    _, clock = _clock(record.time)
    front = f"{printable(clock)}  " if clock else ""
    yield from _indented(sentence(record), front)
    for advice in _advice(record):
        if advice not in advised:
            advised.add(advice)
            yield from _indented(f"-> {advice}", " " * len(front), "   ")


def sentence(record: Record) -> str:
    """@return: what a record says."""
    event = EVENTS.get(record.event)
    if event is None:
        # Of another version of pop3svc.
        pairs = " ".join(f"{name}={value}" for name, value in record.values.items())
        return printable(f"{record.event}: {pairs}")
    values = {each.name: record.text(each.name) or "?" for each in event.fields}
    known = event.reasons.get(record.text(event.reasonField))
    if known is not None:
        values["reason"] = known.means
    elif event.reasons:
        values["reason"] = record.text(event.reasonField)
    sentences = [event.told, *_optional(event, record)]
    text = " ".join(each.format_map(values) for each in sentences)
    for many, one in _ONES:
        text = re.sub(rf"(?<![\d.])1 {many}\b", f"1 {one}", text)
    # A text of the system may bring its own full stop.
    return printable(re.sub(r"\.\.(?= |$)", ".", text))


def _optional(event: Event, record: Record) -> Iterable[str]:
    return [each.told for each in event.fields if each.told and each.name in record.values]


def _advice(record: Record) -> Iterator[str]:
    event = EVENTS.get(record.event)
    if event is None:
        return
    known = event.reasons.get(record.text(event.reasonField))
    if known is not None and known.todo:
        yield known.todo
    if event.todo:
        yield event.todo


def _indented(text: str, front: str, more: str = "") -> list[str]:
    return wrap(
        text,
        _COLUMNS,
        initial_indent=front,
        subsequent_indent=" " * len(front) + more,
        break_on_hyphens=False,
    )


def _day(time: str) -> tuple[str, str]:
    found = _TIME.match(time)
    if found is None:
        return "", ""
    zone = found[3]
    return found[1], "UTC" if zone in ("Z", "+0000", "+00:00") else zone


def _clock(time: str) -> tuple[str, str]:
    found = _TIME.match(time)
    return ("", time) if found is None else (found[1], found[2])
