"""
What parent and workers say to each other about the work itself.

Commands of other parts stand with them; all share one link, see L{pop3svc.workers.link}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.protocols.amp import Argument, Command

# AMP has two octets for the length of a value; a box may hold any number of them.
_PIECE = 0xFFFF


class Json(Argument):
    """
    Anything that JSON can say, of any length: where one value of AMP is too short, as
    many as it needs, under C{name}, C{name.1}, C{name.2}, ...
    """

    def toBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:
        """@see: L{Argument.toBox}"""
        octets = json.dumps(
            self.retrieve(objects, name.decode(), proto), separators=(",", ":")
        ).encode()
        for number, start in enumerate(range(0, len(octets), _PIECE)):
            strings[_key(name, number)] = octets[start : start + _PIECE]

    def fromBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:
        """@see: L{Argument.fromBox}"""
        pieces: list[bytes] = []
        while (piece := strings.get(_key(name, len(pieces)))) is not None:
            pieces.append(piece)
        objects[name.decode()] = json.loads(b"".join(pieces))


def _key(name: bytes, number: int) -> bytes:
    return b"%s.%d" % (name, number) if number else name


class Ready(Command):
    """To the parent: everything is made, and connections are accepted."""


class Ping(Command):
    """To a worker: is your reactor running?"""


class Reload(Command):
    """
    To a worker: read files again.

    C{limits}: those in force from now on, field -> number. C{faults}: a sentence for
    each thing that is wrong, where what was before stays.
    """

    arguments = [(b"limits", Json())]
    response = [(b"faults", Json())]


class Drain(Command):
    """To a worker: nobody new; end when those who are in have ended."""


class UnknownQuestion(Exception):
    """The worker never learned it."""


class Ask(Command):
    """To a worker: a question of L{pop3svc.operations.questions}."""

    arguments = [(b"name", Json()), (b"argument", Json())]
    response = [(b"answer", Json())]
    # A fault is one of this question, and no reason to end the link.
    errors = {UnknownQuestion: b"UNKNOWN_QUESTION", Exception: b"FAULT"}
