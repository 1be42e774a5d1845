"""
The Session: lines and outcomes in, effects out.

It never looks at a clock, a socket or a file, returns at once, and raises
nothing that a client can cause. L{pop3svc.core} tells how it is driven.
"""

from __future__ import annotations

from collections.abc import Callable

from ..limits import Limits
from . import replies
from .capabilities import Situation, capabilities, withheld
from .effects import (
    CheckClaim,
    Commit,
    Disconnect,
    Effect,
    PasswordClaim,
    Reply,
    SendListing,
    SendMessage,
    StartTLS,
)
from .grammar import BadSyntax, parseLine
from .marks import Marks, Messages, NoSuchMessage
from .replies import Code, Refusal, err, ok
from .states import AFTER_LOGIN, BEFORE_LOGIN, COMMANDS, WAITS, State

Effects = list[Effect]

# RFC 6856 section 3.2: one language, and the one that every server has.
_LANGUAGES = b"en English\r\n"
_LANGUAGE_TAGS = (b"EN", b"I-DEFAULT", b"*")


class Session:
    """
    One POP3 session from the greeting, or from the end of STLS, to its end.

    @ivar state: where it is; L{states} says what that allows.
    """

    def __init__(self, situation: Situation, limits: Limits, version: bytes = b"") -> None:
        """@param version: our version number, which CAPA tells after login."""
        self.state = State.AUTHORIZATION
        self._situation = situation
        self._limits = limits
        self._version = version
        self._name = b""
        self._badCommands = 0
        self._refusals = 0
        self._marks: Marks

    # What the driver calls.

    def greet(self) -> Effects:
        """
        The greeting of a new connection. No C{<...@...>} stands in it:
        Thunderbird takes that for an offer of APOP.
        """
        return [Reply(ok(b"pop3svc ready"))]

    def lineOctets(self) -> int:
        """How long the line that now arrives may be, with its line end."""
        return self._limits.commandOctets

    def receiveLine(self, line: bytes) -> Effects:
        """
        @param line: one line without its line end.
        """
        self._checkState(self.state not in WAITS)
        if self.state is State.ENDED:
            return []
        try:
            return self._command(line)
        except BadSyntax as wrong:
            return self._bad(err(wrong.text))

    def receiveLongLine(self) -> Effects:
        """A line was longer than L{lineOctets}; the driver skips its rest."""
        self._checkState(self.state not in WAITS)
        if self.state is State.ENDED:
            return []
        return self._bad(err(b"this line is too long"))

    def endlessLine(self) -> Effects:
        """The rest of a line that is too long has no end either."""
        return self._end("line-too-long")

    def authenticated(self, messages: Messages) -> Effects:
        """
        The claim was good, and the maildrop is open.

        @param messages: its listing, which no longer changes.
        """
        self._checkState(self.state is State.CLAIMED)
        self.state = State.TRANSACTION
        self._badCommands = 0
        self._marks = Marks(messages)
        return [Reply(ok(b"maildrop has " + self._size()))]

    def refused(self, why: Refusal) -> Effects:
        """The claim was not good, or the maildrop could not be opened."""
        self._checkState(self.state is State.CLAIMED)
        self.state = State.AUTHORIZATION
        effects: Effects = [Reply(replies.refused(why))]
        if why is Refusal.WRONG:
            self._refusals += 1
            if self._refusals >= self._limits.loginAttempts:
                effects += self._end("login-attempts")
        return effects

    def transferred(self) -> Effects:
        """A message or a listing is written whole."""
        self._checkState(self.state is State.SENDING)
        self.state = State.TRANSACTION
        return []

    def transferFailed(self, begun: bool) -> Effects:
        """
        A message could not be sent.

        @param begun: some of it is written. Then no termination octet may
            follow: a client would take the part for the whole.
        """
        self._checkState(self.state is State.SENDING)
        if begun:
            return self._end("transfer-failed")
        self.state = State.TRANSACTION
        return [Reply(err(b"this message cannot be read at the moment", Code.TEMPORARY))]

    def committed(self, notRemoved: int) -> Effects:
        """
        UPDATE is over.

        @param notRemoved: how many of the marked messages are still there.
        """
        self._checkState(self.state is State.UPDATE)
        if notRemoved:
            text = b"%d of %d deleted messages not removed" % (
                notRemoved,
                len(self._marks.marked()),
            )
            return [Reply(err(text, Code.TEMPORARY)), *self._end("quit")]
        left = self._marks.count
        rest = replies.messages(left) + b" left" if left else b"maildrop empty"
        return [Reply(ok(b"pop3svc signing off (%s)" % rest)), *self._end("quit")]

    def commitFailed(self) -> Effects:
        """UPDATE failed as a whole."""
        self._checkState(self.state is State.UPDATE)
        failed = err(b"deleted messages not removed", Code.TEMPORARY)
        return [Reply(failed), *self._end("quit")]

    def injected(self) -> Effects:
        """
        Something was sent behind STLS in the clear. An attacker on the path
        could have put it there, to have it executed inside TLS.
        """
        return [Reply(err(b"nothing may follow STLS before TLS")), *self._end("tls-injection")]

    # The commands, by the table in states.

    def _command(self, line: bytes) -> Effects:
        parsed = parseLine(line)
        row = COMMANDS.get(parsed.keyword)
        if row is None:
            return self._bad(err(b"unknown command"))
        refusal = withheld(row.keyword, self._situation)
        if self.state not in row.states:
            # Whoever was refused USER is told why again, not to give it first.
            if refusal is not None and self.state in BEFORE_LOGIN:
                return [Reply(refusal)]
            return self._bad(err(row.otherwise))
        if refusal is not None:
            return [Reply(refusal)]
        arguments = row.shape.parse(parsed.argument)
        if arguments is None:
            return self._bad(err(b"%s takes %s" % (row.keyword, row.shape.takes)))
        if self.state in AFTER_LOGIN:
            self._badCommands = 0
        try:
            return _HANDLERS[row.keyword](self, *arguments)
        except NoSuchMessage as wrong:
            return [Reply(err(wrong.text))]

    def do_USER(self, name: bytes) -> Effects:
        self._name = name
        self.state = State.NAMED
        # The same for each name: it tells nothing about which users exist.
        return [Reply(ok(b"send PASS"))]

    def do_PASS(self, password: bytes) -> Effects:
        name, self._name = self._name, b""
        return self._claim(PasswordClaim("USER", name, password))

    def do_STLS(self) -> Effects:
        self.state = State.ENDED
        return [StartTLS(ok(b"begin TLS"))]

    def do_CAPA(self) -> Effects:
        listing = capabilities(self._situation, self.state in AFTER_LOGIN, self._version)
        return [Reply(ok(b"capability list follows") + listing + replies.END)]

    def do_UTF8(self) -> Effects:
        # RFC 6856 section 2: messages go out as they are stored in any case.
        return [Reply(ok(b"UTF8 enabled"))]

    def do_LANG(self, tag: bytes) -> Effects:
        if not tag:
            return [Reply(ok(b"language listing follows") + _LANGUAGES + replies.END)]
        if tag.upper() in _LANGUAGE_TAGS:
            return [Reply(ok(b"en English it is"))]
        return [Reply(err(b"this language is not spoken here"))]

    def do_QUIT(self) -> Effects:
        if self.state in BEFORE_LOGIN:
            return [Reply(ok(b"pop3svc signing off")), *self._end("quit")]
        self.state = State.UPDATE
        return [Commit(self._marks.marked())]

    def do_STAT(self) -> Effects:
        return [Reply(ok(b"%d %d" % (self._marks.count, self._marks.octets)))]

    def do_LIST(self, number: int | None) -> Effects:
        if number is not None:
            return [Reply(ok(b"%d %d" % (number, self._marks.sizeOf(number))))]
        return self._listing(self._size(), self._marks.scanListing())

    def do_UIDL(self, number: int | None) -> Effects:
        if number is not None:
            return [Reply(ok(b"%d %s" % (number, self._marks.uniqueIdOf(number))))]
        return self._listing(b"unique-id listing follows", self._marks.uniqueIdListing())

    def do_RETR(self, number: int) -> Effects:
        opening = ok(b"%d octets" % self._marks.sizeOf(number))
        self.state = State.SENDING
        return [SendMessage(number, opening)]

    def do_TOP(self, number: int, lines: int) -> Effects:
        self._marks.sizeOf(number)
        self.state = State.SENDING
        return [SendMessage(number, ok(b"top of message follows"), lines)]

    def do_DELE(self, number: int) -> Effects:
        self._marks.mark(number)
        return [Reply(ok(b"message %d deleted" % number))]

    def do_RSET(self) -> Effects:
        self._marks.reset()
        return [Reply(ok(b"maildrop has " + self._size()))]

    def do_NOOP(self) -> Effects:
        return [Reply(ok(b"still here"))]

    # What they share.

    def _claim(self, claim: PasswordClaim) -> Effects:
        self.state = State.CLAIMED
        return [CheckClaim(claim)]

    def _listing(self, text: bytes, listing: bytes) -> Effects:
        self.state = State.SENDING
        return [SendListing(ok(text), listing)]

    def _size(self) -> bytes:
        return replies.size(self._marks.count, self._marks.octets)

    def _bad(self, reply: bytes) -> Effects:
        """A line that no mail program sends; too many of them end the session."""
        self._badCommands += 1
        most = (
            self._limits.badCommandsInARow
            if self.state in AFTER_LOGIN
            else self._limits.badCommandsBeforeLogin
        )
        effects: Effects = [Reply(reply)]
        if self._badCommands >= most:
            effects += self._end("bad-commands")
        return effects

    def _end(self, reason: str) -> Effects:
        self.state = State.ENDED
        return [Disconnect(reason)]

    def _checkState(self, fits: bool) -> None:
        """A line or an outcome at the wrong time is the driver's fault."""
        if not fits:
            raise RuntimeError(f"the session does not expect this in {self.state.name}")


_HANDLERS: dict[bytes, Callable[..., Effects]] = {
    keyword: getattr(Session, "do_" + keyword.decode()) for keyword in COMMANDS
}
