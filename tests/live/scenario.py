"""
What each mail program does with the service, whichever program it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .harness import USER, LiveService, LiveTestCase, Way
from .messages import Maildir, canonical, samplesFor
from .programs import run


class ClientTestCase(LiveTestCase):
    """
    A program polls a maildrop. A subclass says how, and tests it on all ways that
    the program knows.

    @cvar program: its name, as in L{messages.BEYOND}.
    """

    program: ClassVar[str]
    service: LiveService

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        """
        Fetch what is new to the program since it was last here.

        @param keep: leave all on the server, else delete what was fetched.
        @return: the messages, in the order fetched.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """Whatever the program remembers of former polls is lost."""
        raise NotImplementedError

    def expected(self, way: Way, stored: Sequence[bytes]) -> Sequence[bytes]:
        """What the program makes of messages that it gets exact to the octet."""
        return [canonical(each) for each in stored]

    def checkPolls(self, *ways: Way) -> None:
        """
        On each of the ways: fetch and leave; again, and find what is new; fetch
        and delete.
        """
        self.service = self.serve()
        maildir = Maildir(self.service.maildirs / USER)
        samples = samplesFor(self.program)
        later = b"From: walter@example.org\nSubject: later\n\nThis came between two polls.\n"
        for way in ways:
            before = len(self.service.events("login"))
            maildir.deliver(*samples)
            self._checkPoll(way, True, samples)
            self._checkPoll(way, True, [])
            maildir.deliver(later)
            self._checkPoll(way, True, [later])
            self._checkSame(way, maildir.stored(), [*samples, later])

            self.forget()
            self._checkPoll(way, False, [*samples, later])
            self.assertEqual(maildir.stored(), [], f"way {way.name}")
            self._checkPoll(way, False, [])
            self.forget()
            # Some programs begin TLS, or do without it, on their own account.
            for each in self.service.events("login")[before:]:
                self.assertEqual(each["tls"] != "none", way.tls, f"way {way.name}: {each}")

    def _checkPoll(self, way: Way, keep: bool, stored: Sequence[bytes]) -> None:
        self._checkSame(way, self.poll(way, keep), self.expected(way, stored))

    def _checkSame(self, way: Way, got: Sequence[bytes], wanted: Sequence[bytes]) -> None:
        """Compare, without seven million octets in the failure's message."""
        where = f"way {way.name}"
        self.assertEqual([len(each) for each in got], [len(each) for each in wanted], where)
        for number, (one, other) in enumerate(zip(got, wanted, strict=True), 1):
            if one != other:
                at = next(i for i, octet in enumerate(one) if octet != other[i])
                near = slice(max(0, at - 40), at + 40)
                self.fail(
                    f"{where}, message {number}, octet {at}: {one[near]!r}, not {other[near]!r}"
                )


class ScriptTestCase(ClientTestCase):
    """
    A client that is a library, and a program of ours around it. The program
    reads from its standard input the unique-ids that it has seen before, a line
    each, and writes for each new message its unique-id, its octets as a number,
    a LF and then the message.
    """

    def setUp(self) -> None:
        super().setUp()
        self.seen: list[bytes] = []

    def command(self, way: Way, keep: bool) -> list[str]:
        """How to run the program."""
        raise NotImplementedError

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        seen = b"".join(each + b"\n" for each in self.seen)
        output = run(self.command(way, keep), self.directory, stdin=seen)
        fetched = []
        while output:
            head, _, output = output.partition(b"\n")
            uniqueId, octets = head.split()
            self.seen.append(uniqueId)
            fetched.append(output[: int(octets)])
            output = output[int(octets) :]
        return fetched

    def forget(self) -> None:
        self.seen.clear()
