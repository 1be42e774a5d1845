"""
What a worker and the parent say to each other about attempts to log in: see
L{pop3svc.workers.attempts} for the worker's side, and L{pop3svc.workers.turns} for the parent's.
"""

from __future__ import annotations

from twisted.protocols.amp import Boolean, Command, Float, Integer, String, Unicode

from .commands import Json


class Join(Command):
    """To the parent: publish. All that is published already comes before the answer."""


class Publish(Command):
    """
    To a worker: C{networks} and C{users}, name -> until when, in seconds of the clock that
    is never set, they may not be let pass without asking; over if they may again.
    """

    arguments = [(b"networks", Json()), (b"users", Json())]


class Enter(Command):
    """
    To the parent: somebody wants to log in, and have a turn unless refused.

    C{number} names the ticket from here on, whatever comes of this. C{turned}: the turn has
    come already.
    """

    arguments = [
        (b"number", Integer()),
        (b"network", Unicode()),
        (b"name", String()),
        (b"secret", String(optional=True)),
    ]
    response = [
        (b"early", Boolean()),
        (b"refused", Unicode()),
        (b"delay", Float()),
        (b"why", Unicode()),
        (b"turned", Boolean()),
    ]


class Turned(Command):
    """To a worker: the turn of a ticket has come."""

    arguments = [(b"number", Integer())]
    requiresAnswer = False


class Leave(Command):
    """To the parent: what came of a ticket."""

    arguments = [(b"number", Integer()), (b"verdict", Unicode()), (b"hurried", Boolean())]
    response = [(b"banned", Boolean())]


class Wrong(Command):
    """
    To the parent: a wrong password of somebody who was let pass without asking.

    C{until}: as L{Publish}.
    """

    arguments = [
        (b"network", Unicode()),
        (b"name", String()),
        (b"secret", String(optional=True)),
        (b"hurried", Boolean()),
    ]
    response = [(b"banned", Boolean()), (b"until", Float())]


class Rights(Command):
    """To the parent: C{logins}, network and name, of those who were let pass and are in."""

    arguments = [(b"logins", Json())]
