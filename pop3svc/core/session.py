"""
The Session: lines and outcomes in, effects out.

It never looks at a clock, a socket or a file, returns at once, and raises
nothing that a client can cause. L{pop3svc.core} tells how it is driven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from . import replies
from .authorization import Authorization
from .capabilities import capabilities, withheld
from .effects import Commit, Effects, Reply, SendListing, SendMessage
from .foreign import Foreign, foreign
from .grammar import BadSyntax, parseLine
from .marks import Marks, Messages, NoSuchMessage
from .replies import Code, Refusal, err, ok
from .states import AFTER_LOGIN, BEFORE_LOGIN, COMMANDS, WAITS, State

# RFC 6856 section 3.2: one language, and the one that every server has.
_LANGUAGES = b"en English\r\n"
LANGUAGE_TAGS = (b"EN", b"I-DEFAULT", b"*")

# Only here may a line be as long as a token.
_LONG_COMMAND = b"AUTH "


class Session(Authorization):
    """
    One POP3 session from the greeting, or from the end of STLS, to its end.
    """

    _marks: Marks

    # What the driver calls.

    def lineOctets(self, start: bytes = b"") -> int:
        """
        How long the line that now arrives may be, with its line end.

        @param start: what has arrived of it.
        """
        isAuth = self.state in BEFORE_LOGIN and start[:5].upper() == _LONG_COMMAND
        if isAuth or self.state is State.EXCHANGE:
            return self._limits.saslLineOctets
        return self._limits.commandOctets

    def lineBegun(self, start: bytes) -> Effects:
        """
        A line has not ended yet.

        @param start: its first octets.
        """
        found = foreign(start) if self.state in BEFORE_LOGIN else None
        return [] if found is None else self._cutOff(found)

    def receiveLine(self, line: bytes) -> Effects:
        """
        @param line: one line without its line end.
        """
        self._checkState(self.state not in WAITS)
        if self.state is State.ENDED:
            return []
        if self.state is State.EXCHANGE:
            return self._answer(line)
        if self.state in BEFORE_LOGIN and (found := foreign(line + b" ")):
            return self._cutOff(found)
        try:
            return self._command(line)
        except BadSyntax as wrong:
            return self._bad(err(wrong.text))

    def receiveLongLine(self) -> Effects:
        """A line was longer than L{lineOctets}; the driver skips its rest."""
        self._checkState(self.state not in WAITS)
        if self.state is State.ENDED:
            return []
        if self.state is State.EXCHANGE:
            return self._break(b"this line is too long")
        return self._bad(err(b"this line is too long"))

    def endlessLine(self) -> Effects:
        """The rest of a line that is too long has no end either."""
        return self._end("line-too-long")

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

    def dispossessed(self, why: Refusal) -> Effects:
        """
        The peer was silent for so long that others might have its maildrop, and
        it cannot be had back. RFC 1939 section 3: no UPDATE.

        @param why: L{Refusal.IN_USE} when another session has it, or had it.
        """
        self._checkState(self.state not in WAITS)
        code, _ = why.value
        text = b"this session is over after a long silence; nothing is deleted"
        reason = "taken-over" if why is Refusal.IN_USE else "store-failed"
        return [Reply(err(text, code)), *self._end(reason)]

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

    # The commands, by the table in states.

    def _command(self, line: bytes) -> Effects:
        parsed = parseLine(line)
        row = COMMANDS.get(parsed.keyword)
        if row is None:
            return self._bad(err(b"unknown command"))
        refusal = withheld(row.keyword, self.situation)
        if refusal is not None:
            self.withheld = row.keyword.decode()
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

    def do_CAPA(self) -> Effects:
        listing = capabilities(self.situation, self.state in AFTER_LOGIN, self._version)
        return [Reply(ok(b"capability list follows") + listing + replies.END)]

    def do_UTF8(self) -> Effects:
        # RFC 6856 section 2: messages go out as they are stored in any case.
        return [Reply(ok(b"UTF8 enabled"))]

    def do_LANG(self, tag: bytes) -> Effects:
        if not tag:
            return [Reply(ok(b"language listing follows") + _LANGUAGES + replies.END)]
        if tag.upper() in LANGUAGE_TAGS:
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
        if self._readOnly:
            return [Reply(err(b"this login may read messages, not delete them"))]
        self._marks.mark(number)
        return [Reply(ok(b"message %d deleted" % number))]

    def do_RSET(self) -> Effects:
        self._marks.reset()
        return [Reply(ok(b"maildrop has " + self._size()))]

    def do_NOOP(self) -> Effects:
        return [Reply(ok(b"still here"))]

    def over(self) -> None:
        """
        The connection is lost. A listing may be large, and whoever still holds
        this object holds none with it.
        """
        vars(self).pop("_marks", None)

    # What they share.

    def _cutOff(self, found: Foreign) -> Effects:
        """Not one octet more of somebody who speaks another protocol."""
        reply: Effects = [Reply(err(found.text))] if found.text else []
        return [*reply, *self._end(found.reason)]

    def _enter(self, messages: Messages) -> Effects:
        self.state = State.TRANSACTION
        self._badCommands = 0
        self._marks = Marks(messages)
        return [Reply(ok(b"maildrop has " + self._size()))]

    def _listing(self, text: bytes, listing: Iterable[bytes]) -> Effects:
        self.state = State.SENDING
        return [SendListing(ok(text), listing)]

    def _size(self) -> bytes:
        return replies.size(self._marks.count, self._marks.octets)


_HANDLERS: dict[bytes, Callable[..., Effects]] = {
    keyword: getattr(Session, "do_" + keyword.decode()) for keyword in COMMANDS
}
