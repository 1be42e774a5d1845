"""
Lines of a log -> records of the audit log.

They stand in a file of their own, in twistd's log, or behind what syslog or the journal
puts in front; as text or as JSON. Clients choose user names, so that a line is
taken apart from its beginning, and nothing is searched for in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ..operations.schema import Value

# The time of --audit-log, syslog or twistd; the host and the program of syslog.
_TIME = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)|[A-Z][a-z]{2}\ [ \d]\d\ [\d:]{8}"
_PROGRAM = r"\ ?[\w.-]+\ [\w./-]+(?:\[\d+\])?:"

_LINE = re.compile(
    rf"""
    (?P<time>{_TIME})?
    (?:{_PROGRAM})?
    # one more time may stand there, of --audit-log - or twistd
    (?:\ ?(?P<inner>\d{{4}}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d{{4}})))?
    \ ?(?:\[(?:-|pop3svc[\w.]*\#(?P<level>\w+))\]|level=(?P<own>\w+))
    \ (?P<record>event=.*|\{{"event":.*)
    """,
    re.VERBOSE,
)
# Of --audit-log - in JSON.
_FRONT = re.compile(rf'(?:{_TIME})?{_PROGRAM}\ (?P<record>\{{"time":.*)')
_PAIR = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)(?: |$)')
# As they are written: a user may be called 007.
_NUMBER = re.compile(r"(?:0|-?[1-9][0-9]{0,17})(\.[0-9]{1,9})?\Z")


@dataclass(frozen=True)
class Record:
    """
    @ivar time: as it stands in the log; empty if it does not.
    @ivar values: all other fields.
    """

    time: str
    event: str
    values: dict[str, Value]

    def text(self, name: str) -> str:
        """@return: a field; empty if it is not there."""
        return str(self.values.get(name, ""))


def parse(octets: bytes) -> Record | None:
    """
    @param octets: one line.
    @return: C{None} for a line that is none of the audit log.
    """
    line = octets.decode("utf-8", "backslashreplace").rstrip()
    if line.startswith('{"time"'):
        return _json("", line)
    front = _FRONT.match(line)
    if front is not None:
        return _json("", front["record"])
    found = _LINE.match(line)
    if found is None:
        return None
    time, record = found["inner"] or found["time"] or "", found["record"]
    return _json(time, record) if record.startswith("{") else _text(time, record)


def _json(time: str, text: str) -> Record | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        # The last line of a disk that was full.
        return None
    if not isinstance(values, dict):
        return None
    event = str(values.pop("event", ""))
    time = str(values.pop("time", time))
    values.pop("level", None)
    return Record(time, event, values)


def _text(time: str, text: str) -> Record | None:
    values: dict[str, Value] = {}
    position = 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            return None
        values[pair[1]] = _value(pair[2])
        position = pair.end()
    event = str(values.pop("event"))
    return Record(time, event, values)


def _value(word: str) -> Value:
    if word.startswith('"'):
        try:
            return str(json.loads(word))
        except ValueError:
            return word
    found = _NUMBER.match(word)
    number: Value = word if found is None else float(word) if found[1] else int(word)
    return number if str(number) == word else word
