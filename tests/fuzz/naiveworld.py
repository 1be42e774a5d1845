"""
What lies behind the naive server: messages as lists of lines, and a world in which
things go well or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .naivelogin import Claim

# The states of RFC 1939 section 3 in which something can be said.
BEFORE, AFTER = "AUTHORIZATION", "TRANSACTION"


@dataclass
class Message:
    """
    @ivar lines: without their ends.
    @ivar octets: of these lines, with CRLF for each.
    """

    lines: list[bytes]
    octets: int
    uniqueId: bytes
    deleted: bool = False

    @classmethod
    def of(cls, stored: bytes, uniqueId: bytes) -> Message:
        return cls(*_measured(stored), uniqueId)


class World:
    """
    What lies behind a server, and how it fares. By default everything is well.

    @ivar mechanisms: what CAPA says of SASL.
    @ivar timestamp: of the greeting, where APOP is offered.
    @ivar readOnly: nobody may delete.
    @ivar longest: how many octets a name or a password may have.
    """

    def __init__(self, messages: list[tuple[bytes, bytes]]) -> None:
        """@param messages: each as stored, with its unique-id."""
        self.messages = messages
        self.timestamp = b""
        self.readOnly = False
        self.longest = 1024
        self.offer([])

    def offer(self, capabilities: list[bytes], version: bytes = b"") -> None:
        """
        @param capabilities: the lines of the CAPA answer before login. What is
            not among them is not accepted.
        @param version: what IMPLEMENTATION says besides after login.
        """
        self._capabilities = {
            BEFORE: capabilities,
            AFTER: [
                each + version if each.startswith(b"IMPLEMENTATION ") else each
                for each in capabilities
                if each != b"STLS"
            ],
        }
        self._offered = {each.split()[0] for each in capabilities}
        words = [each.split() for each in capabilities]
        self.mechanisms = next((each[1:] for each in words if each[0] == b"SASL"), [])

    def capabilities(self, state: str) -> bytes:
        """What CAPA answers."""
        return b"".join(each + b"\r\n" for each in self._capabilities[state]) + b".\r\n"

    def offers(self, keyword: bytes) -> bool:
        """What CAPA does not name, or for APOP the greeting, is not taken."""
        if keyword == b"APOP":
            return bool(self.timestamp)
        name = {b"PASS": b"USER", b"AUTH": b"SASL"}.get(keyword, keyword)
        return name not in (b"USER", b"SASL", b"STLS") or name in self._offered

    def startTLS(self) -> None:
        """The handshake is over; other things may be offered inside."""

    def login(self, claim: Claim) -> str:
        """@return: C{good}, C{wrong}, C{in-use}, C{temporary} or C{permanent}."""
        raise NotImplementedError

    def verifier(self) -> str:
        """@return: as L{login}, when a verifier for SCRAM is fetched."""
        return "good"

    def transfer(self, number: int, top: int | None) -> str:
        """
        @param top: TOP's lines; C{None} for the whole message.
        @return: C{whole}, or where it breaks: C{before} or C{midway}; C{unsure}
            for the first or the second.
        """
        return "whole"

    def remove(self, numbers: list[int]) -> bool:
        """@return: whether all are removed."""
        return True


def linesOf(stored: bytes) -> list[bytes]:
    """A message's lines: LF or CRLF ends one, and what is left over is one too."""
    lines = stored.split(b"\n")
    last = lines.pop()
    lines = [each.removesuffix(b"\r") for each in lines]
    return [*lines, last] if last else lines


@cache
def _measured(stored: bytes) -> tuple[list[bytes], int]:
    lines = linesOf(stored)
    return lines, sum(len(each) + 2 for each in lines)


def wire(lines: list[bytes], top: int | None = None) -> bytes:
    """RFC 1939 section 3, line by line; and section 7, TOP."""
    if top is not None and b"" in lines:
        lines = lines[: lines.index(b"") + 1 + top]
    return (
        b"".join((b"." if each[:1] == b"." else b"") + each + b"\r\n" for each in lines) + b".\r\n"
    )
