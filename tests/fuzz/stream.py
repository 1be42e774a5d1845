"""
Mutated octets through a whole C{POP3Protocol}, without a network: each line must be
answered once, and as L{naive} answers it.
"""

from __future__ import annotations

from random import Random
from typing import cast

from pop3svc.limits import Limits

from .case import Case
from .dialogues import DICTIONARY, ORDERS, dialogues
from .logged import LoggedErrors
from .mutation import cut, mutate
from .naive import NaiveServer
from .naiveanswers import Wrong
from .naivelines import NaiveLines
from .naiveworld import BEFORE
from .plans import USERS, Cred, FuzzMaildrop, Plan
from .streamworld import StreamWorld, connect

# Whatever is sent, one connection holds no more of it than this.
_HELD_OCTETS = Limits().bufferedOctets
# With more sentences than this some are a client's.
_SENTENCES = 120


class Stream:
    """The target."""

    name = "stream"
    unit = "lines"

    def __init__(self) -> None:
        self._sentences: set[bytes] = set()

    def make(self, dice: Random) -> Case:
        known = dialogues()
        plan = Plan.make(dice)
        data = dice.choice(known)
        begin: list[bytes] = []
        if dice.random() < 0.7:
            # Logged in, there is more to be reached.
            begin, login = plan.login(dice)
            said = dice.choice((DICTIONARY, ORDERS))
            words = [dice.choice(said) for _ in range(dice.choice((0, 5, 30)))]
            data = login + dice.choice((data, b"".join(words)))
        for _ in range(dice.choice((0, 1, 1, 2, 3, 5, 10))):
            others = DICTIONARY if dice.randrange(2) else known
            data = mutate(dice, data, others)
        if plan.messages in ("big", "many"):
            # A thousand times RETR would be gigabytes.
            data = data[:600]
        return Case(self.name, (*begin, *cut(dice, data)), plan=plan.asJSON())

    def check(self, case: Case) -> int:
        plan = Plan(**case.plan)
        with LoggedErrors() as logged:
            session = _Checked(plan)
            session.run(case.pieces)
        if logged.texts:
            raise Wrong(f"an exception in the log: {logged.texts[0]}")
        self._sentences |= session.sentences
        if len(self._sentences) > _SENTENCES:
            raise Wrong(f"octets of a client in an answer, among {sorted(self._sentences)}")
        return session.lines


class _Checked:
    """
    One session of ours beside one of the naive server.

    @ivar lines: how many were answered.
    @ivar sentences: the first lines of the answers, without their numbers.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lines = 0
        self.sentences: set[bytes] = set()
        self._limits = plan.limits()
        self._connection = connect(plan)
        self._maildrop = cast(FuzzMaildrop, self._connection.maildrop)
        self._world = StreamWorld(plan)
        self._server = NaiveServer(
            self._world,
            self._limits.badCommandsBeforeLogin,
            self._limits.badCommandsInARow,
            self._limits.loginAttempts,
        )
        self._reader = NaiveLines(self._limits)
        self._got = b""

    def run(self, segments: tuple[bytes, ...]) -> None:
        greeting = self._connection.received()
        if not greeting.startswith(b"+OK ") or greeting.count(b"\r\n") != 1:
            raise Wrong(f"{greeting!r} is no greeting")
        for segment in segments[: -1 if self.plan.lost else None]:
            self._send(segment)
            self._settle()
            self._compare(segment)
        if self.plan.lost and segments:
            self._send(segments[-1])
        self._checkEnd()

    def _send(self, segment: bytes) -> None:
        """As a transport does it, which stops when it is told to."""
        transport = self._connection.transport
        transport.room = self.plan.room
        self._connection.send(segment)

    def _compare(self, segment: bytes) -> None:
        if self._server.ended:
            if self._got:
                raise Wrong(f"{self._got[:200]!r} after the end")
            return
        server, closing = self._server, self._connection.closing
        for line in self._reader.feed(segment, server):
            server.unread = bool(self._reader.unread)
            before = self._got
            self._got = server.check(line, before, closing)
            self.lines += 1
            if not before.startswith(b"+ "):
                first = before[: before.find(b"\n") + 1]
                self.sentences.add(first.translate(None, b"0123456789"))
            if isinstance(line, bytes) and line[:4].upper() == b"STLS":
                # What comes next is inside TLS, as if there had been a handshake.
                self._connection.protocol._deadlines.stop("handshake-deadline")
        if self._reader.endless:
            server.ended = True
        if not self._reader.skipping and self._reader.unread:
            self._got = server.checkBegun(self._reader.unread, self._got, closing)
        if self._got:
            raise Wrong(f"more answers than lines: {self._got[:200]!r}")
        if closing != server.ended:
            raise Wrong(f"the connection is {'not ' * server.ended}closed: {segment[-80:]!r}")

    def _settle(self) -> None:
        """Let go what waits, let the peer read, and see what is held."""
        connection = self._connection
        protocol, transport = connection.protocol, connection.transport
        for _ in range(100_000):
            sent = connection.received()
            self._got += sent
            if len(sent) > self.plan.room + _HELD_OCTETS:
                raise Wrong(f"{len(sent)} octets are sent to somebody who does not read")
            if self._maildrop.waiting:
                self._maildrop.goOn()
            elif transport.room < 0 and not connection.closing:
                transport.takeMore(self.plan.room)
            elif protocol._waiting:
                connection.clock.advance(0)
            else:
                break
        else:
            raise Wrong("the session does not come to rest")
        held = len(protocol._unread)
        if held > _HELD_OCTETS:
            raise Wrong(f"{held} octets of input are held")
        if protocol._waiting or transport.producerState == "paused":
            raise Wrong("nothing is read any more, and nobody knows why")

    def _checkEnd(self) -> None:
        """The connection is lost: what is left behind?"""
        connection = self._connection
        connection.lose()
        while self._maildrop.waiting:
            self._maildrop.goOn()
        # A listing may have been between two pieces.
        connection.clock.advance(0)
        late = [str(each) for each in connection.clock.getDelayedCalls()]
        if late or connection.factory.connections:
            raise Wrong(f"left behind: {late or 'the connection itself'}")
        cred = cast(Cred, connection.cred)
        removed = [each[1] for each in connection.maildrop.calls if each[0] == "remove"]
        closed = connection.maildrop.calls.count("close")
        if closed != cred.granted or closed > 1:
            raise Wrong(f"the maildrop was opened {cred.granted} times, closed {closed} times")
        if not self.plan.lost:
            if removed != ([tuple(self._world.removed)] if self._world.removed else []):
                raise Wrong(f"{removed} were removed, not {self._world.removed}")
            if self._server.state != BEFORE and closed != 1:
                raise Wrong("the login was never one")
        if any(each.closed != 1 for each in self._maildrop.opened):
            raise Wrong("a message is not closed once")
        for record in connection.audit.records:
            planned = (
                self.plan.storeTrouble == "remove" and record.get("during") == "removing messages"
            )
            if record["event"] == "fault" and not planned:
                raise Wrong(f"a fault while {record['during']}: {record['failure'].getTraceback()}")
            said = {key: value for key, value in record.items() if key != "user"}
            if any(secret in str(said) for secret in _SECRETS):
                raise Wrong(f"a secret is in the log: {said}")


_SECRETS = [each.decode() for each in (*USERS.values(), b"token-of-")]
