"""
The one schema of the audit log: each event with its fields, as L{audit} writes it.

C{docs/events.rst} and C{pop3svc explain} are made of it, and C{tests/test_events.py}
holds L{audit} to it: who adds an event writes a method there, and an entry in
L{sessionevents} or L{serviceevents}.
"""

from __future__ import annotations

from .schema import Event
from .serviceevents import SERVICE_EVENTS
from .sessionevents import SESSION_EVENTS

EVENTS: dict[str, Event] = {each.name: each for each in (*SESSION_EVENTS, *SERVICE_EVENTS)}
