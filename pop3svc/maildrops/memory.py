"""
Maildrops in memory, for tests, and as the example for authors of stores.

A store answers four questions: which messages there are, what one of them
contains, which are gone now, and whether the session is over. This one passes
L{pop3svc.testing.MaildropContract}; let yours do the same.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from itertools import count
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..canonical import canonicalOctets
from ..errors import MaildropInUse, MaildropUnavailable, MessageVanished, SettingError
from ..interfaces import (
    IMaildrop,
    IMaildropSource,
    IMaildropSourceFactory,
    IMessageReader,
    IRelenting,
)
from ..snapshot import Snapshot


@implementer(IMaildropSource)
class MemoryMaildropSource:
    """Maildrops that last as long as the process; as L{IMaildropSource}."""

    def __init__(self, maildrops: Mapping[bytes, Iterable[bytes]]) -> None:
        """
        @param maildrops: messages, each as its octets, by avatar id; with a
            C{defaultdict} everybody has a maildrop.
        """
        # The token keeps unique-ids apart from those of another process.
        token = secrets.token_hex(8).encode()
        self._uniqueIds = (b"%s.%d" % (token, number) for number in count(1))
        self._initial = maildrops
        self._maildrops: dict[bytes, dict[bytes, bytes]] = {}
        self._inUse: set[bytes] = set()

    def deliver(self, avatarId: bytes, octets: bytes) -> None:
        """Add a message; sessions that are open do not see it."""
        self._stored(avatarId)[next(self._uniqueIds)] = octets

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        try:
            stored = self._stored(avatarId)
        except KeyError:
            return fail(MaildropUnavailable(f"there is no maildrop for {avatarId!r}"))
        if avatarId in self._inUse:
            return fail(MaildropInUse(f"another session has the maildrop of {avatarId!r}"))
        self._inUse.add(avatarId)
        return succeed(MemoryMaildrop(stored, self._inUse, avatarId))

    def _stored(self, avatarId: bytes) -> dict[bytes, bytes]:
        """Octets by unique-id, in order of arrival as a dict keeps them."""
        if avatarId not in self._maildrops:
            messages = self._initial[avatarId]
            self._maildrops[avatarId] = {next(self._uniqueIds): each for each in messages}
        return self._maildrops[avatarId]


@implementer(IMaildrop, IRelenting)
class MemoryMaildrop:
    """
    One maildrop, locked; L{IMaildrop} says what each method owes. The last two
    are for L{IRelenting}, and may be left out.
    """

    def __init__(self, stored: dict[bytes, bytes], inUse: set[bytes], avatarId: bytes) -> None:
        self._stored = stored
        self._inUse = inUse
        self._avatarId = avatarId
        self._locked = True
        self._uniqueIds = dict(enumerate(stored, 1))
        self.messages = Snapshot((canonicalOctets([each]) for each in stored.values()), stored)

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        octets = self._stored.get(self._uniqueIds[number])
        if octets is None:
            return fail(MessageVanished(f"message {number} of {self._avatarId!r} is gone"))
        return succeed(MemoryReader(octets))

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        for number in numbers:
            self._stored.pop(self._uniqueIds[number], None)
        return succeed([])

    def close(self) -> Deferred[None]:
        return self.relent()

    def relent(self) -> Deferred[None]:
        if self._locked:
            self._inUse.discard(self._avatarId)
        self._locked = False
        return succeed(None)

    def reclaim(self) -> Deferred[bool]:
        complete = self._stored.keys() >= set(self._uniqueIds.values())
        self._locked = complete and self._avatarId not in self._inUse
        if self._locked:
            self._inUse.add(self._avatarId)
        return succeed(self._locked)


@implementer(IMessageReader)
class MemoryReader:
    """One message, opened; as L{IMessageReader}."""

    def __init__(self, octets: bytes) -> None:
        self._file = BytesIO(octets)

    def read(self, octets: int) -> Deferred[bytes]:
        return succeed(self._file.read(octets))

    def close(self) -> None:
        self._file.close()


@implementer(IPlugin, IMaildropSourceFactory)
class MemoryMaildropSourceFactory:
    """C{memory:[FILE[,FILE...]]}"""

    kind = "memory"
    argumentHelp = (
        "[FILE[,FILE...]]\n"
        "for tests: everybody's maildrop starts with these messages, one a file, and is\n"
        "forgotten when the service ends"
    )

    def makeSource(self, argumentText: str) -> IMaildropSource:
        """@raise SettingError: a file cannot be read."""
        messages = []
        for name in argumentText.split(",") if argumentText else []:
            try:
                messages.append(Path(name).read_bytes())
            except (OSError, ValueError) as error:
                raise SettingError(f"name a file with a message, not {name!r}: {error}") from error
        return MemoryMaildropSource(defaultdict(lambda: messages))
