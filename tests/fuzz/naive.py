"""
A POP3 server of the simplest kind: a list of messages with deletion flags and a
word for the state. It is written from RFC 1939 and what the documents of this
service promise, shares no code with it, and is never fast.

Some answers it cannot know, such as whether a mutated message of SCRAM is still
one. Then it allows several, and goes on with the one that was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .naiveanswers import Answer, TooLong, Wrong, pick
from .naiveauthorization import NaiveAuthorization
from .naiveforeign import mayBeCutOff, mustBeCutOff
from .naiveworld import AFTER, BEFORE, Message, wire

# Where RFC 1939, 2449, 2595, 5034 and 6856 allow which command.
_STATES = {
    **dict.fromkeys((b"USER", b"PASS", b"APOP", b"AUTH", b"STLS"), (BEFORE,)),
    **dict.fromkeys((b"CAPA", b"UTF8", b"LANG", b"QUIT"), (BEFORE, AFTER)),
    **dict.fromkeys((b"STAT", b"LIST", b"UIDL", b"RETR"), (AFTER,)),
    **dict.fromkeys((b"TOP", b"DELE", b"RSET", b"NOOP"), (AFTER,)),
}
_WITHOUT_ARGUMENT = (b"STLS", b"CAPA", b"UTF8", b"QUIT", b"STAT", b"RSET", b"NOOP")


class NaiveServer(NaiveAuthorization):
    """One session."""

    def answers(self, line: bytes | TooLong) -> list[Answer]:
        """@param line: without its end."""
        if self.exchange is not None:
            return self._exchangeLine(self.exchange, line)
        if self.state == BEFORE and (cutOff := self._foreign(line)):
            return cutOff
        if isinstance(line, TooLong) or any(not 0x20 <= octet <= 0x7E for octet in line):
            return [self._bad()]
        word, _, rest = line.partition(b" ")
        keyword = word.upper()
        if keyword not in _STATES:
            return [self._bad()]
        if self.state == BEFORE and not self.world.offers(keyword):
            return [Answer(b"-ERR", (b"", b"AUTH"))]
        if self.state not in _STATES[keyword] or (keyword == b"PASS" and self.user is None):
            return [self._bad()]
        if keyword in _WITHOUT_ARGUMENT and rest.strip(b" "):
            return [self._bad()]
        bad = self.bad
        if self.state == AFTER:
            self.bad = 0
        found: list[Answer] | None = getattr(self, "_" + keyword.decode())(rest)
        if found is None:
            self.bad = bad
            return [self._bad()]
        return found

    def check(self, line: bytes | TooLong, got: bytes, closing: bool) -> bytes:
        """
        @param got: all that our server has sent and nobody has looked at.
        @param closing: whether it has ended the connection.
        @return: what is left of it behind the answer to this line.
        @raise Wrong: that is no answer to it.
        """
        answer, rest = pick(line, self.answers(line), got, closing)
        answer.then()
        self.ended = self.ended or answer.ends
        return rest

    def checkBegun(self, start: bytes, got: bytes, closing: bool) -> bytes:
        """
        As L{check}, for a line that has no end yet.

        @param start: what has arrived of it.
        """
        if self.state != BEFORE or self.exchange is not None or self.ended:
            return got
        if mustBeCutOff(start) or (closing and mayBeCutOff(start)):
            if not closing:
                raise Wrong(f"{start[:80]!r} is not cut off")
            self.ended = True
            return got[got.find(b"\n") + 1 :] if got.startswith(b"-ERR ") else got
        return got

    # Commands. None: the argument does not fit.

    def _CAPA(self, rest: bytes) -> list[Answer]:
        return [Answer(b"+OK", body=self.world.capabilities(self.state))]

    def _UTF8(self, rest: bytes) -> list[Answer]:
        return [Answer(b"+OK")]

    def _LANG(self, rest: bytes) -> list[Answer] | None:
        tag = rest.strip(b" ").upper()
        if not tag:
            return [Answer(b"+OK", body=b"en English\r\n.\r\n")]
        if not re.fullmatch(rb"[A-Z0-9*-]{1,40}", tag):
            return None
        return [Answer(b"+OK" if tag in (b"EN", b"*", b"I-DEFAULT") else b"-ERR")]

    def _QUIT(self, rest: bytes) -> list[Answer]:
        deleted = [n for n, each in enumerate(self.messages, 1) if each.deleted]
        if self.state == BEFORE or self.world.remove(deleted):
            return [Answer(b"+OK", ends=True)]
        return [Answer(b"-ERR", (b"SYS/TEMP",), ends=True)]

    def _STAT(self, rest: bytes) -> list[Answer]:
        left = [each.octets for each in self.messages if not each.deleted]
        return [Answer(b"+OK", first=b"+OK %d %d" % (len(left), sum(left)))]

    def _LIST(self, rest: bytes) -> list[Answer] | None:
        return self._list(rest, lambda each: b"%d" % each.octets)

    def _UIDL(self, rest: bytes) -> list[Answer] | None:
        return self._list(rest, lambda each: each.uniqueId)

    def _RETR(self, rest: bytes) -> list[Answer] | None:
        words = rest.split()
        if len(words) != 1 or not _isNumber(words[0]):
            return None
        return self._send(int(words[0]), None)

    def _TOP(self, rest: bytes) -> list[Answer] | None:
        words = rest.split()
        if len(words) != 2 or not _isNumber(words[0]):
            return None
        if words[1] != b"0" and not _isNumber(words[1]):
            return None
        return self._send(int(words[0]), int(words[1]))

    def _DELE(self, rest: bytes) -> list[Answer] | None:
        words = rest.split()
        if len(words) != 1 or not _isNumber(words[0]):
            return None
        message = self._find(int(words[0]))
        if message is None or self.world.readOnly:
            return [Answer(b"-ERR")]
        return [Answer(b"+OK", then=lambda: setattr(message, "deleted", True))]

    def _RSET(self, rest: bytes) -> list[Answer]:
        for each in self.messages:
            each.deleted = False
        return [Answer(b"+OK")]

    def _NOOP(self, rest: bytes) -> list[Answer]:
        return [Answer(b"+OK")]

    # What they share.

    def _foreign(self, line: bytes | TooLong) -> list[Answer]:
        """None, if the line is POP3."""
        start = line.start if isinstance(line, TooLong) else line + b" "
        if mustBeCutOff(start):
            return [Answer(b"" if start[:1] == b"\x16" else b"-ERR", ends=True)]
        if not mayBeCutOff(start):
            return []
        return [self._bad(), Answer(b"-ERR", ends=True), Answer(b"", ends=True)]

    def _find(self, number: int) -> Message | None:
        if not 1 <= number <= len(self.messages) or self.messages[number - 1].deleted:
            return None
        return self.messages[number - 1]

    def _list(self, rest: bytes, column: Callable[[Message], bytes]) -> list[Answer] | None:
        words = rest.split()
        if not words:
            rows = enumerate(self.messages, 1)
            listing = [b"%d %s\r\n" % (n, column(each)) for n, each in rows if not each.deleted]
            return [Answer(b"+OK", body=b"".join(listing) + b".\r\n")]
        if len(words) != 1 or not _isNumber(words[0]):
            return None
        message = self._find(int(words[0]))
        if message is None:
            return [Answer(b"-ERR")]
        return [Answer(b"+OK", first=b"+OK %d %s" % (int(words[0]), column(message)))]

    def _send(self, number: int, top: int | None) -> list[Answer]:
        message = self._find(number)
        if message is None:
            return [Answer(b"-ERR")]
        how = self.world.transfer(number, top)
        broken = Answer(b"-ERR", (b"SYS/TEMP",))
        if how == "before":
            return [broken]
        cut = how == "midway"
        sent = Answer(b"+OK", body=wire(message.lines, top), cut=cut, ends=cut)
        return [sent, broken] if how == "unsure" else [sent]


def _isNumber(word: bytes) -> bool:
    """Ten plain digits at the most, none of them a zero in front."""
    return (
        1 <= len(word) <= 10 and word[0] in b"123456789" and all(c in b"0123456789" for c in word)
    )
